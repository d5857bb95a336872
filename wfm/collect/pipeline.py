"""Fetching, parsing and storing at the same time: a long window takes only as long as the slowest of the three."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

MAX_UNPARSED_PAYLOADS = 2
"""Most payloads that wait to be parsed; fetching pauses meanwhile, so that memory stays bounded."""

StoreOutcome = TypeVar("StoreOutcome")


class CollectPipeline(Generic[StoreOutcome]):
    """Two threads behind a fetch: one parses payloads as they arrive, one stores the parts; each keeps the order.

    At most two parts are in memory: one being stored and one being parsed. Leaving the context waits for both threads,
    so that nothing is written afterwards.
    """

    def __init__(self) -> None:
        self._parser_thread, self._storage_thread = (
            ThreadPoolExecutor(1, f"wfm-{name}") for name in ("read", "store")
        )
        self._unparsed: deque[asyncio.Future[Any]] = deque()
        self._storing: asyncio.Future[StoreOutcome] | None = None
        self._outcomes: list[StoreOutcome] = []

    async def parse_payload(self, payload: Callable[[], None]) -> None:
        """Parse a payload; waits while too many are unparsed."""
        self._unparsed.append(asyncio.get_running_loop().run_in_executor(self._parser_thread, payload))
        await self._wait_until_unparsed(MAX_UNPARSED_PAYLOADS)

    async def start_storing(self, part: Callable[[], StoreOutcome]) -> None:
        """Start to store what was parsed; waits for the previous part, and raises its error."""
        await self._wait_until_unparsed(0)
        await self.wait_for_stored()
        self._storing = asyncio.get_running_loop().run_in_executor(self._storage_thread, part)

    async def wait_for_stored(self) -> list[StoreOutcome]:
        """Wait for the last part and return the outcomes of all."""
        if self._storing is not None:
            # shielded: a cancelled fetch lets the part finish and waits for it in __aexit__
            self._outcomes.append(await asyncio.shield(self._storing))
            self._storing = None
        return self._outcomes

    async def _wait_until_unparsed(self, max_count: int) -> None:
        while len(self._unparsed) > max_count:
            await self._unparsed.popleft()

    async def __aenter__(self) -> CollectPipeline[StoreOutcome]:
        return self

    async def __aexit__(self, *_: object) -> None:
        for parsing in self._unparsed:
            parsing.cancel()
        running = [*self._unparsed, *([self._storing] if self._storing is not None else [])]
        await asyncio.gather(*running, return_exceptions=True)
        for thread in (self._parser_thread, self._storage_thread):
            thread.shutdown(wait=False)
