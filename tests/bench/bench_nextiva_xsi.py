"""Measure reading call logs: records and megabytes a second and peak memory, JSON and XML, beside the stdlib's json.

    python tests/bench/bench_nextiva_xsi.py [--records 200000] [--page 1000]

Each reader runs in a process of its own, so that peak memory is its own. The peer only makes dicts of the JSON. "fetch"
is the whole session on a client that answers at once: what paging costs beside parsing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from wfm.vendors import Payload, Window, nextiva_xsi

KIND = "enhancedCallLogsExtendedEntry"
FIRST = datetime(2024, 3, 5, tzinfo=UTC)
READERS = ("json.loads", "parse json", "parse xml", "fetch json", "fetch xml")


def entry(i: int) -> dict[str, str]:
    """Compose an entry with the fields that a real one has."""
    start = int(FIRST.timestamp() * 1000) + 1000 * i
    return {
        "countryCode": "1",
        "callLogId": f"{i}:0",
        "callId": str(i % 9973),
        "subscriberType": "User",
        "dialedNumber": "95550142",
        "calledNumber": "+15555550142",
        "networkTranslatedAddress": "+15555550142",
        "callingPresentationNumber": "+15555550101",
        "callingPresentationNumberSource": "User",
        "callingPresentationName": "Ada Finch",
        "callingPresentationIndicator": "Public",
        "connectedNumber": "+15555550142",
        "connectedPresentationIndicator": "Public",
        "typeOfNetwork": "Public",
        "callCategory": "Local",
        "basicCallType": "Network",
        "time": "2024-03-05T09:15:02.250-05:00",
        "startTime": str(start),
        "answerTime": str(start + 8650),
        "releaseTime": str(start + 112_750),
    }


def page(kind: str, first: int, size: int) -> bytes:
    """Write a page, newest first."""
    entries = [entry(i) for i in range(first + size - 1, first - 1, -1)]
    if kind == "json":
        rows = [{key: {"$": value} for key, value in one.items()} for one in entries]
        return json.dumps({"EnhancedCallLogs": {"placed": {KIND: rows}}}, separators=(",", ":")).encode()
    inner = ("".join(f"<{key}>{value}</{key}>" for key, value in one.items()) for one in entries)
    rows_ = "".join(f"<{KIND}>{one}</{KIND}>" for one in inner)
    return f'<EnhancedCallLogs xmlns="urn:x"><placed>{rows_}</placed></EnhancedCallLogs>'.encode()


@dataclass
class Answer:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    received_at: datetime = FIRST


class AtOnce:
    """Answers with a page of one user's list; the other lists are empty."""

    def __init__(self, pages: list[bytes], size: int, kind: str) -> None:
        self.pages, self.size, self.empty = pages, size, page(kind, 0, 0)

    async def get(self, url: str, *, params: dict[str, str], **_: Any) -> Answer:
        number = (int(params["start"]) - 1) // self.size
        return Answer(
            self.pages[number] if url.endswith("Placed") and number < len(self.pages) else self.empty
        )


def account(kind: str, size: int) -> nextiva_xsi.Settings:
    """Make settings that page without overlap, so that the prepared pages fit."""
    return nextiva_xsi.Settings(
        vendor="nextiva_xsi",
        host="xsp9.voice.example.com",
        username="admin@acme.example",
        password="x",
        users=["ada@acme.example"],
        format=kind,
        page_size=size,
        page_overlap=0,
        max_pages=100_000,
    )


def job(reader: str, pages: list[bytes], size: int) -> Callable[[], int]:
    """Return what is to be timed; it returns how many rows it made."""
    if reader == "json.loads":
        return lambda: sum(len(json.loads(body)["EnhancedCallLogs"]["placed"][KIND]) for body in pages)
    what, kind = reader.split()
    settings = account(kind, size)

    def read(body: bytes) -> int:
        payload = Payload("call_leg", FIRST, body, {"user": "ada@acme.example", "list": "Placed"})
        return nextiva_xsi.parse("call_leg", payload, settings).height

    async def fetch() -> int:
        session = nextiva_xsi.session(settings, AtOnce(pages, size, kind))  # type: ignore[arg-type]
        window = Window(FIRST, FIRST + timedelta(days=3650))
        return sum(
            [size async for item in session.fetch(nextiva_xsi.FEEDS[0], window) if isinstance(item, Payload)]
        )

    return (lambda: asyncio.run(fetch())) if what == "fetch" else (lambda: sum(map(read, pages)))


def run(reader: str, records: int, size: int) -> None:
    """Read once and print the figures."""
    kind = "xml" if reader.endswith("xml") else "json"
    pages = [page(kind, first, size) for first in range(records - size, -1, -size)]
    work = job(reader, pages, size)
    job(reader, pages[:1], size)()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = time.perf_counter()
    made = work()
    seconds = time.perf_counter() - before
    assert made == len(pages) * size, made
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1024 if sys.platform != "darwin" else 1 << 20
    volume = sum(map(len, pages)) / 1e6
    print(
        f"{reader:10} {made:>9,} records {seconds:6.2f} s {made / seconds:>9,.0f} records/s "
        f"{volume / seconds:6.0f} MB/s  peak {peak / scale:5,.0f} MB, {(peak - base) / scale:+5,.0f} MB while reading"
    )


def main() -> None:
    """Run every reader in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--page", type=int, default=1000)
    parser.add_argument("--reader", choices=READERS)
    asked = parser.parse_args()
    if asked.reader:
        run(asked.reader, asked.records, asked.page)
        return
    for reader in READERS:
        subprocess.run(
            [
                sys.executable,
                __file__,
                "--reader",
                reader,
                "--records",
                str(asked.records),
                "--page",
                str(asked.page),
            ],
            check=True,
        )


if __name__ == "__main__":
    main()
