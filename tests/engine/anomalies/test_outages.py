"""Outages that nobody declared: planted ones are found to the second, ordinary weeks raise no alarm."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from math import comb, exp, log

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wfm
from helpers.planted_weeks import Planted, week
from wfm import defaults
from wfm.engine.anomalies.absence_baseline import clip_to_span, list_on_queue_time
from wfm.engine.anomalies.outages import OutageCriteria, _compute_surprise, find_joint_absences

WINDOW = (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
ACTIVITY = defaults.read_default_table("activity")


def say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def members(agent: pl.DataFrame) -> pl.DataFrame:
    everybody = agent.select(scope=pl.lit("everybody"), name=pl.lit("everybody"), agent_id="agent_id")
    return pl.concat([everybody, agent.select(scope=pl.lit("team"), name="team", agent_id="agent_id")])


def found(
    seed: int, exemption: pl.DataFrame | None = None, closed: tuple[date, ...] = (), **drawn
) -> pl.DataFrame:
    frames = week(seed, **drawn).frames()
    scored = wfm.score(**frames, exemption=exemption)
    return find_joint_absences(scored.slices(), ACTIVITY, members(frames["agent"]), WINDOW, closed=closed)


def at(day: int, clock: float) -> float:
    return 24 * day + clock


def overlaps(row: dict, one: Planted) -> bool:
    low, high = one.span
    return row["start_at"] < high and row["end_at"] > low


@pytest.mark.slow
def test_ordinary_weeks_raise_hardly_an_alarm():
    alarms = [found(seed).height for seed in range(15)]
    say(f"{sum(alarms)} false alarms in {len(alarms)} weeks of 43 agents without an outage")
    assert sum(alarms) <= 2


SHAPES = {
    "a team, 40 minutes": Planted(at(1, 11.6), 2400, "North"),
    "a team, 5 minutes": Planted(at(2, 14.3), 300, "South"),
    "everybody, 20 minutes": Planted(at(3, 12.6), 1200, None),
    "a team, 3 hours": Planted(at(2, 10.5), 3 * 3600, "West"),
    "half a team, 30 minutes": Planted(at(3, 13.3), 1800, "South", 0.6),
    "no answer": Planted(at(1, 14.2), 1500, "North", state="No Answer"),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_planted_outages_are_found(shape):
    planted, hits, alarms, weeks, reach = SHAPES[shape], 0, 0, 5, []
    for seed in range(100, 100 + weeks):
        rows = found(seed, planted=(planted,)).rows(named=True)
        mine = [row for row in rows if overlaps(row, planted)]
        hits += bool(mine)
        alarms += len(rows) - len(mine)
        reach += [(row["start_at"] - planted.span[0]).total_seconds() for row in mine[:1]]
    precision = hits / (hits + alarms) if hits else 0.0
    say(f"{shape}: recall {hits}/{weeks}, precision {precision:.2f}")
    assert hits >= weeks - 1
    assert precision >= 0.9


@pytest.mark.parametrize("seed", range(8))
def test_edges_are_where_agents_left_and_returned(seed):
    planted = Planted(at(2, 12.6), 1200, "North")
    row = next(row for row in found(seed, planted=(planted,)).rows(named=True) if overlaps(row, planted))
    low, high = planted.span
    # they fall within 20 s of the first instant, and are back within 60 s of the last
    assert (row["scope"], row["name"]) == ("team", "North")
    assert low <= row["start_at"] <= low + timedelta(seconds=20)
    assert high <= row["end_at"] <= high + timedelta(seconds=60)
    assert row["out"] == row["scheduled"]


def test_outage_of_all_is_reported_once_for_everybody():
    rows = found(3, planted=(SHAPES["everybody, 20 minutes"],))
    assert rows.select("scope").to_series().to_list() == ["everybody"]


def test_what_is_declared_is_not_proposed_again():
    planted = SHAPES["a team, 40 minutes"]
    start, end = planted.span
    declared = pl.DataFrame(
        {"start_at": [start], "end_at": [end + timedelta(minutes=2)], "kind": ["system"], "team": ["North"]}
    )
    assert found(5, planted=(planted,)).height == 1
    assert found(5, declared, planted=(planted,)).is_empty()


@pytest.mark.parametrize("seed", range(4))
def test_day_on_which_nobody_came_is_no_outage(seed):
    assert not any(row["start_at"].day == 4 for row in found(seed, holiday=2).rows(named=True))


def test_a_closed_day_is_not_looked_at():
    planted = SHAPES["a team, 40 minutes"]
    assert found(5, closed=(planted.span[0].date(),), planted=(planted,)).is_empty()


def test_three_agents_are_too_few():
    assert found(7, planted=(Planted(at(1, 11.6), 2400, "East"),)).is_empty()


def test_nothing_scheduled_gives_nothing():
    frames = week(1).frames()
    slices = wfm.score(**frames).slices().clear()
    assert find_joint_absences(slices, ACTIVITY, members(frames["agent"]), WINDOW).is_empty()


def test_single_day_is_judged_by_the_prior():
    planted = Planted(at(0, 11.6), 2400, "North")
    rows = found(2, days=1, planted=(planted,))
    assert [row["name"] for row in rows.rows(named=True)] == ["North"]
    assert rows["share_normal"][0] == pytest.approx(0.1, abs=0.02)


@given(n=st.integers(1, 60), data=st.data(), p=st.floats(0.01, 0.9))
def test_the_bound_is_never_below_the_binomial_tail(n, data, p):
    k = data.draw(st.integers(0, n))
    row = pl.DataFrame({"n": [n], "k": [k], "p": [p], "dispersion": [1.0]})
    bound = exp(-row.select(_compute_surprise()).item())
    tail = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
    assert bound >= tail - 1e-9


def test_the_bound_is_the_formula():
    row = pl.DataFrame({"n": [12], "k": [9], "p": [0.05], "dispersion": [2.0]})
    hand = 12 * (0.75 * log(0.75 / 0.05) + 0.25 * log(0.25 / 0.95)) / 2
    assert row.select(_compute_surprise()).item() == pytest.approx(hand)


def test_stretches_keep_every_scheduled_second_that_was_seen():
    frames = week(4).frames()
    slices = wfm.score(**frames).slices()
    kept = list_on_queue_time(slices, ACTIVITY, "UTC")
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()
    seen = slices.filter(
        pl.col("activity") == "on_queue",
        pl.col("class").cast(pl.String) != "unknown",
        pl.col("reason").ne_missing("absent"),
    )
    assert kept.select((pl.col("end") - pl.col("start")).sum()).item() == seen.select(length.sum()).item()
    assert kept.filter(pl.col("start") < pl.col("first"), pl.col("end") > pl.col("last")).is_empty()


def test_a_stricter_look_finds_no_more():
    planted = SHAPES["a team, 5 minutes"]
    frames = week(9, planted=(planted,)).frames()
    slices, who = wfm.score(**frames).slices(), members(frames["agent"])
    assert find_joint_absences(slices, ACTIVITY, who, WINDOW).height == 1
    for strict in (
        OutageCriteria(min_agents=25),
        OutageCriteria(min_duration=timedelta(minutes=10)),
        OutageCriteria(min_excess_share=1.0),
    ):
        assert find_joint_absences(slices, ACTIVITY, who, WINDOW, criteria=strict).is_empty()


def test_cutting_to_span_keeps_what_lies_in_it():
    rows = pl.DataFrame(
        {
            "start_at": [WINDOW[0], WINDOW[0] + timedelta(hours=2)],
            "end_at": [WINDOW[0] + timedelta(hours=2), WINDOW[1]],
        }
    ).with_columns(pl.all().cast(pl.Datetime("us", "UTC")))
    cut = clip_to_span(rows, (WINDOW[0] + timedelta(hours=1), WINDOW[0] + timedelta(hours=2)))
    assert cut.rows() == [(WINDOW[0] + timedelta(hours=1), WINDOW[0] + timedelta(hours=2))]
