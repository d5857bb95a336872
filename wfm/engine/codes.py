"""States and categories as small integers, so that eighteen million rows compare bytes and not words."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm import terms

STATE: Final = pl.Enum(terms.STATES)
CATEGORY: Final = pl.Enum([*terms.CATEGORIES, "outside"])
CLASS: Final = pl.Enum(terms.CLASSES)
REASON: Final = pl.Enum(terms.REASONS)
IMPACT: Final = pl.Enum(terms.IMPACTS)

CODE: Final[dict[str, int]] = {state: code for code, state in enumerate(terms.STATES)}
UNKNOWN: Final = CODE[terms.UNKNOWN]
UNMAPPED: Final = CODE[terms.UNMAPPED]
LOGGED_OUT: Final = CODE["logged_out"]
NO_LOGIN: Final = len(terms.STATES)
"""What an agent's second login says when the agent has only one: nothing at all."""

NOBODY: Final = NO_LOGIN + 1
"""What is said of an agent for whom no login speaks: logged out where every source was watched."""
NOBODY_SEEN: Final = NO_LOGIN + 2
"""The same where some source was not watched: unknown."""

OUTSIDE: Final = len(terms.CATEGORIES)
"""The category of time with nothing scheduled."""


def is_one_of(states: tuple[str, ...], column: str = "state") -> pl.Expr:
    """Say whether a column of state codes holds one of these states."""
    codes = [CODE[state] for state in states]
    if codes == list(range(codes[0], codes[-1] + 1)):
        return pl.col(column).is_between(codes[0], codes[-1])
    return pl.col(column).is_in(codes)


def is_queue(column: str = "state") -> pl.Expr:
    """Say whether the state serves a queue."""
    return is_one_of(terms.QUEUE_STATES, column)


def is_rest(column: str = "state") -> pl.Expr:
    """Say whether the state is a rest."""
    return is_one_of(terms.REST_STATES, column)


def is_logged_in(column: str = "state") -> pl.Expr:
    """Say whether the agent is known to be logged in."""
    return ~pl.col(column).is_in([LOGGED_OUT, UNKNOWN, UNMAPPED])


def fold(text: pl.Expr) -> pl.Expr:
    """Make vendor words comparable: case, spaces, ``_`` and ``-`` do not matter."""
    return text.str.to_lowercase().str.replace_all(r"[\s_\-]+", "")
