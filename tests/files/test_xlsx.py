"""Workbooks as people make them: titles, merged cells, dates that are numbers, formulas that fail."""
# ruff: noqa: DTZ001 - clock times without a zone are what is tested

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest
import xlsxwriter

from wfm.core.errors import InputError

HEAD = ["agent_id", "start_at", "end_at", "activity"]
T8, T9 = datetime(2026, 3, 2, 8), datetime(2026, 3, 2, 9)


def book(*sheets, name="Sheet", at=(1, 1), merge=(), epoch=None):
    """Return the bytes of a workbook of these sheets (lists of rows); None leaves a cell out."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    if epoch:
        workbook.epoch = epoch
    for i, rows in enumerate(sheets):
        sheet = workbook.create_sheet(f"{name}{i or ''}")
        for r, row in enumerate(rows, at[0]):
            for c, value in enumerate(row, at[1]):
                if value is not None:
                    cell = sheet.cell(r, c, value)
                    if isinstance(value, str) and value.startswith("#"):
                        cell.data_type = "e"
        for area in merge:
            sheet.merge_cells(area)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def test_dates_texts_and_numbers(read):
    rows = [
        HEAD,
        [2007, T8, T9, "phone"],
        ["x", 46083.375, "2026-03-02T10:00:00Z", "phone"],
        [7.5, T8, date(2026, 3, 3), "a"],
    ]
    got = read(book(rows), "schedule", "x.xlsx", timezone="UTC")
    assert got.frame.select("agent_id", "start_at", "end_at", "row_no").rows() == [
        ("2007", T8.replace(tzinfo=UTC), T9.replace(tzinfo=UTC), 2),
        ("x", T9.replace(tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC), 3),
        ("7.5", T8.replace(tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), 4),
    ]
    assert got.note == ()


def test_excel_times_are_clock_times(read):
    got = read(book([HEAD, [1, T8, T9, "x"]]), "schedule", "x.xlsx")
    assert (
        got.bad["expected"].to_list()
        == ["an offset or Z at the end: this is a naive time; give --timezone"] * 2
    )


def test_a_header_that_says_utc_is_believed(read):
    rows = [["agent_id", "start_at (UTC)", "End At ( utc )", "activity"], [1, T8, T9, "x"]]
    got = read(book(rows), "schedule", "x.xlsx", timezone="Asia/Jerusalem")
    assert got.frame["start_at"].to_list() == [T8.replace(tzinfo=UTC)]


def test_the_other_date_system(read):
    rows = [HEAD, [1, T8, 44621.375, "x"]]
    got = read(
        book(rows, epoch=openpyxl.utils.datetime.CALENDAR_MAC_1904), "schedule", "x.xlsx", timezone="UTC"
    )
    assert got.frame.select("start_at", "end_at").rows() == [(T8.replace(tzinfo=UTC), T9.replace(tzinfo=UTC))]


def test_titles_blank_rows_and_the_right_sheet(read):
    rows = [["Shifts of March"], [], HEAD, ["1", T8, T9, "x"], [], ["2", T8, T9, "x"]]
    got = read(book([["hello"]], rows, at=(3, 2)), "schedule", "x.xlsx", timezone="UTC")
    assert got.frame.select("agent_id", "row_no").rows() == [("1", 6), ("2", 8)]
    assert got.note == ("sheet 'Sheet1' read", "header found in row 5", "1 blank row skipped")


def test_a_sheet_by_name(read):
    data = book([["agent_id"], ["1"]], [["agent_id"], ["2"]], name="A&B")
    assert read(data, "agent", "x.xlsx").frame["agent_id"].to_list() == ["1"]
    assert read(data, "agent", "x.xlsx", sheet="A&B1").frame["agent_id"].to_list() == ["2"]
    with pytest.raises(InputError, match=r"no sheet 'C'. It has: 'A&B', 'A&B1'"):
        read(data, "agent", "x.xlsx", sheet="C")


def test_renames_and_defaults_help_to_find_the_header(read):
    rows = [["agent", "list"], ["Person", "site"], ["1", "here"]]
    assert read(book(rows), "agent", "x.xlsx", renames={"person": "agent_id"}).frame.row(0)[0] == "1"
    rows = [["t"], ["queue_id"], ["q"]]
    assert read(book(rows), "queue", "x.xlsx", defaults={"source": "s"}).frame.row(0)[:2] == ("s", "q")


@pytest.mark.parametrize("at", [(1, 1), (4, 3)])
def test_merged_cells_are_filled_down_and_only_they(read, at):
    rows = [
        HEAD,
        ["A", T8, T9, "x"],
        [None, T9, T9 + timedelta(hours=1), "x"],
        [],
        [None, T8, T9, "y"],
        [None, T8, T9, "z"],
    ]
    column, row = "ABCD"[at[1] - 1], at[0]
    got = read(
        book(rows, at=at, merge=[f"{column}{row + 1}:{column}{row + 4}"]),
        "schedule",
        "x.xlsx",
        timezone="UTC",
    )
    assert got.frame.select("agent_id", "row_no").rows() == [("A", row + 1), ("A", row + 2), ("A", row + 4)]
    assert got.bad.rows() == [(row + 5, "agent_id", "", "a value: agent_id must not be empty")]
    assert got.note == ("2 empty cells filled from the merged cell they belong to", "1 blank row skipped")


def test_a_merged_title_fills_nothing(read):
    rows = [["Title"], HEAD, ["A", T8, T9, "x"], [None, T8, T9, "x"]]
    got = read(book(rows, merge=["A1:D1"]), "schedule", "x.xlsx", timezone="UTC")
    assert got.bad["row"].to_list() == [4]


def test_formulas(read):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["source", "leg_id", "talk_s", "outcome", "junk"])
        sheet.write_row(1, 0, ["s", "1"])
        sheet.write_formula(1, 2, "=1+1.5", None, 2.5)
        sheet.write_row(2, 0, ["s"])
        sheet.write_formula(2, 1, "=NA()", None, "#N/A")
        sheet.write_row(3, 0, ["s", "2"])
        sheet.write_formula(3, 3, '=VLOOKUP("<",A1:B2,2)', None, "#REF!")
        sheet.write_row(4, 0, ["s", "3"])
        sheet.write_formula(4, 4, "=1/0", None, "#DIV/0!")
        sheet.write_row(5, 0, ["s", "4", None, "#N/A"])
    got = read(buffer.getvalue(), "call_leg", "x.xlsx")
    assert got.frame.select("leg_id", "talk_s", "outcome", "row_no").rows() == [
        ("1", 2.5, None, 2),
        ("3", None, None, 5),
        ("4", None, "#N/A", 6),
    ]
    words = "a value: the formula there ended in an error"
    assert got.bad.rows() == [(3, "leg_id", "#N/A", words), (4, "outcome", "#REF!", words)]


def test_a_chart_sheet_is_passed_over(read):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
        chart = workbook.add_chart({"type": "line"})
        first = workbook.add_chartsheet("Chart")
        sheet = workbook.add_worksheet("Data")
        sheet.write_column(0, 0, ["agent_id", "1"])
        chart.add_series({"values": "=Data!$A$1:$A$2"})
        first.set_chart(chart)
    assert read(buffer.getvalue(), "agent", "x.xlsx").frame["agent_id"].to_list() == ["1"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"junk" * 100, "is not an xlsx workbook, or is damaged"),
        (b"PK\x03\x04" + bytes(100), "is not an xlsx workbook, or is damaged"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old .xls workbook"),
        (book([]), "is empty: no sheet has a header"),
        (book([["agent_id"]]), "has a header but no rows"),
        (book([["name"], ["x"]]), "agent needs the column agent_id. The file has: 'name'"),
        (book([["agent_id", "Agent ID"], ["x", "y"]]), "two columns for agent_id"),
    ],
)
def test_whole_file_problems(read, data, said):
    with pytest.raises(InputError, match=said):
        read(data, "agent", "x.xlsx")


def test_a_bomb_is_not_unpacked(read, monkeypatch):
    monkeypatch.setattr("wfm.files.xlsx_package.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more than"):
        read(book([["agent_id"], ["1"]]), "agent", "x.xlsx")


def test_entities_are_not_expanded(read):
    source = zipfile.ZipFile(io.BytesIO(book([["agent_id"], ["1"]])))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            if name == "xl/workbook.xml":
                text = b'<!DOCTYPE x [<!ENTITY a "b">]>' + text
            target.writestr(name, text)
    with pytest.raises(InputError, match="damaged"):
        read(buffer.getvalue(), "agent", "x.xlsx")
