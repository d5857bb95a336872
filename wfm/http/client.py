"""The HTTP client of one source: every request is checked, rate-limited, sent, logged and, if transient, retried."""

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
from wfm.http.tokens import Refreshing, TokenT

log = logging.getLogger("wfm.http")
WHOLE = 4.0
"""A reply must be complete within so many times `timeout_s`: a server that drips meets every single time-out."""
MOST_REDIRECTS = 3
NAME: Final = "wfm.http"
"""The name of retries in stamina's instrumentation."""
REMEMBERED_TOKENS = 16


class Client:
    """The HTTP client of one source; implements `wfm.vendors.HttpClient`.

    Use it as an async context manager, in one event loop.

    Args:
        source: its name, for the rate limit and for logs.
        secrets: those in its settings: redacted everywhere; a lockout applies to them.
        requests_per_minute: for all processes of this machine together; None or 0: no limit.
        concurrent: requests in progress at once, in this process.
        max_body_bytes: a longer reply, compressed or decompressed, is refused.
        stop_after_401: refusals in a row after which nothing is sent (`wfm.http.lockout`); 0: never stop.
        timeout_s: for every read and write; connecting gets at most 10 s, the whole reply four times as long.
        state_dir: where rate limit and lockout are shared with other processes; None: not shared.
        retry_policy: when and how often transient errors are retried.
        transport: replaces the network.
        clock: the time of a reply (UTC); the sandbox has its own.
        sleep, monotonic: for waits of the rate limit; retries wait through stamina.
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
        retry_policy: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._secrets = frozenset(filter(None, secrets))
        state = StateFile(state_dir, source)
        lockout = Refusals(source, state, self._secrets, stop_after_401)
        self._gate = Gate(source, state, lockout, requests_per_minute, sleep, monotonic)
        self._tokens: deque[str] = deque(maxlen=REMEMBERED_TOKENS)
        self._places = asyncio.Semaphore(concurrent)
        self._most, self._whole_s = max_body_bytes, WHOLE * timeout_s
        self._patience = retry_policy or Patience()
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
        """Send a GET; see `wfm.vendors.HttpClient.get`."""
        target = self._address(url, params)
        request = Ask("GET", target, expect, tuple(accept_status), dict(headers or {}), basic, proof=proof)
        return await self._patiently(request, repeatable=True)

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
        """Send a POST; see `wfm.vendors.HttpClient.post`. One that is not ``idempotent`` is sent at most once."""
        content = {"json": json} if form is None else {"data": dict(form)}
        target = self._address(url)
        request = Ask(
            "POST", target, expect, tuple(accept_status), dict(headers or {}), basic, content, proof
        )
        return await self._patiently(request, repeatable=idempotent)

    def refreshing(self, login: Callable[[], Awaitable[TokenT]]) -> Refreshing[TokenT]:
        """Return a token that ``login`` renews in time; no log and no error shows it."""
        return Refreshing(login, learn=self._tokens.append, clock=self._clock, monotonic=self._monotonic)

    def redacted(self, text: str) -> str:
        """Redact every secret of this source in a text."""
        return redact(text, self._hidden())

    def _hidden(self, request: Ask | None = None) -> frozenset[str]:
        return self._secrets.union(self._tokens, request.secrets if request else ())

    def _address(self, url: str | httpx.URL, params: Mapping[str, str] | None = None) -> httpx.URL:
        try:
            return address(self.source, url, params, self._hidden())
        except CollectError as error:
            error.args = (self.redacted(str(error)),)
            raise

    # --- retries and redirects --------------------------------------------------------------------------
    async def _patiently(self, request: Ask, repeatable: bool) -> Reply:
        retries = stamina.retry_context(
            on=partial(self._pause, request, repeatable), attempts=None, timeout=None
        )
        try:
            async for attempt in retries.with_name(NAME, (), {}):
                with attempt:
                    request.effort.attempt += 1
                    async with self._places:
                        return await self._follow(request)
        except CutShortError as error:
            cut = str(error)
        raise BadReplyError(cut)

    def _pause(self, request: Ask, repeatable: bool, error: Exception) -> float | bool:
        """Return for stamina the seconds to wait before the next attempt; False: give up."""
        if not (repeatable and isinstance(error, CollectError)):  # stamina passes a cancelled task as well
            return False
        wait = self._patience.wait_s(error, request.effort.attempt, request.effort.spent_s)
        request.effort.spent_s += wait or 0.0
        return False if wait is None else wait

    async def _follow(self, request: Ask) -> Reply:
        """Send a request, and follow redirects on the same server."""
        hop = request
        for _ in range(MOST_REDIRECTS + 1):
            async with self._gate.passed():
                reply = await self._told(hop)
            if isinstance(reply, Reply):
                return reply
            hop = hop.towards(reply, hop.effort.status or 0)
        raise BadReplyError(
            self.redacted(f"{self.source}: {request.place}: more than {MOST_REDIRECTS} redirects.")
        )

    # --- one request ------------------------------------------------------------------------------------
    async def _told(self, request: Ask) -> Reply | httpx.URL:
        """Send a request, and log its outcome in one line, without secrets.

        Raises:
            CollectError: the request failed, or the reply is not readable.
        """
        began, progress, failure = self._monotonic(), request.effort, None
        progress.status, progress.verdict, progress.size = None, None, 0
        try:
            async with asyncio.timeout(self._whole_s):
                reply = await self._once(request)
        except exchange.TROUBLES as error:
            # raised below, not here: as its context, httpx's error would hold the request's headers
            failure = exchange.trouble(error, self._whole_s)
        seconds = self._monotonic() - began
        progress.spent_s += seconds
        self._log(request, seconds, failure)
        await self._gate.learn(progress.verdict, failure)
        if failure is None:
            return reply
        failure.__context__ = None
        failure.args = (redact(f"{self.source}: {request.place}: {failure}", self._hidden(request)),)
        raise failure

    async def _once(self, request: Ask) -> Reply | httpx.URL:
        response = await self._http.send(request.request(self._http), auth=None, stream=True)
        try:
            request.effort.status = request.effort.verdict = status = response.status_code
            if response.has_redirect_location and status not in request.accept:
                return redirected(self.source, response, self._hidden(request))
            body = await exchange.judge(
                response, request, self._most, lambda text: redact(text, self._hidden(request))
            )
        finally:
            await response.aclose()
        request.effort.size = len(body)
        if request.proof is not None:
            # if the proof raises AuthError, the credentials count as refused
            request.effort.verdict = HTTPStatus.UNAUTHORIZED
            request.effort.verdict = status if request.proof(body) else None
        return Reply(status, body, response.headers, self._clock())

    def _log(self, request: Ask, seconds: float, failure: CollectError | None) -> None:
        secrets = self._hidden(request)
        fields: dict[str, Any] = {
            "source": self.source,
            "method": request.method,
            "host": request.url.host,
            "path": redact(path_of(request.url), secrets),
            "status": request.effort.status or "-",
            "seconds": round(seconds, 3),
            "bytes": request.effort.size,
            "attempt": request.effort.attempt,
        }
        if failure is not None:
            fields["error"] = redact(f"{type(failure).__name__}: {failure}", secrets)
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        log.log(logging.INFO if failure is None else logging.WARNING, "%s", line, extra=fields)
