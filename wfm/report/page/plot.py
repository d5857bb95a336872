"""Columns, bands and dumbbells as plain SVG: horizontal places in percent, heights in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from wfm.report.formats import count
from wfm.report.page.markup import Html, tag

HEIGHT = 110
TOP, BOTTOM = 16, 18
LEFT = 0.11
"""Share of the width left of the plot for the numbers of its axis."""


def rounded_up(value: float) -> float:
    """Give the next larger 1, 2, 2.5, 5 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)


@dataclass(frozen=True)
class Scale:
    """Where values and places are drawn."""

    low: float
    high: float
    places: int

    def y(self, value: float) -> float:
        """Give the pixel of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(share, 0), 1))

    def x(self, place: float) -> str:
        """Give the percent of a place; 0 is the left edge of the first."""
        return f"{100 * (LEFT + (1 - LEFT) * place / self.places):.2f}%"

    def wide(self, share: float) -> str:
        """Give the percent that a share of one place is wide."""
        return f"{100 * (1 - LEFT) * share / self.places:.2f}%"


def axis(
    scale: Scale, unit: str, ticks: Sequence[tuple[float, str]], marks: Sequence[float] | None = None
) -> list[Html]:
    """Draw gridlines with their values, the unit at the top, and words under places."""
    values = marks if marks is not None else (scale.low, (scale.low + scale.high) / 2, scale.high)
    lines = [
        part
        for value in values
        for part in (
            tag(
                "line",
                x1=f"{100 * LEFT:.2f}%",
                x2="100%",
                y1=scale.y(value),
                y2=scale.y(value),
                class_="grid",
            ),
            tag("text", count(value), x=f"{100 * LEFT - 1:.2f}%", y=scale.y(value) + 4, class_="end"),
        )
    ]
    under = [tag("text", word, x=scale.x(at), y=float(HEIGHT - 4), class_="mid") for at, word in ticks]
    return [*lines, *under, tag("text", unit, x=f"{100 * LEFT:.2f}%", y=10.0, class_="unit")]


def picture(drawn: list[Html], label: str, height: float = HEIGHT) -> Html:
    """Put drawings together as one image with a text alternative."""
    return tag("svg", drawn, class_="plot", role="img", aria_label=label, height=float(height), width="100%")


def columns(scale: Scale, values: Sequence[float | None], titles: Sequence[str]) -> list[Html]:
    """Draw a column per place."""
    return [
        tag(
            "g",
            tag("title", title),
            tag(
                "rect",
                x=scale.x(i + 0.18),
                width=scale.wide(0.64),
                y=scale.y(value),
                height=scale.y(scale.low) - scale.y(value),
                class_="column",
            ),
        )
        for i, (value, title) in enumerate(zip(values, titles, strict=True))
        if value is not None
    ]


def dashes(scale: Scale, values: Sequence[float | None], class_: str = "usual") -> list[Html]:
    """Draw a short line across each place."""
    return [
        tag("line", x1=scale.x(i + 0.08), x2=scale.x(i + 0.92), y1=scale.y(v), y2=scale.y(v), class_=class_)
        for i, v in enumerate(values)
        if v is not None
    ]


def ranges(scale: Scale, spans: Sequence[tuple[float, float] | None], titles: Sequence[str]) -> list[Html]:
    """Draw a band per place from low to high."""
    return [
        tag(
            "g",
            tag("title", title),
            tag(
                "rect",
                x=scale.x(i + 0.22),
                width=scale.wide(0.56),
                y=scale.y(span[1]),
                height=max(scale.y(span[0]) - scale.y(span[1]), 1.0),
                class_="band",
            ),
        )
        for i, (span, title) in enumerate(zip(spans, titles, strict=True))
        if span is not None
    ]


def area(
    scale: Scale, places: Sequence[float], low: Sequence[float], high: Sequence[float], line: Sequence[float]
) -> Html:
    """Draw a band and a line through it, in a box of its own that stretches with the page."""
    xs = [1000 * place / scale.places for place in places]
    upper = [f"{x:.0f},{scale.y(v):.1f}" for x, v in zip(xs, high, strict=True)]
    lower = [f"{x:.0f},{scale.y(v):.1f}" for x, v in zip(xs, low, strict=True)]
    middle = [f"{x:.0f},{scale.y(v):.1f}" for x, v in zip(xs, line, strict=True)]
    return tag(
        "svg",
        tag("path", d="M" + " L".join([*upper, *reversed(lower)]) + " Z", class_="band"),
        tag("path", d="M" + " L".join(middle), class_="line"),
        x=f"{100 * LEFT:.2f}%",
        y="0",
        width=f"{100 * (1 - LEFT):.2f}%",
        height=str(HEIGHT),
        viewBox=f"0 0 1000 {HEIGHT}",
        preserveAspectRatio="none",
    )
