"""Xima's reports → rows: typed cells, and what a mapping of columns makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.errors import BadReplyError
from wfm.vendors import Payload
from wfm.vendors._json import document
from wfm.vendors._xima_cells import Labels, Row, agent, frame, instant, noted, number, text, whole
from wfm.vendors._xima_templates import Columns

FILLS: Final = ("interval_volume", "agent_state", "coverage")
QUARTER: Final = timedelta(minutes=15)
MANY_HOURS, MANY_HALVES = 8, 20
"""So many quarters of an hour are all on one or two minutes of the hour once in 10,000 reports, or less."""
SUMMARY_ROW: Final = -1
"""The row of a report's summary items."""
_CLOCK: Final = re.compile(r"[0-9]+:[0-9]{2}:[0-9]{2}")
_CELL: Final = (
    "report_id",
    "execution_id",
    "from_at",
    "to_at",
    "row_no",
    "column_key",
    "column_title",
    "column_format",
    "value",
    "number",
    "unit",
)


@dataclass(frozen=True)
class Column:
    """A column as the report has it."""

    key: str
    title: str
    format: str


@dataclass(frozen=True)
class Sheet:
    """A report as it came: rows are dicts from a column's key to its value; [start, end) is what was asked for."""

    report_id: str
    execution_id: str | None
    start: datetime
    end: datetime
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    summary: tuple[Row, ...]
    doubts: tuple[str, ...]

    def values(self, title: str) -> list[Any]:
        """Return a column's values by its title, None where a cell is missing or there is no such column."""
        keys = [one.key for one in self.columns if one.title == title]
        return [row.get(keys[0]) if title and keys else None for row in self.rows]


def nothing(table: str) -> pl.DataFrame:
    """Return no rows of a table."""
    return frame(table, (), [])


def read(payload: Payload) -> Sheet:
    """Read a reply into a sheet; cells are joined to columns by key, as their order means nothing.

    Raises:
        BadReplyError: it is no report.
    """
    said = document(payload.body)
    if not isinstance(said, dict) or not (
        isinstance(said.get("columns"), list) and isinstance(said.get("rows"), list)
    ):
        raise BadReplyError("the reply is not a report: no columns and rows")
    doubts: list[str] = []
    start, end = _span(payload, said.get("timeframe"), doubts)
    columns = [one for one in map(_column, said["columns"]) if one]
    rows = [_cells(row) for row in said["rows"]]
    if len(columns) < len(said["columns"]) or len({one.key for one in columns}) < len(columns):
        doubts.append("columns without a key and title of their own")
    if None in rows:
        doubts.append(f"{rows.count(None):,} rows without values")
    if said.get("dataFlag") not in (None, "INCLUDED"):
        doubts.append(f"dataFlag is {text(said['dataFlag'])!r:.40}")
    summary = said.get("summaryItems")
    return Sheet(
        payload.context.get("key") or text(said.get("reportId")) or "report",
        text(said.get("executionId")),
        start,
        end,
        tuple({one.key: one for one in columns}.values()),
        tuple(row or {} for row in rows),
        tuple(item for item in summary if isinstance(item, dict)) if isinstance(summary, list) else (),
        tuple(doubts),
    )


def _span(payload: Payload, echo: Any, doubts: list[str]) -> tuple[datetime, datetime]:
    """Return what was asked for; the reply says it too, to the second."""
    said = [instant(echo.get(name)) if isinstance(echo, dict) else None for name in ("start", "end")]
    asked = [instant(payload.context.get(name)) for name in ("from", "to")]
    if asked[0] is None or asked[1] is None:
        if said[0] is None or said[1] is None:
            raise BadReplyError("the report does not say which timeframe it is about")
        return said[0], said[1].replace(microsecond=0) + timedelta(seconds=1)
    last = asked[1] - timedelta(milliseconds=1)
    for at, wanted in zip(said, (asked[0], last), strict=True):
        if at is not None and abs(at - wanted) >= timedelta(seconds=1):
            doubts.append(f"it is about {at.isoformat()} instead of {wanted.isoformat()}")
    return asked[0], asked[1]


def _column(said: Any) -> Column | None:
    key, title = (text(said.get(name)) if isinstance(said, dict) else None for name in ("key", "title"))
    return Column(key, title, text(said.get("format")) or "") if key and title else None


def _cells(said: Any) -> Row | None:
    values = said.get("values") if isinstance(said, dict) else None
    if not isinstance(values, dict):
        return None
    return {
        key: cell.get("value") if isinstance(cell, dict) else cell
        for key, cell in values.items()
        if cell is not None
    }


