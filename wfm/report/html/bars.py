"""Geometry of the stacked bars: where each class lies, in percent of the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wfm.report.formats import format_percent
from wfm.report.labels import CLASS_LABELS, CLASS_ORDER

MIN_LETTER_SHARE: Final = 0.035
"""A part narrower than this share of the width has no room for its letter."""


@dataclass(frozen=True, slots=True)
class BarPart:
    """One class in a bar: its time, its share of the bar, and where it is drawn."""

    class_name: str
    seconds: float
    share: float
    x: str
    width: str
    middle: str
    fits_letter: bool


def select_classes(row: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the classes of a score row that have any time, with their seconds."""
    return [(name, row[f"{name}_s"]) for name in CLASS_ORDER if row[f"{name}_s"]]


def build_bar(seconds_by_class: Sequence[tuple[str, float]]) -> list[BarPart]:
    """Stack classes over the whole width."""
    total = sum(seconds for _, seconds in seconds_by_class)
    parts: list[BarPart] = []
    start = 0.0
    for name, seconds in seconds_by_class:
        share = seconds / total
        parts.append(
            BarPart(
                class_name=name,
                seconds=seconds,
                share=share,
                x=f"{start:.3%}",
                width=f"{share:.3%}",
                middle=f"{start + share / 2:.3%}",
                fits_letter=share >= MIN_LETTER_SHARE,
            )
        )
        start += share
    return parts


def build_class_bar(row: Mapping[str, Any]) -> list[BarPart]:
    """Stack the classes of a score row."""
    return build_bar(select_classes(row))


def describe_bar(parts: Sequence[BarPart], scheduled_s: float) -> str:
    """Write the classes of a bar with their shares of the scheduled time, as its text alternative."""
    return "; ".join(
        f"{CLASS_LABELS[part.class_name].word} {format_percent(part.seconds / scheduled_s)}" for part in parts
    )
