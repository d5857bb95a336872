"""What Prometheus is told, in a registry of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Registered

from wfm.jobs import spool
from wfm.jobs.collect import Cycle
from wfm.service.journal import Journal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ACCEPTED: Final = range(200, 300)


class Metrics(Registered):
    """Count what happens, and look at what waits when it is asked.

    Args:
        journal, spool_folder: what waits there.
        clock: what time it is (UTC).
    """

    def __init__(self, journal: Journal, spool_folder: Path, clock: Callable[[], datetime]) -> None:
        self._journal, self._spool, self._clock = journal, spool_folder, clock
        self.last_success: dict[tuple[str, str], datetime] = {}
        self._registry = CollectorRegistry()
        feed = ("source", "feed")
        self._cycles = self._counter(
            "wfm_cycles", "Cycles of a feed, by what they came to.", (*feed, "result")
        )
        self._rows = self._counter(
            "wfm_rows", "Rows of a feed, by what became of them: read, added, replaced.", (*feed, "kind")
        )
        self._deliveries = self._counter(
            "wfm_webhook_deliveries",
            "Deliveries of webhooks, by whether they were accepted and by status; no source: they named none.",
            ("source", "outcome", "status"),
        )
        self._registry.register(self)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def cycle(self, cycle: Cycle) -> None:
        """Note a cycle."""
        feed = (cycle.source, cycle.feed)
        self._cycles.labels(*feed, "spooled" if cycle.spooled else cycle.result).inc()
        for kind, rows in (("read", cycle.read), ("added", cycle.added), ("replaced", cycle.replaced)):
            self._rows.labels(*feed, kind).inc(rows)
        if cycle.result == "complete" and not cycle.spooled:
            self.last_success[feed] = self._clock()

    def delivery(self, source: str, status: int) -> None:
        """Note the answer to a delivery."""
        outcome = "accepted" if status in ACCEPTED else "refused"
        self._deliveries.labels(source, outcome, str(int(status))).inc()

    def describe(self) -> list[Metric]:
        """Say nothing before it is asked: what is looked at then is not known now."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look at what waits, and how old the last successes are."""
        now = self._clock()
        age = GaugeMetricFamily(
            "wfm_feed_last_success_age_seconds",
            "Seconds since a feed was last collected whole.",
            labels=["source", "feed"],
        )
        for feed, at in sorted(self.last_success.items()):
            age.add_metric(feed, (now - at).total_seconds())
        yield age
        waiting = len(spool.waiting(self._spool))
        yield GaugeMetricFamily("wfm_spool_batches", "Batches that wait for the database.", value=waiting)
        segments, size = self._journal.depth()
        yield GaugeMetricFamily(
            "wfm_journal_segments", "Segments of the journal not stored yet.", value=segments
        )
        yield GaugeMetricFamily("wfm_journal_bytes", "Bytes of the journal not stored yet.", value=size)

    def text(self) -> bytes:
        """Write everything down as Prometheus reads it."""
        return generate_latest(self._registry)
