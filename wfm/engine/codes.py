"""Small integers for states, categories, classes and reasons.

A month of a large centre is eighteen million slices: comparing bytes instead of words is what makes them affordable.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm import terms

STATE: Final = pl.Enum(terms.STATES)
OUTSIDE_CATEGORY: Final = "outside"
"""The category of time with nothing scheduled."""
CATEGORY: Final = pl.Enum([*terms.CATEGORIES, OUTSIDE_CATEGORY])
CLASS: Final = pl.Enum(terms.CLASSES)
REASON: Final = pl.Enum(terms.REASONS)
IMPACT: Final = pl.Enum(terms.IMPACTS)

CODE: Final[dict[str, int]] = {state: code for code, state in enumerate(terms.STATES)}
UNKNOWN: Final = CODE[terms.UNKNOWN]
UNMAPPED: Final = CODE[terms.UNMAPPED]
LOGGED_OUT: Final = CODE["logged_out"]
NO_LOGIN: Final = len(terms.STATES)
"""State of a login slot that the agent has no login for: some agents have more logins than others."""
NOBODY: Final = NO_LOGIN + 1
"""State of an agent who has no login then: logged out where every source is covered."""
NOBODY_SEEN: Final = NO_LOGIN + 2
"""The same where some source is not covered: unknown."""


def is_one_of(states: tuple[str, ...], column: str = "state") -> pl.Expr:
    """Return whether a column of state codes contains one of these states."""
    codes = [CODE[state] for state in states]
    # a range of bytes is compared faster than a set of them, and most groups of states are adjacent codes
    if codes == list(range(codes[0], codes[-1] + 1)):
        return pl.col(column).is_between(codes[0], codes[-1])
    return pl.col(column).is_in(codes)


def is_queue(column: str = "state") -> pl.Expr:
    """Return whether the state serves a queue."""
    return is_one_of(terms.QUEUE_STATES, column)


def is_rest(column: str = "state") -> pl.Expr:
    """Return whether the state is a rest."""
    return is_one_of(terms.REST_STATES, column)


def is_logged_in(column: str = "state") -> pl.Expr:
    """Return whether the agent is known to be logged in."""
    return ~pl.col(column).is_in([LOGGED_OUT, UNKNOWN, UNMAPPED])


def fold(text: pl.Expr) -> pl.Expr:
    """Return vendor words in a comparable form: case, spaces, ``_`` and ``-`` do not matter."""
    return text.str.to_lowercase().str.replace_all(r"[\s_\-]+", "")
