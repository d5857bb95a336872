"""A backtest says what forecasts from its origins would have said."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from helpers.drawn_volume import utc
from helpers.forecast_history import HISTORY, WEEK
from wfm.core.errors import UsageError
from wfm.engine.forecast import forecast_intervals, run_backtest, summarise_accuracy


@pytest.mark.slow
def test_backtest_beats_baselines_on_a_steady_centre():
    table = summarise_accuracy(run_backtest(HISTORY, timezone="UTC", weeks=6), by=["queue_id"])
    volume = table.filter((pl.col("measure") == "volume") & (pl.col("queue_id") == "q0"))
    wape = dict(volume.select("model", "wape15").iter_rows())
    floor = volume["noise_floor"][0]
    assert floor < wape["calendar"] < 1.15 * floor
    assert wape["calendar"] < wape["median_6"] < wape["last_week"]


@pytest.mark.slow
def test_backtest_origin_says_what_forecast_from_it_says():
    table = run_backtest(HISTORY, timezone="UTC", weeks=2, until=date(2024, 4, 29))
    rows = forecast_intervals(HISTORY, origin=utc(2024, 4, 22), horizon=WEEK, timezone="UTC")
    both = table.filter((pl.col("model") == "calendar") & (pl.col("origin_on") == date(2024, 4, 22)))
    for column in ("volume", "volume_p10", "volume_p90", "aht_s", "aht_p90"):
        assert both[column].sum() == pytest.approx(rows[column].sum(), rel=1e-9)


def test_too_short_history_for_a_backtest_is_refused():
    with pytest.raises(UsageError, match="weekly origins"):
        run_backtest(HISTORY, timezone="UTC", weeks=20)
