"""Days, instants and windows as callers write them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from helpers.golden_day import DAY, NEXT
from wfm.analysis import time_args
from wfm.core.errors import NoDataError, UsageError


# --- windows --------------------------------------------------------------------------------------------
def test_days_and_instants():
    assert time_args.parse_time("2026-03-02", "x") == date(2026, 3, 2)
    assert time_args.parse_time("2026-03-02T08:00:00+02:00", "x") == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert time_args.parse_time(datetime(2026, 3, 2, 8, tzinfo=UTC), "x") == datetime(
        2026, 3, 2, 8, tzinfo=UTC
    )
    assert time_args.resolve_local_midnight(date(2026, 3, 2), "Asia/Jerusalem") == datetime(
        2026, 3, 1, 22, tzinfo=UTC
    )
    assert time_args.resolve_local_midnight(date(2026, 3, 29), "Asia/Beirut") == datetime(
        2026, 3, 28, 22, tzinfo=UTC
    )
    both = time_args.parse_window("2026-03-02", "2026-03-02T12:00Z", "Asia/Jerusalem")
    assert both == (datetime(2026, 3, 1, 22, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-02-30", "is neither a day like 2026-03-02 nor an instant"),
        ("2026-3-2", "is neither a day"),
        ("", "is neither a day"),
        ("tomorrow", "is neither a day"),
        ("02/03/2026 08:00", "is neither a day"),
        ("2026-03-02T25:00:00Z", "is neither a day"),
        ("2026-03-02T08:00:00", "give the offset"),
        ("0001-01-01", "give a year from 1970 to 2199"),
        ("9999-12-31T23:59:59-23:00", "give a year from 1970 to 2199"),
    ],
)
def test_what_is_no_day_and_no_instant(at, words):
    with pytest.raises(UsageError, match=words):
        time_args.parse_time(at, "--from")


@pytest.mark.slow
def test_window_ends_after_it_starts_and_holds_something(centre):
    with pytest.raises(
        UsageError, match="--to 2026-03-02 is not after --from 2026-03-02: --from is included"
    ):
        centre.adherence(DAY, DAY)
    with pytest.raises(
        NoDataError, match=r"Nothing is known from 2030-01-01 to 2030-01-02: .*wfm export collection"
    ):
        centre.adherence("2030-01-01", "2030-01-02")
    with pytest.raises(NoDataError, match="Nothing is known of ann from 2030"):
        centre.adherence("2030-01-01", "2030-01-02", agents=["ann"])
    with pytest.raises(NoDataError, match="No interval volume and no calls are known from 2030"):
        centre.intervals("2030-01-01", "2030-01-02")
    with pytest.raises(UsageError, match="A report covers whole days"):
        centre.report(f"{DAY}T08:00Z", NEXT)
    with pytest.raises(UsageError, match="explain takes a day"):
        centre.explain("ann", f"{DAY}T08:00Z")
    with pytest.raises(NoDataError, match="ann has no schedule on 2026-03-03 and did no work on that day"):
        centre.explain("ann", NEXT)
