"""The workbook and csv hold the frames' values, typed, and a file is replaced as a whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from helpers.report_frames import EVIL, empty_report, exception, exceptions, report
from wfm.report import to_xlsx
from wfm.report.export import xlsx

SHEETS = ["Summary", "Teams", "Agents", "Days", "Exceptions", "Intervals", "Forecast", "Definitions"]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("book") / "report.xlsx"
    to_xlsx(report(), path)
    return openpyxl.load_workbook(path)


def local(hour: int) -> datetime:
    """Make a clock time of the first day, as a workbook holds it."""
    return datetime(2026, 3, 2, hour, tzinfo=UTC).replace(tzinfo=None)


def columns(sheet: Any) -> dict[str, list[Any]]:
    """Read a sheet as header → cells."""
    rows = list(sheet.iter_rows(values_only=True))
    return {head: [row[i] for row in rows[1:]] for i, head in enumerate(rows[0])}


def test_every_sheet_is_there_frozen_and_filtered(book: Any) -> None:
    assert book.sheetnames == SHEETS
    for sheet in book:
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref.startswith("A1:")


def test_scores_are_numbers_shown_as_percent(book: Any) -> None:
    read, made = columns(book["Agents"]), report().by_agent
    assert read["Agent"] == made["agent_id"].to_list()
    assert read["adherence"] == made["adherence"].to_list()
    assert read["controllable_s"] == made["controllable_s"].to_list()
    place = list(read).index("adherence") + 1
    assert book["Agents"].cell(2, place).number_format == "0.0%"
    assert [len(columns(book[name])["scheduled_s"]) for name in ("Teams", "Days")] == [2, 3]


def test_the_summary_holds_every_headline_figure(book: Any) -> None:
    read = columns(book["Summary"])
    ratio = dict(zip(read["Figure"], read["Ratio"], strict=True))
    seconds = dict(zip(read["Figure"], read["Seconds"], strict=True))
    for name, value in report().total.items():
        assert (seconds if name.endswith("_s") else ratio)[name] == value
    assert read["Figure"].count("Note") == len(report().notes)


def test_instants_are_local_and_utc(book: Any) -> None:
    read, made = columns(book["Exceptions"]), report().exceptions
    assert read["Start (UTC)"] == [at.replace(tzinfo=None) for at in made["start_at"]]
    assert read["Start (Asia/Jerusalem)"][0] == local(8)
    assert read["Evidence"][1] == "leg-7 leg-8"
    assert read["Seconds"] == made["seconds"].to_list()
    assert "Interval start (Asia/Jerusalem)" in columns(book["Intervals"])
    assert columns(book["Forecast"])["Volume"][0] == 10.0


def test_text_is_text_and_never_a_formula(tmp_path: Path) -> None:
    odd = exceptions(exception("a1", 1, 5, "controllable", "wrong_state", vendor_state='=HYPERLINK("x")'))
    to_xlsx(report(exceptions=odd), tmp_path / "r.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["Exceptions"]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value in ('=HYPERLINK("x")', EVIL)]
    assert len(cells) >= 2
    assert all(cell.data_type in ("s", "inlineStr") for cell in cells)


def test_exceptions_of_several_zones_name_the_zone(tmp_path: Path) -> None:
    agents = pl.DataFrame({"agent_id": ["a1", "a2"], "timezone": ["Asia/Jerusalem", "Europe/London"]})
    to_xlsx(report(agent=agents), tmp_path / "r.xlsx")
    read = columns(openpyxl.load_workbook(tmp_path / "r.xlsx")["Exceptions"])
    assert read["Start (agent's zone)"][0] == local(8)
    assert read["Start (agent's zone)"][3] == local(6)
    assert set(read["Zone"]) == {"Asia/Jerusalem", "Europe/London"}


def test_what_a_sheet_cannot_hold_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 4)
    to_xlsx(report(), tmp_path / "r.xlsx")
    read = columns(openpyxl.load_workbook(tmp_path / "r.xlsx")["Exceptions"])
    assert read["Agent"][-1] == "3 more rows do not fit a sheet; write csv for all."


def test_an_empty_report_is_a_workbook_too(tmp_path: Path) -> None:
    to_xlsx(empty_report(), tmp_path / "r.xlsx")
    assert openpyxl.load_workbook(tmp_path / "r.xlsx").sheetnames == SHEETS
