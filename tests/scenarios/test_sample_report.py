"""The bundled sample, scored by the engine, on the page; and the size of a page for a thousand agents."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from helpers.paths import ROOT
from helpers.report_frames import Page
from wfm import defaults, files
from wfm.engine.adherence.scoring import score
from wfm.engine.inputs.frames import InputFrames
from wfm.report import Report, build_report, to_html
from wfm.report.formats import format_duration, format_exact_seconds, format_percent

SAMPLE = ROOT / "data" / "sample"
ZONE = "Asia/Jerusalem"
WINDOW = (date(1999, 6, 20), date(1999, 7, 4))
COPIES = 40


@cache
def arguments() -> dict[str, Any]:
    """Score the sample and give what `build_report` takes."""
    names = ("agent", "login", "schedule", "agent_state", "call_leg", "exemption", "interval_volume", "queue")
    tables = {
        name: files.read_table(next(SAMPLE.glob(f"{name}.*")), name, defaults={"source": "bank"}).frame
        for name in names
    }
    volume, queue = tables.pop("interval_volume"), tables.pop("queue")
    words = {name: defaults.read_default_table(name) for name in defaults.DEFAULT_TABLES}
    made = score(InputFrames(**tables, **words), window=WINDOW, timezone=ZONE)
    start = datetime(1999, 6, 19, 21, tzinfo=UTC)
    return {
        "overall": made.adherence([]),
        "by_team": made.adherence(["team"]),
        "by_agent": made.adherence(["agent_id", "name", "team"]),
        "by_day": made.adherence(["workday"]),
        "by_agent_day": made.adherence(["agent_id", "workday"]),
        "exceptions": made.exceptions(),
        "slices": made.slices(),
        "agent": tables["agent"],
        "queue": queue,
        "interval": volume.filter(
            pl.col("interval_start").is_between(start, start + timedelta(days=14), closed="left")
        ),
        "history": volume,
        "from_on": WINDOW[0],
        "to_on": WINDOW[1],
        "timezone": ZONE,
        "made_at": datetime(1999, 7, 5, tzinfo=UTC),
    }


@cache
def made() -> Report:
    """Assemble the sample's report."""
    return build_report(**arguments())


@pytest.mark.slow
def test_reasons_and_classes_are_the_same_seconds() -> None:
    report = made()
    summed = dict(report.reasons.group_by("class").agg(pl.col("seconds").sum()).iter_rows())
    for name in ("controllable", "call_driven", "approved", "system"):
        assert summed[name] == report.total[f"{name}_s"]


def test_every_roll_up_adds_up_to_the_headline() -> None:
    report = made()
    for rows in (report.by_team, report.by_agent, report.by_day, report.by_agent_day):
        assert rows["controllable_s"].sum() == report.total["controllable_s"]
        assert rows["scheduled_s"].sum() == report.total["scheduled_s"]


@pytest.mark.slow
def test_the_page_shows_the_published_figures() -> None:
    page, report = Page(to_html(made())), made()
    assert format_percent(report.total["adherence"]) == "88.9 %"
    assert page.tables["split"][-1][2] == format_exact_seconds(report.total["scheduled_s"])
    assert page.column("agents-table", "Controllable") == [
        format_duration(v) for v in report.by_agent["controllable_s"]
    ]
    assert "The vendor state “Quality review” has no mapping: 4 times" in page.text
    assert len([fold for fold in page.all("details") if fold.get("class") == "fold"]) == 25


def test_drawn_days_lie_on_their_workday() -> None:
    strips = made().day_slices
    assert strips.height > 100
    shifts = strips.group_by("agent_id", "workday").agg(pl.col("start_local").min().dt.date().alias("on"))
    assert (shifts["workday"] == shifts["on"]).all()
    planned = strips.drop_nulls("class").with_columns(
        s=(pl.col("end_at") - pl.col("start_at")).dt.total_seconds()
    )
    own = (
        planned.filter(pl.col("class") == "controllable")
        .group_by("agent_id", "workday")
        .agg(pl.col("s").sum())
    )
    joined = own.join(made().by_agent_day, on=["agent_id", "workday"])
    assert joined["s"].to_list() == joined["controllable_s"].to_list()


def copies(rows: pl.DataFrame) -> pl.DataFrame:
    """Repeat rows for other agents and, where they have a day, for the two weeks after."""
    shifts = (0, 14) if {"workday", "start_at"} & set(rows.columns) else (0,)
    dated = [name for name in ("workday", "start_at", "end_at") if name in rows.columns]
    return pl.concat(
        rows.with_columns(pl.col("agent_id") + f"-{copy}", pl.col(dated).dt.offset_by(f"{days}d"))
        for copy in range(COPIES)
        for days in shifts
    )


@pytest.mark.slow
def test_a_thousand_agents_and_a_month_stay_readable() -> None:
    many = {name: copies(arguments()[name]) for name in ("by_agent", "by_agent_day", "exceptions", "agent")}
    slices = arguments()["slices"].with_columns(pl.col("agent_id") + "-0")
    page = to_html(build_report(**{**arguments(), **many, "slices": slices, "to_on": date(1999, 7, 20)}))
    assert len(page.encode()) < 6_000_000
    assert "more in the spreadsheet" in page
