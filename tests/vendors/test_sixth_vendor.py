"""A sixth vendor costs one file: drop it in, configure it, collect from it."""

from __future__ import annotations

import asyncio
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import wfm.vendors
from wfm.jobs import collecting
from wfm.jobs.collect import Collector
from wfm.jobs.sources import configured, pick
from wfm.storage.database import Store

FILE = '''
"""A phone system that serves a csv of queues."""
from typing import Literal
import polars as pl
from wfm import schema
from wfm.vendors import Feed, Limits, Payload, SourceSettings

NAME, TITLE = "acme", "Acme Phones"
FEEDS = (Feed("queue", "list", 86_400),)
LIMITS = Limits(requests_per_minute=0)
STATES = {}

class Settings(SourceSettings):
    vendor: Literal["acme"]
    base_url: str

class Session:
    def __init__(self, settings, client):
        self.settings, self.client = settings, client
    async def fetch(self, feed, window):
        reply = await self.client.get(self.settings.base_url + "/queues.csv", expect="any")
        yield Payload(feed.name, reply.received_at, reply.body)

def session(settings, client):
    return Session(settings, client)

def parse(feed, payload, settings):
    rows = pl.read_csv(payload.body, infer_schema=False)
    return rows.with_columns(timezone=pl.lit(None, pl.String)).select("queue_id", "name", "timezone")
'''


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "acme.py").write_text(FILE)
    monkeypatch.setattr(wfm.vendors, "__path__", [*wfm.vendors.__path__, str(tmp_path)])
    wfm.vendors.vendors.cache_clear()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"queue_id,name\n1,Sales\n2,Support\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    wfm.vendors.vendors.cache_clear()
    sys.modules.pop("wfm.vendors.acme", None)


def test_one_file_is_a_vendor(acme: str, tmp_path: Path) -> None:
    assert {"acme", "nextiva_ncc"} < set(wfm.vendors.vendors())
    sources = configured({"phones": {"vendor": "acme", "base_url": acme}})
    collector = Collector(Store(tmp_path / "wfm.duckdb"))
    (cycle,) = asyncio.run(collecting.collect(collector, pick(sources, None, None)))
    assert (cycle.result, cycle.added) == ("complete", 2)
    with collector.store.reading() as reader:
        assert reader.table("queue").select("source", "queue_id", "name").rows() == [
            ("phones", "1", "Sales"),
            ("phones", "2", "Support"),
        ]
