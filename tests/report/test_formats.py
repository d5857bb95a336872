"""Numbers, durations and dates are written without suggesting more precision or less."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.report import formats


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.96875, "96.9 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
        (None, "–"),
        (float("nan"), "–"),
        (0.00001, "<0.1 %"),
        (0.99999, ">99.9 %"),
        (1.25, "125.0 %"),
        (0.0005, "0.1 %"),
        (0.9995, ">99.9 %"),
    ],
)
def test_percent(ratio: float | None, text: str) -> None:
    assert formats.format_percent(ratio) == text


@given(st.floats(0, 1))
def test_only_exact_ends_read_as_0_and_100(ratio: float) -> None:
    assert (formats.format_percent(ratio) == "100.0 %") == (ratio == 1)
    assert (formats.format_percent(ratio) == "0.0 %") == (ratio == 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.5, "1 min 00 s"),
        (725, "12 min 05 s"),
        (3600, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (7199, "2 h 00 min"),
        (4_956_300, "1,376 h 45 min"),
        (-65, "−1 min 05 s"),
        (None, "–"),
    ],
)
def test_clock(seconds: float | None, text: str) -> None:
    assert formats.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4_406_481.0, "4,406,481 s"), (0.25, "0.25 s"), (10.0, "10 s"), (0, "0 s"), (None, "–")],
)
def test_exact_seconds_keep_every_microsecond(seconds: float | None, text: str) -> None:
    assert formats.format_exact_seconds(seconds) == text


def test_range_has_enough_decimals_to_differ() -> None:
    assert formats.format_percent_range(0.88, 0.9) == "88.0 % and 90.0 %"
    assert formats.format_percent_range(0.889067, 0.889319) == "88.91 % and 88.93 %"
    assert formats.format_percent_range(0.5, 0.5) == "50.0000 % and 50.0000 %"
    assert formats.format_percent_range(None, 1) == "–"


def test_instants_name_their_offset() -> None:
    at = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)
    assert formats.format_instant(at, "Asia/Jerusalem") == "Thu 2 Jul 2026, 00:30 (UTC+03:00)"
    assert formats.format_instant(at, "Asia/Kathmandu").endswith("(UTC+05:45)")
    assert formats.format_iso_instant(at) == "2026-07-01T21:30:00Z"
    assert formats.format_date(date(2026, 3, 2)) == "Mon 2 Mar 2026"


def test_counts_and_hours() -> None:
    assert [formats.format_count(n) for n in (0, 12, 2.5, 1234567, None)] == [
        "0",
        "12",
        "2.5",
        "1,234,567",
        "–",
    ]
    assert [formats.format_hours(s) for s in (1200, 36_000, 4_956_300)] == ["20 min 00 s", "10 h", "1,377 h"]
    assert [formats.format_plural(n, "day") for n in (1, 1200)] == ["1 day", "1,200 days"]
