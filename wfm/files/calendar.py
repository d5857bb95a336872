"""Read ics: the events of a calendar as scheduled segments."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import icalendar
import polars as pl
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

from wfm.errors import InputError
from wfm.files.instants import LAST_YEAR, Fold
from wfm.files.names import fold_words
from wfm.files.raw import BAD, Raw, count

HORIZON = timedelta(days=366)
MOST_PER_EVENT = 5_000
MOST_ROWS = 1_000_000

Event: TypeAlias = Any  # the library types each property as any of some thirty classes

_NAMES = ("agent_id", "start_at", "end_at", "activity")
_PARTS = {
    "DAILY": {"BYDAY"},
    "WEEKLY": {"BYDAY"},
    "MONTHLY": {"BYDAY", "BYMONTHDAY"},
    "YEARLY": {"BYDAY", "BYMONTHDAY", "BYMONTH"},
}
_ALWAYS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}
_DAY = timedelta(days=1)


class _Unfit(Exception):  # noqa: N818 - never leaves this module
    """Carry what is wrong with one event."""

    def __init__(self, column: str, value: object, expected: str) -> None:
        self.problem = (column, str(value), expected)


@dataclass(frozen=True)
class _How:
    """What is needed to read one event beside the event."""

    zone: tzinfo | None
    fold: Fold | None
    agent: str | None
    known: frozenset[str] | None
    until: datetime
    moved: frozenset[tuple[str, datetime]]


@dataclass
class _Found:
    rows: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    broken: list[tuple[int, str, str, str]] = field(default_factory=list)
    cancelled: int = 0
    endless: int = 0


def read_calendar(
    data: bytes,
    path: str,
    timezone: str | None,
    fold: Fold | None,
    agent: str | None,
    activities: Collection[str] | None,
) -> Raw:
    """Read events as segments.

    SUMMARY, or whichever of SUMMARY and CATEGORIES is known, is the activity; X-WFM-AGENT or else ATTENDEE
    the agent. Rules without COUNT are followed until a year after the latest instant the file mentions. A
    row's number is that of its event. A time with TZID that comes twice is the first, as RFC 5545 says,
    unless `fold` is later; floating times need `timezone`, and `fold` where they come twice.
    """
    events = _events(data, path)
    if not events:
        raise InputError(f"{path} has no events (VEVENT).")
    zone = ZoneInfo(timezone) if timezone else None
    known = (
        frozenset(fold_words(pl.Series(list(activities), dtype=pl.String)))
        if activities is not None
        else None
    )
    until = _latest(events) + HORIZON
    how = _How(zone, fold, agent, known, until, _moved(events, zone))
    found = _Found()
    for number, event in enumerate(events, 1):
        try:
            _read_event(number, event, how, found)
        except _Unfit as unfit:
            found.rows = [row for row in found.rows if row[0] != number]
            found.broken.append((number, *unfit.problem))
        except InputError:
            raise
        except Exception as error:  # a value the calendar library cannot make sense of
            found.rows = [row for row in found.rows if row[0] != number]
            found.broken.append(
                (number, "start_at", str(event.get("DTSTART", ""))[:80], f"a valid event: {error}"[:200])
            )
        if len(found.rows) > MOST_ROWS:
            raise InputError(f"{path} expands to more than {MOST_ROWS:,} segments. Export a shorter span.")
    return _as_raw(found, events, until)


def _events(data: bytes, path: str) -> list[Event]:
    try:
        calendars = icalendar.Calendar.from_ical(data, multiple=True)
        cancelled = [str(c.get("METHOD", "")).upper() == "CANCEL" for c in calendars]
        events = []
        for calendar, gone in zip(calendars, cancelled, strict=True):
            for event in calendar.walk("VEVENT"):
                if gone:
                    event["STATUS"] = "CANCELLED"
                events.append(event)
    except Exception as error:  # the library raises whatever its parsers raise
        raise InputError(
            f"{path} is not a calendar in iCalendar format ({str(error)[:100]}). Export it again."
        ) from error
    return events


def _read_event(number: int, event: Event, how: _How, found: _Found) -> None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        found.cancelled += 1
        return
    agents = _agents(event, how.agent)
    activity = _activity(event, how.known)
    for start, end in _spans(event, how, found):
        found.rows.extend((number, agent, _iso(start), _iso(end), activity) for agent in agents)


def _agents(event: Event, default: str | None) -> list[str]:
    named = _all(event, "X-WFM-AGENT")
    if not named:
        people = [
            a
            for a in _all(event, "ATTENDEE")
            if _param(a, "CUTYPE", "INDIVIDUAL") in ("INDIVIDUAL", "UNKNOWN")
        ]
        named = [str(a)[7:] if str(a).lower().startswith("mailto:") else str(a) for a in people]
    agents = list(dict.fromkeys(str(name).strip() for name in named if str(name).strip()))
    if not agents and default:
        return [default]
    if not agents:
        raise _Unfit(
            "agent_id", "", "an X-WFM-AGENT or ATTENDEE in the event, or an agent given for the whole file"
        )
    return agents


def _activity(event: Event, known: frozenset[str] | None) -> str:
    words = [str(event.get("SUMMARY", "")).strip()]
    for group in _all(event, "CATEGORIES"):
        words += [str(word).strip() for word in getattr(group, "cats", [group])]
    words = [word for word in words if word]
    if not words:
        raise _Unfit("activity", "", "a SUMMARY or CATEGORIES that names the activity")
    if known is None:
        return words[0]
    folded = fold_words(pl.Series(words))
    return next((word for word, key in zip(words, folded, strict=True) if key in known), words[0])


def _spans(event: Event, how: _How, found: _Found) -> Iterator[tuple[datetime, datetime]]:
    start = _moment(event, "DTSTART", how)
    if "RDATE" in event or "EXRULE" in event:
        raise _Unfit("start_at", "RDATE", "dates listed one by one are not read: export single events")
    if "RRULE" not in event:
        yield _span(event, start, start, how)
        return
    skip = {_resolve(day, how, "start_at") for day in _excluded(event, how)}
    uid = str(event.get("UID", ""))
    if "COUNT" not in event["RRULE"]:
        until = event["RRULE"].get("UNTIL", [None])[0]
        found.endless += until is None or _until(until, start, how) > how.until
    for begin in _occurrences(event, start, how):
        span = _span(event, start, begin, how)
        if span[0] not in skip and (uid, span[0]) not in how.moved:
            yield span


def _span(event: Event, start: datetime, begin: datetime, how: _How) -> tuple[datetime, datetime]:
    """Return one occurrence: whole days by the clock on the wall, anything else by the one that runs."""
    if "DTEND" in event:
        end = _moment(event, "DTEND", how)
        wall = end.replace(tzinfo=None) - start.replace(tzinfo=None)
        same_zone = str(end.tzinfo) == str(start.tzinfo)
        if same_zone:
            return _resolve(begin, how, "start_at"), _resolve(begin + wall, how, "end_at")
        length = _resolve(end, how, "end_at") - _resolve(start, how, "start_at")
    elif "DURATION" in event:
        length = event["DURATION"].dt
        if not length % _DAY:
            return _resolve(begin, how, "start_at"), _resolve(begin + length, how, "end_at")
    elif not isinstance(event["DTSTART"].dt, datetime):
        return _resolve(begin, how, "start_at"), _resolve(begin + _DAY, how, "end_at")
    else:
        raise _Unfit("end_at", "", "a DTEND or DURATION")
    first = _resolve(begin, how, "start_at")
    return first, first + length


def _occurrences(event: Event, start: datetime, how: _How) -> list[datetime]:
    rule = event["RRULE"]
    if isinstance(rule, list):
        raise _Unfit("start_at", "RRULE", "one RRULE an event")
    text = rule.to_ical().decode()
    frequency = str(rule.get("FREQ", [""])[0]).upper()
    interval = int(rule.get("INTERVAL", [1])[0])
    if frequency not in _PARTS or set(rule) - _ALWAYS - _PARTS[frequency] or not 1 <= interval <= 1000:
        raise _Unfit(
            "start_at", text, "a daily, weekly, monthly or yearly RRULE without BYSETPOS and the like"
        )
    limit = datetime.max.replace(tzinfo=UTC) if "COUNT" in rule else how.until
    if (until := rule.get("UNTIL", [None])[0]) is not None:
        limit = min(limit, _until(until, start, how))
    simple = ";".join(part for part in text.split(";") if not part.upper().startswith("UNTIL"))
    walls = islice(rrulestr(simple, dtstart=start.replace(tzinfo=None)), MOST_PER_EVENT + 1)
    begins = [wall.replace(tzinfo=start.tzinfo) for wall in walls if wall.year <= LAST_YEAR]
    begins = [begin for begin in begins if _rough(begin, how) <= limit]
    if not 1 <= len(begins) <= MOST_PER_EVENT:
        raise _Unfit("start_at", text, f"a rule that happens, and at most {MOST_PER_EVENT:,} times")
    return begins


def _until(until: date, start: datetime, how: _How) -> datetime:
    if not isinstance(until, datetime):
        return _rough(datetime.combine(until, time.max, start.tzinfo), how)
    return _rough(until if until.tzinfo else until.replace(tzinfo=start.tzinfo), how)


def _excluded(event: Event, how: _How) -> Iterator[datetime]:
    for group in _all(event, "EXDATE"):
        for day in getattr(group, "dts", []):
            yield _datetime(day.dt, _moment(event, "DTSTART", how))


def _datetime(value: date, like: datetime) -> datetime:
    """Take a bare day to be the time of day of `like`."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, like.time(), like.tzinfo)


