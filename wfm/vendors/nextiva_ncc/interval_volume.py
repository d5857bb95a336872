"""Parse ``historical``: calls entered and abandoned, and handle time, per queue and 15 minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.nextiva_ncc.rows import describe_left_out, find_rows
from wfm.vendors.nextiva_ncc.settings import INTERVAL_US, Settings
from wfm.vendors.values import (
    FIRST_EPOCH_S,
    Row,
    add_notes,
    complete_table,
    decode_json,
    fold_keys,
    read_amount,
    read_count,
    read_instant_us,
    read_text,
)

ALL_QUEUES: Final = "all"
"""The queue of rows that name none."""
MAX_AHT_S, MIN_AHT_S = 4 * 3600.0, 1.0
"""A mean handle time outside these bounds shows that the unit is wrong."""
MANY_INTERVALS: Final = 4
"""If this many intervals are requested and only the first has figures, these are probably one total."""
START_KEYS: Final = ("intervalstart", "starttime", "start", "interval", "time", "timestamp", "from")
END_KEYS: Final = ("intervalend", "endtime", "end", "to")
QUEUE_KEYS: Final = ("queueid", "queue", "queuename")

Span = tuple[int, int]
"""The window that was requested, in microseconds since 1970."""
IntervalRow = tuple[str, int, int, int, float, str | None]
"""queue_id, start in microseconds, entered, abandoned, handle time in seconds, alarm."""


@dataclass(frozen=True)
class ParsedIntervals:
    """The rows of ``historical`` that could be parsed, and why the others could not."""

    rows: list[IntervalRow]
    left_out: list[str]


def parse_interval_volume(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse ``historical``; of two rows for one queue and interval the later counts.

    Intervals that were not requested, or had not ended when the reply came, are dropped: another cycle fetches them.

    Raises:
        BadReplyError: no row can be parsed, or all are about other times.
    """
    parsed = parse_intervals(payload, settings)
    span = _read_span(payload)
    last_start = int(payload.received_at.timestamp() * 1e6) - INTERVAL_US
    inside = [row for row in parsed.rows if span is None or span[0] <= row[1] < span[1]]
    if span and parsed.rows and not inside and any(row[1] != span[1] for row in parsed.rows):
        raise BadReplyError(
            "historical: the reply is about other times than were asked for; check PARAM_START, PARAM_END, TIME_UNIT "
            "and INTERVAL_LABEL."
        )
    finished = {row[:2]: row for row in inside if row[1] <= last_start}
    kinds = {
        "queue_id": pl.String,
        "interval_start": pl.Int64,
        "entered": pl.Int64,
        "abandoned": pl.Int64,
        "sum_handle_time_s": pl.Float64,
        "alarm": pl.String,
    }
    frame = complete_table(
        "interval_volume", pl.DataFrame(list(finished.values()), schema=kinds, orient="row")
    )
    if frame.is_empty():  # no interval has ended yet: no reason to refuse the reply
        return frame
    return add_notes(frame, [describe_left_out(parsed.left_out), *_check_all_rows(span, parsed.rows)])


def parse_intervals(payload: Payload, settings: Settings) -> ParsedIntervals:
    """Parse every row of ``historical``, whatever interval it is about.

    Raises:
        BadReplyError: there are rows, and none can be parsed.
    """
    rows, _ = find_rows(decode_json(payload.body), "interval_volume")
    span = _read_span(payload)
    folded = [fold_keys(row) for row in rows]
    by_queue = any(map(_read_queue, folded))
    parsed = [_parse_interval(row, span, by_queue, settings) for row in folded]
    good = [row for row in parsed if not isinstance(row, str)]
    left_out = [row for row in parsed if isinstance(row, str)]
    if left_out and not good:
        raise BadReplyError(f"historical: {describe_left_out(left_out)}")
    return ParsedIntervals(good, left_out)


def _read_span(payload: Payload) -> Span | None:
    start, end = (read_instant_us(payload.context.get(name)) for name in ("from", "to"))
    return None if start is None or end is None else (start, end)


