"""The history as a cube on the local clock: queue × day × 15-minute slot.

A slot is a time on the local clock, so slot 36 is 09:00 in winter and in summer; `seen` counts its intervals:

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

from wfm.core.time import local_midnight
from wfm.errors import InputError, UsageError
from wfm.terms import INTERVAL_S

Floats = NDArray[Any]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Days = NDArray[np.datetime64]

SLOTS: Final = 86400 // INTERVAL_S
INTERVAL: Final = timedelta(seconds=INTERVAL_S)
REQUIRED: Final = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")

QUEUES: Final = 64
"""Number of queues in memory at a time."""
NEARLY_NONE: Final = 0.05
"""A day with less than this share of its weekday's median is taken to be missing …"""
MANY: Final = 50.0
"""… where that median is at least this many calls."""
NEIGHBOURS: Final = 6
"""Same weekdays before and after the day that make this median."""


@dataclass(frozen=True)
class Panel:
    """The history up to the origin, of some queues.

    `entered`, `handled`, `handle_s`: queue × day × slot; `centre`: day × slot, entered over all queues;
    `seen`: day × slot, intervals of the slot that ended by the origin; `first_days`: per queue the day of
    its first row; `missing`: days that are missing, given or detected; `given_missing`: those that were given;
    `excused`: days that a holiday may leave without calls; `today`: whether the last day is not over yet.
    """

    queues: tuple[str, ...]
    days: Days
    entered: Floats
    handled: Floats
    handle_s: Floats
    centre: Floats
    seen: Floats
    first: Ints
    missing: Mask
    given_missing: Mask
    excused: Mask
    today: bool

    @property
    def over(self) -> int:
        """Return the number of days that are over at the origin."""
        return len(self.days) - int(self.today)

    @property
    def usable(self) -> Mask:
        """Tell which days to learn from, queue × day: over, not missing, not before the queue's first row."""
        day = np.arange(len(self.days))
        return ~self.missing & (day < self.over) & (day >= self.first[:, None])

    def until(self, days: int) -> "Panel":
        """Return the panel as of the local midnight after its first `days` days."""
        return replace(
            self,
            days=self.days[:days],
            entered=self.entered[:, :days],
            handled=self.handled[:, :days],
            handle_s=self.handle_s[:, :days],
            centre=self.centre[:days],
            seen=self.seen[:days],
            missing=self.given_missing[:days]
            | find_missing(self.days[:days], self.centre[:days].sum(axis=1), self.excused[:days]),
            given_missing=self.given_missing[:days],
            excused=self.excused[:days],
            today=False,
        )


