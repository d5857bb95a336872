"""`wfm serve` as a process: hostile callers, signals, kill -9 in the middle of load, collectors beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import slow_examples
from helpers.service_process import COMMAND, SECRET, SETTINGS, Served, serving
from wfm.storage.database import Database

pytestmark = pytest.mark.slow

HOOK = f"/hooks/bell/{SECRET}"
QUIET = slow_examples(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as one:
        yield one
        assert one.stop() == 0, one.raw
        bad = [line for line in one.log if line["level"] in ("error", "critical")]
        assert not bad
        assert SECRET not in "".join(one.raw)


def event(n: int) -> dict[str, str]:
    return {"id": f"e{n}", "call": f"c{n // 4}", "kind": "dial", "at": str(n), "from": "+15550101234"}


def stored(place: Path) -> list[str]:
    with Database(place / "wfm.duckdb").open_reader() as reader:
        return sorted(reader.read_table("call_event")["event_id"])


def wfm(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=place,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        timeout=60,
    )


def alive(served: Served) -> bool:
    return httpx.get(f"{served.url}/metrics").status_code == 200


# --- hostile callers ------------------------------------------------------------------------------------
def test_whatever_document_allows_is_answered_as_it_says(served: Served) -> None:
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.response_schema_conformance,
        schemathesis.checks.content_type_conformance,
    ]
    tried = set()
    for operation in schema.get_all_operations():

        @QUIET
        @given(case=operation.ok().as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(base_url=served.url)
            case.validate_response(answer, checks=checks)
            tried.add((case.method, case.path))

        ask()
    assert len(tried) == 4


@QUIET
@given(
    st.binary(max_size=300),
    st.sampled_from(["json", "x-www-form-urlencoded", "xml", ""]),
    st.binary(max_size=100),
)
def test_any_body_and_query_is_kept(served: Served, body: bytes, kind: str, query: bytes) -> None:
    url = httpx.URL(served.url + HOOK, query=query.hex().encode())
    answer = httpx.post(url, content=body, headers={"content-type": f"application/{kind}"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def sent(served: Served, data: bytes) -> bytes:
    """Send raw bytes; what came back."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as wire:
        with contextlib.suppress(OSError):  # it may close before it has read everything
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
        return received(wire)


def received(wire: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := wire.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@QUIET
@given(st.binary(max_size=400))
def test_any_bytes_at_all(served: Served, data: bytes) -> None:
    answer = sent(served, data)
    assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 405")
    assert alive(served)


@QUIET
@given(st.binary(max_size=200).filter(lambda path: not set(path) & set(b" \r\n")))
def test_any_path(served: Served, path: bytes) -> None:
    answer = sent(served, b"GET /hooks/" + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 307")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 400_000,
        b"GET /" + b"x" * 400_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000,
    ],
    ids=["header", "path", "headers"],
)
def test_endless_head_is_cut_off(served: Served, head: bytes) -> None:
    answer = sent(served, head)
    assert answer[:12] in (b"", b"HTTP/1.1 400")
    assert alive(served)


def test_body_in_bad_chunks_or_of_wrong_length(served: Served) -> None:
    path = HOOK.encode()
    for rest in (
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Content-Length: 10\r\n\r\nabc",
    ):
        answer = sent(served, b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + rest)
        assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 413"), rest
    assert alive(served)


# --- starting and stopping ------------------------------------------------------------------------------
def test_sigterm_stores_everything_and_ends_well(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        with httpx.Client(base_url=served.url) as client:
            for n in range(40):
                assert client.get(HOOK, params=event(n)).status_code == 200
            said = client.get("/health")
        assert served.stop() == 0
        assert [line["message"] for line in served.log][-2:] == ["stopping", "stopped"]
    assert (said.status_code, said.json()["status"] != "bad") == (
        200,
        True,
    )  # warn: the database was just in use
    assert stored(tmp_path) == sorted(f"e{n}" for n in range(40))
    assert not list((tmp_path / "wfm.duckdb.journal").iterdir())


def test_one_service_runs_and_collectors_may_join(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        second = wfm(tmp_path, "serve", "--port", "0")
        assert second.returncode == 2
        assert f"process {served.process.pid}" in second.stderr
        httpx.get(served.url + HOOK, params=event(1))
        assert wfm(tmp_path, "collect").returncode == 0
        assert wfm(tmp_path, "sources").returncode == 0
        assert served.stop() == 0
    with serving(tmp_path) as again:  # and the lock went with its owner
        assert again.stop() == 0
    assert stored(tmp_path) == ["e1"]


def test_what_is_wrong_is_told_at_the_start(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        port = wfm(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert port.returncode == 2
    assert "Choose another" in port.stderr
    wrong = {"WFM_SOURCES__BELL__WEBHOOK_SECRET": "short", "WFM_SOURCES__OTHER__VENDOR": "bell"}
    with serving(tmp_path, **wrong) as served:
        told = [line["message"] for line in served.log if line["level"] == "error"]
        health = httpx.get(f"{served.url}/health")
        assert served.stop() == 0
    (one,) = told
    assert "bell is not collected: WFM_SOURCES__BELL__WEBHOOK_SECRET" in one
    assert health.status_code == 503
    assert {f["check"] for f in health.json()["findings"] if f["grade"] == "bad"} == {"bell settings"}


def test_the_log_is_objects_or_text(tmp_path: Path) -> None:
    with serving(tmp_path) as objects:
        assert objects.stop() == 0
    assert len(objects.log) == len(objects.raw)
    assert all(line["at"] and line["level"] and line["logger"] for line in objects.log)
    with serving(tmp_path, "--log-format", "text") as text:
        assert text.stop() == 0
    assert [line.split(": ", 1)[1] for line in text.raw][-2:] == ["stopping\n", "stopped\n"]


# --- kill -9 --------------------------------------------------------------------------------------------
async def load(port: int, numbers: Iterator[int], acknowledged: set[int], asked: set[int]) -> None:
    """Send one event after another on one connection, until the other side is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        for n in numbers:
            body = json.dumps(event(n)).encode()
            asked.add(n)
            writer.write(
                b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                % (HOOK.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(b'{"ok":true}'))
            acknowledged.add(n)
    writer.close()


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_under_load_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    acknowledged: set[int] = set()
    asked: set[int] = set()
    numbers = iter(range(1_000_000))
    least = random.Random(seed).randint(300, 2500)

    async def until_killed(served: Served) -> None:
        senders = [asyncio.create_task(load(served.port, numbers, acknowledged, asked)) for _ in range(12)]
        while len(acknowledged) < least:
            await asyncio.sleep(0.001)
        served.process.kill()
        await asyncio.gather(*senders)

    with serving(tmp_path) as served:
        asyncio.run(until_killed(served))
        served.kill()
    with serving(tmp_path) as again:
        assert again.stop() == 0
    found = stored(tmp_path)
    assert len(found) == len(set(found))
    assert {f"e{n}" for n in acknowledged} <= set(found) <= {f"e{n}" for n in asked}
    with Database(tmp_path / "wfm.duckdb").open_reader() as reader:
        calls = reader.read_table("call_leg")["leg_id"]
        batches = reader.run_query("SELECT name FROM batch")["name"]
    assert sorted(calls) == sorted({f"leg-c{int(e[1:]) // 4}" for e in found})
    assert batches.n_unique() == len(batches)
    assert not list((tmp_path / "wfm.duckdb.journal").iterdir())
