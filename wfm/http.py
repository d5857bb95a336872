"""One HTTP client for every vendor: it waits its turn, retries what is transient, trusts no body, tells no secret.

What leaves here is an answer one can read or a `wfm.errors.CollectError`. What must not leave is a secret: in a log, in
an error, to another host.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import fcntl
import hashlib
import json
import logging
import os
import random
import re
import secrets as entropy
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import httpx
import stamina

from wfm.errors import AuthError, BadReplyError, CollectError, ThrottledError, UnreachableError

log = logging.getLogger("wfm.http")
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs
logging.getLogger("httpcore").setLevel(logging.WARNING)

HIDDEN: Final = "***"
ATTEMPTS: Final = 4
LONGEST_PATIENCE_S: Final = 60.0
"""A vendor that asks for more is left alone until the next cycle."""
LOCK_OUT_S: Final = 3600.0
MOST_REDIRECTS: Final = 3
TELLING: Final = 6
BUSY: Final = (408, 425, 429)
Expect = Literal["json", "xml", "any"]
_NAMED = re.compile(
    r"(?i)\b(authorization|code|token|access_token|password|client_secret)(\"?\s*[=:]\s*\"?)([^&\s\",;}]+)"
)


@dataclass(frozen=True)
class Reply:
    """An answer that was received whole."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    received_at: datetime


def redact(text: str, secrets: Collection[str]) -> str:
    """Hide every secret in a text, also url-encoded, JSON-escaped or in base64, and whatever is named like one."""
    forms = set()
    for secret in secrets:
        forms |= {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]}
        forms.add(base64.b64encode(secret.encode()).decode())
    for form in sorted(forms, key=len, reverse=True):
        if form:
            text = text.replace(form, HIDDEN)
    return _NAMED.sub(lambda m: f"{m[1]}{m[2]}{HIDDEN}", text)


