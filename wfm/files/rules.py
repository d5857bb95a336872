"""Validation of rows beyond their types: allowed values, order of instants, sums; one list per table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import polars as pl

from wfm import terms
from wfm.files.instants import zones
from wfm.files.names import fold_words
from wfm.words import worded

_SKEW = pl.duration(seconds=60)  # the clocks of queue and phone differ, by up to 24 s in the bank's log
_KNOWN_STATES = tuple(s for s in terms.STATES if s not in (terms.UNKNOWN, terms.UNMAPPED))

WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("activity", "category"): terms.CATEGORIES,
    ("activity", "shrinkage"): ("planned", "unplanned", "none"),
    ("rule", "category"): terms.CATEGORIES,
    ("rule", "state"): _KNOWN_STATES,
    ("state_map", "state"): _KNOWN_STATES,
    ("exemption", "kind"): terms.EXEMPTION_KINDS,
    ("call_leg", "direction"): ("in", "out", "internal", "unknown"),
}
"""The allowed values of some columns; case, spaces, _ and - do not matter, this spelling is stored."""


class Broken(NamedTuple):
    """One rule: where `breaks` is true, `column` was expected to be `expected`."""

    column: str
    breaks: pl.Expr
    expected: pl.Expr


def rules(table: str) -> tuple[Broken, ...]:
    """Return the rules between a table's columns."""
    return _RULES.get(table, ())


def spell(column: pl.Series, words: Iterable[str]) -> tuple[pl.Series, pl.Series]:
    """Normalise the spelling of a column to that of `words`; also return where it is none of them."""
    known = list(dict.fromkeys(words))
    folded = dict(
        zip(reversed(fold_words(pl.Series(known, dtype=pl.String)).to_list()), reversed(known), strict=True)
    )
    spelt = fold_words(column).replace_strict(folded, default=None, return_dtype=pl.String)
    return spelt, column.is_not_null() & spelt.is_null()


def wanted(table: str, column: str, activities: Collection[str] | None) -> tuple[Collection[str], str] | None:
    """Return the allowed values of a column and how to say so, or None if any is allowed."""
    if (words := WORDS.get((table, column))) is not None:
        return words, f"one of {', '.join(words)}"
    if table == "schedule" and column == "activity" and activities is not None:
        some = sorted(activities)
        shown = ", ".join(some[:20]) + (" …" if len(some) > 20 else "")
        return some, f"a known activity (known are {shown}); add it with `wfm import activity`"
    return None


def bad_zone(column: pl.Series) -> pl.Series:
    """Return where a column is not an IANA timezone."""
    return column.is_not_null() & ~column.is_in(list(zones())).fill_null(False)


def _iso(column: str) -> pl.Expr:
    return pl.col(column).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")


def _after(column: str, other: str) -> Broken:
    expected = worded("an instant after {} {}", pl.lit(other), _iso(other))
    return Broken(column, pl.col(column) <= pl.col(other), expected)


def _not_before(column: str, other: str, skew: bool) -> Broken:
    earliest = pl.col(other) - _SKEW if skew else pl.col(other)
    expected = worded("an instant not before {} {}", pl.lit(other), _iso(other))
    return Broken(column, pl.col(column) < earliest, expected)


_SPAN = (_after("end_at", "start_at"),)
_RULES: dict[str, tuple[Broken, ...]] = {
    "login": (_after("to_at", "from_at"),),
    "clock": (_after("to_at", "from_at"),),
    "schedule": _SPAN,
    "exemption": _SPAN,
    "coverage": _SPAN,
    "call_leg": (
        _not_before("answered_at", "started_at", skew=True),
        _not_before("ended_at", "started_at", skew=True),
        _not_before("ended_at", "answered_at", skew=False),
    ),
    "interval_volume": (
        Broken(
            "interval_start",
            pl.col("interval_start").dt.epoch("us") % (terms.INTERVAL_S * 1_000_000) != 0,
            pl.lit("the start of a quarter of an hour (:00, :15, :30 or :45, no seconds)"),
        ),
        Broken(
            "abandoned",
            pl.col("abandoned") > pl.col("entered"),
            worded("at most entered, {}", pl.col("entered")),
        ),
    ),
}
