"""Bridges between scores: every point is somebody's seconds, and the points close, exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days, draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import score_by_engine, walk_workdays
from helpers.slow_definitions import DEFINITIONS, OWN
from wfm.core.errors import UsageError
from wfm.engine.adherence.bridge import WEIGHTED_SECONDS
from wfm.engine.adherence.scoring import GROUPINGS

ALL = DEFINITIONS | OWN
two = st.permutations(list(ALL)).map(lambda names: names[:2])


def close(row: dict[str, Any], n: int, d: int, n2: int, d2: int) -> Fraction:
    """Work out a row's points from its seconds and the two scores, without rounding."""
    n_from, d_from, n_to, d_to = (int(row[name]) for name in WEIGHTED_SECONDS)
    return Fraction((n_to - n_from) * (d + d2) - (d_to - d_from) * (n + n2), 2 * d * d2)


def test_the_golden_day_worked_outside_the_shift() -> None:
    rows = wfm.score(**golden()).bridge("adherence", "genesys_outside_shift")
    (row,) = rows.iter_rows(named=True)
    assert row == {
        "kind": "worked outside the shift",
        "activity": None,
        "state": "available",
        "reason": "unscheduled_work",
        "seconds": 600,
        "from_numerator_s": 0,
        "from_denominator_s": 0,
        "to_numerator_s": 0,
        "to_denominator_s": 600,
        "points": row["points"],
        "score_from": 465 / 480,
        "score_to": 465 / 490,
    }
    assert row["points"] == pytest.approx(465 / 490 - 465 / 480, abs=1e-15)


def test_golden_day_between_two_definitions_not_linear() -> None:
    rows = wfm.score(**golden()).bridge("calabrio_ready_2", "genesys_threshold")
    assert rows.select("kind", "seconds").rows() == [("worked outside the shift", 600), ("late start", 180)]
    assert rows["points"].to_list() == pytest.approx([10 / 480, 3 / 480], abs=1e-15)


def test_group_without_name_stands_on_its_own_scores() -> None:
    """Agents of no team and of no queue are a group like another."""
    rows = wfm.score(**golden()).bridge("adherence", "adherence_adjusted", by=["team", "queue"])
    assert rows.select("team", "queue_id", "kind", "seconds", "score_from", "score_to").rows() == [
        (None, None, "call overrun", 360, 465 / 480, 477 / 480),
        (None, None, "shifted break", 360, 465 / 480, 477 / 480),
    ]
    assert rows["points"].to_list() == pytest.approx([6 / 480, 6 / 480], abs=1e-15)


def test_the_stretches_behind_it() -> None:
    listed = wfm.score(**golden()).bridge_stretches("calabrio_rta", "salesforce")
    told = [(f"{r['start_at']:%H:%M}", f"{r['end_at']:%H:%M}", r["kind"]) for r in listed.to_dicts()]
    assert told == [("10:00", "10:06", "call overrun"), ("10:15", "10:21", "shifted break")]
    assert listed["seconds"].to_list() == [360, 360]
    assert listed.select("from_numerator", "from_denominator", "to_numerator", "to_denominator").rows() == [
        (0, 0, 1, 1),
        (0, 1, 1, 1),
    ]


def test_state_in_is_named_with_where_it_was() -> None:
    rows = wfm.score(**draw("sched QQBBEE", "state AAobKK")).bridge("adherence", "amazon")
    assert rows["kind"].to_list() == ["working in off-queue work", "logged out in a break"]
    assert rows["points"].to_list() == pytest.approx([-2 / 6, -1 / 6])


def test_work_in_time_not_counted_is_named_so() -> None:
    rows = wfm.score(**draw("sched QQOO", "state AAAA")).bridge("adherence", "calabrio_ready_2")
    assert rows.select("kind", "activity", "seconds").rows() == [
        ("worked in time that is not counted", "time_off", 120)
    ]


@pytest.mark.slow
def test_scores_that_count_alike_have_no_bridge() -> None:
    scored = wfm.score(**golden())
    assert scored.bridge("adherence", "genesys").is_empty()
    assert scored.bridge_stretches("amazon", "amazon").is_empty()
    assert scored.bridge("adherence", "genesys", GROUPINGS).columns[: len(GROUPINGS)] == list(GROUPINGS)


