"""Collect from the sandbox's Voicenter over real HTTP: whatever it does, what is stored is what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from json import dumps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest

from wfm.collect import run as collecting
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.core.errors import AuthError, ThrottledError
from wfm.engine.volume import intervals
from wfm.http import Client, RetryPolicy
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox
from wfm.sandbox.vendors.voicenter import VoicenterCdrs
from wfm.storage.database import Database
from wfm.vendors import CALL_EVENT, Delivery, Feed, Payload, Trouble, Window, pack_deliveries, voicenter
from wfm.vendors.voicenter import fetch

pytestmark = pytest.mark.slow

ZONE = "Asia/Jerusalem"
START = datetime(2026, 3, 2, tzinfo=UTC)


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
def given(truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults) -> Iterator[dict[str, Any]]:
    with run_sandbox(truth, clock, faults) as url:
        lines = (line.partition("=") for line in build_settings_lines(url, ZONE) if "__VOICENTER__" in line)
        yield {name.rpartition("__")[2].lower(): value for name, _, value in lines} | {
            "requests_per_minute": "0"
        }


@pytest.fixture
def collector(tmp_path: Path, clock: SimulatedClock) -> Collector:
    return Collector(
        Database(tmp_path / "wfm.duckdb"), clock=lambda: datetime.fromtimestamp(clock.now(), UTC)
    )


def source(given: dict[str, Any], **more: str) -> ConfiguredSource:
    return check_sources({"vc": {**given, **more}})["vc"]


def collect(
    collector: Collector, of: ConfiguredSource, feed: str = "call_leg", window: Window | None = None
) -> list[CollectionCycle]:
    hurry = RetryPolicy(attempts=2, first_wait_s=0.002, longest_wait_s=0.01)
    return asyncio.run(
        collecting.collect_feeds(collector, [(of, of.feeds[feed])], window, retry_policy=hurry)
    )


def whole(truth: GroundTruth) -> Window:
    start = datetime.fromtimestamp(truth.begins, UTC)
    return Window(start, start + timedelta(days=1, hours=3))


def stored(collector: Collector) -> pl.DataFrame:
    with collector.database.open_reader() as reader:
        return reader.read_table("call_leg")


def check(truth: GroundTruth, legs: pl.DataFrame) -> None:
    """Every call of the centre, to the second, and volume counted from them."""
    cdrs = VoicenterCdrs(truth)
    assert legs.height == len(cdrs.rows)
    queued = legs.filter(pl.col("queue_id").is_not_null())
    assert queued.height == truth.call.height
    real = truth.call.join(truth.agent.select("agent_id"), on="agent_id", how="left").sort(
        "arrived_at", "call_id"
    )
    whom = {agent.agent_id: agent.extension for agent in truth.agents}
    there = {
        (
            row["arrived_at"],
            row["answered_at"],
            row["ended_at"] or row["abandoned_at"],
            whom.get(row["agent_id"]),
        )
        for row in real.iter_rows(named=True)
    }
    assert set(queued.select("started_at", "answered_at", "ended_at", "login").rows()) == there
    counted = intervals.measure_intervals(call_leg=legs)
    assert counted["entered"].sum() == truth.interval["entered"].sum()
    assert counted["abandoned"].sum() == truth.interval["abandoned"].sum()


@pytest.mark.parametrize(
    "how", [{}, {"method": "get", "token": "sandbox", "code": "x"}, {"token": "sandbox"}, {"cap": "40"}]
)
def test_what_is_collected_is_what_happened(
    truth: GroundTruth,
    collector: Collector,
    given: dict[str, Any],
    faults: InjectedFaults,
    how: dict[str, str],
) -> None:
    if "cap" in how:
        faults.switch_on("capped", value=40)
    cycles = collect(collector, source(given, **how), window=whole(truth))
    assert {cycle.result for cycle in cycles} == {"complete"}, cycles
    check(truth, stored(collector))


@pytest.mark.parametrize(
    "fault", ["capped", "lower_case", "texts", "throttle", "server_error", "truncated", "html"]
)
def test_under_a_fault_nothing_is_lost_or_invented(
    truth: GroundTruth, collector: Collector, given: dict[str, Any], faults: InjectedFaults, fault: str
) -> None:
    of = source(given)
    chance = 1.0 if fault in ("capped", "lower_case", "texts") else 0.3
    faults.switch_on(
        fault, probability=chance, value=0.01 if fault == "throttle" else None, vendor="voicenter"
    )
    first = collect(collector, of, window=whole(truth))
    assert all(cycle.note for cycle in first if cycle.result != "complete")
    faults.switch_off()
    assert {cycle.result for cycle in collect(collector, of, window=whole(truth))} <= {"complete"}
    check(truth, stored(collector))


def test_403_about_rate_is_waited_for_without_lockout(
    truth: GroundTruth,
    collector: Collector,
    given: dict[str, Any],
    faults: InjectedFaults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch, "THROTTLE_WAITS_S", (0.0, 0.0, 0.0))
    of = source(given)
    faults.switch_on("forbidden", count=3)
    assert {cycle.result for cycle in collect(collector, of, window=whole(truth))} == {"complete"}
    check(truth, stored(collector))
    faults.switch_on("forbidden")
    before = Window(whole(truth).start - timedelta(hours=1), whole(truth).start)
    for _ in range(3):
        (cycle,) = collect(collector, of, window=before)
        assert (cycle.result, "error 1" in cycle.note) == ("failed", True), cycle
    assert faults.hits["forbidden"] == 3 + 3 * 4
    faults.switch_off()
    assert {cycle.result for cycle in collect(collector, of)} == {"complete"}


def test_calls_posted_late_are_found_by_overlap(
    truth: GroundTruth,
    collector: Collector,
    given: dict[str, Any],
    faults: InjectedFaults,
    clock: SimulatedClock,
) -> None:
    of = source(given)
    faults.switch_on("late", value=600, vendor="voicenter")
    for hour in range(4, 28):
        clock.move_to(truth.begins + hour * 3600)
        collect(collector, of)
    clock.move_to(truth.ends + 7200)
    collect(collector, of)
    assert stored(collector).height == len(VoicenterCdrs(truth).rows)


def test_wrong_account_code_is_not_retried_for_ever(
    truth: GroundTruth, collector: Collector, given: dict[str, Any], faults: InjectedFaults
) -> None:
    of = source(given, code="a-wrong-code")
    before = sum(faults.served.values())
    notes = [collect(collector, of)[0].note for _ in range(4)]
    assert "error 2" in notes[0]
    assert "a-wrong-code" not in " ".join(notes)
    assert "nothing" in notes[-1]
    assert sum(faults.served.values()) - before == 2
    assert {cycle.result for cycle in collect(collector, source(given), window=whole(truth))} == {"complete"}


def test_notification_is_leg_until_the_log_has_it(
    truth: GroundTruth, collector: Collector, given: dict[str, Any]
) -> None:
    of = source(given)
    pushed = VoicenterCdrs(truth).build_notifications(ZONE)
    now = datetime.fromtimestamp(truth.ends, UTC)
    told = [Delivery(now, "POST", "", one.content_type, one.text.encode()) for one in pushed]
    for some in (told[::-1], told[:50]):  # in any order, and some again
        collector.store_deliveries(of, [Payload(CALL_EVENT, now, pack_deliveries(some), {"by": "webhook"})])
    check(truth, stored(collector))
    collect(collector, of, window=whole(truth))
    legs = stored(collector)
    check(truth, legs)
    assert not legs["leg_id"].str.ends_with("|told").any()
    collector.store_deliveries(of, [Payload(CALL_EVENT, now, pack_deliveries(told), {"by": "webhook"})])
    assert stored(collector).equals(legs)


def test_extensions_are_agents_and_empty_lists_remove_none(
    truth: GroundTruth, collector: Collector, given: dict[str, Any]
) -> None:
    collect(collector, source(given), "agent")
    (cycle,) = collect(collector, source(given, code="wrong-one"), "agent")
    assert (cycle.result, "no extension" in cycle.note) == ("complete", True)
    with collector.database.open_reader() as reader:
        agents = reader.read_table("agent")
    assert sorted(agents["agent_id"]) == sorted(agent.extension for agent in truth.agents)


class Answers:
    """A client that answers from a function of the search; counts what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def post(self, _url: str, *, json: Any, **_: Any) -> Any:
        self.asked += 1
        body = dumps(self.answer(json["search"])).encode()
        return SimpleNamespace(body=body, received_at=datetime.now(UTC), status=200)


