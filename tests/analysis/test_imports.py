"""Imported files: names as the tables spell them, the coverage they claim, rows set aside."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, NEXT, rows
from helpers.imported_schedules import HEADER, TUESDAY, coverage, put
from wfm.core.errors import BadRowsError, InputError, UsageError


@pytest.mark.slow
def test_an_activity_is_spelt_as_its_table_does(centre):
    done = put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T09:00Z,{NEXT}T17:00Z,CHAT"))
    assert done.written.added_count == 1
    assert "chat" in centre.read_table("schedule")["activity"]


def test_states_cover_the_local_days_they_touch(centre, monkeypatch):
    monkeypatch.setenv("WFM_TIMEZONE", "America/New_York")
    text = rows("login,at,vendor_state", "1,2026-03-08T03:00:00Z,Busy", "1,2026-03-08T20:00:00Z,Busy")
    put(wfm.open(), "agent_state", text, source="ny")
    assert coverage(centre, "ny") == [
        (datetime(2026, 3, 7, 5, tzinfo=UTC), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        (datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)),
    ]


def test_unfinished_day_is_covered_until_its_last_state(centre):
    now = datetime.now(UTC)
    text = rows("login,at,vendor_state", f"1,{now.isoformat()},Busy")
    for _ in range(2):
        put(centre, "agent_state", text, source="live")
    assert coverage(centre, "live") == [(now.replace(hour=0, minute=0, second=0, microsecond=0), now)]


def test_what_was_watched_can_be_said(centre):
    text = rows("login,at,vendor_state", f"1,{NEXT}T08:00Z,Busy")
    put(centre, "agent_state", text, source="told", covers=(NEXT, "2026-03-06T12:00+02:00"))
    assert coverage(centre, "told") == [(TUESDAY, datetime(2026, 3, 6, 10, tzinfo=UTC))]
    with pytest.raises(UsageError, match="its end 2026-03-03 is not after --covers 2026-03-03"):
        put(centre, "agent_state", text, covers=(NEXT, NEXT))
    with pytest.raises(UsageError, match="it goes with agent_state only"):
        put(centre, "agent", rows("agent_id", "x"), covers=(DAY, NEXT))


# --- importing ------------------------------------------------------------------------------------------
def test_table_that_cannot_be_imported_says_which_can(centre):
    with pytest.raises(UsageError, match="no table 'agents' to import into: choose from agent, "):
        put(centre, "agents", rows("agent_id", "x"))
    with pytest.raises(UsageError, match="no table 'forecast' to import into"):
        put(centre, "forecast", rows("agent_id", "x"))


def test_bad_rows_never_overwrite_the_imported_file(centre, tiny):
    path = tiny / "bad.csv"
    path.write_text(rows("login,at,vendor_state", "1,yesterday,Busy"))
    with pytest.raises(BadRowsError, match="1 bad row, nothing was imported"):
        centre.import_file("agent_state", path)
    with pytest.raises(UsageError, match="is the file to import: name another"):
        centre.import_file("agent_state", path, skip_bad=tiny / "files" / ".." / "bad.csv")
    with pytest.raises(InputError, match="no good row is left, nothing was imported"):
        centre.import_file("agent_state", path, skip_bad=tiny / "aside.csv")
    assert "yesterday" in path.read_text()
    assert "yesterday" in (tiny / "aside.csv").read_text()
    assert centre.read_table("collection").height == 14


def test_what_users_were_told_is_in_the_ledger(centre):
    put(centre, "agent", rows("agent_id,shoe size", "bob,43"))
    last = centre.read_table("collection").row(-1, named=True)
    assert last["file_name"] == "new-agent.csv"
    assert last["note"] == "ignored columns: shoe size"
    first = centre.read_table("collection").filter(pl.col("feed") == "agent_state").row(0, named=True)
    assert (first["source"], first["from_at"], first["to_at"]) == (
        "pbx",
        datetime(2026, 3, 2, 8, 3, tzinfo=UTC),
        datetime(2026, 3, 2, 16, 10, tzinfo=UTC),
    )
