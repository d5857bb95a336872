"""The metrics for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Registered

from wfm.collect import spool
from wfm.collect.collector import CollectionCycle
from wfm.service.write_ahead_log import WriteAheadLog

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ACCEPTED_STATUSES: Final = range(200, 300)


class ServiceMetrics(Registered):
    """The metrics of the service: counters, and gauges that are measured when they are read.

    Args:
        write_ahead_log, spool_folder: where backlogs are measured.
        clock: the current time (UTC).
    """

    def __init__(
        self, write_ahead_log: WriteAheadLog, spool_folder: Path, clock: Callable[[], datetime]
    ) -> None:
        self._write_ahead_log, self._spool_folder, self._clock = write_ahead_log, spool_folder, clock
        self.last_success: dict[tuple[str, str], datetime] = {}
        self._registry = CollectorRegistry()
        feed = ("source", "feed")
        self._cycles = self._add_counter(
            "wfm_cycles", "Collection cycles of a feed, by result.", (*feed, "result")
        )
        self._rows = self._add_counter("wfm_rows", "Rows of a feed: read, added, replaced.", (*feed, "kind"))
        self._deliveries = self._add_counter(
            "wfm_webhook_deliveries",
            "Webhook deliveries, accepted or refused, by status; without source: no valid webhook was named.",
            ("source", "outcome", "status"),
        )
        self._registry.register(self)

    def _add_counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def record_cycle(self, cycle: CollectionCycle) -> None:
        """Count a collection cycle."""
        feed = (cycle.source, cycle.feed)
        self._cycles.labels(*feed, "spooled" if cycle.is_spooled else cycle.result).inc()
        for kind, rows in (
            ("read", cycle.read_count),
            ("added", cycle.added_count),
            ("replaced", cycle.replaced_count),
        ):
            self._rows.labels(*feed, kind).inc(rows)
        if cycle.result == "complete" and not cycle.is_spooled:
            self.last_success[feed] = self._clock()

    def record_delivery(self, source: str, status: int) -> None:
        """Count the answer to a delivery."""
        outcome = "accepted" if status in ACCEPTED_STATUSES else "refused"
        self._deliveries.labels(source, outcome, str(int(status))).inc()

    def describe(self) -> list[Metric]:
        """Return nothing at registration; without this method Prometheus would call `collect`."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Measure the backlogs, and the age of every feed's last success."""
        now = self._clock()
        age = GaugeMetricFamily(
            "wfm_feed_last_success_age_seconds",
            "Seconds since a feed was last collected completely.",
            labels=["source", "feed"],
        )
        for feed, at in sorted(self.last_success.items()):
            age.add_metric(feed, (now - at).total_seconds())
        yield age
        waiting = len(spool.list_waiting_batches(self._spool_folder))
        yield GaugeMetricFamily(
            "wfm_spool_batches", "Batches in the spool, waiting for the database.", value=waiting
        )
        segments, size = self._write_ahead_log.measure_backlog()
        yield GaugeMetricFamily(
            "wfm_journal_segments", "Segments of the write-ahead log not stored yet.", value=segments
        )
        yield GaugeMetricFamily(
            "wfm_journal_bytes", "Bytes of the write-ahead log not stored yet.", value=size
        )

    def render_text(self) -> bytes:
        """Render all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
