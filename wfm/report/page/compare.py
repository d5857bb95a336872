"""Raw against adjusted adherence as pictures: per workday and per agent."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import day, percent, plural, short_day
from wfm.report.page.markup import Html, figure, section, tag
from wfm.report.page.plot import Scale, axis, picture
from wfm.report.report import Report

PANEL = 15
PANELS = 3


def floor_of(rows: pl.DataFrame) -> float:
    """Give the ten percent below everything drawn, so that differences show; the axis says it."""
    least = rows.select(pl.min_horizontal("adherence", "adherence_adjusted").min()).item()
    return max(0.0, int((least if least is not None else 0) * 10) / 10) if least != 1 else 0.9


def day_picture(report: Report) -> Html:
    """Draw raw and adjusted adherence per workday."""
    rows = report.by_day.drop_nulls("adherence")
    if rows.is_empty():
        return Html("")
    low = floor_of(rows) * 100
    scale = Scale(low, 100, rows.height)
    every = max(1, -(-rows.height // 7))
    ticks = [(i + 0.5, short_day(on)) for i, on in enumerate(rows["workday"]) if i % every == 0]
    drawn: list[Html] = axis(scale, "% adherence", ticks)
    for i, row in enumerate(rows.iter_rows(named=True)):
        raw, adjusted = scale.y(row["adherence"] * 100), scale.y(row["adherence_adjusted"] * 100)
        said = (
            f"{day(row['workday'])}: raw {percent(row['adherence'])}, adjusted "
            f"{percent(row['adherence_adjusted'])}"
        )
        drawn.append(
            tag(
                "g",
                tag("title", said),
                tag("line", x1=scale.x(i + 0.5), x2=scale.x(i + 0.5), y1=raw, y2=adjusted, class_="gain"),
                tag("circle", cx=scale.x(i + 0.5), cy=raw, r="3.5", class_="raw"),
                tag("circle", cx=scale.x(i + 0.5), cy=adjusted, r="3.5", class_="adjusted"),
            )
        )
    worst = rows.sort("adherence").row(0, named=True)
    label = (
        f"Adherence per workday; lowest raw {percent(worst['adherence'])} on "
        f"{day(worst['workday'])}. The table has every day."
    )
    return figure(
        "Adherence per workday: hollow raw, filled adjusted",
        picture(drawn, label),
        note=f"The axis begins at {low:.0f} %.",
    )


def compare(report: Report) -> Html:
    """Draw raw and adjusted of the agents with most controllable time as dumbbells."""
    rows = report.by_agent.drop_nulls("adherence")
    if rows.is_empty():
        return section("compare", "Raw against adjusted", tag("p", "No agent has a score."))
    shown = rows.head(PANEL * PANELS)
    low = floor_of(shown) * 100
    panels = [_panel(part, low) for part in shown.iter_slices(PANEL)]
    more = rows.height - shown.height
    cut = (
        f" The {shown.height} agents with most controllable time; {more:,} more in the table above."
        if more
        else ""
    )
    return section(
        "compare",
        "Raw against adjusted",
        tag(
            "p",
            "Hollow is raw, filled is adjusted. The line between them is what calls, approvals and "
            "outages explain; "
            "what is missing from the filled dot to 100 % is controllable.",
        ),
        tag("div", panels, class_="panels"),
        tag("p", f"The axis begins at {low:.0f} %.{cut}", class_="remark"),
    )


def _panel(rows: pl.DataFrame, low: float) -> Html:
    step, left = 20, 36

    def x(ratio: float) -> str:
        return f"{left + (98 - left) * (ratio * 100 - low) / ((100 - low) or 1):.2f}%"

    drawn = []
    height = rows.height * step
    for mark in (low, (low + 100) / 2, 100):
        drawn.append(tag("line", x1=x(mark / 100), x2=x(mark / 100), y1="0", y2=str(height), class_="grid"))
        drawn.append(
            tag(
                "text",
                f"{mark:.0f} %",
                x=x(mark / 100),
                y=str(height + 13),
                class_="end" if mark == 100 else "mid",
            )
        )
    for i, row in enumerate(rows.iter_rows(named=True)):
        y = i * step + step / 2
        said = (
            f"{row['label']}: raw {percent(row['adherence'])}, adjusted {percent(row['adherence_adjusted'])}"
        )
        drawn.append(
            tag(
                "g",
                tag("title", said),
                tag("text", _short(row["label"]), x=f"{left - 2}%", y=y + 4, class_="end"),
                tag(
                    "line", x1=x(row["adherence"]), x2=x(row["adherence_adjusted"]), y1=y, y2=y, class_="gain"
                ),
                tag("circle", cx=x(row["adherence"]), cy=y, r="4", class_="raw"),
                tag("circle", cx=x(row["adherence_adjusted"]), cy=y, r="4", class_="adjusted"),
            )
        )
    label = (
        f"Raw and adjusted adherence of {plural(rows.height, 'agent')}; the table by agent has the numbers."
    )
    return picture(drawn, label, height + 18)


def _short(label: str) -> str:
    return label if len(label) <= 16 else label[:15] + "…"
