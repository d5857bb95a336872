"""Killed at any instant, the database opens, and every batch is wholly there or not at all."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from wfm.core import schema
from wfm.storage.database import Database

pytestmark = pytest.mark.slow

KILLS = 24
BATCHES = 400
WRITER = """
    import sys
    from datetime import UTC, datetime, timedelta
    import polars as pl
    from wfm.storage.database import Database
    INSTANT = pl.Datetime("us", "UTC")
    START = datetime(2026, 3, 2, tzinfo=UTC)

    def batch(k):
        at = pl.datetime_range(START, START + timedelta(seconds=499 + 40 * (k % 50)), "1s", eager=True)
        rows = pl.DataFrame({"at": at}, schema={"at": INSTANT}).with_columns(
            source=pl.lit(f"s{k}"), login=pl.lit("1"), vendor_state=pl.lit("Busy"),
            vendor_reason=pl.lit(None, pl.String),
        )
        seen = pl.DataFrame({"source": [f"s{k}"], "start_at": [at[0]], "end_at": [at[-1]]})
        return rows, seen.cast({"start_at": INSTANT, "end_at": INSTANT})

    database = Database(sys.argv[1], wait_s=0)
    first, end = int(sys.argv[2]), int(sys.argv[3])
    rows, seen = batch(first)
    print("ready", flush=True)
    for k in range(first, end):
        rows, seen = batch(k)
        database.write_table("agent_state", rows, source=f"s{k}", origin="import", coverage=seen)
        print(k, flush=True)
"""


def writer(path: Path, first: int, end: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(first), str(end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process: subprocess.Popen[str], after_s: float) -> list[int]:
    """Kill it without a warning; return the batches it had reported as stored."""
    time.sleep(after_s)  # the one real pause in these tests: the instant must be any
    process.kill()
    out, err = process.communicate()
    assert err == ""
    return [int(line) for line in out.splitlines()]


def stored(path: Path) -> set[int]:
    """Return the batches that are there, each of them whole."""
    with Database(path).open_reader() as known:
        ledger = known.read_table("collection")
        rows = known.read_table("agent_state")["source"].value_counts(name="n")
        coverage = known.read_table("coverage")["source"]
    assert set(rows["source"]) == set(ledger["source"]) == set(coverage)
    sizes = {source: 500 + 40 * (int(source[1:]) % 50) for source in rows["source"]}
    assert dict(rows.iter_rows()) == sizes
    assert dict(ledger.select("source", "added_n").iter_rows()) == sizes
    return {int(source[1:]) for source in ledger["source"]}


@pytest.fixture
def chance() -> random.Random:
    return random.Random(20260302)


def test_killed_while_it_writes(place, chance):
    path, reported, there = place / "wfm.duckdb", set(), set()
    Database(path).append_rows("forecast", schema.create_empty_frame("forecast"))
    interrupted = 0
    for _ in range(KILLS):
        first = max(there, default=-1) + 1
        done = killed(writer(path, first, BATCHES), chance.uniform(0, 0.12))
        reported |= set(done)
        there = stored(path)
        assert reported <= there
        assert there == set(range(len(there)))
        interrupted += len(there) < BATCHES
    assert interrupted == KILLS
    again = writer(path, 0, len(there) + 2)
    assert again.communicate()[1] == ""
    assert stored(path) >= there | {len(there), len(there) + 1}


def test_killed_while_the_database_is_made(place, chance):
    for kill in range(8):
        path = place / f"{kill}.duckdb"
        done = killed(writer(path, 0, 1), chance.uniform(0, 0.15))
        if path.exists():
            with Database(path).open_reader() as known:
                assert known.read_table("collection").height in ((1,) if done else (0, 1))
        else:
            assert done == []
        Database(path).append_rows("forecast", schema.create_empty_frame("forecast"))
        assert stored(path) == ({0} if done else stored(path) & {0})
