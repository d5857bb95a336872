"""A dry run: the moves between classes, each with its cause, explain the whole difference of two scores."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import days, draw, golden
from helpers.examples import examples
from helpers.planted_weeks import week
from wfm.core import glossary
from wfm.engine.adherence.scoring import GROUPINGS, ScoreOptions
from wfm.engine.adherence.what_if_diff import (
    NOT_COUNTED_CLASS,
    compare_whatif_figures,
    sum_moves_by_cause,
)

RULES = {"category": pl.String, "state": pl.String, "in_adherence": pl.Boolean}


def rules(*rows: tuple[str, str, bool]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=RULES, orient="row")


def mapping(*rows: tuple[str, str]) -> pl.DataFrame:
    schema = {"vendor_state": pl.String, "state": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(source=pl.lit("*"))


def is_explained(before, after, by: list[str]) -> None:
    """Seconds after = seconds before + what moves to a class - what moves from it, in every group and class."""
    flows = sum_moves_by_cause(before, after, by)
    for name in glossary.CLASSES:
        old, new = (score.adherence(by).select(*by, s=f"{name}_s") for score in (before, after))
        arrives = flows.filter(pl.col("to_class") == name).select(*by, s="seconds")
        leaves = flows.filter(pl.col("from_class") == name).select(*by, s=-pl.col("seconds"))
        left = pl.concat([old, arrives, leaves, new.with_columns(-pl.col("s"))])
        total = left.group_by(by).agg(pl.col("s").sum()) if by else left.select(pl.col("s").sum())
        assert total["s"].abs().max() in (None, pytest.approx(0, abs=1e-5)), (name, by)
    assert flows.filter(pl.col("from_class") == pl.col("to_class")).is_empty()
    assert flows.filter(pl.col("seconds") <= 0).is_empty()


def test_a_mapping_moves_the_seconds_it_explains():
    frames = draw("sched QQQQQQQQQQ", "state AA???AAbbA")
    before = wfm.score(**frames)
    after = wfm.score(**frames, state_map=mapping(("Mystery", "working")))
    assert sum_moves_by_cause(before, after).rows() == [
        ("a", "unknown", "in", "mapping Mystery: unmapped to working", 180.0, 1)
    ]
    (row,) = compare_whatif_figures(before, after, target=0.75).rows(named=True)
    assert (row["adherence_before"], row["adherence_after"]) == (5 / 7, 8 / 10)
    assert (row["moved_s"], row["crosses"]) == (180.0, "up")
    assert row["change"] == pytest.approx(8 / 10 - 5 / 7)


def test_a_rule_moves_the_seconds_it_decides():
    frames = draw("sched QQBBBBQQ", "state AAttttAA")
    before, after = (
        wfm.score(**frames),
        wfm.score(**frames, rule=rules(("break", "training", True))),
    )
    assert sum_moves_by_cause(before, after, ["team"]).rows() == [
        (None, "controllable", "in", "rule break, training: in", 240.0, 1)
    ]
    back = sum_moves_by_cause(after, before)
    assert back["cause"].to_list() == ["rule break, training: out"]
    assert compare_whatif_figures(after, before, target=0.9)["crosses"].to_list() == ["down"]


def test_an_activity_that_is_no_longer_counted_leaves():
    frames = draw("sched QQGGQQ", "state AAggAA")
    off = pl.DataFrame({"activity": ["meeting"], "category": ["meeting"], "counted": [False]})
    before, after = (
        wfm.score(**frames),
        wfm.score(**frames, activity=off),
    )
    assert sum_moves_by_cause(before, after).rows() == [
        ("a", "in", NOT_COUNTED_CLASS, "activity meeting: not counted", 120.0, 1)
    ]
    (row,) = compare_whatif_figures(before, after).rows(named=True)
    assert (row["scheduled_before_s"], row["scheduled_after_s"], row["crosses"]) == (360.0, 240.0, None)


def test_activity_changing_category_moves_between_groups():
    frames = draw("sched QQEEQQ", "state AAAAAA")
    other = pl.DataFrame({"activity": ["email"], "category": ["on_queue"]})
    before, after = (
        wfm.score(**frames),
        wfm.score(**frames, activity=other),
    )
    cause = "activity email: off_queue_work to on_queue"
    assert sum_moves_by_cause(before, after, ["category"]).sort("category").rows() == [
        ("off_queue_work", "controllable", NOT_COUNTED_CLASS, cause, 120.0, 1),
        ("on_queue", NOT_COUNTED_CLASS, "in", cause, 120.0, 1),
    ]
    assert sum_moves_by_cause(before, after).rows() == [("a", "controllable", "in", cause, 120.0, 1)]


def test_an_option_moves_what_a_call_excuses():
    frames = draw("sched QQQBBBQQ", "state AABBWWAA", "calls ..11....")
    before = wfm.score(**frames)
    after = wfm.score(**frames, options=ScoreOptions(wrapup_grace=timedelta(seconds=30)))
    assert sum_moves_by_cause(before, after).rows() == [
        ("a", "call_driven", "controllable", "what a call excuses", 90.0, 1)
    ]


def test_a_state_that_holds_longer_is_not_lost():
    frames = draw("sched QQQQ", "state AAAA", step_s=3600)
    short = wfm.score(**frames, options=ScoreOptions(state_renewal=timedelta(hours=1)))
    (row,) = sum_moves_by_cause(short, wfm.score(**frames)).rows()
    assert row[1:] == ("unknown", "in", "how long a state lasts without renewal", 3 * 3600.0, 1)


def test_nothing_changed_moves_nothing():
    scored = wfm.score(**golden())
    assert sum_moves_by_cause(scored, wfm.score(**golden())).is_empty()
    (row,) = compare_whatif_figures(scored, scored, []).rows(named=True)
    assert (row["change"], row["moved_s"]) == (0.0, 0.0)


@pytest.mark.slow
@examples(10, phases=[Phase.generate])
@given(data=st.data())
def test_the_moves_explain_the_whole_difference(data):
    day = data.draw(days())
    inputs = {name: frame for name, frame in day.tables.items() if name != "rules"}
    state = st.sampled_from([one for one in glossary.STATES if one not in ("unknown", "unmapped")])
    new = rules(
        *data.draw(
            st.lists(
                st.tuples(st.sampled_from(glossary.CATEGORIES), state, st.booleans()), min_size=1, max_size=6
            )
        )
    )
    words = inputs["agent_state"]["vendor_state"].unique().sort().to_list() or ["x"]
    told = mapping(
        *data.draw(st.lists(st.tuples(st.sampled_from(words), state), max_size=3)) or [("x", "busy")]
    )
    old = inputs.get("state_map", told.clear()).with_columns(pl.col("source").fill_null("*"))
    options = ScoreOptions(wrapup_grace=timedelta(seconds=data.draw(st.sampled_from([0, 60, 600]))))
    before = wfm.score(**inputs | {"state_map": old}, timezone=day.timezone, as_of=day.as_of)
    laid = inputs | {"state_map": pl.concat([old, told], how="diagonal"), "rule": new}
    after = wfm.score(**laid, timezone=day.timezone, as_of=day.as_of, options=options)
    for by in (["agent_id"], ["agent_id", "workday"], ["activity"], []):
        is_explained(before, after, by)


@pytest.mark.parametrize("by", GROUPINGS)
def test_week_is_explained_by_any_grouping(by):
    frames = week(11).frames()
    other = pl.DataFrame({"activity": ["meeting"], "category": ["off_queue_work"]})
    before = wfm.score(**frames)
    after = wfm.score(
        **frames, activity=other, rule=rules(("on_queue", "away", True), ("meal", "meal", False))
    )
    is_explained(before, after, [by])


def test_stretches_add_up_to_what_was_scored():
    scored = wfm.score(**week(6).frames())
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()
    rows = scored.scheduled(GROUPINGS).filter(pl.col("class").is_not_null())
    summed = rows.group_by("team", "workday").agg(s=length.sum() / 1_000_000).sort("team", "workday")
    whole = scored.adherence(["team", "workday"]).select("team", "workday", s="scheduled_s")
    assert summed.equals(whole)
