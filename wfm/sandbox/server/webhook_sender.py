"""Send the requests of vendors to webhooks when the simulated clock has reached them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

import httpx

from wfm.sandbox.server.clock import SimulatedClock

log = logging.getLogger("wfm.sandbox")


class WebhookRequest(NamedTuple):
    """One request to a webhook: when it is sent (µs since 1970), its method and its content."""

    at: int
    method: str
    content_type: str
    text: str


class WebhookSender:
    """Sends the requests of one vendor to one webhook in the given order, each once.

    Args:
        client: with base URL, timeouts and transport.
        hook: the path of the webhook.
        pushes: in the order of their arrival, which a late one does not change.
        clock: the clock of the sandbox.
    """

    def __init__(
        self, client: httpx.Client, hook: str, pushes: Iterable[WebhookRequest], clock: SimulatedClock
    ) -> None:
        self._client, self._hook, self._clock = client, hook, clock
        self._left = list(pushes)
        self._due = list(accumulate((one.at for one in self._left), max))
        self._sent = 0
        self.refused = 0

    def send_due(self) -> int:
        """Send every request that is due and return how many were sent."""
        now, before = self._clock.now() * 1_000_000, self._sent
        while self._sent < len(self._left) and self._due[self._sent] <= now:
            self._send_one(self._left[self._sent])
            self._sent += 1
        return self._sent - before

    def _send_one(self, one: WebhookRequest) -> None:
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
