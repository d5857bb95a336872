"""The cube on the local clock against a walk over the intervals."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from helpers.drawn_volume import draw, utc
from helpers.examples import examples
from wfm.engine.forecast.panel import INTERVAL_LENGTH, build_panels, find_day_start, get_weekdays

ZONES = ["Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "America/St_Johns"]


@examples(12)
@given(st.sampled_from(ZONES), st.integers(0, 364), st.integers(0, 95), st.integers(1, 4))
def test_every_interval_has_its_local_day_and_slot(zone, offset, late, days):
    start = utc(2018, 1, 1) + timedelta(days=offset)
    origin = start + timedelta(days=days) + late * INTERVAL_LENGTH
    rows = [(start + k * INTERVAL_LENGTH, k % 7) for k in range(96 * days + 96)]
    history = pl.DataFrame(
        {"queue_id": "a", "interval_start": [at for at, _ in rows], "entered": [n for _, n in rows]}
    ).with_columns(pl.lit(0).alias("abandoned"), pl.lit(0.0).alias("sum_handle_time_s"))
    panel = next(
        build_panels(history, origin=origin, timezone=zone, holiday=frozenset(), missing=frozenset())
    )
    slow: Counter[tuple[date, int]] = Counter()
    for at, n in rows:
        if at + INTERVAL_LENGTH <= origin:
            local = at.astimezone(ZoneInfo(zone))
            slow[local.date(), (local.hour * 60 + local.minute) // 15] += n
    fast = {
        (on, slot): panel.entered[0, day, slot]
        for day, on in enumerate(panel.days.tolist())
        for slot in range(96)
        if panel.entered[0, day, slot]
    }
    assert fast == {place: n for place, n in slow.items() if n}
    tomorrow = find_day_start(panel.days[-1].item() + timedelta(days=1), zone)
    assert panel.today == (tomorrow > origin)
    counted = (tomorrow if not panel.today else origin) - find_day_start(panel.days[0].item(), zone)
    assert panel.slot_counts.sum() == counted / INTERVAL_LENGTH


def test_missing_midnight_is_the_first_instant():
    assert find_day_start(date(2018, 11, 4), "America/Sao_Paulo") == utc(2018, 11, 4, 3)


def test_weekdays_are_counted_from_monday():
    days = pl.date_range(date(2024, 1, 1), date(2024, 1, 14), eager=True)
    assert get_weekdays(days.to_numpy().astype("datetime64[D]")).tolist() == [*range(7), *range(7)]


def test_repeated_rows_of_an_interval_are_summed():
    history = draw(date(2024, 1, 1), 3)
    twice = pl.concat([history, history])
    ask = {"origin": utc(2024, 1, 4), "timezone": "UTC", "holiday": frozenset(), "missing": frozenset()}
    one, two = next(build_panels(history, **ask)), next(build_panels(twice, **ask))
    assert (two.entered == 2 * one.entered).all()