def _moment(event: Event, name: str, how: _How) -> datetime:
    """Return DTSTART or DTEND with its zone, floating ones without."""
    column = "start_at" if name == "DTSTART" else "end_at"
    if name not in event:
        raise _Unfit(column, "", f"a {name}")
    found = event[name]
    value = _dt(event, name)
    if isinstance(found, list) or not isinstance(value, date):
        raise _Unfit(column, str(found)[:80], f"one valid {name}")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    named = found.params.get("TZID")
    if named and value.tzinfo is None:
        raise _Unfit(column, named, "a TZID that is an IANA timezone or defined in the file")
    if value.tzinfo is None and how.zone is None:
        raise _Unfit(column, value.isoformat(), "a zone or Z: this is a naive time; give --timezone")
    return value


def _resolve(value: datetime, how: _How, column: str) -> datetime:
    """Turn a clock time into an instant."""
    zone = value.tzinfo or how.zone
    if zone is None:
        raise _Unfit(column, value.isoformat(), "a zone or Z: this is a naive time; give --timezone")
    floating = value.tzinfo is None
    first, last = (value.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != last:
        if first.astimezone(zone).replace(tzinfo=None) != value.replace(tzinfo=None):
            raise _Unfit(
                column,
                value.isoformat(),
                f"another time: this one does not exist in {zone} (clocks go forward)",
            )
        if floating and how.fold is None:
            words = f"--fold earlier or later: this time comes twice in {zone} (clocks go back)"
            raise _Unfit(column, value.isoformat(), words)
    return last if how.fold == "later" else first


def _rough(value: datetime, how: _How) -> datetime:
    return value.replace(tzinfo=value.tzinfo or how.zone or UTC).astimezone(UTC)


def _moved(events: list[Event], zone: tzinfo | None) -> frozenset[tuple[str, datetime]]:
    """Return the occurrences that an event of their own (RECURRENCE-ID) takes the place of."""
    out = set()
    for event in events:
        value = _dt(event, "RECURRENCE-ID")
        if isinstance(value, date):
            moment = value if isinstance(value, datetime) else datetime.combine(value, time.min)
            out.add(
                (
                    str(event.get("UID", "")),
                    moment.replace(tzinfo=moment.tzinfo or zone or UTC).astimezone(UTC),
                )
            )
    return frozenset(out)


def _latest(events: list[Event]) -> datetime:
    """Return the latest instant the events mention; there is no other clock in here."""
    latest = datetime(1970, 1, 1, tzinfo=UTC)
    for event in events:
        for name in ("DTSTART", "DTEND", "DTSTAMP", "LAST-MODIFIED", "CREATED"):
            value = _dt(event, name)
            if isinstance(value, date) and 1970 <= value.year <= 2199:
                moment = value if isinstance(value, datetime) else datetime.combine(value, time.min)
                latest = max(latest, moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC))
    return latest


