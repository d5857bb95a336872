"""Geometry of raw against adjusted adherence: per workday as dots, per agent as dumbbells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from wfm.report.formats import format_date, format_percent, format_plural, format_short_date
from wfm.report.html.charts import Chart, ChartScale, DotPairMark, build_axis, space_ticks
from wfm.report.model import Report

AGENTS_PER_PANEL: Final = 15
MAX_PANELS: Final = 3
ROW_HEIGHT: Final = 20
LABEL_SHARE: Final = 36
"""Percent of a panel's width for the agents' names."""
RIGHT_EDGE: Final = 98
MAX_LABEL_LENGTH: Final = 16


@dataclass(frozen=True)
class PanelMark:
    """A vertical line with its value."""

    x: str
    text: str
    text_class: str


@dataclass(frozen=True)
class Dumbbell:
    """One agent: the dots of raw and adjusted adherence, and the line between them."""

    label: str
    title: str
    y: float
    raw_x: str
    adjusted_x: str


@dataclass(frozen=True)
class DumbbellPanel:
    """A few agents below one another over one axis."""

    label: str
    marks: tuple[PanelMark, ...]
    dumbbells: tuple[Dumbbell, ...]
    label_x: str = f"{LABEL_SHARE - 2}%"

    @property
    def plot_height(self) -> int:
        """Height without the numbers of the axis."""
        return len(self.dumbbells) * ROW_HEIGHT

    @property
    def height(self) -> int:
        """Height of the whole panel."""
        return self.plot_height + 18


@dataclass(frozen=True)
class ComparisonFigures:
    """What ``sections/raw_vs_adjusted.html`` shows; ``low``: where the axis begins, in percent."""

    panels: list[DumbbellPanel]
    low: float
    n_shown: int
    n_more: int


def find_axis_start(rows: pl.DataFrame) -> float:
    """Return the ten percent below everything drawn, so that differences show; the page says where it is."""
    lowest = rows.select(pl.min_horizontal("adherence", "adherence_adjusted").min()).item()
    return max(0.0, int((lowest if lowest is not None else 0) * 10) / 10) if lowest != 1 else 0.9


def build_workday_chart(report: Report) -> Chart | None:
    """Draw raw and adjusted adherence per workday; None if no workday has a score."""
    rows = report.by_day.drop_nulls("adherence")
    if rows.is_empty():
        return None
    low = find_axis_start(rows) * 100
    scale = ChartScale(low, 100, rows.height)
    lowest = rows.sort("adherence", maintain_order=True).row(0, named=True)
    return Chart(
        caption="Adherence per workday: hollow dots raw, filled dots adjusted",
        label=(
            f"Adherence per workday; lowest raw {format_percent(lowest['adherence'])} on "
            f"{format_date(lowest['workday'])}. The table has every day."
        ),
        axis=build_axis(scale, "% adherence", space_ticks([format_short_date(on) for on in rows["workday"]])),
        dot_pairs=[
            DotPairMark(
                x=scale.to_x(i + 0.5),
                raw_y=scale.to_y(row["adherence"] * 100),
                adjusted_y=scale.to_y(row["adherence_adjusted"] * 100),
                title=(
                    f"{format_date(row['workday'])}: raw {format_percent(row['adherence'])}, "
                    f"adjusted {format_percent(row['adherence_adjusted'])}"
                ),
            )
            for i, row in enumerate(rows.iter_rows(named=True))
        ],
        remark=f"The axis starts at {low:.0f} %.",
    )


def build_comparison(report: Report) -> ComparisonFigures:
    """Draw raw and adjusted adherence of the agents with most controllable time."""
    rows = report.by_agent.drop_nulls("adherence")
    shown = rows.head(AGENTS_PER_PANEL * MAX_PANELS)
    low = find_axis_start(shown) * 100
    panels = [_build_panel(part, low) for part in shown.iter_slices(AGENTS_PER_PANEL)] if shown.height else []
    return ComparisonFigures(panels, low, shown.height, rows.height - shown.height)


def _build_panel(rows: pl.DataFrame, low: float) -> DumbbellPanel:
    def to_x(ratio: float) -> str:
        share = (ratio * 100 - low) / ((100 - low) or 1)
        return f"{LABEL_SHARE + (RIGHT_EDGE - LABEL_SHARE) * share:.2f}%"

    return DumbbellPanel(
        label=(
            f"Raw and adjusted adherence of {format_plural(rows.height, 'agent')}; "
            "the table by agent has the numbers."
        ),
        marks=tuple(
            PanelMark(to_x(value / 100), f"{value:.0f} %", "end" if value == 100 else "mid")
            for value in (low, (low + 100) / 2, 100)
        ),
        dumbbells=tuple(
            Dumbbell(
                label=_shorten(row["label"]),
                title=(
                    f"{row['label']}: raw {format_percent(row['adherence'])}, "
                    f"adjusted {format_percent(row['adherence_adjusted'])}"
                ),
                y=i * ROW_HEIGHT + ROW_HEIGHT / 2,
                raw_x=to_x(row["adherence"]),
                adjusted_x=to_x(row["adherence_adjusted"]),
            )
            for i, row in enumerate(rows.iter_rows(named=True))
        ),
    )


def _shorten(label: str) -> str:
    return label if len(label) <= MAX_LABEL_LENGTH else label[: MAX_LABEL_LENGTH - 1] + "…"
