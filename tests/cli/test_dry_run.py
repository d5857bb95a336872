"""`wfm dry-run`: it says what an import would do, and stores nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from helpers.golden_day import rows
from helpers.outage_week import OPTIONS, WINDOW
from wfm.core.errors import UsageError


@pytest.mark.slow
def test_a_dry_run_equals_a_later_import(outage_centre):
    before = outage_centre.adherence(*WINDOW, by="agent_id")
    told = outage_centre.dry_run(*WINDOW, maps=["ncc:Team, huddle=meeting"], target=0.9)
    assert outage_centre.read_table("state_map").is_empty()
    Path("new.csv").write_text('source,vendor_state,state\nncc,"Team, huddle",meeting\n')
    outage_centre.import_file("state_map", Path("new.csv"))
    after = outage_centre.adherence(*WINDOW, by="agent_id")
    shown = told.groups.sort("agent_id")
    moved = after.join(shown, on="agent_id", how="semi").sort("agent_id")
    assert shown["adherence_after"].equals(moved["adherence"].alias("adherence_after"))
    unmoved = after.join(shown, on="agent_id", how="anti")
    assert unmoved.equals(before.join(shown, on="agent_id", how="anti"))
    assert set(told.moves["cause"]) == {"mapping Team, huddle: unmapped to meeting"}
    assert told.overall["moved_s"][0] == pytest.approx(told.moves["seconds"].sum())


@pytest.mark.slow
@pytest.mark.usefixtures("outage_centre")
def test_files_words_and_options_combine(run):
    Path("rule.csv").write_text(rows("category,state,in_adherence", "on_queue,away,true"))
    ran = run(
        "dry-run",
        *OPTIONS,
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
    assert "would rise to the target of 90.0 %" in ran.out
    frame = pl.read_csv(run("dry-run", *OPTIONS, "--in", "on_queue:away", "--format", "csv", "--moves").raw)
    assert frame.columns == ["agent_id", "from_class", "to_class", "cause", "seconds", "agents"]


@pytest.mark.slow
def test_without_a_window_the_last_days_are_scored(outage_centre):
    told = outage_centre.dry_run(days=5, fits=["on_queue:away"])
    assert told.window == (date(2026, 3, 4), date(2026, 3, 9))


@pytest.mark.slow
def test_what_touches_nothing_is_noted(outage_centre, run):
    ran = run("dry-run", *OPTIONS, "--map", "ncc:Siesta=break")
    assert ran.code == 0
    assert "note: The window has no state 'Siesta' of source ncc.\n" in ran.err
    assert "nothing would change" in ran.out
    told = outage_centre.dry_run(
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


@pytest.mark.usefixtures("outage_centre")
@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_refused(run, words):
    ran = run("dry-run", *OPTIONS, *words)
    assert (ran.code, WRONG[words] in ran.err) == (2, True), ran.err


def test_a_bad_file_is_reported_by_row(outage_centre, run):
    Path("map.csv").write_text(rows("vendor_state,state", "Coffee,break", "Tea,nap"))
    ran = run("dry-run", *OPTIONS, "--state-map", "map.csv")
    assert ran.code == 1
    assert "row 3, state: 'nap'" in ran.err
    with pytest.raises(UsageError, match="Give both --from and --to"):
        outage_centre.dry_run("2026-03-02", fits=["break:training"])
    with pytest.raises(UsageError, match="A dry run cannot change table 'agent'"):
        outage_centre.dry_run(*WINDOW, tables={"agent": Path("map.csv")})
