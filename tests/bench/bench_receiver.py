"""The receiver of `wfm serve`: so many deliveries a second on one core, how late their answers are, and `kill -9`.

python tests/bench/bench_receiver.py --seconds 60 --rate 2000

The service runs on core 0, this generator on core 1. The schedule is open-loop: an event has its instant, whether
or not the one before was answered, and its latency is counted from that instant. Half-way through a second run of
the same load the service is killed and started again; every acknowledged event must then be in the database once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.service_process import SECRET, Served, serving
from wfm.storage.database import Database

CONNECTIONS = 64
ANSWER = b'{"ok":true}'


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time under way."""

    def __init__(self, load: Load) -> None:
        self.load, self.buffer, self.event = load, b"", -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for work."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, event: int) -> None:
        """Deliver an event."""
        self.event = event
        self.transport.write(request(event))

    def data_received(self, data: bytes) -> None:
        """Note an answer that is whole."""
        self.buffer += data
        if self.buffer.endswith(ANSWER):
            self.load.answered(self, self.buffer.startswith(b"HTTP/1.1 200"))
            self.buffer = b""
        elif b" 503 " in self.buffer[:20] or b" 404 " in self.buffer[:20]:
            self.load.answered(self, False)
            self.buffer = b""

    def connection_lost(self, _: Exception | None) -> None:
        """Take no more."""
        self.load.lost()


@dataclass
class Load:
    """A schedule and what became of it: latencies in seconds by event, what was refused."""

    rate: int
    seconds: float
    latency: dict[int, float] = field(default_factory=dict)
    refused: int = 0
    sent: int = 0
    gone: bool = False
    idle: list[Connection] = field(default_factory=list)
    queue: deque[int] = field(default_factory=deque)

    def answered(self, connection: Connection, good: bool) -> None:
        """Note an answer, and give the connection the next event that waits."""
        if good:
            self.latency[connection.event] = time.perf_counter() - self.due(connection.event)
        else:
            self.refused += 1
        if self.queue:
            connection.send(self.queue.popleft())
        else:
            self.idle.append(connection)

    def due(self, event: int) -> float:
        """Return the instant of an event."""
        return self.began + event / self.rate

    def lost(self) -> None:
        """Note that the other side is gone."""
        self.gone = True

    async def run(self, port: int, halfway: Callable[[], object] = lambda: None) -> None:
        """Send everything on time."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
            self.idle.append(connection)
        self.began = time.perf_counter() + 0.2
        total, half = int(self.rate * self.seconds), False
        while self.sent < total and not self.gone:
            now = time.perf_counter()
            while self.sent < total and self.due(self.sent) <= now:
                self._dispatch(self.sent)
                self.sent += 1
            if not half and self.sent * 2 >= total:
                half = True
                halfway()
            await asyncio.sleep(0.0005)
        for _ in range(1000):
            if self.gone or len(self.latency) + self.refused >= self.sent:
                break
            await asyncio.sleep(0.01)
        for connection in self.idle:
            connection.transport.abort()

    def _dispatch(self, event: int) -> None:
        if self.idle:
            self.idle.pop().send(event)
        else:
            self.queue.append(event)


def request(event: int) -> bytes:
    """Write an event of a call of four, as a vendor would post it."""
    kind = ("dial", "ring", "answer", "hangup")[event % 4]
    said = {
        "id": f"e{event}",
        "call": f"c{event // 4}",
        "kind": kind,
        "at": str(event),
        "from": "+15550100123",
    }
    body = json.dumps(said).encode()
    head = b"POST /hooks/bell/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (SECRET.encode(), len(body)) + body


def on_core_0(served: Served) -> None:
    """Keep every thread of the service on one core."""
    for thread in os.listdir(f"/proc/{served.process.pid}/task"):
        os.sched_setaffinity(int(thread), {0})


def stored(place: Path) -> list[str]:
    """Return the events in the database."""
    with Database(place / "wfm.duckdb").open_reader() as reader:
        return list(reader.read_table("call_event")["event_id"])


def measure(rate: int, seconds: float) -> None:
    """Print how late answers are under a steady load, and whether all of it was stored."""
    load = Load(rate, seconds)
    with tempfile.TemporaryDirectory() as place, serving(Path(place)) as served:
        on_core_0(served)
        asyncio.run(load.run(served.port))
        cpu = sum(os.times()[:2])
        began = time.perf_counter()
        assert served.stop() == 0
        stopped = time.perf_counter() - began
        served_cpu = sum(os.times()[2:4])
        found = stored(Path(place))
    late = sorted(load.latency.values())

    def percentile(share: float) -> str:
        return f"{late[min(int(len(late) * share), len(late) - 1)] * 1000:.1f}"

    print(
        f"{load.sent:,} events at {rate:,}/s: {len(late):,} acknowledged, {load.refused} refused; ms from "
        f"the scheduled instant: p50 {percentile(0.5)}, p90 {percentile(0.9)}, p99 {percentile(0.99)}, "
        f"p99.9 {percentile(0.999)}, worst {late[-1] * 1000:.0f}"
    )
    print(
        f"stored: {len(found):,} ({len(set(found)):,} distinct); the stop took {stopped:.1f} s; CPU of the "
        f"service {served_cpu:.1f} s, of the generator {cpu:.1f} s; load {os.getloadavg()[0]:.1f}"
    )


def killed(rate: int, seconds: float) -> None:
    """Print what is left of acknowledged events after a kill -9 in the middle."""
    load = Load(rate, seconds)
    with tempfile.TemporaryDirectory() as place:
        with serving(Path(place)) as served:
            on_core_0(served)
            asyncio.run(load.run(served.port, served.process.kill))
            served.kill()
        with serving(Path(place)) as again:
            assert again.stop() == 0
        found = stored(Path(place))
    acknowledged = {f"e{n}" for n in load.latency}
    print(
        f"killed after {load.sent:,} events: {len(acknowledged):,} acknowledged, "
        f"{len(acknowledged - set(found))} of them lost, {len(found) - len(set(found))} doubled, "
        f"{len(set(found) - acknowledged)} stored but not yet acknowledged"
    )


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=2000)
    given = parser.parse_args()
    os.sched_setaffinity(0, {1})
    gc.disable()
    measure(given.rate, given.seconds)
    killed(given.rate, given.seconds / 2)


if __name__ == "__main__":
    main()