def _parse_interval(row: Row, span: Span | None, by_queue: bool, settings: Settings) -> IntervalRow | str:
    """Parse a row of ``historical``; return a text if it cannot be parsed, and why."""
    at, queue = _find_interval_start(row, span, settings), _read_queue(row)
    if isinstance(at, str):
        return at
    # a total of all queues, or a queue without its name: the calls would count twice or nowhere
    if by_queue and queue is None:
        return f"no queue in {sorted(row)}, though other rows name theirs"
    entered = read_count(row.get("enteredcount"))
    if entered is None:
        return f"no enteredCount in {sorted(row)}"
    alarms: list[str] = []
    start = at - at % INTERVAL_US
    if start != at:
        alarms.append(f"{_format_us(at)} is not on a quarter of an hour; moved back to it")
    abandoned = _read_figure(row, "abandonedcount", read_count, entered == 0, alarms)
    handled = entered - int(abandoned)
    if handled < 0:
        alarms.append(f"{abandoned:.0f} abandoned of {entered} entered")
    # a sum over no call is null, not 0, where it comes from a database
    handle_time = _read_figure(row, "sumhandletime", read_amount, handled <= 0, alarms)
    seconds = handle_time / (1000 if settings.handle_time_unit == "ms" else 1)
    alarms += _check_handle_time(seconds, handled, settings.handle_time_unit)
    return queue or ALL_QUEUES, start, entered, int(abandoned), seconds, "; ".join(alarms) or None


def _read_queue(row: Row) -> str | None:
    return next((text for name in QUEUE_KEYS if (text := read_text(row.get(name)))), None)


def _find_interval_start(row: Row, span: Span | None, settings: Settings) -> int | str:
    """Return when an interval begins, in microseconds since 1970, or a text why that is unknown.

    A row without an instant is about the requested interval if that is only one.
    """
    shift = INTERVAL_US if settings.interval_label == "end" else 0
    odd: Any = None
    for names, back in ((START_KEYS, shift), (END_KEYS, INTERVAL_US)):
        for name in names:
            at = read_instant_us(row.get(name), settings.time_unit, UTC)
            if at is not None:
                return at - back
            number = read_amount(row.get(name))
            if number is None or number >= FIRST_EPOCH_S:  # a smaller one is the length of the interval
                odd = odd or row.get(name)
    if odd:
        return f"{odd!r:.40} is not an instant; is TIME_UNIT right?"
    if span is None or span[1] - span[0] != INTERVAL_US:
        return f"no interval in {sorted(row)}; set INTERVALS_PER_REQUEST=1 if there is none in any reply"
    return span[0]


def _read_figure(
    row: Row, name: str, read: Callable[[Any], float | None], may_lack: bool, alarms: list[str]
) -> float:
    """Return a figure; if it is missing, 0, with an alarm unless it must be 0."""
    value = row.get(name)
    figure = read(value)
    if figure is None and not (may_lack and value in (None, "")):
        alarms.append(f"{name} is {value!r:.40}; taken for 0")
    return figure or 0


def _check_handle_time(seconds: float, handled: int, unit: str) -> list[str]:
    """Return an alarm for an implausible mean; a sum of 0 is plausible in any unit, as its calls may still go on."""
    if handled <= 0 or seconds == 0 or MIN_AHT_S <= seconds / handled <= MAX_AHT_S:
        return []
    other = "s" if unit == "ms" else "ms"
    return [f"a mean handle time of {seconds / handled:,.3g} s: should HANDLE_TIME_UNIT be {other}?"]


def _check_all_rows(span: Span | None, rows: Sequence[IntervalRow]) -> list[str]:
    """Return alarms about problems that only all rows together show."""
    if span is None or not rows or span[1] - span[0] < MANY_INTERVALS * INTERVAL_US:
        return []
    first, last = (edge(row[1] for row in rows) for edge in (min, max))
    if last == span[0] and any(row[2] for row in rows):
        return ["figures for the first interval alone; if that is a total, set INTERVALS_PER_REQUEST=1"]
    if (first, last) == (span[0] + INTERVAL_US, span[1]):
        return ["the first interval is missing and there is one after the last; is INTERVAL_LABEL end?"]
    return []


def _format_us(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat()