def test_no_points_without_both_scores() -> None:
    rows = wfm.score(**draw("sched TT", "state tt")).bridge("adherence", "assembled_productive")
    assert rows.select("seconds", "points", "score_from", "score_to").rows() == [(120, None, 1.0, None)]


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), ends=two)
def test_start_and_points_are_the_end_exactly(day: Day, ends: list[str]) -> None:
    ours = score_by_engine(day)
    theirs = walk_workdays(day, ours)
    rows = ours.bridge(*ends, by=["agent_id", "workday"])
    for (agent, workday), mine in theirs.items():
        (n, d), (n2, d2) = (ALL[name](mine) for name in ends)
        told = rows.filter(agent_id=agent, workday=workday).to_dicts()
        changes = [
            sum(int(row[to]) - int(row[since]) for row in told)
            for since, to in zip(WEIGHTED_SECONDS[:2], WEIGHTED_SECONDS[2:], strict=True)
        ]
        assert changes == [n2 - n, d2 - d]
        if not d or not d2:
            assert {row["points"] for row in told} <= {None}
            continue
        exact = [close(row, n, d, n2, d2) for row in told]
        assert sum(exact) == Fraction(n2, d2) - Fraction(n, d)
        assert [row["points"] for row in told] == pytest.approx([float(one) for one in exact], abs=1e-12)
        assert {(row["score_from"], row["score_to"]) for row in told} <= {(n / d, n2 / d2)}


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), ends=two, by=st.lists(st.sampled_from(GROUPINGS), unique=True, max_size=3))
def test_the_points_close_for_any_grouping(day: Day, ends: list[str], by: list[str]) -> None:
    rows = score_by_engine(day).bridge(*ends, by=by)
    assert rows.columns[: len(by)] == by
    for _, group in rows.group_by(by) if by else [((), rows)]:
        if group.is_empty() or group["points"].null_count():
            continue
        start, end = group["score_from"][0], group["score_to"][0]
        assert start + group["points"].sum() == pytest.approx(end, abs=1e-12)


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), ends=two)
def test_way_back_has_same_points_with_other_sign(day: Day, ends: list[str]) -> None:
    ours = score_by_engine(day)
    keys = ["kind", "activity", "state", "reason"]
    there, back = (
        ours.bridge(*way).sort(*keys, nulls_last=True).select(*keys, "seconds", "points")
        for way in (ends, ends[::-1])
    )
    assert there.drop("points").equals(back.drop("points"))
    assert there["points"].to_list() == pytest.approx((-back["points"]).to_list(), abs=1e-12)


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), ends=two)
def test_the_stretches_are_the_seconds_of_the_rows(day: Day, ends: list[str]) -> None:
    ours = score_by_engine(day)
    rows, listed = ours.bridge(*ends), ours.bridge_stretches(*ends)
    assert listed.equals(listed.sort("agent_id", "start_at"))
    assert (listed["seconds"] > 0).all()
    keys = ["kind", "activity", "state", "reason"]
    names = ["from_numerator", "from_denominator", "to_numerator", "to_denominator"]
    added = listed.group_by(keys).agg(
        pl.col("seconds").sum(), *((pl.col(n) * pl.col("seconds")).sum().alias(f"{n}_s") for n in names)
    )
    assert added.sort(keys).equals(rows.select(added.columns).sort(keys))


@pytest.mark.parametrize("ends", [("adherence", "nice"), ("", "amazon"), ("all", "amazon")])
def test_another_name_is_refused(ends: tuple[str, str]) -> None:
    scored = wfm.score(**golden())
    with pytest.raises(
        UsageError, match=r"no definition .*choose from: adherence, adherence_adjusted, genesys"
    ):
        scored.bridge(*ends)
    with pytest.raises(UsageError, match="no definition"):
        scored.bridge_stretches(*ends)


def test_tolerant_score_appears_only_where_time_is_tolerated() -> None:
    with pytest.raises(UsageError, match="There is no adherence_tolerant because nothing is tolerated"):
        wfm.score(**golden()).bridge("adherence_tolerant", "amazon")


def test_what_nobody_can_group_by_is_refused() -> None:
    with pytest.raises(UsageError, match="Cannot group by 'kind'"):
        wfm.score(**golden()).bridge("adherence", "amazon", by=["kind"])
