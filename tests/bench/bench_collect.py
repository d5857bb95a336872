"""Collect: a snapshot of many agents from bytes to stored transactions, and a million call-log entries over HTTP.

python tests/bench/bench_collect.py --snapshot 10000
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
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wfm.jobs import collecting
from wfm.jobs.collect import Collector
from wfm.jobs.sources import configured
from wfm.store import Store
from wfm.vendors import Payload, Window

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


def snapshots(agents: int, polls: int = 40) -> None:
    """Print the median time from a snapshot's bytes to its stored transactions."""
    source = configured({"ncc": NCC})["ncc"]
    session = Polled(agents, polls)
    with tempfile.TemporaryDirectory() as place:
        collector = Collector(Store(Path(place) / "wfm.duckdb"))
        took = []
        for _ in range(polls):
            began = time.perf_counter()
            asyncio.run(collector.collect(source, source.feeds["agent_state"], session))
            took.append((time.perf_counter() - began) * 1000)
        with collector.store.reading() as reader:
            stored = reader.table("agent_state").height
    took = took[2:]
    print(
        f"{agents:,} agents, {polls} snapshots of {len(session.bodies[0]) / 1000:,.0f} kB, {stored:,} transactions: "
        f"median {statistics.median(took):.0f} ms, best {min(took):.0f}, worst {max(took):.0f}"
    )


SERVER = """
import sys, time
from wfm.sandbox.hoard import hoarding
with hoarding(100, int(sys.argv[1]) // 100) as (url, hoard):
    print(url, flush=True)
    time.sleep(3600)
"""


def entries(n: int) -> None:
    """Print how long a million entries take from HTTP to stored legs; the server is a process of its own."""
    with (
        subprocess.Popen([sys.executable, "-c", SERVER, str(n)], stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as place,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        settings = {
            "vendor": "nextiva_xsi", "base_url": f"{url}/xsi", "username": "u@x.example", "password": "p",
            "requests_per_minute": "0", "format": "xml", "confirm_end": "false",
        }  # fmt: skip
        source = configured({"xsi": settings})["xsi"]
        collector = Collector(Store(Path(place) / "wfm.duckdb"))
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        feed = source.feeds["call_leg"]
        whole = Window(long_ago, long_ago + timedelta(days=20_000))
        endless = type(feed)(**{**vars(feed), "slice_s": 20_000 * 86_400})
        began = time.perf_counter()
        cycles = asyncio.run(collecting.collect(collector, [(source, endless)], whole))
        seconds = time.perf_counter() - began
        server.kill()
        read = sum(cycle.read for cycle in cycles)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{read:,} entries ({cycles[-1].result}): {seconds:.1f} s, {read / seconds:,.0f} a second, {peak:.2f} GB"
        )
        if cycles[-1].note:
            print(cycles[-1].note[:300])


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snapshot", type=int, default=0, metavar="AGENTS")
    parser.add_argument("--entries", type=int, default=0)
    given = parser.parse_args()
    if given.snapshot:
        snapshots(given.snapshot)
    if given.entries:
        entries(given.entries)


if __name__ == "__main__":
    main()
