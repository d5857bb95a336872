"""The transport: opening connections, and translating statuses and failed connections into errors of wfm."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import httpx

from wfm.core.errors import (
    AuthError,
    BadReplyError,
    CollectError,
    SettingsError,
    ThrottledError,
    UnreachableError,
)
from wfm.http.body import ACCEPT_ENCODING, check_body_format, excerpt_body, receive_body
from wfm.http.request import SourceRequest
from wfm.http.retry import parse_retry_after

TRANSPORT_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError, CollectError)
_EXCERPT_TIMEOUT_S: Final = 2.0
_MAX_EXCERPT_BYTES: Final = 65_536
CONNECT_TIMEOUT_S: Final = 10.0
_LOOPBACK_MOUNTS: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


def build_http_client(
    timeout_s: float, concurrent: int, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Build the httpx client: TLS is always verified; redirects and retries are handled here."""
    try:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            limits=httpx.Limits(max_connections=concurrent, max_keepalive_connections=concurrent),
            headers={"Accept-Encoding": ACCEPT_ENCODING, "User-Agent": "wfm"},
            follow_redirects=False,
            transport=transport,
            # the sandbox is on loopback, which a company's proxy cannot reach
            mounts=None if transport else dict.fromkeys(_LOOPBACK_MOUNTS),
        )
    except (OSError, ssl.SSLError) as error:
        path = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        raise SettingsError(f"The certificates in SSL_CERT_FILE={path} cannot be read: {error}") from None


async def read_checked_body(
    response: httpx.Response, request: SourceRequest, max_bytes: int, redact: Callable[[str], str]
) -> bytes:
    """Return the body, if its status and format are as expected.

    Raises:
        CollectError: they are not; `build_status_error` lists which.
    """
    status = response.status_code
    if status in request.accept:
        return await receive_body(response, max_bytes)
    if not 200 <= status < 300 or status == 206:
        raise build_status_error(status, response.headers, await _read_error_excerpt(response, redact))
    body = await receive_body(response, max_bytes)
    check_body_format(request.expect, response.headers.get("content-type", ""), body, redact)
    return body


def build_status_error(status: int, headers: Mapping[str, str], excerpt: str) -> CollectError:
    """Build the error for a status.

    ::

        401, 403                     AuthError
        429, 425, 503 + Retry-After  ThrottledError     retried after the time it asks for
        408, 5xx                     UnreachableError   retried
        anything else                BadReplyError
    """
    details = f" {excerpt}" if excerpt else ""
    retry_after_s = parse_retry_after(headers)
    if status == 401:
        return AuthError("401, the credentials were refused; check user, password or token in the settings.")
    if status == 403:
        return AuthError(f"403, the credentials are valid but may not read that.{details}")
    if status in (425, 429) or (status == 503 and retry_after_s is not None):
        wait = "" if retry_after_s is None else f" for {retry_after_s:.0f} s"
        return ThrottledError(f"{status}, it asks to wait{wait}.", retry_after_s)
    if status == 408 or status >= 500:
        return UnreachableError(f"{status}, an error of the server.{details}")
    return BadReplyError(f"{status} is not a status with data.{details}")


def translate_error(error: Exception, total_s: float) -> CollectError:
    """Translate an error of httpx into a `CollectError`; ``total_s``: the limit for a whole reply, in seconds."""
    if isinstance(error, CollectError):
        return error
    if isinstance(error, TimeoutError):
        return UnreachableError(f"no complete answer within {total_s:g} s.")
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return UnreachableError("no connection in time.")
    if isinstance(error, httpx.TimeoutException):
        return UnreachableError("no answer in time.")
    if isinstance(error, httpx.InvalidURL):  # the URL of the request was checked, so it is that of a redirect
        return BadReplyError("it redirects to an invalid URL.")
    if isinstance(error, httpx.LocalProtocolError | UnicodeError):
        # their own text quotes the header, which may be a secret
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


async def _read_error_excerpt(response: httpx.Response, redact: Callable[[str], str]) -> str:
    """Return the beginning of an error's body if it arrives at once; nothing depends on it."""
    with suppress(httpx.HTTPError, CollectError, TimeoutError):
        if response.status_code != 401:
            async with asyncio.timeout(_EXCERPT_TIMEOUT_S):
                return excerpt_body(await receive_body(response, _MAX_EXCERPT_BYTES), redact, 200)
    return ""
