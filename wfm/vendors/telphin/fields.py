"""Fields as Telphin names them, and tables with notes on what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.values import MAX_NOTES, add_notes, build_table, fold_key, read_text

ALIASES: Final = {"transferred": "transfered", "status": "callstatus", "recordid": "recid"}
"""Names with misprints, or that were changed → the name under which they are stored."""

Fields = dict[str, str]
"""Folded name → text; there are no empty ones."""


def fold_field(name: str) -> str:
    """Return a folded name; see `ALIASES`."""
    folded = fold_key(name)
    return ALIASES.get(folded, folded)


def read_fields(entry: Mapping[str, Any]) -> Fields:
    """Return the scalars of an object by folded name, without empty ones."""
    return {
        name: text
        for key, value in entry.items()
        if (name := fold_field(read_text(key) or "")) and (text := read_text(value))
    }


def encode_fields(fields: Mapping[str, Any]) -> str:
    """Return fields as JSON; the same fields always give the same text, so that repeats are recognised."""
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass
class RowCollector:
    """The rows that were parsed so far, and why other entries were left out."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def build_table(self, table: str, columns: tuple[str, ...]) -> pl.DataFrame:
        """Return the table's own columns and ``alarm``, the last value of each row.

        Raises:
            BadReplyError: there are entries, and none could be parsed.
        """
        note = self._describe_left_out()
        if note and not self.rows:
            raise BadReplyError(f"telphin: {note}")
        return add_notes(build_table(table, (*columns, "alarm"), self.rows), [note])

    def _describe_left_out(self) -> str:
        if not self.left_out:
            return ""
        reasons = "; ".join(dict.fromkeys(self.left_out[:MAX_NOTES]))
        return f"{len(self.left_out):,} left out ({reasons})"
