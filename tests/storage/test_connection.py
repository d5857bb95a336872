"""Processes and threads that want the same database take turns."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

import duckdb
import pytest

from helpers.stored_tables import (
    agents,
    column,
    put,
    teams,
)
from wfm.core.errors import DatabaseBusyError
from wfm.storage.database import Database

# --- many processes and threads -------------------------------------------------------------------------
HOLD = """
    import sys
    import duckdb
    with duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read"):
        print("held", flush=True)
        sys.stdin.readline()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold(database):
    """Let another process hold the database until its stdin gets a line."""
    put(database, "agent", agents(ann="red"))
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLD), str(database.path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.communicate("\n\n")


def release(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"


def test_database_held_by_another_process_is_waited_for(database, hold):
    other = hold("write")
    for act in (teams, lambda it: put(it, "agent", agents(ann="blue"))):
        with pytest.raises(
            DatabaseBusyError, match=rf"in use by another process .{other.pid}.: try again when it is done"
        ) as caught:
            act(database)
        assert caught.value.transient
    release(other)
    assert teams(database) == {"ann": "red"}


@pytest.mark.slow
@pytest.mark.parametrize(("how", "act"), [("write", "read"), ("write", "write"), ("read", "write")])
def test_whoever_waits_gets_its_turn(database, hold, monkeypatch, how, act):
    other, pauses = hold(how), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            release(other)

    monkeypatch.setattr(time, "sleep", sleep)
    patient = Database(database.path, wait_s=60)
    if act == "write":
        put(patient, "agent", agents(ann="blue"))
    assert teams(patient) == {"ann": "blue" if act == "write" else "red"}
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_readers_read_side_by_side(database, hold):
    hold("read")
    assert teams(database) == {"ann": "red"}


def test_same_process_may_read_with_duckdb(database):
    put(database, "agent", agents(ann="red"))
    with duckdb.connect(str(database.path), read_only=True):
        assert teams(database) == {"ann": "red"}


@pytest.mark.slow
def test_two_processes_write_by_turns(database):
    script = """
        import sys
        import polars as pl
        from wfm.core import schema
        from wfm.storage.database import Database
        database = Database(sys.argv[1], wait_s=60)
        print("ready", flush=True)
        sys.stdin.readline()
        for i in range(10):
            rows = pl.DataFrame({"agent_id": [f"{sys.argv[2]}-{i}"]})
            rows = pl.concat([schema.create_empty_frame("agent"), rows], how="diagonal")
            database.write_table("agent", rows, source="x", origin="import")
            with database.open_reader() as known:
                assert f"{sys.argv[2]}-{i}" in known.read_table("agent")["agent_id"]
    """
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(database.path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for each in pair:
        assert each.stdout.readline() == "ready\n"
    for each in pair:
        each.stdin.write("\n")
        each.stdin.flush()
    for each in pair:
        each.communicate()
        assert each.returncode == 0
    patient = Database(database.path, wait_s=10)
    assert set(teams(patient)) == {f"{name}-{i}" for name in "ab" for i in range(10)}
    assert column(patient, "SELECT collection_id FROM collection ORDER BY 1") == list(range(1, 21))


@pytest.mark.slow
def test_threads_write_and_read_by_turns(database):
    patient, failed = Database(database.path, wait_s=60), []

    def work(name: str) -> None:
        try:
            for i in range(5):
                put(patient, "agent", agents(**{f"{name}{i}": None}))
                assert f"{name}{i}" in teams(patient)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(teams(patient)) == 20


def test_thread_that_holds_on_is_given_up(database):
    put(database, "agent", agents(ann="red"))
    told = []

    def other() -> None:
        with pytest.raises(DatabaseBusyError, match="in use by another thread: try again") as caught:
            teams(database)
        told.append(caught.value)

    with database.open_transaction():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(told) == 1
    assert teams(database) == {"ann": "red"}
