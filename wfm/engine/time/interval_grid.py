"""The 15-minute intervals that results are given in, and the cutting of time at their boundaries.

Intervals are counted in UTC. Today's zones all differ from UTC by whole quarters of an hour, so that these are the
quarters of any local clock, and the hour that is repeated in autumn has eight.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.time import INSTANT, US_PER_SECOND
from wfm.engine.time.axis import Axis

INTERVAL_US: Final = glossary.INTERVAL_S * US_PER_SECOND


def cut_at_intervals(slices: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Cut slices ``key, key_end`` at every interval boundary and add ``interval_start``; the result is in no order.

    ::

        slices    10:10 |------------in------------| 10:40
        pieces    10:10 |---|---------|------------| 10:40
                          10:15     10:30
    """
    # key minus base is epoch microseconds, whatever the agent and the origin of the axis
    base = pl.col("key") // axis.agent_width * axis.agent_width - axis.origin_us
    first = (pl.col("key") - base) // INTERVAL_US
    last = (pl.col("key_end") - 1 - base) // INTERVAL_US
    numbered = slices.with_columns(base=base, slot=first, last=last)
    # most slices lie within one interval and need no exploding
    whole = numbered.filter(pl.col("slot") == pl.col("last")).drop("last")
    start = pl.col("slot") * INTERVAL_US + pl.col("base")
    parts = (
        numbered.filter(pl.col("slot") != pl.col("last"))
        .with_columns(slot=pl.int_ranges("slot", pl.col("last") + 1))
        .drop("last")
        .explode("slot")
        .with_columns(
            key=pl.max_horizontal("key", start), key_end=pl.min_horizontal("key_end", start + INTERVAL_US)
        )
    )
    instant = (pl.col("slot") * INTERVAL_US).cast(INSTANT)
    return pl.concat([whole, parts]).with_columns(interval_start=instant).drop("slot", "base")


def split_at_intervals(spans: pl.DataFrame) -> pl.DataFrame:
    """Split spans ``low, high`` (epoch µs) at every interval boundary into interval_start and the length ``us``."""
    low, high, slot = pl.col("low"), pl.col("high"), pl.col("slot") * INTERVAL_US
    pieces = (
        spans.filter(high > low)
        .with_columns(slot=pl.int_ranges(low // INTERVAL_US, (high - 1) // INTERVAL_US + 1))
        .explode("slot")
    )
    share = pl.min_horizontal("high", slot + INTERVAL_US) - pl.max_horizontal("low", slot)
    return pieces.with_columns(interval_start=slot.cast(INSTANT), us=share).drop("low", "high", "slot")
