"""Collect: a snapshot of many agents from bytes to stored transactions, and a million call-log entries over HTTP.

python tests/bench/bench_collect.py --snapshot 10000 --beside 20000000
python tests/bench/bench_collect.py --entries 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import httpx
import polars as pl

from wfm.collect import run
from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.sandbox.centre.people import make_agents, make_queues
from wfm.sandbox.vendors.nextiva_xsi.reply import XML_NAMESPACE
from wfm.storage.database import Database
from wfm.vendors import Feed, Payload, Window
from wfm.vendors.nextiva_xsi.nodes import ENTRY_KINDS
from wfm.vendors.nextiva_xsi.settings import ROOT_PATH

WORDS = ("Available", "Busy", "Wrapup", "Logged out", "Break")
NCC = {"vendor": "nextiva_ncc", "base_url": "https://login.example.com", "username": "u", "password": "p"}
DAY = datetime(2026, 3, 2, tzinfo=UTC)


class Polled:
    """A session that hands over snapshots made before: a few agents of each hundred changed since the last."""

    def __init__(self, agents: int, polls: int) -> None:
        chance = random.Random(1)
        states = [chance.choice(WORDS) for _ in range(agents)]
        self.bodies = []
        for _ in range(polls):
            for who in chance.sample(range(agents), agents // 33):
                states[who] = chance.choice(WORDS)
            rows = [{"agent-id": f"u-{i}", "agent-status": state} for i, state in enumerate(states)]
            self.bodies.append(json.dumps({"realTime": rows}).encode())
        self.poll = 0

    async def fetch(self, _feed: object, _window: object) -> AsyncIterator[Payload]:
        """Hand over the next one."""
        body = self.bodies[self.poll]
        self.poll += 1
        yield Payload("agent_state", DAY + timedelta(seconds=15 * self.poll), body)


def bare(path: Path, rows: pl.DataFrame) -> float:
    """Return the milliseconds that the same rows take in one transaction of DuckDB alone: opened, inserted, closed."""
    began = time.perf_counter()
    with duckdb.connect(str(path)) as con:
        con.register("rows", rows)
        con.execute("CREATE TABLE IF NOT EXISTS said AS SELECT * FROM rows LIMIT 0")
        con.execute("INSERT INTO said SELECT * FROM rows")
    return (time.perf_counter() - began) * 1000


def beside(store: Database, states: int) -> None:
    """Fill the database with states of the days before, in the order of time."""
    with store.open_transaction() as con:
        con.execute(
            "INSERT INTO agent_state SELECT 'ncc', 'u-' || i * 7919 % 10000, told, 'Busy', NULL, 1, i, told, NULL "
            "FROM (SELECT i, ?::TIMESTAMPTZ - INTERVAL 1 SECOND * ((? - i) // 4) AS told FROM range(?) AS t(i))",
            [DAY, states, states],
        )


def snapshots(agents: int, states: int, polls: int = 40) -> None:
    """Print the median time from a snapshot's bytes to its stored transactions."""
    source = check_sources({"ncc": NCC})["ncc"]
    session = Polled(agents, polls)
    took, alone = [], []
    with tempfile.TemporaryDirectory() as place:
        collector = Collector(Database(Path(place) / "wfm.duckdb"))
        beside(collector.database, states)
        for poll in range(polls):
            began = time.perf_counter()
            (cycle,) = asyncio.run(collector.collect_feed(source, source.feeds["agent_state"], session))
            took.append((time.perf_counter() - began) * 1000)
            with collector.database.open_reader() as reader:
                at = DAY + timedelta(seconds=15 * (poll + 1))
                rows = reader.read_table("agent_state", span=(at, at + timedelta(seconds=1)))
            assert rows.height == cycle.added_count - (poll > 0), (
                cycle
            )  # which counts the span that was watched, too
            alone.append(bare(Path(place) / "bare.duckdb", rows))
    print(
        f"{agents:,} agents, {polls} snapshots of {len(session.bodies[0]) / 1000:,.0f} kB beside {states:,} states: "
        f"{spread(took[2:])}; the same rows by DuckDB alone: {spread(alone[2:])}; {peak():.2f} GB"
    )


