"""Exempt, revoke, restore, list, and what changed: hand-computed figures of the golden day, and bad input."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

import wfm
from helpers.exempted_centre import ADD, LATE, excuse
from helpers.golden_day import DAY, NEXT, rows
from wfm.cli import main
from wfm.core.errors import InputError, NoDataError, UsageError

SECONDS = ["approved_s", "system_s", "call_driven_s", "controllable_s"]


def golden(centre: wfm.Centre, as_of: datetime | None = None) -> tuple[float, ...]:
    return centre.adherence(DAY, NEXT, as_of=as_of).select(SECONDS).row(0)


# --- decisions ------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_exemption_turns_the_late_minutes_into_approved_ones(centre):
    made = excuse(centre)
    (row,) = made.figures.to_dicts()
    assert (row["agent_id"], row["workday"], row["team"]) == ("ann", date(2026, 3, 2), "Bänk")
    assert (row["controllable_change_s"], row["approved_change_s"]) == (-180, 180)
    assert (row["adherence_adjusted_before"], row["adherence_adjusted_after"]) == (0.99375, 1.0)
    assert made.moves.rows() == [("ann", date(2026, 3, 2), "controllable", "approved", 180.0)]
    assert golden(centre) == (180, 0, 720, 0)


@pytest.mark.slow
def test_dry_run_stores_nothing_until_it_is_saved(centre):
    before = centre.read_table("exemption")
    made = excuse(centre, dry_run=True)
    assert made.rows["id"].to_list() == [None]
    assert centre.read_table("exemption").equals(before)
    assert golden(centre) == (0, 0, 720, 180)
    (name,) = made.save().rows["id"]
    assert centre.exemptions(agents="ann").filter(pl.col("id") == name)["by"].to_list() == ["Dana"]


@pytest.mark.slow
def test_team_excludes_logins_that_vendors_list_as_agents(centre, tiny):
    (tiny / "listed.csv").write_text("agent_id,name,team\n2001,Änn O'Neill,Bänk\n", encoding="utf-8")
    centre.import_file("agent", tiny / "listed.csv")
    made = excuse(centre, agents=None, teams="Bänk")
    assert made.moves.rows() == [("ann", date(2026, 3, 2), "controllable", "approved", 180.0)]
    assert (made.team_figures["team"].to_list(), made.notes) == (["Bänk"], ())
    again = excuse(centre, reason="the same bus", dry_run=True)
    (note,) = (note for note in again.notes if note.startswith("Overlaps"))
    assert note.endswith("for 1 agent(s).")
    (name,) = made.rows["id"]
    gone = centre.revoke(name, by="Eve")
    assert gone.moves.rows() == [("ann", date(2026, 3, 2), "approved", "controllable", 180.0)]


@pytest.mark.slow
def test_outage_wins_over_an_approval_and_over_calls(centre):
    excuse(centre)
    made = centre.exempt(
        DAY, NEXT, everybody=True, by="ops", reason="power cut", kind="system", code="outage"
    )
    assert made.team_figures["team"].to_list() == ["Bänk"]
    assert made.moves.select("class_before", "class_after", "seconds").rows() == [
        ("call_driven", "system", 720.0),
        ("approved", "system", 180.0),
    ]
    assert golden(centre) == (0, 900, 0, 0)


@pytest.mark.slow
def test_revoked_exemption_counts_as_of_before_and_restores(centre):
    (name,) = excuse(centre).rows["id"]
    held = datetime.now(UTC)
    gone = centre.revoke(name, by="Eve", reason="wrong bus")
    assert gone.moves.rows() == [("ann", date(2026, 3, 2), "approved", "controllable", 180.0)]
    revoked = datetime.now(UTC)
    assert golden(centre) == (0, 0, 720, 180)
    assert golden(centre, held) == (180, 0, 720, 0)
    assert centre.restore(name, by="Fay").rows["id"].to_list() == [name]
    assert [golden(centre, at) for at in (None, revoked)] == [(180, 0, 720, 0), (0, 0, 720, 180)]
    states = [
        centre.exemptions(DAY, NEXT, revoked=True, as_of=at)["state"].to_list()
        for at in (held, revoked, None)
    ]
    assert states == [["in_force"], ["revoked"], ["in_force"]]
    said = centre.exemptions(DAY, NEXT, revoked=True, as_of=revoked).row(0, named=True)
    assert (said["revoked_by"], said["decision"]) == ("Eve", "revoked by Eve: wrong bus")
    assert centre.exemptions(DAY, NEXT)["decision"].to_list() == ["restored by Fay"]


@pytest.mark.slow
def test_id_is_stable_across_databases_and_abbreviable(centre, tiny):
    (name,) = excuse(centre).rows["id"]
    centre.read_table("exemption").write_csv(tiny / "moved.csv")
    other = wfm.open(tiny / "other.duckdb")
    other.import_file("exemption", tiny / "moved.csv")
    assert name in other.exemptions()["id"].to_list()
    assert centre.revoke(name[:6].upper(), by="Eve").rows["id"].to_list() == [name]


@pytest.mark.slow
def test_all_or_none_of_several_are_revoked(centre):
    (name,) = excuse(centre).rows["id"]
    with pytest.raises(NoDataError, match=r"There is no exemption x0000000000; `wfm exempt list --revoked`"):
        centre.revoke([name, "x0000000000"], by="Eve")
    assert golden(centre) == (180, 0, 720, 0)
    centre.revoke(name, by="Eve")
    with pytest.raises(InputError, match=f"{name} is already revoked, by Eve"):
        centre.revoke(name, by="Gil")
    centre.restore(name, by="Eve")
    with pytest.raises(InputError, match=f"{name} is in force"):
        centre.restore(name, by="Gil")


@pytest.mark.slow
def test_exemption_revoked_meanwhile_is_not_revoked_twice(centre):
    (name,) = excuse(centre).rows["id"]
    dry = centre.revoke(name, by="Eve", dry_run=True)
    centre.revoke(name, by="Gil")
    with pytest.raises(InputError, match="already revoked, by Gil"):
        dry.save()
    assert centre.exemptions(DAY, NEXT, revoked=True)["revoked_by"].to_list() == ["Gil"]


@pytest.mark.slow
def test_same_twice_is_refused_and_overlap_is_said(centre):
    (name,) = excuse(centre).rows["id"]
    with pytest.raises(InputError, match=f"ann is already exempted from .*, by {name}"):
        excuse(centre)
    made = centre.exempt(LATE[0], f"{DAY}T09:00Z", teams="Bänk", by="Dana", reason="snow")
    assert made.notes == (
        f"Overlaps {name} (ann, approved, 2026-03-02 08:00Z to 2026-03-02 08:30Z) for 1 agent(s).",
        "It changes no score: no second changes its class.",
    )


def test_uncovered_time_can_be_exempted_with_a_note(centre):
    made = centre.exempt("2027-01-01", "2027-01-02", everybody=True, by="ops", reason="holiday")
    assert made.notes == (
        "There are no schedules or states for that time yet; it will count once there are.",
    )
    assert centre.exemptions("2027-01-01")["note"].to_list() == ["holiday"]


@pytest.mark.parametrize(
    ("said", "error", "complaint"),
    [
        ({"by": " "}, UsageError, "Say who decides"),
        ({"reason": ""}, UsageError, "Say why"),
        ({"agents": None}, UsageError, "Say for whom"),
        ({"everybody": True}, UsageError, "Say for whom"),
        ({"agents": "amn"}, NoDataError, "No agent 'amn' is known"),
        ({"agents": None, "teams": "Bank"}, NoDataError, "No team 'Bank' is known; did you mean Bänk"),
        ({"kind": "sick"}, UsageError, "There is no kind 'sick': choose from"),
    ],
)
def test_errors_are_reported_and_nothing_is_stored(centre, said, error, complaint):
    before = centre.read_table("collection").height
    with pytest.raises(error, match=complaint):
        excuse(centre, **said)
    assert centre.read_table("collection").height == before


@pytest.mark.parametrize(
    ("span", "complaint"),
    [
        ((LATE[1], LATE[0]), "is not after"),
        ((f"{DAY}T08:00", f"{DAY}T09:00"), "give the offset"),
        (("yesterday", NEXT), "is neither a day"),
    ],
)
def test_an_instant_that_is_none_is_refused(centre, span, complaint):
    with pytest.raises(UsageError, match=complaint):
        centre.exempt(*span, agents="ann", by="Dana", reason="so")


@pytest.mark.slow
def test_list_of_agent_has_their_teams_and_everybodys(centre):
    excuse(centre)
    centre.exempt(DAY, NEXT, everybody=True, by="ops", reason="storm")
    assert centre.exemptions(agents="ann")["note"].to_list() == [
        "storm",
        "bus strike",
        "a note, with a comma",
    ]
    assert centre.exemptions(teams="Bänk")["note"].to_list() == ["a note, with a comma"]
    assert centre.exemptions(LATE[1], NEXT)["note"].to_list() == ["storm"]


# --- files ----------------------------------------------------------------------------------------------
def bulk(*lines: str, header: str = "start_at,end_at,agent_id,note") -> Path:
    path = Path("bulk.csv")
    path.write_text(rows(header, *lines))
    return path


@pytest.mark.slow
def test_file_is_stored_as_a_whole_and_signed(centre):
    path = bulk(f"{LATE[0]},{LATE[1]},ann,bus", f"{DAY}T10:00Z,{DAY}T10:30Z,ann,")
    made = centre.exempt_file(path, by="Dana", reason="as agreed")
    assert made.rows["note"].to_list() == ["bus", "as agreed"]
    assert golden(centre) == (900, 0, 0, 0)


@pytest.mark.parametrize(
    ("lines", "header", "complaint"),
    [
        ((f"{LATE[0]},{LATE[1]},ann,",), None, "row 2: it does not say why"),
        ((f"{LATE[0]},{LATE[1]},ann,x", f"{LATE[1]},{LATE[0]},ann,x"), None, "row 3, end_at"),
        ((f"{LATE[0]},{LATE[1]},ann,x", f"{LATE[0]},{LATE[1]},zoe,x"), None, "No agent 'zoe'"),
        ((f"{LATE[0]},{LATE[1]},x,2999-01-01T00:00Z",), "start_at,end_at,note,made_at", "made_at|year"),
        ((f"{LATE[0]},{LATE[1]},x,2026-03-04T00:00Z",), "start_at,end_at,note,revoked_at", "already revoked"),
    ],
)
def test_one_bad_row_keeps_the_whole_file_out(centre, lines, header, complaint):
    before = centre.read_table("exemption")
    with pytest.raises(wfm.WfmError, match=complaint):
        centre.exempt_file(bulk(*lines, **({"header": header} if header else {})), by="Dana")
    assert centre.read_table("exemption").equals(before)


def test_a_file_that_nobody_signs_is_refused(centre):
    with pytest.raises(InputError, match="row 2: it does not say who approved it"):
        centre.exempt_file(bulk(f"{LATE[0]},{LATE[1]},ann,x"))


# --- the command line -----------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_without_a_terminal_nothing_is_stored_unless_told(run):
    done = run(*ADD)
    assert (done.code, done.out) == (2, "")
    assert "add --yes to store it, or --dry-run" in done.err
    dry = run(*ADD, "--dry-run")
    assert dry.code == 0
    assert "Nothing was stored" in dry.err
    assert "bus strike" not in run("exempt", "list").out


class Terminal:
    """A keyboard at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("said", "stored"), [("y", True), ("n", False)])
