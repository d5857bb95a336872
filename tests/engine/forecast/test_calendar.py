"""Holidays, the days around them, and where a day lies in its month."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from wfm.engine.forecast.calendar import build_calendar, compute_month_waves, read_holidays


def test_days_beside_a_holiday_are_labelled():
    days = (
        pl.date_range(date(2024, 12, 23), date(2024, 12, 28), eager=True).to_numpy().astype("datetime64[D]")
    )
    holiday = pl.DataFrame(
        {"on": [date(2024, 12, 25)], "name": ["Christmas (observed)"], "category": ["public"]}
    )
    labels = build_calendar(days, read_holidays(holiday)).labels
    assert labels[0].tolist() == ["", "before", "holiday", "after", "", ""]
    assert labels[1].tolist()[1:4] == ["before Christmas", "holiday Christmas", "after Christmas"]


def test_observance_teaches_its_name_and_yields_to_eve():
    days = pl.date_range(date(1999, 4, 18), date(1999, 4, 22), eager=True).to_numpy().astype("datetime64[D]")
    on = [date(1999, 4, 18), date(1999, 4, 20), date(1999, 4, 21), date(1999, 4, 21)]
    names = ["School day", "Remembrance Day", "Independence Day", "Fair"]
    holiday = pl.DataFrame({"on": on, "name": names, "category": ["school", "optional", "public", "school"]})
    labels = build_calendar(days, read_holidays(holiday)).labels
    assert labels[0].tolist() == ["observance School day", "", "before", "holiday", "after"]


def test_month_waves_close_over_turn_of_the_month():
    days = pl.date_range(date(2024, 1, 31), date(2024, 2, 1), eager=True).to_numpy().astype("datetime64[D]")
    last, first = compute_month_waves(days)
    assert first == pytest.approx(last, abs=0.5)
