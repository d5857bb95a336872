"""The HTTP client of one source: requests are checked, rate-limited, sent, logged and, where useful, retried."""

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

from wfm.core.errors import BadReplyError, CollectError
from wfm.http.body import ExpectedFormat
from wfm.http.gate import RequestGate
from wfm.http.lockout import CredentialLockout
from wfm.http.redaction import redact_secrets
from wfm.http.request import Reply, SourceRequest, get_url_path
from wfm.http.retry import RetryPolicy, TruncatedBodyError
from wfm.http.shared_state import SharedStateFile
from wfm.http.tokens import RefreshingToken, TokenT
from wfm.http.transport import TRANSPORT_ERRORS, build_http_client, read_checked_body, translate_error
from wfm.http.urls import build_url, resolve_redirect

log = logging.getLogger("wfm.http")
TOTAL_TIMEOUT_FACTOR = 4.0
"""A reply must be complete within this many times `timeout_s`: a slow trickle of bytes meets every single time-out."""
MAX_REDIRECTS = 3
RETRY_NAME: Final = "wfm.http"
"""The name of retries in stamina's instrumentation."""
MAX_REMEMBERED_TOKENS = 16
"""How many tokens, the last ones, are redacted: replies to requests with an older one have long been logged."""


class Client:
    """The HTTP client of one source; implements `wfm.vendors.HttpClient`.

    Use it as an async context manager, in one event loop.

    Args:
        source: its name, for the rate limit and for logs.
        secrets: those in its settings: they are redacted everywhere, and a lockout applies to them.
        requests_per_minute: for all processes of this machine together; None or 0: no limit.
        concurrent: requests in progress at once, in this process.
        max_body_bytes: a longer reply, compressed or decompressed, is refused.
        stop_after_401: after this many 401s in a row nothing more is sent (`wfm.http.lockout`); 0: never stop.
        timeout_s: for every read and write; connecting gets at most 10 s, the whole reply four times as long.
        state_dir: where rate limit and lockout are shared with other processes; None: not shared.
        retry_policy: when and how often transient errors are retried.
        transport: replaces the network.
        clock: the current time (UTC), for the time of a reply; the sandbox has its own.
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
        retry_policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._secrets = frozenset(filter(None, secrets))
        state = SharedStateFile(state_dir, source)
        lockout = CredentialLockout(source, state, self._secrets, stop_after_401)
        self._gate = RequestGate(source, state, lockout, requests_per_minute, sleep, monotonic)
        self._tokens: deque[str] = deque(maxlen=MAX_REMEMBERED_TOKENS)
        self._concurrency = asyncio.Semaphore(concurrent)
        self._max_body_bytes, self._total_timeout_s = max_body_bytes, TOTAL_TIMEOUT_FACTOR * timeout_s
        self._retry_policy = retry_policy or RetryPolicy()
        self._clock, self._monotonic = clock, monotonic
        self._http = build_http_client(timeout_s, concurrent, transport)

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
        expect: ExpectedFormat = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
    ) -> Reply:
        """Send a GET; see `wfm.vendors.HttpClient.get`."""
        target = self._build_url(url, params)
        request = SourceRequest(
            "GET", target, expect, tuple(accept_status), dict(headers or {}), basic, proof=proof
        )
        return await self._send_with_retries(request, repeatable=True)

    async def post(
        self,
        url: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        expect: ExpectedFormat = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
        idempotent: bool = True,
    ) -> Reply:
        """Send a POST; see `wfm.vendors.HttpClient.post`. One that is not ``idempotent`` is sent at most once."""
        content = {"json": json} if form is None else {"data": dict(form)}
        target = self._build_url(url)
        request = SourceRequest(
            "POST", target, expect, tuple(accept_status), dict(headers or {}), basic, content, proof
        )
        return await self._send_with_retries(request, repeatable=idempotent)

    def refreshing(self, login: Callable[[], Awaitable[TokenT]]) -> RefreshingToken[TokenT]:
        """Return a token that ``login`` renews in time; no log and no error shows it."""
        return RefreshingToken(
            login, on_token=self._tokens.append, clock=self._clock, monotonic=self._monotonic
        )

    def redact(self, text: str) -> str:
        """Redact every secret of this source in a text."""
        return redact_secrets(text, self._collect_secrets())

    def _collect_secrets(self, request: SourceRequest | None = None) -> frozenset[str]:
        return self._secrets.union(self._tokens, request.secrets if request else ())

    def _build_url(self, url: str | httpx.URL, params: Mapping[str, str] | None = None) -> httpx.URL:
        try:
            return build_url(self.source, url, params, self._collect_secrets())
        except CollectError as error:
            error.args = (self.redact(str(error)),)
            raise

    # --- retries and redirects --------------------------------------------------------------------------
    async def _send_with_retries(self, request: SourceRequest, repeatable: bool) -> Reply:
        retries = stamina.retry_context(
            on=partial(self._choose_retry_wait, request, repeatable), attempts=None, timeout=None
        )
        try:
            async for attempt in retries.with_name(RETRY_NAME, (), {}):
                with attempt:
                    request.progress.attempt += 1
                    async with self._concurrency:
                        return await self._follow_redirects(request)
        except TruncatedBodyError as error:
            message = str(error)
        # raised outside the handler, so that the transient error is not its context
        raise BadReplyError(message)

    def _choose_retry_wait(self, request: SourceRequest, repeatable: bool, error: Exception) -> float | bool:
        """Return the seconds to wait before the next attempt, as stamina wants them; False: give up."""
        if not (repeatable and isinstance(error, CollectError)):  # stamina passes a cancelled task as well
            return False
        wait = self._retry_policy.compute_wait_s(error, request.progress.attempt, request.progress.spent_s)
        request.progress.spent_s += wait or 0.0
        return False if wait is None else wait

    async def _follow_redirects(self, request: SourceRequest) -> Reply:
        """Send a request, and follow redirects on the same server."""
        hop = request
        for _ in range(MAX_REDIRECTS + 1):
            async with self._gate.wait_for_slot():
                reply = await self._send_and_log(hop)
            if isinstance(reply, Reply):
                return reply
            hop = hop.follow_redirect(reply, hop.progress.status or 0)
        raise BadReplyError(
            self.redact(f"{self.source}: {request.endpoint}: more than {MAX_REDIRECTS} redirects.")
        )

    # --- one request ------------------------------------------------------------------------------------
    async def _send_and_log(self, request: SourceRequest) -> Reply | httpx.URL:
        """Send a request, and log its outcome in one line, without secrets.

        Raises:
            CollectError: the request failed, or the reply is not readable.
        """
        began, progress, failure = self._monotonic(), request.progress, None
        progress.status, progress.auth_status, progress.body_bytes = None, None, 0
        try:
            async with asyncio.timeout(self._total_timeout_s):
                reply = await self._send_once(request)
        except TRANSPORT_ERRORS as error:
            # raised below, not here: httpx's error, which has the request's headers, would be its context
            failure = translate_error(error, self._total_timeout_s)
        seconds = self._monotonic() - began
        progress.spent_s += seconds
        self._log_request(request, seconds, failure)
        await self._gate.record_outcome(progress.auth_status, failure)
        if failure is None:
            return reply
        failure.__context__ = None
        failure.args = (
            redact_secrets(f"{self.source}: {request.endpoint}: {failure}", self._collect_secrets(request)),
        )
        raise failure

    async def _send_once(self, request: SourceRequest) -> Reply | httpx.URL:
        response = await self._http.send(request.build_request(self._http), auth=None, stream=True)
        try:
            request.progress.status = request.progress.auth_status = status = response.status_code
            if response.has_redirect_location and status not in request.accept:
                return resolve_redirect(self.source, response, self._collect_secrets(request))
            body = await read_checked_body(
                response,
                request,
                self._max_body_bytes,
                lambda text: redact_secrets(text, self._collect_secrets(request)),
            )
        finally:
            await response.aclose()
        request.progress.body_bytes = len(body)
        if request.proof is not None:
            # if the proof raises AuthError, the credentials count as refused
            request.progress.auth_status = HTTPStatus.UNAUTHORIZED
            request.progress.auth_status = status if request.proof(body) else None
        return Reply(status, body, response.headers, self._clock())

    def _log_request(self, request: SourceRequest, seconds: float, failure: CollectError | None) -> None:
        secrets = self._collect_secrets(request)
        fields: dict[str, Any] = {
            "source": self.source,
            "method": request.method,
            "host": request.url.host,
            "path": redact_secrets(get_url_path(request.url), secrets),
            "status": request.progress.status or "-",
            "seconds": round(seconds, 3),
            "bytes": request.progress.body_bytes,
            "attempt": request.progress.attempt,
        }
        if failure is not None:
            fields["error"] = redact_secrets(f"{type(failure).__name__}: {failure}", secrets)
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        log.log(logging.INFO if failure is None else logging.WARNING, "%s", line, extra=fields)
