"""`wfm outages` and `wfm dry-run` on a database: what they say holds when it is done, and nothing is stored before."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from engine.weeks import Planted, week
from tiny_centre import rows

import wfm
from wfm.errors import NoDataError, UsageError

WINDOW = ("2026-03-02", "2026-03-07")
SAID = ("--from", WINDOW[0], "--to", WINDOW[1])
OUTAGE = Planted(24 + 11.6, 2400, "North")
GAP = (datetime(2026, 3, 5, 14, 20, tzinfo=UTC), datetime(2026, 3, 5, 15, tzinfo=UTC))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A week with an outage of North, a gap in the feed on Thursday, and a state that nobody mapped."""
    home = tmp_path_factory.mktemp("week")
    frames = week(21, planted=(OUTAGE,)).frames()
    strange = (
        pl.when(pl.col("vendor_state") == "meeting").then(pl.lit("Team, huddle")).otherwise("vendor_state")
    )
    frames["agent_state"] = frames["agent_state"].with_columns(vendor_state=strange)
    coverage = pl.DataFrame(
        {
            "source": ["ncc", "ncc"],
            "start_at": [datetime(2026, 3, 1, tzinfo=UTC), GAP[1]],
            "end_at": [GAP[0], datetime(2026, 3, 9, tzinfo=UTC)],
        }
    )
    stored(home, frames, coverage)
    return home / "wfm.duckdb"


def stored(home: Path, frames: dict[str, pl.DataFrame], coverage: pl.DataFrame) -> wfm.Centre:
    centre = wfm.open(home / "wfm.duckdb")
    states = frames["agent_state"].with_columns(source=pl.lit("ncc"), vendor_reason=pl.lit(None, pl.String))
    centre.store.write("agent_state", states, source="ncc", origin="collect", coverage=coverage)
    for name in ("schedule", "agent"):
        frames[name].write_parquet(home / f"{name}.parquet")
        centre.put(name, home / f"{name}.parquet")
    return centre


WATCHED = pl.DataFrame(
    {
        "source": ["ncc"],
        "start_at": [datetime(2026, 3, 1, tzinfo=UTC)],
        "end_at": [datetime(2026, 3, 9, tzinfo=UTC)],
    }
)


@pytest.fixture
def centre(made, place, monkeypatch) -> wfm.Centre:
    (place / "wfm.duckdb").write_bytes(made.read_bytes())
    monkeypatch.setenv("WFM_DATABASE", str(place / "wfm.duckdb"))
    return wfm.open(place / "wfm.duckdb")


def test_every_kind_is_proposed_with_its_evidence(centre):
    found = centre.outages(*WINDOW)
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


def test_a_window_without_anything_is_named_as_it_was_asked_for(centre):
    with pytest.raises(
        NoDataError, match="Nothing is known from 2031-01-01 to 2031-01-03, nor of the 28 days"
    ):
        centre.outages("2031-01-01", "2031-01-03")


