"""Instants against the standard library as the slow twin."""
# ruff: noqa: DTZ001 - clock times without a zone are what is tested

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.files import timestamps

ZONES = [
    "Asia/Jerusalem",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "UTC",
]
FORWARD = "another time: this one does not exist in Asia/Jerusalem (clocks go forward)"


def parse(text, timezone=None, fold=None, excel=None):
    values, expected = timestamps.parse_instants(pl.Series([text], dtype=pl.String), timezone, fold, excel)
    return values[0] or expected[0]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-02T08:00:00Z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02 08:00Z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02 08:00:00 +02:00", datetime(2026, 3, 2, 6, tzinfo=UTC)),
        ("2026-03-02T08:00:00+0545", datetime(2026, 3, 2, 2, 15, tzinfo=UTC)),
        ("2026-03-02T08:00:00-03", datetime(2026, 3, 2, 11, tzinfo=UTC)),
        ("2026-03-02T08:00:00.123456789Z", datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-02T08:00:00,5Z", datetime(2026, 3, 2, 8, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_what_is_an_instant(text, instant):
    assert parse(text) == instant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-02T08:00:00", "naive time; give --timezone"),
        ("2026-03-02", "a date without a time"),
        ("1772438400", "a bare number does not say its unit"),
        ("02/03/2026 08:00", "day and month could be either way round"),
        ("3/2/26 8:00 AM", "day and month could be either way round"),
        ("02.03.2026", "day and month could be either way round"),
        ("2026-02-30T08:00:00Z", "a date and time with offset"),
        ("2026-03-02T24:00:00Z", "a date and time with offset"),
        ("2026-03-02T08:60:00Z", "a date and time with offset"),
        ("2026-03-02T08:00:60Z", "a date and time with offset"),
        ("2026-03-02T08:00:00+24:00", "a date and time with offset"),
        ("2026-03-02T08:00:00+02:60", "a date and time with offset"),
        ("2026-03-02T08:00:00.1234567890Z", "a date and time with offset"),
        ("2026-3-2T08:00:00Z", "a date and time with offset"),
        ("tomorrow", "a date and time with offset"),
        ("1969-12-31T23:59:59Z", "a year from 1970 to 2199"),
        ("2200-01-01T00:00:00Z", "a year from 1970 to 2199"),
        ("1970-01-01T00:00:00+01:00", "a year from 1970 to 2199"),
        ("٢٠٢٦-03-02T08:00:00Z", "a date and time with offset"),
    ],
)
def test_what_is_none(text, words):
    assert words in parse(text)


def test_hour_skipped_and_one_that_comes_twice():
    assert parse("2026-03-27 02:30", "Asia/Jerusalem") == FORWARD
    assert parse("2026-03-27 02:30", "Asia/Jerusalem", "later") == FORWARD
    assert "comes twice in Asia/Jerusalem" in parse("2026-10-25 01:30", "Asia/Jerusalem")
    assert parse("2026-10-25 01:30", "Asia/Jerusalem", "earlier") == datetime(
        2026, 10, 24, 22, 30, tzinfo=UTC
    )
    assert parse("2026-10-25 01:30", "Asia/Jerusalem", "later") == datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert parse("2026-10-25 01:30+02:00", "Asia/Jerusalem") == datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


def test_clock_times_past_the_zone_tables_are_refused():
    assert "not known after 2099" in parse("2100-07-01 08:00", "Asia/Jerusalem")
    assert parse("2100-07-01 08:00", "UTC") == datetime(2100, 7, 1, 8, tzinfo=UTC)


def test_excel_numbers_count_days():
    assert parse("46083.375", "UTC", excel="1900") == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert parse("44621.375", "UTC", excel="1904") == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert "naive" in parse("46083.375", excel="1900")
    assert "bare number" in parse("1772438400", "UTC", excel="1900")


TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30))
OFFSETS = st.integers(-23 * 60, 23 * 60)


@given(TIMES, OFFSETS, st.sampled_from(["T", " "]), st.booleans())
def test_twin_with_offset(moment, offset, between, colon):
    sign = "+" if offset >= 0 else "-"
    hours, minutes = divmod(abs(offset), 60)
    text = moment.isoformat(between) + f"{sign}{hours:02}{':' if colon else ''}{minutes:02}"
    assert parse(text) == datetime.fromisoformat(text).astimezone(UTC)


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2099, 12, 30)),
    st.sampled_from(ZONES),
    st.sampled_from(["earlier", "later", None]),
)
def test_twin_in_a_zone(moment, zone, fold):
    check_zone(moment, zone, fold)


@pytest.mark.slow
@given(
    st.sampled_from(ZONES[:3]),
    st.integers(2000, 2036),
    st.integers(0, 365 * 48),
    st.sampled_from(["earlier", "later", None]),
)
def test_twin_near_changes_of_the_clock(zone, year, half_hours, fold):
    change = next_change(datetime(year, 1, 1, tzinfo=UTC), zone)
    check_zone(change.replace(tzinfo=None) + timedelta(minutes=half_hours % 240 - 120), zone, fold)


def next_change(moment, zone):
    """Walk hour by hour to where the offset changes."""
    at = ZoneInfo(zone)
    while (moment + timedelta(days=1)).astimezone(at).utcoffset() == moment.astimezone(at).utcoffset():
        moment += timedelta(days=1)
    return moment.astimezone(at)


def check_zone(moment, zone, fold):
    first, last = (moment.replace(tzinfo=ZoneInfo(zone), fold=f).astimezone(UTC) for f in (0, 1))
    exists = first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    got = parse(moment.isoformat(), zone, fold)
    if not exists:
        assert "does not exist" in got
    elif first != last and fold is None:
        assert "comes twice" in got
    else:
        assert got == (last if fold == "later" else first)


@pytest.mark.slow
@given(
    st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,Z+-]{0,20}", fullmatch=True)
)
def test_anything_else_is_refused_as_twin_refuses_it(text):
    text = text.strip()
    if not text:
        return
    got = parse(text)
    if isinstance(got, datetime):
        plain = (
            re.sub(r"(\d[.,]\d{6})\d+", r"\1", text).replace(",", ".").replace("z", "Z").replace(" +", "+")
        )
        assert got == datetime.fromisoformat(re.sub(r" (?=[Z-])(?!\d)", "", plain)).astimezone(UTC)
