"""Parsing values that only Voicenter has: durations, dates with misprints, local epochs, links between calls."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from wfm.vendors.values import (
    EPOCH,
    FIRST_EPOCH_S,
    LAST_EPOCH_S,
    fold_key,
    read_amount,
    read_epoch_us,
    read_text,
)

MAX_CALL_S: Final = 7 * 86_400.0
LINK_KEY: Final = "originallvruniqueid"
"""The folded key of the call that a leg was transferred from."""
_DATE: Final = re.compile(
    r"(\d{4})-0?(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?"
)


def fold_field(key: str) -> str:
    """Return a folded key; OriginalIvrUniqueID, sometimes misprinted with a small L, is folded to that spelling."""
    return fold_key(key).replace("originali", "originall")


def read_duration_s(value: Any) -> float | None:
    """Return a duration in seconds; None: it is missing or implausible."""
    seconds = read_amount(value)
    return seconds if seconds is not None and seconds <= MAX_CALL_S else None


def read_epoch_s(value: Any) -> int | None:
    """Return whole seconds since 1970; None: it is not an instant in seconds."""
    micros = read_epoch_us(value, "s")
    return None if micros is None else micros // 1_000_000


def read_date_s(value: Any) -> int | None:
    """Return a Date in seconds since 1970; it is UTC unless it has an offset, and its month may have three digits."""
    parts = _DATE.fullmatch(str(value or "").strip())
    if parts is None:
        return None
    offset = parts[7] or "Z"
    try:
        zone = UTC if offset == "Z" else datetime.strptime(offset.replace(":", ""), "%z").tzinfo
        at = int(datetime(*map(int, parts.groups()[:6]), tzinfo=zone).timestamp())  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None
    return at if FIRST_EPOCH_S <= at < LAST_EPOCH_S else None


def read_local_epoch_s(value: Any, zone: ZoneInfo, latest: datetime | None = None) -> int | None:
    """Return a ``time`` in seconds since 1970; the vendor counts those of the account's local clock.

    When clocks go back, a local time comes twice; the second is taken if it is not after ``latest``: a call is reported
    as soon as it has ended, so the first would mean that the report was an hour late.
    """
    at = read_epoch_s(value)
    if at is None:
        return None
    clock = (EPOCH + timedelta(seconds=at)).replace(tzinfo=zone)
    first, second = (int(clock.replace(fold=fold).timestamp()) for fold in (0, 1))
    return second if latest is not None and first < second <= latest.timestamp() else first


def find_linked_call(custom: Any) -> str | None:
    """Return the call that a leg was transferred from; CustomData is an object, text that holds one, or neither."""
    if isinstance(custom, str) and "riginal" in custom:
        try:
            custom = json.loads(custom)
        except (ValueError, RecursionError):
            return None
    if not isinstance(custom, dict) or not custom:
        return None
    return next((read_text(value) for key, value in custom.items() if fold_field(key) == LINK_KEY), None)
