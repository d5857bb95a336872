"""The audit chain keeps every version once and shows what was changed or removed."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from helpers.stored_batches import START, keep, said
from wfm.storage.audit import verify_audit_chains
from wfm.storage.database import Database


@pytest.mark.slow
def test_audit_keeps_every_version_once_and_chain_holds(database: Database) -> None:
    keep(database, "1", audit=said(("a", "v1"), ("b", "v1")))
    keep(database, "2", audit=said(("a", "v1"), ("b", "v2"), ("b", "v2"), at=START + timedelta(hours=1)))
    keep(database, "3", audit=said(("a", "v1"), ("b", "v1"), at=START + timedelta(hours=2)))
    with database.open_reader() as reader:
        rows = reader.read_table("call_audit")
    assert rows.select("leg_id", "payload").rows() == [("a", "v1"), ("b", "v1"), ("b", "v2"), ("b", "v1")]
    chain = verify_audit_chains(database)
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
def test_a_row_that_was_tampered_with_is_found(database: Database, tamper: str) -> None:
    keep(database, "1", audit=said(("a", "v1"), ("b", "v1"), ("c", "v1")))
    with duckdb.connect(str(database.path)) as con:
        con.execute(tamper)
    chain = verify_audit_chains(database)
    assert chain.first_mismatch is not None
    assert chain.first_mismatch[1] in ("b", "z")
    assert chain.row_count < 3


@pytest.mark.slow
@pytest.mark.parametrize("anew", [False, True])
def test_rows_removed_at_the_end_are_detected(database: Database, monkeypatch, run, anew: bool) -> None:
    monkeypatch.setenv("WFM_DATABASE", str(database.path))
    keep(database, "1", audit=said(("a", "v1"), ("b", "v1")))
    first = run("audit", "verify").out.split()[-1]
    keep(database, "2", audit=said(("c", "v1"), at=START + timedelta(hours=1)))
    done = run("audit", "verify", "--end", first)
    assert (done.code, done.out.splitlines()[0]) == (0, "3 audit records, the chain is intact.")
    last = done.out.split()[-1]
    with duckdb.connect(str(database.path)) as con:
        con.execute("DELETE FROM call_audit WHERE leg_id = 'c'")
    if anew:
        keep(database, "3", audit=said(("c", "v2"), at=START + timedelta(hours=1)))
    assert verify_audit_chains(database, [first]).missing_hashes == ()
    done = run("audit", "verify", "--end", first, "--end", last.upper())
    assert done.code == 1
    assert f"no record ends the chain at {last}" in done.err


def test_an_end_that_is_no_hash_is_refused(run) -> None:
    done = run("audit", "verify", "--end", "3c1f…")
    assert (done.code, "give the 64 hexadecimal digits" in done.err) == (2, True)


def test_two_sources_have_chains_of_their_own(database: Database) -> None:
    keep(database, "1", audit=said(("a", "v1")))
    keep(database, "2", source="other", audit=said(("a", "v1")))
    chain = verify_audit_chains(database)
    assert (chain.row_count, chain.first_mismatch, sorted(chain.last_hashes)) == (2, None, ["other", "xsi"])
