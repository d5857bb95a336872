"""What a forecast frame promises: its columns, rows, clock, bands; and that it never sees the future."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.drawn_volume import draw, utc
from helpers.examples import examples
from helpers.forecast_history import HISTORY, WEEK
from wfm.core.errors import InputError, UsageError
from wfm.engine.forecast import forecast_intervals, run_backtest, summarise_accuracy

COLUMNS = [
    "queue_id",
    "interval_start",
    "volume",
    "volume_p10",
    "volume_p50",
    "volume_p90",
    "aht_s",
    "aht_p10",
    "aht_p90",
    "model",
    "origin",
]


def sane(rows):
    assert rows.columns == COLUMNS
    assert rows.select(pl.col(pl.Float64).is_nan().any()).sum_horizontal().item() == 0
    assert rows.filter(pl.col("volume").is_null() | (pl.col("volume") < 0)).is_empty()
    order = (pl.col("volume_p10") <= pl.col("volume_p50")) & (pl.col("volume_p50") <= pl.col("volume_p90"))
    assert rows.filter(~order | (pl.col("volume_p10") < 0)).is_empty()
    assert rows.filter((pl.col("aht_p10") > pl.col("aht_p90")) | (pl.col("aht_p10") < 0)).is_empty()
    assert not rows.select("queue_id", "interval_start").is_duplicated().any()


def test_one_row_per_queue_and_interval_of_horizon():
    rows = forecast_intervals(HISTORY, origin=utc(2024, 4, 22), horizon=WEEK, timezone="UTC")
    sane(rows)
    assert rows.group_by("queue_id").len()["len"].to_list() == [672, 672]
    assert rows["interval_start"].min() == utc(2024, 4, 22)
    assert rows["interval_start"].max() == utc(2024, 4, 28, 23, 45)
    assert rows.schema["interval_start"] == rows.schema["origin"] == pl.Datetime("us", "UTC")
    assert rows["aht_s"].null_count() == 0


def test_closed_hours_are_learnt():
    rows = forecast_intervals(HISTORY, origin=utc(2024, 4, 22), horizon=WEEK, timezone="UTC")
    hour, day = pl.col("interval_start").dt.hour(), pl.col("interval_start").dt.weekday()
    shut = (hour < 8) | (hour >= 20) | (day == 7)
    assert rows.filter(shut)["volume_p90"].max() == 0.0
    assert rows.filter(~shut & (hour >= 9) & (hour < 18) & (day < 6))["volume"].min() > 3


def test_origin_inside_an_interval_starts_at_the_next():
    rows = forecast_intervals(
        HISTORY, origin=utc(2024, 4, 22, 10, 7), horizon=timedelta(hours=3), timezone="UTC"
    )
    sane(rows)
    assert rows["interval_start"].min() == utc(2024, 4, 22, 10, 15)
    assert rows["interval_start"].max() == utc(2024, 4, 22, 13, 0)
    assert rows["origin"].unique().to_list() == [utc(2024, 4, 22, 10, 7)]


@pytest.mark.slow
@examples(8)
@given(st.integers(0, 96 * 20), st.integers(0, 200))
def test_nothing_after_the_origin_matters(step, calls):
    origin = utc(2024, 4, 8) + timedelta(minutes=5 * step)
    later = pl.col("interval_start") + timedelta(minutes=15) > origin
    changed = HISTORY.with_columns(
        pl.when(later).then(pl.lit(calls)).otherwise("entered").alias("entered"),
        pl.when(later).then(1e6).otherwise("sum_handle_time_s").alias("sum_handle_time_s"),
    )
    ask = {"origin": origin, "horizon": timedelta(days=2), "timezone": "UTC"}
    truth = forecast_intervals(HISTORY, **ask)
    assert forecast_intervals(changed, **ask).equals(truth)
    assert forecast_intervals(HISTORY.filter(~later), **ask).equals(truth)


@pytest.mark.parametrize("origin", [date(2024, 3, 28), date(2024, 10, 24)])
def test_local_clock_drives_the_profile_when_clocks_change(origin):
    zone = "Europe/London"
    history = draw(origin - timedelta(days=120), 120, zone=zone)
    at = datetime(origin.year, origin.month, origin.day, tzinfo=ZoneInfo(zone))
    rows = forecast_intervals(history, origin=at, horizon=WEEK, timezone=zone)
    sane(rows)
    local = pl.col("interval_start").dt.convert_time_zone(zone)
    open_ = rows.filter(pl.col("volume") > 0).select(
        local.dt.hour().min().alias("first"), local.dt.hour().max().alias("last")
    )
    assert open_.row(0) == (8, 19)
    assert rows.height == 672  # seven times 24 hours from the origin, whatever the clock shows
    sunday = rows.group_by(local.dt.date().alias("on")).len().filter(pl.col("on").dt.weekday() == 7)
    assert sunday["len"].to_list() == [92 if origin.month == 3 else 100]


def test_night_calls_survive_an_hour_that_comes_twice():
    zone, history = "Europe/London", draw(date(2024, 7, 1), 121, zone="UTC")
    night = history.with_columns(pl.col("interval_start") - timedelta(hours=10))  # open 22–10 UTC
    rows = forecast_intervals(night, origin=utc(2024, 10, 25), horizon=WEEK, timezone=zone)
    sane(rows)
    assert rows["volume"].max() < 60


def test_half_hour_zones_keep_their_clock():
    zone = "Asia/Kolkata"
    history = draw(date(2024, 1, 1), 120, zone=zone)
    rows = forecast_intervals(
        history, origin=datetime(2024, 4, 22, tzinfo=ZoneInfo(zone)), horizon=WEEK, timezone=zone
    )
    first = rows.filter(pl.col("volume") > 0)["interval_start"].min()
    assert first.astimezone(ZoneInfo(zone)).strftime("%H:%M") in {"08:00", "08:15"}


def test_new_queue_and_silent_one_get_sensible_rows():
    day = draw(date(2024, 4, 19), 1).with_columns(pl.lit("new").alias("queue_id"))
    nothing = {"entered": 0, "abandoned": 0, "sum_handle_time_s": 0.0, "queue_id": "silent"}
    silent = HISTORY.head(3).with_columns(pl.lit(value).alias(name) for name, value in nothing.items())
    frame = pl.concat([part.select(HISTORY.columns).cast(HISTORY.schema) for part in (HISTORY, day, silent)])
    rows = forecast_intervals(frame, origin=utc(2024, 4, 22), horizon=WEEK, timezone="UTC")
    sane(rows)
    total = dict(rows.group_by("queue_id").agg(pl.sum("volume")).iter_rows())
    assert total["silent"] == 0.0
    assert total["new"] > 100
    assert rows.filter(pl.col("queue_id") == "silent")["aht_s"].null_count() == 672


@pytest.mark.parametrize("days", [1, 3, 6, 8, 15, 22])
def test_a_short_history_is_enough(days):
    start = utc(2024, 4, 1)
    rows = forecast_intervals(
        draw(start.date(), days), origin=start + timedelta(days=days), horizon=WEEK, timezone="UTC"
    )
    sane(rows)


def test_what_is_wrong_is_said():
    ask = {"origin": utc(2024, 4, 22), "horizon": WEEK, "timezone": "UTC"}
    wrong = {
        "no interval that ended": HISTORY.clear(),
        "lacks entered": HISTORY.drop("entered"),
        "nulls in entered": HISTORY.with_columns(pl.lit(None, pl.Int64).alias("entered")),
        "negative numbers in entered": HISTORY.with_columns(-pl.col("entered")),
        "interval_start is": HISTORY.with_columns(pl.col("interval_start").dt.replace_time_zone(None)),
    }
    for message, frame in wrong.items():
        with pytest.raises(InputError, match=message):
            forecast_intervals(frame, **ask)
    with pytest.raises(UsageError, match="zone"):
        forecast_intervals(HISTORY, **(ask | {"origin": datetime(2024, 4, 22)}))  # noqa: DTZ001
    with pytest.raises(UsageError, match="Mars"):
        forecast_intervals(HISTORY, **(ask | {"timezone": "Mars/Base"}))
    with pytest.raises(UsageError, match="positive"):
        forecast_intervals(HISTORY, **(ask | {"horizon": timedelta(0)}))
    with pytest.raises(InputError, match="name"):
        forecast_intervals(HISTORY, **ask, holiday=pl.DataFrame({"on": [date(2024, 1, 1)]}))


def test_unknown_handle_times_say_nothing():
    even = pl.col("interval_start").dt.day() % 2 == 0
    unknown = HISTORY.with_columns(pl.when(even).then("sum_handle_time_s").alias("sum_handle_time_s"))
    rows = forecast_intervals(unknown, origin=utc(2024, 4, 22), horizon=WEEK, timezone="UTC")
    sane(rows)
    assert rows["aht_s"].mean() == pytest.approx(200, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("shake", [0.0, 0.15])
def test_the_band_holds_eighty_percent(shake):
    history = draw(date(2023, 6, 1), 330, calls=25, shake=shake, seed=4)
    table = summarise_accuracy(run_backtest(history, timezone="UTC", weeks=16)).filter(
        pl.col("model") == "calendar"
    )
    covered = dict(table.select("measure", "coverage").iter_rows())
    assert covered["volume"] == pytest.approx(0.8, abs=0.05)
    assert covered["aht_s"] == pytest.approx(0.8, abs=0.05)


@pytest.mark.slow
def test_days_after_the_last_row_are_not_zero():
    ask = {"horizon": WEEK, "timezone": "UTC"}
    fresh = forecast_intervals(HISTORY, origin=utc(2024, 4, 29), **ask)
    stale = forecast_intervals(HISTORY, origin=utc(2024, 5, 20), **ask)
    assert stale["volume"].sum() == pytest.approx(fresh["volume"].sum(), rel=0.1)


def test_one_row_without_calls_is_enough():
    ask = {"origin": utc(2024, 4, 22), "horizon": WEEK, "timezone": "UTC"}
    sane(forecast_intervals(HISTORY.filter(pl.col("interval_start") < ask["origin"]).tail(1), **ask))
    none = forecast_intervals(
        HISTORY.with_columns(pl.lit(0).alias("entered"), pl.lit(0).alias("abandoned")), **ask
    )
    sane(none)
    assert none["volume"].max() == 0.0


def test_a_history_without_a_full_day_is_refused():
    with pytest.raises(InputError, match="full local day"):
        forecast_intervals(
            draw(date(2024, 4, 22), 1), origin=utc(2024, 4, 22, 12), horizon=WEEK, timezone="UTC"
        )
