"""Collect from Xima's side of the sandbox over real HTTP: what is stored is what happened, faults on or off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.http import Client, RetryPolicy
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox
from wfm.sandbox.vendors.xima.reports import write_agent_label
from wfm.storage.database import Database
from wfm.vendors import Window
from wfm.vendors.xima import Settings
from wfm.vendors.xima.fetch import XimaSession

pytestmark = pytest.mark.slow

ZONE = "America/Denver"


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Two days of eight agents; on the first clocks go forward."""
    return simulate_centre(seed=11, start=date(2026, 3, 8), days=2, agents=8, queues=2, timezone=ZONE)


@pytest.fixture
def faults() -> InjectedFaults:
    return InjectedFaults(seed=1)


@pytest.fixture
def clock(truth: GroundTruth) -> SimulatedClock:
    return SimulatedClock(truth.ends)


@pytest.fixture
def source(truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults) -> Iterator[ConfiguredSource]:
    with run_sandbox(truth, clock, faults) as url:
        start = "WFM_SOURCES__XIMA__"
        lines = [
            line.removeprefix(start) for line in build_settings_lines(url, ZONE) if line.startswith(start)
        ]
        raw = {name.lower(): value for name, _, value in (line.partition("=") for line in lines)}
        yield check_sources({"xima": {**raw, "requests_per_minute": "0"}})["xima"]


@pytest.fixture
def collector(tmp_path: Path, clock: SimulatedClock) -> Collector:
    return Collector(
        Database(tmp_path / "wfm.duckdb"), clock=lambda: datetime.fromtimestamp(clock.now(), UTC)
    )


