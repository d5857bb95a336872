"""Deliver what vendors push: to whom it concerns, when the virtual clock has come to it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

import httpx

from wfm.sandbox.clock import Clock

log = logging.getLogger("wfm.sandbox")


class Pushed(NamedTuple):
    """One request to a webhook: when it is made (µs since 1970), how, and what."""

    at: int
    method: str
    content_type: str
    text: str


class Pusher:
    """Make the requests of one vendor to one webhook, in the order given; none is repeated.

    Args:
        client: with whatever base URL, time-outs and transport.
        hook: the webhook's address.
        pushes: in the order of their arrival; one that comes late waits for its turn.
        clock: the sandbox's.
    """

    def __init__(self, client: httpx.Client, hook: str, pushes: Iterable[Pushed], clock: Clock) -> None:
        self._client, self._hook, self._clock = client, hook, clock
        self._left = list(pushes)
        self._due = list(accumulate((one.at for one in self._left), max))
        self._sent = 0
        self.refused = 0

    def push(self) -> int:
        """Make every request that is due; returns how many were made."""
        now, before = self._clock.now() * 1_000_000, self._sent
        while self._sent < len(self._left) and self._due[self._sent] <= now:
            self._one(self._left[self._sent])
            self._sent += 1
        return self._sent - before

    def _one(self, one: Pushed) -> None:
        try:
            if one.method == "GET":
                answer = self._client.get(f"{self._hook}?{one.text}")
            else:
                headers = {"Content-Type": one.content_type}
                answer = self._client.post(self._hook, content=one.text.encode(), headers=headers)
            good = answer.is_success
        except httpx.HTTPError as error:
            log.warning("%s: %s", self._hook.rpartition("/")[0], type(error).__name__)
            good = False
        self.refused += not good