def changes(sheet: Sheet, columns: Columns) -> list[str]:
    """Say in what a report is not what its mapping expects; nothing is read from one that has changed."""
    titles = [one.title for one in sheet.columns]
    formats = {one.title: one.format for one in sheet.columns}
    told = [text_ for text_ in sheet.doubts if text_.startswith("it is about")]
    for title, wanted in columns.expected.items():
        if title not in formats:
            told.append(f"no column {title!r} among {', '.join(titles)[:200]}")
        elif titles.count(title) > 1:
            told.append(f"several columns {title!r}")
        elif formats[title] != wanted:
            told.append(f"column {title!r} is {formats[title]} instead of {wanted}")
    return told


# --- as it is -------------------------------------------------------------------------------------------
def parse_report_row(sheet: Sheet, columns: Columns | None) -> pl.DataFrame:
    """Read every cell and summary item; durations are milliseconds, and seconds in ``number``."""
    about = (sheet.report_id, sheet.execution_id, sheet.start, sheet.end)
    rows = [
        (*about, at, one.key, one.title, one.format, text(row[one.key]), *_typed(row[one.key], one.format))
        for at, row in enumerate(sheet.rows)
        for one in sheet.columns
        if one.key in row
    ]
    durations = {one.title for one in sheet.columns if one.format == "DURATION"}
    rows += [(*about, *_summed(at, item, durations)) for at, item in enumerate(sheet.summary)]
    moved = changes(sheet, columns) if columns else []
    notes = [*(one for one in sheet.doubts if one not in moved), *(f"not mapped: {one}" for one in moved)]
    made = frame("report_row", _CELL, rows)
    return noted(made, [f"report {sheet.report_id}: {one}" for one in notes])


def _typed(value: Any, kind: str) -> tuple[float | None, str | None]:
    read = None if kind == "STRING" else number(value)
    if kind == "DURATION":
        return (None if read is None else read / 1000), "s"
    return read, None


def _summed(at: int, item: Row, durations: set[str]) -> tuple[Any, ...]:
    """Read a summary item: the sums of durations are called numbers."""
    title, kind = text(item.get("title")), text(item.get("format"))
    clock = _CLOCK.fullmatch(text(item.get("formattedValue")) or "")
    real = "DURATION" if clock or title in durations else kind or ""
    value = item.get("value")
    return (SUMMARY_ROW, f"summary-{at}", title, kind, text(value), *_typed(value, real))


# --- as interval volume ---------------------------------------------------------------------------------
def parse_interval_volume(sheet: Sheet, columns: Columns, zone: ZoneInfo) -> pl.DataFrame:
    """Read a row per queue and 15 minutes; an interval that was not over by the end of the window is left out.

    Raises:
        BadReplyError: there are rows, and none can be read.
    """
    labels, wrong = Labels(columns, zone, sheet.start), list[str]()
    names = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")
    told = [sheet.values(getattr(columns, name)) for name in names]
    found: dict[tuple[str, datetime], tuple[Any, ...]] = {}
    for queue, label, *figures in zip(*told, strict=True):
        queue_id = columns.queue or text(queue)
        at = labels.read(queue_id, label) if queue_id else None
        row = (
            _interval(queue_id or "", at, figures) if at else f"{text(label)!r:.40} is no interval of a queue"
        )
        if isinstance(row, str):
            wrong.append(row)
        elif sheet.start <= row[1] and row[1] + QUARTER <= sheet.end:
            found[row[:2]] = row
    made = _read_or_refused(
        "interval_volume", (*names, "alarm"), list(found.values()), wrong, len(sheet.rows)
    )
    return noted(made, _coarse({at for _, at in found}))


def _coarse(starts: set[datetime]) -> list[str]:
    """Say where intervals are probably no quarters of an hour: no report says how long its own are."""
    minutes = sorted({at.minute for at in starts})
    if len(minutes) == 1 and len(starts) >= MANY_HOURS:
        return [f"all {len(starts):,} intervals are an hour apart, and were read as 15 minutes"]
    if len(minutes) == 2 and minutes[1] - minutes[0] == 30 and len(starts) >= MANY_HALVES:
        return [f"all {len(starts):,} intervals are half an hour apart, and were read as 15 minutes"]
    return []


