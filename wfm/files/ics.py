"""Reading ics files: the events of a calendar as scheduled segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import icalendar
import polars as pl
import recurring_ical_events  # type: ignore[import-untyped]
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

from wfm.core.errors import InputError
from wfm.files.columns import fold_words
from wfm.files.raw import PROBLEM_SCHEMA, RawTable, format_count
from wfm.files.timestamps import LAST_YEAR, Fold

HORIZON = timedelta(days=366)
"""How long after the latest time in the file a rule without COUNT is expanded."""
MAX_OCCURRENCES_PER_EVENT = 5_000
MAX_SEGMENTS = 1_000_000

Event: TypeAlias = Any  # the library types each property as any of some thirty classes

_COLUMNS = ("agent_id", "start_at", "end_at", "activity")
_RULE_PARTS = {
    "DAILY": {"BYDAY"},
    "WEEKLY": {"BYDAY"},
    "MONTHLY": {"BYDAY", "BYMONTHDAY"},
    "YEARLY": {"BYDAY", "BYMONTHDAY", "BYMONTH"},
}
_COMMON_RULE_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}
_ROW = "X-WFM-ROW"  # the property by which the library's occurrences are traced back to their events
_NAIVE = "a zone or Z: this is a naive time; give --timezone"
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
# a daily rule has 3,653 occurrences in this step: one without end is over the limit in the second step
_EXPANSION_STEP = timedelta(days=3653)
_END_OF_TIME = datetime(LAST_YEAR, 12, 31, 23, 59, 59, tzinfo=UTC)


class _InvalidEvent(Exception):  # noqa: N818 - never leaves this module
    """Carry what is wrong with one event."""

    def __init__(self, column: str, value: object, expected: str) -> None:
        self.problem = (column, str(value), expected)


@dataclass(frozen=True)
class _IcsOptions:
    """The options with which events are read.

    zone: of floating times. fold: which of two instants a time means that comes twice. default_agent: of events that
    name nobody. known_activities: folded; None: any. horizon: where rules without COUNT end.
    """

    zone: tzinfo | None
    fold: Fold | None
    default_agent: str | None
    known_activities: frozenset[str] | None
    horizon: datetime


@dataclass(frozen=True)
class _Occurrence:
    """One occurrence of an event; ``end`` only where RDATE has a period of its own."""

    start: datetime
    end: datetime | timedelta | None = None


@dataclass
class _IcsRows:
    rows: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    problems: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    cancelled: int = 0
    endless: int = 0


def read_ics(
    data: bytes,
    path: str,
    timezone: str | None,
    fold: Fold | None,
    agent: str | None,
    activities: Collection[str] | None,
) -> RawTable:
    """Read events as segments.

    The activity is SUMMARY, or whichever of SUMMARY and CATEGORIES is a known activity; the agent is X-WFM-AGENT, else
    ATTENDEE. Rules without COUNT are expanded until a year after the latest time in the file. The number of a row is
    that of its event. A time with TZID that comes twice is the first, as RFC 5545 says, unless ``fold`` is later.

    Args:
        data: the content of the file.
        path: the file, for messages.
        timezone: of floating times, which need it.
        fold: earlier or later; floating times that come twice need it.
        agent: whose events without an agent are; None: they are problems.
        activities: the known ones; None: any text is an activity.

    Raises:
        InputError: the file is not a calendar, has no events, or expands to more than `MAX_SEGMENTS` segments.
    """
    events = dict(enumerate(_parse_events(data, path), 1))
    if not events:
        raise InputError(f"{path} has no events (VEVENT).")
    folded = None if activities is None else fold_words(pl.Series(list(activities), dtype=pl.String))
    options = _IcsOptions(
        zone=ZoneInfo(timezone) if timezone else None,
        fold=fold,
        default_agent=agent,
        known_activities=None if folded is None else frozenset(folded),
        horizon=_find_latest_time(events.values()) + HORIZON,
    )
    found = _IcsRows()
    occurrences = _find_occurrences(events, options, found)
    for number, event in events.items():
        if _is_cancelled(event):
            found.cancelled += 1
        elif number not in found.problems:
            with _Problems(number, event, found):
                found.rows += _build_rows(number, event, occurrences[number], options)
        if len(found.rows) > MAX_SEGMENTS:
            raise InputError(
                f"{path} expands to more than {MAX_SEGMENTS:,} segments. Export a shorter period."
            )
    return _build_raw(found, events, options.horizon)


class _Problems:
    """A context in which an error in an event becomes a problem of its row."""

    def __init__(self, number: int, event: Event, found: _IcsRows) -> None:
        self._number, self._event, self._found = number, event, found

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, _InvalidEvent):
            self._found.problems[self._number] = error.problem
        elif isinstance(error, Exception):  # a value that the calendar library cannot read
            start = str(self._event.get("DTSTART", ""))[:80]
            self._found.problems[self._number] = ("start_at", start, f"a valid event: {error}"[:200])
        return error is None or isinstance(error, Exception)


def _parse_events(data: bytes, path: str) -> list[Event]:
    try:
        calendars = icalendar.Calendar.from_ical(data, multiple=True)
        events = []
        for calendar in calendars:
            cancels = str(calendar.get("METHOD", "")).upper() == "CANCEL"
            for event in calendar.walk("VEVENT"):
                if cancels:
                    event["STATUS"] = "CANCELLED"
                events.append(event)
    except Exception as error:  # the library raises whatever its parsers raise
        raise InputError(
            f"{path} is not a calendar in iCalendar format ({str(error)[:100]}). Export it again."
        ) from error
    return events


def _is_cancelled(event: Event) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _build_rows(
    number: int, event: Event, occurrences: list[_Occurrence], options: _IcsOptions
) -> list[tuple[int, str, str, str, str]]:
    agents = _read_agents(event, options.default_agent)
    activity = _read_activity(event, options.known_activities)
    spans = sorted(_resolve_span(event, occurrence, options) for occurrence in occurrences)
    return [
        (number, agent, _format_instant(start), _format_instant(end), activity)
        for start, end in spans
        for agent in agents
    ]


def _read_agents(event: Event, default: str | None) -> list[str]:
    names = _list_values(event, "X-WFM-AGENT")
    if not names:
        people = [
            attendee
            for attendee in _list_values(event, "ATTENDEE")
            if _read_parameter(attendee, "CUTYPE", "INDIVIDUAL") in ("INDIVIDUAL", "UNKNOWN")
        ]
        names = [str(one)[7:] if str(one).lower().startswith("mailto:") else str(one) for one in people]
    agents = list(dict.fromkeys(str(name).strip() for name in names if str(name).strip()))
    if not agents and default:
        return [default]
    if not agents:
        raise _InvalidEvent(
            "agent_id", "", "an X-WFM-AGENT or ATTENDEE in the event, or an agent given for the whole file"
        )
    return agents


def _read_activity(event: Event, known: frozenset[str] | None) -> str:
    texts = [str(event.get("SUMMARY", "")).strip()]
    for group in _list_values(event, "CATEGORIES"):
        texts += [str(category).strip() for category in getattr(group, "cats", [group])]
    texts = [text for text in texts if text]
    if not texts:
        raise _InvalidEvent("activity", "", "a SUMMARY or CATEGORIES that names the activity")
    if known is None:
        return texts[0]
    folded = fold_words(pl.Series(texts))
    return next((text for text, key in zip(texts, folded, strict=True) if key in known), texts[0])


# --- recurrence -------------------------------------------------------------------------------------------
def _find_occurrences(
    events: Mapping[int, Event], options: _IcsOptions, found: _IcsRows
) -> Mapping[int, list[_Occurrence]]:
    """Return the occurrences of each event; problems are added to ``found``.

    An event with RECURRENCE-ID replaces an occurrence of the other events with its UID, and occurs itself.
    """
    overrides: defaultdict[str, list[int]] = defaultdict(list)
    for number, event in events.items():
        if _read_date(event, "RECURRENCE-ID") is not None:
            overrides[str(event.get("UID", ""))].append(number)
    occurrences: defaultdict[int, list[_Occurrence]] = defaultdict(list)
    for number, event in events.items():
        if _is_cancelled(event):
            continue
        with _Problems(number, event, found):
            start = _read_time(event, "DTSTART", options)
            if "EXRULE" in event or _read_range(event) == "THISANDPRIOR":
                raise _InvalidEvent(
                    "start_at",
                    "EXRULE" if "EXRULE" in event else "RANGE=THISANDPRIOR",
                    "a calendar without what RFC 5545 withdrew: export single events",
                )
            if "RRULE" not in event and "RDATE" not in event:
                occurrences[number].append(_Occurrence(start))
                continue
            # by number, because an override may have a rule of its own and must not replace itself
            others = {i: events[i] for i in overrides[str(event.get("UID", ""))] if i != number}
            for source, occurrence in _expand_series(number, event, others, options):
                occurrences[source].append(occurrence)
            found.endless += _is_endless(event, start, options)
    return occurrences


def _expand_series(
    number: int, event: Event, overrides: Mapping[int, Event], options: _IcsOptions
) -> list[tuple[int, _Occurrence]]:
    """Expand RRULE, RDATE and EXDATE; return each occurrence with the number of the event that describes it.

    From its RECURRENCE-ID on that is an override with RANGE=THISANDFUTURE, else the event itself. Occurrences that an
    override replaces are left out.
    """
    start = _read_time(event, "DTSTART", options)
    first = start.replace(tzinfo=None)
    limit, on_rule = _check_rule(event, start, options)
    added = {_to_wall_time(begin, start, options): end for begin, end in _list_rdates(event)}
    series = icalendar.Calendar()
    series.add_component(_build_master(number, event, start, list(added), options))
    shifts, replacements = {number: timedelta(0)}, set()
    for i, override in overrides.items():
        component = _build_override(i, override, start, options)
        series.add_component(component)
        shifts[i] = component["DTSTART"].dt - component["RECURRENCE-ID"].dt
        replacements.add((i, component["DTSTART"].dt))
    low = min([first, *added]) + min(shifts.values())
    high = max([_to_wall_time(limit, start, options), *added]) + max(shifts.values())
    found: dict[tuple[datetime, int], _Occurrence] = {}
    for source, begin in _query_starts(series, low, high):
        planned = begin - shifts[source]
        if (source, begin) in replacements:
            continue
        # RFC 5545 leaves open whether a DTSTART that its rule does not include occurs; here it does not
        if planned == first and not on_rule and first not in added:
            continue
        aware = begin.replace(tzinfo=start.tzinfo)
        if planned in added or _estimate_instant(planned.replace(tzinfo=start.tzinfo), options) <= limit:
            found[begin, source] = _Occurrence(aware, added.get(planned) if source == number else None)
        if len(found) > MAX_OCCURRENCES_PER_EVENT:
            raise _build_rule_problem(event)
    return [(source, found[begin, source]) for begin, source in sorted(found)]


def _check_rule(event: Event, start: datetime, options: _IcsOptions) -> tuple[datetime, bool]:
    """Return the instant after which no occurrence counts, and whether the rule includes DTSTART."""
    if "RRULE" not in event:
        return _estimate_instant(start, options), True
    rule = event["RRULE"]
    if isinstance(rule, list):
        raise _InvalidEvent("start_at", "RRULE", "one RRULE an event")
    frequency = str(rule.get("FREQ", [""])[0]).upper()
    interval = int(rule.get("INTERVAL", [1])[0])
    unknown = set(rule) - _COMMON_RULE_PARTS - _RULE_PARTS.get(frequency, set())
    if frequency not in _RULE_PARTS or unknown or not 1 <= interval <= 1000:
        raise _InvalidEvent(
            "start_at",
            rule.to_ical().decode(),
            "a daily, weekly, monthly or yearly RRULE without BYSETPOS and the like",
        )
    limit = _END_OF_TIME if "COUNT" in rule else min(options.horizon, _END_OF_TIME)
    if (until := _read_until(event, start, options)) is not None:
        limit = min(limit, until)
    first = start.replace(tzinfo=None)
    begin = next(iter(rrulestr(_remove_until(rule).to_ical().decode(), dtstart=first)), None)
    if begin is None or _estimate_instant(begin.replace(tzinfo=start.tzinfo), options) > limit:
        raise _build_rule_problem(event)
    return limit, begin == first


def _build_rule_problem(event: Event) -> _InvalidEvent:
    rule = event["RRULE"].to_ical().decode() if "RRULE" in event else "RDATE"
    return _InvalidEvent(
        "start_at", rule, f"a rule that occurs at least once and at most {MAX_OCCURRENCES_PER_EVENT:,} times"
    )


def _is_endless(event: Event, start: datetime, options: _IcsOptions) -> bool:
    """Return whether a rule continues after the horizon."""
    if "RRULE" not in event or "COUNT" in event["RRULE"]:
        return False
    until = _read_until(event, start, options)
    return until is None or until > options.horizon


def _remove_until(rule: Any) -> Any:
    # UNTIL may be a day, a local time or UTC, whatever DTSTART is; we compare it as an instant instead
    return icalendar.vRecur({part: value for part, value in rule.items() if part.upper() != "UNTIL"})


def _build_master(
    number: int, event: Event, start: datetime, added: list[datetime], options: _IcsOptions
) -> Event:
    """Build an event of wall clock times that recurs like ``event``.

    The library also compares times of different zones by their digits alone: an EXDATE of 08:00 UTC would exclude an
    occurrence at 08:00 local time. The ends, which depend on clock changes, are computed by `_resolve_span`.
    """
    master: Event = icalendar.Event()
    master.add("UID", "series")
    master.add(_ROW, str(number))
    master.add("DTSTART", start.replace(tzinfo=None))
    if "RRULE" in event:
        master["RRULE"] = _remove_until(event["RRULE"])
    if added:
        master.add("RDATE", added)
    excluded = [
        _to_wall_time(day.dt, start, options)
        for group in _list_values(event, "EXDATE")
        for day in getattr(group, "dts", [])
    ]
    if excluded:
        master.add("EXDATE", excluded)
    return master


def _build_override(number: int, event: Event, start: datetime, options: _IcsOptions) -> Event:
    """Build an event of wall clock times that replaces an occurrence of a series starting at ``start``."""
    replaced = _read_date(event, "RECURRENCE-ID")
    assert replaced is not None
    at = _to_wall_time(replaced, start, options)
    try:
        begin = _to_wall_time(_read_time(event, "DTSTART", options), start, options)
    except _InvalidEvent:  # it is a problem of its own row; the occurrence is replaced all the same
        begin = at
    override: Event = icalendar.Event()
    override.add("UID", "series")
    override.add(_ROW, str(number))
    override.add("DTSTART", begin)
    following = {"RANGE": "THISANDFUTURE"} if _read_range(event) == "THISANDFUTURE" else {}
    override.add("RECURRENCE-ID", at, parameters=following)
    return override


def _query_starts(
    series: icalendar.Calendar, low: datetime, high: datetime
) -> Iterator[tuple[int, datetime]]:
    """Yield the event number and the start of every occurrence from ``low`` to ``high``."""
    query = recurring_ical_events.of(series)
    # step by step, so that the caller can stop at a rule without end
    while low <= high:
        step_end = min(low + _EXPANSION_STEP, high + _SECOND)  # the end of a query is not included
        for occurrence in query.between(low, step_end):
            yield int(occurrence[_ROW]), occurrence["DTSTART"].dt
        low = step_end


def _list_rdates(event: Event) -> Iterator[tuple[date, datetime | timedelta | None]]:
    """Yield each date of RDATE, with its end or length if it is a period."""
    for group in _list_values(event, "RDATE"):
        for day in getattr(group, "dts", []):
            yield day.dt if isinstance(day.dt, tuple) else (day.dt, None)


def _read_until(event: Event, start: datetime, options: _IcsOptions) -> datetime | None:
    until = event["RRULE"].get("UNTIL", [None])[0]
    if until is None:
        return None
    if not isinstance(until, datetime):
        until = datetime.combine(until, time.max)
    return _estimate_instant(until if until.tzinfo else until.replace(tzinfo=start.tzinfo), options)


def _read_range(event: Event) -> str:
    return _read_parameter(event.get("RECURRENCE-ID"), "RANGE", "")


# --- times ------------------------------------------------------------------------------------------------
def _resolve_span(event: Event, occurrence: _Occurrence, options: _IcsOptions) -> tuple[datetime, datetime]:
    """Return the start and end of an occurrence: whole days by the wall clock, anything else by elapsed time."""
    start, begin = _read_time(event, "DTSTART", options), occurrence.start
    first = _resolve_time(begin, options, "start_at")
    if isinstance(occurrence.end, timedelta):
        return first, first + occurrence.end
    if occurrence.end is not None:
        return first, _resolve_time(occurrence.end, options, "end_at")
    if "DTEND" in event:
        end = _read_time(event, "DTEND", options)
        if str(end.tzinfo) == str(start.tzinfo):
            length = end.replace(tzinfo=None) - start.replace(tzinfo=None)
            return first, _resolve_time(begin + length, options, "end_at")
        length = _resolve_time(end, options, "end_at") - _resolve_time(start, options, "start_at")
    elif "DURATION" in event:
        length = event["DURATION"].dt
        if not length % _DAY:
            return first, _resolve_time(begin + length, options, "end_at")
    elif not isinstance(event["DTSTART"].dt, datetime):
        return first, _resolve_time(begin + _DAY, options, "end_at")
    else:
        raise _InvalidEvent("end_at", "", "a DTEND or DURATION")
    return first, first + length


def _to_wall_time(value: date, start: datetime, options: _IcsOptions) -> datetime:
    """Return the wall clock time in the zone of ``start``; a date without a time gets the time of ``start``."""
    if not isinstance(value, datetime):
        return datetime.combine(value, start.time())
    if str(value.tzinfo) == str(start.tzinfo):
        return value.replace(tzinfo=None)
    zone, own = start.tzinfo or options.zone, value.tzinfo or options.zone
    if own is None:
        raise _InvalidEvent("start_at", value.isoformat(), _NAIVE)
    return value.replace(tzinfo=own).astimezone(zone).replace(tzinfo=None)


def _read_time(event: Event, name: str, options: _IcsOptions) -> datetime:
    """Return DTSTART or DTEND with its zone, floating ones without."""
    column = "start_at" if name == "DTSTART" else "end_at"
    if name not in event:
        raise _InvalidEvent(column, "", f"a {name}")
    prop = event[name]
    value = _read_date(event, name)
    if isinstance(prop, list) or value is None:
        raise _InvalidEvent(column, str(prop)[:80], f"one valid {name}")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    zone_name = prop.params.get("TZID")
    if zone_name and value.tzinfo is None:
        raise _InvalidEvent(column, zone_name, "a TZID that is an IANA timezone or defined in the file")
    if value.tzinfo is None and options.zone is None:
        raise _InvalidEvent(column, value.isoformat(), _NAIVE)
    return value


def _resolve_time(value: datetime, options: _IcsOptions, column: str) -> datetime:
    """Turn a wall clock time into an instant.

    Raises:
        _InvalidEvent: clocks skip that time, or it is a floating time that comes twice and ``fold`` is not given.
    """
    zone = value.tzinfo or options.zone
    if zone is None:
        raise _InvalidEvent(column, value.isoformat(), _NAIVE)
    floating = value.tzinfo is None
    first, last = (value.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != last:
        if first.astimezone(zone).replace(tzinfo=None) != value.replace(tzinfo=None):
            raise _InvalidEvent(
                column,
                value.isoformat(),
                f"another time: this one does not exist in {zone} (clocks go forward)",
            )
        if floating and options.fold is None:
            expected = f"--fold earlier or later: this time comes twice in {zone} (clocks go back)"
            raise _InvalidEvent(column, value.isoformat(), expected)
    return last if options.fold == "later" else first


def _estimate_instant(value: datetime, options: _IcsOptions) -> datetime:
    """Return an instant that may be an hour off at a clock change: good enough for a limit."""
    return value.replace(tzinfo=value.tzinfo or options.zone or UTC).astimezone(UTC)


def _find_latest_time(events: Iterable[Event]) -> datetime:
    """Return the latest time in the file, from which the horizon counts: it must not depend on the day of import."""
    latest = datetime(1970, 1, 1, tzinfo=UTC)
    for event in events:
        for name in ("DTSTART", "DTEND", "DTSTAMP", "LAST-MODIFIED", "CREATED"):
            value = _read_date(event, name)
            if value is not None and 1970 <= value.year <= LAST_YEAR:
                moment = value if isinstance(value, datetime) else datetime.combine(value, time.min)
                latest = max(latest, moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC))
    return latest


# --- properties -------------------------------------------------------------------------------------------
def _read_date(event: Event, name: str) -> date | None:
    """Return a property's date or time, or None if it has none that is valid."""
    try:
        value = event.get(name).dt
    except (AttributeError, ValueError):
        return None
    return value if isinstance(value, date) else None


