"""Scores by team, by day and by agent, and raw against adjusted as a picture."""

from __future__ import annotations

from wfm.report.formats import day, percent, plural, points, spoken
from wfm.report.page.compare import day_picture
from wfm.report.page.headline import hours_or_none
from wfm.report.page.marks import bar, parts
from wfm.report.page.markup import Content, Html, lasting, name, section, tag
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report
from wfm.report.words import CLASS, REASON


def score_columns(first: Column, *, reason: bool = True) -> list[Column]:
    """Make the columns that every table of scores has, after the one that names its rows."""
    return [
        first,
        Column(
            "Raw", lambda r: percent(r["adherence"]), lambda r: r["adherence"], "adherence: in ÷ observed"
        ),
        Column("Adjusted", lambda r: percent(r["adherence_adjusted"]), lambda r: r["adherence_adjusted"]),
        Column("Explained", _explained, _gain, "points that calls, approvals and outages account for"),
        Column("Where the time went", lambda r: bar(parts(r)) if r["scheduled_s"] else "", class_="inline"),
        *([Column("Biggest reason", _biggest)] if reason else []),
        *(_class_column(k) for k in ("controllable", "call_driven", "approved", "system", "unknown")),
        Column("In", lambda r: lasting(r["in_s"]), lambda r: r["in_s"]),
        Column("Scheduled", lambda r: lasting(r["scheduled_s"]), lambda r: r["scheduled_s"]),
        Column("Conformance", lambda r: percent(r["conformance"]), lambda r: r["conformance"]),
    ]


def _gain(row: Row) -> float | None:
    if row["adherence"] is None or row["adherence_adjusted"] is None:
        return None
    return float(row["adherence_adjusted"] - row["adherence"])


def _explained(row: Row) -> str:
    gain = _gain(row)
    return "·" if gain == 0 else points(gain) if gain is None else f"+{points(gain)}"


def _class_column(class_: str) -> Column:
    return Column(
        CLASS[class_].word,
        lambda r: hours_or_none(r[f"{class_}_s"]),
        lambda r: float(r[f"{class_}_s"]),
        CLASS[class_].meaning,
    )


def _biggest(row: Row) -> Content:
    if row["top_reason"] is None:
        return "·"
    return REASON.get(row["top_reason"], spoken(row["top_reason"])), tag(
        "small", lasting(row["top_reason_s"])
    )


def teams(report: Report) -> Html:
    """Make the section by team and by day."""
    content: list[Content] = []
    if not report.by_team.is_empty():
        columns = score_columns(Column("Team", lambda r: name(r["label"])))
        content.append(
            table(
                "Teams, most controllable time first",
                columns,
                report.by_team.iter_rows(named=True),
                anchor="teams-table",
                sortable=True,
            )
        )
    if not report.by_day.is_empty():
        content += [tag("h3", "By workday"), day_picture(report)]
        columns = score_columns(Column("Workday", lambda r: day(r["workday"])), reason=False)
        rows = table(
            "Workdays; a shift over midnight counts on the day it began",
            columns,
            report.by_day.iter_rows(named=True),
            anchor="days-table",
        )
        content.append(
            tag("details", tag("summary", f"Table of {plural(report.by_day.height, 'workday')}"), rows)
        )
    return section("teams", "By team and by day", content or tag("p", "No scores by team or day."))
