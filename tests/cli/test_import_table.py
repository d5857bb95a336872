"""`wfm import`: renaming, setting, folding, bad rows, and what is said about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.cli_answers import read_answer, write_csv
from helpers.golden_day import DAY, FILES
from wfm.files import list_importable_tables


@pytest.mark.slow
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
    assert set(FILES) == set(list_importable_tables())


@pytest.mark.usefixtures("tiny")
def test_the_same_file_twice_changes_nothing(run):
    done = run("import", "agent_state", "files/agent_state.csv", "--source", "pbx")
    assert done.out.split(": ")[1] == "0 new, 9 already stored\n"


@pytest.mark.usefixtures("tiny")
def test_columns_can_be_renamed(run):
    path = write_csv(
        "Employee;Beginn;Ende;Was", "bob;2026-03-03 09:00;2026-03-03 17:00;LUNCH", name="plan.csv"
    )
    words = ["import", "schedule", path, "--timezone", "Europe/Berlin"]
    for theirs, ours in (
        ("Employee", "agent_id"),
        ("Beginn", "start_at"),
        ("Ende", "end_at"),
        ("Was", "activity"),
    ):
        words += ["--map", f"{theirs}={ours}"]
    assert run(*words).code == 0
    last = read_answer("csv", run("export", "schedule", "--format", "csv").raw).row(-1)
    assert last == ("bob", "2026-03-03T08:00:00Z", "2026-03-03T16:00:00Z", "lunch", None)


@pytest.mark.usefixtures("tiny")
def test_a_missing_column_can_be_set(run):
    path = write_csv("login,at,vendor_state", "1,2026-03-03T09:00:00Z,Busy")
    assert run("import", "agent_state", path, "--set", "source=acme", "--set", "vendor_reason=fire").code == 0
    last = read_answer("csv", run("export", "agent_state", "--format", "csv").raw).row(-1)
    assert last == ("acme", "1", "2026-03-03T09:00:00Z", "Busy", "fire")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_an_ambiguous_local_time_needs_fold(run):
    path = write_csv("login,at,vendor_state", "1,2026-10-25 02:30,Busy")
    words = ("import", "agent_state", path, "--timezone", "Europe/Berlin")
    assert "this time comes twice in Europe/Berlin" in run(*words).err
    for fold, hour in (("earlier", "00"), ("later", "01")):
        assert run(*words, "--fold", fold, "--source", fold).code == 0
        last = read_answer("csv", run("export", "agent_state", "--format", "csv").raw).row(-1)
        assert last[2] == f"2026-10-25T{hour}:30:00Z"


@pytest.mark.usefixtures("tiny")
def test_bad_rows_are_set_aside_corrected_and_imported(run):
    path = write_csv(
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
    assert read_answer("csv", run("export", "agent_state", "--format", "csv").raw).tail(3)[
        "vendor_state"
    ].to_list() == [
        "Busy",
        "Break",
        "Busy",
    ]


@pytest.mark.usefixtures("tiny")
def test_only_twenty_bad_rows_are_listed(run):
    path = write_csv("login,at,vendor_state", *(f"1,soon{i},Busy" for i in range(50)))
    told = run("import", "agent_state", path)
    assert told.err.count("  row ") == 20
    assert "and 30 more" in told.err


@pytest.mark.usefixtures("tiny")
def test_covers_is_stored_as_coverage(run):
    path = write_csv("login,at,vendor_state", "1,2026-03-03T09:00:00Z,Busy")
    assert run("import", "agent_state", path, "--source", "x", "--covers", "2026-03-01/2026-03-08").code == 0
    last = read_answer("csv", run("export", "coverage", "--format", "csv").raw).row(-1)
    assert last == ("x", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z")


@pytest.mark.usefixtures("tiny")
def test_a_changed_schedule_is_noted(run):
    done = run(
        "import",
        "schedule",
        write_csv("agent_id,start_at,end_at,activity", f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"),
    )
    assert "note: 1 workday(s) of 1 agent(s) replaced" in done.err
    assert done.code == 0
