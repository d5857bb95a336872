"""Feeds that failed, and vendor states that nobody mapped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import wfm
from helpers.drawn_days import draw
from helpers.drawn_minutes import START, minutes
from helpers.planted_weeks import week
from wfm.engine.anomalies.feed_gaps import find_silent_spans, find_uncovered_spans
from wfm.engine.anomalies.outages import OutageCriteria

WEEK = (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))


INSTANT = pl.Datetime("us", "UTC")


def owner(*agents: str, source: str = "ncc") -> pl.DataFrame:
    return pl.DataFrame({"source": [source] * len(agents), "agent_id": list(agents)})


def test_gap_is_scheduled_time_without_coverage():
    frames = draw(
        "sched:a  QQQQQQQQQQQQ....",
        "sched:b  ....QQQQQQQQQQQQ",
        "state:a@ncc  AAAAAAAAAAAA",
        "state:b@ncc  ....AAAAAAAA",
        "cover:@ncc xxx.....xxxxx",
    )
    slices = wfm.score(**frames).slices()
    window = (START, minutes(12))
    rows = find_uncovered_spans(slices, frames["coverage"], owner("a", "b"), window).rows()
    # 3 to 8: five minutes of a, four of b
    assert rows == [("ncc", minutes(3), minutes(8), 2, 9 * 60.0)]


def test_gap_in_time_that_nobody_works_is_none():
    frames = draw("sched  QQQ......QQQ", "state:a@ncc AAAo.....AAA", "cover:@ncc xxx......xxx")
    slices = wfm.score(**frames).slices()
    assert find_uncovered_spans(slices, frames["coverage"], owner("a"), (START, minutes(12))).is_empty()


def test_gap_below_the_least_length_is_not_told():
    frames = draw("sched  QQQQQQ", "state:a@ncc AAAAAA", "cover:@ncc xx..xx")
    slices = wfm.score(**frames).slices()
    window = (START, minutes(6))
    assert find_uncovered_spans(slices, frames["coverage"], owner("a"), window).is_empty()
    assert (
        find_uncovered_spans(
            slices, frames["coverage"], owner("a"), window, OutageCriteria(min_duration=timedelta(minutes=2))
        ).height
        == 1
    )


def drawn_week(
    seed: int, silent: tuple[datetime, datetime] | None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    frames = week(seed).frames()
    frames["agent_state"] = frames["agent_state"].with_columns(source=pl.lit("ncc"))
    if silent:
        start, end = silent
        frames["agent_state"] = frames["agent_state"].filter((pl.col("at") < start) | (pl.col("at") >= end))
    return (
        wfm.score(**frames).slices(),
        frames["agent_state"],
        owner(*frames["agent"]["agent_id"]),
    )


@pytest.mark.parametrize("seed", range(6))
def test_feed_that_fell_silent_is_found_to_second(seed):
    silent = (WEEK[0] + timedelta(days=2, hours=11), WEEK[0] + timedelta(days=2, hours=13, minutes=30))
    slices, said, who = drawn_week(seed, silent)
    (row,) = find_silent_spans(slices, said, who, WEEK).rows(named=True)
    last = said.filter(pl.col("at") < silent[0])["at"].max()
    following = said.filter(pl.col("at") >= silent[1])["at"].min()
    assert (row["source"], row["start_at"], row["end_at"]) == ("ncc", last, following)
    assert row["agents"] >= 30
    assert row["chance"] * row["tested"] < 0.01


@pytest.mark.parametrize("seed", range(10))
def test_an_ordinary_week_has_no_silence(seed):
    slices, said, who = drawn_week(seed, None)
    assert find_silent_spans(slices, said, who, WEEK).is_empty()


def test_an_empty_room_is_not_silent():
    frames = week(3, holiday=2).frames()
    said = frames["agent_state"].with_columns(source=pl.lit("ncc"))
    slices = wfm.score(**frames | {"agent_state": said}).slices()
    assert find_silent_spans(slices, said, owner(*frames["agent"]["agent_id"]), WEEK).is_empty()
