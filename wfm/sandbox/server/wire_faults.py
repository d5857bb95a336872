"""Faults of the transport, between a vendor's reply and the client."""

from __future__ import annotations

import asyncio
import gzip

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wfm.sandbox.server.faults import VENDOR_MOUNTS, InjectedFaults

LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
)
_ALTERING_FAULTS = ("drip", "truncated", "latin1", "latin1_undeclared", "gzip")
HeaderList = list[tuple[bytes, bytes]]


def find_vendor(path: str) -> str:
    """Return one of `VENDOR_MOUNTS`, or an empty text."""
    first = path.split("/", 2)[1] if path.count("/") else ""
    return first if first in VENDOR_MOUNTS else ""


def write_error(vendor: str, status: int, text: str) -> tuple[bytes, bytes]:
    """Return the media type and body of an error as the vendor writes it."""
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


class WireFaults:
    """Wrapper of an ASGI app that counts replies, records forbidden requests and injects faults."""

    def __init__(self, app: ASGIApp, faults: InjectedFaults) -> None:
        self.app, self.faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        vendor = find_vendor(scope.get("path", "/"))
        if scope["type"] != "http" or not vendor:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "DELETE" or (vendor == "xsi" and scope["method"] != "GET"):
            self.faults.violations.append(f"{scope['method']} {scope['path']}")
        silent = self.faults.strikes("hang", vendor)
        if silent is not None:
            await _wait_for_disconnect(receive, silent)
        answer = self._build_fault_reply(vendor)
        if answer is not None:
            status, headers, body = answer
            self.faults.served[vendor, "fault", status] += 1
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        if any(name in self.faults.on for name in _ALTERING_FAULTS):
            await self._serve_altered(vendor, scope, receive, send)
        else:
            await self.app(scope, receive, self._count_reply(vendor, scope, send))

    def _build_fault_reply(self, vendor: str) -> tuple[int, HeaderList, bytes] | None:
        """Return the status, headers and body of a reply that a fault sends instead, or None."""
        wait = self.faults.strikes("throttle", vendor)
        if wait is not None:
            kind, body = write_error(vendor, 429, "Too many requests")
            return 429, [(b"content-type", kind), (b"retry-after", b"%g" % wait), _content_length(body)], body
        if self.faults.strikes("unauthorized", vendor) is not None:
            kind, body = write_error(vendor, 401, "Unauthorized")
            return 401, [(b"content-type", kind), _content_length(body)], body
        status = self.faults.strikes("server_error", vendor)
        if status is not None:
            kind, body = write_error(vendor, int(status), "Internal error")
            return int(status), [(b"content-type", kind), _content_length(body)], body
        if self.faults.strikes("html", vendor) is not None:
            return (
                200,
                [(b"content-type", b"text/html;charset=UTF-8"), _content_length(LOGIN_PAGE)],
                LOGIN_PAGE,
            )
        return None

    def _count_reply(self, vendor: str, scope: Scope, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                resource = scope["path"].rstrip("/").rpartition("/")[2]
                self.faults.served[vendor, resource, message["status"]] += 1
            await send(message)

        return counted

    async def _serve_altered(self, vendor: str, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, self._count_reply(vendor, scope, keep))
        headers, body = self._alter_body(vendor, list(start["headers"]), b"".join(parts))
        await send({**start, "headers": headers})
        pause = self.faults.strikes("drip", vendor)
        if pause is not None:
            size = max(1, len(body) // 8)
            for i in range(0, len(body), size):
                await send({"type": "http.response.body", "body": body[i : i + size], "more_body": True})
                await asyncio.sleep(pause)
            body = b""
        await send({"type": "http.response.body", "body": body})

    def _alter_body(self, vendor: str, headers: HeaderList, body: bytes) -> tuple[HeaderList, bytes]:
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
        kept[b"content-length"] = _content_length(body)[1]
        return list(kept.items()), body


def _content_length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


async def _wait_for_disconnect(receive: Receive, seconds: float) -> None:
    """Wait until the client disconnects, at most so many seconds."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(left(), seconds)
    except TimeoutError:
        return
