"""The history as a cube on the local clock: queue × day × 15-minute slot.

A slot is a place on the wall clock, so slot 36 is 09:00 in winter and in summer; `seen` counts its intervals:

    local day     00:00 00:15 …  01:45 02:00 … 02:45 03:00 …
    a usual day     1     1         1    1        1    1
    23 hours        1     1         1    0        0    1        spring: the hour does not exist
    25 hours        1     1         2    2        2    1        autumn: the hour comes twice
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm.errors import InputError, UsageError
from wfm.terms import INTERVAL_S

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Days = NDArray[np.datetime64]

SLOTS: Final = 86400 // INTERVAL_S
INTERVAL: Final = timedelta(seconds=INTERVAL_S)
REQUIRED: Final = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")

NEARLY_NONE: Final = 0.05
"""A day with less than this share of its weekday's median is taken for missing …"""
MANY: Final = 50.0
"""… where that median is at least this many calls."""
NEIGHBOURS: Final = 6
"""Same weekdays before and after the day that make this median."""


@dataclass(frozen=True)
class Panel:
    """Hold what is known at the origin.

    `entered`, `handled`, `handle_s`: queue × day × slot; `seen`: day × slot, intervals of the slot that ended by the
    origin; `first`: per queue the day of its first row; `missing`: per day; `today`: the last day is not over yet.
    """

    queues: tuple[str, ...]
    days: Days
    entered: Floats
    handled: Floats
    handle_s: Floats
    seen: Floats
    first: Ints
    missing: Mask
    today: bool

    @property
    def over(self) -> int:
        """Count the days that are over at the origin."""
        return len(self.days) - int(self.today)

    @property
    def usable(self) -> Mask:
        """Say which days may be learnt from, queue × day: over, not missing, and not before the queue's first."""
        day = np.arange(len(self.days))
        return ~self.missing & (day < self.over) & (day >= self.first[:, None])

    def until(self, days: int) -> "Panel":
        """Cut to what was known at the local midnight after the first `days` days."""
        return replace(
            self, days=self.days[:days], entered=self.entered[:, :days], handled=self.handled[:, :days],
            handle_s=self.handle_s[:, :days], seen=self.seen[:days], missing=self.missing[:days], today=False,
        )  # fmt: skip


