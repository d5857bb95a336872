"""Response bodies: receiving them completely and within a limit, and telling data from a login page."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Final, Literal

import httpx

from wfm.core.errors import BadReplyError
from wfm.http.retry import TruncatedBodyError

ExpectedFormat = Literal["json", "xml", "any"]
ACCEPT_ENCODING: Final = "gzip, deflate"
_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_JSON_START = re.compile(rb'[\[{"]|(?:-?\d[\d.eE+-]*|true|false|null)\s*\Z')
_HTML_PAGE = re.compile(
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL
)


async def receive_body(response: httpx.Response, max_bytes: int) -> bytes:
    """Receive a body of at most ``max_bytes``, on the wire as well as decompressed.

    Raises:
        BadReplyError: it is longer, or compressed in a way that was not requested.
        TruncatedBodyError: it ended early, or is damaged.
    """
    length = _get_declared_length(response.headers)
    if length is not None and length > max_bytes:
        raise build_too_long_error(max_bytes)
    decompressor = _BoundedDecompressor(response.headers.get("content-encoding", ""), max_bytes)
    parts, received = [], 0
    try:
        async for part in response.aiter_raw():
            received += len(part)
            if received > max_bytes:
                raise build_too_long_error(max_bytes)
            parts.append(decompressor.decompress(part))
    except httpx.RemoteProtocolError as error:
        raise TruncatedBodyError(f"the answer was cut short: {str(error)[:120]}") from None
    if length not in (None, received):
        raise TruncatedBodyError(f"the answer was cut short: {received} of {length} bytes")
    if received and not decompressor.is_complete:
        raise TruncatedBodyError("the answer was cut short: its compressed body has no end")
    return b"".join(parts)


def _get_declared_length(headers: httpx.Headers) -> int | None:
    declared = headers.get("content-length", "")
    chunked = "transfer-encoding" in headers  # chunks say where the body ends, and override the length
    return int(declared) if declared.isdecimal() and len(declared) < 20 and not chunked else None


def build_too_long_error(max_bytes: int) -> BadReplyError:
    """Build the error for a body that is longer than accepted."""
    return BadReplyError(f"the answer is longer than {max_bytes:,} bytes")


class _BoundedDecompressor:
    """A decompressor with a limit: 1 MB can decompress to 1 GB.

    httpx is not used for this: it decompresses a whole part before its size is known, and accepts a compressed body
    without an end.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding.strip().lower().removeprefix("x-")
        if self._encoding not in ("", "identity", "gzip", "deflate"):
            raise BadReplyError(f"the answer is compressed as {encoding[:40]!r}, which was not requested")
        self._max_bytes = self._remaining_bytes = limit
        self._zlib = zlib.decompressobj(_GZIP_WBITS) if self._encoding == "gzip" else None
        self._first_bytes = b""

    @property
    def is_complete(self) -> bool:
        """Return whether the compressed data is complete."""
        plain = self._encoding in ("", "identity")
        return plain or (self._zlib is not None and self._zlib.eof)

    def decompress(self, part: bytes) -> bytes:
        """Decompress the next part."""
        if self._encoding in ("", "identity"):
            return part
        if self._zlib is None:
            self._first_bytes += part
            if len(self._first_bytes) < 2:
                return b""
            # by the standard `deflate` has a zlib header; some servers leave it out, which the first two bytes show
            has_header = self._first_bytes[0] & 0x0F == 8 and int.from_bytes(self._first_bytes[:2]) % 31 == 0
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
            part, self._first_bytes = self._first_bytes, b""
        try:
            return self._decompress_within_limit(part)
        except zlib.error as error:
            raise TruncatedBodyError(f"the answer cannot be decompressed: {error}") from None

    def _decompress_within_limit(self, part: bytes) -> bytes:
        assert self._zlib is not None
        out = []
        while part:
            if self._zlib.eof:
                if self._encoding != "gzip" or not part.startswith(b"\x1f"):
                    break  # padding
                self._zlib = zlib.decompressobj(_GZIP_WBITS)  # gzip may have several members
            piece = self._zlib.decompress(part, self._remaining_bytes + 1)
            self._remaining_bytes -= len(piece)
            if self._remaining_bytes < 0:
                raise build_too_long_error(self._max_bytes)
            out.append(piece)
            part = self._zlib.unused_data
        return b"".join(out)


def check_body_format(
    expect: ExpectedFormat, content_type: str, body: bytes, redact: Callable[[str], str] = str
) -> None:
    """Refuse a body that is not in the expected format: firewalls and gateways answer 200 with a page.

    The body decides, not its content type: JSON declared as text/html is accepted, a page declared as JSON is not.

    Raises:
        BadReplyError: it is in another format; the message begins with what it is instead.
    """
    if expect == "any":
        return
    start = body[:2000]
    for mark in _BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    start = start.replace(b"\0", b"").strip()  # UTF-16 has one in every second byte
    is_declared_html = "html" in content_type.lower()
    is_html = _HTML_PAGE.match(start) is not None or (is_declared_html and not start.startswith((b"{", b"[")))
    is_expected = start.startswith(b"<") if expect == "xml" else _JSON_START.match(start) is not None
    if is_html or not is_expected or (expect == "xml" and is_declared_html):
        what = "HTML" if is_html else "something else" if start else "nothing"
        advice = ": a login page or a gateway?" if start else ""
        raise BadReplyError(
            f"{what} instead of {expect.upper()}{advice} {excerpt_body(body, redact)}".rstrip()
        )


def excerpt_body(body: bytes, redact: Callable[[str], str], max_bytes: int = 80) -> str:
    """Return the beginning of a body for a message, on one line, with secrets redacted."""
    # redacted before it is cut and quoted: half a secret, or an escaped one, would not be found
    return repr(redact(body[:4000].decode("utf-8", "replace"))[:max_bytes]) if body else ""
