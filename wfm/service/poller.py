"""The poller of a source: one HTTP client and one session as long as it runs, one cycle after another.

Snapshots are polled separately: a backfill of an hour must not delay polls of agent states every 15 seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from wfm.errors import CollectError
from wfm.jobs.collect import Collector, Cycle
from wfm.jobs.collecting import client, state_folder
from wfm.jobs.sources import Source
from wfm.vendors import Feed, Session

log = logging.getLogger("wfm.service")


class Poller:
    """Polls the feeds of a source, one after another.

    Args:
        source: which one.
        collector: stores what was received.
        on_cycle: called with every cycle.
    """

    def __init__(self, source: Source, collector: Collector, on_cycle: Callable[[Cycle], None]) -> None:
        self.source = source
        self._collector, self._noted = collector, on_cycle
        self._lanes = {True: asyncio.Lock(), False: asyncio.Lock()}
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self._stopping = False

    async def __aenter__(self) -> Poller:
        state = state_folder(self._collector.store.path)
        self._http = await self._stack.enter_async_context(client(self.source, state, self._collector.clock))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def stop(self) -> None:
        """Start no more cycles; a running one continues."""
        self._stopping = True

    async def poll(self, feed: Feed) -> bool:
        """Collect what is due of a feed, and return whether all of it was received.

        Errors are recorded in the cycle and stop no other feed.
        """
        async with self._lanes[feed.kind == "snapshot"]:
            if self._stopping:
                return True
            cycles = await self._cycles(feed)
        for cycle in cycles:
            self._noted(cycle)
        return all(cycle.result == "complete" for cycle in cycles)

    async def _cycles(self, feed: Feed) -> list[Cycle]:
        try:
            if self._session is None:
                self._session = self.source.vendor.session(self.source.settings, self._http)
            return await self._collector.collect(self.source, feed, self._session)
        except CollectError as error:
            return [self._failed(feed, str(error))]
        except Exception as error:  # a full disk, a bug: this cycle is lost, the next one is not
            log.exception("%s %s: the cycle failed", self.source.name, feed.name)
            return [self._failed(feed, f"{type(error).__name__}: {error}")]

    def _failed(self, feed: Feed, note: str) -> Cycle:
        return Cycle(self.source.name, feed.name, None, "failed", note=note)
