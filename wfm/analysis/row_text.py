"""Write a stored row as one line of text, and find the columns that say from when to when it applies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from wfm.core import schema
from wfm.vendors import CALL_EVENT

TEXT_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "schedule": ("activity",),
    "agent_state": ("login", "vendor_state", "vendor_reason"),
    "call_leg": ("leg_id", "queue_id", "outcome"),
    "exemption": ("kind", "agent_id", "team", "code", "note", "by"),
    CALL_EVENT: ("call_id", "kind"),
    "coverage": ("source",),
    "state_map": ("source", "vendor_state", "vendor_reason", "state"),
    "rule": ("category", "state", "in_adherence"),
    "activity": ("activity", "category", "counted"),
    "login": ("source", "login", "agent_id"),
    "agent": ("agent_id", "name", "team", "timezone"),
    "clock": ("source", "offset_s"),
}
"""Every table whose rows decide scores, and the columns by which a reader recognises one of its rows."""

TIME_COLUMNS: Final = (
    ("start_at", "end_at"),
    ("started_at", "ended_at"),
    ("from_at", "to_at"),
    ("at", None),
)
"""Pairs of columns for the start and the end of a row; the first pair that a table has counts."""


def find_time_columns(table: str) -> tuple[str | None, str | None]:
    """Return the columns of a table that say from when to when a row applies; None: always, or not stored."""
    columns = schema.get_table(table).columns
    return next((pair for pair in TIME_COLUMNS if pair[0] in columns), (None, None))


def build_row_text(table: str, without: Collection[str] = ()) -> pl.Expr:
    """Build the expression that writes a row of a table as text: its values, separated by spaces.

    Args:
        table: a key of `TEXT_COLUMNS`.
        without: columns that the reader sees elsewhere.
    """
    shown = [name for name in TEXT_COLUMNS[table] if name not in without]
    if not shown:
        return pl.lit("")
    return pl.concat_str(pl.col(shown).cast(pl.String), separator=" ", ignore_nulls=True)
