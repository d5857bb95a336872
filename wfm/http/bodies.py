"""Response bodies: receive them completely and within a limit, and distinguish data from a login page."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Final, Literal

import httpx

from wfm.errors import BadReplyError
from wfm.http.patience import CutShortError

Expect = Literal["json", "xml", "any"]
ACCEPT_ENCODING: Final = "gzip, deflate"
_GZIP: Final = 16 + zlib.MAX_WBITS
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_JSON = re.compile(rb'[\[{"]|(?:-?\d[\d.eE+-]*|true|false|null)\s*\Z')
_PAGE = re.compile(
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL
)


async def receive(response: httpx.Response, max_bytes: int) -> bytes:
    """Receive a body of at max_bytes ``max_bytes``, on the wire as well as decompressed.

    Raises:
        BadReplyError: it is longer, or compressed in a way that was not requested.
        TruncatedBodyError: it ended early, or is damaged.
    """
    length = _length(response.headers)
    if length is not None and length > max_bytes:
        raise too_long(max_bytes)
    decompressor, parts, received = _Unpacker(response.headers.get("content-encoding", ""), max_bytes), [], 0
    try:
        async for part in response.aiter_raw():
            received += len(part)
            if received > max_bytes:
                raise too_long(max_bytes)
            parts.append(decompressor.unpack(part))
    except httpx.RemoteProtocolError as error:
        raise CutShortError(f"the answer was cut short: {str(error)[:120]}") from None
    if length not in (None, received):
        raise CutShortError(f"the answer was cut short: {received} of {length} bytes")
    if received and not decompressor.ended:
        raise CutShortError("the answer was cut short: its compressed body has no end")
    return b"".join(parts)


def _length(headers: httpx.Headers) -> int | None:
    declared = headers.get("content-length", "")
    chunked = "transfer-encoding" in headers  # chunks say where the body ends, and override the length
    return int(declared) if declared.isdecimal() and len(declared) < 20 and not chunked else None


def too_long(max_bytes: int) -> BadReplyError:
    """Build the error for a body that is longer than accepted."""
    return BadReplyError(f"the answer is longer than {max_bytes:,} bytes")


class _Unpacker:
    """A decompressor with a limit: a bomb of 1 MB is 1 GB decompressed.

    (httpx decompresses a whole part before its size is known, and accepts a compressed body without an end.)
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._coding = encoding.strip().lower().removeprefix("x-")
        if self._coding not in ("", "identity", "gzip", "deflate"):
            raise BadReplyError(f"the answer is compressed as {encoding[:40]!r}, which was not requested")
        self._max_bytes = self._room = limit
        self._engine = zlib.decompressobj(_GZIP) if self._coding == "gzip" else None
        self._head = b""

    @property
    def ended(self) -> bool:
        """Say whether the compressed data is complete."""
        plain = self._coding in ("", "identity")
        return plain or (self._engine is not None and self._engine.eof)

    def unpack(self, part: bytes) -> bytes:
        """Decompress the next part."""
        if self._coding in ("", "identity"):
            return part
        if self._engine is None:
            self._head += part
            if len(self._head) < 2:
                return b""
            # by the standard `deflate` has a zlib header; some servers leave it out, as the first two bytes show
            zlib_head = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2]) % 31 == 0
            self._engine = zlib.decompressobj(zlib.MAX_WBITS if zlib_head else -zlib.MAX_WBITS)
            part, self._head = self._head, b""
        try:
            return self._bounded(part)
        except zlib.error as error:
            raise CutShortError(f"the answer cannot be decompressed: {error}") from None

    def _bounded(self, part: bytes) -> bytes:
        assert self._engine is not None
        out = []
        while part:
            if self._engine.eof:
                if self._coding != "gzip" or not part.startswith(b"\x1f"):
                    break  # padding
                self._engine = zlib.decompressobj(_GZIP)  # gzip may have several members
            piece = self._engine.decompress(part, self._room + 1)
            self._room -= len(piece)
            if self._room < 0:
                raise too_long(self._max_bytes)
            out.append(piece)
            part = self._engine.unused_data
        return b"".join(out)


def check_kind(expect: Expect, content_type: str, body: bytes, redact: Callable[[str], str] = str) -> None:
    """Refuse a body that is not in the expected format: firewalls and gateways answer 200 with a page.

    The body counts more than its content type: JSON declared as text/html is accepted, a page declared as JSON is not.

    Raises:
        BadReplyError: another format; the message begins with what it is instead.
    """
    if expect == "any":
        return
    start = body[:2000]
    for mark in _BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    start = start.replace(b"\0", b"").strip()  # UTF-16 has one in every second byte
    declared_page = "html" in content_type.lower()
    page = _PAGE.match(start) is not None or (declared_page and not start.startswith((b"{", b"[")))
    fits = start.startswith(b"<") if expect == "xml" else _JSON.match(start) is not None
    if page or not fits or (expect == "xml" and declared_page):
        what = "HTML" if page else "something else" if start else "nothing"
        advice = ": a login page or a gateway?" if start else ""
        raise BadReplyError(f"{what} instead of {expect.upper()}{advice} {beginning(body, redact)}".rstrip())


def beginning(body: bytes, redact: Callable[[str], str], max_bytes: int = 80) -> str:
    """Return the beginning of a body for a message, on one line, with secrets redacted.

    Redaction comes first: cut in half or escaped once more, a secret would not be found.
    """
    return repr(redact(body[:4000].decode("utf-8", "replace"))[:max_bytes]) if body else ""
