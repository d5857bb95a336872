"""Collect from the sandbox's Telphin: pushed events and the history over real HTTP come to what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wfm.collect import run
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.engine.volume import intervals
from wfm.sandbox.centre.people import FIRST_PHONE_ID
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox
from wfm.sandbox.vendors.behaviour import TELPHIN_BASE
from wfm.sandbox.vendors.telphin.events import FIRST_QUEUE_ID, TelphinCalls, TelphinEvent, deliver_events
from wfm.storage.database import Database
from wfm.storage.ledger import read_feed_ledger
from wfm.vendors import Delivery, Payload, Window, pack_deliveries

pytestmark = pytest.mark.slow

ZONE = "Asia/Jerusalem"
AT_ONCE = 200
"""So many deliveries are stored together, as the receiver may."""


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=14, queues=2, timezone=ZONE)


@pytest.fixture
def clock(truth: GroundTruth) -> SimulatedClock:
    return SimulatedClock(truth.ends)


@pytest.fixture
def faults() -> InjectedFaults:
    return InjectedFaults(seed=5)


@pytest.fixture
def source(truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults) -> Iterator[ConfiguredSource]:
    with run_sandbox(truth, clock, faults) as url:
        given = {
            name.rpartition("__")[2].lower(): value
            for name, _, value in (line.partition("=") for line in build_settings_lines(url, ZONE))
            if "__TELPHIN__" in name
        }
        assert given["base_url"] == url + TELPHIN_BASE
        yield check_sources({"pbx": {**given, "requests_per_minute": "0", "country": "US"}})["pbx"]


@pytest.fixture
def collector(tmp_path: Path, clock: SimulatedClock) -> Collector:
    return Collector(
        Database(tmp_path / "wfm.duckdb"), clock=lambda: datetime.fromtimestamp(clock.now(), UTC)
    )


def collect(
    collector: Collector, source: ConfiguredSource, feed: str = "call_event", window: Window | None = None
) -> list[CollectionCycle]:
    return asyncio.run(run.collect_feeds(collector, [(source, source.feeds[feed])], window))


def whole(truth: GroundTruth) -> Window:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (truth.begins, truth.ends))
    return Window(start, (end + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0))


def as_delivery(push: TelphinEvent, at: datetime) -> Delivery:
    form = "application/x-www-form-urlencoded"
    if push.method == "GET":
        return Delivery(at, "GET", push.text, "", b"")
    return Delivery(at, "POST", "", form, push.text.encode())


def receive(collector: Collector, source: ConfiguredSource, pushes: list[TelphinEvent]) -> None:
    now = collector.clock()
    for first in range(0, len(pushes), AT_ONCE):
        body = pack_deliveries(as_delivery(push, now) for push in pushes[first : first + AT_ONCE])
        cycle = collector.store_deliveries(source, [Payload("call_event", now, body, {"by": "webhook"})])
        assert cycle.result == "complete", cycle


def stored(collector: Collector) -> pl.DataFrame:
    with collector.database.open_reader() as reader:
        return reader.read_table("call_leg")


def happened(truth: GroundTruth) -> list[tuple[object, ...]]:
    ids = {one.agent_id: str(FIRST_PHONE_ID + i) for i, one in enumerate(truth.agents)}
    queues = {one.queue_id: str(FIRST_QUEUE_ID + i) for i, one in enumerate(truth.queues)}
    rows = truth.leg.with_columns(
        pl.col("agent_id").replace_strict(ids), pl.col("queue_id").replace_strict(queues, default=None)
    )
    return rows.select("agent_id", *LEG[1:]).sort("agent_id", "started_at").rows()


LEG = ("login", "queue_id", "direction", "started_at", "answered_at", "ended_at")


def told(legs: pl.DataFrame) -> list[tuple[object, ...]]:
    second = pl.col("started_at", "answered_at", "ended_at").dt.truncate("1s")
    return legs.drop_nulls("login").with_columns(second).select(LEG).sort("login", "started_at").rows()


def assert_is_what_happened(collector: Collector, truth: GroundTruth) -> None:
    legs = stored(collector)
    assert told(legs) == happened(truth)
    counted = intervals.measure_intervals(call_leg=legs, timezone=ZONE)
    queues = {str(FIRST_QUEUE_ID + i): one.queue_id for i, one in enumerate(truth.queues)}
    key = ["queue_id", "interval_start"]
    counts = ["entered", "abandoned", "handled"]
    ours = counted.with_columns(pl.col("queue_id").replace_strict(queues)).select(*key, *counts)
    theirs = truth.interval.filter(pl.col("entered") > 0).select(*key, *counts)
    assert ours.sort(key).rows() == theirs.sort(key).rows()
    waited = truth.call.drop_nulls("answered_at")
    seconds = (waited["answered_at"] - waited["arrived_at"]).dt.total_seconds().sum()
    assert counted["wait_s"].sum() == pytest.approx(seconds, abs=0.01 * waited.height)


def test_what_is_pushed_is_what_happened(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource
) -> None:
    receive(collector, source, deliver_events(TelphinCalls(truth), InjectedFaults(), truth.ends))
    assert_is_what_happened(collector, truth)
    before = stored(collector)
    (cycle,) = collect(collector, source, window=whole(truth))[:1]
    assert (cycle.result, "implausible" in cycle.note) == ("complete", False), cycle
    assert stored(collector).sort("leg_id").equals(before.sort("leg_id"))


def test_without_any_event_the_history_tells_the_same(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource
) -> None:
    cycles = collect(collector, source, window=whole(truth))
    assert {cycle.result for cycle in cycles} == {"complete"}, cycles
    assert_is_what_happened(collector, truth)
    replayed = collector.replay_feed(source, source.feeds["call_event"])
    assert (replayed.added_count, replayed.replaced_count) == (0, 0)
    assert_is_what_happened(collector, truth)


@pytest.mark.parametrize(
    "specs",
    [["reordered:0.2"], ["doubled:0.3"], ["reordered:0.3=7200", "doubled:0.3"]],
    ids=lambda one: one[0],
)
def test_order_and_repeats_do_not_matter(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, specs: list[str]
) -> None:
    faults = InjectedFaults(specs, seed=2)
    receive(collector, source, deliver_events(TelphinCalls(truth), faults, truth.ends))
    assert sum(faults.hits.values()) > 100
    assert_is_what_happened(collector, truth)


def test_lost_event_is_open_incomplete_then_filled(
    truth: GroundTruth, clock: SimulatedClock, collector: Collector, source: ConfiguredSource
) -> None:
    noon = truth.begins + 12 * 3600
    clock.move_to(noon)
    lossy = InjectedFaults(["lost_hangup:0.2"], seed=1)
    receive(collector, source, deliver_events(TelphinCalls(truth), lossy, noon))
    assert lossy.hits["lost_hangup"] > 50
    lost = stored(collector).filter(pl.col("ended_at").is_null())
    assert lost["outcome"].null_count() > 0
    clock.move_to(truth.ends)
    assert collector.reassemble_open_calls(source) > 0
    assert collector.reassemble_open_calls(source) == 0
    lost = stored(collector).filter(pl.col("ended_at").is_null())
    assert set(lost["outcome"]) == {"incomplete"}
    assert lost["talk_s"].null_count() == lost.height
    cycles = collect(collector, source, window=whole(truth))
    assert {cycle.result for cycle in cycles} == {"complete"}
    assert_is_what_happened(collector, truth)


def test_what_differs_from_history_stands_and_is_noted(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource
) -> None:
    pushes = deliver_events(TelphinCalls(truth), InjectedFaults(), truth.ends)
    place = next(
        i
        for i, one in enumerate(pushes)
        if one.parameters["EventType"] == "hangup" and "RecID" in one.parameters
    )
    late = pushes[place].at + 60_000_000
    pushes[place] = pushes[place]._replace(parameters={**pushes[place].parameters, "EventTime": str(late)})
    receive(collector, source, pushes)
    before = stored(collector)
    assert {cycle.result for cycle in collect(collector, source, window=whole(truth))} == {"complete"}
    assert stored(collector).sort("leg_id").equals(before.sort("leg_id"))
    with collector.database.open_reader() as reader:
        notes = " ".join(read_feed_ledger(reader, source.name, "call_event")["note"].drop_nulls())
    call = pushes[place].parameters["CallID"]
    assert f"call {call}: " in notes
    assert "s of talk" in notes


def test_a_history_that_is_late_is_read_again(
    truth: GroundTruth,
    clock: SimulatedClock,
    collector: Collector,
    source: ConfiguredSource,
    faults: InjectedFaults,
) -> None:
    clock.move_to(truth.begins + 14 * 3600)
    faults.add_spec("late@telphin=7200")
    assert collect(collector, source)[-1].result == "complete"
    few = len(told(stored(collector)))
    faults.switch_off()
    clock.advance(3600)
    assert collect(collector, source)[-1].result == "complete"
    until = datetime.fromtimestamp(clock.now(), UTC) - timedelta(hours=1)
    over = [row for row in happened(truth) if row[5] is not None and row[5] < until]  # type: ignore[operator]
    assert few < len(over)
    assert set(over) <= set(told(stored(collector)))


@pytest.mark.parametrize(
    "spec",
    ["throttle:2x=0", "expired_token:1x", "stats_busy:1x", "server_error:1x", "gzip", "unauthorized:1x"],
)
def test_passing_faults_of_the_wire_pass(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults, spec: str
) -> None:
    faults.add_spec(spec)
    feed = "agent"
    if spec.startswith("stats_busy"):
        assert {one.result for one in collect(collector, source, window=whole(truth))} == {"complete"}
        return
    cycles = collect(collector, source, feed)
    if spec.startswith("unauthorized"):  # the login itself is refused
        assert cycles[-1].result == "failed"
        cycles = collect(collector, source, feed)
    assert [one.result for one in cycles] == ["complete"], cycles
    with collector.database.open_reader() as reader:
        assert reader.read_table("agent").height == len(truth.agents)


@pytest.mark.parametrize("spec", ["html", "truncated=0.5"])
def test_what_is_no_answer_is_no_empty_list(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults, spec: str
) -> None:
    faults.add_spec(spec)
    assert {one.result for one in collect(collector, source, "queue")} == {"failed"}
    faults.switch_off()
    assert {one.result for one in collect(collector, source, "queue")} == {"complete"}
    with collector.database.open_reader() as reader:
        assert reader.read_table("queue")["name"].sort().to_list() == sorted(one.name for one in truth.queues)


def test_last_requests_of_hour_are_left_to_others(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("budget=3")
    cycles = collect(collector, source, window=whole(truth))
    assert cycles[-1].result != "complete"
    assert "hour" in cycles[-1].note
    faults.switch_off()
    assert {one.result for one in collect(collector, source, window=whole(truth))} == {"complete"}
    assert_is_what_happened(collector, truth)
