"""Small drawings in percent of their own width: they fit a phone and paper, and text stays upright."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wfm.report.formats import clock, percent
from wfm.report.page.markup import Html, tag
from wfm.report.words import CLASS, SPLIT

LETTER_FITS = 0.035
"""A part narrower than this share of the width has no room for its letter."""


def chip(name: str) -> Html:
    """Draw a class's colour with its letter on it; the word stands beside it."""
    return tag(
        "span", CLASS[name].letter if name in CLASS else "+", class_=f"chip k-{name}", aria_hidden="true"
    )


def parts(row: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Take the classes of a score row that have any time."""
    return [(name, row[f"{name}_s"]) for name in SPLIT if row[f"{name}_s"]]


def bar(split: Iterable[tuple[str, float]], *, tall: bool = False, label: str | None = None) -> Html:
    """Stack classes over the whole width; with a label it is a picture, without one a decoration."""
    split = list(split)
    total = sum(seconds for _, seconds in split)
    drawn, at = [], 0.0
    for name, seconds in split:
        wide = seconds / total
        rect = tag("rect", x=f"{at:.3%}", width=f"{wide:.3%}", height="100%", class_=f"k-{name}")
        if tall:
            title = tag("title", f"{CLASS[name].word}: {clock(seconds)}, {percent(wide)}")
            letter = (
                tag("text", CLASS[name].letter, x=f"{at + wide / 2:.3%}", y="50%")
                if wide >= LETTER_FITS
                else None
            )
            drawn.append(tag("g", title, rect, letter, class_=f"t-{name}"))
        else:
            drawn.append(rect)
        at += wide
    if label:
        return tag("svg", drawn, class_="bar tall" if tall else "bar", role="img", aria_label=label)
    return tag("svg", drawn, class_="bar tall" if tall else "bar", aria_hidden="true")


def legend(names: Iterable[str]) -> Html:
    """List colours, letters and words of the classes."""
    return tag("ul", [tag("li", chip(name), " ", CLASS[name].word) for name in names], class_="legend")
