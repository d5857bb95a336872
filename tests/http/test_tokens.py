"""Tokens: one login for all who wait, in time, and no token is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from helpers.misbehaving_server import reply
from wfm.core.errors import AuthError, UnreachableError
from wfm.http import Client, Reply

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Token:
    value: str
    expires_at: datetime


class Centre:
    """A vendor whose logins can be counted, and whose tokens can be ended."""

    def __init__(self, client: Client, life_s: float = 3600.0) -> None:
        self.logins, self.calls, self.good, self.life_s = 0, 0, "", life_s
        self.fails = False
        self.tokens = client.refreshing(self.login)

    async def login(self) -> Token:
        self.logins += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise UnreachableError("no connection")
        self.good = f"token-{self.logins}"
        return Token(self.good, NOW + timedelta(seconds=self.life_s))

    async def call(self, token: Token) -> Reply:
        self.calls += 1
        await asyncio.sleep(0.01)
        return Reply(200 if token.value == self.good else 401, b"", {}, NOW)

    async def many(self, n: int = 50) -> list[object]:
        return await asyncio.gather(
            *(self.tokens.with_token(self.call) for _ in range(n)), return_exceptions=True
        )


def run(steps, life_s: float = 3600.0) -> None:
    now = [0.0]

    async def main() -> None:
        async with Client("ncc", clock=lambda: NOW, monotonic=lambda: now[0]) as client:
            await steps(Centre(client, life_s), now)

    asyncio.run(main())


def test_fifty_waiters_cost_one_login_and_one_renewal():
    async def steps(centre, _):
        await centre.many()
        assert (centre.logins, centre.calls) == (1, 50)
        centre.good = "ended"
        assert {one.status for one in await centre.many()} == {200}
        assert (centre.logins, centre.calls) == (2, 150)

    run(steps)


@pytest.mark.parametrize(("life_s", "at"), [(3600.0, 2880.0), (-5.0, 30.0), (10.0, 30.0)])
def test_token_is_renewed_at_four_fifths_of_life(life_s, at):
    async def steps(centre, now):
        for now[0], logins in ((0.0, 1), (at - 1, 1), (at, 2), (at + 1, 2)):
            await centre.many(3)
            assert centre.logins == logins

    run(steps, life_s)


def test_a_new_token_that_is_refused_ends_it():
    async def steps(centre, _):
        async def refuse(_: Token) -> Reply:
            return Reply(401, b"", {}, NOW)

        with pytest.raises(AuthError, match="new token was refused"):
            await centre.tokens.with_token(refuse)
        assert centre.logins == 2

    run(steps)


def test_failed_login_fails_all_waiters_and_can_recover():
    async def steps(centre, _):
        centre.fails = True
        assert {type(one) for one in await centre.many()} == {UnreachableError}
        assert centre.logins == 1
        centre.fails = False
        await centre.many()
        assert centre.logins == 2

    run(steps)


def test_cancelled_login_passes_to_the_next_waiter():
    async def steps(centre, _):
        first = asyncio.create_task(centre.tokens.with_token(centre.call))
        second = asyncio.create_task(centre.tokens.with_token(centre.call))
        await asyncio.sleep(0.001)
        first.cancel()
        assert (await second).status == 200
        assert centre.logins == 2

    run(steps)


def test_a_token_is_hidden_from_errors(server):
    async def main() -> None:
        async with Client("ncc") as client:
            centre = Centre(client)
            await centre.many(1)
            server.always = lambda _: reply(b'["token-1"]', 400)
            with pytest.raises(Exception, match=r'\["\*\*\*"\]') as caught:
                await client.get(server.url)
            assert "token-1" not in str(caught.value)

    asyncio.run(main())
