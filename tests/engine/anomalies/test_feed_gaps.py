"""Feeds that failed, and vendor states that nobody mapped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import wfm
from helpers.drawn_days import draw
from helpers.planted_weeks import week
from wfm import defaults
from wfm.engine.anomalies.feed_gaps import find_silent_spans, find_uncovered_spans
from wfm.engine.anomalies.outages import OutageCriteria
from wfm.engine.anomalies.unmapped_states import find_unmapped_states

ACTIVITY = defaults.read_default_table("activity")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WEEK = (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
INSTANT = pl.Datetime("us", "UTC")


def owner(*agents: str, source: str = "ncc") -> pl.DataFrame:
    return pl.DataFrame({"source": [source] * len(agents), "agent_id": list(agents)})


def minutes(n: float) -> datetime:
    return START + timedelta(minutes=n)


def test_a_gap_is_what_coverage_leaves_out_of_scheduled_time():
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


def test_a_gap_in_time_that_nobody_works_is_none():
    frames = draw("sched  QQQ......QQQ", "state:a@ncc AAAo.....AAA", "cover:@ncc xxx......xxx")
    slices = wfm.score(**frames).slices()
    assert find_uncovered_spans(slices, frames["coverage"], owner("a"), (START, minutes(12))).is_empty()


def test_a_gap_below_the_least_length_is_not_told():
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
def test_a_feed_that_fell_silent_is_found_to_the_second(seed):
    silent = (WEEK[0] + timedelta(days=2, hours=11), WEEK[0] + timedelta(days=2, hours=13, minutes=30))
    slices, said, who = drawn_week(seed, silent)
    (row,) = find_silent_spans(slices, said, who, WEEK).rows(named=True)
    last = said.filter(pl.col("at") < silent[0])["at"].max()
    following = said.filter(pl.col("at") >= silent[1])["at"].min()
    assert (row["source"], row["start_at"], row["end_at"]) == ("ncc", last, following)
    assert row["agents"] >= 30
    assert row["chance"] * row["looks"] < 0.01


@pytest.mark.parametrize("seed", range(10))
def test_an_ordinary_week_has_no_silence(seed):
    slices, said, who = drawn_week(seed, None)
    assert find_silent_spans(slices, said, who, WEEK).is_empty()


def test_an_empty_room_is_not_silent():
    frames = week(3, holiday=2).frames()
    said = frames["agent_state"].with_columns(source=pl.lit("ncc"))
    slices = wfm.score(**frames | {"agent_state": said}).slices()
    assert find_silent_spans(slices, said, owner(*frames["agent"]["agent_id"]), WEEK).is_empty()


# --- words ------------------------------------------------------------------------------------------------
def said_by(frames: dict[str, pl.DataFrame], word: str = "Mystery") -> pl.DataFrame:
    mine = frames["agent_state"].filter(pl.col("vendor_state") == word)
    return mine.select("source", "vendor_state", agent_id="login")


def looked_at(*lines: str, word: str = "Mystery") -> dict:
    frames = draw(*lines)
    frames["agent_state"] = frames["agent_state"].with_columns(
        pl.col("vendor_state").replace("Mystery", word)
    )
    found = find_unmapped_states(wfm.score(**frames).slices(), said_by(frames, word), ACTIVITY)
    assert found.height == 1
    return found.row(0, named=True)


def test_a_state_on_the_phone_is_busy():
    row = looked_at("sched QQQQQQQQ", "state:a@ncc A????AAA", "calls:a@ncc .1111...")
    assert (row["state"], row["ground"], row["on_call"], row["seconds"]) == ("busy", "call log", 1.0, 240.0)
    assert (row["times"], row["agents"], row["source"]) == (1, 1, "ncc")


def test_a_state_after_calls_is_wrap_up():
    row = looked_at("sched QQQQQQQQ", "state:a@ncc ABB??AB?", "calls:a@ncc .11...2.")
    assert (row["state"], row["ground"], row["times"], row["after_call"]) == ("wrapup", "neighbours", 2, 1.0)


def test_a_state_during_the_scheduled_break_is_break():
    row = looked_at("sched QQBBBQQQ", "state:a@ncc AA???AAA")
    assert (row["state"], row["ground"], row["planned"], row["planned_share"]) == (
        "break",
        "schedule",
        "break",
        1.0,
    )


def test_the_word_itself_speaks():
    row = looked_at("sched QQQQQQQQ", "state:a@ncc AA???AAA", word="Coaching - Team B")
    assert (row["state"], row["ground"]) == ("training", "word")


def test_where_nothing_speaks_nothing_is_suggested():
    row = looked_at("sched QQQQQQQQ", "state:a@ncc AA???AAA")
    assert (row["state"], row["ground"], row["scheduled_s"]) == (None, None, 180.0)


def test_every_figure_of_two_words_said_as_long() -> None:
    """Of as much time, in order of the word; half in a scheduled break is not most of it."""
    frames = draw(
        "sched:a QQQQQQ", "state:a@ncc A?A?AA", "sched:b QQBBQQ", "state:b@ncc ?A?AAA", "calls:b@ncc ..1..."
    )
    word = pl.when(pl.col("login") == "a").then(pl.lit("Zeta")).otherwise(pl.lit("Alpha"))
    frames["agent_state"] = frames["agent_state"].with_columns(
        vendor_state=pl.when(pl.col("vendor_state") == "Mystery").then(word).otherwise("vendor_state")
    )
    said = pl.concat([said_by(frames, "Zeta"), said_by(frames, "Alpha")])
    found = find_unmapped_states(wfm.score(**frames).slices(), said, ACTIVITY)
    assert found.drop("state", "ground").rows() == [
        ("ncc", "Alpha", minutes(0), minutes(3), 1, 120.0, 2, 120.0, 0.5, 0.0, "break", 0.5),
        ("ncc", "Zeta", minutes(1), minutes(4), 1, 120.0, 2, 120.0, 0.0, 0.0, "on_queue", 1.0),
    ]
    assert found.select("state", "ground").rows() == [(None, None), (None, None)]
