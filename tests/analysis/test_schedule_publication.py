"""What a newly imported schedule replaces: whole workdays, and only those that changed."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, NEXT, rows
from helpers.imported_schedules import HEADER, put
from wfm import files

DATED = "agent_id,start_at,end_at,activity,published_at"


def plan(centre: wfm.Centre, as_of: datetime | None = None) -> list[tuple[str, str, str]]:
    """Return what is in force, as (from, to, activity)."""
    scored = centre.score(DAY, "2026-03-10", as_of=as_of).slices().filter(pl.col("activity").is_not_null())
    joined = scored.group_by(
        "agent_id", "activity", pl.col("activity").rle_id().alias("run"), maintain_order=True
    )
    spans = joined.agg(pl.col("start_at").min(), pl.col("end_at").max())
    return [(f"{r['start_at']:%d %H:%M}", f"{r['end_at']:%H:%M}", r["activity"]) for r in spans.to_dicts()]


# --- schedules ------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_schedule_that_says_nothing_new_changes_nothing(centre, tiny):
    done = centre.import_file("schedule", tiny / "files" / "schedule.csv")
    assert (done.written.read_count, done.written.unchanged_count, done.note) == (4, 4, ())
    shuffled = rows(HEADER, *reversed((tiny / "files" / "schedule.csv").read_text().split()[1:]))
    assert put(centre, "schedule", shuffled).written.unchanged_count == 4


@pytest.mark.slow
def test_changed_workday_is_replaced_whole_and_others_stay(centre):
    put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T08:00Z,{NEXT}T12:00Z,phone"))
    between = datetime.now(UTC)
    text = rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone", f"ann,{NEXT}T08:00Z,{NEXT}T12:00Z,phone")
    done = put(centre, "schedule", text)
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert (done.written.read_count, done.written.added_count, done.written.unchanged_count) == (2, 1, 1)
    assert plan(centre) == [("02 09:00", "12:00", "phone")] or plan(centre)[0][0] == "02 09:00"
    stored = centre.read_table("schedule")
    assert stored["published_at"].null_count() == 5
    assert stored.filter(pl.col("published_at").is_not_null())["start_at"].to_list() == [
        datetime(2026, 3, 2, 9, tzinfo=UTC)
    ]
    assert plan(centre, as_of=between)[0] == ("02 08:00", "10:00", "phone")
    assert put(centre, "schedule", text).written.unchanged_count == 2


@pytest.mark.slow
def test_returning_to_the_first_plan_is_a_change(centre, tiny):
    first = plan(centre)
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert plan(centre) != first
    done = centre.import_file("schedule", tiny / "files" / "schedule.csv")
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert plan(centre) == first


def test_a_new_workday_needs_no_date(centre):
    done = put(centre, "schedule", rows(HEADER, f"bob,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert (done.note, done.written.added_count) == ((), 1)
    assert centre.read_table("schedule")["published_at"].null_count() == 5


@pytest.mark.slow
def test_shift_moved_over_midnight_replaces_one_it_overlaps(centre):
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T22:00Z,{NEXT}T06:00Z,email"))
    done = put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T01:00Z,{NEXT}T09:00Z,email"))
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert ("03 01:00", "09:00", "email") in plan(centre)
    assert not [span for span in plan(centre) if span[0] == "02 22:00"]


@pytest.mark.slow
def test_publication_from_future_is_replaced_all_the_same(centre):
    future = "2099-01-01T00:00:00Z"
    put(centre, "schedule", rows(DATED, f"ann,{DAY}T07:00Z,{DAY}T15:00Z,phone,{future}"))
    assert plan(centre)[0][0] == "02 07:00"
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert plan(centre)[0][0] == "02 09:00"


@pytest.mark.slow
def test_dated_rows_are_taken_at_their_word(centre):
    text = rows(DATED, f"ann,{DAY}T07:00Z,{DAY}T15:00Z,phone,2026-03-01T10:00Z")
    done = put(centre, "schedule", text)
    assert (done.note, done.written.added_count) == ((), 1)
    assert plan(centre)[0][0] == "02 07:00"
    assert put(centre, "schedule", text).written.unchanged_count == 1


@pytest.mark.slow
def test_an_exported_history_comes_back_unchanged(centre, tiny):
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    centre.import_file("schedule", tiny / "files" / "schedule.csv")
    stored, held = centre.read_table("schedule"), plan(centre)
    files.write_table(stored, tiny / "all.csv", "csv")
    done = centre.import_file("schedule", tiny / "all.csv")
    assert (done.written.unchanged_count, done.note) == (9, ())
    assert centre.read_table("schedule").equals(stored)
    fresh = wfm.open(tiny / "fresh.duckdb")
    for table in ("agent", "login", "activity", "agent_state", "state_map"):
        fresh.import_file(table, tiny / "files" / f"{table}.csv", source="pbx")
    fresh.import_file("schedule", tiny / "all.csv")
    assert plan(fresh) == held
