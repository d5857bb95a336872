"""Collect from the sandbox over HTTP, with the same collectors as from a real account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from wfm.collect import run
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import CollectError
from wfm.demo.progress import COLLECT, POLL, DemoProgress
from wfm.sandbox import SimulatedClock
from wfm.storage.reader import TimeSpan
from wfm.vendors import CALL_EVENT, Feed, Payload, Session, Trouble, Window

SourceFeed = tuple[ConfiguredSource, Feed]
POLLS_PER_BATCH: Final = 120
WINDOW_S: Final = 60 * 86_400
"""Longest window of a request: the sandbox has no limit, and every window costs one more transaction."""


@dataclass(frozen=True)
class CollectedFeed:
    """Result of collecting one feed.

    rows: how many were read, and new: how many of them were new. polls: the number of snapshots, and polled_s: the
    simulated seconds from the first to the last; both 0 for feeds with a history.
    """

    source: str
    feed: str
    rows: int
    new: int
    polls: int = 0
    polled_s: float = 0.0


@dataclass
class FeedCountingCollector(Collector):
    """Collector that counts the feeds it has finished."""

    progress: DemoProgress = field(default_factory=DemoProgress)

    async def collect_feed(
        self,
        source: ConfiguredSource,
        feed: Feed,
        session: Session,
        window: Window | None = None,
        *,
        again: bool = False,
    ) -> list[CollectionCycle]:
        """Collect a feed and count it."""
        cycles = await super().collect_feed(source, feed, session, window, again=again)
        if feed.kind != "snapshot":
            self.progress.finish_part()
        return cycles


@dataclass(frozen=True)
class ClockSteppingSession:
    """Session that sets the simulated clock before each poll; several polls are stored as one batch."""

    session: Session
    clock: SimulatedClock
    poll_times: Sequence[datetime]
    progress: DemoProgress

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Poll at each of the times; see `wfm.vendors.Session`."""
        for at in self.poll_times:
            self.clock.move_to(at.timestamp())
            async for item in self.session.fetch(feed, window):
                yield item
            self.progress.finish_part()


def list_feeds(sources: Iterable[ConfiguredSource], *kinds: str) -> list[SourceFeed]:
    """Return the feeds of the given kinds, each with its source."""
    return [(source, feed) for source in sources for feed in source.feeds.values() if feed.kind in kinds]


def poll_snapshots(
    collector: FeedCountingCollector,
    sources: Iterable[ConfiguredSource],
    clock: SimulatedClock,
    span: TimeSpan,
) -> list[CollectedFeed]:
    """Poll every snapshot feed through a span of simulated time.

    Raises:
        CollectError: a poll was not answered, or not stored.
    """
    # one after another, because each of them moves the one clock
    return [asyncio.run(_poll_feed(collector, one, clock, span)) for one in list_feeds(sources, "snapshot")]


async def _poll_feed(
    collector: FeedCountingCollector, source_feed: SourceFeed, clock: SimulatedClock, span: TimeSpan
) -> CollectedFeed:
    source, feed = source_feed
    start, step = span[0], timedelta(seconds=feed.every_s)
    times = [start + k * step for k in range((span[1] - start) // step + 1)]
    state = run.locate_state_folder(collector.database.path)
    cycles: list[CollectionCycle] = []
    collector.progress.begin_step(POLL, len(times))
    async with run.build_http_client(source, state, collector.clock) as http:
        session = source.vendor.session(source.settings, http)
        for first in range(0, len(times), POLLS_PER_BATCH):
            batch = times[first : first + POLLS_PER_BATCH]
            stepping = ClockSteppingSession(session, clock, batch, collector.progress)
            cycles += await collector.collect_feed(source, feed, stepping)
            _require_complete(cycles)
    rows, new = _sum_rows(cycles)
    return CollectedFeed(source.name, feed.name, rows, new, len(times), (times[-1] - start).total_seconds())


def collect_history(
    collector: FeedCountingCollector,
    sources: Sequence[ConfiguredSource],
    volume: TimeSpan,
    everything_else: TimeSpan,
) -> list[CollectedFeed]:
    """Collect all lists and all feeds with a history, from all sources at the same time.

    Args:
        collector: which stores what it collects.
        sources: the sources to collect from.
        volume: the window of sources that report volume, of which a forecast needs several weeks.
        everything_else: the window of all other sources.

    Raises:
        CollectError: a request was not answered, or its rows were not stored.
    """
    due = [
        (source, replace(feed, slice_s=WINDOW_S)) for source, feed in list_feeds(sources, "list", "window")
    ]
    long = [one for one in due if reports_volume(one[0])]
    short = [one for one in due if one not in long]
    collector.progress.begin_step(COLLECT, len(due))
    cycles = asyncio.run(
        _gather_cycles(
            run.collect_feeds(collector, long, Window(*volume)),
            run.collect_feeds(collector, short, Window(*everything_else)),
        )
    )
    _require_complete(cycles)
    order = {(source.name, feed.name): number for number, (source, feed) in enumerate(due)}
    cycles.sort(key=lambda cycle: order[cycle.source, cycle.feed])
    return [
        CollectedFeed(*key, *_sum_rows(list(group)))
        for key, group in groupby(cycles, key=lambda cycle: (cycle.source, cycle.feed))
    ]


def reports_volume(source: ConfiguredSource) -> bool:
    """Return whether a source reports the volume of its queues, by interval or call by call; logs of users do not."""
    tables = {table for feed in source.feeds.values() for table in (feed.name, *feed.fills)}
    return bool(tables & {"interval_volume", CALL_EVENT})


async def _gather_cycles(*running: Awaitable[list[CollectionCycle]]) -> list[CollectionCycle]:
    return [cycle for cycles in await asyncio.gather(*running) for cycle in cycles]


def _sum_rows(cycles: Sequence[CollectionCycle]) -> tuple[int, int]:
    return sum(cycle.read_count for cycle in cycles), sum(cycle.added_count for cycle in cycles)


def _require_complete(cycles: Iterable[CollectionCycle]) -> None:
    """Raise CollectError if a part is missing: a report on half of the data would mislead."""
    for cycle in cycles:
        if cycle.result != "complete" or cycle.is_spooled:
            outcome = "waits in the spool" if cycle.is_spooled else cycle.result
            raise CollectError(
                f"The demo did not get {cycle.feed} of {cycle.source} ({outcome}): {cycle.note}"
            )
