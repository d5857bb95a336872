"""Everything that is known to go wrong with what people hand over, one row a case, through the command line.

A case is a file, a command and what is said; whatever is said, the database is as it was.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import openpyxl
import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, NEXT, rows

STATES = "login,at,vendor_state"
PLAN = "agent_id,start_at,end_at,activity"
SHIFT = f"ann,{NEXT}T08:00Z,{NEXT}T16:00Z"
WINDOW = f"--from {DAY} --to {NEXT}"


def book(*lines: tuple[object, ...], merge: str = "") -> bytes:
    workbook = openpyxl.Workbook()
    for line in lines:
        workbook.active.append(line)
    if merge:
        workbook.active.merge_cells(merge)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


AT = datetime(2026, 3, 3, 8)  # noqa: DTZ001 - a workbook has no zones
MERGED = book(
    ("agent_id", "start_at", "end_at", "activity"),
    ("ann", AT, AT.replace(hour=9), "phone"),
    (None, AT.replace(hour=9), AT.replace(hour=10), "lunch"),
    merge="A2:A3",
)
BLANKS = book(
    (),
    ("My plan",),
    (),
    ("agent_id", "start_at", "end_at", "activity"),
    (),
    ("ann", AT, AT.replace(hour=9), "phone"),
    (),
)


class Case(NamedTuple):
    """A file (or none), a command, its exit code, what it says, and how many rows are new."""

    file: str
    content: str | bytes | None
    command: str
    code: int
    said: str
    new: int | None = None


CASES = {
    "missing file": Case("", None, "import agent gone.csv", 1, "gone.csv does not exist. Check the name"),
    "missing column": Case(
        "x.csv", rows("login,vendor_state", "1,Busy"), "import agent_state x.csv", 1, "at"
    ),
    "wrong column": Case(
        "x.csv", rows("login,att,vendor_state", f"1,{DAY}T08:00Z,Busy"), "import agent_state x.csv", 1, "att"
    ),
    "wrong number": Case(
        "x.csv",
        rows("queue_id,interval_start,entered,abandoned,sum_handle_time_s", f"q,{DAY}T08:00Z,many,0,1"),
        "import interval_volume x.csv",
        1,
        "row 2, entered: 'many' - expected",
    ),
    "negative number": Case(
        "x.csv",
        rows("queue_id,interval_start,entered,abandoned,sum_handle_time_s", f"q,{DAY}T08:00Z,1,2,1"),
        "import interval_volume x.csv",
        1,
        "row 2, abandoned: '2' - expected at most entered, 1",
    ),
    "a date that does not parse": Case(
        "x.csv",
        rows(STATES, "1,03/04/2026 08:00,Busy"),
        "import agent_state x.csv",
        1,
        "row 2, at: '03/04/2026 08:00' - expected a date and time with offset",
    ),
    "a day there never was": Case(
        "x.csv",
        rows(STATES, "1,2026-02-30T08:00Z,Busy"),
        "import agent_state x.csv",
        1,
        "row 2, at: '2026-02-30T08:00Z' - expected",
    ),
    "an hour that was skipped": Case(
        "x.csv",
        rows(STATES, "1,2026-03-29 02:30,Busy"),
        "import agent_state x.csv --timezone Europe/Berlin",
        1,
        "this one does not exist in Europe/Berlin (clocks go forward)",
    ),
    "an hour that came twice": Case(
        "x.csv",
        rows(STATES, "1,2026-10-25 02:30,Busy"),
        "import agent_state x.csv --timezone Europe/Berlin",
        1,
        "--fold earlier or later: this time comes twice in Europe/Berlin",
    ),
    "a time without a zone": Case(
        "x.csv",
        rows(STATES, f"1,{DAY} 08:00,Busy"),
        "import agent_state x.csv",
        1,
        "this is a naive time; give --timezone",
    ),
    "a zone there is not": Case(
        "x.csv",
        rows(STATES, f"1,{DAY} 08:00,Busy"),
        "import agent_state x.csv --timezone Europe/Berlni",
        1,
        "unknown timezone 'Europe/Berlni'. Did you mean Europe/Berlin?",
    ),
    "end before start": Case(
        "x.csv",
        rows(PLAN, f"ann,{NEXT}T16:00Z,{NEXT}T08:00Z,phone"),
        "import schedule x.csv",
        1,
        f"row 2, end_at: '{NEXT}T08:00Z' - expected an instant after start_at {NEXT}T16:00:00Z",
    ),
    "end at the start": Case(
        "x.csv",
        rows(PLAN, f"ann,{NEXT}T16:00Z,{NEXT}T16:00Z,phone"),
        "import schedule x.csv",
        1,
        "row 2, end_at",
    ),
    "unknown activity": Case(
        "x.csv",
        rows(PLAN, f"{SHIFT},gardening"),
        "import schedule x.csv",
        1,
        "row 2, activity: 'gardening' - expected a known activity (known are break,",
    ),
    "unknown category": Case(
        "x.csv", rows("activity,category", "x,y"), "import activity x.csv", 1, "expected one of on_queue,"
    ),
    "unknown state": Case(
        "x.csv",
        rows("source,vendor_state,state", "*,Gone,gone"),
        "import state_map x.csv",
        1,
        "expected one of",
    ),
    "duplicate rows": Case(
        "x.csv",
        rows(STATES, *[f"1,{DAY}T08:00Z,Busy"] * 3),
        "import agent_state x.csv",
        0,
        "2 exact repeats of another row dropped",
        1,
    ),
    "two rows of one key": Case(
        "x.csv", rows("agent_id,name", "x,One", "x,Two"), "import agent x.csv", 0, "the last one counts", 1
    ),
    "empty file": Case("x.csv", "", "import agent x.csv", 1, "x.csv is empty: it has no header"),
    "only a header": Case("x.csv", "agent_id,name\n", "import agent x.csv", 1, "has a header but no rows"),
    "only blank rows": Case(
        "x.csv", "agent_id,name\n,\n,\n", "import agent x.csv", 1, "has a header but no rows"
    ),
    "byte order mark, semicolons and CRLF": Case(
        "x.csv",
        f'\ufeff{STATES};note\r\n1;{DAY}T08:00Z;Busy;"a\r\nb"\r\n'.replace(",", ";"),
        "import agent_state x.csv",
        0,
        "",
        1,
    ),
    "not the text it claims to be": Case("x.csv", bytes(range(256)) * 9, "import agent x.csv", 1, "x.csv"),
    "an ending nobody knows": Case(
        "x.doc", "agent_id\n1\n", "import agent x.doc", 1, ".doc files are not read"
    ),
    "no parquet": Case("x.parquet", "agent_id", "import agent x.parquet", 1, "x.parquet"),
    "no workbook": Case(
        "x.xlsx",
        b"PK\3\4 not really",
        "import agent x.xlsx",
        1,
        "is not an xlsx workbook, or is damaged",
    ),
    "merged cells": Case(
        "x.xlsx",
        MERGED,
        "import schedule x.xlsx --timezone UTC",
        0,
        "filled from the merged cell",
        2,
    ),
    "blank rows and a title": Case(
        "x.xlsx",
        BLANKS,
        "import schedule x.xlsx --timezone UTC",
        0,
        "header found in row 4",
        1,
    ),
    "a sheet there is not": Case(
        "x.xlsx", BLANKS, "import schedule x.xlsx --timezone UTC --sheet Plan", 1, "Plan"
    ),
    "no calendar": Case("x.ics", "BEGIN:NOTHING", "import schedule x.ics --set agent_id=ann", 1, "x.ics"),
    "database: text": Case(
        "x.duckdb", "hello", "--database x.duckdb export agent", 1, "x.duckdb is not a database"
    ),
    "database: nothing": Case(
        "x.duckdb", "", f"--database x.duckdb adherence {WINDOW}", 1, "is not a database"
    ),
    "database: a directory": Case("", None, "--database files export agent", 1, "files is not a database"),
    "database: no directory": Case(
        "",
        None,
        "--database no/x.duckdb import agent files/agent.csv",
        1,
        "directory no exists",
    ),
    "database: a file in the way": Case(
        "x",
        "",
        "--database x/x.duckdb import agent files/agent.csv",
        1,
        "cannot be opened",
    ),
    "unknown agent": Case(
        "",
        None,
        f"adherence {WINDOW} --agent anna",
        1,
        "No agent 'anna' is known; did you mean ann?",
    ),
    "unknown agent explained": Case(
        "", None, f"explain anna {DAY}", 1, "No agent 'anna' is known; did you mean ann?"
    ),
    "unknown queue": Case(
        "",
        None,
        f"intervals {WINDOW} --queue sale",
        1,
        "No queue 'sale' is known; did you mean sales?",
    ),
    "unknown queue ahead": Case(
        "", None, "forecast --queue sale", 1, "No queue 'sale' is known; did you mean sales?"
    ),
    "no data": Case(
        "", None, "adherence --from 2031-01-01 --to 2031-02-01", 1, "Nothing is known from 2031-01-01"
    ),
    "no data to report": Case(
        "",
        None,
        "report --from 2031-01-01 --to 2031-02-01",
        1,
        "Nothing is known from 2031-01-01",
    ),
    "no intervals": Case(
        "", None, "intervals --from 2031-01-01 --to 2031-02-01", 1, "are known from 2031-01-01"
    ),
}


def knows(database: Path) -> dict[str, int]:
    with duckdb.connect(str(database), read_only=True) as con:
        return dict(
            con.execute("SELECT feed, sum(added_n)::INTEGER FROM collection GROUP BY feed").fetchall()
        )


@pytest.mark.parametrize("name", CASES)
def test_failure_is_reported_and_leaves_the_database_unchanged(tiny, run, name):
    case = CASES[name]
    if case.content is not None:
        content = case.content if isinstance(case.content, bytes) else case.content.encode()
        (tiny / case.file).write_bytes(content)
    before, there = knows(tiny / "wfm.duckdb"), {p.name for p in tiny.iterdir()}
    done = run(*shlex.split(case.command))
    assert done.code == case.code, done.err
    assert case.said in done.err
    assert len(done.err.splitlines()) <= 3
    after = knows(tiny / "wfm.duckdb")
    assert sum(after.values()) - sum(before.values()) == (case.new or 0)
    assert {p.name for p in tiny.iterdir()} == there


# --- places ---------------------------------------------------------------------------------------------
def newer(database: Path) -> None:
    with duckdb.connect(str(database)) as con:
        con.execute("INSERT INTO migration VALUES (999, 'the future', ?)", [datetime(2030, 1, 1, tzinfo=UTC)])


BOTH = ("import agent files/agent.csv", f"adherence {WINDOW}")


@pytest.mark.parametrize("command", BOTH)
def test_a_database_of_a_newer_version(tiny, run, command):
    newer(tiny / "wfm.duckdb")
    done = run(*command.split())
    assert (done.code, "written by a newer wfm" in done.err) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("command", BOTH)
def test_a_database_that_another_process_holds(tiny, run, monkeypatch, command):
    monkeypatch.setenv("WFM_DATABASE_WAIT_S", "0.05")
    hold = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", hold, tiny / "wfm.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    other.stdout.readline()
    done = run(*command.split())
    other.communicate()
    assert done.code == 1
    assert f"wfm.duckdb is in use by another process ({other.pid}): try again when it is done." in done.err
    assert run(*command.split()).code == 0


@pytest.mark.slow
def test_a_directory_in_which_one_may_not_write(tiny, run, public, as_nobody):
    shutil.copy(tiny / "wfm.duckdb", public / "old.duckdb")
    shutil.copy(tiny / "files" / "agent.csv", public)
    os.chmod(public / "old.duckdb", 0o444)
    run("--database", public / "old.duckdb", "adherence", *WINDOW.split())  # loads what it needs
    run("--database", public / "old.duckdb", "report", *WINDOW.split())
    os.chdir(public)
    os.chmod(public, 0o555)
    with as_nobody():
        fresh = run("--database", "new.duckdb", "import", "agent", "agent.csv")
        stale = run("--database", "old.duckdb", "import", "agent", "agent.csv")
        asked = run("--database", "old.duckdb", "adherence", *WINDOW.split(), "--format", "csv")
        kept = run("--database", "old.duckdb", "adherence", *WINDOW.split(), "--out", "x.csv")
        page = run("--database", "old.duckdb", "report", *WINDOW.split(), "--out", "x.html")
        shown = run("demo", "--directory", "demo")
    for done in (fresh, stale):
        assert (done.code, "cannot be written: check the permissions of" in done.err) == (1, True), done.err
    assert (asked.code, asked.out.count("\n")) == (0, 2)
    assert (kept.code, page.code, shown.code) == (1, 1, 1)
    assert "no permission" in kept.err
    assert {p.name for p in public.iterdir()} == {"old.duckdb", "agent.csv"}


def test_a_file_one_may_not_read(tiny, run, public, as_nobody):
    shutil.copy(tiny / "files" / "agent.csv", public)
    run("import", "agent", public / "agent.csv")
    os.chmod(public / "agent.csv", 0)
    os.chdir(public)
    with as_nobody():
        done = run("import", "agent", public / "agent.csv")
    assert (done.code, "cannot be read: Permission denied" in done.err) == (1, True)


@pytest.fixture
def room() -> Callable[[int], None]:
    """Limit how large a file may become, as a disk without room does; lifted after the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.slow
