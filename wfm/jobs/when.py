"""Days, instants and windows as callers write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wfm.errors import UsageError
from wfm.storage.reader import Span

When = str | date | datetime
Window = tuple[date, date] | tuple[datetime, datetime]

DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1970, 2199


def parse(at: When, what: str) -> date:
    """Read a day or an instant; the latter as UTC.

    Raises:
        UsageError: it is neither, has no offset, or is of a time when nobody answered phones.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise UsageError(f"{what} {at.isoformat()}: give the offset, like {at.isoformat()}+00:00.")
        _within_years(at, what)
        return at.astimezone(UTC)
    if isinstance(at, date):
        return _within_years(at, what)
    try:
        read = date.fromisoformat(at) if len(at) <= 10 else datetime.fromisoformat(at)
    except ValueError:
        raise UsageError(
            f"{what} {at!r} is neither a day like 2026-03-02 nor an instant like 2026-03-02T08:00:00+02:00."
        ) from None
    return parse(read, what)


def _within_years(at: date, what: str) -> date:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise UsageError(f"{what} {at.isoformat()}: give a year from {FIRST_YEAR} to {LAST_YEAR}.")
    return at


def midnight(at: date, zone: str) -> datetime:
    """Return an instant as it is, and the instant at which a local day starts."""
    if isinstance(at, datetime):
        return at
    return datetime.combine(at, time(), ZoneInfo(zone)).astimezone(UTC)


def instant(at: When | None, zone: str, what: str) -> datetime | None:
    """Read an instant; a day is its first one."""
    return None if at is None else midnight(parse(at, what), zone)


def window(from_: When, to: When, zone: str, names: tuple[str, str] = ("--from", "--to")) -> Window:
    """Read a window: two days (workdays) or two instants; a day beside an instant is its first instant.

    Raises:
        UsageError: it is neither, or the end is not after the start.
    """
    start, end = parse(from_, names[0]), parse(to, names[1])
    if isinstance(start, datetime) or isinstance(end, datetime):
        start, end = midnight(start, zone), midnight(end, zone)
    if not start < end:
        first, last = names
        raise UsageError(f"{last} {to} is not after {first} {from_}: {first} is included, {last} is not.")
    return start, end


def bounds(over: Window, zone: str) -> Span:
    """Return the instants at which a window starts and ends."""
    return midnight(over[0], zone), midnight(over[1], zone)
