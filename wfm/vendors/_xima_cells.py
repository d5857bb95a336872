"""Single values of Xima's replies: text, numbers, instants, agents. Whatever comes in, nothing raises."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm import schema
from wfm.errors import BadReplyError
from wfm.vendors._xima_templates import Columns

Row = dict[str, Any]
MOST: Final = 2**53
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?")
_AGENT: Final = re.compile(r"(.*)\(([^()]*)\)", re.DOTALL)
_EARLIEST_MS, _LATEST_MS = 10**11, 10**13
"""Instants in milliseconds from 1973 to 2286; of another size they are in another unit."""


def text(value: Any) -> str | None:
    """Return a value as text that can be stored; None: there is nothing."""
    if value is None:
        return None
    try:
        told = (
            value.strip()
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, allow_nan=False)
        )
    except (ValueError, RecursionError):
        return None
    return told.encode("utf-8", "replace").decode() or None


def number(value: Any) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -MOST <= value <= MOST and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """Return a whole number that is not negative; counts may come as 14.0."""
    read = number(value)
    return int(read) if read is not None and read >= 0 and read == int(read) else None


def instant(value: Any) -> datetime | None:
    """Read milliseconds since 1970, or ISO 8601 with an offset."""
    read = number(value)
    if read is not None:
        inside = _EARLIEST_MS <= read < _LATEST_MS
        return (
            datetime.fromtimestamp(int(read) // 1000, UTC).replace(microsecond=int(read) % 1000 * 1000)
            if inside
            else None
        )
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def agent(value: Any) -> tuple[str, str] | None:
    """Take ``Name(ext)`` apart: what the agent is called by, and their name; names may hold parentheses."""
    label = text(value)
    parts = _AGENT.fullmatch(label or "")
    if label is None or parts is None or not parts[2].strip():
        return (label, label) if label else None
    return parts[2].strip(), parts[1].strip() or label


def frame(table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Make a table's own columns but source, null where nothing is told, beside ``alarm`` and others that are named."""
    kinds: dict[str, Any] = {**schema.table(table).own, "alarm": pl.String(), "payload": pl.String()}
    made = pl.DataFrame(rows, schema={name: kinds[name] for name in names}, orient="row")
    own = [name for name in schema.table(table).own if name != "source"]
    nulls = [pl.lit(None, kinds[name]).alias(name) for name in (*own, "alarm") if name not in names]
    also = ["payload"] if "payload" in names else []
    return made.with_columns(nulls).select(*own, "alarm", *also)


def noted(made: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Add what is noted of a reply as a whole to its first row.

    Raises:
        BadReplyError: there is no row to carry it.
    """
    if not notes:
        return made
    told = "; ".join(notes[:3]) + (f"; and {len(notes) - 3} more" if len(notes) > 3 else "")
    if not made.height:
        raise BadReplyError(told)
    first = "; ".join([*filter(None, made["alarm"].head(1)), told])
    return made.with_columns(
        alarm=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(first)).otherwise("alarm")
    )


class Labels:
    """Reads the local times of one report, row after row.

    An hour that comes twice, when clocks go back, is told apart by the order of rows: the later of two that would go
    back in time is the second.
    """

    def __init__(self, columns: Columns, zone: ZoneInfo, start: datetime) -> None:
        self._columns, self._zone = columns, zone
        self._day = start.astimezone(zone).date()
        self._last: dict[str, datetime] = {}

    def read(self, key: str, label: Any) -> datetime | None:
        """Read a label of a queue's or an agent's row; None: it is no instant there."""
        said = text(label) or ""
        if self._columns.separator:
            said = said.split(self._columns.separator)[0].strip()
        try:
            at = self._at(key, datetime.strptime(said, self._columns.label))  # noqa: DTZ007
        except (ValueError, OverflowError):
            return None
        if at is not None:
            self._last[key] = at
        return at

    def _at(self, key: str, local: datetime) -> datetime | None:
        if local.tzinfo:
            return local.astimezone(UTC)
        if not self._columns.dated:
            local = datetime.combine(self._day, local.time())
        first, second = (local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self._zone).replace(tzinfo=None) != local:
            return None  # clocks went forward over it
        last = self._last.get(key)
        return second if first < second and last is not None and last > first else first
