"""By agent: the table, and for each agent the days and exceptions behind it."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.formats import day, percent, plural
from wfm.report.page.listing import exception_table
from wfm.report.page.look import day_of
from wfm.report.page.markup import Content, Html, lasting, name, section, tag
from wfm.report.page.people import score_columns
from wfm.report.page.strip import strip
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report

EXCEPTIONS: Final = 3000
"""At most so many exceptions on the page; the workbook has all."""
EACH: Final = 40
DAYS: Final = 3000
AGENTS: Final = 1500


def agents(report: Report) -> Html:
    """Make the section: one row an agent, then one fold an agent."""
    if report.by_agent.is_empty():
        return section("agents", "By agent", tag("p", "No scores by agent."))
    shown = _shown(report)
    numbers = {who: i for i, who in enumerate(shown)}
    columns = score_columns(Column("Agent", lambda r: _who(r, numbers)))
    rows = report.by_agent.head(AGENTS).iter_rows(named=True)
    unlisted = report.by_agent.height - AGENTS
    folds = [_fold(report, row, numbers) for row in report.by_agent.head(len(shown)).iter_rows(named=True)]
    more = report.by_agent.height - len(shown)
    said = (
        f"The {plural(len(shown), 'agent')} with most controllable time; {more:,} more in the "
        "spreadsheet (sheets Days and Exceptions)."
    )
    return section(
        "agents",
        "By agent",
        tag(
            "p", "Sorted by controllable time. Choose a name for the days and exceptions behind its figures."
        ),
        table("Agents, most controllable time first", columns, rows, anchor="agents-table", sortable=True),
        tag("p", f"{unlisted:,} more in the spreadsheet (sheet Agents).", class_="remark")
        if unlisted > 0
        else None,
        tag(
            "div",
            tag("h3", "Behind each figure"),
            tag("p", "On paper only what is open is printed.", class_="remark noprint"),
            tag("p", said, class_="remark") if more else None,
            folds,
            id="folds",
        ),
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
        f" {percent(row['adherence'])} → {percent(row['adherence_adjusted'])}, ",
        f"{plural(found.height, 'exception')}, ",
        lasting(row["controllable_s"]),
        " controllable",
    )
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
                f"The {shown.height} longest; {found.height - shown.height:,} more in the spreadsheet "
                f"(sheet Exceptions, agent {who}).",
                class_="remark",
            )
        )
    return tag("details", tag("summary", head), content, id=f"agent-{numbers[who]}", class_="fold")
