"""A great many call logs, written beforehand: for measuring how fast a collector reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from wfm.sandbox.centre import simulate
from wfm.sandbox.manners import ACTIONS, XSI_BASE, Manners
from wfm.sandbox.people import make_agents, make_queues
from wfm.sandbox.serve import listening
from wfm.sandbox.xsi_entries import Entries
from wfm.sandbox.xsi_writing import NAMESPACE, PROLOGUE, fields


class Hoard:
    """An ASGI app: ``users`` users, each with ``entries`` received calls, newest first, in pages of any size.

    All users have the same calls but for their ids, so that no two pages are the same. There is no window, no fault,
    and no check of credentials.
    """

    def __init__(self, users: int = 100, entries: int = 10_000) -> None:
        self.users = {agent.xsi: n for n, agent in enumerate(make_agents(users, make_queues(1)))}
        self.entries = _written(entries)
        self.served = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve a page of a list, or of the directory."""
        query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        start, size = int(query.get("start", 1)), min(int(query.get("results", 50)), Manners().max_results)
        parts = scope["path"].removeprefix(XSI_BASE + ACTIONS).split("/")
        if parts[-1] in ("Enterprise", "Group"):
            body = self._directory(start, size)
        elif len(parts) > 2 and parts[2] in self.users:
            page = self._page(parts[-1], start, size)
            body = page.replace(b":0</callLogId>", b":%d</callLogId>" % self.users[parts[2]])
        else:
            body = b""
        headers = [
            (b"content-type", b"application/xml;charset=UTF-8"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, name: str, start: int, size: int) -> bytes:
        rows = self.entries[start - 1 : start - 1 + size] if name in ("Received", "EnhancedCallLogs") else []
        self.served += len(rows)
        tag = b"received" if name == "EnhancedCallLogs" else name.lower().encode()
        inner = [_opening("EnhancedCallLogs", start, size), b"<", tag, b">", *rows, b"</", tag, b">"]
        return b"".join([*inner, b"</EnhancedCallLogs>"])

    def _directory(self, start: int, size: int) -> bytes:
        page = list(self.users)[start - 1 : start - 1 + size]
        rows = [f"<directoryDetails><userId>{user}</userId></directoryDetails>" for user in page]
        total = f"<totalAvailableRecords>{len(self.users)}</totalAvailableRecords><enterpriseDirectory>"
        inner = total + "".join(rows) + "</enterpriseDirectory></Enterprise>"
        return _opening("Enterprise", start, len(page)) + inner.encode()


def _opening(root: str, start: int, size: int) -> bytes:
    head = fields([("startIndex", str(start)), ("numberOfRecords", str(size))])
    return f'{PROLOGUE}<{root} xmlns="{NAMESPACE}">{head}'.encode()


def _written(n: int) -> list[bytes]:
    """Write ``n`` entries, newest first: the calls of simulated agents, as if one had taken them all."""
    truth = simulate(1, date(2026, 3, 2), 5, max(8, n // 150), 3)
    entries, found = Entries(truth), []
    logs = [log for (_, name), log in entries.logs.items() if name == "received"]
    drawn = sorted(
        ((log.start[i], k, i) for k, log in enumerate(logs) for i in range(len(log.legs))), reverse=True
    )
    for number, (_, k, place) in enumerate(drawn[:n]):
        entry = [
            (name, f"{n - number}:0" if name == "callLogId" else text)
            for name, text in entries.entry(logs[k], place, float("inf"))
        ]
        row = f"<enhancedCallLogsExtendedEntry>{fields(entry)}</enhancedCallLogsExtendedEntry>"
        found.append(row.encode())
    return found


@contextmanager
def hoarding(users: int = 100, entries: int = 10_000) -> Iterator[tuple[str, Hoard]]:
    """Serve a hoard in a thread: base URL and the hoard."""
    hoard = Hoard(users, entries)
    with listening(hoard) as url:
        yield url, hoard
