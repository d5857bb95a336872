"""Parsing reports with a row per queue and 15 minutes into interval_volume."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.vendors.values import add_notes, read_count, read_number, read_text
from wfm.vendors.xima.reports import ReportResult, build_mapped_table
from wfm.vendors.xima.templates import ColumnMapping
from wfm.vendors.xima.values import LabelReader

INTERVAL: Final = timedelta(minutes=15)
MANY_HOURS, MANY_HALVES = 8, 20
"""If this many intervals all begin on one (or two) minutes of the hour, they are hardly of 15 minutes."""


def parse_interval_volume(report: ReportResult, mapping: ColumnMapping, zone: ZoneInfo) -> pl.DataFrame:
    """Parse a report; an interval that ends after the window is left out.

    Raises:
        BadReplyError: there are rows, and none can be parsed.
    """
    labels, wrong = LabelReader(mapping, zone, report.start), list[str]()
    names = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")
    columns = [report.list_values(getattr(mapping, name)) for name in names]
    found: dict[tuple[str, datetime], tuple[Any, ...]] = {}
    for queue, label, *figures in zip(*columns, strict=True):
        queue_id = mapping.queue or read_text(queue)
        at = labels.read_label(queue_id, label) if queue_id else None
        row = (
            _parse_interval(queue_id or "", at, figures)
            if at
            else f"{read_text(label)!r:.40} is no interval of a queue"
        )
        if isinstance(row, str):
            wrong.append(row)
        elif report.start <= row[1] and row[1] + INTERVAL <= report.end:
            found[row[:2]] = row
    table = build_mapped_table(
        "interval_volume", (*names, "alarm"), list(found.values()), wrong, len(report.rows)
    )
    return add_notes(table, _check_interval_length({at for _, at in found}))


def _check_interval_length(starts: set[datetime]) -> list[str]:
    """Return an alarm if intervals are probably not of 15 minutes; no report says how long its intervals are."""
    minutes = sorted({at.minute for at in starts})
    if len(minutes) == 1 and len(starts) >= MANY_HOURS:
        return [f"all {len(starts):,} intervals are an hour apart, and were read as 15 minutes"]
    if len(minutes) == 2 and minutes[1] - minutes[0] == 30 and len(starts) >= MANY_HALVES:
        return [f"all {len(starts):,} intervals are half an hour apart, and were read as 15 minutes"]
    return []


def _parse_interval(queue: str, at: datetime, figures: Sequence[Any]) -> tuple[Any, ...] | str:
    """Parse the figures of an interval; return a text if they cannot be parsed, and why."""
    if at.timestamp() % INTERVAL.total_seconds():
        return f"{at:%H:%M} UTC does not begin a quarter of an hour"
    alarms: list[str] = []
    readers = zip(
        ("entered", "abandoned", "handle time"), (read_count, read_count, read_number), figures, strict=True
    )
    values = [_check_figure(name, read(value), value, alarms) for name, read, value in readers]
    entered, abandoned = int(values[0]), int(values[1])
    if any(one.startswith("entered") for one in alarms):
        return f"{queue:.40} at {at:%H:%M} UTC: {alarms[0]}"
    if figures[0] is None and any(values):
        alarms.append("entered is missing although other figures are there, and taken as 0")
    if abandoned > entered:
        alarms.append(f"{abandoned} abandoned of {entered} entered")
    return queue, at, entered, abandoned, values[2] / 1000, "; ".join(alarms) or None


def _check_figure(name: str, figure: float | None, cell: Any, alarms: list[str]) -> float:
    """Return a figure; a missing cell counts as 0."""
    if cell is not None and (figure is None or figure < 0):
        alarms.append(f"{name} is {read_text(cell)!r:.40}")
        return 0.0
    return figure or 0.0