def weekday(days: Days) -> Ints:
    """Give the weekday of dates, Monday 0 to Sunday 6."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def check(interval_volume: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Return the history with `handled` filled in and nulls of handling as nothing handled.

    Raise UsageError for an unknown zone, InputError for absent columns, naive instants, null or negative numbers.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"timezone {timezone!r} is not known: give a name such as 'Europe/London'") from error
    absent = [name for name in REQUIRED if name not in interval_volume.columns]
    if absent:
        raise InputError(f"interval_volume lacks {', '.join(absent)}: it needs {', '.join(REQUIRED)}")
    kind = interval_volume.schema["interval_start"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise InputError(f"interval_start is {kind}: give instants with a zone, Datetime('us', 'UTC')")
    frame = _numbers(interval_volume)
    for name in ("queue_id", "interval_start", "entered"):
        if frame[name].null_count():
            raise InputError(f"interval_volume has nulls in {name}: drop those rows or fill them in")
    for name in ("entered", "abandoned", "handled", "sum_handle_time_s"):
        if (frame[name] < 0).any():
            raise InputError(f"interval_volume has negative numbers in {name}: correct or drop those rows")
    return frame


def _numbers(interval_volume: pl.DataFrame) -> pl.DataFrame:
    """Select the columns that count, as floats; an unknown handle time makes the row say nothing about AHT."""
    entered, abandoned = pl.col("entered").cast(pl.Float64), pl.col("abandoned").cast(pl.Float64).fill_null(0.0)
    handled = (entered - abandoned).clip(0.0)
    if "handled" in interval_volume.columns:
        handled = pl.col("handled").cast(pl.Float64).fill_null(handled)
    handle_s = pl.col("sum_handle_time_s").cast(pl.Float64).fill_nan(None)
    return interval_volume.select(
        pl.col("queue_id").cast(pl.String),
        pl.col("interval_start").dt.convert_time_zone("UTC").dt.cast_time_unit("us").dt.truncate(INTERVAL),
        entered.alias("entered"),
        abandoned.alias("abandoned"),
        pl.when(handle_s.is_null()).then(0.0).otherwise(handled).alias("handled"),
        handle_s.fill_null(0.0).alias("sum_handle_time_s"),
    )


def local_slot(frame: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Add `on`, the local date, and `slot`, the place on the local clock, to instants `interval_start`."""
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    second = local.dt.hour().cast(pl.Int32) * 3600 + local.dt.minute().cast(pl.Int32) * 60
    return frame.with_columns(local.dt.date().alias("on"), (second // INTERVAL_S).alias("slot"))


def instants(start: datetime, end: datetime) -> pl.DataFrame:
    """List the intervals of [start, end) by their first instant."""
    axis = pl.datetime_range(start, end, INTERVAL, closed="left", time_unit="us", time_zone="UTC", eager=True)
    return axis.alias("interval_start").to_frame()


def build(
    history: pl.DataFrame, *, origin: datetime, timezone: str, holiday: frozenset[date], missing: frozenset[date]
) -> Panel:
    """Lay a checked history out as a panel of what ended by the origin; raise InputError when nothing did."""
    known = history.filter(pl.col("interval_start") + INTERVAL <= origin)
    if known.is_empty():
        raise InputError(f"interval_volume has no interval that ended by {origin.isoformat()}: give earlier history")
    known = local_slot(known, timezone)
    first_on: date = known["on"].min()  # type: ignore[assignment]
    axis = local_slot(instants(_midnight(first_on, timezone), _floor(origin)), timezone)
    last_on: date = axis["on"].max()  # type: ignore[assignment]
    days = np.arange(np.datetime64(first_on), np.datetime64(last_on) + 1)
    seen = np.zeros((len(days), SLOTS), np.float32)
    np.add.at(seen, (_day(axis, days), axis["slot"].to_numpy()), 1.0)
    known = known.sort("queue_id")
    queues = known["queue_id"].unique(maintain_order=True)
    queue = known["queue_id"].rle_id().to_numpy().astype(np.int64)
    first = np.full(len(queues), len(days), np.int64)
    np.minimum.at(first, queue, _day(known, days))
    place = (queue * len(days) + _day(known, days)) * SLOTS + known["slot"].to_numpy()
    size = len(queues) * len(days) * SLOTS
    entered, handled, handle_s = (
        np.bincount(place, known[name].to_numpy(), size).astype(np.float32).reshape(len(queues), len(days), SLOTS)
        for name in ("entered", "handled", "sum_handle_time_s")
    )
    today = _midnight(last_on + timedelta(days=1), timezone) > _floor(origin)
    gone = find_missing(days, entered.sum((0, 2)), holiday) | _among(days, missing)
    if today:
        gone[-1] = False
    return Panel(tuple(queues), days, entered, handled, handle_s, seen, first, gone, today)


def find_missing(days: Days, total: Floats, holiday: frozenset[date]) -> Mask:
    """Find days of the centre with no or nearly no calls where the weekday has many and no holiday explains it."""
    gone = np.zeros(len(days), bool)
    for day in range(7):
        at = np.flatnonzero(weekday(days) == day)
        if at.size < 3:
            continue
        padded = np.pad(total[at].astype(float), NEIGHBOURS, constant_values=np.nan)
        around = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)
        gone[at] = (around >= MANY) & (total[at] < NEARLY_NONE * around)
    return gone & ~_among(days, holiday)


def _among(days: Days, dates: frozenset[date]) -> Mask:
    return np.isin(days, np.array(sorted(dates), "datetime64[D]"))


def _day(frame: pl.DataFrame, days: Days) -> Ints:
    return (frame["on"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64)


def _midnight(on: date, timezone: str) -> datetime:
    """Give the instant at which a local day starts (where midnight does not exist, the first instant after it)."""
    naive = pl.Series([datetime(on.year, on.month, on.day)])  # noqa: DTZ001 - a local clock reading
    zoned = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    if zoned[0] is None:
        local = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(timezone))
        return _floor(local.astimezone(ZoneInfo("UTC")))
    return _floor(zoned.dt.convert_time_zone("UTC")[0])


def _floor(instant: datetime) -> datetime:
    """Give the start of the interval an instant is in."""
    utc = instant.astimezone(ZoneInfo("UTC"))
    return utc.replace(minute=utc.minute - utc.minute % (INTERVAL_S // 60), second=0, microsecond=0)
