"""Cycles: what is due is asked, what came is stored with its ledger line, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from wfm.collect import run as collecting
from wfm.collect import spool
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource
from wfm.collect.windows import merge_windows
from wfm.core import schema
from wfm.core.errors import (
    AuthError,
    BadReplyError,
    CollectError,
    DatabaseBusyError,
    StoreError,
    ThrottledError,
    UnreachableError,
)
from wfm.storage.batches import store_batch
from wfm.storage.database import Database
from wfm.storage.ledger import summarise_feeds
from wfm.vendors import Feed, Payload, SourceSettings, Trouble, Window

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
CALLS = Feed("call_leg", "window", 900, overlap_s=3600, slice_s=3600)
STATES = Feed("agent_state", "snapshot", 10)


def parse(feed: str, payload: Payload, _: Any) -> pl.DataFrame:
    """Read the toy vendor's JSON: a list of rows with some of the table's columns."""
    try:
        rows = json.loads(payload.body)
    except ValueError as error:
        raise BadReplyError("not JSON") from error
    own = {name: dtype for name, dtype in schema.get_table(feed).own_columns.items() if name != "source"}
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String) if rows else own)
    if "started_at" in frame.columns and rows:
        frame = frame.with_columns(pl.col("started_at").str.to_datetime(time_zone="UTC", time_unit="us"))
    if feed == "agent_state":
        frame = frame.with_columns(at=pl.lit(payload.received_at).cast(pl.Datetime("us", "UTC")))
    return frame.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in frame.columns
    )


class Toy:
    """A vendor that has calls at known instants, and misbehaves when told."""

    NAME = "toy"

    def __init__(self) -> None:
        self.calls: dict[str, datetime] = {f"c{h}": START + h * HOUR for h in range(48)}
        self.now = START + 6 * HOUR
        self.asked: list[Window | None] = []
        self.fail: Any = None
        self.trouble: list[Trouble] = []
        self.present = {"u1": "Available"}
        self.version = ""
        self.garbled: set[datetime] = set()

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        self.asked.append(window)
        if feed.kind == "snapshot":
            rows = [{"login": login, "vendor_state": state} for login, state in self.present.items()]
            yield Payload(feed.name, self.now, json.dumps(rows).encode())
            return
        assert window is not None
        if any(window.start <= at < window.end for at in self.garbled):
            raise BadReplyError("garbled")
        for leg, at in self.calls.items():
            if window.start <= at < window.end:
                row = {
                    "leg_id": leg,
                    "started_at": at.isoformat(),
                    "outcome": f"answered{self.version}",
                    "payload": leg,
                }
                yield Payload(feed.name, self.now, json.dumps([row]).encode(), {"leg": leg})
        for trouble in self.trouble:
            yield trouble
        if self.fail:
            raise self.fail


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(tmp_path / "wfm.duckdb", wait_s=0.1)


@pytest.fixture
def collector(store: Database, toy: Toy) -> Collector:
    return Collector(store, clock=lambda: toy.now)


@pytest.fixture
def source() -> ConfiguredSource:
    vendor = SimpleNamespace(NAME="toy", FEEDS=(CALLS, STATES), parse=parse)
    return ConfiguredSource("toy", vendor, SourceSettings(vendor="toy"))  # type: ignore[arg-type]


def run(
    collector: Collector, source: ConfiguredSource, toy: Toy, feed: Feed = CALLS, window: Window | None = None
) -> list[CollectionCycle]:
    return asyncio.run(collector.collect_feed(source, feed, toy, window))


def legs(store: Database) -> list[str]:
    with store.open_reader() as reader:
        return reader.read_table("call_leg").sort("started_at")["leg_id"].to_list()


@pytest.mark.slow
def test_first_cycle_reaches_a_day_back(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    toy.now = START + 30 * HOUR
    first = run(collector, source, toy)
    assert {cycle.result for cycle in first} == {"complete"}
    assert legs(store) == [f"c{h}" for h in range(6, 30)]
    toy.asked.clear()
    toy.now += HOUR
    again = run(collector, source, toy)
    assert toy.asked == [
        Window(START + 29 * HOUR, START + 30 * HOUR),
        Window(START + 30 * HOUR, START + 31 * HOUR),
    ]
    assert [(cycle.read_count, cycle.added_count, cycle.replaced_count) for cycle in again] == [
        (1, 0, 0),
        (1, 1, 0),
    ]


@pytest.mark.slow
def test_failure_moves_no_cursor_and_gap_is_retried(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    toy.now = START + 26 * HOUR
    run(collector, source, toy)
    toy.now += 3 * HOUR
    toy.fail = UnreachableError("no answer")
    failed = run(collector, source, toy)
    assert failed[-1].result == "partial"  # what came before the failure is stored, the window is not done
    toy.fail = None
    toy.now += HOUR
    run(collector, source, toy)
    assert legs(store) == [f"c{h}" for h in range(2, 30)]


@pytest.mark.slow
def test_late_and_corrected_records_win_with_history(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    run(collector, source, toy)
    toy.version = " after all"
    toy.calls["late"] = toy.now - timedelta(minutes=30)
    toy.now += timedelta(minutes=15)
    cycles = run(collector, source, toy)  # the last hour again, and a quarter
    assert (sum(cycle.added_count for cycle in cycles), sum(cycle.replaced_count for cycle in cycles)) == (
        2,
        1,
    )
    with store.open_reader() as reader:
        rows = reader.run_query("SELECT outcome FROM call_leg WHERE leg_id = 'c5' ORDER BY recorded_at")
    assert rows["outcome"].to_list() == ["answered", "answered after all"]


@pytest.mark.slow
def test_user_without_service_does_not_hold_window_back(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    toy.trouble = [Trouble("u9 has no call log", permanent=True)]
    (*_, last) = run(collector, source, toy)
    assert (last.result, last.note) == ("complete", "u9 has no call log")
    toy.trouble = [Trouble("u9 did not answer", permanent=False)]
    toy.now += HOUR
    (*_, last) = run(collector, source, toy)
    assert last.result == "partial"


@pytest.mark.slow
def test_unreadable_payload_is_kept_noted_and_asked_again(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = source.vendor.parse

    def picky(feed: str, payload: Payload, settings: Any) -> pl.DataFrame:
        if payload.context.get("leg") == "c3":
            raise BadReplyError("c3 is garbled")
        return good(feed, payload, settings)

    monkeypatch.setattr(source.vendor, "parse", picky)
    window = Window(START, START + 6 * HOUR)
    cycles = run(collector, source, toy, window=window)
    missing = [cycle.window for cycle in cycles if cycle.result == "failed"]
    assert missing == [Window(START + 3 * HOUR, START + 3 * HOUR + n * QUARTER) for n in (4, 2, 1)]
    assert {cycle.note for cycle in cycles if cycle.result == "failed"} == {"c3 is garbled"}
    assert legs(store) == ["c0", "c1", "c2", "c4", "c5"]
    monkeypatch.setattr(source.vendor, "parse", good)
    run(collector, source, toy, window=window)
    assert legs(store) == [f"c{h}" for h in range(6)]


@pytest.mark.slow
def test_a_backfill_resumes_where_it_stopped(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    window = Window(START, START + 6 * HOUR)
    run(collector, source, toy, window=Window(START, START + 2 * HOUR))
    toy.asked.clear()
    run(collector, source, toy, window=window)
    assert toy.asked == [Window(START + h * HOUR, START + (h + 1) * HOUR) for h in range(2, 6)]
    toy.asked.clear()
    (again,) = run(collector, source, toy, window=window)
    assert (again.window, again.result, again.note) == (window, "complete", "already complete")
    assert toy.asked == []


@pytest.mark.slow
def test_window_complete_can_be_asked_for_again(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    window = Window(START, START + 2 * HOUR)
    run(collector, source, toy, window=window)
    toy.asked.clear()
    toy.version = " again"
    cycles = asyncio.run(collector.collect_feed(source, CALLS, toy, window, again=True))
    assert toy.asked == [Window(START, START + HOUR), Window(START + HOUR, START + 2 * HOUR)]
    assert [(cycle.result, cycle.added_count, cycle.replaced_count) for cycle in cycles] == [
        ("complete", 0, 1)
    ] * 2
    over = Window(START + 100 * HOUR, START + 101 * HOUR)
    (early,) = asyncio.run(collector.collect_feed(source, CALLS, toy, over, again=True))
    assert early.result == "failed"
    assert "not over yet" in early.note


@pytest.mark.slow
def test_window_is_fetched_up_to_now(collector: Collector, source: ConfiguredSource, toy: Toy) -> None:
    settling = Feed("call_leg", "window", 900, settle_s=600, slice_s=7200)
    toy.now = START + 2 * HOUR + timedelta(minutes=24)
    window = Window(START, START + 24 * HOUR)
    cycles = run(collector, source, toy, settling, window)
    assert toy.asked == [cycle.window for cycle in cycles] == [Window(START, START + 2 * HOUR)]
    assert cycles[-1].note == "collected up to 2026-03-02 02:00 UTC, the rest is not over yet"
    (again,) = run(collector, source, toy, settling, window)
    assert again.window == Window(START, START + 2 * HOUR)
    assert again.note == "already complete; collected up to 2026-03-02 02:00 UTC, the rest is not over yet"
    (later,) = run(collector, source, toy, settling, Window(START + 2 * HOUR, START + 3 * HOUR))
    assert later.result == "failed"
    assert "not over yet" in later.note
    assert len(toy.asked) == 1
    toy.now += timedelta(minutes=1)
    run(collector, source, toy, settling, window)
    assert toy.asked[1:] == [Window(START + 2 * HOUR, START + 2 * HOUR + QUARTER)]


def reached(collector: Collector, source: ConfiguredSource, feed: Feed = CALLS) -> datetime:
    with collector.database.open_reader() as reader:
        known = summarise_feeds(reader).filter(pl.col("source") == source.name, pl.col("feed") == feed.name)
    at: datetime = known["complete_until"].item()
    return at


@pytest.mark.slow
def test_unreadable_window_fails_alone(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    run(collector, source, toy)
    before = reached(collector, source)
    toy.garbled = {before + timedelta(minutes=40)}
    toy.now += 3 * HOUR
    run(collector, source, toy)
    poisoned = Window(before + 2 * QUARTER, before + 3 * QUARTER)
    assert reached(collector, source) == poisoned.start
    assert legs(store)[-1] == "c8"
    toy.asked.clear()
    toy.now += HOUR
    run(collector, source, toy)
    assert toy.asked[-1] == poisoned  # after the others, and asked for again
    assert legs(store)[-1] == "c9"
    toy.garbled.clear()
    run(collector, source, toy)
    assert reached(collector, source) == toy.now


@pytest.mark.parametrize(
    "wrong", [AuthError("no"), ThrottledError("later"), UnreachableError("gone"), CollectError("no disk")]
)
def test_wholly_failing_source_skips_its_next_window(
    collector: Collector, source: ConfiguredSource, toy: Toy, wrong: CollectError
) -> None:
    toy.now = START + 30 * HOUR
    toy.fail = wrong
    (cycle,) = run(collector, source, toy)  # partial: what came before is stored
    assert (cycle.result, cycle.note, cycle.is_source_failure) == ("partial", str(wrong), True)
    toy.calls.clear()
    (cycle,) = run(collector, source, toy)
    assert cycle.result == "failed"
    assert len(toy.asked) == 2


@pytest.mark.slow
def test_source_without_readable_answers_is_left(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    toy.now = START + 30 * HOUR
    toy.garbled = {START + n * QUARTER for n in range(200)}
    cycles = run(collector, source, toy)
    assert {cycle.result for cycle in cycles} == {"failed"}
    assert len(toy.asked) == 12


@pytest.mark.slow
def test_permanently_failing_windows_take_no_others_turn(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    run(collector, source, toy)
    first = reached(collector, source)
    toy.garbled = {first + n * QUARTER for n in range(13)}
    toy.now = first + 14 * QUARTER
    for _ in range(5):
        run(collector, source, toy)
    healed = toy.garbled.pop()
    for _ in range(4):
        run(collector, source, toy)
    done = collector.list_complete_windows(source, CALLS)
    assert any(window.start <= healed < window.end for window in done)
    assert not any(window.start <= at < window.end for window in done for at in toy.garbled)


@pytest.mark.slow
def test_what_failed_at_very_beginning_is_not_forgotten(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    toy.now = START + 30 * HOUR
    toy.garbled = {START + 6 * HOUR}
    run(collector, source, toy)
    assert legs(store)[0] == "c7"
    toy.garbled.clear()
    toy.now += HOUR
    run(collector, source, toy)
    assert legs(store) == [f"c{h}" for h in range(6, 31)]


@pytest.mark.slow
def test_outage_that_began_before_first_cycle_loses_nothing(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    toy.now = START + 24 * HOUR
    for _ in range(8):
        toy.fail = UnreachableError("no connection")
        run(collector, source, toy)
        toy.now += 2 * HOUR
    toy.fail = None
    run(collector, source, toy)
    assert legs(store) == [f"c{h}" for h in range(40)]


def test_a_long_window_is_stored_in_parts(store: Database, source: ConfiguredSource, toy: Toy) -> None:
    collector = Collector(store, clock=lambda: toy.now, part_bytes=1)
    (cycle,) = run(collector, source, toy, window=Window(START, START + HOUR))
    assert (cycle.result, cycle.read_count, cycle.added_count) == ("complete", 1, 1)
    with store.open_reader() as reader:
        assert reader.read_table("collection")["result"].to_list() == ["partial", "complete"]


@pytest.mark.slow
def test_next_part_is_fetched_while_one_is_stored(
    store: Database, source: ConfiguredSource, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    asked_on = threading.Event()
    keep, fetch = store_batch, toy.fetch

    def slow(*given: Any, **more: Any) -> Any:
        told.append("begun")
        assert asked_on.wait(10)  # only who asks on lets it end
        kept = keep(*given, **more)
        told.append("kept")
        return kept

    async def watched(feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        async for item in fetch(feed, window):
            yield item
            asked_on.set()

    monkeypatch.setattr("wfm.storage.batches.store_batch", slow)
    monkeypatch.setattr(toy, "fetch", watched)
    endless = replace(CALLS, slice_s=48 * 3600)
    collector = Collector(store, clock=lambda: toy.now, part_bytes=1)
    (cycle,) = run(collector, source, toy, endless, Window(START, START + 4 * HOUR))
    assert (cycle.result, cycle.read_count, cycle.added_count) == ("complete", 4, 4)
    assert told == ["begun", "kept"] * 5
    assert legs(store) == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize("hours", [1, 3])
def test_part_that_cannot_be_stored_ends_the_cycle(
    store: Database, source: ConfiguredSource, toy: Toy, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("wfm.storage.batches.store_batch", full)
    collector = Collector(store, clock=lambda: toy.now, part_bytes=1)
    endless = replace(CALLS, slice_s=48 * 3600)
    with pytest.raises(StoreError, match="disk is full"):
        run(collector, source, toy, endless, Window(START, START + hours * HOUR))
    assert collector.list_complete_windows(source, CALLS) == []


def test_part_is_stored_fully_when_fetching_fails(
    store: Database, source: ConfiguredSource, toy: Toy
) -> None:
    toy.fail = RuntimeError("a bug in the vendor's code")
    collector = Collector(store, clock=lambda: toy.now, part_bytes=1)
    with pytest.raises(RuntimeError, match="a bug"):
        run(collector, source, toy, window=Window(START, START + HOUR))
    assert legs(store) == ["c0"]
    assert collector.list_complete_windows(source, CALLS) == []


@pytest.mark.slow
def test_a_taken_database_loses_nothing(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(START, START + 3 * HOUR)
    with monkeypatch.context() as taken:

        def busy(*_: Any, **__: Any) -> None:
            raise DatabaseBusyError("in use")

        taken.setattr("wfm.storage.batches.store_batch", busy)
        cycles = run(collector, source, toy, window=window)
        assert all(cycle.is_spooled for cycle in cycles)
        assert len(spool.list_waiting_batches(collector.spool_folder)) == 3
    assert collector.drain_spool({"toy": source}) == 3
    assert legs(store) == ["c0", "c1", "c2"]
    assert spool.list_waiting_batches(collector.spool_folder) == []
    toy.asked.clear()
    run(collector, source, toy, window=window)
    assert toy.asked == []


@pytest.mark.slow
def test_unreadable_database_stops_no_collection(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    run(collector, source, toy, window=Window(START, START + 3 * HOUR))
    with store.open_transaction():
        cycles = [*run(collector, source, toy), *run(collector, source, toy, STATES)]
        with pytest.raises(DatabaseBusyError):
            run(collector, source, toy, window=Window(START, START + HOUR))
    assert all(cycle.is_spooled for cycle in cycles)
    newest = Window(START + 5 * HOUR - QUARTER, START + 6 * HOUR)
    assert merge_windows(cycle.window for cycle in cycles if cycle.window) == [newest]
    run(collector, source, toy)  # stores what waited, and asks for what nobody asked meanwhile
    assert legs(store) == [f"c{hour}" for hour in range(6)]
    assert merge_windows(collector.list_complete_windows(source, CALLS)) == [Window(START, START + 6 * HOUR)]
    with store.open_reader() as reader:
        assert reader.read_table("agent_state").height == 1


@pytest.mark.slow
def test_snapshot_is_kept_while_the_database_is_damaged(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    run(collector, source, toy, STATES)
    whole = store.path.read_bytes()
    for now, state in enumerate(("Break", "Available"), 1):
        store.path.write_bytes(b"no database" * 1000)
        toy.now, toy.present = START + 6 * HOUR + now * timedelta(seconds=30), {"u1": state}
        (cycle,) = run(collector, source, toy, STATES)
        assert cycle.is_spooled
        assert "; the batch waits in the spool" in cycle.note
        assert ("is not a database" in cycle.note) == (now == 1)
        assert len(spool.list_waiting_batches(collector.spool_folder)) == now
    store.path.write_bytes(whole)
    assert collector.drain_spool({"toy": source}) == 2
    with store.open_reader() as reader:
        said = reader.read_table("agent_state")["vendor_state"].to_list()
    assert said == ["Available", "Break", "Available"]


@pytest.mark.parametrize("where", ["asking", "reading", "storing the part before"])
def test_what_came_whole_is_kept_wherever_stop_falls(
    store: Database, source: ConfiguredSource, toy: Toy, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    fetch, keep, parsed = toy.fetch, store_batch, source.vendor.parse

    def slowly(does: Any) -> Any:
        def wait(*given: Any, **more: Any) -> Any:
            reached.set()
            assert go_on.wait(10)
            return does(*given, **more)

        return wait

    async def endless(feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        async for item in fetch(feed, window):
            yield item
        if where == "asking":
            reached.set()
            await asyncio.sleep(60)

    async def stop() -> None:
        window = Window(START, START + 2 * HOUR)
        task = asyncio.create_task(collector.collect_feed(source, replace(CALLS, slice_s=7200), toy, window))
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    monkeypatch.setattr(toy, "fetch", endless)
    if where == "reading":
        monkeypatch.setattr(source.vendor, "parse", slowly(parsed))
    if where == "storing the part before":
        monkeypatch.setattr("wfm.storage.batches.store_batch", slowly(keep))
    collector = Collector(
        store, clock=lambda: toy.now, part_bytes=1 if where.startswith("storing") else 10**9
    )
    asyncio.run(stop())
    collector.drain_spool({"toy": source})
    with store.open_reader() as reader:
        assert legs(store) == ["c0", "c1"]
        assert set(reader.read_table("collection")["result"]) == {"partial"}
    assert collector.list_complete_windows(source, CALLS) == []


@pytest.mark.slow
def test_unclaimed_or_unreadable_batch_blocks_no_other(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = Payload("queue", START, b"[]")
    gone = spool.SpooledBatch("1", "toy", "toy", "queue", None, "complete", "", (payload,))
    odd = spool.SpooledBatch("2", "toy", "toy", "agent_state", None, "complete", "", (payload,))
    paths = [spool.write_batch(collector.spool_folder, one) for one in (gone, odd)]
    follow = collector._apply_snapshots

    def fault(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(collector, "_apply_snapshots", fault)
    (cycle,) = run(collector, source, toy, window=Window(START, START + HOUR))
    assert (cycle.result, cycle.is_spooled) == ("complete", False)
    assert legs(store) == ["c0"]
    assert spool.list_waiting_batches(collector.spool_folder) == paths

    monkeypatch.setattr(collector, "_apply_snapshots", follow)
    assert collector.drain_spool({"toy": source}) == 1
    assert spool.list_waiting_batches(collector.spool_folder) == paths[:1]


@pytest.mark.slow
def test_a_fault_of_one_source_stops_no_other(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    def session(*_: Any) -> Toy:
        return toy

    def broken(*_: Any) -> Toy:
        raise KeyError("a-secret")

    limits = SimpleNamespace(requests_per_minute=None, concurrent=1, max_body_bytes=9, stop_after_401=2)
    pairs = []
    for name, begin in (("bad", broken), ("good", session)):
        vendor = SimpleNamespace(**vars(source.vendor), session=begin, LIMITS=limits)
        pairs.append((ConfiguredSource(name, vendor, source.settings), CALLS))  # type: ignore[arg-type]
    bad, *good = asyncio.run(collecting.collect_feeds(collector, pairs))
    assert (bad.source, bad.result) == ("bad", "failed")
    assert "KeyError" in bad.note
    assert "a-secret" not in bad.note
    assert good
    assert {(one.source, one.result) for one in good} == {("good", "complete")}


def test_batch_stored_before_a_crash_is_stored_once(
    collector: Collector, source: ConfiguredSource, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = spool.SpooledBatch(
        spool.SpooledBatch.create_name(),
        "toy",
        "toy",
        "call_leg",
        Window(START, START + HOUR),
        "complete",
        "",
        (Payload("call_leg", START, b'[{"leg_id": "c0"}]'),),
    )
    spool.write_batch(collector.spool_folder, batch)
    monkeypatch.setattr(spool, "remove_batch", lambda _: None)  # the crash: stored, but still in the spool
    collector.drain_spool({"toy": source})
    monkeypatch.undo()
    collector.drain_spool({"toy": source})
    with store.open_reader() as reader:
        assert reader.read_table("collection").height == 1
    assert spool.list_waiting_batches(collector.spool_folder) == []


@pytest.mark.slow
def test_snapshots_become_transactions_and_resume_after_restart(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    for state in ("Available", "Available", "Busy"):
        toy.present["u1"] = state
        run(collector, source, toy, STATES)
        toy.now += timedelta(seconds=10)
    fresh = Collector(store, clock=lambda: toy.now)
    run(fresh, source, toy, STATES)
    with store.open_reader() as reader:
        states, coverage = reader.read_table("agent_state"), reader.read_table("coverage")
    assert states.select("source", "login", "vendor_state").rows() == [
        ("toy", "u1", "Available"),
        ("toy", "u1", "Busy"),
    ]
    assert (coverage["end_at"].max() - coverage["start_at"].min()) == timedelta(seconds=30)  # type: ignore[operator]


@pytest.mark.slow
def test_replay_with_the_same_parser_changes_nothing(
    collector: Collector, source: ConfiguredSource, toy: Toy
) -> None:
    run(collector, source, toy)
    for state in ("Available", "Busy", "Busy", "Wrapup"):
        toy.present["u1"] = state
        run(collector, source, toy, STATES)
        toy.now += timedelta(seconds=10)
    for feed in (CALLS, STATES):
        cycle = collector.replay_feed(source, feed)
        assert (cycle.added_count, cycle.replaced_count) == (0, 0)
        assert cycle.read_count > 0


@pytest.mark.slow
def test_replay_after_a_parser_change_rebuilds_the_rows(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(collector, source, toy)
    before = legs(store)
    good = source.vendor.parse

    def better(feed: str, payload: Payload, settings: Any) -> pl.DataFrame:
        rows = good(feed, payload, settings)
        return rows.filter(pl.col("leg_id") != "c1").with_columns(outcome=pl.lit("as it should be"))

    monkeypatch.setattr(source.vendor, "parse", better)
    collector.replay_feed(source, CALLS)
    with store.open_reader() as reader:
        rows = reader.read_table("call_leg")
    assert set(rows["outcome"]) == {"as it should be"}
    assert set(rows["leg_id"]) == set(before) - {"c1"}


def test_what_the_vendor_said_is_in_the_audit(
    collector: Collector, source: ConfiguredSource, toy: Toy, store: Database
) -> None:
    run(collector, source, toy, window=Window(START, START + 2 * HOUR))
    with store.open_reader() as reader:
        audit = reader.read_table("call_audit")
    assert audit.select("source", "leg_id", "payload").rows() == [("toy", "c0", "c0"), ("toy", "c1", "c1")]
