"""Seconds at the edge are the nearest to what was counted inside."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wfm.core.time import US_PER_SECOND
from wfm.engine.time.units import us_to_seconds


@given(st.lists(st.integers(-(10**13), 10**13), min_size=1))
def test_microseconds_are_told_as_the_nearest_seconds(counted: list[int]) -> None:
    told = pl.DataFrame({"us": counted}).select(us_to_seconds(pl.col("us")))["us"].to_list()
    assert told == [us / US_PER_SECOND for us in counted]


def test_a_sum_that_a_reciprocal_would_spoil():
    assert pl.select(us_to_seconds(pl.lit(43_859_122_000))).item() == 43859.122
