"""What differs between two scores: against a walk over every cell, and the sums of both against each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days, draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import build_inputs, find_window, score_day
from wfm.core.glossary import CLASSES
from wfm.engine.adherence.classify import ADHERENCE_SUMS, CLASS_SUMS
from wfm.engine.adherence.score_diff import (
    COMPARED_COLUMNS,
    diff_figures,
    diff_slices,
    find_touching_rows,
    sum_changed_workdays,
    sum_class_moves,
)
from wfm.engine.adherence.scoring import ScoreOptions
from wfm.engine.adherence.tolerance import ExceptionThreshold

WHO = ["agent_id", "workday"]


def drawn(*lines: str) -> Any:
    return wfm.score(**draw(*lines))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any, Day]:
    """Draw a day scored twice: the first time some rows of it were not known."""
    day = draw(days())
    some = {}
    for name, frame in day.tables.items():
        if name != "activity" and frame.height and draw(st.booleans()):
            kept = draw(st.lists(st.booleans(), min_size=frame.height, max_size=frame.height))
            some[name] = frame.filter(pl.Series(kept, dtype=pl.Boolean))
    whole = Day(day.tables | some, day.timezone, day.as_of, day.step_s)
    window = find_window(day)
    if draw(st.booleans()):
        window = ((window[0] - timedelta(days=2)).date(), (window[1] + timedelta(days=2)).date())
    return score_day(whole, window=window), score_day(day, window=window), day


@pytest.mark.slow
@slow_examples(20)
@given(pairs())
def test_class_moves_sum_to_the_difference_of_totals(drawn):
    before, after, _ = drawn
    found = diff_slices(before, after)
    want: dict[tuple[object, ...], float] = {}
    for row in diff_figures(before, after, WHO).iter_rows(named=True):
        for name in CLASSES:
            want[row["agent_id"], row["workday"], name] = row[f"{name}_change_s"]
    have: dict[tuple[object, ...], float] = {}
    for row in found.iter_rows(named=True):
        for which, sign in (("after", 1), ("before", -1)):
            if row[f"class_{which}"] is not None:
                key = (row["agent_id"], row[f"workday_{which}"], row[f"class_{which}"])
                have[key] = have.get(key, 0) + sign * row["seconds"]
    assert {k: v for k, v in have.items() if abs(v) > 1e-6}.keys() == {k for k, v in want.items() if v}
    assert all(abs(have.get(key, 0) - value) < 1e-6 for key, value in want.items())


def told(rows: list[dict[str, Any]], agent: str, at: datetime) -> tuple[object, ...]:
    """Say, row by row, what a score says of an instant."""
    for row in rows:
        if row["agent_id"] == agent and row["start_at"] <= at < row["end_at"]:
            if row["activity"] is None and row["reason"] is None:
                break
            return tuple(row[name] for name in COMPARED_COLUMNS)
    return (None,) * len(COMPARED_COLUMNS)


@pytest.mark.slow
@slow_examples(20)
@given(pairs())
def test_stretch_is_where_two_scores_differ(drawn):
    before, after, _ = drawn
    sides = [scored.dated_slices().rows(named=True) for scored in (before, after)]
    edges = {
        (row["agent_id"], row[edge]) for side in sides for row in side for edge in ("start_at", "end_at")
    }
    found = diff_slices(before, after).rows(named=True)
    for agent, at in edges:
        one, other = (told(side, agent, at) for side in sides)
        inside = [r for r in found if r["agent_id"] == agent and r["start_at"] <= at < r["end_at"]]
        assert len(inside) == (one != other)
        for row in inside:
            assert tuple(row[f"{name}_before"] for name in COMPARED_COLUMNS) == one
            assert tuple(row[f"{name}_after"] for name in COMPARED_COLUMNS) == other
            assert row["seconds"] == (row["end_at"] - row["start_at"]).total_seconds()


@pytest.mark.slow
@slow_examples(10)
@given(pairs())
def test_the_same_score_twice_differs_in_nothing(drawn):
    _, after, day = drawn
    again = wfm.score(**{**build_inputs(day), "window": after.window})
    assert diff_slices(after, again).is_empty()
    assert diff_figures(after, again, WHO).is_empty()
    assert sum_class_moves(diff_slices(after, again)).is_empty()


@pytest.mark.slow
@slow_examples(10)
@given(pairs(), st.lists(st.sampled_from(["agent_id", "workday", "team"]), max_size=2, unique=True))
def test_figures_are_those_of_each_score(drawn, by):
    before, after, _ = drawn
    found = diff_figures(before, after, by)
    for which, scored in (("before", before), ("after", after)):
        alone = {tuple(row[name] for name in by): row for row in scored.adherence(by).iter_rows(named=True)}
        for row in found.iter_rows(named=True):
            own = alone.get(tuple(row[name] for name in by), dict.fromkeys(ADHERENCE_SUMS, 0.0))
            assert [row[f"{n.removesuffix('_s')}_{which}_s"] for n in ADHERENCE_SUMS] == [
                own[n] for n in ADHERENCE_SUMS
            ]
            assert row[f"adherence_{which}"] == own.get("adherence")


def test_an_exemption_moves_the_golden_days_three_minutes():
    day = golden()
    late = day["schedule"].head(1).select("start_at", end_at=pl.col("start_at").dt.offset_by("30m"))
    exemption = late.with_columns(kind=pl.lit("approved"), agent_id=pl.lit("a"))
    before, after = (
        wfm.score(**day),
        wfm.score(**day, exemption=exemption),
    )
    (moved,) = sum_class_moves(diff_slices(before, after)).to_dicts()
    assert (moved["class_before"], moved["class_after"], moved["seconds"]) == (
        "controllable",
        "approved",
        180,
    )
    (row,) = diff_figures(before, after).to_dicts()
    assert (row["adherence_before"], row["adherence_after"]) == (0.96875, 0.96875)
    assert (row["adherence_adjusted_before"], row["adherence_adjusted_after"]) == (0.99375, 1.0)
    changes = {name: row[f"{name}_change_s"] for name in (part.removesuffix("_s") for part in CLASS_SUMS)}
    assert {name: seconds for name, seconds in changes.items() if seconds} == {
        "approved": 180,
        "controllable": -180,
    }


def test_stretches_that_touch_and_say_same_are_one():
    (row,) = diff_slices(drawn("sched QQQQ", "state oooA"), drawn("sched QQQQ", "state oAAA")).to_dicts()
    assert (row["seconds"], row["state_before"], row["state_after"]) == (120, "logged_out", "available")


def test_new_workday_starts_from_zero_without_ratio():
    (row,) = diff_figures(drawn("sched ....", "state AAAA"), drawn("sched QQQQ", "state AAAA")).to_dicts()
    assert (row["scheduled_before_s"], row["scheduled_after_s"], row["in_change_s"]) == (0, 240, 240)
    assert (row["adherence_before"], row["adherence_after"]) == (None, 1.0)


def test_figures_differ_as_usual_where_time_is_tolerated():
    options = ScoreOptions(threshold=ExceptionThreshold(timedelta(seconds=61)))
    frames = (draw("sched QQQQ", "state AAbA"), draw("sched QQQQ", "state AAAA"))
    (row,) = diff_figures(*(wfm.score(**each, options=options) for each in frames), ["agent_id"]).to_dicts()
    assert (row["agent_id"], row["in_change_s"], row["adherence_before"], row["adherence_after"]) == (
        "a",
        60.0,
        0.75,
        1.0,
    )


def test_rows_touch_stretches_across_days_and_agents():
    start = datetime.fromisoformat("2026-03-01T23:00+00:00")
    hour = timedelta(hours=1)
    changed = pl.DataFrame(
        {
            "agent_id": ["a", "a", "b"],
            "workday": [start.date()] * 3,
            "start_at": [start, start + 3 * hour, start],
            "end_at": [start + 2 * hour, start + 4 * hour, start + hour],
            "seconds": [7200.0, 3600.0, 3600.0],
        },
        schema_overrides={"start_at": pl.Datetime("us", "UTC"), "end_at": pl.Datetime("us", "UTC")},
    )
    rows = pl.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "agent_id": ["a", None, "b", "a"],
            "start_at": [start + hour, None, start + hour, start + 2 * hour],
            "end_at": [start + 9 * hour, None, None, start + 3 * hour],
        },
        schema_overrides={"start_at": pl.Datetime("us", "UTC"), "end_at": pl.Datetime("us", "UTC")},
    )
    found = find_touching_rows(rows, changed).sort("number", "agent_id")
    assert found.select("number", "agent_id", "seconds").rows() == [
        (0, "a", 10800),
        (1, "a", 10800),
        (1, "b", 3600),
    ]
    assert sum_changed_workdays(changed)["seconds"].to_list() == [10800, 3600]
