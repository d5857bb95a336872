"""`wfm explain`: the golden day word for word, one instant, files that can be joined, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, rows
from helpers.paths import TESTS
from wfm.storage.batches import store_batch
from wfm.storage.database import Database

GOLDEN = TESTS / "recordings" / "explained"


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def plain(text: str) -> str:
    """Leave out when rows were recorded, and spaces at the ends of lines."""
    return re.sub(
        r"[ ]+$", "", re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", "(recorded)          ", text), flags=re.M
    )


def into(centre: wfm.Centre, table: str, *lines: str) -> None:
    path = Path(f"more-{table}.csv")
    path.write_text(rows(*lines))
    centre.import_file(table, path, source="pbx")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_day_shows_lanes_scores_and_rows(run):
    told = run("explain", "ann", DAY).out
    for words in (
        "ann, Mon 2 Mar 2026",
        "adherence 96.9 %",
        "late start",
        "leg-1 was in progress at 10:00:00",
        "The stored rows",
        "agent_state.csv, 2",
        "schedule.csv, 2",
        "one letter is",
    ):
        assert words in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"), [("day", ()), ("instant", ("--at", "10:16")), ("rows", ("--rows",))]
)
@pytest.mark.usefixtures("tiny")
def test_the_golden_day_is_explained_word_for_word(run, name: str, words: tuple[str, ...]) -> None:
    done = run("explain", "ann", DAY, *words)
    assert done.code == 0
    assert plain(done.out) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_script_can_join_stretches_to_their_rows(run) -> None:
    slices = read(run("explain", "ann", DAY, "--format", "csv").out)
    behind = {row["row"]: row for row in read(run("explain", "ann", DAY, "--rows", "--format", "csv").out)}
    ids = [name for name in slices[0] if name.endswith("_row")]
    assert len(ids) == 8
    for one in slices:
        named = [one[name] for name in ids if one[name]] + one["leg_rows"].split()
        assert set(named) <= set(behind)
    late, over = slices[0], slices[3]
    assert late["rule"].startswith("controllable: on_queue × logged_out is out of adherence")
    assert behind[late["state_row"]]["at"] == f"{DAY}T08:03:00Z"
    assert behind[over["schedule_row"]]["what"] == "break"
    assert behind[over["leg_rows"]]["what"] == "leg-1 sales answered"
    assert (over["class"], over["reason"]) == ("call_driven", "call_overrun")
    told = json.loads(run("explain", "ann", DAY, "--format", "json").out)
    assert [one["rule"] for one in told] == [one["rule"] for one in slices]
    assert told[3]["leg_rows"] in ([over["leg_rows"]], over["leg_rows"])


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_an_instant_says_what_other_rules_needed(run) -> None:
    found = {
        one["test"]: one for one in read(run("explain", "ann", DAY, "--at", "08:01", "--format", "csv").out)
    }
    assert list(found) == ["unknown", "in", "system", "approved", "call_driven", "controllable"]
    assert [name for name, one in found.items() if one["decides"] == "true"] == ["controllable"]
    assert (
        "in adherence with on_queue are: busy, hold, ringing, wrapup, available, working"
        in found["in"]["why"]
    )
    assert "needs an outage that covers 08:01:00, for ann, their team or everybody" in found["system"]["why"]
    assert "call overrun: needs a counted activity off the queue" in found["call_driven"]["why"]
    assert "shifted break: needs a break or meal right before 08:00:00" in found["call_driven"]["why"]
    assert found["in"]["at"] == f"{DAY}T08:01:00Z"


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_local_time_is_an_instant(run) -> None:
    asked = [
        run("explain", "ann", DAY, "--at", at).out
        for at in ("10:16", f"{DAY}T10:16:00Z", f"{DAY}T12:16+02:00")
    ]
    assert asked[0] == asked[1] == asked[2]
    assert "ann, Mon 2 Mar 2026 10:16:00" in asked[0]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_night_shift_reaches_into_the_next_day(run) -> None:
    into(
        wfm.open(),
        "schedule",
        "agent_id,start_at,end_at,activity",
        "ann,2026-03-10T22:00:00Z,2026-03-11T06:00:00Z,phone",
    )
    assert "Wed 11 Mar 2026 01:30:00" in run("explain", "ann", "2026-03-10", "--at", "01:30").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--at", "25:00"),
            "--at 25:00: give an instant like 2026-03-02T10:16:00+02:00, or a local time like 10:16.",
        ),
        (
            ("--at", "03:00"),
            "--at 03:00 is outside ann's workday 2026-03-02, which is from 08:00:00 to 16:10:00 (UTC)",
        ),
        (("--at", f"{DAY}T20:00Z"), "is from 08:00:00 to 16:10:00"),
        (("--at", DAY), "give an instant like"),
        (("--at", "noon"), "neither a day like"),
        (("--at", f"{DAY}T10:00"), "give the offset"),
        (("--payload", "here"), "give a payload id like 6/17"),
        (("--payload", "6/17", "--rows"), "leave out --at, --rows"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_wrong_usage_is_refused(run, words: tuple[str, ...], said: str) -> None:
    done = run("explain", "ann", DAY, *words)
    assert done.code == 2
    assert said in done.err


@pytest.mark.usefixtures("tiny")
def test_an_unknown_payload_is_reported(run) -> None:
    done = run("explain", "ann", DAY, "--payload", "1/0")
    assert done.code == 1
    assert "No payload 1/0 is stored" in done.err


def test_a_payload_is_printed_as_received(tiny: Path, run) -> None:
    body = b'\xef\xbb\xbf{"a": [1, 2]}\r\n\x00'
    store_batch(
        Database(tiny / "wfm.duckdb"),
        name="one",
        source="pbx",
        feed="agent_state",
        window=None,
        result="complete",
        note="",
        payloads=[(datetime(2026, 3, 2, tzinfo=UTC), {}, body)],
        tables={},
    )
    place = wfm.open().read_table("payload").select(pl.format("{}/{}", "collection_id", "position")).item()
    assert run("explain", "ann", DAY, "--payload", place).raw == body


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_every_kind_of_rule_has_words(run) -> None:
    centre = wfm.open()
    into(
        centre,
        "agent_state",
        "login,at,vendor_state",
        "2001,2026-03-02T15:00:00Z,Weird",
        "2001,2026-03-02T15:10:00Z,Meeting",
        "2001,2026-03-02T15:50:00Z,Available",
    )
    into(
        centre,
        "exemption",
        "start_at,end_at,kind,agent_id,team,code,note,by,made_at,revoked_at",
        "2026-03-02T15:10:00Z,2026-03-02T15:20:00Z,approved,ann,,doctor,a visit,boss,2026-03-01T08:00:00Z,",
        "2026-03-02T15:20:00Z,2026-03-02T15:30:00Z,system,,Bänk,power,,ops,2026-03-01T08:00:00Z,",
        "2026-03-02T15:30:00Z,2026-03-02T15:40:00Z,approved,,,,,boss,2026-03-01T08:00:00Z,2026-03-02T09:00:00Z",
    )
    rules = {
        one["start_at"][11:16]: one["rule"] for one in read(run("explain", "ann", DAY, "--format", "csv").out)
    }
    assert rules["15:00"] == "unknown: no row of state_map maps 'Weird' of pbx"
    assert rules["15:10"].endswith(
        "and the exemption more-exemption.csv row 2 (15:10:00 to 15:20:00 for ann: doctor, a visit, by boss) excuses it"
    )
    assert (
        "the outage more-exemption.csv row 3 (15:20:00 to 15:30:00 for team Bänk: power, by ops)"
        in rules["15:20"]
    )
    assert rules["15:30"].startswith("controllable: on_queue × meeting is out of adherence by rule row")
    asked = run("explain", "ann", DAY, "--at", "15:35").out
    assert "was revoked 2026-03-02 09:00" in re.sub(r"\s+", " ", asked)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_of_several_logins_the_counting_one_is_named(run) -> None:
    centre = wfm.open()
    into(centre, "login", "source,login,agent_id", "crm,77,ann")
    path = Path("crm.csv")
    path.write_text(
        rows("login,at,vendor_state", f"77,{DAY}T08:00:00Z,Meeting", f"77,{DAY}T09:00:00Z,Logged out")
    )
    centre.import_file("agent_state", path, source="crm")
    asked = re.sub(r"\s+", " ", run("explain", "ann", DAY, "--at", "08:30").out)
    assert "pbx 2001 entered Available at 08:03:00" in asked
    assert "of 2 logins this one counts: its state is in adherence" in asked
    assert "crm 77, which reports meeting" in asked
    day = run("explain", "ann", DAY).out
    assert "Available @pbx" in day
    assert "Meeting @crm" in day
    late = read(run("explain", "ann", DAY, "--format", "csv").out)[0]
    assert (late["source"], late["login"], late["state"]) == ("crm", "77", "meeting")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_unknown_time_has_a_reason(run) -> None:
    centre = wfm.open()
    into(centre, "agent", "agent_id,timezone", "bob,UTC")
    into(centre, "login", "source,login,agent_id", "pbx,2002,bob")
    path = Path("night.csv")
    path.write_text(rows("login,at,vendor_state", "2002,2026-03-05T02:00:00Z,Available"))
    centre.import_file("agent_state", path, source="pbx", covers=("2026-03-05T00:00Z", "2026-03-05T21:00Z"))
    into(
        centre,
        "schedule",
        "agent_id,start_at,end_at,activity",
        "bob,2026-03-05T16:00:00Z,2026-03-05T22:00:00Z,phone",
    )
    rules = [one["rule"] for one in read(run("explain", "bob", "2026-03-05", "--format", "csv").out)]
    assert (
        "unknown: pbx 2002 reported nothing for 16 h (WFM_STATE_RENEWAL_S), so the state has expired: "
        "a lost logout must not count as hours of work" in rules
    )
    assert "unknown: pbx has no coverage after 21:00:00" in rules
