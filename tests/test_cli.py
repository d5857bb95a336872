"""Every command, every format, every exit code; what is printed where; and round trips."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from tiny_centre import DAY, FILES, NEXT, rows

import wfm
from wfm import files, jobs, schema
from wfm.cli import main
from wfm.cli.commands import app
from wfm.storage.database import Store

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


def leaves(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give every command that is not a group of others, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


LEAVES = dict(leaves(GROUP))
WINDOW = ("--from", DAY, "--to", NEXT)
ANSWERS = {
    "adherence": ("adherence", *WINDOW),
    "adherence by team": ("adherence", *WINDOW, "--by", "team,week"),
    "adherence of all": ("adherence", *WINDOW, "--by", ""),
    "exceptions": (
        "exceptions",
        *WINDOW,
        "--agent",
        "ann",
        "--class",
        "controllable",
        "--class",
        "call_driven",
    ),
    "explain": ("explain", "ann", DAY),
    "intervals": ("intervals", *WINDOW, "--queue", "sales"),
}
"""Commands that answer from the golden day."""


def parsed(form: str, content: bytes) -> pl.DataFrame:
    if form == "csv":
        return pl.read_csv(content, infer_schema=False)
    if form == "json":
        return pl.DataFrame(json.loads(content))
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(content))
    return pl.read_excel(io.BytesIO(content))


# --- help and usage -------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", LEAVES)
def test_every_command_has_help_with_an_example(run, command):
    done = run(*command.split(), "--help")
    assert done.code == 0
    assert re.search(rf"Example: wfm {command}\b", done.out)
    assert done.err == ""


@pytest.mark.parametrize("command", LEAVES)
def test_every_example_is_one_that_the_command_understands(command):
    (example,) = re.findall(r"Example: wfm (.+)", LEAVES[command].help)
    words = shlex.split(example.partition(" > ")[0])
    depth = len(command.split())
    assert " ".join(words[:depth]) == command
    LEAVES[command].make_context(command, words[depth:])


def test_no_arguments_are_a_question(run):
    done = run()
    assert done.code == 2
    assert all(command in done.out for command in COMMANDS)
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
def test_wrong_usage_is_told_and_exits_2(tiny, run, words, said):
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
def test_what_fails_is_told_and_exits_1(run, words, said):
    done = run(*words)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") <= 2


# --- answers --------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_the_same_in_every_format(run, case):
    words = ANSWERS[case]
    table = run(*words)
    assert (table.code, table.err) == (0, "")
    heights = {}
    for form in files.FORMATS:
        piped = run(*words, "--format", form)
        assert (piped.code, piped.err) == (0, "")
        out = Path(f"out.{form}")
        written = run(*words, "--out", out)
        assert (written.code, written.raw) == (0, b"")
        assert re.fullmatch(rf"Wrote \d+ rows to out\.{form}\.\n", written.err)
        if form != "xlsx":  # which holds the time it was made
            assert out.read_bytes() == piped.raw
        heights[form] = parsed(form, piped.raw).height
        assert f"Wrote {heights[form]} " in written.err
    assert len(set(heights.values())) == 1
    assert heights["csv"] > 0
    assert run(*words, "--format", "json", "--out", "x.csv").code == 0
    json.loads(Path("x.csv").read_text())


@pytest.mark.usefixtures("tiny")
def test_the_golden_day_on_a_screen_and_in_a_file(run):
    shown = run("adherence", *WINDOW)
    assert "96.9 %" in shown.out
    assert "8 h 00 min" in shown.out
    (row,) = parsed("csv", run("adherence", *WINDOW, "--format", "csv").raw).to_dicts()
    assert row == {
        "agent_id": "ann",
        "workday": DAY,
        "scheduled_s": "28800",
        "in_s": "27900",
        "approved_s": "0",
        "call_driven_s": "720",
        "system_s": "0",
        "unknown_s": "0",
        "controllable_s": "180",
        "scheduled_work_s": "25200",
        "worked_s": "25020",
        "adherence": "0.96875",
        "adherence_adjusted": "0.99375",
        "adherence_low": "0.96875",
        "adherence_high": "0.96875",
        "coverage": "1.0",
        "conformance": row["conformance"],
    }
    assert float(row["conformance"]) == 417 / 420
    reasons = parsed("csv", run("exceptions", *WINDOW, "--format", "csv").raw)["reason"].to_list()
    assert reasons == ["late_start", "call_overrun", "shifted_break", "unscheduled_work"]


@pytest.mark.usefixtures("tiny")
def test_an_explained_day_shows_lanes_figures_and_the_rows_behind(run):
    told = run("explain", "ann", DAY).out
    for words in (
        "ann, Mon 2 Mar 2026",
        "adherence 96.9 %",
        "late start",
        "leg-1 was in progress at 10:00:00",
        "The rows behind it",
        "agent_state.csv, 2",
        "schedule.csv, 2",
        "one letter is",
    ):
        assert words in told


@pytest.mark.usefixtures("tiny")
def test_names_come_back_as_they_were_written(run):
    assert "Änn O'Neill" in run("export", "agent", "--format", "csv").out
    assert parsed("json", run("export", "agent", "--format", "json").raw)["name"][0] == "Änn O'Neill"
    assert "Bänk" in run("adherence", *WINDOW, "--by", "team").out
    run("import", "agent", _file("agent_id,name", "אנה,‎[bold]נועה[/bold]"))
    assert "[bold]נועה" in run("export", "agent").out
    run(
        "import",
        "schedule",
        _file("agent_id,start_at,end_at,activity", f"אנה,{DAY}T09:00Z,{DAY}T17:00Z,phone"),
    )
    assert "אנה" in run("adherence", *WINDOW, "--agent", "אנה").out


def _file(*lines: str, name: str = "new.csv") -> Path:
    path = Path(name)
    path.write_text(rows(*lines), encoding="utf-8")
    return path


@pytest.mark.usefixtures("tiny")
def test_a_long_table_is_cut_on_a_screen_alone(run):
    run("import", "agent", _file("agent_id", *(f"a{i:04}" for i in range(300))))
    shown = run("export", "agent")
    assert "101 more rows: --format csv or --out FILE gives all 301." in shown.err
    assert "a0250" not in shown.out
    assert parsed("csv", run("export", "agent", "--format", "csv").raw).height == 301
    assert "No rows." in run("export", "forecast").err


@pytest.mark.usefixtures("tiny")
def test_a_file_is_written_whole_or_not_at_all(run, monkeypatch):
    Path("x.csv").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    for words in (("adherence", *WINDOW, "--out", "x.csv"), ("report", *WINDOW, "--out", "x.csv")):
        assert run(*words).code == 1
    assert Path("x.csv").read_text() == "old"
    assert {p.name for p in Path().iterdir()} == {"files", "wfm.duckdb", "x.csv"}


@pytest.mark.usefixtures("tiny")
def test_binary_formats_are_not_for_a_screen(run, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for form in ("parquet", "xlsx"):
        done = run("adherence", *WINDOW, "--format", form)
        assert (done.code, "is not for a screen: add --out FILE" in done.err) == (2, True)


@pytest.mark.usefixtures("tiny")
def test_a_report_in_every_form(run):
    for ending in ("html", "xlsx", "csv"):
        done = run("report", *WINDOW, "--out", f"r.{ending}")
        assert done.code == 0
        assert f"Wrote r.{ending}." in done.out or ending == "csv"
        for path in re.findall(r"Wrote (.+)\.\n", done.out):
            assert Path(path).stat().st_size > 0
    assert "Änn" in Path("r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("sample")
def test_forecast_and_accuracy_in_every_format(run):
    words = ("forecast", "--queue", "PS", "--horizon", "36h")
    for form in files.FORMATS:
        done = run(*words, "--out", f"f.{form}")
        assert done.err == f"Wrote 144 rows to f.{form}.\n"
    assert parsed("csv", Path("f.csv").read_bytes()).columns[:3] == ["queue_id", "interval_start", "volume"]
    assert run(*words).code == 0
    assert parsed("csv", run("export", "forecast", "--format", "csv").raw).height == 5 * 144
    tested = run("accuracy", "--queue", "PS", "--weeks", "2", "--format", "csv")
    assert {"queue_id", "model", "measure", "wape15", "bias"} <= set(parsed("csv", tested.raw).columns)


# --- importing ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("table", FILES)
def test_import_export_import_changes_nothing(tiny, run, table):
    for form in ("csv", "parquet", "xlsx"):
        out = tiny / f"{table}.{form}"
        assert run("export", table, "--out", out).code == 0
        done = run("import", table, out)
        assert (done.code, re.findall(r"\d+ (new|corrected)", done.out)) == (0, ["new"]), done.err
        assert ": 0 new, " in done.out
        assert run("export", table, "--format", "csv").raw == run("export", table, "--format", "csv").raw


def test_every_importable_table_is_tried_here():
    assert set(FILES) == set(files.importable())


def test_every_table_can_be_exported(tiny, run):
    for table in schema.tables():
        for form in ("csv", "parquet"):
            assert run("export", table, "--format", form).code == 0, table
    assert (tiny / "wfm.duckdb").exists()


@pytest.mark.usefixtures("tiny")
def test_the_same_file_again_is_known_already(run):
    done = run("import", "agent_state", "files/agent_state.csv", "--source", "pbx")
    assert done.out.split(": ")[1] == "0 new, 9 known already\n"


@pytest.mark.usefixtures("tiny")
def test_their_words_for_our_columns(run):
    path = _file("Employee;Beginn;Ende;Was", "bob;2026-03-03 09:00;2026-03-03 17:00;LUNCH", name="plan.csv")
    words = ["import", "schedule", path, "--timezone", "Europe/Berlin"]
    for theirs, ours in (
        ("Employee", "agent_id"),
        ("Beginn", "start_at"),
        ("Ende", "end_at"),
        ("Was", "activity"),
    ):
        words += ["--map", f"{theirs}={ours}"]
    assert run(*words).code == 0
    last = parsed("csv", run("export", "schedule", "--format", "csv").raw).row(-1)
    assert last == ("bob", "2026-03-03T08:00:00Z", "2026-03-03T16:00:00Z", "lunch", None)


@pytest.mark.usefixtures("tiny")
def test_a_column_the_file_does_not_have(run):
    path = _file("login,at,vendor_state", "1,2026-03-03T09:00:00Z,Busy")
    assert run("import", "agent_state", path, "--set", "source=acme", "--set", "vendor_reason=fire").code == 0
    last = parsed("csv", run("export", "agent_state", "--format", "csv").raw).row(-1)
    assert last == ("acme", "1", "2026-03-03T09:00:00Z", "Busy", "fire")


@pytest.mark.usefixtures("tiny")
def test_a_time_that_comes_twice(run):
    path = _file("login,at,vendor_state", "1,2026-10-25 02:30,Busy")
    words = ("import", "agent_state", path, "--timezone", "Europe/Berlin")
    assert "this time comes twice in Europe/Berlin" in run(*words).err
    for fold, hour in (("earlier", "00"), ("later", "01")):
        assert run(*words, "--fold", fold, "--source", fold).code == 0
        last = parsed("csv", run("export", "agent_state", "--format", "csv").raw).row(-1)
        assert last[2] == f"2026-10-25T{hour}:30:00Z"


@pytest.mark.usefixtures("tiny")
def test_bad_rows_are_set_aside_corrected_and_imported(run):
    path = _file(
        "login,at,vendor_state", "1,2026-03-03T09:00:00Z,Busy", "1,soon,Break", "1,2026-03-03T11:00:00Z,"
    )
    told = run("import", "agent_state", path)
    assert told.code == 1
    assert "2 bad rows, nothing was imported." in told.err
    assert "row 3, at: 'soon' - expected a date and time with offset" in told.err
    assert "row 4, vendor_state: '' - expected a value" in told.err
    done = run("import", "agent_state", path, "--skip-bad", "bad.csv")
    assert done.code == 3
    assert "1 rows from new.csv: 1 new" in re.sub(" +", " ", done.out)
    assert "2 bad row(s) are in bad.csv; correct them there and import that file." in done.err
    text = Path("bad.csv").read_text().replace("soon", "2026-03-03T10:00:00Z").replace(":00Z,,", ":00Z,Busy,")
    Path("bad.csv").write_text(text)
    again = run("import", "agent_state", "bad.csv")
    assert again.code == 0
    assert ": 2 new" in again.out
    assert parsed("csv", run("export", "agent_state", "--format", "csv").raw).tail(3)[
        "vendor_state"
    ].to_list() == [
        "Busy",
        "Break",
        "Busy",
    ]


@pytest.mark.usefixtures("tiny")
def test_only_so_many_bad_rows_are_listed(run):
    path = _file("login,at,vendor_state", *(f"1,soon{i},Busy" for i in range(50)))
    told = run("import", "agent_state", path)
    assert told.err.count("  row ") == 20
    assert "and 30 more" in told.err


@pytest.mark.usefixtures("tiny")
def test_what_was_watched(run):
    path = _file("login,at,vendor_state", "1,2026-03-03T09:00:00Z,Busy")
    assert run("import", "agent_state", path, "--source", "x", "--covers", "2026-03-01/2026-03-08").code == 0
    last = parsed("csv", run("export", "coverage", "--format", "csv").raw).row(-1)
    assert last == ("x", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z")


@pytest.mark.usefixtures("tiny")
def test_a_changed_schedule_says_so(run):
    done = run(
        "import",
        "schedule",
        _file("agent_id,start_at,end_at,activity", f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"),
    )
    assert "note: 1 workday(s) of 1 agent(s) replaced" in done.err
    assert done.code == 0


# --- as of ----------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("tiny")
def test_as_of_gives_the_same_bytes_whatever_came_after(run):
    questions = [
        ("adherence", *WINDOW),
        ("exceptions", *WINDOW),
        ("explain", "ann", DAY),
        ("export", "agent_state"),
        ("export", "collection"),
        ("export", "schedule"),
        ("intervals", *WINDOW),
        ("shrinkage", *WINDOW),
        ("adherence", *WINDOW, "--definition", "all"),
        ("bridge", *WINDOW, "--definition", "adherence", "--definition", "salesforce"),
    ]
    before = datetime.now(UTC).isoformat()
    first = [run(*words, "--format", "csv").raw for words in questions]
    run(
        "import",
        "agent_state",
        _file("login,at,vendor_state", f"2001,{DAY}T09:00:00Z,Meeting"),
        "--source",
        "pbx",
    )
    run(
        "import",
        "schedule",
        _file("agent_id,start_at,end_at,activity", f"ann,{DAY}T07:00Z,{DAY}T11:00Z,phone"),
    )
    run(
        "import",
        "exemption",
        _file("start_at,end_at,kind,agent_id", f"{DAY}T08:00Z,{DAY}T08:03Z,approved,ann"),
    )
    run("import", "state_map", _file("source,vendor_state,state", "pbx,Available,meeting"))
    run("import", "login", _file("source,login,agent_id", "pbx,2001,bob"))
    run("import", "rule", _file("category,state,in_adherence", "on_queue,busy,false"))
    run("import", "activity", _file("activity,category", "phone,meeting"))
    run("import", "agent", _file("agent_id,team,timezone", "ann,other,Asia/Tokyo"))
    run(
        "import",
        "call_leg",
        _file("leg_id,login,answered_at,ended_at", f"leg-1,2001,{DAY}T09:55Z,{DAY}T09:56Z"),
        "--source",
        "pbx",
    )
    assert [run(*words, "--format", "csv", "--as-of", before).raw for words in questions] == first
    now = [run(*words, "--format", "csv") for words in questions]
    assert all(a != b.raw for a, b in zip(first, now, strict=True))
    told = run("explain", "ann", DAY, "--as-of", before)
    assert "recorded" in told.out


@pytest.mark.usefixtures("tiny")
def test_before_the_database_began_rows_tell_by_themselves(run):
    head, span = "agent_id,start_at,end_at,activity,published_at", f"ann,{NEXT}T08:00Z,{NEXT}T"
    run(
        "import",
        "schedule",
        _file(head, f"{span}12:00Z,phone,2026-02-01T00:00Z", f"{span}10:00Z,phone,2026-02-05T00:00Z"),
    )
    run(
        "import",
        "agent_state",
        _file("login,at,vendor_state", f"2001,{NEXT}T06:00Z,Available"),
        "--source",
        "pbx",
    )

    def scheduled(*words: str) -> str | None:
        done = run("adherence", "--from", NEXT, "--to", "2026-03-04", "--format", "csv", *words)
        return dict(parsed("csv", done.raw).select("agent_id", "scheduled_s").iter_rows()).get("ann")

    assert scheduled() == str(2 * 3600)
    assert scheduled("--as-of", "2026-02-06") == str(2 * 3600)
    assert scheduled("--as-of", "2026-02-04") == str(4 * 3600)
    assert scheduled("--as-of", "2026-01-04") is None


# --- where it runs --------------------------------------------------------------------------------------
def process(*words: object, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wfm", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def test_as_a_module_from_another_directory(tiny, tmp_path, run):
    here = run("adherence", *WINDOW, "--format", "csv").raw
    other = process("adherence", *WINDOW, "--format", "csv", cwd=tmp_path)
    assert (other.communicate(), other.returncode) == ((here, b""), 0)
    named = process("--database", tiny / "none.duckdb", "export", "agent", cwd=tmp_path)
    assert named.communicate()[1].startswith(b"error: No database at ")
    assert named.returncode == 1


@pytest.mark.parametrize("form", ["csv", "table"])
@pytest.mark.usefixtures("sample")
def test_whoever_reads_only_the_first_line_ends_it_quietly(form):
    shell = f"{sys.executable} -m wfm export agent_state --format {form} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    first, code = done.stdout.splitlines()
    assert first.split("," if form == "csv" else None)[0] == "source"
    assert code == "0"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_stopped_by_hand_it_says_so_and_stores_nothing(tiny, monkeypatch, capsys):
    def stopped(*_, **__):
        with Store(tiny / "wfm.duckdb").writing() as con:
            con.execute("DELETE FROM agent")
            raise KeyboardInterrupt

    monkeypatch.setattr(jobs.Centre, "get", stopped)
    assert main(["export", "agent"]) == 130
    assert capsys.readouterr() == ("", "error: Stopped.\n")
    monkeypatch.undo()
    os.chdir(tiny)
    assert wfm.open().get("agent").height == 1


def test_what_nobody_thought_of_ends_in_two_lines(monkeypatch, capsys):
    def fail(*_, **__):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(jobs, "open_centre", fail)
    assert main(["export", "agent"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"error: ZeroDivisionError: division\nThis is a bug in wfm \(\w+\.py, line \d+\): please report it\.\n",
        err,
    )


def test_too_little_memory_is_told(monkeypatch, run):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(jobs, "open_centre", fail)
    done = run("export", "agent")
    assert (done.code, "ask for a shorter window" in done.err) == (1, True)


# --- the demo -------------------------------------------------------------------------------------------
@pytest.fixture
def quick(monkeypatch, place) -> Path:
    """Let the bank's demo import a sample of one agent and three days."""
    from wfm import defaults

    real = defaults.folder()
    monkeypatch.setattr(defaults, "folder", lambda: place / "data")
    target = place / "data" / "sample"
    target.mkdir(parents=True)
    for file in real.glob("**/*.csv"):
        (place / "data" / file.relative_to(real)).write_bytes(file.read_bytes())
    small = {"agent_state": "at", "call_leg": "started_at", "interval_volume": "interval_start"}
    for table, at in small.items():
        frame = pl.read_parquet(real / "sample" / f"{table}.parquet")
        until = datetime(1999, 6, 22, tzinfo=UTC)
        frame.filter(pl.col(at) < until).tail(2_000).write_parquet(target / f"{table}.parquet")
    return place