def _interval(queue: str, at: datetime, figures: Sequence[Any]) -> tuple[Any, ...] | str:
    """Read the figures of an interval, or say why they cannot be read."""
    if at.timestamp() % QUARTER.total_seconds():
        return f"{at:%H:%M} UTC does not begin a quarter of an hour"
    alarms: list[str] = []
    read = zip(("entered", "abandoned", "handle time"), (whole, whole, number), figures, strict=True)
    told = [_figure(name, how(value), value, alarms) for name, how, value in read]
    entered, abandoned = int(told[0]), int(told[1])
    if any(one.startswith("entered") for one in alarms):
        return f"{queue:.40} at {at:%H:%M} UTC: {alarms[0]}"
    if figures[0] is None and any(told):
        alarms.append("entered is missing beside other figures, and taken as 0")
    if abandoned > entered:
        alarms.append(f"{abandoned} abandoned of {entered} entered")
    return queue, at, entered, abandoned, told[2] / 1000, "; ".join(alarms) or None


def _figure(name: str, read: float | None, said: Any, alarms: list[str]) -> float:
    """Return a figure; a cell that is missing is a 0 that was not written."""
    if said is not None and (read is None or read < 0):
        alarms.append(f"{name} is {text(said)!r:.40}")
        return 0.0
    return read or 0.0


# --- as states ------------------------------------------------------------------------------------------
def parse_agent_state(sheet: Sheet, columns: Columns, zone: ZoneInfo) -> pl.DataFrame:
    """Read the stretches of a time card: each begins a state, and if none follows on it, its end another one.

    Raises:
        BadReplyError: there are rows, and none can be read.
    """
    begins, ends = Labels(columns, zone, sheet.start), Labels(columns, zone, sheet.start)
    names = ("login", "at", "until", "vendor_state", "vendor_reason")
    told = [sheet.values(getattr(columns, name)) for name in names]
    rows: list[tuple[str, datetime, str, str | None, datetime | None]] = []
    wrong: list[str] = []
    for label, begin, end, state, reason in zip(*told, strict=True):
        who, word = agent(label), text(state)
        at = begins.read(who[0], begin) if who else None
        if who and at and word:
            rows.append((who[0], at, word, text(reason), ends.read(who[0], end)))
        else:
            wrong.append(f"{text(label)!r:.40} at {text(begin)!r:.40}: no state of an agent")
    said = [row[:4] for row in rows] + _left(rows, columns.then, sheet.end)
    made = list(dict.fromkeys(sorted(said, key=lambda row: row[:2])))
    own = ("login", "at", "vendor_state", "vendor_reason")
    return _read_or_refused("agent_state", own, made, wrong, len(sheet.rows))


def stretch_of(payload: Payload, columns: Columns, zone: ZoneInfo, login: str, at: datetime) -> str | None:
    """Return the row of a time card in which an agent's state began at an instant, or the one before it ended."""
    sheet, rows = read(payload), document(payload.body)["rows"]
    begins, ends = Labels(columns, zone, sheet.start), Labels(columns, zone, sheet.start)
    told = [sheet.values(getattr(columns, name)) for name in ("login", "at", "until")]
    found: dict[str, Any] = {}
    for label, begin, end, row in zip(*told, rows, strict=True):
        who = agent(label)
        if who is None:
            continue
        for what, instant_ in (("begins", begins.read(who[0], begin)), ("ends", ends.read(who[0], end))):
            if who[0] == login and instant_ == at:
                found.setdefault(what, row)
    mine = found.get("begins", found.get("ends"))
    return None if mine is None else json.dumps(mine, ensure_ascii=False)


def _left(
    rows: list[tuple[str, datetime, str, str | None, datetime | None]], then: str, over: datetime
) -> list[tuple[str, datetime, str, str | None]]:
    """Return what begins where a stretch ends on which none follows."""
    followed = {(login, at) for login, at, *_ in rows}
    return [
        (login, end, then, None)
        for login, at, _, _, end in rows
        if end and at < end < over and (login, end) not in followed
    ]


def parse_coverage(sheet: Sheet) -> pl.DataFrame:
    """Say what a time card that could be read covers: all that was asked for."""
    return frame("coverage", ("start_at", "end_at"), [(sheet.start, sheet.end)])


def _read_or_refused(
    table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]], wrong: list[str], n: int
) -> pl.DataFrame:
    notes = [f"{len(wrong):,} of {n:,} rows left out: {wrong[0]}"] if wrong else []
    if wrong and not rows and len(wrong) < n:
        notes = []  # the others were read, and are somebody else's turn
    return noted(frame(table, names, rows), notes)
