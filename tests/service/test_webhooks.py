"""The receiver over real HTTP: what is acknowledged is stored once, and who may not deliver learns nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import wfm.vendors
from helpers.paths import TESTS
from helpers.service_process import SECRET
from wfm.collect import spool
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.core.errors import DatabaseBusyError
from wfm.sandbox.server.serve import run_server
from wfm.service.server import Service
from wfm.service.webhooks import MAX_BODY_BYTES, MAX_QUERY_BYTES
from wfm.service.write_ahead_log import read_records
from wfm.settings import Settings
from wfm.storage.database import Database

HOOK = f"/hooks/bell/{SECRET}"


@pytest.fixture(autouse=True)
def _bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        wfm.vendors, "__path__", [*wfm.vendors.__path__, str(TESTS / "helpers" / "extra_vendors")]
    )


@contextmanager
def door(place: Path, **more: Any) -> Iterator[tuple[httpx.Client, Service]]:
    proxies = more.pop("proxies", "")
    raw = {"vendor": "bell", "webhook_secret": SECRET, **more}
    service = Service(
        Settings(database=place / "wfm.duckdb", database_wait_s=0, trusted_proxies=proxies),
        check_sources({"bell": raw}),
        {},
    )
    with run_server(service.build_app()) as url, httpx.Client(base_url=url) as client:
        yield client, service


def event(n: int, kind: str = "dial") -> dict[str, str]:
    return {"id": f"e{n}", "call": f"c{n}", "kind": kind, "at": str(n)}


def stored(service: Service) -> list[str]:
    asyncio.run(service.log_drainer.drain())
    with service.collector.database.open_reader() as reader:
        return sorted(reader.read_table("call_event")["event_id"])


@pytest.mark.slow
def test_a_delivery_is_kept_before_it_is_acknowledged(tmp_path: Path) -> None:
    with door(tmp_path) as (client, service):
        answer = client.get(HOOK, params=event(1))
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
        segments = (tmp_path / "wfm.duckdb.journal").iterdir()
        (record,) = [record for path in segments for record in read_records(path.read_bytes())[0]]
        assert record.startswith(b"bell\n")
        assert client.post(HOOK, json=event(2)).status_code == 200
        assert client.post(HOOK.replace("bell", "BELL", 1), content=json.dumps(event(3))).status_code == 200
        assert stored(service) == ["e1", "e2", "e3"]
        with service.collector.database.open_reader() as reader:
            assert sorted(reader.read_table("call_leg")["leg_id"]) == ["leg-c1", "leg-c2", "leg-c3"]
        assert service.write_ahead_log.measure_backlog() == (0, 0)
        assert client.get(HOOK, params=event(1)).status_code == 200  # as vendors repeat
        assert stored(service) == ["e1", "e2", "e3"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/hooks/bell/wrong",
        "/hooks/bell/",
        "/hooks/nobody/x",
        f"/hooks/nobody/{SECRET}",
        f"/hooks/bell/{SECRET}x",
        f"/hooks/bell/{SECRET}/",
        f"/hooks/bell/{SECRET[:-1]}",
        "/hooks/bell/%FF%00",
        "/hooks/ncc/" + SECRET,
        "/hooks/bell/" + "x" * 5000,
    ],
)
def test_there_is_nothing_elsewhere(tmp_path: Path, path: str, method: str) -> None:
    with door(tmp_path) as (client, service):
        answers = {
            (a.status_code, a.text, tuple(k for k, _ in a.headers.items()))
            for a in (client.request(method, path), client.request(method, "/hooks/no-such/thing"))
        }
        assert len(answers) == 1
        assert answers.pop()[0] == 404
        assert service.write_ahead_log.measure_backlog() == (0, 0)


def test_only_get_and_post(tmp_path: Path) -> None:
    with door(tmp_path) as (client, service):
        for method in ("PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
            for path in (HOOK, "/hooks/bell/wrong"):
                answer = client.request(method, path)
                assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
        assert service.write_ahead_log.measure_backlog() == (0, 0)


def test_only_from_where_it_may(tmp_path: Path) -> None:
    with door(tmp_path, allowed_networks=["198.51.100.0/24"], proxies="127.0.0.0/8") as (client, service):

        def status(forwarded: str | None) -> int:
            headers = {"x-forwarded-for": forwarded} if forwarded else {}
            return client.get(HOOK, params=event(1), headers=headers).status_code

        assert status(None) == 404
        assert status("203.0.113.1") == 404
        assert status("198.51.100.7, 203.0.113.1") == 404
        assert status("198.51.100.7") == 200
        assert stored(service) == ["e1"]
    with door(tmp_path, allowed_networks=["198.51.100.0/24"]) as (client, _):  # and no proxy is trusted
        assert client.get(HOOK, headers={"x-forwarded-for": "198.51.100.7"}).status_code == 404


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    def in_pieces(size: int) -> Iterator[bytes]:  # with no length told before
        yield b"x" * (size // 2)
        yield b"x" * (size - size // 2)

    with door(tmp_path) as (client, service):
        assert client.post(HOOK, content=b"x" * MAX_BODY_BYTES).status_code == 200
        assert client.post(HOOK, content=in_pieces(MAX_BODY_BYTES)).status_code == 200
        assert client.post(HOOK, content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
        assert client.post(HOOK, content=in_pieces(MAX_BODY_BYTES + 1)).status_code == 413
        assert client.post(HOOK + "?" + "x" * MAX_QUERY_BYTES).status_code == 200
        assert client.post(HOOK + "?" + "x" * (MAX_QUERY_BYTES + 1)).status_code == 414
        assert service.write_ahead_log.measure_backlog()[0] == 1


def test_full_disk_is_told_so_that_vendor_repeats(tmp_path: Path) -> None:
    with door(tmp_path) as (client, service):
        (tmp_path / "wfm.duckdb.journal").write_text("in the way")
        answer = client.post(HOOK, json=event(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert client.get("/health").status_code == 503
        (tmp_path / "wfm.duckdb.journal").unlink()
        assert client.post(HOOK, json=event(1)).status_code == 200
        assert stored(service) == ["e1"]


@pytest.mark.slow
def test_crash_before_segment_is_deleted_stores_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(tmp_path) as (client, service):
        for n in range(5):
            client.get(HOOK, params=event(n))
        with monkeypatch.context() as crash:
            crash.setattr("wfm.service.write_ahead_log.delete_segment", print)
            stored(service)
        (segment,) = service.write_ahead_log.list_sealed()
        before = ledger(service.collector.database)
        assert stored(service) == [f"e{n}" for n in range(5)]
        assert not segment.exists()
        assert ledger(service.collector.database) == before == 1


def ledger(store: Database) -> int:
    with store.open_reader() as reader:
        return reader.read_table("collection").height


def test_while_somebody_has_the_database_deliveries_are_spooled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise DatabaseBusyError("somebody has it.")

    with door(tmp_path) as (client, service):
        client.get(HOOK, params=event(1))
        with monkeypatch.context() as busy:
            busy.setattr(Database, "_connect_before", taken)
            asyncio.run(service.log_drainer.drain())
        assert service.write_ahead_log.measure_backlog() == (0, 0)
        assert len(spool.list_waiting_batches(service.collector.spool_folder)) == 1
        assert service.collector.drain_spool(dict(check_sources({"bell": {"vendor": "bell"}}))) == 1
        assert stored(service) == ["e1"]


@pytest.mark.slow
def test_unstorable_segment_stays_and_blocks_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with door(tmp_path) as (client, service):
        real, now = service.collector.store_deliveries, 0.0
        monkeypatch.setattr(service.log_drainer, "_monotonic", lambda: now)

        def receive(source: ConfiguredSource, payloads: Any, name: str | None = None) -> Any:
            if b"poison" in payloads[0].body and not now:
                raise ZeroDivisionError
            return real(source, payloads, name)

        monkeypatch.setattr(service.collector, "store_deliveries", receive)
        client.post(HOOK, content=json.dumps(event(1) | {"id": "poison"}))
        asyncio.run(service.log_drainer.drain())
        client.get(HOOK, params=event(2))
        assert stored(service) == ["e2"]
        assert service.write_ahead_log.measure_backlog()[0] == 1
        assert "could not be stored" in caplog.text
        now = 61.0
        assert stored(service) == ["e2", "poison"]


def test_deliveries_of_source_that_is_gone_are_kept(tmp_path: Path) -> None:
    with door(tmp_path) as (client, _):
        client.get(HOOK, params=event(1))
    other = Service(
        Settings(database=tmp_path / "wfm.duckdb"),
        check_sources({"other": {"vendor": "bell", "webhook_secret": SECRET}}),
        {},
    )
    asyncio.run(other.log_drainer.drain())
    assert other.write_ahead_log.measure_backlog()[0] == 1
    with door(tmp_path) as (_, service):
        assert stored(service) == ["e1"]


def test_a_torn_tail_is_left_out(tmp_path: Path) -> None:
    with door(tmp_path) as (client, service):
        for n in range(3):
            client.get(HOOK, params=event(n))
        asyncio.run(service.write_ahead_log.seal_segment())
        (segment,) = service.write_ahead_log.list_sealed()
        segment.write_bytes(segment.read_bytes()[:-3])
        assert stored(service) == ["e0", "e1"]


def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    with door(tmp_path) as (client, service):
        client.get(HOOK, params=event(1))
        client.get("/hooks/bell/wrong")
        client.get("/hooks/nobody/wrong")
        client.put(HOOK)
        before = samples(client)
        stored(service)
        after = samples(client)
    assert before["wfm_webhook_deliveries_total", "bell", "accepted", "200"] == 1
    assert before["wfm_webhook_deliveries_total", "", "refused", "404"] == 2
    assert before["wfm_webhook_deliveries_total", "", "refused", "405"] == 1
    assert before["wfm_journal_segments",] == 1
    assert before["wfm_journal_bytes",] > 50
    assert (after["wfm_journal_segments",], after["wfm_journal_bytes",]) == (0, 0)
    assert after["wfm_cycles_total", "bell", "call_event", "complete"] == 1
    assert after["wfm_rows_total", "bell", "call_event", "added"] == 1
    assert 0 <= after["wfm_feed_last_success_age_seconds", "bell", "call_event"] < 60
    assert after["wfm_spool_batches",] == 0


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    order = ("source", "feed", "outcome", "status", "result", "kind")
    return {
        (sample.name, *(sample.labels[name] for name in order if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_the_document_describes_every_route(tmp_path: Path) -> None:
    with door(tmp_path) as (client, _):
        paths = client.get("/openapi.json").json()["paths"]
        assert set(paths) == {"/health", "/metrics", "/hooks/{source}/{secret}"}
        assert client.get("/nothing").status_code == 404


def test_unencodable_answer_causes_no_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with door(tmp_path) as (client, service):
        bell = wfm.vendors.load_vendor("bell")
        monkeypatch.setattr(bell, "acknowledge_delivery", divmod)
        assert (client.get(HOOK, params=event(1)).status_code, client.get(HOOK).content) == (200, b"")
        assert "answer" in caplog.text
        monkeypatch.delattr(bell, "acknowledge_delivery")
        assert (client.get(HOOK, params=event(2)).status_code, client.get(HOOK).content) == (200, b"")
        assert stored(service) == ["e1", "e2"]