def run(answer: Any, **more: Any) -> tuple[list[Payload | Trouble], Answers, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    own = voicenter.Settings(vendor="voicenter", code="x", cap=10, **more)
    client = Answers(answer)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    feed = Feed("call_leg", "window", 300)

    async def gather() -> list[Payload | Trouble]:
        asked = fetch.VoicenterSession(own, client, sleep).fetch(
            feed, Window(start, start + timedelta(hours=1))
        )  # type: ignore[arg-type]
        return [part async for part in asked]

    return asyncio.run(gather()), client, slept


def test_full_second_is_asked_for_type_by_type() -> None:
    def answer(search: dict[str, Any]) -> dict[str, Any]:
        inside = search["fromdate"] <= "2026-03-02T00:10:00" <= search["todate"]
        total = (
            (15 if not search.get("cdrTypes") else 5 if search["cdrTypes"][0] in (1, 8) else 0)
            if inside
            else 0
        )
        rows = [{"CallID": str(n), "CdrType": 1, "DateEpoch": 1772410200} for n in range(min(10, total))]
        return {"ERROR_NUMBER": 0, "TOTAL_HITS": total, "RETURN_HITS": len(rows), "CDR_LIST": rows}

    parts, client, _ = run(answer)
    troubles = [part for part in parts if isinstance(part, Trouble)]
    assert troubles  # five of fifteen are of a type that nobody knows
    assert not troubles[0].permanent
    assert client.asked < 120


def test_the_limit_is_waited_for_and_then_told() -> None:
    left = iter([1, 1, 0])

    def busy(_: dict[str, Any]) -> dict[str, Any]:
        return {"ERROR NUMBER": next(left), "TOTAL_HITS": 0, "RETURN_HITS": 0, "CDR_LIST": []}

    parts, _, slept = run(busy)
    assert (len(parts), slept) == (1, [5.0, 15.0])
    with pytest.raises(ThrottledError, match="patience"):
        run(lambda _: {"ERROR_NUMBER": 1, "ERROR_DESCRIPTION": "limit"})


class Doors:
    """Voicenter's two addresses: the log refuses a wrong CODE with status 200, the extensions are simply none."""

    def __init__(self) -> None:
        self.right, self.asked = False, [0, 0]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        extensions = request.url.path == fetch.EXTENSIONS_PATH
        self.asked[extensions] += 1
        said: dict[str, Any] = {"ERROR_NUMBER": 0 if self.right else 2, "TOTAL_HITS": 0, "CDR_LIST": []}
        if extensions:
            said = {"ERR": 0, "EXTENSIONS": [{"SIP": "x"}] if self.right else []}
        told = {"content-type": "application/json"}
        return httpx.Response(200, headers=told, stream=httpx.ByteStream(dumps(said).encode()))


def test_refusals_with_status_200_end_in_lockout(tmp_path: Path) -> None:
    doors = Doors()

    def cycle(feed: str) -> None:
        async def go() -> None:
            how: dict[str, Any] = {"secrets": ["x"], "requests_per_minute": 0, "state_dir": tmp_path}
            async with Client("vc", transport=httpx.MockTransport(doors), **how) as client:
                session = voicenter.session(own, client)
                window = Window(START, START + timedelta(hours=1)) if feed == "call_leg" else None
                async for _ in session.fetch(Feed(feed, "window" if window else "list", 300), window):
                    pass

        asyncio.run(go())

    own = voicenter.Settings(vendor="voicenter", code="x")
    for _ in range(2):
        with pytest.raises(AuthError, match="error 2"):
            cycle("call_leg")
        if doors.asked[0] == 1:
            cycle("agent")
    assert doors.asked == [2, 1]
    for feed in ("call_leg", "agent"):
        with pytest.raises(AuthError, match="refused 2 times in a row"):
            cycle(feed)
    assert doors.asked == [2, 1]

    (tmp_path / "vc.json").unlink()
    with pytest.raises(AuthError, match="error 2"):
        cycle("call_leg")
    doors.right = True
    cycle("call_leg")
    doors.right = False
    with pytest.raises(AuthError, match="error 2"):
        cycle("call_leg")  # the first in a row again
    assert doors.asked == [5, 1]
