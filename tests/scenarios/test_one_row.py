"""One row's way through wfm: from a line of a csv file to a line of the report.

Read this first if you are new: every stop is one function, and what it makes of the row is written out. The row says
that login 2001 entered the state "Available" three minutes late.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, NEXT, rows
from wfm import files, report
from wfm.analysis.load import append_to_defaults, read_scoring_tables
from wfm.engine.adherence.scoring import score
from wfm.engine.inputs.frames import InputFrames
from wfm.settings import Settings

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATE = datetime(2026, 3, 2, 8, 3, tzinfo=UTC)
END = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.slow
def test_one_row(place):
    # 1. A phone system exported it. This is all there is.
    states = place / "states.csv"
    states.write_text(
        rows(
            "login,at,vendor_state",
            f"2001,{DAY}T10:03:00+02:00,Available",
            f"2001,{DAY}T09:00:00Z,Logged out",
        )
    )
    plan = place / "plan.csv"
    plan.write_text(rows("agent_id,start_at,end_at,activity", f"ann,{DAY}T08:00:00Z,{DAY}T09:00:00Z,phone"))
    logins = place / "logins.csv"
    logins.write_text(rows("login,agent_id", "2001,ann"))

    # 2. `files.read` makes typed rows of text: the instant is UTC now, and the row remembers where it stood.
    reading = files.read_table(states, "agent_state", defaults={"source": "pbx"})
    assert reading.bad.is_empty()
    assert reading.frame.row(0, named=True) == {
        "source": "pbx",
        "login": "2001",
        "at": LATE,
        "vendor_state": "Available",  # what the vendor said; what that means is decided when scoring
        "vendor_reason": None,
        "row_no": 2,
    }

    # 3. `Centre.put` does that and hands the batch to `Store.write`: a row with a number, a time, and a file.
    centre = wfm.Centre(Settings(database=place / "wfm.duckdb", timezone="UTC"))
    done = centre.import_file("agent_state", states, source="pbx")
    centre.import_file("schedule", plan)
    centre.import_file("login", logins, source="pbx")
    assert (done.written.collection_id, done.written.added_count) == (1, 2)
    with centre.database.open_reader() as known:
        everything = ["login", "at", "collection_id", "row_no", "recorded_at", "replaced_at"]
        row = known.read_table("agent_state", columns=everything).row(0, named=True)
        assert (row["login"], row["at"], row["collection_id"], row["row_no"]) == ("2001", LATE, 1, 2)
        assert row["recorded_at"] is not None  # since when we know
        assert row["replaced_at"] is None  # in force until a correction takes its place
        # An import of states also says what was watched: the local days its rows touch.
        assert known.read_table("coverage").row(0)[1:] == (
            datetime(2026, 3, 2, tzinfo=UTC),
            datetime(2026, 3, 3, tzinfo=UTC),
        )

        # 4. `stored` reads back whatever decides the scores of a span: frames, and no more database from here on.
        frames = read_scoring_tables(known, (START, END + timedelta(hours=1)), None)
    assert frames["agent_state"]["vendor_state"].to_list() == ["Available", "Logged out"]

    # 5. The engine overlays layers. Login 2001 is ann's; "Available" is our state available, one that belongs to the
    #    activity phone. Before it, ann was logged out: in each slice nothing changes, and each has one class.
    scored = score(InputFrames(**frames), window=(START.date(), date.fromisoformat(NEXT)))
    slices = scored.slices().filter(pl.col("activity").is_not_null())
    assert slices.select(
        "agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class"
    ).rows() == [
        ("ann", START, LATE, "phone", "logged_out", None, "controllable"),
        ("ann", LATE, END, "phone", "available", "Available", "in"),
    ]

    # 6. Scores are sums of slices; our row ended three controllable minutes of sixty.
    total = scored.adherence().row(0, named=True)
    assert (total["scheduled_s"], total["in_s"], total["controllable_s"]) == (3600, 3420, 180)
    assert total["adherence"] == 57 / 60

    # 7. A run of slices out of adherence is an adherence exception, and it has a reason.
    late = scored.exceptions().row(0, named=True)
    assert (late["start_at"], late["end_at"], late["reason"]) == (START, LATE, "late_start")
    assert late["impact"] == "negative"  # planned on queue, but not there

    # 8. `wfm.score` does 5 to 7 on frames alone, for notebooks, and the commands do 3 to 7 in one call.
    given = {name: frames[name] for name in ("schedule", "agent_state", "login", "coverage")}
    assert wfm.score(**given, window=(DAY, NEXT)).exceptions().equals(scored.exceptions())
    assert centre.exceptions(DAY, NEXT).equals(scored.exceptions())
    assert frames["state_map"].equals(append_to_defaults("state_map", centre.read_table("state_map")))

    # 9. `Centre.report` assembles every figure once, and `report.write` draws them: one line on a screen.
    report.write_report(centre.report(DAY, NEXT), place / "report.html")
    page = (place / "report.html").read_text(encoding="utf-8")
    lines = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in page.split("<tr>")]
    assert "ann Mon 2 Mar 08:00:00 08:03:00 3 min 00 s Late start X Controllable phone logged out" in "".join(
        line for line in lines if line.startswith("ann Mon 2 Mar")
    )
