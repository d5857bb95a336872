"""Figures of the first screen: the four cards, the sentence, and where every scheduled second went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wfm.report.headline_text import build_headline_sentence
from wfm.report.html.bars import BarPart, build_bar, describe_bar, select_classes
from wfm.report.labels import CLASS_ORDER
from wfm.report.model import Report


@dataclass(frozen=True)
class LabelledBar:
    """A bar with its text alternative."""

    parts: list[BarPart]
    label: str


@dataclass(frozen=True)
class HeadlineFigures:
    """What ``sections/headline.html`` shows.

    ``explained``: adjusted − raw. ``has_range``: whether part of the time is unknown, so that adherence is a range.
    ``not_in``: the bar of all but the time in adherence; None if there is nothing else, or nothing but that.
    ``classes``: class_name, seconds, share of scheduled.
    """

    sentence: str
    scheduled_s: float
    explained: float | None
    has_range: bool
    all_time: LabelledBar | None
    not_in: LabelledBar | None
    not_in_share: float
    classes: list[dict[str, Any]]


def build_headline(report: Report) -> HeadlineFigures:
    """Compute the figures of the first screen."""
    total = report.total
    raw, adjusted = total["adherence"], total["adherence_adjusted"]
    scheduled = total["scheduled_s"] or 0.0
    seconds_by_class = select_classes(total)
    missing = [(name, seconds) for name, seconds in seconds_by_class if name != "in"]
    enlarge = report.has_schedule and 0 < len(missing) < len(seconds_by_class)
    return HeadlineFigures(
        sentence=build_headline_sentence(report),
        scheduled_s=scheduled,
        explained=None if raw is None or adjusted is None else adjusted - raw,
        has_range=(total["coverage"] or 0) < 1 and total["adherence_low"] is not None,
        all_time=_label_bar(seconds_by_class, scheduled) if report.has_schedule else None,
        not_in=_label_bar(missing, scheduled) if enlarge else None,
        not_in_share=sum(seconds for _, seconds in missing) / (scheduled or 1.0),
        classes=[
            {
                "class_name": name,
                "seconds": total[f"{name}_s"] or 0.0,
                "share": (total[f"{name}_s"] or 0.0) / (scheduled or 1.0),
            }
            for name in CLASS_ORDER
        ],
    )


def _label_bar(seconds_by_class: list[tuple[str, float]], scheduled_s: float) -> LabelledBar:
    parts = build_bar(seconds_by_class)
    return LabelledBar(parts, describe_bar(parts, scheduled_s))
