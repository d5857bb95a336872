"""What to look at: the reasons, largest first, and the days worth opening."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import clock, count, day, percent, spoken
from wfm.report.page.marks import chip
from wfm.report.page.markup import Content, Html, lasting, name, section, tag
from wfm.report.page.strip import LEGEND, strip
from wfm.report.page.table import Column, table
from wfm.report.report import Report
from wfm.report.words import CLASS, MEANING, NO_CLASS, REASON

FEATURED = 4


def reason_table(report: Report) -> Html:
    """List reasons with class, time, agents, how often and what the word means."""
    widest: float = report.reasons["seconds"].max() or 1.0  # type: ignore[assignment]
    columns = [
        Column("Reason", lambda r: REASON.get(r["reason"], spoken(r["reason"]))),
        Column("Class", lambda r: (chip(r["class"] or "none"), " ", CLASS.get(r["class"], NO_CLASS).word)),
        Column("Time", lambda r: lasting(r["seconds"]), lambda r: r["seconds"]),
        Column("", lambda r: _length(r["seconds"] / widest, r["class"]), class_="inline"),
        Column("Share of scheduled", lambda r: percent(r["share"]), lambda r: r["share"]),
        Column("Times", lambda r: count(r["n"]), lambda r: r["n"]),
        Column("Agents", lambda r: count(r["agents"]), lambda r: r["agents"]),
        Column("In words", lambda r: MEANING.get(r["reason"], ""), class_="long"),
    ]
    return table(
        "Reasons: controllable first, then what is explained already",
        columns,
        report.reasons.iter_rows(named=True),
        anchor="reasons",
        sortable=True,
    )


def _length(share: float, class_: str | None) -> Html:
    rect = tag("rect", x="0", width=f"{share:.2%}", height="100%", class_=f"k-{class_ or 'none'}")
    return tag("svg", rect, class_="bar", aria_hidden="true")


def featured(report: Report) -> Content:
    """Draw the days with most controllable time."""
    if report.strips.is_empty():
        return None
    # A day nobody came has nothing to show but one bar; the reasons count it.
    came = report.strips.filter(
        (pl.col("reason") != "absent").fill_null(True).all().over("agent_id", "workday")
    )
    if came.is_empty():
        return None
    days = (
        came.unique(["agent_id", "workday"], keep="first", maintain_order=True)
        .sort("controllable_s", descending=True)
        .head(FEATURED)
    )
    people = dict(report.by_agent.select("agent_id", "label").iter_rows())
    return [
        tag("h3", "The days with most controllable time, absences aside"),
        tag("p", LEGEND, class_="remark"),
        [
            tag(
                "div",
                tag("h4", name(people.get(who, who)), f", {day(on)}: {clock(seconds)} controllable"),
                strip(rows),
                class_="stripday",
            )
            for who, on, seconds, rows in (
                (
                    row["agent_id"],
                    row["workday"],
                    row["controllable_s"],
                    day_of(report, row["agent_id"], row["workday"]),
                )
                for row in days.iter_rows(named=True)
            )
        ],
    ]


def day_of(report: Report, agent_id: str, workday: object) -> pl.DataFrame:
    """Take the slices of one agent's day."""
    return report.strips.filter(pl.col("agent_id") == agent_id, pl.col("workday") == workday)


def look(report: Report) -> Html:
    """Make the section."""
    if report.reasons.is_empty():
        return section("look", "What to look at", tag("p", "There is no adherence exception in this window."))
    return section(
        "look",
        "What to look at",
        tag(
            "p",
            "Only ",
            tag("em", "controllable"),
            " time is the agent's own. Call-driven, approved "
            "and system time "
            "is explained already and needs no talk.",
        ),
        reason_table(report),
        featured(report),
    )
