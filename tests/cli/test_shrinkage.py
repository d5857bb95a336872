"""The command shrinkage, and the new groups of the command adherence, on the golden day."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

import wfm
from helpers.golden_day import DAY, NEXT

WINDOW = ("--from", DAY, "--to", NEXT)
pytestmark = pytest.mark.usefixtures("tiny")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_golden_day_on_screen_explains_its_figures(run):
    done = run("shrinkage", *WINDOW)
    assert done.code == 0
    for figure in ("Bänk", "7 h 30 min", "30 min 00 s", "6.7 %", "0.7 %", "7.3 %", "2.4 %"):
        assert figure in done.out
    assert "shrinkage: (planned + unplanned) / paid" in done.err
    assert "utilisation (of_paid): " in done.err


def test_file_has_every_column_and_no_notes(run):
    done = run(
        "shrinkage", *WINDOW, "--by", "agent,queue", "--utilisation", "of_logged_in", "--format", "csv"
    )
    assert done.err == ""
    (row,) = table(done.out)
    assert (row["agent_id"], row["queue_id"], row["paid_s"], row["unplanned_s"]) == (
        "ann",
        "sales",
        "27000",
        "180",
    )
    assert row["utilisation_variant"] == "of_logged_in"
    assert float(row["utilisation"]) == pytest.approx(11 / 487)


def test_what_it_was_made_of(run):
    done = run("shrinkage", *WINDOW, "--by", "", "--causes", "--format", "json")
    causes = {row["cause"]: row["seconds"] for row in json.loads(done.out)}
    assert causes == {"break": 1440, "shifted_break": 360, "late_start": 180}


@pytest.mark.slow
def test_adherence_by_interval_and_queue_sums_to_day(run):
    rows = table(run("adherence", *WINDOW, "--by", "interval,queue", "--format", "csv").out)
    assert len(rows) == 32
    assert {row["queue_id"] for row in rows} == {"sales"}
    (day,) = table(run("adherence", *WINDOW, "--format", "csv").out)
    for name in ("scheduled_s", "in_s", "call_driven_s", "controllable_s"):
        assert sum(int(row[name]) for row in rows) == int(day[name])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--by", "hour"), 2, "Cannot group by 'hour'; choose from: agent_id"),
        (("--utilisation", "of_shift"), 2, "No utilisation 'of_shift'; choose from: of_paid, of_logged_in"),
        (("--causes", "--utilisation", "of_paid"), 2, "leave one out"),
        (("--agent", "nobody"), 1, "No agent 'nobody' is known"),
    ],
)
def test_wrong_usage_is_told(run, words, code, said):
    done = run("shrinkage", *WINDOW, *words)
    assert (done.code, said in done.err) == (code, True)


@pytest.mark.slow
def test_as_of_shows_the_schedule_before_its_change(run, tiny):
    first = run("shrinkage", *WINDOW, "--format", "csv").raw
    before = datetime.now(UTC).isoformat()
    changed = f"agent_id,start_at,end_at,activity\nann,{DAY}T08:00Z,{DAY}T16:00Z,coaching\n"
    (tiny / "changed.csv").write_text(changed)
    assert run("import", "schedule", "changed.csv").code == 0
    (row,) = table(run("shrinkage", *WINDOW, "--format", "csv").out)
    assert (row["paid_s"], row["scheduled_shrinkage_s"]) == ("28800", "28800")
    assert run("shrinkage", *WINDOW, "--format", "csv", "--as-of", before).raw == first


@pytest.mark.slow
def test_python_gives_the_same(tiny):
    centre = wfm.open(tiny / "wfm.duckdb")
    rows = centre.shrinkage(DAY, NEXT, by=["team"], agents="ann")
    assert rows.select("team", "paid_s", "planned_s", "unplanned_s").rows() == [("Bänk", 27000, 1800, 180)]
    assert centre.shrinkage_causes(DAY, NEXT, by="team")["seconds"].sum() == 1980
