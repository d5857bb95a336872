"""Lay out the history as a cube on the local clock: queue × day × 15-minute slot.

A slot is a time on the local clock, so slot 36 is 09:00 in winter and in summer; `slot_counts` counts its intervals:

    local day     00:00 00:15 …  01:45 02:00 … 02:45 03:00 …
    an ordinary day 1     1         1    1        1    1
    23 hours        1     1         1    0        0    1        spring: the hour does not exist
    25 hours        1     1         2    2        2    1        autumn: the hour occurs twice
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm.core.errors import InputError, UsageError
from wfm.core.glossary import INTERVAL_S
from wfm.core.time import local_midnight

FloatArray = NDArray[Any]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]

SLOTS_PER_DAY: Final = 86400 // INTERVAL_S
INTERVAL_LENGTH: Final = timedelta(seconds=INTERVAL_S)
REQUIRED_COLUMNS: Final = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")

QUEUES_PER_PANEL: Final = 64
"""Number of queues in memory at a time."""
MISSING_DAY_SHARE: Final = 0.05
"""A day with less than this share of its weekday's median is taken to be missing …"""
MIN_TYPICAL_CALLS: Final = 50.0
"""… where that median is at least this many calls."""
NEIGHBOUR_WEEKS: Final = 6
"""Same weekdays before and after the day that make this median."""


@dataclass(frozen=True)
class HistoryPanel:
    """The history up to the origin, of some queues.

    `entered`, `handled`, `handle_s`: queue × day × slot; `centre`: day × slot, entered over all queues;
    `slot_counts`: day × slot, intervals of the slot that ended by the origin; `first_days`: per queue the day of
    its first row; `missing`: days that are missing, given or detected; `given_missing`: those that were given;
    `excused`: days that a holiday may leave without calls; `today`: whether the last day is not over yet.
    """

    queues: tuple[str, ...]
    days: DateArray
    entered: FloatArray
    handled: FloatArray
    handle_s: FloatArray
    centre: FloatArray
    slot_counts: FloatArray
    first_days: IntArray
    missing: BoolArray
    given_missing: BoolArray
    excused: BoolArray
    today: bool

    @property
    def full_days(self) -> int:
        """Return the number of days that are over at the origin."""
        return len(self.days) - int(self.today)

    @property
    def usable_days(self) -> BoolArray:
        """Return which days to learn from, queue × day: over, not missing, not before the queue's first row."""
        day = np.arange(len(self.days))
        return ~self.missing & (day < self.full_days) & (day >= self.first_days[:, None])

    def truncate_to(self, days: int) -> "HistoryPanel":
        """Return the panel as of the local midnight after its first `days` days."""
        return replace(
            self,
            days=self.days[:days],
            entered=self.entered[:, :days],
            handled=self.handled[:, :days],
            handle_s=self.handle_s[:, :days],
            centre=self.centre[:days],
            slot_counts=self.slot_counts[:days],
            missing=self.given_missing[:days]
            | find_missing_days(self.days[:days], self.centre[:days].sum(axis=1), self.excused[:days]),
            given_missing=self.given_missing[:days],
            excused=self.excused[:days],
            today=False,
        )


