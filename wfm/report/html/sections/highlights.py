"""Figures of the section "What to look at": the reasons, largest first, and the days worth opening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wfm.report.html.day_strip import DayStrip, build_day_strip
from wfm.report.model import Report

MAX_DAYS: Final = 4


@dataclass(frozen=True)
class FeaturedDay:
    """A day with much controllable time: whose, when, how much, and its strip."""

    label: str
    workday: Any
    controllable_s: float
    strip: DayStrip


@dataclass(frozen=True)
class HighlightFigures:
    """What ``sections/highlights.html`` shows.

    ``reasons``: the columns of `Report.reasons` and length, the width of the reason's bar in percent.
    """

    reasons: list[dict[str, Any]]
    days: list[FeaturedDay]


def build_highlights(report: Report) -> HighlightFigures:
    """Compute the reasons with the lengths of their bars, and choose the days to draw."""
    widest: float = report.reasons["seconds"].max() or 1.0  # type: ignore[assignment]
    reasons = [
        {**row, "length": f"{row['seconds'] / widest:.2%}"} for row in report.reasons.iter_rows(named=True)
    ]
    return HighlightFigures(reasons, _select_days(report))


def _select_days(report: Report) -> list[FeaturedDay]:
    # A day of absence would be drawn as a single block; the table of reasons counts it.
    is_absence = (pl.col("reason") == "absent").fill_null(False)
    days = (
        report.day_slices.filter(~is_absence.any().over("agent_id", "workday"))
        .unique(["agent_id", "workday"], keep="first", maintain_order=True)
        .sort("controllable_s", descending=True, maintain_order=True)
        .head(MAX_DAYS)
    )
    labels = dict(report.by_agent.select("agent_id", "label").iter_rows())
    return [
        FeaturedDay(
            labels.get(row["agent_id"], row["agent_id"]),
            row["workday"],
            row["controllable_s"],
            build_day_strip(
                report.day_slices.filter(
                    pl.col("agent_id") == row["agent_id"], pl.col("workday") == row["workday"]
                ).to_dicts()
            ),
        )
        for row in days.iter_rows(named=True)
    ]
