"""Geometry of the charts: horizontal positions in percent of the width, vertical ones in pixels.

A chart in percent fits a phone and paper, and its text stays upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

from wfm.report.formats import format_count

HEIGHT: Final = 110
TOP: Final = 16
BOTTOM: Final = 18
AXIS_SHARE: Final = 0.11
"""Share of the width left of the plot, for the numbers of its axis."""
MAX_TICKS: Final = 7
AREA_WIDTH: Final = 1000


@dataclass(frozen=True)
class Gridline:
    """A horizontal line with its value."""

    y: float
    text: str

    @property
    def text_y(self) -> float:
        """Where the value's baseline lies."""
        return self.y + 4


@dataclass(frozen=True)
class AxisTick:
    """A word under the plot."""

    x: str
    text: str


@dataclass(frozen=True)
class ChartAxis:
    """Gridlines with their values, words under the plot, and the unit at the top."""

    unit: str
    gridlines: tuple[Gridline, ...]
    ticks: tuple[AxisTick, ...]
    left: str = f"{100 * AXIS_SHARE:.2f}%"
    text_x: str = f"{100 * AXIS_SHARE - 1:.2f}%"
    tick_y: float = HEIGHT - 4


@dataclass(frozen=True)
class RectangleMark:
    """A column or a band."""

    x: str
    width: str
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class DashMark:
    """A short horizontal line."""

    x1: str
    x2: str
    y: float


@dataclass(frozen=True)
class DotPairMark:
    """Two dots above one another, and the line between them."""

    x: str
    raw_y: float
    adjusted_y: float
    title: str


@dataclass(frozen=True)
class AreaMark:
    """A band and a line through it, as SVG paths in a box that stretches with the page."""

    band: str
    line: str
    x: str = f"{100 * AXIS_SHARE:.2f}%"
    width: str = f"{100 * (1 - AXIS_SHARE):.2f}%"
    view_box: str = f"0 0 {AREA_WIDTH} {HEIGHT}"


@dataclass(frozen=True)
class Chart:
    """One chart with its caption and its text alternative; it draws the marks it has."""

    caption: str
    label: str
    axis: ChartAxis
    columns: Sequence[RectangleMark] = ()
    bands: Sequence[RectangleMark] = ()
    dashes: Sequence[DashMark] = ()
    dash_class: str = "usual"
    area: AreaMark | None = None
    dot_pairs: Sequence[DotPairMark] = ()
    remark: str | None = None
    height: int = HEIGHT


def round_up(value: float) -> float:
    """Return the next larger 1, 2, 2.5, 5 or 10 times a power of ten, for the top of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    # The tolerance keeps a value that is such a number, but for rounding, from being doubled.
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)


@dataclass(frozen=True)
class ChartScale:
    """Maps values to pixels and positions to percent; ``positions`` is how many stand side by side."""

    low: float
    high: float
    positions: int

    def to_y(self, value: float) -> float:
        """Return the pixel of a value; what lies outside the scale is drawn at its edge."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(share, 0), 1))

    def to_x(self, position: float) -> str:
        """Return the percent of a position; 0 is the left edge of the first."""
        return f"{100 * (AXIS_SHARE + (1 - AXIS_SHARE) * position / self.positions):.2f}%"

    def to_width(self, share: float) -> str:
        """Return the percent that a share of one position is wide."""
        return f"{100 * (1 - AXIS_SHARE) * share / self.positions:.2f}%"


def build_axis(scale: ChartScale, unit: str, ticks: Sequence[tuple[float, str]]) -> ChartAxis:
    """Build gridlines at the low, middle and high value, and words under positions."""
    return ChartAxis(
        unit=unit,
        gridlines=tuple(
            Gridline(scale.to_y(value), format_count(value))
            for value in (scale.low, (scale.low + scale.high) / 2, scale.high)
        ),
        ticks=tuple(AxisTick(scale.to_x(position), text) for position, text in ticks),
    )


def space_ticks(texts: Sequence[str]) -> list[tuple[float, str]]:
    """Return the words that have room under their positions: all of a few, every second of more …"""
    every = max(1, -(-len(texts) // MAX_TICKS))
    return [(i + 0.5, text) for i, text in enumerate(texts) if i % every == 0]


def build_columns(
    scale: ChartScale, values: Sequence[float | None], titles: Sequence[str]
) -> list[RectangleMark]:
    """Build a column per position that has a value."""
    return [
        RectangleMark(
            x=scale.to_x(i + 0.18),
            width=scale.to_width(0.64),
            y=scale.to_y(value),
            height=scale.to_y(scale.low) - scale.to_y(value),
            title=title,
        )
        for i, (value, title) in enumerate(zip(values, titles, strict=True))
        if value is not None
    ]


def build_dashes(scale: ChartScale, values: Sequence[float | None]) -> list[DashMark]:
    """Build a short line across each position that has a value."""
    return [
        DashMark(scale.to_x(i + 0.08), scale.to_x(i + 0.92), scale.to_y(value))
        for i, value in enumerate(values)
        if value is not None
    ]


def build_bands(
    scale: ChartScale, ranges: Sequence[tuple[float | None, float | None]], titles: Sequence[str]
) -> list[RectangleMark]:
    """Build a band from low to high per position that has both."""
    return [
        RectangleMark(
            x=scale.to_x(i + 0.22),
            width=scale.to_width(0.56),
            y=scale.to_y(high),
            height=max(scale.to_y(low) - scale.to_y(high), 1.0),
            title=title,
        )
        for i, ((low, high), title) in enumerate(zip(ranges, titles, strict=True))
        if low is not None and high is not None
    ]


def build_area(
    scale: ChartScale,
    positions: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    line: Sequence[float],
) -> AreaMark:
    """Build the band between ``low`` and ``high`` and the line through it."""
    xs = [AREA_WIDTH * position / scale.positions for position in positions]
    upper, lower, middle = (
        [f"{x:.0f},{scale.to_y(value):.1f}" for x, value in zip(xs, values, strict=True)]
        for values in (high, low, line)
    )
    return AreaMark(
        band="M" + " L".join([*upper, *reversed(lower)]) + " Z",
        line="M" + " L".join(middle),
    )
