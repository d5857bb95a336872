"""The client: one request after another through check, turn, answer and, if that may help, once more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx
import stamina

from wfm.errors import BadReplyError, CollectError
from wfm.http import exchange
from wfm.http.addresses import address, redirected
from wfm.http.asking import Ask, Reply, path_of
from wfm.http.bodies import Expect
from wfm.http.gate import Gate
from wfm.http.patience import CutShortError, Patience
from wfm.http.redaction import redact
from wfm.http.refusals import Refusals
from wfm.http.state_file import StateFile
from wfm.http.tokens import Refreshing, T

log = logging.getLogger("wfm.http")
WHOLE = 4.0
"""An answer must be whole after so many times `timeout_s`: a server that drips keeps every single time-out."""
MOST_REDIRECTS = 3
NAME: Final = "wfm.http"
"""What retries are called in stamina's instrumentation."""
REMEMBERED_TOKENS = 16


class Client:
    """Ask one source; implements `wfm.vendors.Client`. Use it as an async context manager, in one event loop.

    Args:
        source: its name, for turns and for logs.
        secrets: of its settings: what must never be told, and what a lock-out is tied to.
        requests_per_minute: of all processes of this machine together; None or 0: no limit.
        concurrent: requests under way at once, in this process.
        max_body_bytes: a longer answer, packed or unpacked, is refused.
        stop_after_401: refusals in a row after which nothing is sent (`wfm.http.refusals`); 0: never stop.
        timeout_s: for every read and write; connecting gets 10 s at most, the whole answer four times as long.
        state_dir: where turns and refusals are kept for other processes; None: they are this client's alone.
        patience: of retries.
        transport: instead of the network.
        clock: when an answer came (UTC); the sandbox has a time of its own.
        sleep, monotonic: what waits for turns are made and measured with; retries wait by stamina.
    """

    def __init__(
        self,
        source: str,
        *,
        secrets: Collection[str] = (),
        requests_per_minute: float | None = None,
        concurrent: int = 2,
        max_body_bytes: int = 64_000_000,
        stop_after_401: int = 2,
        timeout_s: float = 30.0,
        state_dir: Path | None = None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._secrets = frozenset(filter(None, secrets))
        state = StateFile(state_dir, source)
        noted = Refusals(source, state, self._secrets, stop_after_401)
        self._gate = Gate(source, state, noted, requests_per_minute, sleep, monotonic)
        self._tokens: deque[str] = deque(maxlen=REMEMBERED_TOKENS)
        self._places = asyncio.Semaphore(concurrent)
        self._most, self._whole_s = max_body_bytes, WHOLE * timeout_s
        self._patience = patience or Patience()
        self._clock, self._monotonic = clock, monotonic
        self._http = exchange.connections(timeout_s, concurrent, transport)

    def __repr__(self) -> str:
        return f"Client({self.source!r})"

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        expect: Expect = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
    ) -> Reply:
        """Ask; see `wfm.vendors.Client.get`."""
        where = self._address(url, params)
        ask = Ask("GET", where, expect, tuple(accept_status), dict(headers or {}), basic, proof=proof)
        return await self._patiently(ask, again=True)

    async def post(
        self,
        url: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        expect: Expect = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
        idempotent: bool = True,
    ) -> Reply:
        """Send; see `wfm.vendors.Client.post`. Not ``idempotent``: it changes something, and is sent once at most."""
        content = {"json": json} if form is None else {"data": dict(form)}
        where = self._address(url)
        ask = Ask("POST", where, expect, tuple(accept_status), dict(headers or {}), basic, content, proof)
        return await self._patiently(ask, again=idempotent)

    def refreshing(self, login: Callable[[], Awaitable[T]]) -> Refreshing[T]:
        """Return a token that is renewed in time by ``login``; what it gives is never told."""
        return Refreshing(login, learn=self._tokens.append, clock=self._clock, monotonic=self._monotonic)

    def redacted(self, text: str) -> str:
        """Hide every secret of this source in a text."""
        return redact(text, self._hidden())

    def _hidden(self, ask: Ask | None = None) -> frozenset[str]:
        return self._secrets.union(self._tokens, ask.secrets if ask else ())

    def _address(self, url: str | httpx.URL, params: Mapping[str, str] | None = None) -> httpx.URL:
        try:
            return address(self.source, url, params, self._hidden())
        except CollectError as error:
            error.args = (self.redacted(str(error)),)
            raise

    # --- again and again --------------------------------------------------------------------------------
    async def _patiently(self, ask: Ask, again: bool) -> Reply:
        retries = stamina.retry_context(on=partial(self._pause, ask, again), attempts=None, timeout=None)
        try:
            async for attempt in retries.with_name(NAME, (), {}):
                with attempt:
                    ask.effort.attempt += 1
                    async with self._places:
                        return await self._follow(ask)
        except CutShortError as error:
            cut = str(error)
        raise BadReplyError(cut)

    def _pause(self, ask: Ask, again: bool, error: Exception) -> float | bool:
        """Tell stamina how long to wait before it asks again; False: give up."""
        if not (again and isinstance(error, CollectError)):  # a cancelled task is an error here, too
            return False
        wait = self._patience.wait_s(error, ask.effort.attempt, ask.effort.spent_s)
        ask.effort.spent_s += wait or 0.0
        return False if wait is None else wait

    async def _follow(self, ask: Ask) -> Reply:
        """Send, and go where redirects lead on the same server."""
        hop = ask
        for _ in range(MOST_REDIRECTS + 1):
            async with self._gate.passed():
                answer = await self._told(hop)
            if isinstance(answer, Reply):
                return answer
            hop = hop.towards(answer, hop.effort.status or 0)
        raise BadReplyError(
            self.redacted(f"{self.source}: {ask.place}: more than {MOST_REDIRECTS} redirects.")
        )

    # --- one request ------------------------------------------------------------------------------------
    async def _told(self, ask: Ask) -> Reply | httpx.URL:
        """Send, and tell how it went: one line, whatever happens, and no secret in it."""
        began, effort, trouble = self._monotonic(), ask.effort, None
        effort.status, effort.verdict, effort.size = None, None, 0
        try:
            async with asyncio.timeout(self._whole_s):
                answer = await self._once(ask)
        except exchange.TROUBLES as error:
            # raised below and not in here: httpx's error would hang on to it, and that holds the request's headers
            trouble = exchange.trouble(error, self._whole_s)
        seconds = self._monotonic() - began
        effort.spent_s += seconds
        self._log(ask, seconds, trouble)
        await self._gate.learn(effort.verdict, trouble)
        if trouble is None:
            return answer
        trouble.__context__ = None
        trouble.args = (redact(f"{self.source}: {ask.place}: {trouble}", self._hidden(ask)),)
        raise trouble

    async def _once(self, ask: Ask) -> Reply | httpx.URL:
        response = await self._http.send(ask.request(self._http), auth=None, stream=True)
        try:
            ask.effort.status = ask.effort.verdict = status = response.status_code
            if response.has_redirect_location and status not in ask.accept:
                return redirected(self.source, response, self._hidden(ask))
            body = await exchange.judge(
                response, ask, self._most, lambda text: redact(text, self._hidden(ask))
            )
        finally:
            await response.aclose()
        ask.effort.size = len(body)
        if ask.proof is not None:
            ask.effort.verdict = HTTPStatus.UNAUTHORIZED
            ask.effort.verdict = status if ask.proof(body) else None
        return Reply(status, body, response.headers, self._clock())

    def _log(self, ask: Ask, seconds: float, trouble: CollectError | None) -> None:
        hidden = self._hidden(ask)
        fields: dict[str, Any] = {
            "source": self.source,
            "method": ask.method,
            "host": ask.url.host,
            "path": redact(path_of(ask.url), hidden),
            "status": ask.effort.status or "-",
            "seconds": round(seconds, 3),
            "bytes": ask.effort.size,
            "attempt": ask.effort.attempt,
        }
        if trouble is not None:
            fields["error"] = redact(f"{type(trouble).__name__}: {trouble}", hidden)
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        log.log(logging.INFO if trouble is None else logging.WARNING, "%s", line, extra=fields)
