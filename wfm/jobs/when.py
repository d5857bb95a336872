"""Parse the days, instants and windows that callers pass as arguments."""

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
    """Parse a day or an instant; an instant is returned in UTC.

    Raises:
        UsageError: it is neither, an instant has no offset, or its year is out of range.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise UsageError(f"{what} {at.isoformat()}: give the offset, like {at.isoformat()}+00:00.")
        _within_years(at, what)
        return at.astimezone(UTC)
    if isinstance(at, date):
        return _within_years(at, what)
    try:
        parsed = date.fromisoformat(at) if len(at) <= 10 else datetime.fromisoformat(at)
    except ValueError:
        raise UsageError(
            f"{what} {at!r} is neither a day like 2026-03-02 nor an instant like 2026-03-02T08:00:00+02:00."
        ) from None
    return parse(parsed, what)


def _within_years(at: date, what: str) -> date:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise UsageError(f"{what} {at.isoformat()}: give a year from {FIRST_YEAR} to {LAST_YEAR}.")
    return at


def midnight(at: date, zone: str) -> datetime:
    """Return the instant at which a local day starts; an instant is returned unchanged."""
    if isinstance(at, datetime):
        return at
    return datetime.combine(at, time(), ZoneInfo(zone)).astimezone(UTC)


def instant(at: When | None, zone: str, what: str) -> datetime | None:
    """Parse an instant; a day means its first instant in ``zone``."""
    return None if at is None else midnight(parse(at, what), zone)


def window(from_: When, to: When, zone: str, names: tuple[str, str] = ("--from", "--to")) -> Window:
    """Parse a window: two days (workdays) or two instants; next to an instant, a day means its first instant.

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
    """Return the instants at which a window starts and ends; days start at local midnight."""
    return midnight(over[0], zone), midnight(over[1], zone)