def weekday(days: Days) -> Ints:
    """Return the weekday of dates, Monday 0 to Sunday 6."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def check(interval_volume: pl.DataFrame, timezone: str) -> None:
    """Check that a history can be forecast from.

    Raises:
        UsageError: the time zone is unknown.
        InputError: a column is missing, instants have no zone, or numbers are null or negative.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"timezone {timezone!r} is unknown: give a name such as 'Europe/London'") from error
    absent = [name for name in REQUIRED if name not in interval_volume.columns]
    if absent:
        raise InputError(f"interval_volume lacks {', '.join(absent)}: it needs {', '.join(REQUIRED)}")
    kind = interval_volume.schema["interval_start"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise InputError(f"interval_start is {kind}: give instants with a time zone, Datetime('us', 'UTC')")
    for name in ("queue_id", "interval_start", "entered"):
        if interval_volume[name].null_count():
            raise InputError(f"interval_volume has nulls in {name}: drop those rows or fill them in")
    for name in {"entered", "abandoned", "handled", "sum_handle_time_s"} & set(interval_volume.columns):
        if (interval_volume[name].min() or 0) < 0:  # type: ignore[operator]
            raise InputError(f"interval_volume has negative numbers in {name}: correct or drop those rows")


def measures(rows: pl.DataFrame) -> pl.DataFrame:
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


def local_slot(frame: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Add `on`, the local date, and `slot`, the time on the local clock, to instants `interval_start`."""
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    second = local.dt.hour().cast(pl.Int32) * 3600 + local.dt.minute().cast(pl.Int32) * 60
    return frame.with_columns(local.dt.date().alias("on"), (second // INTERVAL_S).alias("slot"))


def local_date(instant: datetime, timezone: str) -> date:
    """Return the local date of an instant."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def instants(start: datetime, end: datetime) -> pl.DataFrame:
    """List the intervals of [start, end) by their start."""
    axis = pl.datetime_range(start, end, INTERVAL, closed="left", time_unit="us", time_zone="UTC", eager=True)
    return axis.alias("interval_start").to_frame()


def panels(
    history: pl.DataFrame,
    *,
    origin: datetime,
    timezone: str,
    holiday: frozenset[date],
    missing: frozenset[date],
) -> Iterator[Panel]:
    """Build the panels of a checked history, some queues at a time.

    Raises:
        InputError: there is not a full local day of history before the origin.
    """
    when = pl.col("interval_start").dt.convert_time_zone("UTC").dt.cast_time_unit("us").dt.truncate(INTERVAL)
    ended = (
        history.lazy()
        .with_columns(when, pl.col("queue_id").cast(pl.String))
        .filter(pl.col("interval_start") + INTERVAL <= _floor(origin))
    )
    earliest = ended.select(pl.min("interval_start")).collect().item()
    if earliest is None:
        raise InputError(
            f"interval_volume has no interval that ended by {origin.isoformat()}: give earlier history"
        )
    start = midnight(local_date(earliest, timezone), timezone)
    axis = local_slot(instants(start, _floor(origin)), timezone)
    days = np.arange(np.datetime64(axis["on"][0]), np.datetime64(axis["on"][-1]) + 1)
    today = midnight(axis["on"][-1] + timedelta(days=1), timezone) > _floor(origin)
    by_interval = ended.group_by("interval_start").agg(pl.sum("entered")).collect()
    if len(days) == int(today):
        raise InputError(
            f"the history begins on the day of {origin.isoformat()}: give at least one full local day"
        )
    grid = Grid(start, _day(axis, days) * SLOTS + axis["slot"].to_numpy(), len(days))
    seen = grid.lay(axis.with_columns(pl.lit(1.0).alias("seen")), "seen")[0]
    centre = grid.lay(by_interval, "entered")[0]
    given_missing, excused = _among(days, missing), _among(days, holiday)
    total, last = centre.sum(axis=1), int(grid.place[grid.step(by_interval)].max()) // SLOTS
    gone = given_missing | find_missing(days, total, excused) | after_the_feed(days, total, last)
    # a day that is not over yet may still get its calls
    gone &= ~(today & (np.arange(len(days)) == len(days) - 1))
    names = ended.select(pl.col("queue_id").unique().sort()).collect().to_series().to_list()
    for at in range(0, len(names), QUEUES):
        some = names[at : at + QUEUES]
        rows = measures(
            ended.filter(pl.col("queue_id").is_between(pl.lit(some[0]), pl.lit(some[-1]))).collect()
        )
        queue = rows["queue_id"].cast(pl.Enum(some)).to_physical().to_numpy().astype(np.int64)
        cubes = [
            grid.lay(rows, name, queue, len(some)) for name in ("entered", "handled", "sum_handle_time_s")
        ]
        first = np.full(len(some), len(days), np.int64)
        np.minimum.at(first, queue, grid.place[grid.step(rows)] // SLOTS)
        yield Panel(
            tuple(some),
            days,
            cubes[0],
            cubes[1],
            cubes[2],
            centre,
            seen,
            first,
            gone,
            given_missing,
            excused,
            today,
        )


@dataclass(frozen=True)
class Grid:
    """The cell (day · SLOTS_PER_DAY + slot) of every interval from `start` on."""

    start: datetime
    place: Ints
    days: int

    def step(self, rows: pl.DataFrame) -> Ints:
        """Return the number of intervals from the start, per row."""
        steps = rows.select((pl.col("interval_start") - self.start).dt.total_seconds() // INTERVAL_S)
        return np.asarray(steps.to_series().to_numpy())

    def lay(self, rows: pl.DataFrame, name: str, queue: Ints | int = 0, queues: int = 1) -> Floats:
        """Sum a column per cell: queue × day × slot."""
        size = self.days * SLOTS
        sums = np.bincount(queue * size + self.place[self.step(rows)], rows[name].to_numpy(), queues * size)
        return sums.reshape(queues, self.days, SLOTS).astype(np.float32)


def find_missing(days: Days, total: Floats, excused: Mask) -> Mask:
    """Find days with nearly no calls where the weekday normally has many and no holiday explains it."""
    gone = np.zeros(len(days), bool)
    for day in range(7):
        at = np.flatnonzero(weekday(days) == day)
        if at.size < 3:
            continue
        padded = np.pad(total[at].astype(float), NEIGHBOURS, constant_values=np.nan)
        around = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)
        gone[at] = (around >= MANY) & (total[at] < NEARLY_NONE * around)
    return gone & ~excused


def after_the_feed(days: Days, total: Floats, last: int) -> Mask:
    """Tell which days come after the last row of any queue, on a weekday that has had calls."""
    opens = np.bincount(weekday(days), total, 7) > 0
    return np.asarray((np.arange(len(days)) > last) & opens[weekday(days)])


def _among(days: Days, dates: frozenset[date]) -> Mask:
    """Tell which days are among these dates."""
    return np.isin(days, np.array(sorted(dates), "datetime64[D]"))


def _day(frame: pl.DataFrame, days: Days) -> Ints:
    """Return the number of the day, from the first of `days`, of each row's date `on`."""
    return np.asarray((frame["on"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64))


def midnight(on: date, timezone: str) -> datetime:
    """Return the start of the interval in which a local day starts."""
    return _floor(local_midnight(on, timezone))


def _floor(instant: datetime) -> datetime:
    """Return the start of the interval that an instant lies in."""
    utc = instant.astimezone(ZoneInfo("UTC"))
    return utc.replace(minute=utc.minute - utc.minute % (INTERVAL_S // 60), second=0, microsecond=0)
