"""Collect CDRs, 10,000 a reply, from HTTP to stored legs: python tests/bench/bench_voicenter.py --cdrs 1000000

The sandbox's replies are rendered before, in a process of their own; beside it stand HTTP alone and the parser alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from wfm.collect import run
from wfm.collect.collector import Collector
from wfm.collect.sources import check_sources
from wfm.storage.database import Database
from wfm.vendors import Payload, Window, voicenter

CAP = 10_000
START = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = 24


def row(number: int, at: int) -> bytes:
    """Write a CDR: four of five are answered queue calls."""
    answered = number % 5 > 0
    told = {
        "CallerNumber": f"07{number % 5000:08d}",
        "TargetNumber": "",
        "Date": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "DateEpoch": at,
        "Duration": 60 + number % 300 if answered else 0,
        "CallID": f"2026{number:012d}",
        "Type": "Queue",
        "CdrType": 8,
        "DialStatus": "ANSWER" if answered else "ABANDONE",
        "TargetExtension": f"{2000 + number % 500}",
        "CallerExtension": "",
        "DID": "0700000100",
        "QueueName": f"queue {number % 20}",
        "RecordURL": "",
        "RecordExpect": False,
        "Price": 0,
        "RingTime": number % 40,
        "RepresentativeName": "",
        "RepresentativeCode": f"{2000 + number % 500}",
        "UserName": "",
        "UserId": 7,
        "CustomData": {},
        "DTMFData": [{"LayerName": "Main", "DTMF": 2, "LayerNumber": "0"}],
        "DepartmentName": "",
        "DepartmentId": 1,
        "TargetPrefixName": "",
    }
    return json.dumps(told, separators=(",", ":")).encode()


def serve(cdrs: int) -> None:
    """Serve that many CDRs of one day on loopback; print where."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from wfm.sandbox.server.serve import run_server

    begin = int(START.timestamp())
    times = [begin + number * HOURS * 3600 // cdrs for number in range(cdrs)]
    rows = [row(number, at) for number, at in enumerate(times)]

    async def log(request: Request) -> Response:
        search = (await request.json())["search"]
        low, high = (
            int(datetime.strptime(search[name], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
            for name in ("fromdate", "todate")
        )
        first, last = bisect_left(times, low), bisect_right(times, high)
        some = rows[first : min(last, first + CAP)]
        head = (
            f'{{"ERROR_NUMBER":0,"TOTAL_HITS":{last - first},"RETURN_HITS":{len(some)},"CDR_LIST":['.encode()
        )
        return Response(head + b",".join(some) + b"]}", media_type="application/json")

    with run_server(Starlette(routes=[Route("/hub/cdr/", log, methods=["POST"])])) as url:
        print(url, flush=True)
        time.sleep(3600)


def measure(cdrs: int) -> None:
    """Print how long it takes."""
    command = [sys.executable, __file__, "--serve", "--cdrs", str(cdrs)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as place,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        given = {
            "vendor": "voicenter",
            "base_url": url,
            "code": "x",
            "requests_per_minute": "0",
            "country": "IL",
        }
        source = check_sources({"vc": given})["vc"]
        collector = Collector(Database(Path(place) / "wfm.duckdb"))
        window = Window(START, START + timedelta(hours=HOURS))
        began = time.perf_counter()
        cycles = asyncio.run(run.collect_feeds(collector, [(source, source.feeds["call_leg"])], window))
        took = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_SELF)
        with collector.database.open_reader() as reader:
            stored = reader.run_query("SELECT count(*) AS n FROM call_leg")["n"][0]
        results = {cycle.result for cycle in cycles}
        print(
            f"{stored:,} CDRs ({', '.join(results)}): {took:.1f} s, {stored / took:,.0f} a second, "
            f"{used.ru_utime + used.ru_stime:.1f} s of processor, {used.ru_maxrss / 1e6:.2f} GB"
        )
        search = {
            "fromdate": f"{START:%Y-%m-%dT%H:%M:%S}",
            "todate": f"{START + timedelta(hours=HOURS):%Y-%m-%dT%H:%M:%S}",
        }
        began = time.perf_counter()
        for _ in range(10):
            body = httpx.post(f"{url}/hub/cdr/", json={"search": search}).content
        print(f"  HTTP alone: {10 * CAP / (time.perf_counter() - began):,.0f} CDRs a second")
        began = time.perf_counter()
        frame = voicenter.parse("call_leg", Payload("call_leg", START, body), source.settings)  # type: ignore[arg-type]
        print(f"  bytes to rows alone: {frame.height / (time.perf_counter() - began):,.0f} CDRs a second")
        server.kill()


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cdrs", type=int, default=1_000_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    serve(given.cdrs) if given.serve else measure(given.cdrs)


if __name__ == "__main__":
    main()
