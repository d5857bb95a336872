"""One exchange: over which connections, what a status means, and what a broken connection means."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import httpx

from wfm.errors import AuthError, BadReplyError, CollectError, SettingsError, ThrottledError, UnreachableError
from wfm.http import bodies
from wfm.http.asking import Ask
from wfm.http.patience import retry_after_s

TROUBLES: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError, CollectError)
_EXCERPT_S: Final = 2.0
_EXCERPT_BYTES: Final = 65_536
CONNECT_S: Final = 10.0
_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


def connections(
    timeout_s: float, concurrent: int, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Make httpx' client: TLS is verified, always; redirects and retries are ours."""
    try:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
            limits=httpx.Limits(max_connections=concurrent, max_keepalive_connections=concurrent),
            headers={"Accept-Encoding": bodies.ACCEPT_ENCODING, "User-Agent": "wfm"},
            follow_redirects=False,
            transport=transport,
            # the sandbox is on loopback, where a company's proxy cannot reach it
            mounts=None if transport else dict.fromkeys(_LOOPBACK),
        )
    except (OSError, ssl.SSLError) as error:
        named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        raise SettingsError(f"The certificates in SSL_CERT_FILE={named} cannot be read: {error}") from None


async def judge(response: httpx.Response, ask: Ask, most: int, hide: Callable[[str], str]) -> bytes:
    """Receive the body, if the status and the body are what can be read.

    Raises:
        CollectError: they are not; see the table in `refuse`.
    """
    status = response.status_code
    if status in ask.accept:
        return await bodies.receive(response, most)
    if not 200 <= status < 300 or status == 206:
        raise refuse(status, response.headers, await _excerpt(response, hide))
    body = await bodies.receive(response, most)
    bodies.check_kind(ask.expect, response.headers.get("content-type", ""), body, hide)
    return body


def refuse(status: int, headers: Mapping[str, str], excerpt: str) -> CollectError:
    """Make the error of a status.

    ::

        401, 403                     AuthError
        429, 425, 503 + Retry-After  ThrottledError     again after what it asks for
        408, 5xx                     UnreachableError   again
        anything else                BadReplyError
    """
    said = f" {excerpt}" if excerpt else ""
    asked = retry_after_s(headers)
    if status == 401:
        return AuthError("401, it refuses the credentials; check user, password or token in the settings.")
    if status == 403:
        return AuthError(f"403, the credentials are known but may not read that.{said}")
    if status in (425, 429) or (status == 503 and asked is not None):
        wish = "" if asked is None else f" for {asked:.0f} s"
        return ThrottledError(f"{status}, it asks for patience{wish}.", asked)
    if status == 408 or status >= 500:
        return UnreachableError(f"{status}, an error on its side.{said}")
    return BadReplyError(f"{status} is not an answer that can be read.{said}")


def trouble(error: Exception, whole_s: float) -> CollectError:
    """Say what a broken exchange means."""
    if isinstance(error, CollectError):
        return error
    if isinstance(error, TimeoutError):
        return UnreachableError(f"no whole answer within {whole_s:g} s.")
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return UnreachableError("no connection in time.")
    if isinstance(error, httpx.TimeoutException):
        return UnreachableError("no answer in time.")
    if isinstance(error, httpx.InvalidURL):  # ours was checked, so it is that of a redirect
        return BadReplyError("it redirects to something that is no address.")
    if isinstance(error, httpx.LocalProtocolError | UnicodeError):
        # their text quotes the header
        return CollectError(
            "cannot be sent: a header, user or password has characters that HTTP does not allow."
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return UnreachableError(
            f"its certificate is not trusted: {error}. If it is your company's, name its file in SSL_CERT_FILE."
        )
    return UnreachableError(
        f"{type(error).__name__}: {str(error)[:200].rstrip('.') or 'the connection broke'}."
    )


async def _excerpt(response: httpx.Response, hide: Callable[[str], str]) -> str:
    """Return the beginning of an error's body, if it comes at once; the status alone decides."""
    with suppress(httpx.HTTPError, CollectError, TimeoutError):
        if response.status_code != 401:
            async with asyncio.timeout(_EXCERPT_S):
                return bodies.beginning(await bodies.receive(response, _EXCERPT_BYTES), hide, 200)
    return ""
