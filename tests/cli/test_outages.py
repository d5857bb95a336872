"""`wfm outages`: what is proposed, and that the proposed command does what it says."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import wfm
from helpers.outage_week import GAP, OPTIONS, OUTAGE, WATCHED, WINDOW, store_week
from helpers.planted_weeks import Planted, week
from wfm.core.errors import NoDataError


def test_every_kind_is_proposed_with_its_evidence(outage_centre):
    found = outage_centre.outages(*WINDOW)
    assert sorted(found["kind"]) == ["feed_gap", "outage", "unmapped"]
    assert found["seconds"].is_sorted(descending=True)
    outage, gap, word = (
        found.filter(pl.col("kind") == kind).row(0, named=True) for kind in ("outage", "feed_gap", "unmapped")
    )
    assert outage["scope"] == "team North"
    assert abs(outage["start_at"] - OUTAGE.span[0]) < timedelta(seconds=20)
    assert "agents scheduled on queue were out at 2026-03-03T11:" in outage["evidence"]
    assert "logged out (100.0 %)" in outage["evidence"]
    assert len(outage["examples"]) == 3
    assert (gap["start_at"], gap["end_at"], gap["scope"]) == (*GAP, "source ncc")
    assert gap["apply"] == (
        "wfm import agent_state FILE --source ncc --covers 2026-03-05T14:20:00Z/2026-03-05T15:00:00Z"
    )
    assert "Suggested state: meeting, by its name." in word["evidence"]


def test_empty_window_is_named_as_requested(outage_centre):
    with pytest.raises(
        NoDataError, match="Nothing is known from 2031-01-01 to 2031-01-03, nor of the 28 days"
    ):
        outage_centre.outages("2031-01-01", "2031-01-03")


@pytest.mark.slow
def test_the_command_that_is_proposed_would_hold(outage_centre):
    before = outage_centre.outages(*WINDOW)
    words = shlex.split(before.filter(pl.col("kind") == "outage")["apply"][0])
    assert words[:3] == ["wfm", "exempt", "add"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert (given["--team"], given["--kind"], given["--by"]) == ("North", "system", "YOU")
    declared = pl.DataFrame(
        {"start_at": [given["--from"]], "end_at": [given["--to"]], "team": ["North"], "kind": ["system"]}
    )
    declared.write_csv("declared.csv")
    outage_centre.import_file("exemption", Path("declared.csv"))
    assert "outage" not in outage_centre.outages(*WINDOW)["kind"].to_list()


@pytest.mark.slow
def test_proposed_mapping_is_a_file_to_import(outage_centre, run):
    word = outage_centre.outages(*WINDOW).filter(pl.col("kind") == "unmapped").row(0, named=True)
    making, _, taking = word["apply"].partition(" && ")
    subprocess.run(["sh", "-c", making], check=True)
    assert Path("state_map.csv").read_text() == 'source,vendor_state,state\nncc,"Team, huddle",meeting\n'
    assert run(*shlex.split(taking)[1:]).code == 0
    assert "unmapped" not in outage_centre.outages(*WINDOW)["kind"].to_list()


@pytest.mark.slow
def test_a_site_is_named_by_its_teams(place):
    frames = week(22, planted=tuple(Planted(24 + 14.3, 1800, team) for team in ("North", "South"))).frames()
    here = pl.when(pl.col("team").is_in(["North", "South"])).then(pl.lit("Haifa")).otherwise(pl.lit("Lod"))
    frames["agent"] = frames["agent"].with_columns(site=here)
    (row,) = store_week(place, frames, WATCHED).outages(*WINDOW).rows(named=True)
    assert (row["kind"], row["scope"]) == ("outage", "site Haifa")
    assert " --team North --team South --kind system " in row["apply"]


@pytest.mark.slow
def test_an_unscheduled_meeting_is_no_outage(place):
    frames = week(23, planted=(Planted(24 + 14.3, 1800, "North", state="Meeting"),)).frames()
    (row,) = store_week(place, frames, WATCHED).outages(*WINDOW).rows(named=True)
    assert (row["kind"], row["scope"]) == ("joint_absence", "team North")
    assert "--kind approved --by YOU --reason 'together in meeting'" in row["apply"]


@pytest.mark.slow
def test_a_feed_that_fell_silent_is_proposed(place):
    frames = week(24).frames()
    start, end = datetime(2026, 3, 4, 11, tzinfo=UTC), datetime(2026, 3, 4, 14, tzinfo=UTC)
    frames["agent_state"] = frames["agent_state"].filter((pl.col("at") < start) | (pl.col("at") >= end))
    found = store_week(place, frames, WATCHED).outages(*WINDOW)
    (row,) = found.filter(pl.col("kind") == "silent_feed").rows(named=True)
    assert (row["scope"], row["start_at"] < start, row["end_at"] >= end) == ("source ncc", True, True)
    assert row["apply"].startswith("wfm import agent_state FILE --source ncc --covers 2026-03-04T1")


@pytest.mark.slow
def test_outages_of_one_team_or_source(outage_centre):
    assert "outage" in outage_centre.outages(*WINDOW, teams="North")["kind"].to_list()
    south = outage_centre.outages(*WINDOW, teams=["South"])
    assert "outage" not in south["kind"].to_list()
    assert south.filter(pl.col("kind") == "feed_gap")["agents"][0] <= 20
    everywhere = outage_centre.outages(*WINDOW, sources="ncc")
    assert "feed_gap" in everywhere["kind"].to_list()
    with pytest.raises(NoDataError, match="No team 'Nord' is known; there are: East, North, South, West"):
        outage_centre.outages(*WINDOW, teams="Nord")
    with pytest.raises(NoDataError, match="No source of agent states 'xsi' is known; there are: ncc"):
        outage_centre.outages(*WINDOW, sources="xsi")


@pytest.mark.slow
def test_each_proposal_says_what_to_do(outage_centre, run):
    ran = run("outages", *OPTIONS)
    assert ran.code == 0
    assert "Undeclared outage: team North, Tue 3 Mar 2026 11:36:0" in ran.out
    assert "   wfm exempt add --from 2026-03-03T11:36:0" in ran.out
    assert ran.err == "3 proposals; nothing was changed.\n"
    told = json.loads(run("outages", *OPTIONS, "--format", "json").raw)
    assert [row["kind"] for row in told] == outage_centre.outages(*WINDOW)["kind"].to_list()


@pytest.mark.usefixtures("outage_centre")
def test_an_empty_window_is_reported(run):
    ran = run("outages", "--from", "2026-03-07", "--to", "2026-03-08")
    assert (ran.code, "Nothing was scheduled from 2026-03-07T00:00:00Z" in ran.err) == (1, True)
    assert run("outages", *OPTIONS, "--history", "soon").code == 2


@pytest.mark.slow
def test_the_real_sample_has_no_outage(sample):
    found = wfm.open(sample).outages("1999-06-13", "1999-06-28")
    assert set(found["kind"]) <= {"unmapped"}


@pytest.mark.slow
def test_a_declared_outage_of_the_sample_stays_declared(sample):
    centre = wfm.open(sample)
    assert centre.read_table("exemption").height > 0
    assert "outage" not in centre.outages("1999-06-20", "1999-06-27")["kind"].to_list()
