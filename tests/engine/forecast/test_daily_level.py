"""The level of a day: storms, days nobody recorded, and the rest of today."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from helpers.drawn_volume import draw, utc
from helpers.forecast_panels import one_panel
from wfm.engine.forecast import forecast_intervals


@pytest.mark.slow
def test_a_storm_does_not_poison_the_level():
    calm = draw(date(2024, 1, 1), 168)
    storm = draw(date(2024, 1, 1), 168, factor={date(2024, 6, 12): 6.0})
    ask = {"origin": utc(2024, 6, 17), "horizon": timedelta(days=7), "timezone": "UTC"}
    assert forecast_intervals(storm, **ask)["volume"].sum() == pytest.approx(
        forecast_intervals(calm, **ask)["volume"].sum(), rel=0.05
    )


def test_unrecorded_day_is_missing_and_changes_nothing():
    whole = draw(date(2024, 1, 1), 168)
    hole = whole.filter(pl.col("interval_start").dt.date() != date(2024, 6, 12))
    panel = one_panel(hole, utc(2024, 6, 17))
    assert panel.days[panel.missing].tolist() == [date(2024, 6, 12)]
    ask = {"origin": utc(2024, 6, 17), "horizon": timedelta(days=7), "timezone": "UTC"}
    assert forecast_intervals(hole, **ask)["volume"].sum() == pytest.approx(
        forecast_intervals(whole, **ask)["volume"].sum(), rel=0.03
    )


@pytest.mark.slow
def test_the_rest_of_today_follows_its_morning():
    history = draw(date(2024, 1, 1), 170, shake=0.2, calls=60)
    busy = draw(date(2024, 1, 1), 170, shake=0.2, calls=60, factor={date(2024, 6, 18): 2.0})
    ask = {"origin": utc(2024, 6, 18, 12), "horizon": timedelta(hours=12), "timezone": "UTC"}
    assert (
        forecast_intervals(busy, **ask)["volume"].sum()
        > 1.1 * forecast_intervals(history, **ask)["volume"].sum()
    )
