"""Vendor states that nobody mapped: found, counted, and what each may mean."""

from __future__ import annotations

import polars as pl

import wfm
from helpers.drawn_days import draw
from helpers.drawn_minutes import minutes
from wfm import defaults
from wfm.engine.anomalies.unmapped_states import find_unmapped_states

ACTIVITY = defaults.read_default_table("activity")


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
