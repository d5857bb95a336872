"""Tokens that expire: they are renewed in time, by one login for all tasks that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from wfm.core.errors import AuthError, CollectError

RENEW_AT_FRACTION: Final = 0.8
"""After this part of its life a token is renewed."""
MIN_TOKEN_LIFE_S: Final = 30.0
"""The least time for which a token is used: one that seems already expired is from a server with another clock."""


class TokenWithExpiry(Protocol):
    """A token, as `wfm.vendors.ExpiringToken`."""

    @property
    def value(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


class ReplyWithStatus(Protocol):
    """A reply, of which only the status matters here."""

    @property
    def status(self) -> int: ...


def _is_401(reply: ReplyWithStatus) -> bool:
    return reply.status == 401


TokenT = TypeVar("TokenT", bound=TokenWithExpiry)
ReplyT = TypeVar("ReplyT", bound=ReplyWithStatus)


class RefreshingToken(Generic[TokenT]):
    """A token that is renewed in time; made by `Client.refreshing`, implements `wfm.vendors.TokenHolder`.

    ::

        async def log_in() -> Token:
            reply = await client.get(f"{base}/login", basic=(user, password))  # a 401 here counts as a refusal
            login = json.loads(reply.body)
            return Token(login["token"], reply.received_at + timedelta(seconds=login["expires_in"]))

        tokens = client.refreshing(log_in)

        async def send(token: Token) -> Reply:  # a 401 here is an old token: returned, not raised
            headers = {"Authorization": f"Bearer {token.value}"}
            return await client.get(f"{base}/queues", headers=headers, accept_status=(401,))

        reply = await tokens.with_token(send)

    A token is renewed after 80 % of its life, or when a reply refuses it. Fifty tasks refused at once cause one
    login: each names the token that was refused, and a newer one is simply used. A task that waited for a failed login
    gets its error instead of trying again. If a task is cancelled during its login, the next task logs in.
    """

    def __init__(
        self,
        login: Callable[[], Awaitable[TokenT]],
        *,
        on_token: Callable[[str], None],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._login, self._on_token, self._clock, self._monotonic = login, on_token, clock, monotonic
        self._token: TokenT | None = None
        self._renew_at = 0.0
        self._login_lock = asyncio.Lock()
        self._finished_logins = 0  # successful or not
        self._last_failure: CollectError | None = None

    async def with_token(
        self, call: Callable[[TokenT], Awaitable[ReplyT]], refuses: Callable[[ReplyT], bool] = _is_401
    ) -> ReplyT:
        """Call with a valid token; if the reply refuses it, get a newer one and call once more.

        Args:
            call: sends a request with the token it is given.
            refuses: whether a reply refuses its token; by default a 401 does.

        Raises:
            AuthError: the newer token is refused as well.
        """
        token = await self._get_valid_token(refused=None)
        reply = await call(token)
        if not refuses(reply):
            return reply
        reply = await call(await self._get_valid_token(refused=token))
        if refuses(reply):
            raise AuthError("A new token was refused as well: may this user read that?")
        return reply

    async def _get_valid_token(self, refused: TokenT | None) -> TokenT:
        finished_before = self._finished_logins
        async with self._login_lock:
            if self._token is not None and self._token is not refused and self._monotonic() < self._renew_at:
                return self._token
            if self._finished_logins != finished_before and self._last_failure is not None:
                raise self._last_failure
            return await self._renew_token()

    async def _renew_token(self) -> TokenT:
        try:
            token = await self._login()
        except CollectError as error:
            self._last_failure = error
            self._finished_logins += 1
            raise
        life_s = (token.expires_at - self._clock()).total_seconds()
        self._on_token(token.value)
        self._token, self._last_failure = token, None
        self._renew_at = self._monotonic() + max(MIN_TOKEN_LIFE_S, RENEW_AT_FRACTION * life_s)
        self._finished_logins += 1
        return token
