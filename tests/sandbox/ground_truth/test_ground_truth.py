"""The simulated centre obeys its own laws, and its bookkeeping of causes those of the specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import wfm
from wfm import defaults
from wfm.sandbox import simulate_centre
from wfm.sandbox.centre.intentions import PlannedExemption
from wfm.sandbox.centre.roster import ShiftPart, SimulatedShift
from wfm.sandbox.ground_truth.classify import classify_shift
from wfm.sandbox.ground_truth.ground_truth import GROUND_TRUTH_TABLES
from wfm.sandbox.ground_truth.timeline import FOREVER_S, STATE_OF_VENDOR_STATE, AgentTimeline
from wfm.sandbox.ground_truth.unscheduled_work import find_unscheduled_work

KEY = ["agent_id", "workday", "start_at", "end_at", "class", "reason"]


def utc_at(second: int) -> datetime:
    return datetime.fromtimestamp(second, ZoneInfo("UTC"))


# --- laws -----------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_truth(truth):
    again = simulate_centre(seed=7, start=date(2026, 3, 2), days=2, agents=24, queues=3)
    for table in GROUND_TRUTH_TABLES:
        assert getattr(truth, table).equals(getattr(again, table)), table
    other = simulate_centre(seed=8, start=date(2026, 3, 2), days=2, agents=24, queues=3)
    assert not truth.call.equals(other.call)


def test_every_call_is_answered_or_abandoned(truth):
    fate = truth.call.select(
        answered=pl.col("answered_at").is_not_null(), abandoned=pl.col("abandoned_at").is_not_null()
    )
    assert fate.filter(pl.col("answered") == pl.col("abandoned")).is_empty()
    assert 0 < fate["abandoned"].sum() < fate["answered"].sum()
    assert truth.call.filter(pl.col("answered_at") <= pl.col("arrived_at")).is_empty()
    assert truth.call.filter(pl.col("abandoned_at") <= pl.col("arrived_at")).is_empty()


def test_intervals_add_up_to_the_calls(truth):
    sums = truth.interval.sum()
    assert sums["entered"][0] == truth.call.height
    assert sums["abandoned"][0] == truth.call["abandoned_at"].count()
    assert sums["handled"][0] == truth.call["answered_at"].count()
    talk = (truth.call["ended_at"] - truth.call["answered_at"]).dt.total_seconds().sum()
    assert sums["sum_handle_ms"][0] == 1000 * (talk + truth.call["wrap_s"].sum())
    late = truth.interval.filter(pl.col("entered") == 0)
    assert (late["sum_handle_ms"] > 0).all()


def test_an_agent_is_never_in_two_calls(truth):
    legs = truth.leg.sort("agent_id", "started_at").with_columns(
        before=(pl.col("ended_at") + pl.duration(seconds=pl.col("wrap_s").cast(pl.Int64)))
        .shift(1)
        .over("agent_id")
    )
    assert legs.filter(pl.col("started_at") < pl.col("before")).is_empty()
    assert set(legs["outcome"]) == {"answered", "no_answer", "abandoned"}


def test_states_are_gapless_and_contain_the_legs(truth):
    states = truth.agent_state
    assert states.select("agent_id", "at").is_duplicated().sum() == 0
    assert states.equals(states.sort("agent_id", "at"))
    same = pl.col("vendor_state") == pl.col("vendor_state").shift(1).over("agent_id")
    assert states.filter(same).is_empty()
    assert (states.group_by("agent_id").last()["vendor_state"] == "Logged out").all()
    talked = truth.leg.filter(pl.col("answered_at").is_not_null()).sort("answered_at")
    during = talked.join_asof(
        states.sort("at"), left_on="answered_at", right_on="at", by="agent_id", check_sortedness=False
    )
    assert set(during["vendor_state"]) == {"Busy"}


def test_everybody_takes_only_calls_of_their_queues(truth):
    skills = {a.agent_id: {truth.queues[q].queue_id for q in a.skills} for a in truth.agents}
    for agent, queue in (
        truth.leg.filter(pl.col("queue_id").is_not_null()).select("agent_id", "queue_id").rows()
    ):
        assert queue in skills[agent]


def test_internal_calls_have_two_ends(truth):
    ends = truth.leg.filter(pl.col("direction") == "internal").group_by("call_id").agg(pl.len())
    assert ends.height > 0
    assert (ends["len"] == 2).all()


def test_arrivals_follow_the_sample():
    truth = simulate_centre(seed=1, start=date(2026, 3, 2), days=7, agents=60)
    hours = truth.call.group_by(pl.col("arrived_at").dt.convert_time_zone("Asia/Jerusalem").dt.hour()).len()
    by_hour = dict(hours.rows())
    assert by_hour.get(3, 0) < 0.002 * truth.call.height
    assert by_hour[10] > 1.5 * by_hour[20] > 0
    by_day = dict(truth.call.group_by(pl.col("arrived_at").dt.weekday()).len().rows())
    assert by_day[6] < 0.3 * by_day[3]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"])
def test_any_zone_keeps_whole_shifts_of_local_days(zone):
    truth = simulate_centre(seed=2, start=date(2026, 3, 7), days=3, agents=12, timezone=zone)
    base = truth.schedule.filter(pl.col("activity").is_in(["on_queue", "time_off"]))
    local = base["start_at"].dt.convert_time_zone(zone)
    assert set(local.dt.minute()) == {0}
    assert set(local.dt.date()) == {shift.workday for shift in truth.shifts}


# --- what is planted ------------------------------------------------------------------------------------
def test_planted_spans_lie_in_schedules_and_apart(truth):
    inside = truth.planted.filter(pl.col("class").is_not_null())
    shifts = truth.schedule.filter(pl.col("activity") == "on_queue")
    held = inside.join(shifts, on="agent_id", suffix="_shift").filter(
        pl.col("start_at") >= pl.col("start_at_shift"), pl.col("end_at") <= pl.col("end_at_shift")
    )
    assert held.height == inside.height
    ordered = truth.planted.sort("agent_id", "start_at")
    apart = ordered["start_at"] >= ordered["end_at"].shift(1)
    same = ordered["agent_id"] == ordered["agent_id"].shift(1)
    assert (apart | ~same).all()
    assert (truth.planted["start_at"] < truth.planted["end_at"]).all()


def test_scheduled_seconds_are_conserved(truth):
    classes = truth.seconds.select(pl.exclude("agent_id", "workday")).sum_horizontal().sum()
    shifts = truth.schedule.filter(pl.col("activity") == "on_queue")
    assert classes == (shifts["end_at"] - shifts["start_at"]).dt.total_seconds().sum()
    length = (truth.planted["end_at"] - truth.planted["start_at"]).dt.total_seconds()
    by_class = dict(truth.planted.with_columns(s=length).group_by("class").agg(pl.col("s").sum()).rows())
    for name in ("system", "approved", "call_driven", "controllable", "unknown"):
        assert by_class.get(name, 0) == truth.seconds[f"{name}_s"].sum()


def test_every_reason_and_every_intent_is_planted():
    truth = simulate_centre(seed=1, days=7, agents=60)
    reasons = set(truth.planted.filter(pl.col("reason").is_not_null())["reason"])
    assert reasons == set(wfm.core.glossary.REASONS)
    assert {"system", "approved", "unknown"} <= set(truth.planted["class"])
    sure = truth.intent.filter(pl.col("kind").is_in(["absent", "late_start"]))
    found = sure.join(
        truth.planted, left_on=["agent_id", "at", "kind"], right_on=["agent_id", "start_at", "reason"]
    )
    assert found.height == sure.height
    assert (sure["kind"] == "late_start").sum() > 20


@pytest.mark.slow
def test_engine_finds_what_is_planted_and_nothing_else():
    truth = simulate_centre(seed=3, days=4, agents=80)
    ncc = truth.login.filter(pl.col("source") == "ncc").select("agent_id", ncc="login")
    legs = truth.leg.join(ncc, on="agent_id").with_columns(login="ncc", source=pl.lit("ncc"))
    score = wfm.score(
        schedule=truth.schedule,
        agent_state=truth.agent_state.drop("agent_id").with_columns(source=pl.lit("ncc")),
        call_leg=legs,
        exemption=truth.exemption,
        login=truth.login,
        agent=truth.agent,
        state_map=defaults.read_default_table("state_map"),
        activity=defaults.read_default_table("activity"),
        window=(utc_at(truth.begins - 86400), utc_at(truth.ends + 86400)),
    )
    found = score.exceptions().with_columns(pl.col("class", "reason").cast(pl.String)).select(KEY)
    planted = truth.planted.filter(~pl.col("class").eq_missing("unknown")).select(KEY)
    assert found.sort(KEY).equals(planted.sort(KEY))
    sums = score.adherence(by=["agent_id", "workday"]).sum()
    for name in wfm.core.glossary.CLASSES:
        assert sums[f"{name}_s"][0] == truth.seconds[f"{name}_s"].sum()


# --- days drawn by hand ---------------------------------------------------------------------------------
ZERO = int(datetime(2026, 3, 2, tzinfo=ZoneInfo("UTC")).timestamp())


def at(clock: str) -> int:
    hours, minutes = clock.split(":")
    return ZERO + int(hours) * 3600 + int(minutes) * 60


def day(*parts: str) -> SimulatedShift:
    rows = tuple(ShiftPart(at(a), at(b), what) for a, b, what in (part.split() for part in parts))
    return SimulatedShift(0, date(2026, 3, 2), at("08:00"), at("16:00"), "on_queue", rows)


def line(text: str) -> AgentTimeline:
    rows = [row.strip().split(" ", 1) for row in text.split(",")]
    return AgentTimeline([at(when) for when, _ in rows], [what for _, what in rows])


GOLDEN = day("10:00 10:15 break", "12:00 12:30 meal", "14:00 14:15 break")
GOLDEN_STATES = (
    "08:03 Available, 09:55 Busy, 10:06 Break, 10:21 Available, 12:00 Lunch, 12:30 Available, 14:00 Break, "
    "14:15 Available, 16:10 Logged out"
)


def told(
    shift: SimulatedShift, states: str, *legs: str, excuses: tuple[PlannedExemption, ...] = ()
) -> list[str]:
    spans = [(at(leg.split()[0]), at(leg.split()[1])) for leg in legs]
    found, sums = classify_shift(shift, line(states), spans, list(excuses))
    assert sum(sums.values()) == shift.end - shift.start
    found += find_unscheduled_work(line(states), [shift])
    midnight = datetime(2026, 3, 2, tzinfo=ZoneInfo("UTC"))
    return [
        f"{midnight + timedelta(seconds=one.start - ZERO):%H:%M} "
        f"{midnight + timedelta(seconds=one.end - ZERO):%H:%M} {one.reason or one.cls}"
        for one in found
    ]


def test_the_golden_day():
    assert told(GOLDEN, GOLDEN_STATES, "09:55 10:06") == [
        "08:00 08:03 late_start",
        "10:00 10:06 call_overrun",
        "10:15 10:21 shifted_break",
        "16:00 16:10 unscheduled_work",
    ]
    sums = classify_shift(GOLDEN, line(GOLDEN_STATES), [(at("09:55"), at("10:06"))], [])[1]
    assert {name: s // 60 for name, s in sums.items() if s} == {
        "in": 465,
        "call_driven": 12,
        "controllable": 3,
    }


@pytest.mark.parametrize(
    ("states", "legs", "expected"),
    [
        ("07:00 Away", [], ["08:00 10:00 absent", "10:15 16:00 absent"]),
        ("08:00 Available, 09:50 Break, 10:15 Available, 16:00 Logged out", [], ["09:50 10:00 early_break"]),
        ("08:00 Available, 10:00 Break, 10:40 Available, 16:00 Logged out", [], ["10:15 10:40 long_break"]),
        ("08:00 Available, 16:00 Logged out", [], ["10:00 10:15 missed_break"]),
        ("08:00 Available, 10:00 Break, 10:15 Available, 15:00 Logged out", [], ["15:00 16:00 early_leave"]),
        (
            "08:00 Available, 09:00 No Answer, 09:02 Available, 10:00 Break, 10:15 Available, 16:00 Logged out",
            [],
            ["09:00 09:02 no_answer"],
        ),
        (
            "08:00 Available, 09:00 Quality review, 09:02 Available, 10:00 Break, 10:15 Available, 16:00 Logged out",
            [],
            ["09:00 09:02 unknown"],
        ),
        (
            "08:00 Available, 09:55 Busy, 10:01 Wrapup, 10:05 Break, 10:25 Available, 16:00 Logged out",
            ["09:55 10:01"],
            [
                "10:00 10:03 call_overrun",
                "10:03 10:05 missed_break",
                "10:15 10:18 shifted_break",
                "10:18 10:25 long_break",
            ],
        ),
        (
            "08:00 Available, 09:55 Busy, 10:00 Wrapup, 10:05 Break, 10:15 Available, 16:00 Logged out",
            ["09:55 10:00"],
            ["10:00 10:05 missed_break"],
        ),
        (
            "08:00 Available, 09:55 Busy, 10:20 Break, 10:35 Available, 16:00 Logged out",
            ["09:55 10:20"],
            ["10:00 10:15 call_overrun", "10:20 10:35 wrong_state"],
        ),
    ],
)
def test_a_day_with_one_break(states, legs, expected):
    assert told(day("10:00 10:15 break"), states, *legs) == expected


def test_excuse_splits_stretch_and_an_outage_comes_first():
    states = "08:00 Available, 09:00 Away, 10:00 Available, 16:00 Logged out"
    approved = PlannedExemption(at("09:15"), at("09:45"), "approved", 0, None, "")
    outage = replace(approved, start=at("09:30"), end=at("09:50"), kind="system")
    found, _ = classify_shift(day(), line(states), [], [approved, outage])
    assert [one.cls for one in found] == ["controllable", "approved", "system", "controllable"]


def test_a_line_knows_its_runs():
    states = line("08:00 Available, 09:00 Break, 09:10 Away, 09:30 Busy")
    assert states.find_run(at("09:05"), frozenset(["break", "away"])) == (at("09:00"), at("09:30"))
    assert states.find_run(at("07:00"), frozenset(["logged_out"])) == (-FOREVER_S, at("08:00"))
    assert [span.state for span in states.cut_to(at("08:30"), at("09:05"))] == ["available", "break"]


def test_sandbox_and_the_bundled_map_mean_the_same():
    rows = (
        defaults.read_default_table("state_map")
        .filter(pl.col("source") == "*")
        .select("vendor_state", "state")
    )
    bundled = {word.lower(): state for word, state in rows.rows()}
    assert {word: bundled[word.lower()] for word in STATE_OF_VENDOR_STATE} == STATE_OF_VENDOR_STATE
