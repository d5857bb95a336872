"""The whole service in hurried time: days of collecting, restarts, a source that never answers, a database in use."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from helpers.virtual_time import NOON, Hurried, hurry
from wfm.collect import spool
from wfm.collect.sources import ConfiguredSource
from wfm.collect.windows import merge_windows
from wfm.core import schema
from wfm.core.errors import DatabaseBusyError, UnreachableError
from wfm.service.server import Service
from wfm.settings import Settings
from wfm.vendors import Feed, Limits, Payload, SourceSettings, Window

QUARTER = timedelta(minutes=15)
POLL = Feed("agent_state", "snapshot", 120)
COUNTS = Feed("interval_volume", "window", 900, overlap_s=900)
QUEUES = Feed("queue", "list", 86_400)


class Exchange:
    """A vendor in hurried time: every quarter of an hour a call in one queue, and one agent who is there."""

    NAME, TITLE = "exchange", "Exchange"
    Settings = SourceSettings
    FEEDS = (POLL, COUNTS, QUEUES)
    LIMITS = Limits(requests_per_minute=0)
    STATES: ClassVar[dict[str, str]] = {}

    def __init__(self, loop: Hurried, takes_s: float = 0.0, dead: bool = False) -> None:
        self.loop, self.takes_s, self.dead = loop, takes_s, dead
        self.asked: list[tuple[str, float]] = []
        self.under_way: Counter[bool] = Counter()
        self.most = 0

    def session(self, settings: object, client: object) -> Exchange:  # noqa: ARG002
        return self

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload]:
        lane = feed.kind == "snapshot"
        self.asked.append((feed.name, self.loop.time()))
        self.under_way[lane] += 1
        self.most = max(self.most, self.under_way[lane])
        try:
            await asyncio.sleep(0 if lane else self.takes_s)
            if self.dead:
                raise UnreachableError("exchange: no answer.")
            body = json.dumps([w.isoformat() for w in (window.start, window.end)] if window else [])
            yield Payload(feed.name, self.loop.now(), body.encode())
        finally:
            self.under_way[lane] -= 1

    def parse(self, table: str, payload: Payload, settings: object) -> pl.DataFrame:  # noqa: ARG002
        own = {name: dtype for name, dtype in schema.get_table(table).own_columns.items() if name != "source"}
        return pl.DataFrame([dict.fromkeys(own) | row for row in self._rows(table, payload)], schema=own)

    def _rows(self, table: str, payload: Payload) -> list[dict[str, Any]]:
        if table == "queue":
            return [{"queue_id": "1"}]
        if table == "agent_state":
            return [{"login": "1", "vendor_state": "Available", "at": payload.received_at}]
        at, end = (datetime.fromisoformat(text) for text in json.loads(payload.body))
        count = {"queue_id": "1", "entered": 1, "abandoned": 0, "sum_handle_time_s": 60.0}
        return [{**count, "interval_start": at + n * QUARTER} for n in range((end - at) // QUARTER)]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hurried]:
    made = hurry(monkeypatch)
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.fixture
def service(loop: Hurried, tmp_path: Path) -> Callable[..., Service]:
    def made(**exchanges: Exchange) -> Service:
        sources = {
            name: ConfiguredSource(name, exchange, SourceSettings(vendor="exchange"))  # type: ignore[arg-type]
            for name, exchange in exchanges.items()
        }
        return Service(Settings(database=tmp_path / "wfm.duckdb", database_wait_s=0), sources, {}, loop.now)

    return made


def run(loop: Hurried, service: Service, for_s: float, *, killed: bool = False) -> None:
    async def go() -> None:
        await service.start()
        await asyncio.sleep(for_s)
        if not killed:
            await service.stop()

    loop.run_until_complete(go())
    if killed:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        service.scheduler._scheduler.pause()
        loop.run_until_complete(asyncio.sleep(0))


def stored(service: Service, table: str) -> pl.DataFrame:
    with service.collector.database.open_reader() as reader:
        return reader.read_table(table)


def quarters(service: Service, source: str = "pbx") -> list[datetime]:
    rows = stored(service, "interval_volume").filter(pl.col("source") == source)
    return list(rows.sort("interval_start")["interval_start"])


@pytest.mark.slow
def test_an_hour_is_collected_and_polled_on_time(loop: Hurried, service: Callable[..., Service]) -> None:
    exchange = Exchange(loop, takes_s=20)
    one = service(pbx=exchange)
    run(loop, one, 3600 + 90)
    polls = [at for feed, at in exchange.asked if feed == "agent_state"]
    assert polls == pytest.approx([120.0 * n for n in range(31)], abs=0.01)
    assert exchange.most == 1  # of each lane
    got = quarters(one)
    assert got == [got[0] + n * QUARTER for n in range(len(got))]
    assert got[-1] == NOON + timedelta(minutes=45)
    assert len(stored(one, "queue")) == 1
    watched = stored(one, "coverage")
    assert merge_windows(Window(*row) for row in watched.select("start_at", "end_at").iter_rows()) == [
        Window(NOON, NOON + timedelta(hours=1))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [True, False])
def test_after_a_restart_nothing_is_missing(
    loop: Hurried, service: Callable[..., Service], killed: bool
) -> None:
    first = Exchange(loop)
    run(loop, service(pbx=first), 3600, killed=killed)
    loop.sleep_through(5 * 3600)
    second = Exchange(loop)
    again = service(pbx=second)
    run(loop, again, 300)
    got = quarters(again)
    assert got == [got[0] + n * QUARTER for n in range(len(got))]
    assert got[-1] == NOON + timedelta(hours=5, minutes=45)
    assert "queue" not in {feed for feed, _ in second.asked}  # it is not due before tomorrow


@pytest.mark.slow
def test_one_that_never_answers_stops_no_other(loop: Hurried, service: Callable[..., Service]) -> None:
    bad, good = Exchange(loop, dead=True), Exchange(loop)
    one = service(bad=bad, good=good)
    run(loop, one, 1850)
    assert len(quarters(one, "good")) > 90
    assert quarters(one, "bad") == []
    assert len([1 for feed, _ in bad.asked if feed == "queue"]) == 7  # every five minutes, not once a day
    figures = one.metrics.render_text().decode()
    assert 'wfm_cycles_total{feed="queue",result="failed",source="bad"} 7.0' in figures
    assert 'wfm_feed_last_success_age_seconds{feed="queue",source="good"}' in figures
    assert 'wfm_feed_last_success_age_seconds{feed="queue",source="bad"}' not in figures


@pytest.mark.slow
def test_bug_in_a_vendor_is_a_failed_cycle(loop: Hurried, service: Callable[..., Service]) -> None:
    class Broken(Exchange):
        def session(self, settings: object, client: object) -> Exchange:  # noqa: ARG002
            raise ZeroDivisionError("a bug")

    good = Exchange(loop)
    one = service(bad=Broken(loop), good=good)
    run(loop, one, 1000)
    assert len(quarters(one, "good")) > 90
    assert (
        'wfm_cycles_total{feed="agent_state",result="failed",source="bad"} 9.0'
        in one.metrics.render_text().decode()
    )


@pytest.mark.slow
def test_while_somebody_has_the_database_batches_wait(
    loop: Hurried, service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = service(pbx=Exchange(loop))
    real, taken = type(one.collector.database)._connect_before, True

    def connect(self: Any, *args: Any, **options: Any) -> Any:
        if taken and 100 < loop.time() < 1000:
            raise DatabaseBusyError("somebody has it.")
        return real(self, *args, **options)

    monkeypatch.setattr(type(one.collector.database), "_connect_before", connect)

    async def go() -> None:
        await one.start()
        await asyncio.sleep(990)
        waiting = len(spool.list_waiting_batches(one.collector.spool_folder))
        assert waiting >= 7
        assert f"wfm_spool_batches {float(waiting)}" in one.metrics.render_text().decode()
        await asyncio.sleep(30)
        assert not spool.list_waiting_batches(one.collector.spool_folder)
        await one.stop()

    loop.run_until_complete(go())
    watched = stored(one, "coverage").select("start_at", "end_at")
    assert len(merge_windows(Window(*row) for row in watched.iter_rows())) == 1


def test_damaged_database_is_bad_health_and_no_fault(loop: Hurried, service: Callable[..., Service]) -> None:
    one = service(pbx=Exchange(loop))
    one.collector.database.path.write_bytes(b"no database" * 1000)
    condition = loop.run_until_complete(one._health_checker.get_report())
    assert condition.status == "bad"
    assert {found.check for found in condition.findings if found.grade == "bad"} == {"database"}


@pytest.mark.slow
def test_stop_keeps_what_a_long_cycle_has_received(loop: Hurried, service: Callable[..., Service]) -> None:
    class Endless(Exchange):
        FEEDS = (COUNTS,)

        async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload]:
            async for payload in super().fetch(feed, window):
                yield payload
                await asyncio.sleep(1e6)

    one = service(pbx=Endless(loop))
    run(loop, one, 10)
    assert loop.time() == pytest.approx(30, abs=1)
    assert len(spool.list_waiting_batches(one.collector.spool_folder)) == 1
    again = service(pbx=Exchange(loop))
    run(loop, again, 60)
    assert not spool.list_waiting_batches(again.collector.spool_folder)
    assert quarters(again)
