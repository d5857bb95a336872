"""By agent: the table, and for each agent the days and exceptions behind it."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.formats import day, percent, plural, spoken
from wfm.report.page.look import day_of
from wfm.report.page.marks import chip
from wfm.report.page.markup import Content, Html, clock_time, lasting, name, section, tag, text
from wfm.report.page.people import score_columns
from wfm.report.page.strip import strip
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report
from wfm.report.words import CLASS, IMPACT, NO_CLASS, REASON

EXCEPTIONS: Final = 4000
"""At most so many exceptions on the page; the workbook has all."""
EACH: Final = 40
DAYS: Final = 4000
LARGEST: Final = 100


def agents(report: Report) -> Html:
    """Make the section: one row an agent, then one fold an agent."""
    if report.by_agent.is_empty():
        return section("agents", "By agent", tag("p", "No scores by agent."))
    shown = _shown(report)
    numbers = {who: i for i, who in enumerate(shown)}
    columns = score_columns(Column("Agent", lambda r: _who(r, numbers)))
    rows = report.by_agent.iter_rows(named=True)
    folds = [_fold(report, row, numbers) for row in report.by_agent.head(len(shown)).iter_rows(named=True)]
    more = report.by_agent.height - len(shown)
    said = f"The {plural(len(shown), 'agent')} with most controllable time; {more:,} more in the spreadsheet (sheets Days and Exceptions)."
    return section(
        "agents",
        "By agent",
        tag(
            "p", "Sorted by controllable time. Choose a name for the days and exceptions behind its figures."
        ),
        table("Agents, most controllable time first", columns, rows, anchor="agents-table", sortable=True),
        tag("h3", "Behind each figure", id="folds"),
        tag("p", "On paper only what is open is printed.", class_="remark noprint"),
        tag("p", said, class_="remark") if more else None,
        folds,
    )


def _shown(report: Report) -> list[str]:
    """Choose whose days and exceptions fit on the page."""
    order: list[str] = report.by_agent["agent_id"].to_list()
    days = report.by_agent_day.height
    if report.exceptions.height <= EXCEPTIONS and days <= DAYS:
        return order
    per_agent = max(1.0, days / len(order))
    return order[: max(1, min(EXCEPTIONS // EACH, int(DAYS / per_agent)))]


def _who(row: Row, numbers: dict[str, int]) -> Content:
    called: Content = name(row["label"])
    if row["agent_id"] in numbers:
        called = tag("a", called, href=f"#agent-{numbers[row['agent_id']]}")
    return called, tag("small", row["team"] or "no team")


def _fold(report: Report, row: Row, numbers: dict[str, int]) -> Html:
    who = row["agent_id"]
    found = report.exceptions.filter(pl.col("agent_id") == who)
    shown = found
    if report.exceptions.height > EXCEPTIONS and found.height > EACH:
        shown = found.sort("seconds", descending=True).head(EACH).sort("start_at")
    days = report.by_agent_day.filter(pl.col("agent_id") == who)
    worst = report.strips.filter(pl.col("agent_id") == who)["workday"].unique(maintain_order=True).to_list()
    head = (
        tag("b", name(row["label"])),
        f" {percent(row['adherence'])} → {percent(row['adherence_adjusted'])}, {plural(found.height, 'exception')}, ",
        lasting(row["controllable_s"]), " controllable",
    )  # fmt: skip
    label = f"{row['label']} ({who})"
    content: list[Content] = [
        tag("p", f"{who} · {row['team'] or 'no team'}"),
        [tag("div", tag("h4", day(on)), strip(day_of(report, who, on)), class_="stripday") for on in worst],
    ]
    if not days.is_empty():
        columns = score_columns(Column("Workday", lambda r: day(r["workday"], year=False)), reason=False)
        content.append(table(f"Workdays of {label}", columns, days.iter_rows(named=True)))
    if not shown.is_empty():
        zone = shown["zone"][0]
        content.append(exception_table(f"Exceptions of {label}, clock of {zone}", shown, named=False))
    if found.height > shown.height:
        content.append(
            tag(
                "p",
                f"The {shown.height} longest; {found.height - shown.height:,} more in the spreadsheet (sheet Exceptions, agent {who}).",
                class_="remark",
            )
        )
    return tag("details", tag("summary", head), content, id=f"agent-{numbers[who]}", class_="fold")


def exception_table(caption: str, rows: pl.DataFrame, *, named: bool, anchor: str | None = None) -> Html:
    """List exceptions: when, what was scheduled, what was done in whose words, why, how long, on what evidence."""
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