def test_at_a_terminal_somebody_is_asked(run, monkeypatch, said, stored):
    from wfm.cli.commands import exempt

    asked = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(exempt.typer, "confirm", lambda text, **_: asked.append(text) or said == "y")
    main([str(word) for word in ADD])
    assert asked == ["Store 1 exemption?"]
    assert ("bus strike" in run("exempt", "list").out) == stored


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_add_revoke_restore_and_list_from_command_line(run):
    done = run(*ADD, "--yes")
    assert done.code == 0
    assert "controllable   approved      3 min 00 s" in done.out
    name = done.out.split()[-1].rstrip(".")
    gone = run("exempt", "revoke", name, "--by", "Eve", "--reason", "no", "--yes")
    assert gone.out.endswith(f"Revoked 1 exemption: {name}.\n")
    assert name not in run("exempt", "list").out
    assert "revoked by Eve: no" in run("exempt", "list", "--revoked", "--agent", "ann").out
    assert run("exempt", "restore", name, "--by", "Eve", "--yes").code == 0
    listed = pl.read_csv(run("exempt", "list", "--format", "csv").raw)
    assert listed.filter(pl.col("id") == name)["state"].to_list() == ["in_force"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("add", "--to", NEXT, "--all", "--by", "x", "--reason", "y"),
            "Say when: --from INSTANT --to INSTANT",
        ),
        (("add", "--from", DAY, "--to", NEXT, "--all", "--reason", "y"), "Say who decides: --by WHO"),
        (("add", "--from", DAY, "--to", NEXT, "--all", "--by", "y"), "Say why: --reason TEXT"),
        (("add", "--file", "a.csv", "--all", "--by", "y"), "--file itself says when"),
        (("revoke", "x12345"), "Say who decides: --by WHO"),
        (("revoke", "x", "--by", "me"), "give at least the first 4 characters"),
    ],
)
def test_wrong_usage_is_named(run, words, complaint):
    done = run("exempt", *words, "--yes")
    assert done.code == 2
    assert complaint in done.err
