"""The gate of a source: requests wait for the rate limit, and are refused during a lockout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from wfm.core.errors import AuthError, CollectError, ThrottledError
from wfm.http import rate_limit
from wfm.http.lockout import CredentialLockout, clear_refusals
from wfm.http.shared_state import SharedStateFile

LONG_PAUSE_S: Final = 60.0
"""A longer pause that a source asks for applies to all requests, a shorter one only to the request it answered."""


class RequestGate:
    """A gate that lets requests pass at the rate of the source, and none during a lockout."""

    def __init__(
        self,
        source: str,
        state: SharedStateFile,
        lockout: CredentialLockout,
        requests_per_minute: float | None,
        sleep: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._source, self._state, self._lockout = source, state, lockout
        self._gap_s = rate_limit.compute_gap_s(requests_per_minute)
        self._sleep, self._monotonic = sleep, monotonic
        self._queue_lock = asyncio.Lock()
        self._unproven_lock = asyncio.Lock()
        self._credentials_proven = not lockout.is_enabled
        self._has_refusals = False

    @asynccontextmanager
    async def wait_for_slot(self) -> AsyncIterator[None]:
        """Wait until a request may be sent; send it within this context.

        Until the credentials have worked once, requests are sent one at a time: eight at once would be eight refusals.

        Raises:
            AuthError: the credentials are locked out.
            ThrottledError: the source asked for a pause longer than `LONG_PAUSE_S`.
        """
        async with AsyncExitStack() as stack:
            if not self._credentials_proven:
                await stack.enter_async_context(self._unproven_lock)
                if self._credentials_proven:  # another request proved them meanwhile
                    await stack.aclose()
            await self._take_slot()
            yield

    async def _take_slot(self) -> None:
        async with self._queue_lock:
            while True:
                async with self._state.open_locked() as state:
                    self._lockout.check_not_locked(state)
                    self._has_refusals = "refused" in state
                    pause_s = rate_limit.get_pause_left_s(state, self._monotonic())
                    if pause_s:
                        message = (
                            f"{self._source}: it asked to wait; nothing is sent for another {pause_s:.0f} s."
                        )
                        raise ThrottledError(message, pause_s)
                    wait_s = rate_limit.take_slot(state, self._gap_s, self._monotonic())
                if not wait_s:
                    return
                await self._sleep(wait_s)  # with the state file unlocked: other processes may go first

    async def record_outcome(self, status: int | None, failure: CollectError | None) -> None:
        """Record that the credentials were refused or accepted, or that the source asks for a long pause.

        Args:
            status: of the reply, where it says something about the credentials; else None.
            failure: the error that the request ended with. A 401 without one is a reply that the caller expects (a
                token that has expired), and no refusal of the credentials.
        """
        if status == 401 and isinstance(failure, AuthError) and self._lockout.is_enabled:
            self._credentials_proven = False
            async with self._state.open_locked() as state:
                self._lockout.record_refusal(state)
        elif failure is None and status is not None and 200 <= status < 300:
            self._credentials_proven = True
            if self._has_refusals:
                async with self._state.open_locked() as state:
                    clear_refusals(state)
        if isinstance(failure, ThrottledError) and (failure.retry_after_s or 0.0) > LONG_PAUSE_S:
            async with self._state.open_locked() as state:
                rate_limit.record_pause(state, failure.retry_after_s or 0.0, self._monotonic())
