"""Values as only Voicenter writes them: durations, dates with misprints, local epochs, and links between calls."""

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

LONGEST_CALL_S: Final = 7 * 86_400.0
LINK_KEY: Final = "originallvruniqueid"
"""The folded key of the call that a leg was transferred from."""
_DATE: Final = re.compile(
    r"(\d{4})-0?(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?"
)


def fold_field(key: str) -> str:
    """Return a folded key; OriginalIvrUniqueID is misprinted with a small L, which it then is everywhere."""
    return fold_key(key).replace("originali", "originall")


def read_duration_s(value: Any) -> float | None:
    """Return the seconds of a duration; None: it is none, or implausible."""
    seconds = read_amount(value)
    return seconds if seconds is not None and seconds <= LONGEST_CALL_S else None


def read_epoch_s(value: Any) -> int | None:
    """Return whole seconds since 1970; None: it is no instant in seconds."""
    micros = read_epoch_us(value, "s")
    return None if micros is None else micros // 1_000_000


def read_date_s(value: Any) -> int | None:
    """Return seconds since 1970 of a Date; it is UTC unless it says otherwise, and the month may have three digits."""
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


def read_local_epoch_s(value: Any, zone: ZoneInfo, over_by: datetime | None = None) -> int | None:
    """Return seconds since 1970 of ``time``, which counts the seconds of the account's own clock as if it were UTC.

    Of the hour that clocks go back over, the later is taken if it is not after ``over_by``: a call is reported as soon
    as it is over, so the earlier would be one of which nothing was heard for an hour.
    """
    at = read_epoch_s(value)
    if at is None:
        return None
    clock = (EPOCH + timedelta(seconds=at)).replace(tzinfo=zone)
    first, second = (int(clock.replace(fold=fold).timestamp()) for fold in (0, 1))
    return second if over_by is not None and first < second <= over_by.timestamp() else first


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
