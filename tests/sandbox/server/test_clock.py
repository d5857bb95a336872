"""Virtual time hides the future, and corrects what was told too early."""

from __future__ import annotations

import polars as pl
import pytest

from wfm.sandbox import SimulatedClock

QUARTER = 900


def test_a_clock_stands_still_until_it_is_moved():
    clock = SimulatedClock(1000)
    assert clock.now() == clock.now() == 1000
    clock.advance(5)
    assert clock.now() == 1005
    clock.move_to(10)
    assert clock.now() == 10


def test_a_clock_runs_as_fast_as_asked(monkeypatch):
    real = [50.0]
    monkeypatch.setattr("wfm.sandbox.server.clock.time.monotonic", lambda: real[0])
    clock = SimulatedClock(1000, speed=60)
    real[0] += 2
    assert clock.now() == 1120
    clock.set_speed(1)
    real[0] += 2
    assert clock.now() == 1122
    assert clock.speed == 1


def test_nothing_has_happened_before_it_begins(sandbox):
    sandbox.clock.move_to(sandbox.truth.begins - 1)
    assert sandbox.historical(sandbox.truth.begins - 3600, sandbox.truth.ends) == {}
    rows = sandbox.ncc("/wfm/realTime").json()["realTime"]
    assert {row["agent-status"] for row in rows} == {"Logged out"}
    for agent in sandbox.truth.agents:
        assert sandbox.entries(agent.xsi) == []


def test_the_end_is_the_truth(sandbox):
    truth = sandbox.truth
    told = sandbox.historical(truth.begins, truth.ends)
    for queue, start, entered, abandoned, _, handle in truth.interval.with_columns(
        pl.col("interval_start").dt.epoch("s")
    ).iter_rows():
        row = told.pop((queue, start))
        assert (row["enteredCount"], row["abandonedCount"], row["sumHandleTime"]) == (
            entered,
            abandoned,
            handle,
        )
    assert all(row["enteredCount"] == row["sumHandleTime"] == 0 for row in told.values())


@pytest.mark.parametrize("hour", [9, 12, 15.37, 20.005])
def test_calls_are_conserved_at_every_instant(sandbox, hour):
    truth = sandbox.truth
    now = truth.begins + hour * 3600
    sandbox.clock.move_to(now)
    told = sandbox.historical(truth.begins, truth.ends).values()
    calls = truth.call.with_columns(pl.col("^.*_at$").dt.epoch("s")).filter(pl.col("arrived_at") <= now)
    waiting = calls.filter(
        ~((pl.col("answered_at") <= now) | (pl.col("abandoned_at") <= now)).fill_null(False)
    )
    answered = calls.filter(pl.col("answered_at") <= now).height
    entered, gone = (sum(row[name] for row in told) for name in ("enteredCount", "abandonedCount"))
    assert entered == calls.height == answered + gone + waiting.height
    assert max(row["intervalStart"] for row in told) <= now


def test_a_late_wrapup_corrects_a_closed_interval(sandbox):
    truth = sandbox.truth
    calls = truth.call.drop_nulls("ended_at").with_columns(pl.col("ended_at").dt.epoch("s"))
    edge = calls.filter(
        pl.col("ended_at") // QUARTER < (pl.col("ended_at") + pl.col("wrap_s") - 5) // QUARTER
    ).row(0, named=True)
    start = edge["ended_at"] // QUARTER * QUARTER
    sandbox.clock.move_to(start + QUARTER)
    early = sandbox.historical(start, start + QUARTER)[edge["queue_id"], start]
    sandbox.clock.move_to(edge["ended_at"] + edge["wrap_s"])
    late = sandbox.historical(start, start + QUARTER)[edge["queue_id"], start]
    assert late["sumHandleTime"] >= early["sumHandleTime"] + 1000 * edge["wrap_s"]
    assert late["enteredCount"] == early["enteredCount"]


def test_a_state_shows_from_its_second_on(sandbox):
    for row in sandbox.truth.agent_state.sample(5, seed=1).iter_rows(named=True):
        for seconds, shown in ((0, True), (-1, False)):
            sandbox.clock.move_to(row["at"].timestamp() + seconds)
            told = {r["agent-id"]: r["agent-status"] for r in sandbox.ncc("/wfm/realTime").json()["realTime"]}
            assert (told[row["login"]] == row["vendor_state"]) is shown


def test_a_call_shows_when_it_is_over(sandbox, busiest):
    newest = sandbox.entries(busiest)[0]
    sandbox.clock.move_to(int(newest["releaseTime"]) / 1000 - 0.5)
    assert newest not in sandbox.entries(busiest)
    sandbox.clock.move_to(int(newest["releaseTime"]) / 1000)
    assert sandbox.entries(busiest)[0] == newest


def test_an_offer_shows_before_somebody_else_has_answered(sandbox):
    missed = sandbox.truth.leg.filter(pl.col("outcome") == "no_answer", pl.col("queue_id").is_not_null())
    for login in missed["login"].unique().sort():
        for entry in sandbox.entries(login, "Missed", results=1000):
            if "detachedAnswerTime" in entry:
                sandbox.clock.move_to(int(entry["detachedTime"]) / 1000)
                before = sandbox.entries(login, "Missed")[0]
                assert before["callLogId"] == entry["callLogId"]
                assert "detachedAnswerTime" not in before
                return
    pytest.fail("nobody missed a call")
