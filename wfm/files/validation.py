"""Validation of rows beyond their types: allowed values, and rules between the columns of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import polars as pl

from wfm.core import glossary
from wfm.core.text import fill_sentence
from wfm.files.columns import fold_words
from wfm.files.timestamps import list_timezones

# the clocks of a queue and of a phone differ: in the log of one bank by up to 24 s
_CLOCK_TOLERANCE = pl.duration(seconds=60)
_MAPPABLE_STATES = tuple(s for s in glossary.STATES if s not in (glossary.UNKNOWN, glossary.UNMAPPED))

ALLOWED_VALUES: dict[tuple[str, str], tuple[str, ...]] = {
    ("activity", "category"): glossary.CATEGORIES,
    ("activity", "shrinkage"): ("planned", "unplanned", "none"),
    ("rule", "category"): glossary.CATEGORIES,
    ("rule", "state"): _MAPPABLE_STATES,
    ("state_map", "state"): _MAPPABLE_STATES,
    ("exemption", "kind"): glossary.EXEMPTION_KINDS,
    ("call_leg", "direction"): ("in", "out", "internal", "unknown"),
}
"""(table, column) → the allowed values. Case, spaces, _ and - do not matter; the spelling here is stored."""


class RowRule(NamedTuple):
    """A rule between columns: where ``is_broken`` is true, ``column`` was expected to be ``expected``."""

    column: str
    is_broken: pl.Expr
    expected: pl.Expr


def get_row_rules(table: str) -> tuple[RowRule, ...]:
    """Return the rules between a table's columns."""
    return _ROW_RULES.get(table, ())


def normalise_spelling(column: pl.Series, allowed: Iterable[str]) -> tuple[pl.Series, pl.Series]:
    """Return a column spelt as the allowed values are, and where it is none of them."""
    values = list(dict.fromkeys(allowed))
    # reversed, so that of two values that fold alike the first counts
    spellings = dict(
        zip(reversed(fold_words(pl.Series(values, dtype=pl.String)).to_list()), reversed(values), strict=True)
    )
    spelt = fold_words(column).replace_strict(spellings, default=None, return_dtype=pl.String)
    return spelt, column.is_not_null() & spelt.is_null()


def get_allowed_values(
    table: str, column: str, activities: Collection[str] | None
) -> tuple[Collection[str], str] | None:
    """Return the allowed values of a column and a text that names them; None: any value is allowed."""
    if (allowed := ALLOWED_VALUES.get((table, column))) is not None:
        return allowed, f"one of {', '.join(allowed)}"
    if table == "schedule" and column == "activity" and activities is not None:
        ordered = sorted(activities)
        shown = ", ".join(ordered[:20]) + (" …" if len(ordered) > 20 else "")
        return ordered, f"a known activity (known are {shown}); add it with `wfm import activity`"
    return None


def find_unknown_timezones(column: pl.Series) -> pl.Series:
    """Return where a column is not an IANA timezone."""
    return column.is_not_null() & ~column.is_in(list(list_timezones())).fill_null(False)


def _format_instant(column: str) -> pl.Expr:
    return pl.col(column).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")


def _require_after(column: str, other: str) -> RowRule:
    expected = fill_sentence("an instant after {} {}", pl.lit(other), _format_instant(other))
    return RowRule(column, pl.col(column) <= pl.col(other), expected)


def _require_not_before(column: str, other: str, skew: bool) -> RowRule:
    earliest = pl.col(other) - _CLOCK_TOLERANCE if skew else pl.col(other)
    expected = fill_sentence("an instant not before {} {}", pl.lit(other), _format_instant(other))
    return RowRule(column, pl.col(column) < earliest, expected)


_SPAN_RULES = (_require_after("end_at", "start_at"),)
_ROW_RULES: dict[str, tuple[RowRule, ...]] = {
    "login": (_require_after("to_at", "from_at"),),
    "clock": (_require_after("to_at", "from_at"),),
    "schedule": _SPAN_RULES,
    "exemption": _SPAN_RULES,
    "coverage": _SPAN_RULES,
    "call_leg": (
        _require_not_before("answered_at", "started_at", skew=True),
        _require_not_before("ended_at", "started_at", skew=True),
        _require_not_before("ended_at", "answered_at", skew=False),
    ),
    "interval_volume": (
        RowRule(
            "interval_start",
            pl.col("interval_start").dt.epoch("us") % (glossary.INTERVAL_S * 1_000_000) != 0,
            pl.lit("the start of a quarter of an hour (:00, :15, :30 or :45, no seconds)"),
        ),
        RowRule(
            "abandoned",
            pl.col("abandoned") > pl.col("entered"),
            fill_sentence("at most entered, {}", pl.col("entered")),
        ),
    ),
}