def _list_values(event: Event, name: str) -> list[object]:
    value = event.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _read_parameter(value: object, name: str, default: str) -> str:
    return str(getattr(value, "params", {}).get(name, default)).upper()


def _format_instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _build_raw(found: _IcsRows, events: Mapping[int, Event], horizon: datetime) -> RawTable:
    note = []
    if found.cancelled:
        note.append(f"{format_count(found.cancelled, 'cancelled event')} skipped")
    if found.endless:
        note.append(
            f"{format_count(found.endless, 'event')} that would repeat for longer followed until {horizon.date()}"
        )
    rows = found.rows
    cells = pl.DataFrame(
        {str(i): [row[i + 1] for row in rows] for i in range(4)},
        schema={str(i): pl.String() for i in range(4)},
    )
    problems = [(number, *found.problems[number]) for number in sorted(found.problems)]
    texts = [_describe_event(events[number]) for number, *_ in problems]
    return RawTable(
        _COLUMNS,
        cells,
        pl.Series([row[0] for row in rows], dtype=pl.Int64),
        tuple(note),
        pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row"),
        pl.DataFrame(texts, schema=cells.schema, orient="row") if texts else None,
    )


def _describe_event(event: Event) -> tuple[str, ...]:
    """Return an event that could not be read as the texts of a row."""
    who = _list_values(event, "X-WFM-AGENT") or _list_values(event, "ATTENDEE")
    times = (_read_date(event, name) or event.get(name, "") for name in ("DTSTART", "DTEND"))
    return (str(who[0]) if who else "", *(str(value) for value in times), str(event.get("SUMMARY", "")))
