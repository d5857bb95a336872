"""A server of many call logs that are written beforehand, for measuring how fast a collector reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from wfm.sandbox.centre.people import make_agents, make_queues
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.server.serve import run_server
from wfm.sandbox.vendors.behaviour import XSI_ACTIONS_PATH, XSI_BASE, VendorBehaviour
from wfm.sandbox.vendors.nextiva_xsi.entries import CallLogEntries
from wfm.sandbox.vendors.nextiva_xsi.reply import XML_NAMESPACE, XML_PROLOGUE, write_fields


class CallLogServer:
    """An ASGI app: ``users`` users, each with ``entries`` received calls, newest first, in pages of any size.

    All users have the same calls but for their ids, so that no two pages are the same. There is no window, no fault,
    and no check of credentials.
    """

    def __init__(self, users: int = 100, entries: int = 10_000) -> None:
        self.users = {agent.xsi: n for n, agent in enumerate(make_agents(users, make_queues(1)))}
        self.entries = _write_entries(entries)
        self.served_rows = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve a page of a list, or of the directory."""
        query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        start, size = (
            int(query.get("start", 1)),
            min(int(query.get("results", 50)), VendorBehaviour().max_results),
        )
        parts = scope["path"].removeprefix(XSI_BASE + XSI_ACTIONS_PATH).split("/")
        if parts[-1] in ("Enterprise", "Group"):
            body = self._write_directory(start, size)
        elif len(parts) > 2 and parts[2] in self.users:
            page = self._write_page(parts[-1], start, size)
            body = page.replace(b":0</callLogId>", b":%d</callLogId>" % self.users[parts[2]])
        else:
            body = b""
        headers = [
            (b"content-type", b"application/xml;charset=UTF-8"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _write_page(self, name: str, start: int, size: int) -> bytes:
        rows = self.entries[start - 1 : start - 1 + size] if name in ("Received", "EnhancedCallLogs") else []
        self.served_rows += len(rows)
        tag = b"received" if name == "EnhancedCallLogs" else name.lower().encode()
        inner = [_write_opening("EnhancedCallLogs", start, size), b"<", tag, b">", *rows, b"</", tag, b">"]
        return b"".join([*inner, b"</EnhancedCallLogs>"])

    def _write_directory(self, start: int, size: int) -> bytes:
        page = list(self.users)[start - 1 : start - 1 + size]
        rows = [f"<directoryDetails><userId>{user}</userId></directoryDetails>" for user in page]
        total = f"<totalAvailableRecords>{len(self.users)}</totalAvailableRecords><enterpriseDirectory>"
        inner = total + "".join(rows) + "</enterpriseDirectory></Enterprise>"
        return _write_opening("Enterprise", start, len(page)) + inner.encode()


def _write_opening(root: str, start: int, size: int) -> bytes:
    head = write_fields([("startIndex", str(start)), ("numberOfRecords", str(size))])
    return f'{XML_PROLOGUE}<{root} xmlns="{XML_NAMESPACE}">{head}'.encode()


def _write_entries(n: int) -> list[bytes]:
    """Write ``n`` entries, newest first: the calls of simulated agents, as if one agent had taken them all."""
    truth = simulate_centre(1, date(2026, 3, 2), 5, max(8, n // 150), 3)
    entries, found = CallLogEntries(truth), []
    logs = [log for (_, name), log in entries.logs.items() if name == "received"]
    drawn = sorted(
        ((log.start[i], k, i) for k, log in enumerate(logs) for i in range(len(log.legs))), reverse=True
    )
    for number, (_, k, place) in enumerate(drawn[:n]):
        entry = [
            (name, f"{n - number}:0" if name == "callLogId" else text)
            for name, text in entries.write_entry(logs[k], place, float("inf"))
        ]
        row = f"<enhancedCallLogsExtendedEntry>{write_fields(entry)}</enhancedCallLogsExtendedEntry>"
        found.append(row.encode())
    return found


@contextmanager
def run_call_log_server(users: int = 100, entries: int = 10_000) -> Iterator[tuple[str, CallLogServer]]:
    """Serve many call logs in a thread; yield the base URL and the server."""
    served = CallLogServer(users, entries)
    with run_server(served) as url:
        yield url, served
