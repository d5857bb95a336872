"""The anchors against slow twins; what the calendar model learns."""

import statistics
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.drawn_volume import draw, utc
from helpers.examples import examples
from wfm.engine.forecast import forecast_intervals
from wfm.engine.forecast.baselines import predict_last_week, predict_mean_8, predict_median_6
from wfm.engine.forecast.calendar import build_calendar, read_holidays
from wfm.engine.forecast.panel import build_panels

TWINS = {
    predict_last_week: (1, statistics.fmean),
    predict_mean_8: (8, statistics.fmean),
    predict_median_6: (6, statistics.median),
}


def one_panel(history, origin, missing=()):
    return next(
        build_panels(history, origin=origin, timezone="UTC", holiday=frozenset(), missing=frozenset(missing))
    )


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


def daily(rows, zone="UTC"):
    local = pl.col("interval_start").dt.convert_time_zone(zone).dt.date().alias("on")
    return dict(rows.group_by(local).agg(pl.sum("volume")).iter_rows())


def test_a_holiday_is_learnt_from_another_that_closed_and_its_eve_too():
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


def test_a_holiday_that_runs_like_a_saturday_gets_its_shape():
    sundays = 0.4 / 1.0
    past = [date(2024, 2, 21), date(2024, 4, 4), date(2024, 5, 9)]
    history = draw(date(2024, 1, 1), 168, factor=dict.fromkeys(past, sundays))
    holiday = pl.DataFrame({"on": [*past, date(2024, 6, 19)], "name": ["a", "b", "c", "d"]})
    rows = forecast_intervals(
        history, origin=utc(2024, 6, 17), horizon=timedelta(days=7), timezone="UTC", holiday=holiday
    )
    found = daily(rows)
    assert found[date(2024, 6, 19)] == pytest.approx(found[date(2024, 6, 22)], rel=0.25)


def test_a_storm_does_not_poison_the_level():
    calm = draw(date(2024, 1, 1), 168)
    storm = draw(date(2024, 1, 1), 168, factor={date(2024, 6, 12): 6.0})
    ask = {"origin": utc(2024, 6, 17), "horizon": timedelta(days=7), "timezone": "UTC"}
    assert forecast_intervals(storm, **ask)["volume"].sum() == pytest.approx(
        forecast_intervals(calm, **ask)["volume"].sum(), rel=0.05
    )


def test_a_day_nobody_recorded_is_found_missing_and_changes_nothing():
    whole = draw(date(2024, 1, 1), 168)
    hole = whole.filter(pl.col("interval_start").dt.date() != date(2024, 6, 12))
    panel = one_panel(hole, utc(2024, 6, 17))
    assert panel.days[panel.missing].tolist() == [date(2024, 6, 12)]
    ask = {"origin": utc(2024, 6, 17), "horizon": timedelta(days=7), "timezone": "UTC"}
    assert forecast_intervals(hole, **ask)["volume"].sum() == pytest.approx(
        forecast_intervals(whole, **ask)["volume"].sum(), rel=0.03
    )


def test_the_rest_of_today_follows_its_morning():
    history = draw(date(2024, 1, 1), 170, shake=0.2, calls=60)
    busy = draw(date(2024, 1, 1), 170, shake=0.2, calls=60, factor={date(2024, 6, 18): 2.0})
    ask = {"origin": utc(2024, 6, 18, 12), "horizon": timedelta(hours=12), "timezone": "UTC"}
    assert (
        forecast_intervals(busy, **ask)["volume"].sum()
        > 1.1 * forecast_intervals(history, **ask)["volume"].sum()
    )
