"""What a forecast learns from holidays, and which days it takes for them."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from helpers.drawn_volume import draw, utc
from wfm.engine.forecast import forecast_intervals


def daily(rows, zone="UTC"):
    local = pl.col("interval_start").dt.convert_time_zone(zone).dt.date().alias("on")
    return dict(rows.group_by(local).agg(pl.sum("volume")).iter_rows())


@pytest.mark.slow
def test_holiday_is_learnt_from_another_with_its_eve():
    closed, eve = date(2024, 5, 1), date(2024, 4, 30)
    history = draw(date(2024, 1, 1), 168, factor={closed: 0.0, eve: 0.5})
    holiday = pl.DataFrame({"on": [closed, date(2024, 6, 20)], "name": ["May Day", "Midsummer"]})
    rows = forecast_intervals(
        history, origin=utc(2024, 6, 17), horizon=timedelta(days=7), timezone="UTC", holiday=holiday
    )
    plain = forecast_intervals(history, origin=utc(2024, 6, 17), horizon=timedelta(days=7), timezone="UTC")
    with_, without = daily(rows), daily(plain)
    assert with_[date(2024, 6, 20)] < 0.1 * without[date(2024, 6, 20)]
    assert 0.4 < with_[date(2024, 6, 19)] / without[date(2024, 6, 19)] < 0.75
    assert with_[date(2024, 6, 18)] == pytest.approx(without[date(2024, 6, 18)], rel=0.15)


def test_holiday_that_runs_like_saturday_gets_its_shape():
    sundays = 0.4 / 1.0
    past = [date(2024, 2, 21), date(2024, 4, 4), date(2024, 5, 9)]
    history = draw(date(2024, 1, 1), 168, factor=dict.fromkeys(past, sundays))
    holiday = pl.DataFrame({"on": [*past, date(2024, 6, 19)], "name": ["a", "b", "c", "d"]})
    rows = forecast_intervals(
        history, origin=utc(2024, 6, 17), horizon=timedelta(days=7), timezone="UTC", holiday=holiday
    )
    found = daily(rows)
    assert found[date(2024, 6, 19)] == pytest.approx(found[date(2024, 6, 22)], rel=0.25)
