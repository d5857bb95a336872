"""What changed between two answers: the person, the file, the seconds and the sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from helpers.exempted_centre import ADD, excuse
from helpers.golden_day import DAY, NEXT, rows


# --- what changed ---------------------------------------------------------------------------------------
@pytest.mark.slow
def test_what_changed_names_the_person_and_the_file(centre, tiny):
    then = datetime.now(UTC)
    excuse(centre)
    states = tiny / "late.csv"
    states.write_text(rows("login,at,vendor_state", f"2001,{DAY}T15:00:00Z,Break"))
    centre.import_file("agent_state", states, source="pbx")
    found = centre.what_changed(DAY, NEXT, then)
    (row,) = found.figures.to_dicts()
    assert (row["in_change_s"], row["controllable_change_s"], row["approved_change_s"]) == (-3600, 3420, 180)
    assert found.stretches.select("start_at", "seconds", "class_before", "class_after").rows() == [
        (datetime(2026, 3, 2, 8, tzinfo=UTC), 180.0, "controllable", "approved"),
        (datetime(2026, 3, 2, 15, tzinfo=UTC), 3600.0, "in", "controllable"),
        (datetime(2026, 3, 2, 16, tzinfo=UTC), 600.0, None, None),
    ]
    told = found.causes.select("table", "change", "says", "seconds", "by", "file_name", "row_no")
    assert told.filter(pl.col("table") != "coverage").rows() == [
        ("exemption", "added", "approved ann bus strike", 180.0, "Dana", None, 1),
        ("agent_state", "added", "2001 Break", 4200.0, None, "late.csv", 2),
    ]
    assert found.unexplained.is_empty()


@pytest.mark.slow
def test_what_changed_by_corrected_mapping_rule_and_revocation(centre, tiny):
    (name,) = excuse(centre).rows["id"]
    then = datetime.now(UTC)
    centre.revoke(name, by="Eve")
    for table, header, line in (
        ("state_map", "source,vendor_state,vendor_reason,state", "pbx,Aux,lunch,training"),
        ("rule", "category,state,in_adherence", "on_queue,available,false"),
    ):
        (tiny / "new.csv").write_text(rows(header, line))
        centre.import_file(table, tiny / "new.csv")
    causes = centre.what_changed(DAY, NEXT, then).causes
    told = {row["table"]: row for row in causes.iter_rows(named=True)}
    assert told["exemption"]["change"] == "corrected"
    assert told["exemption"]["says"] == "approved ann bus strike (revoked by Eve)"
    assert (told["exemption"]["by"], told["exemption"]["note"]) == ("Eve", "revoked by Eve")
    assert (told["state_map"]["said_before"], told["state_map"]["seconds"]) == ("pbx Aux lunch meal", 1800)
    assert (told["rule"]["says"], told["rule"]["change"]) == ("on_queue available false", "added")
    assert told.keys() == {"exemption", "state_map", "rule"}


@pytest.mark.slow
def test_of_time_before_first_answer_everything_is_new(centre):
    then = datetime.now(UTC)
    (Path("bob.csv")).write_text(
        rows("agent_id,start_at,end_at,activity", "bob,2026-06-01T08:00Z,2026-06-01T16:00Z,phone")
    )
    centre.import_file("schedule", Path("bob.csv"))
    found = centre.what_changed("2026-06-01", "2026-06-02", then, by="team")
    assert found.figures["scheduled_change_s"].to_list() == [28800]
    assert found.causes.select("table", "said_before", "file_name").rows() == [("schedule", None, "bob.csv")]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_command_shows_scores_seconds_and_sources(run):
    words = ("what-changed", "--from", DAY, "--to", NEXT, "--then", datetime.now(UTC).isoformat())
    assert run(*words).out == "Nothing changed.\n"
    run(*ADD, "--yes")
    done = run(*words)
    assert done.code == 0
    for part in ("Scores:", "Seconds:", "Because of:", "exempted by Dana: bus strike", "−3 min 00 s"):
        assert part in done.out
    figures = pl.read_csv(run(*words, "--by", "", "--format", "csv").raw)
    assert figures["controllable_change_s"].to_list() == [-180]
    causes = pl.read_csv(run(*words, "--show", "causes", "--format", "csv").raw)
    assert causes["by"].to_list() == ["Dana"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("then", "now", "complaint"),
    [
        ("2001-01-01", None, "did not exist yet"),
        ("2101-01-01", None, "is not before now"),
        (None, "2001-01-01", "is not before --now 2001-01-01"),
    ],
)
def test_instants_that_cannot_be_compared_are_refused(run, then, now, complaint):
    then = then or f"{datetime.now(UTC) - timedelta(seconds=1):%FT%T}Z"
    done = run("what-changed", "--from", DAY, "--to", NEXT, "--then", then, *(("--now", now) if now else ()))
    assert done.code == 2
    assert complaint in done.err
