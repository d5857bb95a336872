"""Real vendors' webhooks at the service: pushed over HTTP by the sandbox, they come to what was told directly."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest

from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import run_server, send_webhooks
from wfm.sandbox.server.webhook_sender import WebhookRequest, WebhookSender
from wfm.sandbox.vendors.behaviour import VendorBehaviour
from wfm.sandbox.vendors.telphin.events import TelphinCalls, deliver_events
from wfm.sandbox.vendors.voicenter import VoicenterCdrs
from wfm.service.server import Service
from wfm.service.write_ahead_log import read_records
from wfm.settings import Settings
from wfm.storage.database import Database
from wfm.vendors import CALL_EVENT, Delivery, Payload, pack_deliveries

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"
SECRET = "a-secret-of-the-exchange"
GIVEN = {
    "vendor": "telphin",
    "client_id": "a",
    "client_secret": "b",
    "country": "US",
    "webhook_secret": SECRET,
    "fallback_extension": "800",
}


@pytest.fixture(scope="module")
def pushes() -> list[WebhookRequest]:
    truth = simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=6, queues=2, timezone="UTC")
    told = deliver_events(TelphinCalls(truth), InjectedFaults(seed=1), truth.ends)[:600]
    return [WebhookRequest(one.at, one.method, FORM, one.text) for one in told]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(Settings(database=tmp_path / "wfm.duckdb"), check_sources({"pbx": GIVEN}), {})


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with run_server(service.build_app()) as url, httpx.Client(base_url=url) as client:
        yield client


def legs(store: Database) -> pl.DataFrame:
    with store.open_reader() as reader:
        return reader.read_table("call_leg").sort("leg_id")


def directly(place: Path, source: ConfiguredSource, pushes: list[WebhookRequest]) -> pl.DataFrame:
    now = datetime.now(UTC)
    deliveries = [
        Delivery(now, "GET", one.text, "", b"")
        if one.method == "GET"
        else Delivery(now, "POST", "", FORM, one.text.encode())
        for one in pushes
    ]
    collector = Collector(Database(place / "direct.duckdb"))
    collector.store_deliveries(
        source, [Payload(CALL_EVENT, now, pack_deliveries(deliveries), {"by": "webhook"})]
    )
    return legs(collector.database)


def test_pushed_over_http_is_told_directly(
    client: httpx.Client, service: Service, pushes: list[WebhookRequest], tmp_path: Path
) -> None:
    clock = SimulatedClock(pushes[299].at / 1e6)
    pusher = WebhookSender(client, f"/hooks/pbx/{SECRET}", pushes, clock)
    first = pusher.send_due()
    assert 0 < first < len(pushes)
    asyncio.run(service.log_drainer.drain())
    clock.move_to(max(one.at for one in pushes) / 1e6)
    assert first + pusher.send_due() == len(pushes)
    assert pusher.refused == 0
    asyncio.run(service.log_drainer.drain())
    source = check_sources({"pbx": GIVEN})["pbx"]
    there, here = directly(tmp_path, source, pushes), legs(service.collector.database)
    assert here.height > 50
    assert here.equals(there)


def test_a_question_is_answered_at_once(client: httpx.Client, service: Service) -> None:
    asked = {"CallID": "c2", "CallerIDNum": "15555550177", "CallStatus": "ANSWER", "CallFlow": "IN"}
    answer = client.get(f"/hooks/pbx/{SECRET}", params=asked)
    assert answer.status_code == 200
    assert b">800</SetVar>" in answer.content
    assert (
        service.write_ahead_log.measure_backlog()[0] == 1
    )  # a question is kept like everything that was said


def test_a_hook_that_is_not_there_is_counted(client: httpx.Client, pushes: list[WebhookRequest]) -> None:
    lost = WebhookSender(
        client, "/hooks/pbx/a-wrong-secret-of-it", pushes[:3], SimulatedClock(pushes[-1].at / 1e6)
    )
    assert (lost.send_due(), lost.refused) == (3, 3)


def kept(service: Service) -> int:
    """Count the deliveries in the journal, of the segment that is being filled too."""
    folder = service.write_ahead_log.folder
    return sum(len(read_records(path.read_bytes())[0]) for path in folder.iterdir()) if folder.is_dir() else 0


def test_the_sandbox_tells_what_happens_from_now_on(tmp_path: Path) -> None:
    truth = simulate_centre(
        seed=3, start=date(2026, 3, 2), days=1, agents=2, queues=1, timezone="Asia/Jerusalem"
    )
    secret = VendorBehaviour().webhook_secret
    given = {
        "telphin": {**GIVEN, "webhook_secret": secret},
        "voicenter": {"vendor": "voicenter", "code": "x", "webhook_secret": secret},
    }
    service = Service(Settings(database=tmp_path / "wfm.duckdb"), check_sources(given), {})
    clock = SimulatedClock((truth.begins + truth.ends) / 2)
    now = clock.now() * 1_000_000
    later = [one for one in VoicenterCdrs(truth).build_notifications("UTC") if one.at > now]
    events = [
        one for one in deliver_events(TelphinCalls(truth), InjectedFaults(), truth.ends) if one.at > now
    ]
    with (
        run_server(service.build_app()) as url,
        send_webhooks(url, truth, clock, InjectedFaults(), "Asia/Jerusalem"),
    ):
        clock.move_to(truth.ends)
        deadline = time.monotonic() + 60
        while kept(service) < len(later) + len(events) and time.monotonic() < deadline:
            time.sleep(0.05)
    asyncio.run(service.log_drainer.drain())
    there = legs(service.collector.database)
    told = there.filter(pl.col("source") == "voicenter")
    assert told["call_id"].n_unique() == len({json.loads(one.text)["ivruniqueid"] for one in later}) > 0
    assert there.filter(pl.col("source") == "telphin").height > len(events) / 10
