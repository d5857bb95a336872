"""The gate of a source: requests wait here for the rate limit, and are refused during a lockout."""

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
"""A longer pause that a source asks for applies to all requests; a shorter one only to the request it answered."""


class Gate:
    """A gate that lets requests pass at the rate of the source, and none during a lockout."""

    def __init__(
        self,
        source: str,
        state: StateFile,
        lockout: Refusals,
        requests_per_minute: float | None,
        sleep: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._source, self._state, self._refusals = source, state, lockout
        self._gap_s = turns.gap_s(requests_per_minute)
        self._sleep, self._monotonic = sleep, monotonic
        self._first_in_line = asyncio.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._proven = not lockout.counted
        self._noted = False

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait until a request may be sent; send it within this context.

        Until the credentials have worked once, requests are sent one at a time: eight at once would be eight refusals.

        Raises:
            AuthError: the credentials are locked out.
            ThrottledError: the source asked for a pause longer than `LONG_PAUSE_S`.
        """
        async with AsyncExitStack() as stack:
            if not self._proven:
                await stack.enter_async_context(self._one_at_a_time)
                if self._proven:  # another request proved them meanwhile
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
                        message = (
                            f"{self._source}: it asked to wait; nothing is sent for another {left:.0f} s."
                        )
                        raise ThrottledError(message, left)
                    wait = turns.take(state, self._gap_s, self._monotonic())
                if not wait:
                    return
                await self._sleep(wait)

    async def learn(self, status: int | None, failure: CollectError | None) -> None:
        """Record a refusal, a success of the credentials, or a long pause that the source asks for.

        A 401 that the caller expects is neither of the first two.

        ``status``: as far as the credentials are concerned; None: it says nothing about them.
        """
        if status == 401 and isinstance(failure, AuthError) and self._refusals.counted:
            self._proven = False
            async with self._state.opened() as state:
                self._refusals.count(state)
        elif failure is None and status is not None and 200 <= status < 300:
            self._proven = True
            if self._noted:
                async with self._state.opened() as state:
                    refusals.forget(state)
        if isinstance(failure, ThrottledError) and (failure.retry_after_s or 0.0) > LONG_S:
            async with self._state.opened() as state:
                turns.rest(state, failure.retry_after_s or 0.0, self._monotonic())