def test_the_demo_twice_and_what_it_says_to_do_next(quick, run, monkeypatch, tmp_path):
    monkeypatch.setenv("WFM_DATABASE", str(quick / "mine.duckdb"))
    folder = quick / "dem o #1"
    for _ in range(2):
        done = run("demo", "--bank", "--directory", folder)
        assert done.code == 0
        assert "Adherence" in done.out
        assert {p.name for p in folder.iterdir()} == {"wfm.duckdb", "settings.env", "report.html"}
        assert not (quick / "mine.duckdb").exists()
        with open(folder / "settings.env", "a") as stale:
            stale.write("# of an older wfm\n")
    monkeypatch.delenv("WFM_DATABASE")
    monkeypatch.chdir(tmp_path)
    following = re.search(r"Next: +wfm (.+)", done.out)[1].replace("'", "").split(" explain ")
    settings = following[0].removeprefix("--settings ")
    assert run("--settings", settings, "explain", *following[1].split()).code == 0


def test_the_demo_replaces_nothing_of_anybody_else(tiny, run):
    (tiny / "settings.env").write_text("WFM_TIMEZONE=Asia/Tokyo\n")
    before = (tiny / "wfm.duckdb").read_bytes()
    for _ in range(2):
        done = run("demo", "--directory", tiny)
        assert done.code == 1
        assert "was not made by wfm demo: name another directory with --directory" in done.err
        assert (tiny / "wfm.duckdb").read_bytes() == before
        (tiny / "settings.env").unlink(missing_ok=True)


def test_the_demo_where_nothing_can_be_written(run, place):
    (place / "file").touch()
    for folder in (place / "file" / "demo", place / "file", "/proc/demo"):
        done = run("demo", "--directory", folder)
        assert (done.code, "cannot be written" in done.err) == (1, True)


def test_the_demo_is_not_led_astray_by_settings_nearby(quick, run):
    (quick / "settings.env").write_text("WFM_DATABASE=mine.duckdb\nWFM_TIMEZONE=Asia/Tokyo\nWFM_OLD=1\n")
    assert run("demo", "--bank", "--directory", "there").code == 0
    assert not (quick / "mine.duckdb").exists()