def test_the_command_that_is_proposed_would_hold(centre):
    before = centre.outages(*WINDOW)
    words = shlex.split(before.filter(pl.col("kind") == "outage")["apply"][0])
    assert words[:3] == ["wfm", "exempt", "add"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert (given["--team"], given["--kind"], given["--by"]) == ("North", "system", "YOU")
    declared = pl.DataFrame(
        {"start_at": [given["--from"]], "end_at": [given["--to"]], "team": ["North"], "kind": ["system"]}
    )
    declared.write_csv("declared.csv")
    centre.put("exemption", Path("declared.csv"))
    assert "outage" not in centre.outages(*WINDOW)["kind"].to_list()


def test_the_mapping_that_is_proposed_is_a_file_to_import(centre, run):
    word = centre.outages(*WINDOW).filter(pl.col("kind") == "unmapped").row(0, named=True)
    making, _, taking = word["apply"].partition(" && ")
    subprocess.run(["sh", "-c", making], check=True)
    assert Path("state_map.csv").read_text() == 'source,vendor_state,state\nncc,"Team, huddle",meeting\n'
    assert run(*shlex.split(taking)[1:]).code == 0
    assert "unmapped" not in centre.outages(*WINDOW)["kind"].to_list()


def test_a_site_is_named_by_its_teams(place):
    frames = week(22, planted=tuple(Planted(24 + 14.3, 1800, team) for team in ("North", "South"))).frames()
    here = pl.when(pl.col("team").is_in(["North", "South"])).then(pl.lit("Haifa")).otherwise(pl.lit("Lod"))
    frames["agent"] = frames["agent"].with_columns(site=here)
    (row,) = stored(place, frames, WATCHED).outages(*WINDOW).rows(named=True)
    assert (row["kind"], row["scope"]) == ("outage", "site Haifa")
    assert " --team North --team South --kind system " in row["apply"]


def test_a_meeting_that_nobody_scheduled_is_no_outage_of_a_line(place):
    frames = week(23, planted=(Planted(24 + 14.3, 1800, "North", state="Meeting"),)).frames()
    (row,) = stored(place, frames, WATCHED).outages(*WINDOW).rows(named=True)
    assert (row["kind"], row["scope"]) == ("joint_absence", "team North")
    assert "--kind approved --by YOU --reason 'together in meeting'" in row["apply"]


def test_a_feed_that_fell_silent_is_proposed(place):
    frames = week(24).frames()
    start, end = datetime(2026, 3, 4, 11, tzinfo=UTC), datetime(2026, 3, 4, 14, tzinfo=UTC)
    frames["agent_state"] = frames["agent_state"].filter((pl.col("at") < start) | (pl.col("at") >= end))
    found = stored(place, frames, WATCHED).outages(*WINDOW)
    (row,) = found.filter(pl.col("kind") == "silent_feed").rows(named=True)
    assert (row["scope"], row["start_at"] < start, row["end_at"] >= end) == ("source ncc", True, True)
    assert row["apply"].startswith("wfm import agent_state FILE --source ncc --covers 2026-03-04T1")


def test_it_can_be_asked_of_a_team_or_a_source(centre):
    assert "outage" in centre.outages(*WINDOW, teams="North")["kind"].to_list()
    south = centre.outages(*WINDOW, teams=["South"])
    assert "outage" not in south["kind"].to_list()
    assert south.filter(pl.col("kind") == "feed_gap")["agents"][0] <= 20
    everywhere = centre.outages(*WINDOW, sources="ncc")
    assert "feed_gap" in everywhere["kind"].to_list()
    with pytest.raises(NoDataError, match="No team 'Nord' is known; there are: East, North, South, West"):
        centre.outages(*WINDOW, teams="Nord")
    with pytest.raises(NoDataError, match="No source of agent states 'xsi' is known; there are: ncc"):
        centre.outages(*WINDOW, sources="xsi")


def test_on_the_screen_each_proposal_says_what_to_do(centre, run):
    ran = run("outages", *SAID)
    assert ran.code == 0
    assert "Outage that nobody declared: team North, Tue 3 Mar 2026 11:36:0" in ran.out
    assert "   wfm exempt add --from 2026-03-03T11:36:0" in ran.out
    assert ran.err == "3 proposals; nothing was changed.\n"
    told = json.loads(run("outages", *SAID, "--format", "json").raw)
    assert [row["kind"] for row in told] == centre.outages(*WINDOW)["kind"].to_list()


@pytest.mark.usefixtures("centre")
def test_a_window_in_which_nothing_was_scheduled_says_so(run):
    ran = run("outages", "--from", "2026-03-07", "--to", "2026-03-08")
    assert (ran.code, "Nothing was scheduled from 2026-03-07T00:00:00Z" in ran.err) == (1, True)
    assert run("outages", *SAID, "--history", "soon").code == 2


def test_the_real_sample_has_no_outage(sample):
    found = wfm.open(sample).outages("1999-06-13", "1999-06-28")
    assert set(found["kind"]) <= {"unmapped"}


def test_a_declared_outage_of_the_sample_stays_declared(sample):
    centre = wfm.open(sample)
    assert centre.get("exemption").height > 0
    assert "outage" not in centre.outages("1999-06-20", "1999-06-27")["kind"].to_list()


# --- dry run ----------------------------------------------------------------------------------------------
def test_a_dry_run_says_what_an_import_would_do(centre):
    before = centre.adherence(*WINDOW, by="agent_id")
    told = centre.dry_run(*WINDOW, maps=["ncc:Team, huddle=meeting"], target=0.9)
    assert centre.get("state_map").is_empty()
    Path("new.csv").write_text('source,vendor_state,state\nncc,"Team, huddle",meeting\n')
    centre.put("state_map", Path("new.csv"))
    after = centre.adherence(*WINDOW, by="agent_id")
    shown = told.groups.sort("agent_id")
    moved = after.join(shown, on="agent_id", how="semi").sort("agent_id")
    assert shown["adherence_after"].equals(moved["adherence"].alias("adherence_after"))
    unmoved = after.join(shown, on="agent_id", how="anti")
    assert unmoved.equals(before.join(shown, on="agent_id", how="anti"))
    assert set(told.moves["cause"]) == {"mapping Team, huddle: unmapped to meeting"}
    assert told.whole["moved_s"][0] == pytest.approx(told.moves["seconds"].sum())


@pytest.mark.usefixtures("centre")
def test_a_file_and_words_and_options_can_be_tried_together(run):
    Path("rule.csv").write_text(rows("category,state,in_adherence", "on_queue,away,true"))
    ran = run(
        "dry-run",
        *SAID,
        "--rule",
        "rule.csv",
        "--map",
        "Team, huddle=meeting",
        "--not-in",
        "break:break",
        "--option",
        "wrapup_grace=60",
        "--target",
        "0.9",
        "--by",
        "team",
    )
    assert ran.code == 0, ran.err
    assert ran.out.startswith("From 2026-03-02 to 2026-03-07 adherence would go from ")
    for cause in (
        "rule on_queue, away: in",
        "rule break, break: out",
        "mapping Team, huddle: unmapped to meeting",
    ):
        assert cause in ran.out
    assert "would rise to 90.0 %" in ran.out
    frame = pl.read_csv(run("dry-run", *SAID, "--in", "on_queue:away", "--format", "csv", "--moves").raw)
    assert frame.columns == ["agent_id", "from_class", "to_class", "cause", "seconds", "agents"]


def test_without_a_window_it_is_the_last_days_that_are_known(centre):
    told = centre.dry_run(days=5, fits=["on_queue:away"])
    assert told.window == (date(2026, 3, 4), date(2026, 3, 9))


def test_what_touches_nothing_is_noted(centre, run):
    ran = run("dry-run", *SAID, "--map", "ncc:Siesta=break")
    assert ran.code == 0
    assert "note: The window has no state 'Siesta' of source ncc.\n" in ran.err
    assert "nothing would change" in ran.out
    told = centre.dry_run(
        *WINDOW, tables={"activity": pl.DataFrame({"activity": ["yoga"], "category": ["break"]})}
    )
    assert told.notes == ("No agent is scheduled for 'yoga' in the window.",)


WRONG = {
    (): "There is no change to try",
    ("--map", "Coffee"): "write SOURCE:VENDOR STATE=state",
    ("--map", "ncc:Coffee=pause"): "there is no state 'pause'",
    ("--in", "rest:away"): "'rest' is not one of on_queue",
    ("--not-in", "break:asleep"): "'asleep' is not one of",
    ("--option", "grace=60"): "there is no such option; choose from state_renewal",
    ("--option", "wrapup_grace=long"): "give seconds, or a duration like 90s",
    ("--option", "state_evidence=yes"): "write true or false",
    ("--in", "break:away", "--target", "90"): "above 0 and up to 1",
    ("--in", "break:training", "--by", "shoe"): "Cannot group by 'shoe'",
}


@pytest.mark.usefixtures("centre")
@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_words_are_told(run, words):
    ran = run("dry-run", *SAID, *words)
    assert (ran.code, WRONG[words] in ran.err) == (2, True), ran.err


def test_a_bad_file_is_told_by_row_and_nothing_is_tried(centre, run):
    Path("map.csv").write_text(rows("vendor_state,state", "Coffee,break", "Tea,nap"))
    ran = run("dry-run", *SAID, "--state-map", "map.csv")
    assert ran.code == 1
    assert "row 3, state: 'nap'" in ran.err
    with pytest.raises(UsageError, match="Give both --from and --to"):
        centre.dry_run("2026-03-02", fits=["break:training"])
    with pytest.raises(UsageError, match="A dry run cannot change table 'agent'"):
        centre.dry_run(*WINDOW, tables={"agent": Path("map.csv")})
