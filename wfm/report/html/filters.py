"""Filters that only pages need: sort keys, SVG numbers, and the labels of classes, reasons and impacts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup

from wfm.report.formats import format_code
from wfm.report.html.bars import build_class_bar
from wfm.report.labels import (
    CLASS_LABELS,
    IMPACT_LABELS,
    NO_CLASS_LABEL,
    REASON_LABELS,
    REASON_MEANINGS,
    ClassLabel,
)


def sort_key(value: float | None) -> Markup:
    """Return the attribute by which the page's script sorts a cell; nothing where there is no value."""
    # A number cannot contain markup, so it needs no escaping.
    return Markup("" if value is None else f' data-v="{value:.7g}"')


def svg_number(value: float) -> str:
    """Write a coordinate with six significant digits."""
    return f"{value:.6g}"


def thousands(number: int) -> str:
    """Write a whole number with separators: ``1,234``."""
    return f"{number:,}"


def clock_time(local: datetime) -> str:
    """Write a local time with its seconds: ``09:05:30``."""
    return f"{local:%H:%M:%S}"


def class_label(name: str | None) -> ClassLabel:
    """Return the label of a class; None is time outside the shift."""
    return CLASS_LABELS.get(name or "", NO_CLASS_LABEL)


def reason_word(reason: str | None) -> str:
    """Return what a reason is called."""
    return REASON_LABELS.get(reason or "", format_code(reason))


def reason_meaning(reason: str | None) -> str:
    """Return what a reason means; nothing for one that is not known."""
    return REASON_MEANINGS.get(reason or "", "")


def impact_word(impact: str | None) -> str:
    """Return what an impact is called."""
    return IMPACT_LABELS.get(impact or "", format_code(impact))


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "sort_key": sort_key,
    "svg_number": svg_number,
    "thousands": thousands,
    "clock_time": clock_time,
    "class_label": class_label,
    "reason_word": reason_word,
    "reason_meaning": reason_meaning,
    "impact_word": impact_word,
    "class_bar": build_class_bar,
}
