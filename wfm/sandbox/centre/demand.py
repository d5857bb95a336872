"""Draw when customers call, by the weekly pattern of the bundled sample."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm import defaults
from wfm.sandbox.centre.people import SimulatedQueue

QUARTERS_PER_DAY = 96
SAMPLE_ZONE = "Asia/Jerusalem"
FloatArray = NDArray[np.float64]
InstantArray = NDArray[np.int64]


@cache
def read_week_shape(shape: str) -> FloatArray:
    """Return the share of the week's calls by local weekday (Monday first) and quarter-hour, shape (7, 96)."""
    volume = pl.read_parquet(defaults.find_data_folder() / "sample" / "interval_volume.parquet")
    local = pl.col("interval_start").dt.convert_time_zone(SAMPLE_ZONE)
    sums = (
        volume.filter(pl.col("queue_id") == shape)
        .group_by(
            day=local.dt.weekday().cast(pl.Int32) - 1,
            quarter=local.dt.hour().cast(pl.Int32) * 4 + local.dt.minute().cast(pl.Int32) // 15,
        )
        .agg(pl.col("entered").sum())
    )
    counts = np.zeros((7, QUARTERS_PER_DAY))
    counts[sums["day"].to_numpy(), sums["quarter"].to_numpy()] = sums["entered"].to_numpy()
    smooth = (np.roll(counts, 1, 1) + counts + np.roll(counts, -1, 1)) / 3
    return np.asarray(smooth / smooth.sum())


def compute_day_curve(queues: tuple[SimulatedQueue, ...], on: date) -> FloatArray:
    """Return the share of the week's calls of all queues in each quarter-hour of a local day, shape (96,)."""
    parts = [queue.share * read_week_shape(queue.shape)[on.weekday()] for queue in queues]
    return np.asarray(np.sum(parts, axis=0))


def compute_instant(on: date, quarter: int, zone: ZoneInfo) -> int:
    """Return the UTC second at which a quarter-hour of a local day begins; it may be after midnight."""
    wall = datetime.combine(on, datetime.min.time()) + timedelta(minutes=15 * quarter)
    return int(wall.replace(tzinfo=zone).timestamp())


def draw_arrivals(
    rng: np.random.Generator,
    queues: tuple[SimulatedQueue, ...],
    on: date,
    zone: ZoneInfo,
    calls: float,
    quiet: tuple[int, int],
) -> tuple[InstantArray, InstantArray]:
    """Draw a day's calls, about ``calls`` of them, as sorted instants and their queues.

    Args:
        quiet: [start, end) of an outage, in which three of four calls do not arrive.
    """
    shares = np.stack([queue.share * read_week_shape(queue.shape)[on.weekday()] for queue in queues])
    counts = rng.poisson(shares * (calls / shares.sum()))
    starts = np.array([compute_instant(on, quarter, zone) for quarter in range(QUARTERS_PER_DAY)])
    queue, quarter = np.nonzero(counts)
    n = counts[queue, quarter]
    at = np.repeat(starts[quarter], n) + rng.integers(0, 900, n.sum())
    of = np.repeat(queue, n)
    lost = (at >= quiet[0]) & (at < quiet[1]) & (rng.random(at.size) < 0.75)
    at, of = at[~lost], of[~lost]
    order = np.lexsort((of, at))
    return at[order].astype(np.int64), of[order].astype(np.int64)
