"""What stands in Voicenter's fields: texts, durations, instants; whatever else, nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from wfm.vendors._voicenter_words import folded

Row = dict[str, Any]
LONGEST_S: Final = 7 * 86_400.0
_EARLIEST, _LATEST = 10**8, 10**11
"""Seconds since 1970 that can be meant: from 1973 to 5138."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(
    r"(\d{4})-0?(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?"
)
_SAY: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str).encode


def text(value: Any) -> str | None:
    """Return a value as text that can be stored; None: there is nothing."""
    if value is None or value == "":
        return None
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        try:
            value = _SAY(value)
        except (ValueError, RecursionError):
            return None
    value = value.strip()
    return (value if value.isascii() else value.encode("utf-8", "replace").decode()) or None


def seconds(value: Any) -> float | None:
    """Return a duration; None: it is none, or cannot be."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LONGEST_S else None


def epoch(value: Any) -> int | None:
    """Return seconds since 1970; None: it is none, or cannot be."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value.strip()[:20])
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if _EARLIEST <= value < _LATEST else None


def dated(value: Any) -> int | None:
    """Read Date into seconds since 1970; it is UTC unless it says otherwise."""
    said = _DATE.fullmatch(str(value or "").strip())
    if said is None:
        return None
    offset = said[7] or "Z"
    try:
        zone = UTC if offset == "Z" else datetime.strptime(offset.replace(":", ""), "%z").tzinfo
        at = int(datetime(*map(int, said.groups()[:6]), tzinfo=zone).timestamp())  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None
    return at if _EARLIEST <= at < _LATEST else None


def linked(custom: Any) -> str | None:
    """Find the call that a leg was transferred from; CustomData is an object, text that holds one, or neither."""
    if isinstance(custom, str) and "riginal" in custom:
        try:
            custom = json.loads(custom)
        except (ValueError, RecursionError):
            return None
    if not isinstance(custom, dict) or not custom:
        return None
    return next((text(value) for key, value in custom.items() if folded(key) == "originallvruniqueid"), None)


def local(value: Any, zone: ZoneInfo, over_by: datetime | None = None) -> int | None:
    """Read ``time``, which counts the seconds of the account's own clock as if that were UTC.

    Of the hour that clocks go back over, the later is taken if it is not after ``over_by``: a call is told at once when
    it is over, so the earlier is one of which nothing was heard for an hour.
    """
    at = epoch(value)
    if at is None:
        return None
    clock = (EPOCH + timedelta(seconds=at)).replace(tzinfo=zone)
    first, second = (int(clock.replace(fold=fold).timestamp()) for fold in (0, 1))
    return second if over_by is not None and first < second <= over_by.timestamp() else first


def fold_rows(rows: Sequence[Any]) -> Iterator[Row]:
    """Give rows with folded keys; what is no object is left out."""
    known: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        keys = tuple(row)
        names = known.get(keys)
        if names is None:
            names = known[keys] = [folded(key) for key in keys]
        yield dict(zip(names, row.values(), strict=True))
