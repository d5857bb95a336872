"""The gate in front of a source: whoever may not send now waits here, or is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from wfm.errors import AuthError, CollectError, ThrottledError
from wfm.http import refusals, turns
from wfm.http.refusals import Refusals
from wfm.http.state_file import StateFile

LONG_S: Final = 60.0
"""A source that asks for more patience is left alone by all; less is between it and the request that was told so."""


class Gate:
    """Let requests pass at the rate of the source, and none with credentials that are locked out."""

    def __init__(
        self,
        source: str,
        state: StateFile,
        noted: Refusals,
        requests_per_minute: float | None,
        sleep: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._source, self._state, self._refusals = source, state, noted
        self._gap_s = turns.gap_s(requests_per_minute)
        self._sleep, self._monotonic = sleep, monotonic
        self._first_in_line = asyncio.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._proven = not noted.counted
        self._noted = False

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait for a turn, and send within.

        Until the credentials are proven one request is under way at a time: eight at once would be eight refusals.

        Raises:
            AuthError: the credentials are locked out.
            ThrottledError: the source asked to be left alone for longer than `LONG_S`.
        """
        async with AsyncExitStack() as stack:
            if not self._proven:
                await stack.enter_async_context(self._one_at_a_time)
                if self._proven:  # somebody proved them while this one waited
                    await stack.aclose()
            await self._turn()
            yield

    async def _turn(self) -> None:
        async with self._first_in_line:
            while True:
                async with self._state.opened() as state:
                    self._refusals.check(state)
                    self._noted = "refused" in state
                    left = turns.rests_s(state, self._monotonic())
                    if left:
                        told = f"{self._source}: it asked for patience; nothing is sent for another {left:.0f} s."
                        raise ThrottledError(told, left)
                    wait = turns.take(state, self._gap_s, self._monotonic())
                if not wait:
                    return
                await self._sleep(wait)

    async def learn(self, status: int | None, trouble: CollectError | None) -> None:
        """Note a refusal, that the credentials are good, or that it wants to be left alone for long.

        A 401 that the caller expects is neither of the first two.

        ``status``: as far as the credentials are concerned; None: it says nothing of them.
        """
        if status == 401 and isinstance(trouble, AuthError) and self._refusals.counted:
            self._proven = False
            async with self._state.opened() as state:
                self._refusals.count(state)
        elif trouble is None and status is not None and 200 <= status < 300:
            self._proven = True
            if self._noted:
                async with self._state.opened() as state:
                    refusals.forget(state)
        if isinstance(trouble, ThrottledError) and (trouble.retry_after_s or 0.0) > LONG_S:
            async with self._state.opened() as state:
                turns.rest(state, trouble.retry_after_s or 0.0, self._monotonic())
