"""How much of a history is used to measure the forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wfm.analysis.forecast import count_backtest_origins

START = datetime(2026, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(("days", "weeks"), [(7, 1), (21, 1), (42, 4), (70, 8), (400, 8)])
def test_weekly_origins_leave_two_weeks_to_learn(days: int, weeks: int) -> None:
    assert count_backtest_origins(START, START + timedelta(days=days)) == weeks
