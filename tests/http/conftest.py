"""A server that misbehaves, and a client in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.misbehaving_server import Server, serving
from wfm.http import Client, Reply, RetryPolicy

Ask = Callable[..., Reply]
HURRY = RetryPolicy(attempts=3, first_wait_s=0.002, longest_wait_s=0.01, total_s=20)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        yield made


@pytest.fixture
def ask(server: Server) -> Ask:
    """Ask once, with a client of one's own: ``ask(path, client=…, **get)``."""

    def once(
        path: str = "/", *, method: str = "get", client: dict[str, Any] | None = None, **how: Any
    ) -> Reply:
        async def run() -> Reply:
            async with Client("ncc", **{"timeout_s": 2.0, "retry_policy": HURRY, **(client or {})}) as made:
                return await getattr(made, method)(path if "://" in path else server.url + path, **how)

        return asyncio.run(run())

    return once
