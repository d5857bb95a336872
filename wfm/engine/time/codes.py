"""Small integers for states, categories, classes and reasons.

A month of a large centre is eighteen million slices: comparing bytes instead of words is what makes them affordable.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core import glossary

STATE_ENUM: Final = pl.Enum(glossary.STATES)
OUTSIDE_CATEGORY: Final = "outside"
"""The category of time with nothing scheduled."""
CATEGORY_ENUM: Final = pl.Enum([*glossary.CATEGORIES, OUTSIDE_CATEGORY])
CLASS_ENUM: Final = pl.Enum(glossary.CLASSES)
REASON_ENUM: Final = pl.Enum(glossary.REASONS)
IMPACT_ENUM: Final = pl.Enum(glossary.IMPACTS)

STATE_CODES: Final[dict[str, int]] = {state: code for code, state in enumerate(glossary.STATES)}
UNKNOWN_CODE: Final = STATE_CODES[glossary.UNKNOWN]
UNMAPPED_CODE: Final = STATE_CODES[glossary.UNMAPPED]
LOGGED_OUT_CODE: Final = STATE_CODES["logged_out"]
EMPTY_SLOT_CODE: Final = len(glossary.STATES)
"""State of a login slot that the agent has no login for: some agents have more logins than others."""
NO_LOGIN_CODE: Final = EMPTY_SLOT_CODE + 1
"""State of an agent who has no login then: logged out where every source is covered."""
NO_LOGIN_UNCOVERED_CODE: Final = EMPTY_SLOT_CODE + 2
"""The same where some source is not covered: unknown."""


def is_state_among(states: tuple[str, ...], column: str = "state") -> pl.Expr:
    """Return whether a column of state codes contains one of these states."""
    codes = [STATE_CODES[state] for state in states]
    # a range of bytes is compared faster than a set of them, and most groups of states are adjacent codes
    if codes == list(range(codes[0], codes[-1] + 1)):
        return pl.col(column).is_between(codes[0], codes[-1])
    return pl.col(column).is_in(codes)


def is_queue_state(column: str = "state") -> pl.Expr:
    """Return whether the state serves a queue."""
    return is_state_among(glossary.QUEUE_STATES, column)


def is_rest_state(column: str = "state") -> pl.Expr:
    """Return whether the state is a rest."""
    return is_state_among(glossary.REST_STATES, column)


def is_logged_in(column: str = "state") -> pl.Expr:
    """Return whether the agent is known to be logged in."""
    return ~pl.col(column).is_in([LOGGED_OUT_CODE, UNKNOWN_CODE, UNMAPPED_CODE])


def fold_vendor_text(text: pl.Expr) -> pl.Expr:
    """Return vendor words in a comparable form: case, spaces, ``_`` and ``-`` do not matter."""
    return text.str.to_lowercase().str.replace_all(r"[\s_\-]+", "")
