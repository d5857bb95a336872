"""What collectors leave in the store: stored once, replayable, and chained."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from helpers.stored_batches import START, keep
from wfm.storage.database import Database
from wfm.storage.payloads import delete_old_payloads, iterate_payloads

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from wfm.storage.batches import store_batch
from wfm.storage.database import Database
for k in range(int(sys.argv[2])):
    store_batch(
        Database(sys.argv[1]), name=f"b{k}", source="xsi", feed="call_leg", window=None, result="complete", note="",
        payloads=[(datetime(2026, 3, 2, tzinfo=UTC), {}, os.urandom(1000))], tables={},
    )
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, 7])
def test_what_was_kept_outlives_a_kill(database: Database, batches: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(database.path), str(batches)], check=False)
    assert done.returncode == -signal.SIGKILL
    with database.open_reader() as reader:
        names = reader.run_query("SELECT name FROM batch ORDER BY collection_id")["name"].to_list()
    assert names == [f"b{k}" for k in range(batches)]
    assert len(list(iterate_payloads(database, "xsi", "call_leg"))) == batches


@pytest.mark.slow
def test_payloads_return_unchanged_and_in_order(database: Database) -> None:
    bodies = [b"", b"\x00\xff" * 1000, "ümlaut".encode()]
    for n, body in enumerate(bodies):
        keep(database, f"batch {n}", payloads=[(START + timedelta(minutes=n), {"user": f"u{n}"}, body)])
    keep(database, "other", feed="agent", payloads=[(START, {}, b"not mine")])
    kept = list(iterate_payloads(database, "xsi", "call_leg"))
    assert [one.body for one in kept] == bodies
    assert [one.context for one in kept] == [{"user": f"u{n}"} for n in range(3)]
    late = list(
        iterate_payloads(
            database, "xsi", "call_leg", (START + timedelta(minutes=1), START + timedelta(hours=1))
        )
    )
    assert [one.body for one in late] == bodies[1:]
    assert delete_old_payloads(database, START + timedelta(minutes=2)) == 3
    assert [one.body for one in iterate_payloads(database, "xsi", "call_leg")] == bodies[2:]


@pytest.mark.slow
def test_the_payloads_of_a_collection_are_forgotten_together(database: Database) -> None:
    first, last = START, START + timedelta(minutes=9)
    keep(database, "1", payloads=[(first, {}, b"a"), (first, {}, b"b")])
    keep(database, "2", payloads=[(first, {}, b"c"), (last, {}, b"d")])
    assert delete_old_payloads(database, last) == 2
    assert [one.body for one in iterate_payloads(database, "xsi", "call_leg")] == [b"c", b"d"]
    assert delete_old_payloads(database, last + timedelta(microseconds=1)) == 2
