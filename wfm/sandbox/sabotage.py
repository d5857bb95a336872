"""The faults of the wire: between a vendor's answer and whoever asked for it."""

from __future__ import annotations

import asyncio
import gzip

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wfm.sandbox.faults import VENDORS, Faults

LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
)
_ALTERING = ("drip", "truncated", "latin1", "latin1_undeclared", "gzip")
Headers = list[tuple[bytes, bytes]]


def vendor_of(path: str) -> str:
    """Return one of `VENDORS`, or nothing."""
    first = path.split("/", 2)[1] if path.count("/") else ""
    return first if first in VENDORS else ""


def error(vendor: str, status: int, text: str) -> tuple[bytes, bytes]:
    """Return media type and body of an error as the vendor writes it."""
    if vendor == "xima":
        return b"text/plain", text.encode()
    if vendor == "ncc":
        return b"application/json", f'{{"code":{status},"message":"{text}"}}'.encode()
    if vendor == "voicenter":
        told = f'{{"ERROR_NUMBER":{1 if status == 429 else 9},"ERROR_DESCRIPTION":"{text}","STATUS_CODE":{status}}}'
        return b"application/json", told.encode()
    if vendor == "telphin":
        return b"application/json", f'{{"message":"{text}"}}'.encode()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ErrorInfo xmlns="http://schema.broadsoft.com/xsi">'
        f"<summary>{text}</summary><summaryEnglish>{text}</summaryEnglish><errorCode>{status}</errorCode></ErrorInfo>"
    )
    return b"application/xml;charset=UTF-8", body.encode()


class Sabotage:
    """Wrap an ASGI app: count what it serves, note what nobody may ask, and let faults strike."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app, self.faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        vendor = vendor_of(scope.get("path", "/"))
        if scope["type"] != "http" or not vendor:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "DELETE" or (vendor == "xsi" and scope["method"] != "GET"):
            self.faults.violations.append(f"{scope['method']} {scope['path']}")
        silent = self.faults.strikes("hang", vendor)
        if silent is not None:
            await _wait_for_leave(receive, silent)
        answer = self._instead(vendor)
        if answer is not None:
            status, headers, body = answer
            self.faults.served[vendor, "fault", status] += 1
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        if any(name in self.faults.on for name in _ALTERING):
            await self._altered(vendor, scope, receive, send)
        else:
            await self.app(scope, receive, self._counted(vendor, scope, send))

    def _instead(self, vendor: str) -> tuple[int, Headers, bytes] | None:
        """Return status, headers and body of an answer that is none."""
        wait = self.faults.strikes("throttle", vendor)
        if wait is not None:
            kind, body = error(vendor, 429, "Too many requests")
            return 429, [(b"content-type", kind), (b"retry-after", b"%g" % wait), _length(body)], body
        if self.faults.strikes("unauthorized", vendor) is not None:
            kind, body = error(vendor, 401, "Unauthorized")
            return 401, [(b"content-type", kind), _length(body)], body
        status = self.faults.strikes("server_error", vendor)
        if status is not None:
            kind, body = error(vendor, int(status), "Internal error")
            return int(status), [(b"content-type", kind), _length(body)], body
        if self.faults.strikes("html", vendor) is not None:
            return 200, [(b"content-type", b"text/html;charset=UTF-8"), _length(LOGIN_PAGE)], LOGIN_PAGE
        return None

    def _counted(self, vendor: str, scope: Scope, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                resource = scope["path"].rstrip("/").rpartition("/")[2]
                self.faults.served[vendor, resource, message["status"]] += 1
            await send(message)

        return counted

    async def _altered(self, vendor: str, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, self._counted(vendor, scope, keep))
        headers, body = self._alter(vendor, list(start["headers"]), b"".join(parts))
        await send({**start, "headers": headers})
        pause = self.faults.strikes("drip", vendor)
        if pause is not None:
            size = max(1, len(body) // 8)
            for i in range(0, len(body), size):
                await send({"type": "http.response.body", "body": body[i : i + size], "more_body": True})
                await asyncio.sleep(pause)
            body = b""
        await send({"type": "http.response.body", "body": body})

    def _alter(self, vendor: str, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        kept = {name.lower(): value for name, value in headers}
        for name in ("latin1", "latin1_undeclared"):
            if self.faults.strikes(name, vendor) is not None:
                body = body.decode().encode("iso-8859-1", errors="replace")
                if name == "latin1":
                    body = body.replace(b'encoding="UTF-8"', b'encoding="ISO-8859-1"', 1)
                    kind = kept[b"content-type"].split(b";")[0]
                    kept[b"content-type"] = kind + b";charset=ISO-8859-1"
        part = self.faults.strikes("truncated", vendor)
        if part is not None:
            body = body[: int(len(body) * part)]
        if self.faults.strikes("gzip", vendor) is not None:
            body, kept[b"content-encoding"] = gzip.compress(body, mtime=0), b"gzip"
        kept[b"content-length"] = _length(body)[1]
        return list(kept.items()), body


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


async def _wait_for_leave(receive: Receive, seconds: float) -> None:
    """Wait until the client hangs up, at most so many seconds."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(left(), seconds)
    except TimeoutError:
        return
