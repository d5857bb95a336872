"""Measure reading a snapshot of many agents, and a day of intervals, beside json.loads alone.

python tests/bench/bench_nextiva_ncc.py --agents 10000 [--queues 50] [--repeat 50]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from wfm.core import schema
from wfm.vendors import Payload
from wfm.vendors import nextiva_ncc as ncc

STATES = ["Available", "Busy", "Wrapup", "Coaching - Team B", "Logged out", "No Answer"]
NOW = datetime(2026, 3, 3, 2, tzinfo=UTC)
BEGIN = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())


def snapshots(agents: int) -> dict[str, bytes]:
    """Write a snapshot as documented, one with times, and one whose rows differ in shape."""
    plain: list[dict[str, Any]] = [
        {"agent-id": f"u-{n:06}", "agent-status": STATES[n % len(STATES)]} for n in range(agents)
    ]
    timed = [row | {"statusSince": (BEGIN + n) * 1000} for n, row in enumerate(plain)]
    mixed = [row | ({"team": "B"} if n % 2 else {}) for n, row in enumerate(plain)]
    named = {"snapshot": plain, "with times": timed, "mixed shapes": mixed}
    return {name: json.dumps({"realTime": rows}).encode() for name, rows in named.items()}


def day(queues: int) -> bytes:
    """Write a day of 96 intervals of every queue."""
    rows = [
        {
            "queueId": f"q-{queue}",
            "intervalStart": BEGIN + 900 * n,
            "sumHandleTime": 1_845_000,
            "enteredCount": 9,
            "abandonedCount": 2,
        }
        for n in range(96)
        for queue in range(queues)
    ]
    return json.dumps({"historical": rows}).encode()


def measure(what: str, rows: int, body: bytes, feed: str, repeat: int) -> None:
    """Print the median of reading, and of json.loads alone."""
    own = ncc.Settings.model_validate(
        {"vendor": "nextiva_ncc", "base_url": "https://x.example", "username": "u", "password": "p"}
    )
    payload = Payload(feed, NOW, body)
    assert ncc.parse(feed, payload, own).height == rows
    whole, alone = (
        _median_ms(call, repeat) for call in (lambda: ncc.parse(feed, payload, own), lambda: json.loads(body))
    )
    print(
        f"{what:12} {rows:>8,} rows {len(body) / 1e6:6.2f} MB   median {whole:7.2f} ms   json alone {alone:6.2f} ms"
    )


def _median_ms(call: Callable[[], object], repeat: int) -> float:
    took = []
    for _ in range(repeat):
        before = time.perf_counter()
        call()
        took.append((time.perf_counter() - before) * 1e3)
    return statistics.median(took)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--queues", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=50)
    given = parser.parse_args()
    schema.read_tables()
    for name, body in snapshots(given.agents).items():
        measure(name, given.agents, body, "agent_state", given.repeat)
    measure("day", 96 * given.queues, day(given.queues), "interval_volume", max(3, given.repeat // 5))


if __name__ == "__main__":
    main()
