"""What collectors leave in the store: stored once, replayable, and chained."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from wfm.core import schema
from wfm.core.errors import StoreError
from wfm.storage.audit import verify_audit_chains
from wfm.storage.batches import retire_missing_rows, store_batch
from wfm.storage.database import Database
from wfm.storage.ledger import read_feed_ledger
from wfm.storage.payloads import delete_old_payloads, iterate_payloads
from wfm.storage.recent_activity import read_last_states

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(tmp_path / "wfm.duckdb", wait_s=1)


def legs(*ids: str, talk: float = 60.0) -> pl.DataFrame:
    rows = pl.DataFrame({"leg_id": list(ids)}).with_columns(
        source=pl.lit("xsi"), started_at=pl.lit(START, INSTANT), talk_s=pl.lit(talk)
    )
    own = schema.get_table("call_leg").own_columns
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in rows.columns]
    return rows.with_columns(lacking).select(list(own))


def said(*pairs: tuple[str, str], at: datetime = START) -> pl.DataFrame:
    rows = [(leg, at, payload) for leg, payload in pairs]
    return pl.DataFrame(
        rows, schema={"leg_id": pl.String, "seen_at": INSTANT, "payload": pl.String}, orient="row"
    )


def keep(store: Database, name: str, **more: object) -> object:
    given: dict[str, object] = {
        "source": "xsi",
        "feed": "call_leg",
        "window": (START, START + timedelta(hours=1)),
        "result": "complete",
        "note": "",
        "payloads": [],
        "tables": {},
    }
    return store_batch(store, name=name, **{**given, **more})  # type: ignore[arg-type]


def test_a_batch_is_stored_once(store: Database) -> None:
    first = keep(
        store, "one", tables={"call_leg": legs("a", "b")}, payloads=[(START, {"user": "u"}, b"body")]
    )
    assert (first.read, first.added) == (2, 2)  # type: ignore[attr-defined]
    assert keep(store, "one", tables={"call_leg": legs("a", "b", "c")}) is None
    with store.open_reader() as reader:
        assert reader.read_table("call_leg").height == 2
        assert read_feed_ledger(reader, "xsi", "call_leg").height == 1


def test_a_batch_that_cannot_be_stored_leaves_nothing(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "one")

    def breaks(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("wfm.storage.batches.insert_payloads", breaks)
    with pytest.raises(StoreError, match="disk is full"):
        keep(
            store, "two", tables={"call_leg": legs("a")}, audit=said(("a", "x")), payloads=[(START, {}, b"x")]
        )
    with store.open_reader() as reader:
        assert reader.read_table("call_leg").is_empty()
        assert reader.read_table("call_audit").is_empty()
        assert read_feed_ledger(reader, "xsi", "call_leg").height == 1


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from wfm.storage.audit import verify_audit_chains
from wfm.storage.batches import retire_missing_rows, store_batch
from wfm.storage.ledger import read_feed_ledger
from wfm.storage.payloads import delete_old_payloads, iterate_payloads
from wfm.storage.recent_activity import read_last_states
from wfm.storage.database import Store
for k in range(int(sys.argv[2])):
    store_batch(
        Store(sys.argv[1]), name=f"b{k}", source="xsi", feed="call_leg", window=None, result="complete", note="",
        payloads=[(datetime(2026, 3, 2, tzinfo=UTC), {}, os.urandom(1000))], tables={},
    )
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("batches", [1, 7])
def test_what_was_kept_outlives_a_kill(store: Database, batches: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.path), str(batches)], check=False)
    assert done.returncode == -signal.SIGKILL
    with store.open_reader() as reader:
        names = reader.run_query("SELECT name FROM batch ORDER BY collection_id")["name"].to_list()
    assert names == [f"b{k}" for k in range(batches)]
    assert len(list(iterate_payloads(store, "xsi", "call_leg"))) == batches


def test_payloads_come_back_as_they_came_and_in_order(store: Database) -> None:
    bodies = [b"", b"\x00\xff" * 1000, "ümlaut".encode()]
    for n, body in enumerate(bodies):
        keep(store, f"batch {n}", payloads=[(START + timedelta(minutes=n), {"user": f"u{n}"}, body)])
    keep(store, "other", feed="agent", payloads=[(START, {}, b"not mine")])
    kept = list(iterate_payloads(store, "xsi", "call_leg"))
    assert [one.body for one in kept] == bodies
    assert [one.context for one in kept] == [{"user": f"u{n}"} for n in range(3)]
    late = list(
        iterate_payloads(store, "xsi", "call_leg", (START + timedelta(minutes=1), START + timedelta(hours=1)))
    )
    assert [one.body for one in late] == bodies[1:]
    assert delete_old_payloads(store, START + timedelta(minutes=2)) == 3
    assert [one.body for one in iterate_payloads(store, "xsi", "call_leg")] == bodies[2:]


def test_the_payloads_of_a_collection_are_forgotten_together(store: Database) -> None:
    first, last = START, START + timedelta(minutes=9)
    keep(store, "1", payloads=[(first, {}, b"a"), (first, {}, b"b")])
    keep(store, "2", payloads=[(first, {}, b"c"), (last, {}, b"d")])
    assert delete_old_payloads(store, last) == 2
    assert [one.body for one in iterate_payloads(store, "xsi", "call_leg")] == [b"c", b"d"]
    assert delete_old_payloads(store, last + timedelta(microseconds=1)) == 2


def test_the_audit_keeps_every_version_once_and_the_chain_holds(store: Database) -> None:
    keep(store, "1", audit=said(("a", "v1"), ("b", "v1")))
    keep(store, "2", audit=said(("a", "v1"), ("b", "v2"), ("b", "v2"), at=START + timedelta(hours=1)))
    keep(store, "3", audit=said(("a", "v1"), ("b", "v1"), at=START + timedelta(hours=2)))
    with store.open_reader() as reader:
        rows = reader.read_table("call_audit")
    assert rows.select("leg_id", "payload").rows() == [("a", "v1"), ("b", "v1"), ("b", "v2"), ("b", "v1")]
    chain = verify_audit_chains(store)
    assert (chain.row_count, chain.first_mismatch, chain.last_hashes) == (4, None, {"xsi": rows["hash"][-1]})


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE call_audit SET payload = 'v9' WHERE leg_id = 'b'",
        "UPDATE call_audit SET seen_at = seen_at + INTERVAL 1 SECOND WHERE leg_id = 'b'",
        "DELETE FROM call_audit WHERE leg_id = 'a'",
        "UPDATE call_audit SET leg_id = 'z' WHERE leg_id = 'b'",
    ],
)
def test_a_row_that_was_tampered_with_is_found(store: Database, tamper: str) -> None:
    keep(store, "1", audit=said(("a", "v1"), ("b", "v1"), ("c", "v1")))
    with duckdb.connect(str(store.path)) as con:
        con.execute(tamper)
    chain = verify_audit_chains(store)
    assert chain.first_mismatch is not None
    assert chain.first_mismatch[1] in ("b", "z")
    assert chain.row_count < 3


@pytest.mark.parametrize("anew", [False, True])
def test_rows_that_were_removed_at_the_end_are_missed_by_who_noted_it(
    store: Database, monkeypatch, run, anew: bool
) -> None:
    monkeypatch.setenv("WFM_DATABASE", str(store.path))
    keep(store, "1", audit=said(("a", "v1"), ("b", "v1")))
    first = run("audit", "verify").out.split()[-1]
    keep(store, "2", audit=said(("c", "v1"), at=START + timedelta(hours=1)))
    done = run("audit", "verify", "--end", first)
    assert (done.code, done.out.splitlines()[0]) == (0, "3 audit records, the chain is intact.")
    last = done.out.split()[-1]
    with duckdb.connect(str(store.path)) as con:
        con.execute("DELETE FROM call_audit WHERE leg_id = 'c'")
    if anew:
        keep(store, "3", audit=said(("c", "v2"), at=START + timedelta(hours=1)))
    assert verify_audit_chains(store, [first]).missing_hashes == ()
    done = run("audit", "verify", "--end", first, "--end", last.upper())
    assert done.code == 1
    assert f"no record ends the chain at {last}" in done.err


def test_an_end_that_is_no_hash_is_refused(run) -> None:
    done = run("audit", "verify", "--end", "3c1f…")
    assert (done.code, "give the 64 hexadecimal digits" in done.err) == (2, True)


def test_two_sources_have_chains_of_their_own(store: Database) -> None:
    keep(store, "1", audit=said(("a", "v1")))
    keep(store, "2", source="other", audit=said(("a", "v1")))
    chain = verify_audit_chains(store)
    assert (chain.row_count, chain.first_mismatch, sorted(chain.last_hashes)) == (2, None, ["other", "xsi"])


def test_retiring_marks_what_a_new_reading_no_longer_has(store: Database) -> None:
    first = keep(store, "1", tables={"call_leg": legs("a", "b")})
    gone = retire_missing_rows(store, "call_leg", "xsi", [first.collection_id], legs("a"))  # type: ignore[attr-defined]
    assert gone == 1
    with store.open_reader() as reader:
        assert reader.read_table("call_leg")["leg_id"].to_list() == ["a"]


def test_the_last_states_are_those_of_the_last_instant(store: Database) -> None:
    columns = schema.get_table("agent_state").own_columns
    rows = [
        ("ncc", "u", START, "A", None),
        ("ncc", "u", START + timedelta(hours=1), "B", None),
        ("ncc", "v", START, "C", None),
    ]
    keep(store, "1", source="ncc", tables={"agent_state": pl.DataFrame(rows, schema=columns, orient="row")})
    with store.open_reader() as reader:
        states, seen = read_last_states(reader, "ncc")
        assert states.select("login", "vendor_state").rows() == [("u", "B"), ("v", "C")]
        assert seen is None
        before, _ = read_last_states(reader, "ncc", before=START + timedelta(minutes=1))
        assert before["vendor_state"].to_list() == ["A", "C"]


def test_a_vendors_list_leaves_alone_what_it_does_not_know(store: Database) -> None:
    columns = schema.get_table("agent").own_columns
    full = pl.DataFrame([("u", "Ada", "Sales", "Haifa", "Asia/Jerusalem")], schema=columns, orient="row")
    store.write_table("agent", full, source="import", origin="import")
    bare = pl.DataFrame([("u", "Ada F.", None, None, None)], schema=columns, orient="row")
    keep(store, "1", feed="agent", tables={"agent": bare})
    with store.open_reader() as reader:
        assert reader.read_table("agent").rows() == [("u", "Ada F.", "Sales", "Haifa", "Asia/Jerusalem")]