def _dt(event: Event, name: str) -> date | None:
    """Return a property's date or time, or None if it has none that is valid."""
    try:
        value = event.get(name).dt
    except (AttributeError, ValueError):
        return None
    return value if isinstance(value, date) else None


def _all(event: Event, name: str) -> list[object]:
    value = event.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _param(value: object, name: str, default: str) -> str:
    return str(getattr(value, "params", {}).get(name, default)).upper()


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _as_raw(found: _Found, events: list[Event], until: datetime) -> Raw:
    note = []
    if found.cancelled:
        note.append(f"{count(found.cancelled, 'cancelled event')} skipped")
    if found.endless:
        note.append(
            f"{count(found.endless, 'event')} that would repeat for longer followed until {until.date()}"
        )
    rows = found.rows
    cells = pl.DataFrame(
        {str(i): [row[i + 1] for row in rows] for i in range(4)},
        schema={str(i): pl.String() for i in range(4)},
    )
    broken = pl.DataFrame(found.broken, schema=BAD, orient="row")
    texts = [_texts(events[number - 1]) for number, *_ in found.broken]
    broken_rows = pl.DataFrame(texts, schema=cells.schema, orient="row")
    row_no = pl.Series([row[0] for row in rows], dtype=pl.Int64)
    return Raw(_NAMES, cells, row_no, tuple(note), broken, broken_rows if texts else None)


def _texts(event: Event) -> tuple[str, ...]:
    """Show an event that could not be read, as text."""
    who = _all(event, "X-WFM-AGENT") or _all(event, "ATTENDEE")
    times = (_dt(event, name) or event.get(name, "") for name in ("DTSTART", "DTEND"))
    return (str(who[0]) if who else "", *(str(value) for value in times), str(event.get("SUMMARY", "")))
