"""Bodies: receive them whole and bounded, packed as well as unpacked, and tell data from a login page."""

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


async def receive(response: httpx.Response, most: int) -> bytes:
    """Receive a body; ``most`` bytes are accepted on the wire, and as many unpacked.

    Raises:
        BadReplyError: it is longer, or packed in a way that was not asked for.
        CutShortError: it ended early, or is damaged.
    """
    length = _length(response.headers)
    if length is not None and length > most:
        raise too_long(most)
    unpacker, parts, received = _Unpacker(response.headers.get("content-encoding", ""), most), [], 0
    try:
        async for part in response.aiter_raw():
            received += len(part)
            if received > most:
                raise too_long(most)
            parts.append(unpacker.unpack(part))
    except httpx.RemoteProtocolError as error:
        raise CutShortError(f"the answer was cut short: {str(error)[:120]}") from None
    if length not in (None, received):
        raise CutShortError(f"the answer was cut short: {received} of {length} bytes")
    if received and not unpacker.ended:
        raise CutShortError("the answer was cut short: what is packed has no end")
    return b"".join(parts)


def _length(headers: httpx.Headers) -> int | None:
    said = headers.get("content-length", "")
    chunked = "transfer-encoding" in headers  # which says where the end is, and overrules the length
    return int(said) if said.isdecimal() and len(said) < 20 and not chunked else None


def too_long(most: int) -> BadReplyError:
    """Make the error for a body that is longer than accepted."""
    return BadReplyError(f"the answer is longer than {most:,} bytes")


class _Unpacker:
    """Unpack as it comes, never more than there is room for: a bomb of 1 MB is 1 GB unpacked.

    (httpx unpacks whatever a part holds before one can count it, and takes a packed body without an end for whole.)
    """

    def __init__(self, encoding: str, room: int) -> None:
        self._coding = encoding.strip().lower().removeprefix("x-")
        if self._coding not in ("", "identity", "gzip", "deflate"):
            raise BadReplyError(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
        self._most = self._room = room
        self._engine = zlib.decompressobj(_GZIP) if self._coding == "gzip" else None
        self._head = b""

    @property
    def ended(self) -> bool:
        """Say whether what was packed came to its end."""
        plain = self._coding in ("", "identity")
        return plain or (self._engine is not None and self._engine.eof)

    def unpack(self, part: bytes) -> bytes:
        """Unpack the next part."""
        if self._coding in ("", "identity"):
            return part
        if self._engine is None:
            self._head += part
            if len(self._head) < 2:
                return b""
            # `deflate` is zlib by the standard and bare by some servers; the first two bytes tell
            zlib_head = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2]) % 31 == 0
            self._engine = zlib.decompressobj(zlib.MAX_WBITS if zlib_head else -zlib.MAX_WBITS)
            part, self._head = self._head, b""
        try:
            return self._bounded(part)
        except zlib.error as error:
            raise CutShortError(f"the answer cannot be unpacked: {error}") from None

    def _bounded(self, part: bytes) -> bytes:
        assert self._engine is not None
        out = []
        while part:
            if self._engine.eof:
                if self._coding != "gzip" or not part.startswith(b"\x1f"):
                    break  # padding
                self._engine = zlib.decompressobj(_GZIP)  # gzip may come in several members
            piece = self._engine.decompress(part, self._room + 1)
            self._room -= len(piece)
            if self._room < 0:
                raise too_long(self._most)
            out.append(piece)
            part = self._engine.unused_data
        return b"".join(out)


def check_kind(expect: Expect, content_type: str, body: bytes, hide: Callable[[str], str] = str) -> None:
    """Refuse what is not of the kind asked for: shields and gateways answer 200 with a page.

    The body is the better witness: JSON that is called text/html is let through, a page that is called JSON is not.

    Raises:
        BadReplyError: it is not; the text begins with what it is instead.
    """
    if expect == "any":
        return
    head = body[:2000]
    for mark in _BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    head = head.replace(b"\0", b"").strip()  # UTF-16 is somebody else's matter
    called_page = "html" in content_type.lower()
    page = _PAGE.match(head) is not None or (called_page and not head.startswith((b"{", b"[")))
    fits = head.startswith(b"<") if expect == "xml" else _JSON.match(head) is not None
    if page or not fits or (expect == "xml" and called_page):
        what = "HTML" if page else "something else" if head else "nothing"
        advice = ": a login page or a gateway?" if head else ""
        raise BadReplyError(f"{what} instead of {expect.upper()}{advice} {beginning(body, hide)}".rstrip())


def beginning(body: bytes, hide: Callable[[str], str], most: int = 80) -> str:
    """Return the beginning of a body for a message, on one line, with secrets hidden.

    They are hidden first: cut in half or escaped once more, a secret would not be found.
    """
    return repr(hide(body[:4000].decode("utf-8", "replace"))[:most]) if body else ""
