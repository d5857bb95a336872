"""The slow twin itself: the golden day to the second, and one small hand-computed case per rule."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.drawn_days import COLUMNS, Day, days, draw, frame, golden, picture
from helpers.examples import slow_examples
from helpers.slow_twin import OUT, Score, instant, slow_score


@pytest.mark.slow
def test_golden_day_figures() -> None:
    score = slow_score(**golden())
    assert len(score.seconds) == 480 * 60
    assert score.totals("agent_id") == {
        ("a",): {
            "scheduled_s": 480 * 60,
            "in_s": 465 * 60,
            "approved_s": 0,
            "call_driven_s": 12 * 60,
            "system_s": 0,
            "unknown_s": 0,
            "controllable_s": 3 * 60,
            "scheduled_work_s": 420 * 60,
            "worked_s": 417 * 60,
            "adherence": 0.96875,
            "adherence_adjusted": 0.99375,
            "adherence_low": 0.96875,
            "adherence_high": 0.96875,
            "coverage": 1.0,
            "conformance": 417 / 420,
        }
    }


@pytest.mark.slow
def test_golden_day_exceptions() -> None:
    found = slow_score(**golden()).exceptions()
    names = ("seconds", "activity", "state", "class", "reason", "impact", "evidence")
    told = [(f"{one['start']:%H:%M}", f"{one['end']:%H:%M}", *(one[n] for n in names)) for one in found]
    assert told == [
        ("08:00", "08:03", 180, "on_queue", "logged_out", "controllable", "late_start", "negative", []),
        ("10:00", "10:06", 360, "break", "busy", "call_driven", "call_overrun", "positive", ["leg-1"]),
        ("10:15", "10:21", 360, "on_queue", "break", "call_driven", "shifted_break", "negative", ["leg-1"]),
        ("16:00", "16:10", 600, None, "available", None, "unscheduled_work", "positive", []),
    ]
    assert [one["evidence_kind"] for one in found] == [None, "call", "call", None]
    assert {one["workday"] for one in found} == {date(2026, 3, 2)}
    assert {one["agent_id"] for one in found} == {"a"}


# --- drawings: one letter per minute ---------------------------------------------------------------------
def at(clock: str, day: str = "2026-03-02") -> datetime:
    """Give an instant of the day that drawings begin on (at 08:00)."""
    return datetime.fromisoformat(f"{day}T{clock}:00+00:00")


def score(*lines: str, step_s: int = 60, letters: dict[str, str] | None = None, **more: Any) -> Score:
    tables = draw(*lines, step_s=step_s, letters=letters)
    return slow_score(**{**tables, **more}, step_s=step_s)


def both(*lines: str, agent: str = "a", step_s: int = 60, **more: Any) -> tuple[str, str]:
    """Give the classes and the reasons, a letter per step (`days.CLASS_LETTERS`, `days.REASON_LETTERS`)."""
    found = score(*lines, step_s=step_s, **more)
    return (
        picture(found.seconds, agent, "class", step_s),
        picture(found.seconds, agent, "reason", step_s),
    )


def activities(found: Score, agent: str = "a") -> list[tuple[str, int, int, date]]:
    """Give the segments: activity, first and past second counted from 08:00 in minutes, workday."""
    zero = int(at("08:00").timestamp())
    segments: dict[int, list[dict[str, Any]]] = {}
    for one in found.seconds:
        if one["agent_id"] == agent:
            segments.setdefault(one["segment"], []).append(one)
    return [
        (
            some[0]["activity"],
            (some[0]["second"] - zero) // 60,
            (some[-1]["second"] + found.step_s - zero) // 60,
            some[0]["workday"],
        )
        for some in segments.values()
    ]


def shifts(found: Score, agent: str = "a") -> list[tuple[datetime, date]]:
    starts = {(one["shift"], one["workday"]) for one in found.seconds if one["agent_id"] == agent}
    return [(instant(start), workday) for start, workday in sorted(starts)]


DAY = date(2026, 3, 2)


# the schedule
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("sched QQQQQQ", "sched ..BB.."), [("on_queue", 0, 2), ("break", 2, 4), ("on_queue", 4, 6)]),
        # what started last wins, however the rows arrive
        (("sched ..BB..", "sched QQQQQQ"), [("on_queue", 0, 2), ("break", 2, 4), ("on_queue", 4, 6)]),
        (
            ("sched QQQQQQ", "sched .MMMMM", "sched ..B..."),
            [("on_queue", 0, 1), ("meal", 1, 2), ("break", 2, 3), ("meal", 3, 6)],
        ),
        # a row inside that outlives the one around it
        (("sched QQQQ..", "sched ..TTTT"), [("on_queue", 0, 2), ("training", 2, 6)]),
        # the same start: what ends first
        (("sched BB....", "sched QQQQQQ"), [("break", 0, 2), ("on_queue", 2, 6)]),
        # the same span: the later row
        (("sched QQ", "sched TT"), [("training", 0, 2)]),
        (("sched TT", "sched QQ"), [("on_queue", 0, 2)]),
        # touching stretches of one activity are one segment, from different rows as well
        (("sched QQ....", "sched ..QQQQ"), [("on_queue", 0, 6)]),
        (("sched QQQQ", "sched .QQ."), [("on_queue", 0, 4)]),
        # the same category alone does not join
        (("sched QQPP",), [("on_queue", 0, 2), ("phone", 2, 4)]),
    ],
)
def test_nested_rows(lines: tuple[str, ...], expected: list[tuple[str, int, int]]) -> None:
    assert activities(score(*lines, "state A")) == [(*one, DAY) for one in expected]


def test_unknown_activity_is_refused() -> None:
    with pytest.raises(ValueError, match="siesta"):
        score("sched X", "state A", letters={"X": "siesta"})


def plan(*rows: tuple[str, ...]) -> pl.DataFrame:
    """Make a schedule of agent a from (start, end, activity[, published])."""
    made = []
    for start, end, activity, *published in rows:
        made.append({"agent_id": "a", "start_at": when(start), "end_at": when(end), "activity": activity})
        if published and published[0]:
            made[-1]["published_at"] = when(published[0])
    return frame("schedule", made)


def when(text: str) -> datetime:
    """Read `02T08:00` as an instant of March 2026."""
    return datetime.fromisoformat(f"2026-03-{text}:00+00:00")


NOBODY = frame("agent_state", [])


def test_shifts_split_at_more_than_three_hours() -> None:
    split = plan(("02T08:00", "02T09:00", "on_queue"), ("02T12:00", "02T13:00", "on_queue"))
    assert shifts(slow_score(split, NOBODY, step_s=60)) == [(when("02T08:00"), DAY)]
    split = plan(("02T08:00", "02T09:00", "on_queue"), ("02T12:01", "02T13:00", "on_queue"))
    assert shifts(slow_score(split, NOBODY, step_s=60)) == [(when("02T08:00"), DAY), (when("02T12:01"), DAY)]


def test_long_time_off_is_shift_of_its_own() -> None:
    rows = (("02T06:00", "02T08:00", "on_queue"), ("02T16:00", "02T17:00", "on_queue"))
    alone = plan(*rows, ("02T08:00", "02T16:00", "time_off"))
    assert [at for at, _ in shifts(slow_score(alone, NOBODY, step_s=60))] == [
        when("02T06:00"),
        when("02T08:00"),
        when("02T16:00"),
    ]
    shorter = plan(*rows, ("02T08:01", "02T16:00", "time_off"))
    assert [at for at, _ in shifts(slow_score(shorter, NOBODY, step_s=60))] == [when("02T06:00")]
    counted = frame("activity", [{"activity": "time_off", "category": "time_off", "counted": True}])
    assert len(shifts(slow_score(alone, NOBODY, activity=counted, step_s=60))) == 1


def test_workday_is_the_local_date_of_the_start() -> None:
    night = plan(("02T20:00", "03T04:00", "on_queue"))
    assert shifts(slow_score(night, NOBODY, step_s=60)) == [(when("02T20:00"), date(2026, 3, 2))]
    there = slow_score(night, NOBODY, timezone="Asia/Kathmandu", step_s=60)
    assert shifts(there) == [(when("02T20:00"), date(2026, 3, 3))]
    agent = frame("agent", [{"agent_id": "a", "timezone": "America/New_York"}])
    own = slow_score(plan(("02T04:00", "02T05:00", "break")), NOBODY, agent=agent, timezone="UTC", step_s=60)
    assert shifts(own) == [(when("02T04:00"), date(2026, 3, 1))]


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("Asia/Jerusalem", "2026-03-26T22:00", "2026-03-27T21:00", 23),
        ("Asia/Jerusalem", "2026-10-24T21:00", "2026-10-25T22:00", 25),
        ("Europe/London", "2026-03-29T00:00", "2026-03-29T23:00", 23),
        ("Australia/Lord_Howe", "2026-04-04T13:00", "2026-04-05T13:30", 24.5),
    ],
)
def test_days_of_23_and_25_hours(zone: str, start: str, end: str, hours: float) -> None:
    first, past = (datetime.fromisoformat(text + "+00:00") for text in (start, end))
    rows = [{"agent_id": "a", "start_at": first, "end_at": past, "activity": "on_queue"}]
    found = slow_score(rows, NOBODY, timezone=zone, step_s=60)
    workday = first.astimezone(ZoneInfo(zone)).date()
    assert past.astimezone(ZoneInfo(zone)).date() == workday + timedelta(days=1)
    assert {key: one["scheduled_s"] for key, one in found.totals("workday").items()} == {
        (workday,): hours * 3600
    }


def test_a_publication_replaces_whole_workdays() -> None:
    rows = plan(
        ("02T08:00", "02T10:00", "on_queue"),
        ("02T09:00", "02T09:30", "break"),
        ("03T08:00", "03T10:00", "on_queue"),
        ("02T12:00", "02T13:00", "training", "02T06:00"),
        ("03T08:00", "03T09:00", "meeting", "02T11:00"),
    )

    def planned(as_of: str | None) -> list[str]:
        found = slow_score(rows, NOBODY, as_of=None if as_of is None else when(as_of), step_s=60)
        return [one["activity"] for one in found.slices()]

    assert planned("02T05:59") == ["on_queue", "break", "on_queue", "on_queue"]
    assert planned("02T06:00") == ["training", "on_queue"]
    assert planned("02T11:00") == ["training", "meeting"]
    assert planned(None) == ["training", "meeting"]


def test_publications_go_by_workday_of_the_whole_shift() -> None:
    # the row after midnight belongs to the second's shift, which the later publication replaces
    rows = plan(
        ("02T20:00", "02T23:00", "on_queue"),
        ("03T01:00", "03T03:00", "email"),
        ("02T21:00", "02T22:00", "training", "01T00:00"),
    )
    assert [one["activity"] for one in slow_score(rows, NOBODY, step_s=60).slices()] == ["training"]


def test_activities_of_ones_own() -> None:
    own = frame(
        "activity",
        [
            {"activity": "study", "category": "training", "counted": False},
            {"activity": "huddle", "category": "meeting"},
            {"activity": "lunch", "category": "break"},
            {"activity": "standby", "category": "unavailable", "counted": True},
            {"activity": "rest", "category": "time_off"},
        ],
    )
    letters = {"1": "study", "2": "huddle", "3": "standby", "4": "rest"}
    classes, _ = both("sched 1122LL3344", "state gAgAbAbAbA", activity=own, letters=letters)
    assert classes == "--iciccc--"


def test_default_activities_and_rules() -> None:
    states = "ARBHWKnibmtgao"
    for letter, good in {
        "Q": "ARBHWK",
        "P": "ARBHWK",
        "W": "KWtga",
        "E": "KWtga",
        "B": "bmao",
        "M": "bmao",
        "L": "bmao",
        "T": "tgKa",
        "C": "tgKa",
        "G": "gtKa",
    }.items():
        classes, _ = both(f"sched {letter * len(states)}", f"state {states}", state_evidence=False)
        assert classes == "".join("i" if state in good else "c" for state in states), letter
    for letter in "OU":
        assert both(f"sched {letter * 3}", "state Aob") == ("---", "---")


def test_rules_are_a_table() -> None:
    rules = [
        {"category": "break", "state": "logged_out", "in_adherence": False},
        {"category": "on_queue", "state": "meeting", "in_adherence": True},
    ]
    assert both("sched QQBBQ", "state AgobA", rules=rules)[0] == "iicii"


# the states
def test_last_row_of_an_instant_counts() -> None:
    rows = [
        {"login": "a", "at": at("08:02"), "vendor_state": "break"},
        {"login": "a", "at": at("08:00"), "vendor_state": "break"},
        {"login": "a", "at": at("08:02"), "vendor_state": "available"},
        {"login": "a", "at": at("08:00"), "vendor_state": "available"},
        {"login": "a", "at": at("08:01"), "vendor_state": "meeting"},
    ]
    found = score("sched QQQ", "state A", agent_state=rows)
    assert picture(found.seconds, "a", "state", 60) == "AgA"


def test_before_the_first_transaction_is_logged_out() -> None:
    found = score("sched QQQQ", "state ..AA")
    assert picture(found.seconds, "a", "state", 60) == "ooAA"


@pytest.mark.parametrize(("vendor_state", "expected"), [("available", 16), ("break", 16), ("logged out", 40)])
def test_a_state_of_16_hours_is_lost(vendor_state: str, expected: int) -> None:
    rows = [{"login": "a", "at": when("01T06:00"), "vendor_state": vendor_state}]
    planned = plan(("01T06:00", "02T22:00", "on_queue"))
    found = slow_score(planned, rows, step_s=60)
    assert found.totals()[()]["unknown_s"] == (40 - expected) * 3600
    renewed = [*rows, {"login": "a", "at": when("01T21:00"), "vendor_state": vendor_state}]
    assert slow_score(planned, renewed, step_s=60).totals()[()]["unknown_s"] == (
        0 if expected == 40 else 9 * 3600
    )


def test_state_map() -> None:
    rows = [
        {"source": "*", "vendor_state": "AUX", "state": "away"},
        {"source": "*", "vendor_state": "aux", "vendor_reason": "Team Talk", "state": "meeting"},
        {"source": "s1", "vendor_state": "Aux", "state": "break"},
        {"source": "s1", "vendor_state": "A-u_x", "vendor_reason": "q", "state": "working"},
        {"source": None, "vendor_state": "Busy", "state": "hold"},
        {"source": "s2", "vendor_state": "twice", "state": "meal"},
        {"source": "s2", "vendor_state": "twice", "state": "training"},
    ]

    def mapped(source: str, vendor_state: str, reason: str | None = None) -> str:
        said = [{"source": source, "login": "a", "at": at("08:00"), "vendor_state": vendor_state}]
        if reason is not None:
            said[0]["vendor_reason"] = reason
        return score("sched Q", "state A", agent_state=said, state_map=rows).seconds[0]["state"]

    assert mapped("s2", " aux") == "away"
    assert mapped("s2", "AUX", "team-talk") == "meeting"
    assert mapped("s2", "AUX", "other") == "away"
    assert mapped("s1", "AUX") == "break"
    assert mapped("s1", "AUX", "TEAM TALK") == "meeting"  # the reason beats the source
    assert mapped("s1", "AUX", "Q") == "working"
    assert mapped("s1", "BUSY") == "hold"
    assert mapped("s2", "twice") == "training"
    assert mapped("s1", "twice") == "unmapped"
    assert mapped("s1", "No-Answer") == "no_answer"
    assert mapped("s1", "LOGGED  IN") == "logged_in"
    assert mapped("s1", "wrap up") == "wrapup"
    assert mapped("s1", "Siesta") == "unmapped"


def test_unmapped_and_unwatched_are_unknown() -> None:
    lines = ("sched QQQQBB", "state A?Abbb>", "cover xxx..x")
    assert both(*lines) == ("iuiuui", "------")
    totals = score(*lines).totals()[()]
    assert totals["unknown_s"] == 180
    assert totals["adherence"] == 1.0
    assert totals["coverage"] == 0.5
    assert (totals["adherence_low"], totals["adherence_high"]) == (0.5, 1.0)
    found = score(*lines)
    assert picture(found.seconds, "a", "state", 60) == "A?Auub"


def test_nothing_known_at_all() -> None:
    totals = score("sched QQ", "state A", "cover ..xx").totals()[()]
    assert (totals["adherence"], totals["adherence_adjusted"], totals["coverage"]) == (None, None, 0.0)
    assert (totals["adherence_low"], totals["adherence_high"]) == (0.0, 1.0)
    totals = score("sched OO", "state AA").totals()[()]
    assert {name for name, value in totals.items() if value is None} == {
        "adherence",
        "adherence_adjusted",
        "adherence_low",
        "adherence_high",
        "coverage",
        "conformance",
    }
    assert totals["worked_s"] == 120


def test_an_agent_without_a_login() -> None:
    lines = ("sched:b QQQ", "state:a AAA", "sched BBB")
    assert both(*lines, agent="b") == ("ccc", "AAA")
    covered = ("state:x@s1 AAA", "state:x@s2 AAA", "cover:@s1 xxx", "cover:@s2 .x.", "sched:b QQQ")
    assert both(*covered, agent="b") == ("ucu", "-A-")


# several logins
def logins(*names: str, agent: str = "a") -> list[dict[str, Any]]:
    return [
        {"source": name.partition("@")[2] or None, "login": name.partition("@")[0], "agent_id": agent}
        for name in names
    ]


@pytest.mark.parametrize(
    ("activity", "states", "expected"),
    [
        ("Q", "AA", "A"),
        ("Q", "AB", "B"),  # both in: the first in the order of the glossary
        ("Q", "bA", "A"),  # a queue state hides rest
        ("B", "bA", "A"),  # there too
        ("B", "bt", "b"),  # in adherence before others
        ("T", "bt", "t"),
        ("T", "tA", "t"),
        ("T", "KA", "K"),
        ("T", "tK", "K"),  # both in
        ("T", "aA", "A"),  # away would be in, but somebody works
        ("Q", "bg", "g"),
        ("Q", "?A", "A"),  # in wins over unknown
        ("B", "?A", "?"),  # none in: nobody knows
        ("B", "?b", "b"),
        ("Q", "?b", "?"),
        ("Q", "bo", "b"),
        ("Q", "on", "n"),
        ("M", "bm", "m"),
        ("O", "bA", "A"),
        ("O", "gA", "A"),
        ("O", "?A", "A"),  # nothing is counted: work is work
        ("O", "ab", "b"),
    ],
)
def test_several_logins(activity: str, states: str, expected: str) -> None:
    for one, two in (states, states[::-1]):
        lines = (f"sched {activity}", f"state:x {one}", f"state:y {two}")
        found = score(*lines, login=logins("x", "y"))
        assert picture(found.seconds, "a", "state", 60) == expected


def test_several_logins_unwatched() -> None:
    owners = logins("x@s1", "y@s2")
    lines = ("state:x@s1 AAbb>", "state:y@s2 bbbb>", "cover:@s1 xxxx", "cover:@s2 ....")
    found = score("sched QQBB", *lines, login=owners)
    assert picture(found.seconds, "a", "state", 60) == "AAbb"
    found = score("sched BBQQ", *lines, login=owners)
    assert picture(found.seconds, "a", "state", 60) == "uuuu"
    found = score(
        "sched Q",
        "state:x@s1 b",
        "state:y@s2 ?",
        "state:z@s3 A",
        "cover:@s1 x",
        "cover:@s2 x",
        login=logins("x@s1", "y@s2", "z@s3"),
    )
    assert picture(found.seconds, "a", "state", 60) == "?"


def test_a_login_says_nothing_outside_its_time() -> None:
    owners = [
        {"source": None, "login": "x", "agent_id": "a", "from_at": at("08:01"), "to_at": at("08:03")},
        {"source": None, "login": "x", "agent_id": "b", "from_at": at("08:03"), "to_at": None},
    ]
    found = score("sched QQQQQ", "sched:b QQQQQ", "state:x AAAAA", login=owners)
    assert picture(found.seconds, "a", "state", 60) == "oAAoo"
    assert picture(found.seconds, "b", "state", 60) == "oooAA"


def test_same_login_at_two_sources_is_one_agent() -> None:
    found = score("sched QQQ", "state:a@s1 Aoo", "state:a@s2 oAo")
    assert picture(found.seconds, "a", "state", 60) == "AAo"


# exemptions
def test_exemptions_and_outages() -> None:
    lines = ("sched QQQQQ", "state AbbbA")
    assert both(*lines, "approved .xx..") == ("iaaci", "-WWW-")
    assert both(*lines, "approved .xx..", "system ..x..") == ("iasci", "-WWW-")
    assert both(*lines, "approved:b .xx..")[0] == "iccci"
    assert both(*lines, "approved:a .xx..")[0] == "iaaci"
    agent = frame("agent", [{"agent_id": "a", "team": "red"}])
    assert score(*lines, "approved:team=red .xx..").totals()[()]["approved_s"] == 0
    red = {"agent": agent}
    assert score(*lines, "approved:team=red .xx..", **red).totals()[()]["approved_s"] == 120
    assert score(*lines, "approved:team=blue .xx..", **red).totals()[()]["approved_s"] == 0
    totals = score(*lines, "approved .xx..").totals()[()]
    assert (totals["adherence"], totals["adherence_adjusted"]) == (2 / 5, 4 / 5)


def test_exemptions_hold_as_of() -> None:
    def approved(as_of: datetime | None, **times: datetime) -> int:
        row = {"start_at": at("08:00"), "end_at": at("08:02"), "kind": "approved", **times}
        found = score("sched QQ", "state bb", exemption=[row], as_of=as_of)
        return found.totals()[()]["approved_s"]

    assert approved(None) == approved(at("07:00")) == 120
    assert approved(None, made_at=at("09:00")) == 120
    assert approved(at("08:59"), made_at=at("09:00")) == 0
    assert approved(at("09:00"), made_at=at("09:00")) == 120
    assert approved(None, revoked_at=at("10:00")) == 0
    assert approved(at("09:59"), revoked_at=at("10:00")) == 120
    assert approved(at("10:00"), revoked_at=at("10:00")) == 0


# calls
@pytest.mark.parametrize(
    ("lines", "classes", "reasons"),
    [
        # the break is pushed back by two and taken two later
        (("QQQQBBBBQQQQ", "AABBBBbbbbAA", "..1111......"), "iiiiddiiddii", "----OO--SS--"),
        # rests longer than that
        (("QQQQBBBBQQQQ", "AABBBBbbbbbA", "..1111......"), "iiiiddiiddci", "----OO--SS>-"),
        # rests shorter
        (("QQQQBBBBQQQQ", "AABBBBbbbAAA", "..1111......"), "iiiiddiidiii", "----OO--S---"),
        # does not rest at once
        (("QQQQBBBBQQQQ", "AABBBBbbAbAA", "..1111......"), "iiiiddiiicii", "----OO---W--"),
        # does not rest just before
        (("QQQQBBBBQQQQ", "AABBBBbAbbAA", "..1111......"), "iiiiddicccii", "----OO-MWW--"),
        # the rest has a gap
        (("QQQQBBBBQQQQ", "AABBBBbbbgbA", "..1111......"), "iiiiddiidcci", "----OO--SWW-"),
        # any rest state will do, and any state that is out while the call lasts
        (("QQQQBBBBQQQQ", "AABBBnmaobAA", "..1111......"), "iiiiddiiddii", "----OO--SS--"),
        # answered when the break began, or ended then
        (("QQBBBQQ", "AABBbAA", "..11..."), "iicciii", "--MM---"),
        (("QQBBBQQ", "AABBbAA", "11....."), "iicciii", "--MM---"),
        # no call log: busy before and after will do, busy from the start or in wrap-up will not
        (("QQBBBQQ", "ABBBbAA", "......."), "iiddiii", "--OO---"),
        (("QQBBBQQ", "AHBWbAA", "......."), "iiddiii", "--OO---"),
        (("QQBBBQQ", "ABHAbAA", "......."), "iidciii", "--OM---"),
        (("QQBBBQQ", "AABBbAA", "......."), "iicciii", "--MM---"),
        (("QQBBBQQ", "BBWWbAA", "......."), "iicciii", "--MM---"),
        (("QQBBBQQ", "BWBBbAA", "......."), "iicciii", "--MM---"),
        (("QQBBBQQ", "BBBbbbA", "......."), "iidiidi", "--O--S-"),
        # at hand is not in a call; no answer neither; ringing is
        (("QQBBBQQ", "BBAAbAA", ".111..."), "iicciii", "--MM---"),
        (("QQBBBQQ", "BBnnbAA", ".111..."), "iicciii", "--NN---"),
        (("QQBBBQQ", "BBRRbAA", ".111..."), "iiddiii", "--OO---"),
        (("QQBBBQQ", "BHHHbAA", ".111..."), "iiddiii", "--OO---"),
        # busy when it began is enough
        (("QQBBBQQ", "BBBAbAA", ".111..."), "iiddiii", "--OO---"),
        # wrap-up moves the end on by two minutes at most
        (("QQBBBBBQQ", "BBBWWWbAA", ".11......"), "iidddciii", "--OOOM---"),
        (("QQBBBBBQQ", "BBBWAWbAA", ".11......"), "iiddcciii", "--OOMM---"),
        (("QQBBBBBQQ", "BBBAWWbAA", ".11......"), "iidccciii", "--OMMM---"),
        # wrap-up before the call's end is not counted against the two minutes
        (("QQBBBBBQQ", "BBWWWWWAA", ".111....."), "iiddddcii", "--OOOOM--"),
        # longer than the break: the next segment is on queue
        (("QQBBQQQ", "BBBBBBB", ".11111."), "iiddiii", "--OO---"),
        # into training: driven by the call, but no break to push back
        (("QQTTTQQ", "BBBttttA", ".11...."), "iidiicc", "--O--EE"),
        # two segments in the same call
        (("QQTTBBBQQ", "BBBBBbbbA", ".1111...."), "iidddiidi", "--OOO--S-"),
        # also at the shift's start
        (("BBBQQ", "BBbbA", "....."), "ccici", "MM->-"),
    ],
)
def test_calls_run_into_segments(lines: tuple[str, str, str], classes: str, reasons: str) -> None:
    schedule, states, calls = lines
    if calls.strip("."):
        assert both(f"sched {schedule}", f"state {states}", f"calls {calls}") == (classes, reasons)
    else:
        assert both(f"sched {schedule}", f"state {states}") == (classes, reasons)


def test_evidence() -> None:
    lines = ("sched QQQQBBBBQQQQ", "state AABBBBbbbbAA")
    legs = ("calls ..111.......", "calls .22222......", "calls ....3.......", "calls:b ..44444.....")
    found = score(*lines, *legs).exceptions()
    assert [(one["reason"], one["evidence"], one["evidence_kind"], one["impact"]) for one in found] == [
        ("call_overrun", ["1", "2"], "call", "positive"),
        ("shifted_break", ["1", "2"], "call", "negative"),
    ]
    found = score(*lines).exceptions()
    assert [(one["reason"], one["evidence"], one["evidence_kind"]) for one in found] == [
        ("call_overrun", [], "state"),
        ("shifted_break", [], "state"),
    ]
    found = score(*lines, "approved ....xx......", state_evidence=False).exceptions()
    assert [(one["reason"], one["evidence_kind"]) for one in found] == [
        ("missed_break", "exemption"),
        ("long_break", None),
    ]


def test_state_evidence_only_without_a_call_log() -> None:
    lines = ("sched QQBBQQ", "state:a@s1 ABBbAA")
    assert both(*lines)[0] == "iidiii"
    assert both(*lines, state_evidence=False)[0] == "iiciii"
    assert both(*lines, "calls:zoe@s1 ....1.")[0] == "iiciii"
    assert both(*lines, "calls:zoe@s2 ....1.")[0] == "iidiii"
    open_leg = [{"source": "s1", "leg_id": "1", "login": "a", "answered_at": at("08:01"), "ended_at": None}]
    assert both(*lines, call_leg=open_leg)[0] == "iiciii"


def test_calls_of_a_login_are_its_agents() -> None:
    owners = [
        {"source": None, "login": "x", "agent_id": "a", "from_at": None, "to_at": at("08:04")},
        {"source": None, "login": "x", "agent_id": "b", "from_at": at("08:04"), "to_at": None},
    ]
    lines = ("sched QQBBQQ", "sched:b QQQQQB", "state:x ABBbBB>", "calls:x .11.11", "calls:x ....222")
    assert both(*lines, login=owners)[0] == "iididc"
    assert both(*lines, login=owners, agent="b") == ("ccccid", "LLLL-O")


def test_lost_and_carried_credit() -> None:
    # the next segment is not counted
    lines = ("state AABBBBbbbbbA", "calls ..1111......")
    assert both("sched QQQQBBBBOOQQ", *lines)[0] == "iiiiddii--ci"
    # it is a rest as well: nothing is out there, and the credit goes no further
    assert both("sched QQQQBBBBMMQQ", *lines)[0] == "iiiiddiiiici"
    # it comes after a gap
    assert both("sched QQQQBBBB.QQQ", *lines)[0] == "iiiiddii.ddi"
    assert both("sched QQQQBBBB.QQQ", "state AABBBBbbAbbA", "calls ..1111......")[0] == "iiiiddii.cci"
    # the shift ends with the break
    assert both("sched QQQQBBBB", *lines)[0] == "iiiiddii"
    # excused seconds use the credit up and stay excused; an excused overrun earns it all the same
    assert both("sched QQQQBBBBQQQQ", *lines, "approved ........x...")[0] == "iiiiddiiadci"
    assert both("sched QQQQBBBBQQQQ", *lines, "system ....x.......")[0] == "iiiisdiiddci"
    # seconds that are in adherence with the next segment cost nothing
    assert both("sched QQQQBBBBWWWW", "state AABBBBbbabbK", "calls ..1111......")[0] == "iiiiddiiiddi"
    # nobody knows whether the rest went on
    assert both("sched QQQQBBBBQQQQ", *lines, "cover xxxxxxxxx.xx")[0] == "iiiiddiiduci"
    # the overrun of a break that is not counted
    quiet = [{"activity": "break", "category": "break", "counted": False}]
    assert both("sched QQQQBBBBQQQQ", *lines, activity=quiet)[0] == "iiii----ccci"


# reasons
@pytest.mark.parametrize(
    ("schedule", "states", "classes", "reasons"),
    [
        ("QQQQ", "ooAA", "ccii", "LL--"),
        ("QQQQ", "gnAA", "ccii", "LL--"),  # whatever the state, if not a queue's
        ("QQQQ", "ogAo", "ccic", "LL-E"),
        ("QQQQ", "AAoo", "iicc", "--EE"),
        ("QQQQ", "AAgo", "iicc", "--EE"),
        ("QQQQ", "oooo", "cccc", "AAAA"),
        ("QQQQ", "ogno", "cccc", "AAAA"),
        ("QBBQ", "oAAo", "cccc", "LMME"),
        ("TTTT", "oooo", "cccc", "LLLL"),  # nobody expected in a queue: not absent but never there
        ("TTTT", "tooo", "iccc", "-EEE"),
        ("BQQQ", "ooAA", "icii", "-L--"),  # rest since the shift's start, through a break
        ("BQQQ", "obAA", "icii", "-L--"),
        ("BQQQ", "goAA", "ccii", "LW--"),
        ("QQQB", "AAoo", "iici", "--E-"),  # rest until the shift's end
        ("QQQB", "AAbA", "iicc", "--WM"),  # ends where the break begins: does not reach it
        ("QQBBQQ", "AbbbAA", "iciiii", "-<----"),
        ("QQBBQQ", "AobbAA", "iciiii", "-<----"),
        ("QQBBQQ", "AgbbAA", "iciiii", "-W----"),
        ("QQBBQQ", "AnbbAA", "iciiii", "-N----"),
        ("QQBBQQ", "AbAbbA", "iccici", "-WM->-"),
        ("QQBBQQ", "AAbbbA", "iiiici", "---->-"),
        ("QBQQBQ", "AbbbbA", "iiccii", "--<<--"),  # both: the break to come
        ("QBQGQ", "AbbbA", "iicci", "-->>-"),  # across segments
        ("QBQOQBQ", "AbbbbbA", "iic-cii", "--<-<--"),  # across time that is not counted
        ("QB.QQ", "AbbbA", "ii.ci", "--.>-"),  # across a gap
        ("Q.BQ", "AbbA", "i.ii", "-.--"),
        ("QQ.BQ", "AbbbA", "ic.ii", "-<.--"),
        ("QBQQQ", "AbAbA", "iiici", "---W-"),
        ("QMMQ", "AAmA", "icii", "-M--"),
        ("QMMQ", "AgmA", "icii", "-W--"),
        ("QQQQ", "AnAA", "icii", "-N--"),
        ("QTTQ", "AAtA", "icii", "-W--"),
        ("QQQQ", "AiAA", "icii", "-W--"),
        ("QQQQQ", "o?oAA", "cucii", "L-W--"),  # what nobody saw joins nothing
        ("OQQ", "ooA", "-ci", "-L-"),
        ("OQQ", "AoA", "-ci", "-W-"),
    ],
)
def test_reasons(schedule: str, states: str, classes: str, reasons: str) -> None:
    assert both(f"sched {schedule}", f"state {states}", state_evidence=False) == (classes, reasons)


def test_not_late_who_worked_until_the_start() -> None:
    assert both("sched .QQQ", "state AboA") == ("cci", "WW-")
    assert both("sched .QQQ", "state AAbA") == ("ici", "-W-")
    assert both("sched .QQQ", "state gboA") == ("cci", "LL-")
    assert both("sched .QBQ", "state AbbA") == ("cii", "<--")
    # who works on after the end is not early
    assert both("sched QQQ.", "state AAbA") == ("iic", "--E")


def test_reasons_count_across_classes() -> None:
    # late for three minutes, of which the second is excused
    assert both("sched QQQQ", "state oooA", "approved .x..") == ("caci", "LLL-")
    # what exceeds the credit joins the rest before it
    assert both("sched QBBQQQ", "state BBbbbA", "calls 111...", "approved ....x.") == ("ididai", "-O-S>-")
    # the pushed-back rest goes on to the shift's end
    assert both("sched QBBQQ", "state BBbbb", "calls 111..") == ("ididc", "-O-SE")


def test_exceptions_are_maximal_runs() -> None:
    found = score("sched QQQQTTB", "state AbgAgAA", "approved .xx....")
    told = [
        (one["activity"], one["state"], one["class"], one["reason"], one["impact"], one["seconds"])
        for one in found.exceptions()
    ]
    assert told == [
        ("on_queue", "break", "approved", "wrong_state", "negative", 120),
        ("training", "available", "controllable", "wrong_state", "positive", 60),
        ("break", "available", "controllable", "missed_break", "positive", 60),
    ]
    neutral = score("sched TB", "state bg").exceptions()
    assert [(one["reason"], one["impact"]) for one in neutral] == [
        ("late_start", "neutral"),
        ("early_leave", "neutral"),
    ]


# work outside the shift
def test_unscheduled_work() -> None:
    found = score("sched ..QQ.QQ...", "state AAAAABbAoA")
    told = [(one["start"], one["seconds"], one["state"], one["class"]) for one in found.exceptions()[:1]]
    assert told == [(at("08:00"), 120, "available", None)]
    outside = [one for one in found.exceptions() if one["reason"] == "unscheduled_work"]
    assert [(one["start"], one["end"], one["seconds"]) for one in outside] == [
        (at("08:00"), at("08:02"), 120),
        (at("08:04"), at("08:05"), 60),
        (at("08:07"), at("08:08"), 60),
        (at("08:09"), at("08:10"), 60),
    ]
    assert {(one["workday"], one["impact"], one["activity"]) for one in outside} == {(DAY, "positive", None)}
    totals = found.totals()[()]
    assert (totals["scheduled_s"], totals["worked_s"], totals["scheduled_work_s"]) == (240, 180, 240)


@pytest.mark.parametrize(
    ("start", "end", "workday"),
    [
        ("03T00:00", "03T01:00", 2),  # within three hours of the shift that ended at 22:00
        ("03T01:00", "03T01:30", 2),
        ("03T01:01", "03T01:30", 3),
        ("03T04:30", "03T05:00", 4),  # touches the third's shift, whose workday is the fourth there
        ("03T04:00", "03T04:59", 3),
        ("03T01:00", "03T05:00", 2),  # both: the earlier
    ],
)
def test_workday_of_unscheduled_work(start: str, end: str, workday: int) -> None:
    planned = plan(("02T14:00", "02T22:00", "on_queue"), ("03T08:00", "03T09:00", "on_queue"))
    rows = [
        {"login": "a", "at": when(start), "vendor_state": "available"},
        {"login": "a", "at": when(end), "vendor_state": "logged_out"},
    ]
    found = slow_score(planned, rows, step_s=60).unscheduled
    assert {one["workday"] for one in found} == {date(2026, 3, 3 if workday == 4 else workday)}


def test_unscheduled_work_without_shift_has_its_local_date() -> None:
    rows = [
        {"login": "a", "at": when("02T20:00"), "vendor_state": "available"},
        {"login": "a", "at": when("02T20:10"), "vendor_state": "logged_out"},
    ]
    found = slow_score([], rows, timezone="Asia/Kathmandu", step_s=60)
    assert found.seconds == []
    assert [(one["workday"], one["seconds"]) for one in found.exceptions()] == [(date(2026, 3, 3), 600)]


def test_lost_logout_is_unscheduled_work_for_sixteen_hours() -> None:
    rows = [{"login": "a", "at": when("02T08:00"), "vendor_state": "available"}]
    assert sum(one["seconds"] for one in slow_score([], rows, step_s=60).exceptions()) == 16 * 3600


# figures
def test_worked_counts_every_activity_and_no_gap() -> None:
    totals = score("sched QQBBOO.Q", "state AAABAAAA").totals()[()]
    assert (totals["scheduled_s"], totals["scheduled_work_s"], totals["worked_s"]) == (300, 180, 420)
    assert totals["conformance"] == 7 / 3


def test_roll_ups_sum_before_they_divide() -> None:
    agent = frame("agent", [{"agent_id": "a", "team": "red"}, {"agent_id": "b", "team": "red"}])
    found = score("sched QQQQ", "state AAAA", "sched:b Q", "state:b o", agent=agent)
    assert found.totals("team")[("red",)]["adherence"] == 4 / 5
    assert found.totals(["agent_id", "workday"])[("b", DAY)]["adherence"] == 0.0
    late = score("sched QQ", "state oA", step_s=60 * 15, wrapup_s=0)
    assert {key: one["in_s"] for key, one in late.totals("interval").items()} == {
        (at("08:00"),): 0,
        (at("08:15"),): 900,
    }


# the walk itself
def test_refuses_what_it_would_step_over() -> None:
    with pytest.raises(ValueError, match="step"):
        slow_score(**draw("sched Q", "state A", step_s=30), step_s=60)
    naive = [{"agent_id": "a", "start_at": datetime(2026, 3, 2), "end_at": at("09:00"), "activity": "break"}]  # noqa: DTZ001
    with pytest.raises(ValueError, match="naive"):
        slow_score(naive, [])


SUMS = ("scheduled_s", "in_s", "approved_s", "call_driven_s", "system_s", "unknown_s", "controllable_s")


@pytest.mark.slow
@slow_examples(120)
@given(days())
def test_seconds_are_conserved(day: Day) -> None:
    found = slow_score(**day.inputs(), step_s=day.step_s)
    for by in ((), "agent_id", "workday", ("agent_id", "workday"), "interval", "activity"):
        for figures in found.totals(by).values():
            assert figures["scheduled_s"] == sum(figures[name] for name in SUMS[1:])
            for name in ("adherence", "adherence_adjusted", "adherence_low", "adherence_high", "coverage"):
                assert figures[name] is None or 0 <= figures[name] <= 1
    whole = found.totals().get((), dict.fromkeys(SUMS, 0))
    for name in SUMS:
        assert whole[name] == sum(one[name] for one in found.totals("agent_id").values())
    out = sum(one["seconds"] for one in found.exceptions() if one["class"] is not None)
    assert out == sum(whole[name] for name in ("approved_s", "call_driven_s", "system_s", "controllable_s"))
    outside = sum(one["seconds"] for one in found.exceptions() if one["class"] is None)
    assert outside == len(found.unscheduled) * day.step_s
    places = [(one["agent_id"], one["second"]) for one in found.seconds + found.unscheduled]
    assert len(places) == len(set(places))
    assert all((one["reason"] is None) == (one["class"] not in OUT) for one in found.seconds)


@pytest.mark.slow
@slow_examples(8)
@given(days((20,)))
def test_large_steps_are_exact(day: Day) -> None:
    coarse = slow_score(**day.inputs(), step_s=20)
    fine = slow_score(**day.inputs(), step_s=10)
    assert coarse.totals(("agent_id", "workday")) == fine.totals(("agent_id", "workday"))
    assert coarse.exceptions() == fine.exceptions()


@pytest.mark.slow
@slow_examples(40)
@given(days(), st.data())
def test_arrival_in_parts_and_twice_changes_nothing(day: Day, data: st.DataObject) -> None:
    once = slow_score(**day.inputs(), step_s=day.step_s)
    twice = {name: pl.concat([rows, rows]) for name, rows in day.tables.items() if name != "agent_state"}
    again = slow_score(**{**day.inputs(), **twice}, step_s=day.step_s)
    assert once.exceptions() == again.exceptions()
    assert once.seconds == again.seconds
    # states: the order of instants is free
    states = day.tables["agent_state"]
    shuffled = states.sort("at", maintain_order=True, descending=data.draw(st.booleans()))
    assert slow_score(**{**day.inputs(), "agent_state": shuffled}, step_s=day.step_s).seconds == once.seconds


@pytest.mark.slow
@slow_examples(40)
@given(days(), st.integers(0, 360))
def test_a_split_window_changes_no_total(day: Day, cut: int) -> None:
    ends = [
        *day.tables["schedule"]["start_at"],
        *day.tables["schedule"]["end_at"],
        *day.tables["agent_state"]["at"],
    ]
    if not ends:
        return
    first, past = min(ends), max(ends) + timedelta(hours=17)
    middle = first + timedelta(seconds=cut * day.step_s)
    whole = slow_score(**day.inputs(), step_s=day.step_s)
    parts = [
        slow_score(**day.inputs(), step_s=day.step_s, window=window)
        for window in ((first, middle), (middle, past))
    ]
    key = ("agent_id", "second")
    for name in ("seconds", "unscheduled"):
        joined = sorted(
            getattr(parts[0], name) + getattr(parts[1], name), key=lambda one: [one[k] for k in key]
        )
        assert joined == sorted(getattr(whole, name), key=lambda one: [one[k] for k in key])


@pytest.mark.slow
@slow_examples(40)
@given(days(several_logins=False), st.integers(0, 120), st.integers(1, 240))
def test_more_coverage_never_widens_the_range(day: Day, start: int, length: int) -> None:
    coverage, states = day.tables.get("coverage"), day.tables["agent_state"]
    if coverage is None or not states.height:
        return
    begin = min(states["at"]) + timedelta(seconds=start * day.step_s)
    span = {"source": None, "start_at": begin, "end_at": begin + timedelta(seconds=length * day.step_s)}
    more = pl.concat(
        [
            coverage,
            pl.DataFrame(
                [span | {"source": source} for source in coverage.to_dict().get("source", [None])],
                schema=COLUMNS["coverage"],
            ).select(coverage.columns),
        ]
    )
    before = slow_score(**day.inputs(), step_s=day.step_s).totals("agent_id")
    after = slow_score(**{**day.inputs(), "coverage": more}, step_s=day.step_s).totals("agent_id")
    assert before.keys() == after.keys()
    for agent, figures in before.items():
        if figures["scheduled_s"]:
            assert after[agent]["adherence_low"] >= figures["adherence_low"]
            assert after[agent]["adherence_high"] <= figures["adherence_high"]
