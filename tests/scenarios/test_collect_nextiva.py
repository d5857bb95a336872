"""Collect from the sandbox over real HTTP: what is stored is what happened, and the causes planted are found."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import wfm
from wfm.collect import run
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.core import schema
from wfm.engine.adherence.scoring import ScoreOptions
from wfm.engine.volume.intervals import measure_intervals
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox
from wfm.storage.audit import verify_audit_chains
from wfm.storage.database import Database
from wfm.vendors import Window

pytestmark = pytest.mark.slow

ZONE = "Asia/Jerusalem"


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=14, queues=2, timezone=ZONE)


@pytest.fixture
def clock(truth: GroundTruth) -> SimulatedClock:
    return SimulatedClock(truth.ends)


@pytest.fixture
def url(truth: GroundTruth, clock: SimulatedClock) -> Iterator[str]:
    with run_sandbox(truth, clock) as where:
        yield where


@pytest.fixture
def sources(url: str) -> dict[str, ConfiguredSource]:
    raw: dict[str, dict[str, str]] = {}
    for line in build_settings_lines(url, ZONE):
        name, _, value = line.partition("=")
        if name.startswith("WFM_SOURCES__"):
            _, source, key = name.lower().split("__")
            raw.setdefault(source, {"requests_per_minute": "0"})[key] = value
    return check_sources(raw)


@pytest.fixture
def collector(tmp_path: Path, clock: SimulatedClock) -> Collector:
    return Collector(
        Database(tmp_path / "wfm.duckdb"), clock=lambda: datetime.fromtimestamp(clock.now(), UTC)
    )


def collect(
    collector: Collector, source: ConfiguredSource, feed: str, window: Window | None = None
) -> list[CollectionCycle]:
    return asyncio.run(run.collect_feeds(collector, [(source, source.feeds[feed])], window))


def whole(truth: GroundTruth) -> Window:
    ends = datetime.fromtimestamp(truth.ends, UTC) + timedelta(hours=1)
    return Window(datetime.fromtimestamp(truth.begins, UTC), ends.replace(minute=0, second=0, microsecond=0))


def test_volume_is_what_happened(
    truth: GroundTruth, collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    cycles = collect(collector, sources["ncc"], "interval_volume", whole(truth))
    assert {cycle.result for cycle in cycles} == {"complete"}, cycles
    with collector.database.open_reader() as reader:
        got = reader.read_table("interval_volume")
    key = ["queue_id", "interval_start", "entered", "abandoned"]
    some = (pl.col("entered") > 0) | (pl.col("sum_handle_time_s") > 0)
    wanted = truth.interval.with_columns(sum_handle_time_s=pl.col("sum_handle_ms") / 1000).filter(some)
    assert got.filter(some).select(key).sort(key).rows() == wanted.select(key).sort(key).rows()
    assert got["sum_handle_time_s"].sum() == pytest.approx(wanted["sum_handle_time_s"].sum())


def test_the_lists_are_the_centre(
    truth: GroundTruth, collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    for feed in ("agent", "queue"):
        assert [cycle.result for cycle in collect(collector, sources["ncc"], feed)] == ["complete"]
    with collector.database.open_reader() as reader:
        agents, queues = reader.read_table("agent"), reader.read_table("queue")
    assert agents.height == truth.agent.height
    assert queues.height == truth.queue.height


def test_every_leg_is_collected_audited_and_chained(
    truth: GroundTruth, collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    cycles = collect(collector, sources["xsi"], "call_leg", whole(truth))
    assert {cycle.result for cycle in cycles} == {"complete"}, cycles
    with collector.database.open_reader() as reader:
        legs = reader.read_table("call_leg")
    second = pl.col("started_at", "answered_at").dt.truncate("1s")
    told = ["login", "started_at", "answered_at"]
    there, here = (set(frame.with_columns(second).select(told).rows()) for frame in (truth.leg, legs))
    assert there == here
    assert legs.height == truth.leg.height
    chain = verify_audit_chains(collector.database)
    assert (chain.row_count, chain.first_mismatch) == (legs.height, None)
    again = collect(collector, sources["xsi"], "call_leg")
    assert sum(cycle.added_count + cycle.replaced_count for cycle in again) == 0
    replayed = collector.replay_feed(sources["xsi"], sources["xsi"].feeds["call_leg"])
    assert (replayed.added_count, replayed.replaced_count) == (0, 0)
    assert set(schema.get_table("call_leg").own_columns) == set(legs.columns)


def test_customer_call_in_several_agent_logs_counts_once(
    truth: GroundTruth, collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    numbers = {queue.number: queue.queue_id for queue in truth.queues}
    own = sources["xsi"].settings.model_copy(update={"queue_numbers": numbers})
    collect(collector, ConfiguredSource("xsi", sources["xsi"].vendor, own), "call_leg", whole(truth))
    with collector.database.open_reader() as reader:
        found = measure_intervals(call_leg=reader.read_table("call_leg"))
    counts = found.group_by("queue_id").agg(pl.col("entered", "handled").sum())
    for queue, entered, handled in counts.iter_rows():
        really = truth.interval.filter(queue_id=queue)
        assert handled == really["handled"].sum()
        assert handled < entered <= really["entered"].sum()
    assert found["queue_id"].n_unique() == len(truth.queues)


def test_states_followed_by_polling_are_the_true_ones(
    truth: GroundTruth, collector: Collector, sources: dict[str, ConfiguredSource], clock: SimulatedClock
) -> None:
    begin = truth.begins + 9.5 * 3600
    polls = 60
    for poll in range(polls):
        clock.move_to(begin + 10 * poll)
        (cycle,) = collect(collector, sources["ncc"], "agent_state")
        assert cycle.result == "complete", cycle
    with collector.database.open_reader() as reader:
        states, coverage = reader.read_table("agent_state"), reader.read_table("coverage")
    start = datetime.fromtimestamp(begin, UTC)
    for login, mine in states.group_by("login"):
        told = mine.sort("at").select("at", "vendor_state").rows()
        real = (
            truth.agent_state.filter(pl.col("login") == login[0])
            .sort("at")
            .select("at", "vendor_state")
            .rows()
        )
        for poll in range(polls):
            at = start + timedelta(seconds=10 * poll)
            before = [state for t, state in real if t <= at] or ["Logged out"]
            assert [state for t, state in told if t <= at][-1] == before[-1]
    assert coverage["start_at"].min() == start
    assert coverage["end_at"].max() == start + timedelta(seconds=10 * (polls - 1))


def test_the_causes_planted_are_found_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    """Three implementations that share no code agree: the engine, its slow twin and the sandbox's own bookkeeping."""
    week = simulate_centre(seed=5, start=date(2026, 3, 1), days=7, agents=60, queues=4, timezone=ZONE)
    found = wfm.score(
        schedule=week.schedule,
        agent_state=week.agent_state.with_columns(source=pl.lit("ncc")),
        call_leg=week.leg.with_columns(source=pl.lit("xsi")),
        exemption=week.exemption,
        agent=week.agent,
        login=week.login,
        timezone=ZONE,
    ).exceptions()
    key = ["agent_id", "start_at", "end_at", "class", "reason"]
    words = pl.col("class", "reason").cast(pl.String)
    told = found.with_columns(words).select(key)
    planted = week.planted.with_columns(words).drop_nulls("reason").select(key)
    for reason in planted["reason"].unique().sort():
        ours, theirs = (set(frame.filter(reason=reason).rows()) for frame in (told, planted))
        precision, recall = len(ours & theirs) / len(ours), len(ours & theirs) / len(theirs)
        with capsys.disabled():
            sys.stdout.write(
                f"  {reason:<17} precision {precision:.3f} recall {recall:.3f} of {len(theirs)}\n"
            )
        assert (precision, recall) == (1, 1)
    assert planted["reason"].n_unique() == 11


