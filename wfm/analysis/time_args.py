"""Parse the days, instants and windows that callers pass as arguments."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wfm.core.errors import UsageError
from wfm.storage.reader import TimeSpan

TimeArgument = str | date | datetime
TimeWindow = tuple[date, date] | tuple[datetime, datetime]

ONE_DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1970, 2199


def parse_time(at: TimeArgument, what: str) -> date:
    """Parse a day or an instant; an instant is returned in UTC.

    Raises:
        UsageError: it is neither, an instant has no offset, or its year is out of range.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise UsageError(f"{what} {at.isoformat()}: give the offset, like {at.isoformat()}+00:00.")
        _check_year(at, what)
        return at.astimezone(UTC)
    if isinstance(at, date):
        return _check_year(at, what)
    try:
        parsed = date.fromisoformat(at) if len(at) <= 10 else datetime.fromisoformat(at)
    except ValueError:
        raise UsageError(
            f"{what} {at!r} is neither a day like 2026-03-02 nor an instant like 2026-03-02T08:00:00+02:00."
        ) from None
    return parse_time(parsed, what)


def _check_year(at: date, what: str) -> date:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise UsageError(f"{what} {at.isoformat()}: give a year from {FIRST_YEAR} to {LAST_YEAR}.")
    return at


def resolve_local_midnight(at: date, zone: str) -> datetime:
    """Return the instant at which a local day starts; an instant is returned unchanged."""
    if isinstance(at, datetime):
        return at
    return datetime.combine(at, time(), ZoneInfo(zone)).astimezone(UTC)


def parse_instant(at: TimeArgument | None, zone: str, what: str) -> datetime | None:
    """Parse an instant; a day means its first instant in ``zone``."""
    return None if at is None else resolve_local_midnight(parse_time(at, what), zone)


def parse_window(
    from_: TimeArgument, to: TimeArgument, zone: str, names: tuple[str, str] = ("--from", "--to")
) -> TimeWindow:
    """Parse a window: two days (workdays) or two instants; next to an instant, a day means its first instant.

    Raises:
        UsageError: it is neither, or the end is not after the start.
    """
    start, end = parse_time(from_, names[0]), parse_time(to, names[1])
    if isinstance(start, datetime) or isinstance(end, datetime):
        start, end = resolve_local_midnight(start, zone), resolve_local_midnight(end, zone)
    if not start < end:
        first, last = names
        raise UsageError(f"{last} {to} is not after {first} {from_}: {first} is included, {last} is not.")
    return start, end


def compute_window_bounds(over: TimeWindow, zone: str) -> TimeSpan:
    """Return the instants at which a window starts and ends; days start at local midnight."""
    return resolve_local_midnight(over[0], zone), resolve_local_midnight(over[1], zone)
