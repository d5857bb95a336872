"""The poller of a source: one HTTP client and one session for as long as it runs, one cycle after another.

Snapshots are polled separately: a backfill that takes an hour must not delay the polls of agent states.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.run import build_http_client, locate_state_folder
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import CollectError
from wfm.vendors import Feed, Session

log = logging.getLogger("wfm.service")


class SourcePoller:
    """A poller of the feeds of one source.

    Args:
        source: the source.
        collector: stores what is received.
        on_cycle: called with every cycle.
    """

    def __init__(
        self, source: ConfiguredSource, collector: Collector, on_cycle: Callable[[CollectionCycle], None]
    ) -> None:
        self.source = source
        self._collector, self._on_cycle = collector, on_cycle
        self._snapshot_lock, self._other_lock = asyncio.Lock(), asyncio.Lock()
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self._stopping = False

    async def __aenter__(self) -> SourcePoller:
        state_folder = locate_state_folder(self._collector.database.path)
        self._http = await self._stack.enter_async_context(
            build_http_client(self.source, state_folder, self._collector.clock)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def stop(self) -> None:
        """Start no more cycles; a running one continues."""
        self._stopping = True

    async def poll_feed(self, feed: Feed) -> bool:
        """Collect what is due of a feed, and return whether all of it was received.

        Errors are recorded in the cycle and stop no other feed.
        """
        async with self._snapshot_lock if feed.kind == "snapshot" else self._other_lock:
            if self._stopping:
                return True
            cycles = await self._run_cycles(feed)
        for cycle in cycles:
            self._on_cycle(cycle)
        return all(cycle.result == "complete" for cycle in cycles)

    async def _run_cycles(self, feed: Feed) -> list[CollectionCycle]:
        try:
            if self._session is None:
                self._session = self.source.vendor.session(self.source.settings, self._http)
            return await self._collector.collect_feed(self.source, feed, self._session)
        except CollectError as error:
            return [self._build_failed_cycle(feed, str(error))]
        except Exception as error:  # a full disk, a bug: this cycle is lost, the next one is not
            log.exception("%s %s: the cycle failed", self.source.name, feed.name)
            return [self._build_failed_cycle(feed, f"{type(error).__name__}: {error}")]

    def _build_failed_cycle(self, feed: Feed, note: str) -> CollectionCycle:
        return CollectionCycle(self.source.name, feed.name, None, "failed", note=note)