class Client:
    """Ask one source; implements `wfm.vendors.Client`. Use it as an async context manager.

    Args:
        source: its name, for turns and for logs.
        secrets: what must never be told.
        requests_per_minute: of all processes of this machine together; None or 0: no limit.
        concurrent: requests under way at once, in this process.
        max_body_bytes: a longer answer, unpacked, is refused.
        stop_after_401: so many refused credentials in a row, and nothing more is sent until they change or an hour
            has passed: vendors lock accounts.
        timeout_s: of connecting, and of waiting for a next byte; an answer must be whole after four times as long.
        clock: what time an answer came (UTC); the sandbox has a time of its own.
        state_dir: where turns and refusals are kept for the other processes; None: for this client alone.
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
        attempts: int = ATTEMPTS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source = source
        self._secrets = [secret for secret in secrets if secret]
        self._state = _State(state_dir, source, self._secrets)
        self._gap_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._places = asyncio.Semaphore(concurrent)
        self._max_body = max_body_bytes
        self._stop_after = stop_after_401
        self._whole_s = 4 * timeout_s
        self._attempts = attempts
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(timeout_s), headers={"Accept-Encoding": "gzip"})

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
    ) -> Reply:
        """Ask; see `wfm.vendors.Client.get`."""
        return await self._ask("GET", url, expect, accept_status, params=params, headers=headers, auth=basic)

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
    ) -> Reply:
        """Send, for vendors whose reading is a POST: it is tried again like a GET."""
        return await self._ask(
            "POST", url, expect, accept_status, json=json, data=form, headers=headers, auth=basic
        )

    # --- one request ------------------------------------------------------------------------------------
    async def _ask(self, method: str, url: str, expect: Expect, accept: tuple[int, ...], **how: Any) -> Reply:
        self._check(url, how.get("params"))
        async for attempt in stamina.retry_context(
            on=self._again,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.5,
            wait_max=30.0,
            wait_jitter=1.0,
        ):
            with attempt:
                return await self._once(method, url, expect, accept, **how)
        raise AssertionError("a retry loop ends with an answer or an error")

    def _again(self, error: Exception) -> bool | float | timedelta:
        """Say whether, and when, to try again: only what is transient, and no later than patience lasts."""
        if not (isinstance(error, CollectError) and error.transient):
            return False
        asked = getattr(error, "retry_after_s", None)
        if asked is None:
            return True
        return timedelta(seconds=asked + random.random()) if asked <= LONGEST_PATIENCE_S else False

    def _check(self, url: str, params: Mapping[str, str] | None) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise CollectError(f"{self.source}: credentials do not belong into an address.")
        told = [secret for secret in self._secrets if len(secret) >= TELLING]  # a short one occurs by chance
        for value in [url, *(params or {}).values()]:
            if any(secret in value for secret in told):
                raise CollectError(
                    f"{self.source}: a secret does not belong into an address or its parameters."
                )

    async def _once(
        self, method: str, url: str, expect: Expect, accept: tuple[int, ...], **how: Any
    ) -> Reply:
        self._state.refuse_if_locked(self._stop_after)
        await self._turn()
        began = time.monotonic()
        place = f"{method} {urlsplit(url).netloc}{urlsplit(url).path}"
        try:
            async with self._places, asyncio.timeout(self._whole_s):
                reply = await self._follow(method, url, expect, accept, **how)
        except TimeoutError:
            raise UnreachableError(
                self._tell(f"{place}: no whole answer within {self._whole_s:.0f} s.")
            ) from None
        except httpx.TimeoutException:
            raise UnreachableError(self._tell(f"{place}: no answer in time.")) from None
        except httpx.DecodingError as error:
            raise UnreachableError(self._tell(f"{place}: the answer cannot be unpacked: {error}.")) from None
        except httpx.RemoteProtocolError as error:
            raise UnreachableError(self._tell(f"{place}: the answer was cut short: {error}.")) from None
        except httpx.HTTPError as error:
            raise UnreachableError(self._tell(f"{place}: {type(error).__name__}: {error}.")) from None
        except httpx.InvalidURL as error:
            raise CollectError(self._tell(f"{place}: {error}.")) from None
        seconds = time.monotonic() - began
        log.info(
            "%s %s %d %d bytes %.3f s", self.source, self._tell(place), reply.status, len(reply.body), seconds
        )
        return reply

    async def _follow(
        self, method: str, url: str, expect: Expect, accept: tuple[int, ...], **how: Any
    ) -> Reply:
        for _ in range(MOST_REDIRECTS + 1):
            async with self._http.stream(method, url, **how) as response:
                if response.is_redirect:
                    url = self._redirected(response)
                    how["params"] = None
                    continue
                return await self._read(response, expect, accept)
        raise BadReplyError(f"{self.source}: more than {MOST_REDIRECTS} redirects.")

    def _redirected(self, response: httpx.Response) -> str:
        here, there = response.url, response.url.join(response.headers["location"])
        same = (here.host, here.port) == (there.host, there.port) and here.scheme == there.scheme
        upgrade = here.host == there.host and (here.scheme, there.scheme) == ("http", "https")
        if not (same or upgrade):
            raise BadReplyError(
                self._tell(
                    f"{self.source}: {here.host} sends us on to {there.host}; not followed, lest it gets credentials."
                )
            )
        return str(there)

    async def _read(self, response: httpx.Response, expect: Expect, accept: tuple[int, ...]) -> Reply:
        status, place = (
            response.status_code,
            f"{response.request.method} {response.url.host}{response.url.path}",
        )
        parts, size = [], 0
        async for part in response.aiter_bytes(65_536):
            size += len(part)
            if size > self._max_body:
                raise BadReplyError(
                    self._tell(f"{place}: the answer is longer than {self._max_body:,} bytes.")
                )
            parts.append(part)
        body = b"".join(parts)
        reply = Reply(status, body, dict(response.headers), self._clock())
        if status in accept:
            return reply
        if status == 401:
            self._state.refused()
            raise AuthError(self._tell(f"{place}: 401, the credentials of source {self.source} are refused."))
        if status == 403:
            raise AuthError(self._tell(f"{place}: 403, source {self.source} may not read that."))
        if status in BUSY or status == 503:
            raise ThrottledError(
                self._tell(f"{place}: {status}, asked for patience."), _retry_after(response.headers)
            )
        if status >= 500:
            raise UnreachableError(self._tell(f"{place}: {status}, an error on their side."))
        if status >= 300:
            raise BadReplyError(self._tell(f"{place}: {status}: {self._beginning(body)}"))
        if expect != "any":
            self._check_kind(response, body, expect, place)
        self._state.welcome()
        return reply

    def _check_kind(self, response: httpx.Response, body: bytes, expect: Expect, place: str) -> None:
        """Refuse a page where data was asked for: shields and gateways answer 200 with HTML."""
        start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
        html = "html" in response.headers.get("content-type", "").lower() or start.startswith(
            (b"<!doctype html", b"<html")
        )
        fits = start[:1] == b"<" if expect == "xml" else start[:1] in b'{["-0123456789tfn' and start != b""
        if html or not fits:
            what = "a page (HTML)" if html else "something else"
            raise BadReplyError(
                self._tell(
                    f"{place}: {what} instead of {expect.upper()}; a login page or a gateway? {self._beginning(body)}"
                )
            )

    def _beginning(self, body: bytes) -> str:
        """Quote how a body begins; hidden before it is cut, since half a secret is one too."""
        return repr(self._tell(body.decode("utf-8", "replace"))[:80])

    def _tell(self, text: str) -> str:
        return redact(text, self._secrets)

    async def _turn(self) -> None:
        wait = self._state.reserve(self._gap_s) if self._gap_s else 0.0
        if wait > 0:
            await asyncio.sleep(wait)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", said):
        return float(said)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, (email.utils.parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    return None


# --- what processes share -------------------------------------------------------------------------------
class _State:
    """Turns and refusals of a source, in a file that every process of this machine locks for a moment."""

    def __init__(self, folder: Path | None, source: str, secrets: Collection[str]) -> None:
        name = re.sub(r"[^\w.-]", "_", source)
        self._path = None if folder is None else folder / f"{name}.json"
        self._source = source
        self._secrets = sorted(secrets)
        self._memory: dict[str, Any] = {}

    def reserve(self, gap_s: float) -> float:
        """Take the next turn; returns in how many seconds it comes."""
        with self._opened() as state:
            now = time.time()
            turn = state.get("next", 0.0)
            if not now - gap_s <= turn <= now + LOCK_OUT_S:  # long ago, or the clock was put back
                turn = now
            turn = max(turn, now)
            state["next"] = turn + gap_s
            return float(turn - now)

    def refused(self) -> None:
        """Count a 401."""
        with self._opened() as state:
            salt = state.setdefault("salt", entropy.token_hex(8))
            mark = self._mark(salt)
            state["refusals"] = state.get("refusals", 0) + 1 if state.get("mark") == mark else 1
            state |= {"mark": mark, "refused_at": time.time()}

    def welcome(self) -> None:
        """Forget refusals after an answer."""
        if self._peek().get("refusals"):
            with self._opened() as state:
                state.pop("refusals", None)

    def refuse_if_locked(self, stop_after: int) -> None:
        """Raise AuthError while these credentials were refused too often."""
        state = self._peek()
        if state.get("refusals", 0) < stop_after or state.get("mark") != self._mark(state.get("salt", "")):
            return
        rest = state.get("refused_at", 0.0) + LOCK_OUT_S - time.time()
        if 0 < rest <= LOCK_OUT_S:
            raise AuthError(
                f"{self._source}: its credentials were refused {state['refusals']} times; nothing more is sent for "
                f"{rest / 60:.0f} min, or until they change: a vendor would lock the account."
            )

    def _mark(self, salt: str) -> str:
        return hashlib.sha256("\0".join([salt, *self._secrets]).encode()).hexdigest()[:16]

    def _peek(self) -> dict[str, Any]:
        if self._path is None:
            return self._memory
        try:
            return _parsed(self._path.read_bytes())
        except OSError:
            return {}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[dict[str, Any]]:
        if self._path is None:
            yield self._memory
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            state = _parsed(os.read(handle, 65_536))
            yield state
            data = json.dumps(state).encode()
            os.pwrite(handle, data, 0)
            os.ftruncate(handle, len(data))
        finally:
            os.close(handle)


def _parsed(data: bytes) -> dict[str, Any]:
    """Read the state; a file that was damaged begins anew."""
    try:
        state = json.loads(data)
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}
