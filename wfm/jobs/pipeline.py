"""Fetching, parsing and storing at the same time: a long window takes as long as the slowest of the three."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

MOST_UNREAD = 2
"""Most payloads that wait to be parsed; fetching pauses meanwhile, so that memory stays bounded."""

Stored = TypeVar("Stored")


class Line(Generic[Stored]):
    """Two threads that serve a fetch: one parses payloads as they arrive, one stores the parts; each in order.

    At most two parts are in memory: one being stored and one being parsed. Leaving the context waits for both threads,
    so that nothing is written afterwards.
    """

    def __init__(self) -> None:
        self._reader, self._storer = (ThreadPoolExecutor(1, f"wfm-{name}") for name in ("read", "store"))
        self._unread: deque[asyncio.Future[Any]] = deque()
        self._now: asyncio.Future[Stored] | None = None
        self._stored: list[Stored] = []

    async def read(self, payload: Callable[[], None]) -> None:
        """Parse a payload; waits while too many are unparsed."""
        self._unread.append(asyncio.get_running_loop().run_in_executor(self._reader, payload))
        await self._until(MOST_UNREAD)

    async def store(self, part: Callable[[], Stored]) -> None:
        """Start to store what was parsed; waits for the part before, and raises its error."""
        await self._until(0)
        await self.stored()
        self._now = asyncio.get_running_loop().run_in_executor(self._storer, part)

    async def stored(self) -> list[Stored]:
        """Wait for the last part and return the outcomes of all."""
        if self._now is not None:
            # shielded: a cancelled fetch lets the part finish and waits for it in __aexit__
            self._stored.append(await asyncio.shield(self._now))
            self._now = None
        return self._stored

    async def _until(self, most: int) -> None:
        while len(self._unread) > most:
            await self._unread.popleft()

    async def __aenter__(self) -> Line[Stored]:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._unread:
            one.cancel()
        left = [*self._unread, *([self._now] if self._now is not None else [])]
        await asyncio.gather(*left, return_exceptions=True)
        for thread in (self._reader, self._storer):
            thread.shutdown(wait=False)