def spread(ms: list[float]) -> str:
    """Say how long something took."""
    return f"median {statistics.median(ms):.0f} ms, best {min(ms):.0f}, worst {max(ms):.0f}"


def peak() -> float:
    """Return the most memory this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


SERVER = """
import sys, time
from helpers.call_log_server import run_call_log_server
with run_call_log_server(100, int(sys.argv[1]) // 100) as (url, server):
    print(url, flush=True)
    time.sleep(3600)
"""


@contextmanager
def served(n: int) -> Iterator[str]:
    """Serve call logs in a process of its own: the base URL."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(n)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def entries(n: int) -> None:
    """Print how long a million entries take from HTTP to stored legs, and what parts of that take alone."""
    with served(n) as url, tempfile.TemporaryDirectory() as place:
        settings = {
            "vendor": "nextiva_xsi",
            "base_url": f"{url}/xsi",
            "username": "u@x.example",
            "password": "p",
            "requests_per_minute": "0",
            "format": "xml",
            "confirm_end": "false",
        }
        source = check_sources({"xsi": settings})["xsi"]
        collector = Collector(Database(Path(place) / "wfm.duckdb"))
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        endless = replace(source.feeds["call_leg"], slice_s=20_000 * 86_400)
        whole = Window(long_ago, long_ago + timedelta(days=20_000))
        began, before = time.perf_counter(), time.process_time()
        cycles = asyncio.run(run.collect_feeds(collector, [(source, endless)], whole))
        seconds, worked = time.perf_counter() - began, time.process_time() - before
        read = sum(cycle.read_count for cycle in cycles)
        assert [cycle.result for cycle in cycles] == ["complete"], cycles
        assert read >= n
        print(
            f"{read:,} entries: {seconds:.1f} s ({worked:.1f} s of processor), {read / seconds:,.0f} a second, "
            f"{peak():.2f} GB"
        )
        wire(source, endless, whole, url)


def wire(source: ConfiguredSource, feed: Feed, window: Window, url: str) -> None:
    """Print what HTTP alone, and reading alone, can do with the same pages."""
    pages, asked = (
        [],
        f"{url}/xsi{ROOT_PATH}/user/{{}}/directories/EnhancedCallLogs/Received?results=1000&start=",
    )
    users = make_agents(100, make_queues(1))
    with httpx.Client() as client:
        began = time.perf_counter()
        for user in users:
            pages.append(client.get(asked.format(user.xsi) + "1").content)
        seconds = time.perf_counter() - began
    print(f"  HTTP alone: {100_000 / seconds:,.0f} entries a second, {len(pages[0]):,} bytes a page")
    context = {"user": "u", "list": "Received"}
    as_json = json.dumps(badgerfish(pages[0])).encode()
    for name, body in (("XML", pages[0]), ("JSON", as_json)):
        took = []
        for again in range(20):  # with another blank each time, as pages read lately are remembered
            page = Payload(feed.name, window.end, body + b" " * again, context)
            began = time.perf_counter()
            rows = source.vendor.parse(feed.name, page, source.settings)
            took.append((time.perf_counter() - began) / rows.height)
        print(f"  {name} to rows alone: {1 / statistics.median(took):,.0f} entries a second")


def badgerfish(page: bytes) -> dict[str, object]:
    """Write an XML page as the vendor's JSON."""
    rows = [
        {one.tag.rpartition("}")[2]: {"$": one.text} for one in entry}
        for entry in ElementTree.XML(page).iter(f"{{{XML_NAMESPACE}}}{ENTRY_KINDS[0]}")
    ]
    return {"EnhancedCallLogs": {"received": {ENTRY_KINDS[0]: rows}}}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snapshot", type=int, default=0, metavar="AGENTS")
    parser.add_argument("--beside", type=int, default=0, metavar="STATES", help="already in the database")
    parser.add_argument("--entries", type=int, default=0)
    given = parser.parse_args()
    if given.snapshot:
        snapshots(given.snapshot, given.beside)
    if given.entries:
        entries(given.entries)


if __name__ == "__main__":
    main()
