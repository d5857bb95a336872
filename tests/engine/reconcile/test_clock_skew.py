"""Differences of clocks found in simulated logs whose difference is known, and none where there is nothing to find."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wfm import defaults
from wfm.core.errors import InputError, UsageError
from wfm.engine.reconcile.clock_skew import (
    ESTIMATION_METHODS,
    MAX_SKEW_S,
    NO_ESTIMATE_REASONS,
    SKEW_DTYPES,
    estimate_clock_skew,
)
from wfm.sandbox.centre.simulate import simulate_centre as simulate_centre

T0 = datetime(2026, 3, 2, 7, tzinfo=UTC).timestamp()
DAY_S = 86_400
SEEDS = 20


def simulate(
    seed: int,
    *,
    ahead: float = 0.0,
    drift: float = 0.0,
    poll: float = 0.0,
    wrap: bool = True,
    missing: float = 0.0,
    noise: float = 0.0,
    whole: bool = False,
    days: int = 1,
    agents: int = 6,
) -> dict[str, Any]:
    """Simulate two logs of the same calls.

    Args:
        seed: of everything that is drawn.
        ahead: seconds by which the states' clock is ahead at 12:00 of the first day.
        drift: seconds by which that grows a day.
        poll: states are looked at every so many seconds; 0: told at once.
        wrap: whether calls are followed by wrap-up.
        missing: the share of events that each log lacks.
        noise: how many busy spells without a call an agent has per call.
        whole: both logs cut instants to whole seconds.
        days: of 10 h each.
        agents: how many.
    """
    draw = np.random.default_rng(seed)
    legs, states = [], []
    phase = draw.uniform(0, poll) if poll else 0.0

    def told(at: float) -> float:
        at += ahead + drift * (at - T0 - 5 * 3600) / DAY_S
        return at if not poll else at + (phase - at) % poll

    def stamp(at: float) -> datetime:
        return datetime.fromtimestamp(float(np.floor(at)) if whole else round(at, 3), UTC)

    for agent in range(agents):
        for day in range(days):
            at = T0 + day * DAY_S + draw.uniform(0, 600)
            while at < T0 + day * DAY_S + 10 * 3600:
                at += draw.exponential(300) + 20
                end = at + 40 + draw.exponential(200)
                after = end + (5 + draw.exponential(60) if wrap else 0)
                real = draw.random() >= noise / (1 + noise)
                if real and draw.random() >= missing:
                    legs.append((f"{agent}-{len(legs)}", f"a{agent}", stamp(at), stamp(end)))
                for when, word in ((at, "busy"), (end, "wrapup"), (after, "available")):
                    if draw.random() >= missing and not (word == "wrapup" and not wrap):
                        states.append((f"a{agent}", stamp(told(when)), word))
                at = after
    return {
        "call_leg": pl.DataFrame(legs, schema=["leg_id", "login", "answered_at", "ended_at"], orient="row"),
        "agent_state": pl.DataFrame(states, schema=["login", "at", "vendor_state"], orient="row").sort(
            "at", maintain_order=True
        ),
        "state_map": defaults.read_default_table("state_map"),
    }


CASES = {
    "equal": {},
    "ahead": {"ahead": 3.0},
    "behind": {"ahead": -3.0},
    "far ahead": {"ahead": 90.0},
    "far behind": {"ahead": -90.0},
    "whole seconds": {"ahead": 2.4, "whole": True},
    "no wrap-up": {"ahead": 3.0, "wrap": False},
    "missing": {"ahead": -90.0, "missing": 0.3},
    "noise": {"ahead": 7.5, "noise": 0.5},
    "drift": {"ahead": 3.0, "drift": 1.5},
    "polled": {"ahead": 0.0, "poll": 30.0},
    "polled and ahead": {"ahead": 90.0, "poll": 30.0},
    "polled in whole seconds": {"ahead": -3.0, "poll": 10.0, "whole": True},
    "polled, missing, noise": {"ahead": -90.0, "poll": 30.0, "missing": 0.2, "noise": 0.3},
    "polled once a minute": {"ahead": 12.0, "poll": 60.0, "noise": 0.2},
    "everything": {"ahead": -4.2, "poll": 20.0, "missing": 0.3, "noise": 0.3, "wrap": False, "drift": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_interval_covers_the_offset_in_95_of_100(case: str) -> None:
    asked = CASES[case]
    found = [estimate_clock_skew(**simulate(seed, **asked)).row(0, named=True) for seed in range(SEEDS)]
    right = [
        row["low_s"] is not None and row["low_s"] <= asked.get("ahead", 0) <= row["high_s"] for row in found
    ]
    assert sum(right) >= 0.95 * SEEDS, [
        (row["low_s"], row["skew_s"], row["high_s"], row["pairs"], row["method"])
        for row, ok in zip(found, right, strict=True)
        if not ok
    ]
    if all(row["method"] == "median" for row in found):
        assert max(row["high_s"] - row["low_s"] for row in found) <= 2.1
    else:
        assert max(row["high_s"] - row["low_s"] for row in found) <= asked["poll"] / 4 + 2


@pytest.mark.parametrize("poll", [0.0, 5.0, 30.0, 60.0])
def test_late_states_are_distinguished_from_clock_offset(poll: float) -> None:
    row = estimate_clock_skew(**simulate(3, ahead=40.0, poll=poll)).row(0, named=True)
    assert row["method"] == ("earliest" if poll else "median")
    assert row["delay_s"] == pytest.approx(poll, abs=2)
    assert row["skew_s"] == pytest.approx(40, abs=2)
    assert row["method"] in ESTIMATION_METHODS


def test_each_day_has_an_offset_joined_by_drift() -> None:
    days = estimate_clock_skew(**simulate(5, ahead=3.0, drift=1.5, days=5))
    assert days.height == 5
    for number, row in enumerate(days.iter_rows(named=True)):
        assert row["low_s"] <= 3.0 + 1.5 * number <= row["high_s"]
        assert row["drift_low_s"] <= 1.5 <= row["drift_high_s"]
        assert row["drift_s"] == pytest.approx(1.5, abs=0.05)


def test_a_clock_that_does_not_drift() -> None:
    row = estimate_clock_skew(**simulate(6, ahead=-20.0, days=4, poll=10.0)).row(0, named=True)
    assert row["drift_low_s"] <= 0 <= row["drift_high_s"]


def test_two_days_say_nothing_of_a_drift() -> None:
    assert estimate_clock_skew(**simulate(6, days=2))["drift_s"].null_count() == 2


@pytest.mark.parametrize("seed", range(15))
def test_unrelated_calls_and_states_give_no_number(seed: int) -> None:
    calls, states = simulate(seed), simulate(seed + 1000)
    row = estimate_clock_skew(**{**calls, "agent_state": states["agent_state"]}).row(0, named=True)
    assert (row["skew_s"], row["low_s"], row["high_s"], row["method"]) == (None, None, None, None)
    assert row["reason"] == "no_peak"


def test_why_there_is_no_number() -> None:
    logs = simulate(1)
    others = logs["agent_state"].with_columns(pl.col("login") + "x")
    few = logs["call_leg"].head(2)
    told = [
        estimate_clock_skew(**{**logs, "agent_state": others})["reason"].to_list(),
        estimate_clock_skew(**{**logs, "call_leg": few})["reason"].to_list(),
    ]
    assert told == [["no_common_agent"], ["too_few_events"]]
    assert {"no_common_agent", "too_few_events", "no_peak"} == set(NO_ESTIMATE_REASONS)


@pytest.mark.parametrize("gone", ["call_leg", "agent_state"])
def test_one_log_alone_has_nothing_to_compare(gone: str) -> None:
    logs = {**simulate(1), gone: None}
    found = estimate_clock_skew(**logs)
    assert found.is_empty()
    assert dict(found.schema) == SKEW_DTYPES


def test_clock_further_off_than_bound_gives_no_number() -> None:
    row = estimate_clock_skew(**simulate(2, ahead=MAX_SKEW_S + 300.0)).row(0, named=True)
    assert row["skew_s"] is None


def test_busy_from_ringing_leaves_ends_to_decide() -> None:
    """Busy begins 12 s before the answer, always: the ends of the same calls know better."""
    logs = simulate(4, ahead=0.0)
    busy = pl.col("vendor_state") == "busy"
    early = logs["agent_state"].with_columns(
        at=pl.when(busy).then(pl.col("at") - pl.duration(seconds=12)).otherwise("at")
    )
    row = estimate_clock_skew(**{**logs, "agent_state": early.sort("at", maintain_order=True)}).row(
        0, named=True
    )
    assert row["low_s"] <= 0 <= row["high_s"]


def test_outgoing_calls_count_by_their_end() -> None:
    """Who dials is busy long before anybody answers."""
    logs = simulate(4, ahead=5.0)
    made = logs["call_leg"].with_columns(
        direction=pl.lit("out"), answered_at=pl.col("answered_at") + pl.duration(seconds=15)
    )
    row = estimate_clock_skew(**{**logs, "call_leg": made}).row(0, named=True)
    assert row["events"] <= logs["call_leg"].height
    assert row["low_s"] <= 5 <= row["high_s"]


def test_each_pair_of_logs_is_one_row() -> None:
    one, two = simulate(7, ahead=3.0), simulate(8, ahead=-60.0, poll=10.0)
    legs = pl.concat(
        [
            one["call_leg"].with_columns(source=pl.lit("pbx")),
            two["call_leg"].with_columns(source=pl.lit("acd"), login="x" + pl.col("login")),
        ]
    )
    states = pl.concat(
        [
            one["agent_state"].with_columns(source=pl.lit("desk")),
            two["agent_state"].with_columns(source=pl.lit("wall"), login="y" + pl.col("login")),
        ]
    )
    people = [f"a{n}" for n in range(6)]
    login = pl.DataFrame(
        [("acd", f"x{p}", f"p-{p}") for p in people] + [("wall", f"y{p}", f"p-{p}") for p in people],
        schema=["source", "login", "agent_id"],
        orient="row",
    )
    found = estimate_clock_skew(
        call_leg=legs, agent_state=states, state_map=defaults.read_default_table("state_map"), login=login
    )
    told = {row[:2]: row[3] for row in found.iter_rows()}
    assert told["pbx", "desk"] == pytest.approx(3, abs=0.1)
    assert told["acd", "wall"] == pytest.approx(-60, abs=1)
    assert told["pbx", "wall"] is None
    assert told["acd", "desk"] is None


def test_order_in_which_rows_came_does_not_matter() -> None:
    logs = simulate(9, ahead=3.0, poll=10.0, noise=0.2)
    mixed = {
        "call_leg": logs["call_leg"].sample(fraction=1, shuffle=True, seed=1),
        "agent_state": logs["agent_state"].sort("login", "at", maintain_order=True),
        "state_map": logs["state_map"],
    }
    assert_frame_equal(estimate_clock_skew(**logs), estimate_clock_skew(**mixed))


def test_a_day_is_local() -> None:
    found = estimate_clock_skew(**simulate(9), timezone="Pacific/Auckland")
    assert found["day"].to_list() == [date(2026, 3, 2), date(2026, 3, 3)]


def test_bad_frames_are_refused() -> None:
    logs = simulate(1)
    with pytest.raises(InputError, match="call_leg"):
        estimate_clock_skew(**{**logs, "call_leg": logs["call_leg"].drop("leg_id")})
    with pytest.raises(UsageError, match="Mars"):
        estimate_clock_skew(**logs, timezone="Mars")


def test_the_clocks_of_the_simulated_centre_are_one() -> None:
    truth = simulate_centre(seed=5, days=3, agents=20, queues=2)
    found = estimate_clock_skew(
        call_leg=truth.leg.with_columns(login=pl.col("agent_id")),
        agent_state=truth.agent_state.with_columns(login=pl.col("agent_id")),
        state_map=defaults.read_default_table("state_map"),
        timezone=truth.zone,
    )
    assert found["skew_s"].drop_nulls().len() >= 3
    for row in found.filter(pl.col("skew_s").is_not_null()).iter_rows(named=True):
        assert row["low_s"] <= 0 <= row["high_s"]
        assert (row["skew_s"], row["method"]) == (0, "median")
