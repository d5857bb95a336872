"""Who is on queue and how many of them are out, by hand: stretches, phases, what is normal, and how much it varies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

import wfm
from helpers.drawn_days import draw
from wfm import defaults
from wfm.engine.anomalies.absence_baseline import (
    MID_PHASE_MIN,
    PRIOR_AGENTS,
    US_PER_MINUTE,
    count_absences,
    estimate_overdispersion,
    list_on_queue_time,
    split_into_phases,
)
from wfm.engine.anomalies.outages import find_joint_absences

ACTIVITY = defaults.read_default_table("activity")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (2, 3, 4))


def minutes(n: float) -> datetime:
    return START + timedelta(minutes=n)


def test_stretch_knows_shift_edges_that_it_touches() -> None:
    """Also in the very first and the very last row of all."""
    slices = wfm.score(**draw("sched:a QQQBBQQ", "state:a AAgbbAA>", "sched:b QQ", "state:b AA")).slices()
    kept = list_on_queue_time(slices, ACTIVITY, "UTC").select(
        "agent_id",
        start=pl.col("start").cast(pl.Datetime("us", "UTC")),
        end=pl.col("end").cast(pl.Datetime("us", "UTC")),
        out="out",
        begins="begins_shift",
        ends="ends_shift",
    )
    assert kept.rows() == [
        ("a", minutes(0), minutes(2), False, True, False),
        ("a", minutes(2), minutes(3), True, True, False),
        ("a", minutes(5), minutes(7), False, False, True),
        ("b", minutes(0), minutes(2), False, True, True),
    ]


def stretch(length: int, *, begins: bool, ends: bool) -> pl.DataFrame:
    row = {"agent_id": "a", "day": FIRST, "out": False, "start": 0, "end": length * US_PER_MINUTE}
    row |= {"first": 0, "last": length * US_PER_MINUTE, "begins_shift": begins, "ends_shift": ends}
    return pl.DataFrame([row])


@pytest.mark.parametrize(
    ("length", "begins", "ends", "expected"),
    [
        (
            60,
            True,
            False,
            [
                ("begins 0", 0, 1),
                ("begins 1", 1, 2),
                ("begins 2", 2, 4),
                ("begins 4", 4, 8),
                ("begins 8", 8, 15),
                ("middle", 15, 45),
                ("before 8", 45, 52),
                ("before 4", 52, 56),
                ("before 2", 56, 58),
                ("before 1", 58, 59),
                ("before 0", 59, 60),
            ],
        ),
        (
            20,
            False,
            True,
            [
                ("again 0", 0, 1),
                ("again 1", 1, 2),
                ("again 2", 2, 4),
                ("again 4", 4, 8),
                ("again 8", 8, 15),
                ("ends 4", 15, 16),
                ("ends 2", 16, 18),
                ("ends 1", 18, 19),
                ("ends 0", 19, 20),
            ],
        ),
        (3, True, True, [("begins 0", 0, 1), ("begins 1", 1, 2), ("begins 2", 2, 3)]),
    ],
)
def test_phases_lie_side_by_side(
    length: int, begins: bool, ends: bool, expected: list[tuple[str, int, int]]
) -> None:
    found = split_into_phases(stretch(length, begins=begins, ends=ends)).sort("start")
    assert found.select("phase", pl.col("start", "end") // US_PER_MINUTE).rows() == expected
    weights = dict(found.select("phase", "weight").rows())
    assert weights["begins 2" if begins else "again 2"] == PRIOR_AGENTS * 2 * US_PER_MINUTE
    assert (
        weights.get("middle", PRIOR_AGENTS * MID_PHASE_MIN * US_PER_MINUTE)
        == PRIOR_AGENTS * MID_PHASE_MIN * US_PER_MINUTE
    )


def pieces(*rows: tuple[str, date, int, int, bool], phase: str = "middle", weight: int = 10) -> pl.DataFrame:
    columns = ["agent_id", "day", "start", "end", "out"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        phase=pl.lit(phase), weight=pl.lit(weight, pl.Int64)
    )


def everybody(*agents: str) -> pl.DataFrame:
    return pl.DataFrame({"scope": "everybody", "name": "all", "agent_id": agents})


@pytest.mark.parametrize(("phase", "p"), [("middle", 0.1), ("begins 0", 0.3), ("before 8", 0.3)])
def test_agents_come_and_go_as_scheduled(phase: str, p: float) -> None:
    """On the only day there is; the variance of two is twice that of one."""
    given = pieces(("a", FIRST, 0, 10, False), ("b", FIRST, 5, 15, True), phase=phase)
    found = count_absences(given, everybody("a", "b"))
    assert found.select("at", "until", "n", "k").rows() == [(0, 5, 1, 0), (5, 10, 2, 1), (10, 15, 1, 1)]
    assert found["p"].to_list() == pytest.approx([p, p, p])
    assert found["v"].to_list() == pytest.approx([p * (1 - p), 2 * p * (1 - p), p * (1 - p)])


def test_normal_absence_is_learnt_from_other_days() -> None:
    """Ten of ten out on the first day, none of twenty on the second; a weight of ten, and 0.1 believed."""
    given = pieces(("a", FIRST, 0, 10, True), ("a", SECOND, 100, 120, False))
    found = dict(count_absences(given, everybody("a")).select("at", "p").rows())
    all_of_second = (10 + 10 * 0.1) / (10 + 10)
    all_of_first = (0 + 10 * 0.1) / (20 + 10)
    assert found[100] == pytest.approx((10 + 10 * all_of_second) / (10 + 10))
    assert found[0] == pytest.approx((0 + 10 * all_of_first) / (20 + 10))


def test_dispersion_is_at_least_that_of_chance() -> None:
    """Squares over variances: 0 for 10, 2 for 5, and 196 that counts as 9 for 20 microseconds."""
    rows = [
        (FIRST, 0, 10, 2, 1, 0.5, 0.5),
        (SECOND, 10, 15, 2, 2, 0.5, 0.5),
        (THIRD, 20, 40, 2, 2, 0.01, 0.02),
    ]
    columns = ["day", "at", "until", "n", "k", "p", "v"]
    counted = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        scope=pl.lit("team"), name=pl.lit("North")
    )
    found = dict(estimate_overdispersion(counted).select("day", "dispersion").rows())
    assert found == pytest.approx({FIRST: (2 * 5 + 9 * 20) / 25, SECOND: 9 * 20 / 30, THIRD: 1.0})
    assert estimate_overdispersion(counted.head(1))["dispersion"].to_list() == [1.0]


@pytest.mark.parametrize(("lasts", "told"), [(2, False), (3, True)])
def test_outage_of_just_the_least_length_is_told(lasts: int, told: bool) -> None:
    """Eight agents, out from the 30th minute on."""
    agents = "abcdefgh"
    lines = [f"sched:{agent} {'Q' * 60}" for agent in agents]
    lines += [f"state:{agent} {'A' * 30}{'o' * lasts}{'A' * (30 - lasts)}" for agent in agents]
    window = (minutes(0), minutes(60))
    found = find_joint_absences(
        wfm.score(**draw(*lines)).slices(), ACTIVITY, everybody(*agents), window
    ).select("start_at", "end_at", "agents", "seconds", "out", "scheduled", "share")
    assert found.rows() == ([(minutes(30), minutes(33), 8, 8 * 180.0, 8, 8, 1.0)] if told else [])