def get_weekdays(days: DateArray) -> IntArray:
    """Return the weekday of dates, Monday 0 to Sunday 6."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def check_history(interval_volume: pl.DataFrame, timezone: str) -> None:
    """Check that a history can be forecast from.

    Raises:
        UsageError: the time zone is unknown.
        InputError: a column is missing, instants have no zone, or numbers are null or negative.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"timezone {timezone!r} is unknown: give a name such as 'Europe/London'") from error
    absent = [name for name in REQUIRED_COLUMNS if name not in interval_volume.columns]
    if absent:
        raise InputError(f"interval_volume lacks {', '.join(absent)}: it needs {', '.join(REQUIRED_COLUMNS)}")
    kind = interval_volume.schema["interval_start"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise InputError(f"interval_start is {kind}: give instants with a time zone, Datetime('us', 'UTC')")
    for name in ("queue_id", "interval_start", "entered"):
        if interval_volume[name].null_count():
            raise InputError(f"interval_volume has nulls in {name}: drop those rows or fill them in")
    for name in {"entered", "abandoned", "handled", "sum_handle_time_s"} & set(interval_volume.columns):
        if (interval_volume[name].min() or 0) < 0:  # type: ignore[operator]
            raise InputError(f"interval_volume has negative numbers in {name}: correct or drop those rows")


def select_measures(rows: pl.DataFrame) -> pl.DataFrame:
    """Return entered, handled and handle time as floats; a row without handle time counts as handling nothing."""
    entered, abandoned = (
        pl.col("entered").cast(pl.Float64),
        pl.col("abandoned").cast(pl.Float64).fill_null(0.0),
    )
    handled = (entered - abandoned).clip(0.0)
    if "handled" in rows.columns:
        handled = pl.col("handled").cast(pl.Float64).fill_null(handled)
    handle_s = pl.col("sum_handle_time_s").cast(pl.Float64).fill_nan(None)
    return rows.select(
        "queue_id",
        "interval_start",
        entered.alias("entered"),
        pl.when(handle_s.is_null()).then(0.0).otherwise(handled).alias("handled"),
        handle_s.fill_null(0.0).alias("sum_handle_time_s"),
    )


def add_local_slot(frame: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Add `on`, the local date, and `slot`, the time on the local clock, to instants `interval_start`."""
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    second = local.dt.hour().cast(pl.Int32) * 3600 + local.dt.minute().cast(pl.Int32) * 60
    return frame.with_columns(local.dt.date().alias("on"), (second // INTERVAL_S).alias("slot"))


def get_local_date(instant: datetime, timezone: str) -> date:
    """Return the local date of an instant."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def list_intervals(start: datetime, end: datetime) -> pl.DataFrame:
    """List the intervals of [start, end) by their start."""
    axis = pl.datetime_range(
        start, end, INTERVAL_LENGTH, closed="left", time_unit="us", time_zone="UTC", eager=True
    )
    return axis.alias("interval_start").to_frame()


def build_panels(
    history: pl.DataFrame,
    *,
    origin: datetime,
    timezone: str,
    holiday: frozenset[date],
    missing: frozenset[date],
) -> Iterator[HistoryPanel]:
    """Build the panels of a checked history, some queues at a time.

    Raises:
        InputError: there is not a full local day of history before the origin.
    """
    when = (
        pl.col("interval_start")
        .dt.convert_time_zone("UTC")
        .dt.cast_time_unit("us")
        .dt.truncate(INTERVAL_LENGTH)
    )
    ended = (
        history.lazy()
        .with_columns(when, pl.col("queue_id").cast(pl.String))
        .filter(pl.col("interval_start") + INTERVAL_LENGTH <= _floor_to_interval(origin))
    )
    earliest = ended.select(pl.min("interval_start")).collect().item()
    if earliest is None:
        raise InputError(
            f"interval_volume has no interval that ended by {origin.isoformat()}: give earlier history"
        )
    start = find_day_start(get_local_date(earliest, timezone), timezone)
    axis = add_local_slot(list_intervals(start, _floor_to_interval(origin)), timezone)
    days = np.arange(np.datetime64(axis["on"][0]), np.datetime64(axis["on"][-1]) + 1)
    today = find_day_start(axis["on"][-1] + timedelta(days=1), timezone) > _floor_to_interval(origin)
    by_interval = ended.group_by("interval_start").agg(pl.sum("entered")).collect()
    if len(days) == int(today):
        raise InputError(
            f"the history begins on the day of {origin.isoformat()}: give at least one full local day"
        )
    grid = SlotGrid(start, _number_days(axis, days) * SLOTS_PER_DAY + axis["slot"].to_numpy(), len(days))
    slot_counts = grid.sum_by_cell(axis.with_columns(pl.lit(1.0).alias("slot_counts")), "slot_counts")[0]
    centre = grid.sum_by_cell(by_interval, "entered")[0]
    given_missing, excused = _is_among(days, missing), _is_among(days, holiday)
    total, last = centre.sum(axis=1), int(grid.cells[grid.count_steps(by_interval)].max()) // SLOTS_PER_DAY
    is_missing = (
        given_missing | find_missing_days(days, total, excused) | find_days_after_feed(days, total, last)
    )
    # a day that is not over yet may still get its calls
    is_missing &= ~(today & (np.arange(len(days)) == len(days) - 1))
    names = ended.select(pl.col("queue_id").unique().sort()).collect().to_series().to_list()
    for at in range(0, len(names), QUEUES_PER_PANEL):
        # some queues at a time: a cube of all queues of a large centre does not fit into memory
        some = names[at : at + QUEUES_PER_PANEL]
        rows = select_measures(
            ended.filter(pl.col("queue_id").is_between(pl.lit(some[0]), pl.lit(some[-1]))).collect()
        )
        queue = rows["queue_id"].cast(pl.Enum(some)).to_physical().to_numpy().astype(np.int64)
        cubes = [
            grid.sum_by_cell(rows, name, queue, len(some))
            for name in ("entered", "handled", "sum_handle_time_s")
        ]
        first = np.full(len(some), len(days), np.int64)
        np.minimum.at(first, queue, grid.cells[grid.count_steps(rows)] // SLOTS_PER_DAY)
        yield HistoryPanel(
            tuple(some),
            days,
            cubes[0],
            cubes[1],
            cubes[2],
            centre,
            slot_counts,
            first,
            is_missing,
            given_missing,
            excused,
            today,
        )


@dataclass(frozen=True)
class SlotGrid:
    """The cell (day · SLOTS_PER_DAY + slot) of every interval from `start` on."""

    start: datetime
    cells: IntArray
    days: int

    def count_steps(self, rows: pl.DataFrame) -> IntArray:
        """Return the number of intervals from the start, per row."""
        steps = rows.select((pl.col("interval_start") - self.start).dt.total_seconds() // INTERVAL_S)
        return np.asarray(steps.to_series().to_numpy())

    def sum_by_cell(
        self, rows: pl.DataFrame, name: str, queue: IntArray | int = 0, queues: int = 1
    ) -> FloatArray:
        """Sum a column per cell: queue × day × slot."""
        size = self.days * SLOTS_PER_DAY
        sums = np.bincount(
            queue * size + self.cells[self.count_steps(rows)], rows[name].to_numpy(), queues * size
        )
        return sums.reshape(queues, self.days, SLOTS_PER_DAY).astype(np.float32)


def find_missing_days(days: DateArray, total: FloatArray, excused: BoolArray) -> BoolArray:
    """Find days with nearly no calls where the weekday normally has many and no holiday explains it."""
    is_missing = np.zeros(len(days), bool)
    for day in range(7):
        at = np.flatnonzero(get_weekdays(days) == day)
        if at.size < 3:
            continue
        # the median of the same weekdays around each day, as a season may change what is usual
        padded = np.pad(total[at].astype(float), NEIGHBOUR_WEEKS, constant_values=np.nan)
        around = np.nanmedian(
            np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOUR_WEEKS + 1), axis=1
        )
        is_missing[at] = (around >= MIN_TYPICAL_CALLS) & (total[at] < MISSING_DAY_SHARE * around)
    return is_missing & ~excused


def find_days_after_feed(days: DateArray, total: FloatArray, last: int) -> BoolArray:
    """Return which days come after the last row of any queue, on a weekday that has had calls."""
    opens = np.bincount(get_weekdays(days), total, 7) > 0
    return np.asarray((np.arange(len(days)) > last) & opens[get_weekdays(days)])


def _is_among(days: DateArray, dates: frozenset[date]) -> BoolArray:
    """Return which days are among these dates."""
    return np.isin(days, np.array(sorted(dates), "datetime64[D]"))


def _number_days(frame: pl.DataFrame, days: DateArray) -> IntArray:
    """Return the number of the day, from the first of `days`, of each row's date `on`."""
    return np.asarray((frame["on"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64))


def find_day_start(on: date, timezone: str) -> datetime:
    """Return the start of the interval in which a local day starts."""
    return _floor_to_interval(local_midnight(on, timezone))


def _floor_to_interval(instant: datetime) -> datetime:
    """Return the start of the interval that an instant lies in."""
    utc = instant.astimezone(ZoneInfo("UTC"))
    return utc.replace(minute=utc.minute - utc.minute % (INTERVAL_S // 60), second=0, microsecond=0)