def test_polling_makes_nobody_guilty_of_a_call() -> None:
    """At a leg's end a polled agent is still seen busy: without a leeway neither rule on calls would hold."""
    week = simulate_centre(seed=5, start=date(2026, 3, 1), days=7, agents=60, queues=4, timezone=ZONE)
    poll = timedelta(seconds=15)
    micros = int(poll.total_seconds()) * 1_000_000
    seen = -(-pl.col("at").cast(pl.Int64) // micros) * micros
    polled = week.agent_state.with_columns(seen.cast(pl.Datetime("us", "UTC")).alias("at"))
    polled = polled.unique(["login", "at"], keep="last", maintain_order=True)

    def driven(states: pl.DataFrame, delay: timedelta) -> float:
        scored = wfm.score(
            schedule=week.schedule,
            agent_state=states.with_columns(source=pl.lit("ncc")),
            call_leg=week.leg.with_columns(source=pl.lit("xsi")),
            exemption=week.exemption,
            agent=week.agent,
            login=week.login,
            timezone=ZONE,
            options=ScoreOptions(state_delay=delay),
        )
        return float(scored.adherence([])["call_driven_s"].item())

    real = driven(week.agent_state, timedelta(0))
    assert driven(polled, timedelta(0)) < 0.93 * real
    assert abs(driven(polled, poll) / real - 1) < 0.04


FOREVER = """
import sys
from wfm.cli import main
print("loaded", flush=True)
sys.exit(main(["collect", "ncc", "xsi", "--from", sys.argv[1], "--to", sys.argv[2]]))
"""


def test_kill_at_any_instant_loses_and_doubles_nothing(truth: GroundTruth, url: str, tmp_path: Path) -> None:
    lines = [line for line in build_settings_lines(url, ZONE) if "__XIMA__" not in line]
    lines.append(f"WFM_DATABASE={tmp_path / 'wfm.duckdb'}")
    lines += [f"WFM_SOURCES__{name}__REQUESTS_PER_MINUTE=0" for name in ("NCC", "XSI")]
    lines.append("WFM_SOURCES__XSI__PAGE_SIZE=20")
    (tmp_path / "settings.env").write_text("\n".join(lines))
    window = whole(truth)
    command = [sys.executable, "-c", FOREVER, window.start.isoformat(), window.end.isoformat()]
    chance = random.Random(7)
    killed = 0
    for _ in range(8):
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it has been loaded: a slow machine is not killed before it begins
            try:
                process.wait(timeout=chance.uniform(0.1, 1.4))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
    assert killed
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Database(tmp_path / "wfm.duckdb")
    with store.open_reader() as reader:
        legs, volume = reader.read_table("call_leg"), reader.read_table("interval_volume")
        versions = reader.run_query("SELECT count(*) AS n FROM call_leg")["n"][0]
    assert legs.height == legs["leg_id"].n_unique() == truth.leg.height
    assert versions == legs.height
    assert volume["entered"].sum() == truth.interval["entered"].sum()
    chain = verify_audit_chains(store)
    assert (chain.row_count, chain.first_mismatch) == (legs.height, None)
