"""Instants, lengths of time and local days, with one representation throughout wfm.

An instant is a whole number of microseconds since 1970-01-01 UTC: in frames `INSTANT`, in Python an aware ``datetime``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")
"""The type of every column of instants."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
US_PER_SECOND: Final = 1_000_000
S_PER_DAY: Final = 86_400
US_PER_DAY: Final = S_PER_DAY * US_PER_SECOND


def to_microseconds(length: timedelta) -> int:
    """Return a length of time in whole microseconds, rounded down."""
    return length // MICROSECOND


def to_epoch_us(at: datetime) -> int:
    """Return an instant as whole microseconds since 1970-01-01 UTC."""
    return (at - EPOCH) // MICROSECOND


def local_midnight(day: date, zone: str | tzinfo) -> datetime:
    """Return the instant at which a local day starts, in UTC.

    Where a clock change skips midnight, the day starts at the change.
    """
    # fold=0 reads a skipped midnight with the offset that applied before the gap, which gives the end of the gap
    tz = ZoneInfo(zone) if isinstance(zone, str) else zone
    return datetime.combine(day, time(), tz).astimezone(UTC)


def to_instant(at: date, zone: str | tzinfo) -> datetime:
    """Return an instant unchanged; for a date, return the instant at which that local day starts."""
    return at if isinstance(at, datetime) else local_midnight(at, zone)


def local_date(at: pl.Expr, zone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """Return the local date of an instant in the time zone of its row.

    Args:
        at: the instant.
        zone: the name of the row's time zone.
        zones: every name that occurs; a row with another one gets null.
    """
    # polars can only convert a whole column to one zone: convert once per zone, and take each row's own
    dates = [pl.when(zone == name).then(at.dt.convert_time_zone(name).dt.date()) for name in zones]
    return pl.coalesce([*dates, pl.lit(None, pl.Date)])


def floor_to_local_day(at: pl.Expr, zone: str) -> pl.Expr:
    """Return the start of the local day of an instant, in that zone."""
    return at.dt.convert_time_zone(zone).dt.truncate("1d")