def test_a_full_disk_while_importing(tiny, run, room):
    big = pl.DataFrame({"agent_id": pl.int_range(50_000, eager=True).cast(pl.String).str.pad_start(30, "x")})
    big.write_csv("big.csv")
    before = knows(tiny / "wfm.duckdb")
    for size in (0, 1_000, 400_000):
        room(size)
        done = run("import", "agent", "big.csv")
        room(resource.RLIM_INFINITY)
        assert (done.code, "the disk is full, nothing was stored; free some space" in done.err) == (
            1,
            True,
        ), done.err
        assert knows(tiny / "wfm.duckdb") == before
    assert run("import", "agent", "big.csv").code == 0
    assert wfm.open(tiny / "wfm.duckdb").read_table("agent").height == 50_001


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "command",
    [
        f"adherence {WINDOW} --out x.csv",
        f"adherence {WINDOW} --out x.parquet",
        f"adherence {WINDOW} --out x.xlsx",
        f"report {WINDOW} --out x.html",
        f"report {WINDOW} --out x.xlsx",
        "export agent_state --out x.json",
    ],
)
def test_a_full_disk_while_an_answer_is_written(run, room, command):
    out = Path(command.split()[-1])
    out.write_text("old")
    room(10)
    done = run(*command.split())
    room(resource.RLIM_INFINITY)
    assert (done.code, done.err.count("\n")) == (1, 1), done.err
    assert out.read_text() == "old"
    assert {p.name for p in Path().iterdir()} == {"files", "wfm.duckdb", out.name}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO])
def test_whatever_system_says_when_file_takes_its_place(run, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    done = run("export", "agent", "--out", "x.csv")
    assert (done.code, "Cannot write x.csv: " in done.err) == (1, True)
    assert not Path("x.csv").exists()


@pytest.mark.usefixtures("tiny")
def test_bad_rows_not_set_aside_stop_the_import(run):
    Path("x.csv").write_text(rows(STATES, "1,soon,Busy", f"1,{NEXT}T08:00Z,Busy"))
    done = run("import", "agent_state", "x.csv", "--skip-bad", "no/bad.csv")
    assert (done.code, "the directory does not exist; create it first" in done.err) == (1, True)
    assert run("export", "agent_state", "--format", "csv").out.count("\n") == 10
