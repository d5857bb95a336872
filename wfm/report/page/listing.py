"""Lists of adherence exceptions: when, how long, why, and on what evidence."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.formats import day, spoken
from wfm.report.page.marks import chip
from wfm.report.page.markup import Content, Html, clock_time, lasting, name, section, tag, text
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report
from wfm.report.words import CLASS, IMPACT, NO_CLASS, REASON

LARGEST: Final = 50


def exception_table(caption: str, rows: pl.DataFrame, *, named: bool, anchor: str | None = None) -> Html:
    """List exceptions: when, how long, why, what was scheduled, what was done, on what evidence."""
    columns = [Column("Day", lambda r: day(r["workday"], year=False))]
    if named:
        columns = [Column("Agent", lambda r: name(r["name"])), *columns]
    columns += [
        Column("From", lambda r: clock_time(r["start_at"], r["start_local"])),
        Column("To", lambda r: clock_time(r["end_at"], r["end_local"])),
        Column("Lasted", lambda r: lasting(r["seconds"]), lambda r: r["seconds"]),
        Column("Reason", lambda r: REASON.get(r["reason"], spoken(r["reason"]))),
        Column("Class", lambda r: (chip(r["class"] or "none"), " ", CLASS.get(r["class"], NO_CLASS).word)),
        Column("Scheduled", lambda r: spoken(r["activity"])),
        Column("State", _state),
        Column("Evidence", _evidence),
        Column("Impact", lambda r: IMPACT.get(r["impact"], spoken(r["impact"]))),
    ]
    return table(caption, columns, rows.iter_rows(named=True), anchor=anchor, sortable=named)


def _state(row: Row) -> Content:
    said = row["vendor_state"]
    if said is None or said.lower() == spoken(row["state"]):
        return spoken(row["state"])
    return spoken(row["state"]), tag("small", "“", said, "”")


def _evidence(row: Row) -> Content:
    if not row["evidence"]:
        return "states only" if row["evidence_kind"] == "state" else "·"
    word = {"call": "call leg", "exemption": "exemption"}.get(row["evidence_kind"], "state")
    return text(f"{word} "), tag("code", ", ".join(row["evidence"]))


def largest(report: Report) -> Html | None:
    """List the longest exceptions of everybody, for a reader to filter."""
    if report.exceptions.is_empty():
        return None
    rows = report.exceptions.sort("seconds", "agent_id", "start_at", descending=[True, False, False]).head(
        LARGEST
    )
    more = report.exceptions.height - rows.height
    find = tag(
        "label",
        "Show only rows with ",
        tag("input", type="search", data_filter="exceptions-table"),
        class_="filter",
        hidden=True,
    )
    return section(
        "exceptions",
        "The longest exceptions",
        find,
        exception_table(
            "Exceptions, longest first; each on its agent's clock",
            rows,
            named=True,
            anchor="exceptions-table",
        ),
        tag(
            "p",
            f"{more:,} shorter ones are with each agent above or in the spreadsheet (sheet Exceptions).",
            class_="remark",
        )
        if more
        else None,
    )
