"""Wrong usage, failures, interrupts and bugs: each has its exit code and message, and never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import wfm
from helpers.cli_answers import WINDOW
from helpers.golden_day import DAY, NEXT
from wfm import centre as centres
from wfm.cli import main
from wfm.cli.app import COMMANDS
from wfm.storage.database import Database


def test_no_arguments_print_help_and_exit_2(run):
    done = run()
    assert done.code == 2
    assert all(command in done.out for group in COMMANDS.values() for command in group)
    assert run("--help").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("adherance",), "No such command 'adherance'"),
        (("adherence", "--from", DAY), "Missing option '--to'"),
        (("adherence", *WINDOW, "--format", "pdf"), "Invalid value for '--format'"),
        (("adherence", *WINDOW, "--frm", DAY), "No such option: --frm"),
        (("accuracy", "--weeks", "0"), "Invalid value for '--weeks'"),
        (("explain", "ann"), "Missing argument"),
        (("adherence", *WINDOW, "--by", "shoe"), "Cannot group by 'shoe'; choose from: agent_id, name, team"),
        (("exceptions", *WINDOW, "--class", "late"), "no class 'late': choose from unknown, in"),
        (("export", "orders"), "no table 'orders': choose from migration, collection"),
        (("import", "orders", "x.csv"), "no table 'orders' to import into: choose from agent"),
        (("import", "agent", "x.csv", "--map", "a"), "--map a: write two names with = between them"),
        (("import", "agent", "x.csv", "--set", "a=1", "--set", "a=2"), "--set a=2: a was given before, as 1"),
        (("import", "agent", "x.csv", "--covers", "a/b"), "it goes with agent_state only"),
        (("import", "agent_state", "x.csv", "--covers", DAY), "give two days or instants"),
        (("import", "agent_state", "x.csv", "--covers", f"{DAY}/{NEXT}/x"), "give two days or instants"),
        (("import", "agent_state", "x.csv", "--covers", f"{NEXT}/{DAY}"), "is not after --covers"),
        (("adherence", "--from", NEXT, "--to", DAY), "--to 2026-03-02 is not after --from 2026-03-03"),
        (("adherence", "--from", "2026-02-30", "--to", NEXT), "--from '2026-02-30' is neither a day"),
        (("adherence", "--from", f"{DAY}T08:00", "--to", NEXT), "give the offset"),
        (("adherence", *WINDOW, "--as-of", "yesterday"), "--as-of 'yesterday' is neither a day"),
        (("adherence", "--from", "0001-01-01", "--to", NEXT), "give a year from 1970 to 2199"),
        (("explain", "ann", f"{DAY}T08:00Z"), "explain takes a day"),
        (("forecast", "--horizon", "soon"), "--horizon 'soon': give days, weeks or hours, like"),
        (("forecast", "--horizon", "0d"), "--horizon '0d'"),
        (("forecast", "--horizon", "-1d"), "--horizon '-1d'"),
        (("forecast", "--horizon", "1.5d"), "--horizon '1.5d'"),
        (("forecast", "--horizon", "9999w"), "is not within 366 days ahead"),
        (("forecast", "--origin", "noon"), "--origin 'noon' is neither a day"),
        (("report", *WINDOW, "--out", "x.pdf"), "a report ends in .html, .xlsx, .csv"),
        (("report", "--from", f"{DAY}T08:00Z", "--to", NEXT), "A report covers whole days"),
        (("adherence", *WINDOW, "--out", "x.pdf"), "use the ending .csv, .json, .parquet or .xlsx"),
        (("adherence", *WINDOW, "--out", "x.csv", "--format", "table"), "a table is for the screen"),
        (("--settings", "no.env", "export", "agent"), "No settings file no.env"),
    ],
)
def test_wrong_usage_exits_2(tiny, run, words, said):
    before = (tiny / "wfm.duckdb").read_bytes()
    done = run(*words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") <= 2
    assert (tiny / "wfm.duckdb").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("adherence", "--from", "2030-01-01", "--to", "2030-01-02"), "Nothing is known from 2030-01-01"),
        (("adherence", *WINDOW, "--agent", "Ann"), "No agent 'Ann' is known; did you mean ann?"),
        (("explain", "nobody", DAY), "No agent 'nobody' is known; there are: ann."),
        (("explain", "ann", NEXT), "ann has no schedule on 2026-03-03"),
        (("intervals", *WINDOW, "--queue", "sails"), "No queue 'sails' is known; did you mean sales?"),
        (("intervals", "--from", "2030-01-01", "--to", "2030-01-02"), "No interval volume and no calls"),
        (("forecast", "--origin", "2026-03-01"), "No interval ended by 2026-03-01"),
        (("adherence", *WINDOW, "--out", "no/x.csv"), "the directory does not exist"),
        (("report", *WINDOW, "--out", "no/x.html"), "no"),
        (
            ("--database", "gone.duckdb", "export", "agent"),
            "No database at gone.duckdb: import something first",
        ),
        (("import", "agent", "gone.csv"), "gone.csv does not exist"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_a_failure_exits_1(run, words, said):
    done = run(*words)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") <= 2


def start_process(*words: object, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wfm", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


@pytest.mark.slow
def test_it_runs_as_a_module_anywhere(tiny, tmp_path, run):
    here = run("adherence", *WINDOW, "--format", "csv").raw
    other = start_process("adherence", *WINDOW, "--format", "csv", cwd=tmp_path)
    assert (other.communicate(), other.returncode) == ((here, b""), 0)
    named = start_process("--database", tiny / "none.duckdb", "export", "agent", cwd=tmp_path)
    assert named.communicate()[1].startswith(b"error: No database at ")
    assert named.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "table"])
@pytest.mark.usefixtures("sample")
def test_a_closed_pipe_ends_it_quietly(form):
    shell = f"{sys.executable} -m wfm export agent_state --format {form} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    first, code = done.stdout.splitlines()
    assert first.split("," if form == "csv" else None)[0] == "source"
    assert code == "0"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_interrupt_stores_nothing_and_exits_130(tiny, monkeypatch, capsys):
    def stopped(*_, **__):
        with Database(tiny / "wfm.duckdb").open_transaction() as con:
            con.execute("DELETE FROM agent")
            raise KeyboardInterrupt

    monkeypatch.setattr(centres.Centre, "read_table", stopped)
    assert main(["export", "agent"]) == 130
    assert capsys.readouterr() == ("", "error: Stopped.\n")
    monkeypatch.undo()
    os.chdir(tiny)
    assert wfm.open().read_table("agent").height == 1


def test_a_bug_is_reported_in_two_lines(monkeypatch, capsys):
    def fail(*_, **__):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(centres, "open_centre", fail)
    assert main(["export", "agent"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"error: ZeroDivisionError: division\nThis is a bug in wfm \(\w+\.py, line \d+\): please report it\.\n",
        err,
    )


def test_too_little_memory_is_reported(monkeypatch, run):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(centres, "open_centre", fail)
    done = run("export", "agent")
    assert (done.code, "ask for a shorter window" in done.err) == (1, True)
