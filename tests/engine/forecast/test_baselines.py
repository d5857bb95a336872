"""The anchors against slow twins; what the calendar model learns."""

from __future__ import annotations

import statistics
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.drawn_volume import utc
from helpers.examples import examples
from helpers.forecast_panels import one_panel
from wfm.engine.forecast.baselines import predict_last_week, predict_mean_8, predict_median_6
from wfm.engine.forecast.calendar import build_calendar, read_holidays

TWINS = {
    predict_last_week: (1, statistics.fmean),
    predict_mean_8: (8, statistics.fmean),
    predict_median_6: (6, statistics.median),
}


@examples(15)
@given(st.data())
def test_anchors_equal_their_slow_twins(data):
    start, days = date(2024, 1, 3), data.draw(st.integers(1, 70))
    calls = data.draw(st.lists(st.integers(0, 9), min_size=days, max_size=days))
    missing = {start + timedelta(days=k) for k in data.draw(st.sets(st.integers(0, days - 1), max_size=5))}
    noon = [utc(start.year, start.month, start.day, 12) + timedelta(days=k) for k in range(days)]
    history = pl.DataFrame(
        {"queue_id": ["a"] * days, "interval_start": noon, "entered": calls, "abandoned": [0] * days}
    ).with_columns(pl.lit(0.0).alias("sum_handle_time_s"))
    end = start + timedelta(days=days)
    panel = one_panel(history, utc(end.year, end.month, end.day), missing)
    ahead = np.arange(panel.days[0], panel.days[-1] + 8)
    for model, (count, summary) in TWINS.items():
        found = model(panel, build_calendar(ahead, read_holidays(None)))[0, :, 48]
        for k in range(7):
            past = [end + timedelta(days=k - 7 * back) for back in range(1, 12)]
            known = [calls[(on - start).days] for on in past if on >= start and on not in missing][:count]
            assert found[k] == pytest.approx(summary(known) if known else 0.0, rel=1e-6)
