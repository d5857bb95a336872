"""Collect from the sandbox over HTTP, with the collectors that a real account has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from wfm.errors import CollectError
from wfm.jobs import collecting
from wfm.jobs.collect import Collector, Cycle
from wfm.jobs.sources import Source
from wfm.sandbox import Clock
from wfm.storage.reader import Span
from wfm.vendors import CALL_EVENT, Feed, Payload, Session, Trouble, Window

Pair = tuple[Source, Feed]
LOOKS_PER_BATCH: Final = 240
WEEK_S: Final = 7 * 86_400
"""What is asked for at once: the sandbox has no limit to it, and each answer is a batch to the store."""


@dataclass(frozen=True)
class Collected:
    """What collecting a feed came to.

    rows: read; new: of these, new. looks: how many snapshots, and watched_s the virtual seconds between the first and
    the last of them; 0 for feeds with a past.
    """

    source: str
    feed: str
    rows: int
    new: int
    looks: int = 0
    watched_s: float = 0.0


@dataclass(frozen=True)
class Stepping:
    """A session that moves virtual time on before each look; several looks are one batch to the store."""

    session: Session
    clock: Clock
    looks: Sequence[datetime]

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask at every one of the instants; see `wfm.vendors.Session`."""
        for at in self.looks:
            self.clock.move_to(at.timestamp())
            async for item in self.session.fetch(feed, window):
                yield item


def pairs(sources: Iterable[Source], *kinds: str) -> list[Pair]:
    """Return the feeds of some kinds that sources have."""
    return [(source, feed) for source in sources for feed in source.feeds.values() if feed.kind in kinds]


def watch(collector: Collector, sources: Iterable[Source], clock: Clock, span: Span) -> list[Collected]:
    """Follow a span of virtual time in every feed that says only what is so now.

    Raises:
        CollectError: something was not told, or not stored.
    """
    return [
        asyncio.run(_watch(collector, pair, clock, span)) for pair in pairs(sources, "snapshot")
    ]  # one after another: each needs the clock


async def _watch(collector: Collector, pair: Pair, clock: Clock, span: Span) -> Collected:
    source, feed = pair
    start, step = span[0], timedelta(seconds=feed.every_s)
    looks = [start + k * step for k in range((span[1] - start) // step + 1)]
    state = collecting.state_folder(collector.store.path)
    cycles: list[Cycle] = []
    async with collecting.client(source, state, collector.clock) as http:
        session = source.vendor.session(source.settings, http)
        for first in range(0, len(looks), LOOKS_PER_BATCH):
            some = Stepping(session, clock, looks[first : first + LOOKS_PER_BATCH])
            cycles += await collector.collect(source, feed, some)
            _insist(cycles)
    rows, new = _summed(cycles)
    return Collected(source.name, feed.name, rows, new, len(looks), (looks[-1] - start).total_seconds())


def look_back(
    collector: Collector, sources: Sequence[Source], volume: Span, everything_else: Span
) -> list[Collected]:
    """Collect lists and all that has a past, of all sources at the same time.

    Args:
        collector: where to.
        sources: whom to ask.
        volume: the window of sources that tell volume, which a forecast needs more of.
        everything_else: the window of all others.

    Raises:
        CollectError: something was not told, or not stored.
    """
    asked = [(source, replace(feed, slice_s=WEEK_S)) for source, feed in pairs(sources, "list", "window")]
    long = [pair for pair in asked if counts(pair[0])]
    short = [pair for pair in asked if pair not in long]
    cycles = asyncio.run(
        _both(
            collecting.collect(collector, long, Window(*volume)),
            collecting.collect(collector, short, Window(*everything_else)),
        )
    )
    _insist(cycles)
    order = {(source.name, feed.name): place for place, (source, feed) in enumerate(asked)}
    cycles.sort(key=lambda cycle: order[cycle.source, cycle.feed])
    return [
        Collected(*key, *_summed(list(group)))
        for key, group in groupby(cycles, key=lambda cycle: (cycle.source, cycle.feed))
    ]


def counts(source: Source) -> bool:
    """Say whether a source tells the volume of its queues, in buckets or by every call: all but the logs of users."""
    tables = {table for feed in source.feeds.values() for table in (feed.name, *feed.fills)}
    return bool(tables & {"interval_volume", CALL_EVENT})


async def _both(*asked: Awaitable[list[Cycle]]) -> list[Cycle]:
    return [cycle for cycles in await asyncio.gather(*asked) for cycle in cycles]


def _summed(cycles: Sequence[Cycle]) -> tuple[int, int]:
    return sum(cycle.read for cycle in cycles), sum(cycle.added for cycle in cycles)


def _insist(cycles: Iterable[Cycle]) -> None:
    """Refuse to go on without a part: a demo that shows half of it would mislead."""
    for cycle in cycles:
        if cycle.result != "complete" or cycle.spooled:
            what = "waits in the spool" if cycle.spooled else cycle.result
            raise CollectError(f"The demo did not get {cycle.feed} of {cycle.source} ({what}): {cycle.note}")
