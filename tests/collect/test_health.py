"""How every feed is: what the ledger says, whoever reads the kept payloads again, and however long it has become."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from wfm.cli import main
from wfm.collect import health, spool
from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource
from wfm.core import schema
from wfm.storage.batches import store_batch
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader
from wfm.vendors import Feed, Payload, SourceSettings

START = datetime(2026, 3, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CALLS, QUEUES = Feed("call_leg", "window", 900), Feed("queue", "list", 86_400)
asked = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from(["complete", "partial", "failed"])),
    max_size=12,
)


def source(feeds: tuple[Feed, ...]) -> ConfiguredSource:
    def parse(feed: str, payload: Payload, _: object) -> pl.DataFrame:
        row = dict.fromkeys(schema.get_table(feed).own_columns) | {"queue_id": payload.body.decode()}
        return pl.DataFrame([row], schema=schema.get_table(feed).own_columns)

    vendor = SimpleNamespace(NAME="toy", FEEDS=feeds, parse=parse)
    return ConfiguredSource("toy", vendor, SourceSettings(vendor="toy"))  # type: ignore[arg-type]


def keep(
    store: Database, name: str, feed: Feed, window: tuple[datetime, datetime] | None, result: str
) -> None:
    store_batch(
        store,
        name=name,
        source="toy",
        feed=feed.name,
        window=window,
        result=result,
        note=name,
        payloads=[(START, {}, b"q1")],
        tables={},
    )


@pytest.mark.slow
@examples(20)
@given(told=asked)
def test_feed_is_complete_up_to_its_first_gap(
    told: list[tuple[int, int, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, have = Database(Path(folder) / "wfm.duckdb"), set[int]()
        for n, (start, length, result) in enumerate(told):
            window = START + start * QUARTER, START + (start + length) * QUARTER
            keep(store, f"{n}", CALLS, window, result)
            have |= set(range(start, start + length)) if result == "complete" else set()
        row = health.build_feed_table(
            store, {"toy": source((CALLS,))}, Path(folder), START + 100 * QUARTER
        ).row(0, named=True)
    assert row["result"] == (told[-1][2] if told else "never asked")
    assert row["note"] == (f"{len(told) - 1}" if told else "")
    if not have:
        assert row["complete_until"] is row["missing_s"] is row["last_success_at"] is row["lag_s"] is None
        return
    until = min(have)
    while until in have:
        until += 1
    assert row["complete_until"] == START + until * QUARTER
    assert row["lag_s"] == (100 - until) * 900
    assert row["missing_s"] == (max(have) + 1 - min(have) - len(have)) * 900


@pytest.mark.slow
def test_reparsing_payloads_is_no_collection(tmp_path: Path) -> None:
    store, of = Database(tmp_path / "wfm.duckdb"), source((QUEUES, CALLS))
    keep(store, "first", QUEUES, None, "complete")
    now = START + timedelta(days=9)
    before = health.build_feed_table(store, {"toy": of}, tmp_path, now)
    collector = Collector(store, clock=lambda: now)
    assert [collector.replay_feed(of, feed).result for feed in (QUEUES, CALLS)] == ["complete"] * 2
    assert health.build_feed_table(store, {"toy": of}, tmp_path, now).equals(before)
    with store.open_reader() as reader:
        assert reader.read_table("collection")["origin"].to_list() == ["collect", "replay"]


@pytest.mark.slow
def test_long_ledger_stays_in_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, of = Database(tmp_path / "wfm.duckdb"), source((QUEUES, CALLS))
    for n in range(40):
        keep(store, f"{n}", CALLS, (START + n * QUARTER, START + (n + 1) * QUARTER), "complete")
    tall: list[int] = []
    query = DatabaseReader.run_query

    def counted(self: DatabaseReader, *said: object) -> pl.DataFrame:
        rows = query(self, *said)  # type: ignore[arg-type]
        tall.append(rows.height)
        return rows

    monkeypatch.setattr(DatabaseReader, "run_query", counted)
    monkeypatch.setattr(DatabaseReader, "read_table", lambda *_, **__: pytest.fail("a whole table was read"))
    rows = health.build_feed_table(store, {"toy": of}, tmp_path, START + 99 * QUARTER)
    assert rows["complete_until"].to_list() == [None, START + 40 * QUARTER]
    assert max(tall) == 1


@pytest.fixture
def waiting(place: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Give a database beside which a batch of the configured source waits."""
    monkeypatch.setenv("WFM_DATABASE_WAIT_S", "0.05")
    account = {"VENDOR": "nextiva_ncc", "BASE_URL": "https://login.example", "USERNAME": "u", "PASSWORD": "p"}
    for name, value in account.items():
        monkeypatch.setenv(f"WFM_SOURCES__NCC__{name}", value)
    store = Database(place / "wfm.duckdb")
    keep(store, "1", QUEUES, None, "complete")
    look = Payload("agent_state", START, b"[]")
    batch = spool.SpooledBatch("1", "ncc", "nextiva_ncc", "agent_state", None, "complete", "", (look,))
    spool.write_batch(Collector(store).spool_folder, batch)
    return store


def told(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, pl.DataFrame, str]:
    """Run a command: its exit code, the table it prints, and what it says beside."""
    capsys.readouterr()
    code = main([command, "--format", "csv"])
    printed = capsys.readouterr()
    return code, pl.read_csv(printed.out.encode()), printed.err


def test_waiting_batches_show_while_database_is_in_use(
    waiting: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    hold = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(waiting.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        shown, found = told(capsys, "sources"), told(capsys, "doctor")
        other.communicate()
    code, rows, said = shown
    assert code == 3
    assert f"in use by another process ({other.pid})" in said
    assert set(rows["feed"]) == {"interval_volume", "agent_state", "queue", "agent"}
    assert set(rows["spooled"]) == {1}
    assert set(rows["result"]) == {"unknown"}
    assert found[0] == 1
    assert grades(found[1]) == {"disk": "ok", "database": "bad", "spool": "warn"}


def test_a_damaged_database_is_a_finding(waiting: Database, capsys: pytest.CaptureFixture[str]) -> None:
    waiting.path.write_bytes(b"no database" * 1000)
    code, rows, _ = told(capsys, "doctor")
    assert code == 1
    assert grades(rows) == {"disk": "ok", "database": "bad", "spool": "warn"}


def grades(findings: pl.DataFrame) -> dict[str, str]:
    return dict(findings.select("check", "grade").iter_rows())