class Waits(list[float]):
    """Notes how long it should have slept."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def collect(
    collector: Collector,
    source: ConfiguredSource,
    feed: str,
    window: Window | None = None,
    waits: Waits | None = None,
) -> list[CollectionCycle]:
    async def run() -> list[CollectionCycle]:
        assert isinstance(source.settings, Settings)
        pause = waits if waits is not None else Waits()
        hurry = RetryPolicy(attempts=2, first_wait_s=0.002, longest_wait_s=0.01, total_s=1)
        async with Client("xima", secrets=source.secrets, retry_policy=hurry, sleep=pause) as client:
            session = XimaSession(source.settings, client, sleep=pause)
            return await collector.collect_feed(source, source.feeds[feed], session, window)

    return asyncio.run(run())


def whole(truth: GroundTruth) -> Window:
    ends = datetime.fromtimestamp(truth.ends, UTC) - timedelta(hours=1)
    return Window(datetime.fromtimestamp(truth.begins, UTC), ends.replace(minute=0, second=0, microsecond=0))


def table(collector: Collector, name: str) -> pl.DataFrame:
    with collector.database.open_reader() as reader:
        return reader.read_table(name)


def volume(truth: GroundTruth) -> set[tuple[object, ...]]:
    names = dict(truth.queue.select("queue_id", "name").rows())
    rows = truth.interval.filter((pl.col("entered") > 0) | (pl.col("sum_handle_ms") > 0))
    told = rows.select("queue_id", "interval_start", "entered", "abandoned", "sum_handle_ms").rows()
    return {(names[queue], at, entered, lost, ms / 1000) for queue, at, entered, lost, ms in told}


def stored_volume(collector: Collector) -> set[tuple[object, ...]]:
    columns = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s")
    return set(table(collector, "interval_volume").select(columns).rows())


def is_what_happened(truth: GroundTruth, collector: Collector) -> bool:
    states = set(table(collector, "agent_state").select("login", "at", "vendor_state").rows())
    extensions = {one.agent_id: one.extension for one in truth.agents}
    rows = truth.agent_state.select("agent_id", "at", "vendor_state").rows()
    real = {(extensions[who], at, word) for who, at, word in rows}
    return stored_volume(collector) == volume(truth) and states == real


def test_reports_become_volume_and_states(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource
) -> None:
    (cycle,) = collect(collector, source, "report_row", whole(truth))
    assert (cycle.result, cycle.note) == ("complete", "")
    assert is_what_happened(truth, collector)
    cells = table(collector, "report_row")
    talked = cells.filter(report_id="AGTTALK1", column_title="Talking").filter(pl.col("row_no") >= 0)
    summed = cells.filter(report_id="AGTTALK1", column_title="Talking", row_no=-1)
    assert talked["number"].sum() == truth.leg["talk_s"].sum() == summed["number"].sum()
    assert set(talked["unit"]) == set(summed["unit"]) == {"s"}
    replayed = collector.replay_feed(source, source.feeds["report_row"])
    assert (replayed.added_count, replayed.replaced_count) == (0, 0)


def test_recordings_and_lists(truth: GroundTruth, collector: Collector, source: ConfiguredSource) -> None:
    for feed in ("call_leg", "agent", "queue"):
        assert {c.result for c in collect(collector, source, feed, whole(truth))} == {"complete"}
    legs, real = table(collector, "call_leg"), truth.leg.drop_nulls("answered_at")
    extensions = {one.agent_id: one.extension for one in truth.agents}
    told = real.select("agent_id", "call_id", "answered_at", "ended_at", "direction").rows()
    assert set(legs.select("login", "call_id", "answered_at", "ended_at", "direction").rows()) == {
        (extensions[who], *rest) for who, *rest in told
    }
    assert legs.height == real.height
    names = dict(table(collector, "agent").select("agent_id", "name").rows())
    assert names == {one.extension: one.name for one in truth.agents}
    assert set(table(collector, "queue")["queue_id"]) == set(truth.queue["name"])


def test_a_report_in_the_making_is_waited_for(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("cached=3")
    waits = Waits()
    (cycle,) = collect(collector, source, "report_row", whole(truth), waits)
    assert cycle.result == "complete"
    days = len(waits) // 3
    assert waits == [5, 15, 45] * days
    assert days >= 2
    assert is_what_happened(truth, collector)


def test_report_never_ready_is_given_up_for_now(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("cached=1000000")
    waits = Waits()
    (cycle,) = collect(collector, source, "report_row", whole(truth), waits)
    assert cycle.result == "failed"
    assert "volume, time cards, talking was not ready after 15 min" in cycle.note
    assert waits == [5, 15, 45, 135, 405, 295]
    faults.switch_off()
    assert {c.result for c in collect(collector, source, "report_row", whole(truth))} == {"complete"}
    assert is_what_happened(truth, collector)


def test_a_renamed_column_is_kept_and_not_guessed(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("renamed")
    (cycle,) = collect(collector, source, "report_row", whole(truth))
    assert "implausible" in cycle.note
    assert "no column 'Skill'" in cycle.note
    assert table(collector, "report_row").height > 0
    assert table(collector, "interval_volume").height == 0
    faults.switch_off()
    collect(collector, source, "report_row")
    later = table(collector, "interval_volume")
    assert later.height > 0
    assert stored_volume(collector) <= volume(truth)


def test_nothing_is_not_an_error(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("no_content")
    (cycle,) = collect(collector, source, "report_row", whole(truth))
    assert (cycle.result, cycle.read_count) == ("complete", 0)


def test_one_hidden_agent_does_not_hide_the_rest(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    given = source.settings.model_dump()
    people = [{"key": write_agent_label(one)} for one in truth.agents]
    users = {"name": "Rows", "valueType": "PBX_USERS", "value": {"type": "PBX_USERS", "pbxUsers": people}}
    for report in given["reports"]:
        report["parameters"] = [*report["parameters"], users]
    listed = ConfiguredSource("xima", source.vendor, Settings(**given))
    hidden = truth.agents[5]
    faults.add_spec(f"hidden_agent={hidden.extension}")
    (cycle,) = collect(collector, listed, "report_row", whole(truth))
    assert cycle.result == "complete"
    assert f"{write_agent_label(hidden)} may not be seen; left out" in cycle.note
    logins = set(table(collector, "agent_state")["login"])
    real = truth.agent_state["agent_id"].unique().to_list()
    assert logins == {one.extension for one in truth.agents if one.agent_id in real} - {hidden.extension}


def test_recordings_asked_for_too_soon_wait_their_turn(
    truth: GroundTruth,
    collector: Collector,
    source: ConfiguredSource,
    faults: InjectedFaults,
    clock: SimulatedClock,
) -> None:
    faults.add_spec("paced=60")
    cycles = collect(collector, source, "call_leg", whole(truth), None)
    assert faults.hits["paced"] > 0
    assert cycles[0].result == "complete"
    assert cycles[-1].result == "failed"  # nobody slept here: patience is at its end before the time is up
    faults.switch_off()
    collect(collector, source, "call_leg", whole(truth))
    assert table(collector, "call_leg").height == truth.leg["answered_at"].count()
    assert clock.now() == truth.ends


def test_bandwidth_that_is_used_up_ends_the_cycle(
    truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec("bandwidth")
    for feed in ("report_row", "call_leg"):
        cycles = collect(collector, source, feed, whole(truth))
        assert [cycle.result for cycle in cycles] == ["failed"]
        assert "509" in cycles[0].note
    assert sum(n for (_, _, status), n in faults.served.items() if status == 509) == 2
    faults.switch_off()
    collect(collector, source, "report_row", whole(truth))
    assert is_what_happened(truth, collector)


@pytest.mark.parametrize("fault", ["html:2x", "truncated:2x", "gzip", "server_error:2x", "throttle:2x"])
def test_the_wire_may_be_bad(
    fault: str, truth: GroundTruth, collector: Collector, source: ConfiguredSource, faults: InjectedFaults
) -> None:
    faults.add_spec(fault)
    collect(collector, source, "report_row", whole(truth))
    assert faults.hits
    faults.switch_off()
    collect(collector, source, "report_row", whole(truth))
    assert is_what_happened(truth, collector)
