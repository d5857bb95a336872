"""Every trap of time, schedule, state and call, drawn or by hand, with figures computed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import wfm
from helpers.drawn_days import CLASS_LETTERS, REASON_LETTERS, STATE_LETTERS, draw, frame
from wfm.core import glossary
from wfm.core.errors import InputError
from wfm.engine.adherence.scoring import Score, ScoreOptions
from wfm.engine.inputs.state_timeline import find_mapping_rows, map_states
from wfm.engine.time.codes import STATE_ENUM

DAY, THIRD, FOURTH = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
HOUR = 3600
STATES = {state: letter for letter, state in STATE_LETTERS.items()} | {"unmapped": "?", "unknown": "u"}
LETTERS = {"class": CLASS_LETTERS, "reason": REASON_LETTERS | {"unscheduled_work": "-"}, "state": STATES}


def at(text: str) -> datetime:
    """Read `08:00` as an instant of 2 March 2026, `03T08:00` as one of March, and anything longer as UTC."""
    whole = {5: f"2026-03-02T{text}", 8: f"2026-03-{text}"}.get(len(text), text)
    return datetime.fromisoformat(whole).replace(tzinfo=UTC)


def plan(*rows: tuple[str, ...], agent: str = "a") -> pl.DataFrame:
    """Make a schedule from (start, end, activity[, published])."""
    return frame(
        "schedule",
        [
            {"agent_id": agent, "start_at": at(start), "end_at": at(end), "activity": activity}
            | ({"published_at": at(published[0])} if published else {})
            for start, end, activity, *published in rows
        ],
    )


def said(*rows: tuple[str, str], login: str = "a") -> pl.DataFrame:
    return frame(
        "agent_state", [{"login": login, "at": at(when), "vendor_state": word} for when, word in rows]
    )


def called(*rows: tuple[str, str]) -> pl.DataFrame:
    return frame(
        "call_leg",
        [
            {"leg_id": f"leg-{number}", "login": "a", "answered_at": at(start), "ended_at": at(end)}
            for number, (start, end) in enumerate(rows, 1)
        ],
    )


def drawn(*lines: str, step_s: int = 60, letters: dict[str, str] | None = None, **more: Any) -> Score:
    return wfm.score(**{**draw(*lines, step_s=step_s, letters=letters), **more})


def line(scored: Score, what: str, agent: str = "a", step_s: int = 60) -> str:
    """Draw the scheduled time of an agent: a letter per step, `.` in a gap."""
    rows = scored.slices().filter(pl.col("agent_id") == agent, pl.col("activity").is_not_null())
    drawing, past = "", None
    for start, end, word in rows.select("start_at", "end_at", pl.col(what).cast(pl.String)).rows():
        drawing += "." * int((start - (past or start)).total_seconds() // step_s)
        drawing += LETTERS[what][word] * int((end - start).total_seconds() // step_s)
        past = end
    return drawing


def classes(*lines: str, agent: str = "a", **more: Any) -> str:
    return line(drawn(*lines, **more), "class", agent)


def reasons(*lines: str, agent: str = "a", **more: Any) -> str:
    return line(drawn(*lines, **more), "reason", agent)


def sums(scored: Score, *names: str) -> tuple[float, ...]:
    return scored.adherence([]).select(f"{name}_s" for name in names).row(0)


def workdays(scored: Score) -> dict[date, float]:
    return dict(scored.adherence(["workday"]).select("workday", "scheduled_s").rows())


def told(scored: Score, *columns: str) -> list[tuple[Any, ...]]:
    """Give the exceptions: start and end as clocks, then columns."""
    rows = scored.exceptions().cast(
        {"class": pl.String, "reason": pl.String, "impact": pl.String, "state": pl.String}
    )
    return [
        (f"{row[0]:%H:%M}", f"{row[1]:%H:%M}", *row[2:])
        for row in rows.select("start_at", "end_at", *columns).rows()
    ]


# --- clocks ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("Asia/Jerusalem", "2026-03-26T22:00", "2026-03-27T21:00", 23),
        ("Asia/Jerusalem", "2026-10-24T21:00", "2026-10-25T22:00", 25),
        ("Europe/London", "2026-03-29T00:00", "2026-03-29T23:00", 23),
        ("Europe/London", "2026-10-24T23:00", "2026-10-26T00:00", 25),
        ("Australia/Lord_Howe", "2026-04-04T13:00", "2026-04-05T13:30", 24.5),
        ("America/New_York", "2026-03-08T05:00", "2026-03-09T04:00", 23),
    ],
)
def test_a_whole_day_of_23_and_25_hours(zone: str, start: str, end: str, hours: float) -> None:
    """Scheduled and at work from local midnight to local midnight, but for the first hour."""
    later = (at(start) + timedelta(hours=1)).isoformat()[:16]
    workday = at(start).astimezone(ZoneInfo(zone)).date()
    scored = wfm.score(
        schedule=plan((start, end, "on_queue")),
        agent_state=said((later, "available"), *renewed(later, end)),
        timezone=zone,
        window=(workday, workday + timedelta(days=1)),
    )
    assert workdays(scored) == {workday: hours * HOUR}
    assert sums(scored, "in", "controllable", "unknown") == ((hours - 1) * HOUR, HOUR, 0)


def renewed(start: str, end: str) -> list[tuple[str, str]]:
    """Renew the state after 12 hours and log out at the end."""
    return [((at(start) + timedelta(hours=12)).isoformat()[:16], "available"), (end, "logged_out")]


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours", "workday"),
    [
        # 22:00 to 06:00 on the wall
        ("Asia/Jerusalem", "2026-03-26T20:00", "2026-03-27T03:00", 7, date(2026, 3, 26)),
        ("Asia/Jerusalem", "2026-10-24T19:00", "2026-10-25T04:00", 9, date(2026, 10, 24)),
        ("Europe/London", "2026-03-28T22:00", "2026-03-29T05:00", 7, date(2026, 3, 28)),
        ("Europe/London", "2026-10-24T21:00", "2026-10-25T06:00", 9, date(2026, 10, 24)),
    ],
)
def test_a_shift_across_the_change_of_clocks(
    zone: str, start: str, end: str, hours: int, workday: date
) -> None:
    scored = wfm.score(
        schedule=plan((start, end, "on_queue")),
        agent_state=said((start, "available"), (end, "logged_out")),
        timezone=zone,
    )
    assert workdays(scored) == {workday: hours * HOUR}
    assert sums(scored, "in", "worked") == (hours * HOUR, hours * HOUR)
    assert scored.exceptions().is_empty()


def test_a_shift_over_midnight_stays_whole() -> None:
    """With breaks on midnight and after it."""
    tables = {
        "schedule": plan(
            ("02T22:00", "03T06:00", "on_queue"),
            ("02T23:30", "03T00:15", "meal"),
            ("03T03:00", "03T03:15", "break"),
        ),
        "agent_state": said(
            ("02T22:00", "available"),
            ("02T23:30", "meal"),
            ("03T00:15", "available"),
            ("03T06:00", "logged_out"),
        ),
    }
    scored = wfm.score(**tables)
    assert workdays(scored) == {DAY: 8 * HOUR}
    assert told(scored, "workday", "reason") == [("03:00", "03:15", DAY, "missed_break")]
    assert wfm.score(**tables, window=(THIRD, FOURTH)).adherence().is_empty()


def test_rows_cut_at_midnight_are_one_segment() -> None:
    schedule = plan(("02T22:00", "03T00:00", "on_queue"), ("03T00:00", "03T06:00", "on_queue"))
    scored = wfm.score(schedule=schedule, agent_state=said(("03T06:00", "logged_out")))
    assert scored.exceptions().select("workday", "seconds", "reason").rows() == [(DAY, 8 * HOUR, "absent")]


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Asia/Kolkata", "02T18:29", "02T18:30"),  # +05:30
        ("Asia/Kathmandu", "02T18:14", "02T18:15"),  # +05:45
        ("Australia/Eucla", "02T15:14", "02T15:15"),  # +08:45
        ("America/St_Johns", "02T03:29", "02T03:30"),  # -03:30
        ("Pacific/Chatham", "02T10:14", "02T10:15"),  # +13:45 in summer
    ],
)
def test_zones_of_half_and_of_three_quarter_hours(zone: str, before: str, after: str) -> None:
    """The workday is that of the wall clock at the start, one minute before midnight and at midnight."""

    def workday(start: str) -> date:
        schedule = plan((start, "03T23:00", "on_queue"))
        scored = wfm.score(schedule=schedule, agent_state=said((start, "available")), timezone=zone)
        (only,) = workdays(scored)
        return only

    assert workday(after) - workday(before) == timedelta(days=1)


def test_an_agents_own_zone_beats_the_default() -> None:
    schedule = pl.concat([plan(("02T20:00", "02T21:00", "on_queue"), agent=agent) for agent in "abc"])
    agent = frame("agent", [{"agent_id": "a", "timezone": "Asia/Kathmandu"}, {"agent_id": "b"}])
    scored = wfm.score(schedule=schedule, agent_state=said(), agent=agent, timezone="America/New_York")
    assert scored.adherence().select("agent_id", "workday").rows() == [
        ("a", date(2026, 3, 3)),
        ("b", DAY),
        ("c", DAY),
    ]


# --- shifts ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("second", "starts"), [("12:00:00", 1), ("12:00:01", 2)])
def test_split_shift_has_gap_up_to_three_hours(second: str, starts: int) -> None:
    """Nobody came back after the gap: early_leave of one shift, or absent in the second."""
    scored = wfm.score(
        schedule=plan(
            ("08:00", "09:00", "on_queue"), (f"2026-03-02T{second}", "2026-03-02T13:00:00", "on_queue")
        ),
        agent_state=said(("08:00", "available"), ("09:00", "logged_out")),
    )
    assert scored.adherence(["shift_start_at"]).height == starts
    assert scored.exceptions()["reason"].to_list() == [["early_leave"], ["absent"]][starts - 1]
    assert sums(scored, "scheduled", "in") == (2 * HOUR - (starts - 1), HOUR)


def test_split_shift_over_midnight_belongs_to_first_day() -> None:
    parts = (("02T20:00", "02T23:00", "on_queue"), ("03T02:00", "03T04:00", "on_queue"))
    scored = wfm.score(schedule=plan(*parts), agent_state=said(("02T20:00", "available")))
    assert workdays(scored) == {DAY: 5 * HOUR}


def test_hours_of_time_off_are_their_own_shift() -> None:
    rows = [("06:00", "08:00", "on_queue"), ("08:00", "16:00", "time_off"), ("16:00", "17:00", "on_queue")]
    scored = wfm.score(
        schedule=plan(*rows), agent_state=said(("06:00", "available"), ("08:00", "logged_out"))
    )
    assert scored.exceptions().select("reason", "seconds").rows() == [("absent", HOUR)]


@pytest.mark.parametrize(
    ("lines", "segments"),
    [
        (("QQQQQQ", "..BB.."), [("on_queue", 2), ("break", 2), ("on_queue", 2)]),
        (("..BB..", "QQQQQQ"), [("on_queue", 2), ("break", 2), ("on_queue", 2)]),
        (("QQQQQQ", ".MMMMM", "..B..."), [("on_queue", 1), ("meal", 1), ("break", 1), ("meal", 3)]),
        (("BB....", "QQQQQQ"), [("break", 2), ("on_queue", 4)]),  # a tie: the one that ends first
        (("QQQQQQ", "BB...."), [("break", 2), ("on_queue", 4)]),
        (("QQQQ..", "..TTTT"), [("on_queue", 2), ("training", 4)]),  # outlives the row around it
        (("QQ....", "..QQQQ"), [("on_queue", 6)]),  # touching: one segment
        (("QQQQ", ".QQ."), [("on_queue", 4)]),
        (("QQPP",), [("on_queue", 2), ("phone", 2)]),  # of one category, but two activities
    ],
)
def test_nested_and_touching_rows(lines: tuple[str, ...], segments: list[tuple[str, int]]) -> None:
    # nobody is there: the exceptions are the segments
    scored = drawn(*(f"sched {one}" for one in lines), "sched:b Q", "state:b A", rule=never())
    found = scored.exceptions().filter(pl.col("agent_id") == "a")
    assert found.select("activity", pl.col("seconds") / 60).rows() == segments


def never() -> pl.DataFrame:
    """Rules by which nobody is ever in adherence."""
    rows = [
        {"category": category, "state": state, "in_adherence": False}
        for category in glossary.CATEGORIES
        for state in glossary.STATES
    ]
    return frame("rules", rows)


def test_an_activity_nobody_knows_is_named() -> None:
    with pytest.raises(InputError, match=r"schedule: unknown activity 'siesta'; known are break, .*Add it"):
        drawn("sched QX", "state AA", letters={"X": "siesta"})


@pytest.mark.parametrize("spelling", ["On_Queue", "ON QUEUE", "on-queue", "onqueue"])
def test_an_activity_may_be_spelt_otherwise(spelling: str) -> None:
    scored = drawn("sched QX", "state AA", letters={"X": spelling})
    assert scored.adherence(["activity"]).select("activity", "in_s").rows() == [("on_queue", 120)]


def test_activities_of_ones_own_may_count_or_not() -> None:
    own = frame(
        "activity",
        [
            {"activity": "study", "category": "training", "counted": False},
            {"activity": "huddle", "category": "meeting"},
            {"activity": "lunch", "category": "break"},
            {"activity": "standby", "category": "unavailable", "counted": True},
        ],
    )
    letters = {"1": "study", "2": "huddle", "3": "standby"}
    assert classes("sched 1122LL33OO", "state gAgAbAbAbA", letters=letters, activity=own) == "--iciccc--"


# --- states ---------------------------------------------------------------------------------------------
def test_a_state_that_lasts_no_time_is_nothing() -> None:
    rows = (("08:00", "available"), ("08:02", "busy"), ("08:02", "available"), ("08:04", "logged_out"))
    scored = wfm.score(schedule=plan(("08:00", "08:04", "on_queue")), agent_state=said(*rows))
    assert set(scored.slices().filter(pl.col("activity").is_not_null())["state"]) == {"available"}


def test_last_arrival_of_one_instant_counts() -> None:
    first = (("08:01", "available"), ("08:00", "available"), ("08:01", "break"), ("08:02", "available"))
    scored = wfm.score(schedule=plan(("08:00", "08:03", "on_queue")), agent_state=said(*first))
    assert line(scored, "state") == "AbA"
    last = (("08:01", "break"), ("08:00", "available"), ("08:01", "available"), ("08:02", "available"))
    scored = wfm.score(schedule=plan(("08:00", "08:03", "on_queue")), agent_state=said(*last))
    assert line(scored, "state") == "AAA"


def test_duplicates_and_disorder_change_nothing() -> None:
    tables = draw("sched QQBBQQ", "state oABbbA", "calls ..1...")
    states = tables["agent_state"]
    wanted = wfm.score(**tables)
    for other in (states.reverse(), pl.concat([states, states]), pl.concat([states[3:], states[:4]])):
        again = wfm.score(**{**tables, "agent_state": other})
        assert again.slices().equals(wanted.slices())
        assert again.exceptions().equals(wanted.exceptions())


@pytest.mark.parametrize(
    ("word", "next_at", "unknown"),
    [
        ("available", None, 8),  # from 16 hours on nobody knows
        ("break", None, 8),
        ("available", "02T22:00", 0),  # 16 hours exactly
        ("available", "02T22:01", 1 / 60),
        ("available", "02T18:00", 0),  # renewed
        ("logged_out", None, 0),  # a logout lasts for ever
    ],
)
def test_a_state_that_began_long_ago(word: str, next_at: str | None, unknown: float) -> None:
    rows = [("02T06:00", word)] + ([(next_at, word)] if next_at else [])
    scored = wfm.score(
        schedule=plan(("02T06:00", "03T06:00", "on_queue")),
        agent_state=said(*rows),
        window=(DAY, date(2026, 3, 3)),
    )
    assert sums(scored, "scheduled", "unknown") == (24 * HOUR, unknown * HOUR)


def test_a_state_that_began_days_ago() -> None:
    schedule = plan(("02T08:00", "02T09:00", "on_queue"))
    scored = wfm.score(schedule=schedule, agent_state=said(("2026-02-26T08:00", "available")))
    assert sums(scored, "in", "unknown") == (0, HOUR)
    longer = ScoreOptions(state_renewal=timedelta(days=9))
    scored = wfm.score(schedule=schedule, agent_state=said(("2026-02-26T08:00", "available")), options=longer)
    assert sums(scored, "in", "unknown") == (HOUR, 0)
    scored = wfm.score(schedule=schedule, agent_state=said(("2026-02-26T08:00", "Logged out")))
    assert sums(scored, "in", "unknown", "controllable") == (0, 0, HOUR)
    scored = wfm.score(schedule=schedule, agent_state=said(("2026-03-01T16:30:00", "available")))
    assert sums(scored, "in", "unknown") == (HOUR / 2, HOUR / 2)


def test_before_the_first_transaction_is_logged_out() -> None:
    scored = drawn("sched QQQQ", "state ..AA")
    assert line(scored, "state") == "ooAA"
    assert told(scored, "reason", "vendor_state") == [("08:00", "08:02", "late_start", None)]


def test_unmapped_is_neither_in_nor_out() -> None:
    scored = drawn("sched QQBB", "state A??b")
    assert line(scored, "class") == "iuui"
    unmapped = scored.slices().filter(pl.col("class") == "unknown")
    assert unmapped.select("state", "vendor_state").unique().rows() == [("unmapped", "Mystery")]
    mapped = frame("state_map", [{"source": "*", "vendor_state": "mys-tery", "state": "break"}])
    assert classes("sched QQBB", "state A??b", state_map=mapped) == "icii"


def test_most_particular_mapping_wins_and_of_equals_later() -> None:
    """The reason outweighs the source; what only other sources or other reasons map is not mapped."""
    rows = [
        ("*", "AUX", None, "away"),
        ("s1", "Aux", "queue", "working"),
        ("*", "aux", "Team Talk", "meeting"),
        ("s1", "AUX", None, "break"),
        ("*", "AUX", None, "training"),
        ("s2", "DND", "door", "away"),
    ]
    columns = ["source", "vendor_state", "vendor_reason", "state"]
    mapping = frame("state_map", [dict(zip(columns, row, strict=True)) for row in rows])
    asked = {
        ("s1", "aux", "Queue"): ("working", 1),
        ("s1", "AUX", "team-talk"): ("meeting", 2),
        ("s1", "AUX", None): ("break", 3),
        ("s1", "AUX", "other"): ("break", 3),
        ("s2", "A U X", "queue"): ("training", 4),
        ("s2", "dnd", "door"): ("away", 5),
        ("s2", "dnd", None): ("unmapped", None),
        ("s1", "dnd", "door"): ("unmapped", None),
    }
    heard = pl.DataFrame(list(asked), schema=dict.fromkeys(columns[:3], pl.String), orient="row")
    codes = map_states(heard, mapping)
    assert list(
        zip(
            codes.cast(pl.UInt8).to_frame("code").select(pl.col("code").cat.to(STATE_ENUM)).to_series(),
            find_mapping_rows(heard, mapping),
            strict=True,
        )
    ) == list(asked.values())


# --- what was watched -----------------------------------------------------------------------------------
def test_gap_in_coverage_is_unknown_whatever_came_before() -> None:
    scored = drawn("sched QQQQBBBBOO", "state AAoobbAAAA", "cover .x.xx.xx..")
    assert line(scored, "class") == "uiuciucc--"
    row = scored.adherence([]).to_dicts()[0]
    assert [row[f"{name}_s"] // 60 for name in ("scheduled", "in", "unknown", "controllable")] == [8, 2, 3, 3]
    assert (row["adherence"], row["adherence_low"], row["adherence_high"]) == (2 / 5, 2 / 8, 5 / 8)
    assert (row["coverage"], row["adherence_adjusted"]) == (5 / 8, 2 / 5)


def test_nothing_watched_at_all() -> None:
    row = drawn("sched QQ", "state AA", "cover ..xx").adherence([]).to_dicts()[0]
    assert (row["adherence"], row["adherence_low"], row["adherence_high"], row["coverage"]) == (None, 0, 1, 0)


def test_another_sources_coverage_covers_nothing() -> None:
    assert classes("sched QQ", "state:a@one AA", "cover:@two xx") == "uu"


# --- logins ---------------------------------------------------------------------------------------------
def logins(*names: str) -> pl.DataFrame:
    return frame("login", [{"source": name[2:], "login": name[0], "agent_id": "a"} for name in names])


@pytest.mark.parametrize(
    ("activity", "states", "state", "letter"),
    [
        ("Q", "bA", "A", "i"),  # a queue state wins over rest
        ("B", "bA", "A", "c"),  # also where rest was due
        ("B", "bo", "b", "i"),
        ("T", "to", "t", "i"),  # in adherence wins
        ("T", "ta", "t", "i"),
        ("T", "tK", "K", "i"),
        ("Q", "gb", "g", "c"),
        ("Q", "?A", "A", "i"),
        ("Q", "?b", "?", "u"),  # nobody knows
    ],
)
def test_several_logins(activity: str, states: str, state: str, letter: str) -> None:
    for one, other in (states, states[::-1]):
        lines = (f"sched {activity}", f"state:x@s1 {one}", f"state:y@s2 {other}")
        scored = drawn(*lines, login=logins("x@s1", "y@s2"), options=ScoreOptions(state_evidence=False))
        assert (line(scored, "state"), line(scored, "class")) == (state, letter)


def test_a_login_handed_from_one_agent_to_another() -> None:
    owners = frame(
        "login",
        [
            {"source": "s", "login": "x", "agent_id": "a", "to_at": at("08:03")},
            {"source": "s", "login": "x", "agent_id": "b", "from_at": at("08:03")},
        ],
    )
    lines = ("sched QQBBBQ", "sched:b QQQQQB", "state:x@s ABBBBB", "calls:x@s .11222")
    scored = drawn(*lines, login=owners)
    assert line(scored, "class") == "iidiid"  # logged out of what is no longer theirs
    assert line(scored, "state") == "ABBooo"
    assert line(scored, "state", "b") == "oooBBB"
    assert line(scored, "class", "b") == "ccciid"
    assert told(scored, "agent_id", "evidence")[-1] == ("08:05", "08:06", "b", ["2"])


# --- exemptions -----------------------------------------------------------------------------------------
RED = frame("agent", [{"agent_id": "a", "team": "red"}])
LATE = ("sched QQQQ", "state obbA", "sched:b QQQQ", "state:b oobA")


@pytest.mark.parametrize(
    ("exempt", "of_a", "of_b"),
    [
        (("approved:a .xx.",), "caai", "ccci"),
        (("approved:team=red .xx.",), "caai", "ccci"),
        (("approved:team=blue .xx.",), "ccci", "ccci"),
        (("approved .xx.",), "caai", "caai"),
        (("system:a xxxx", "approved .xx."), "sssi", "caai"),  # what is in stays in; system before approved
        (("approved .xx.", "approved ..xx"), "caai", "caai"),
    ],
)
def test_whom_an_exemption_excuses(exempt: tuple[str, ...], of_a: str, of_b: str) -> None:
    scored = drawn(*LATE, *exempt, agent=RED)
    assert (line(scored, "class"), line(scored, "class", "b")) == (of_a, of_b)
    assert line(scored, "reason") == "LLL-"


def test_excused_seconds_count_against_adherence_alone() -> None:
    row = drawn(*LATE, "approved .xx.").adherence(["agent_id"]).to_dicts()[0]
    assert (row["adherence"], row["adherence_adjusted"]) == (1 / 4, 3 / 4)


@pytest.mark.parametrize(
    ("as_of", "times", "approved"),
    [
        (None, {}, 120),
        ("07:00", {}, 120),
        (None, {"made_at": "09:00"}, 120),
        ("08:59", {"made_at": "09:00"}, 0),
        ("09:00", {"made_at": "09:00"}, 120),
        (None, {"revoked_at": "10:00"}, 0),
        ("09:59", {"revoked_at": "10:00"}, 120),
        ("10:00", {"revoked_at": "10:00"}, 0),
    ],
)
def test_exemptions_hold_as_of(as_of: str | None, times: dict[str, str], approved: int) -> None:
    row = {"start_at": at("08:00"), "end_at": at("08:02"), "kind": "approved"}
    row |= {name: at(when) for name, when in times.items()}
    exemption = frame("exemption", [row])
    scored = drawn("sched QQ", "state bb", exemption=exemption, as_of=at(as_of) if as_of else None)
    assert sums(scored, "approved", "controllable") == (approved, 120 - approved)


@pytest.mark.parametrize("excused", ["approved", "system"])
@pytest.mark.parametrize(
    ("exempt", "classes"),
    [
        (".......", "IIIIDDIIDDCC"),
        ("....xx", "IIIIEEIIDDCC"),
        (".....x", "IIIIDEIIDDCC"),
        ("........x", "IIIIDDIIEDCC"),
    ],
)
def test_exemption_takes_nothing_from_call_overrun(excused: str, exempt: str, classes: str) -> None:
    """Two minutes of a break go to a call; the rest after it is excused for two, whatever excuses the call."""
    scored = drawn("sched QQQQBBBBQQQQ", "state AABBBBbbbbbb", "calls ..1111......", f"{excused} {exempt}")
    spelt = {"in": "I", "call_driven": "D", excused: "E", "controllable": "C"}
    slices = scored.slices().filter(pl.col("activity").is_not_null())
    minutes = (slices["end_at"] - slices["start_at"]).dt.total_seconds() // 60
    assert "".join(spelt[one] * n for one, n in zip(slices["class"], minutes, strict=True)) == classes


def test_an_exemption_is_its_own_evidence() -> None:
    exemption = drawn_exemption().with_columns(code=pl.lit("doctor"))
    scored = drawn("sched QQ", "state bA", exemption=exemption)
    assert told(scored, "class", "evidence", "evidence_kind") == [
        ("08:00", "08:01", "approved", ["doctor"], "exemption")
    ]


def test_exception_names_every_exemption_excusing_part_of_it() -> None:
    """Two that touch, one inside another; a declared outage splits, since its class is another."""
    spans = [("08:00", "08:03", "doctor"), ("08:03", "08:06", "childcare"), ("08:04", "08:05", "doctor")]
    rows = [{"start_at": at(s), "end_at": at(e), "kind": "approved", "code": code} for s, e, code in spans]
    rows.append({"start_at": at("08:06"), "end_at": at("08:07"), "kind": "system", "code": "dialler"})
    scored = drawn("sched QQQQQQQQ", "state bbbbbbbA", exemption=pl.DataFrame(rows))
    assert told(scored, "class", "evidence") == [
        ("08:00", "08:06", "approved", ["doctor", "childcare"]),
        ("08:06", "08:07", "system", ["dialler"]),
    ]


def drawn_exemption() -> pl.DataFrame:
    return draw("approved xx")["exemption"]


# --- a schedule that changed ----------------------------------------------------------------------------
def planned(schedule: pl.DataFrame, as_of: str | None) -> list[tuple[date, float]]:
    scored = wfm.score(schedule=schedule, agent_state=said(), as_of=at(as_of) if as_of else None)
    return sorted(workdays(scored).items())


def test_a_publication_replaces_whole_workdays() -> None:
    schedule = plan(
        ("02T08:00", "02T16:00", "on_queue", "01T00:00"),
        ("03T08:00", "03T16:00", "on_queue", "01T00:00"),
        ("03T10:00", "03T12:00", "on_queue", "03T09:00"),
    )
    assert planned(schedule, "2026-02-28T00:00") == []
    assert planned(schedule, "03T08:59") == [(DAY, 8 * HOUR), (THIRD, 8 * HOUR)]
    assert planned(schedule, "03T09:00") == planned(schedule, None) == [(DAY, 8 * HOUR), (THIRD, 2 * HOUR)]


def test_shift_moved_over_midnight_is_not_there_twice() -> None:
    schedule = plan(
        ("02T23:00", "03T07:00", "on_queue", "01T00:00"),
        ("03T01:00", "03T09:00", "on_queue", "02T12:00"),
    )
    assert planned(schedule, "02T11:00") == [(DAY, 8 * HOUR)]
    assert planned(schedule, None) == [(THIRD, 8 * HOUR)]
    back = plan(
        ("03T01:00", "03T09:00", "on_queue", "01T00:00"),
        ("02T23:00", "03T07:00", "on_queue", "02T12:00"),
        ("04T01:00", "04T02:00", "on_queue", "01T00:00"),
    )
    assert planned(back, None) == [(DAY, 8 * HOUR), (FOURTH, HOUR)]


def test_night_cut_into_rows_stays_on_first_day() -> None:
    schedule = plan(
        ("02T22:00", "03T00:30", "on_queue", "01T00:00"),
        ("03T00:30", "03T02:00", "training", "01T00:00"),
        ("03T08:00", "03T09:00", "on_queue", "02T12:00"),
    )
    assert planned(schedule, None) == [(DAY, 4 * HOUR), (THIRD, HOUR)]


def test_time_off_beside_a_shift_keeps_its_day() -> None:
    schedule = plan(
        ("02T08:00", "02T16:00", "on_queue", "01T00:00"),
        ("02T16:00", "03T07:00", "time_off", "01T00:00"),
        ("03T07:00", "03T15:00", "on_queue", "01T00:00"),
        ("03T16:00", "03T20:00", "on_queue", "02T12:00"),  # instead of all that Tuesday had
    )
    assert planned(schedule, None) == [(DAY, 8 * HOUR), (THIRD, 4 * HOUR)]


def test_rows_without_a_publication_came_before_all() -> None:
    rows = (("02T08:00", "02T16:00", "on_queue"), ("03T08:00", "03T10:00", "on_queue"))
    assert (
        planned(plan(*rows), None)
        == planned(plan(*rows), "2020-01-01T00:00")
        == [(DAY, 28800), (THIRD, 7200)]
    )
    changed = pl.concat([plan(("02T09:00", "02T10:00", "on_queue", "02T00:00")), plan(*rows)])
    assert planned(changed, None) == [(DAY, 3600), (THIRD, 7200)]
    assert planned(changed, "01T00:00") == [(DAY, 28800), (THIRD, 7200)]


def test_anothers_publication_replaces_nothing() -> None:
    mine, other = plan(("08:00", "09:00", "on_queue")), plan(("08:00", "09:00", "break", "07:00"), agent="b")
    scored = wfm.score(schedule=pl.concat([mine, other]), agent_state=said())
    assert scored.adherence(["agent_id"]).select("agent_id", "scheduled_s").rows() == [
        ("a", HOUR),
        ("b", HOUR),
    ]


# --- calls ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("schedule", "states", "calls", "expected", "why"),
    [
        ("QQBBBQQ", "AABBbAA", "..11...", "iicciii", "answered exactly at the start"),
        ("QQBBBQQ", "AABBbAA", "11.....", "iicciii", "ended exactly at the start"),
        ("QQBBBQQ", "AABBbAA", ".111...", "iiddiii", "running"),
        ("QQBBBQQ", "AAAAbAA", ".111...", "iicciii", "at hand, not in the call"),
        ("QQBBBQQ", "AARHbAA", ".111...", "iiddiii", "ringing and on hold"),
        ("QQBBBBBQQ", "BBBWWWbAA", ".11......", "iidddciii", "wrap-up beyond two minutes"),
        ("QQBBBBBQQ", "BBBWWbbAA", ".11......", "iidddiiii", "wrap-up of two minutes"),
        ("QQBBBBBQQ", "BBBWAWbAA", ".11......", "iiddcciii", "wrap-up with a break in it"),
        ("QQBBBBBQQ", "BBWWWWWAA", ".111.....", "iiddddcii", "wrap-up before the leg ended"),
        ("QQBBQQQ", "BBBBBBB", ".11111.", "iiddiii", "longer than the break"),
        ("QQTTTQQ", "BBBttAA", ".11....", "iidiiii", "into training"),
        ("QQOOTQQ", "BBBBtAA", ".111...", "ii--iii", "into what is not counted"),
        ("BBBQQ", "BBbAA", "1....", "cciii", "answered as the shift began"),
    ],
)
def test_a_call_runs_into_a_segment(schedule: str, states: str, calls: str, expected: str, why: str) -> None:
    assert classes(f"sched {schedule}", f"state {states}", f"calls {calls}") == expected, why


def test_call_ended_before_segment_while_agent_stayed_busy() -> None:
    """E is when the last leg ended: what is busy after it is the agent's own."""
    assert classes("sched QQBBBBQ", "state BBBBBbA", "calls .111...") == "iiddcii"


def test_two_overlapping_legs_and_their_evidence() -> None:
    lines = ("sched QQQQBBBBQQQQ", "state AABBBBbbbbAA")
    scored = drawn(*lines, "calls ..111.......", "calls .22222......", "calls ....3.......")
    assert line(scored, "class") == "iiiiddiiddii"
    assert told(scored, "reason", "evidence", "evidence_kind", "impact") == [
        ("08:04", "08:06", "call_overrun", ["2", "1"], "call", "positive"),
        ("08:08", "08:10", "shifted_break", ["2", "1"], "call", "negative"),
    ]


@pytest.mark.slow
def test_wrap_up_grace_is_a_setting() -> None:
    lines = ("sched QBBBBQ", "state BWWWWA", "calls 1.....")
    none, much = ScoreOptions(wrapup_grace=timedelta(0)), ScoreOptions(wrapup_grace=timedelta(hours=1))
    over = ("sched QBBBBQ", "state BBWWWA", "calls 11....")
    assert classes(*lines) == "icccci"  # the leg ended as the break began
    assert (classes(*over, options=none), classes(*over), classes(*over, options=much)) == (
        "idccci",
        "idddci",
        "iddddi",
    )


def test_a_state_told_late_belongs_to_the_call() -> None:
    """Polled: the leg has ended, the agent is still seen busy until the next poll."""
    lines, late = (
        ("sched QBBBBBQ", "state BBBWbbA", "calls 11....."),
        ScoreOptions(state_delay=timedelta(minutes=1)),
    )
    assert (classes(*lines), classes(*lines, options=late)) == ("idcciii", "idddiii")
    longer = ("sched QBBBBBQ", "state BBBBbbA", "calls 11.....")  # another call, which nobody logged
    assert classes(*longer, options=late) == "idcciii"


def test_wrap_up_grace_to_the_second() -> None:
    scored = wfm.score(
        schedule=plan(("08:00", "10:00", "on_queue"), ("09:00", "09:30", "break")),
        agent_state=said(("08:00", "busy"), ("09:05", "wrapup"), ("09:09", "break"), ("09:30", "available")),
        call_leg=called(("08:59", "2026-03-02T09:05:30")),
    )
    # 09:00 to 09:05:30 in the call, then two minutes of wrap-up
    assert sums(scored, "call_driven", "controllable", "in") == (450, 90, 7200 - 540)


def test_states_alone_where_there_is_no_call_log() -> None:
    lines = ("sched QQBBQQ", "state:a@s1 ABBbAA")
    scored = drawn(*lines)
    assert line(scored, "class") == "iidiii"
    assert told(scored, "evidence", "evidence_kind") == [("08:02", "08:03", [], "state")]
    assert classes(*lines, options=ScoreOptions(state_evidence=False)) == "iiciii"
    assert classes(*lines, "calls:zoe@s1 ....1.") == "iiciii"  # there is a log, without this call
    assert classes(*lines, "calls:zoe@s2 ....1.") == "iidiii"  # another source's log says nothing
    assert classes("sched QQBBQQ", "state AABbAA") == "iiciii"  # busy only from the start


def test_a_call_from_before_everything() -> None:
    """Without a window, too: the call began before the first plan and the first state."""
    tables = {
        "schedule": plan(("08:00", "08:04", "break"), ("08:04", "08:08", "on_queue")),
        "agent_state": said(
            ("08:00", "busy"), ("08:01", "wrapup"), ("08:02", "break"), ("08:06", "available")
        ),
        "call_leg": called(("07:50", "08:01")),
    }
    for window in (None, (DAY, THIRD)):
        scored = wfm.score(**tables, window=window)
        assert sums(scored, "call_driven", "controllable", "in") == (240, 0, 240)


@pytest.mark.parametrize(
    ("schedule", "states", "expected", "why"),
    [
        ("QQQQBBBBQQQQ", "AABBBBbbbbAA", "iiiiddiiddii", "as long as the credit"),
        ("QQQQBBBBQQQQ", "AABBBBbbbbbA", "iiiiddiiddci", "longer than the credit"),
        ("QQQQBBBBQQQQ", "AABBBBbbbAAA", "iiiiddiidiii", "shorter than the credit"),
        ("QQQQBBBBQQQQ", "AABBBBbbAbAA", "iiiiddiiicii", "not resting at the start"),
        ("QQQQBBBBQQQQ", "AABBBBbAbbAA", "iiiiddicccii", "not resting just before"),
        ("QQQQBBBBQQQQ", "AABBBBbbbgbA", "iiiiddiidcci", "the rest is broken"),
        ("QQQQBBBBQQQQ", "AABBBBmaobAA", "iiiiddiiddii", "any rest will do"),
        ("QQQQMMMMQQQQ", "AABBBBbbbbAA", "iiiiddiiddii", "a meal as well"),
        ("QQQQBBBBOOQQ", "AABBBBbbbbbA", "iiiiddii--ci", "lost: the next is not counted"),
        ("QQQQBBBBMMQQ", "AABBBBbbbbbA", "iiiiddiiiici", "goes no further than the next"),
        ("QQQQBBBB.QQQ", "AABBBBbbbbbA", "iiiiddii.ddi", "after a gap, rested through"),
        ("QQQQBBBB.QQQ", "AABBBBbbAbbA", "iiiiddii.cci", "after a gap, not rested before"),
        ("QQQQBBBBWWWW", "AABBBBbbabbK", "iiiiddiiiddi", "what is in costs nothing"),
        ("QQQQBBBB....", "AABBBBbbbbAA", "iiiiddii", "the shift ends"),
    ],
)
def test_a_break_pushed_back_by_a_call(schedule: str, states: str, expected: str, why: str) -> None:
    assert classes(f"sched {schedule}", f"state {states}", "calls ..1111......") == expected, why


# --- reasons --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("schedule", "states", "expected"),
    [
        ("QQQQ", "ooAA", "LL--"),
        ("QQQQ", "gnAA", "LL--"),
        ("TQQ", "bbA", "LL-"),  # one rest from the start on, through two segments
        ("QQQQ", "oooo", "AAAA"),
        ("QQQQ", "ogno", "AAAA"),
        ("QQQQ", "AAgo", "--EE"),
        ("QQBBQQ", "AbbbAA", "-<----"),
        ("QQBBQQ", "AAbbbA", "---->-"),
        ("QMMQ", "AAmA", "-M--"),
        ("QQQQ", "AnAA", "-N--"),
        ("QQQQ", "AgAA", "-W--"),
        ("QTQ", "iiA", "LW-"),  # what is no rest is a run of its own in each segment
        ("QTQ", "Aii", "-WE"),
        ("QTTQ", "AAtA", "-W--"),
        ("QTTQQ", "AtbbA", "--WW-"),  # only a break or a meal can run over
        ("QQQQQ", "o?oAA", "L-W--"),
        (".QQQ", "AboA", "WW-"),  # at work until the start: not late
        ("QBBQQQ", "BBbbbA", "-O-S>-"),
        ("QBBQQ", "BBbbb", "-O-SE"),
    ],
)
def test_every_reason(schedule: str, states: str, expected: str) -> None:
    calls = f"calls {'111' if 'O' in expected else '...'}"
    no = ScoreOptions(state_evidence=False)
    assert reasons(f"sched {schedule}", f"state {states}", calls, options=no) == expected


def test_impact_says_which_way() -> None:
    scored = drawn("sched QQQTTBB", "state AgAAabA")
    assert told(scored, "reason", "impact") == [
        ("08:01", "08:02", "wrong_state", "negative"),
        ("08:03", "08:04", "wrong_state", "positive"),
        ("08:06", "08:07", "missed_break", "positive"),
    ]
    assert told(drawn("sched QTQ", "state AbA"), "impact") == [("08:01", "08:02", "neutral")]


# --- work nobody scheduled ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "end", "workday"),
    [
        ("03T00:00", "03T01:00", 2),  # within three hours of the shift that ended at 22:00
        ("03T01:00", "03T01:30", 2),
        ("03T01:01", "03T01:30", 3),
        ("02T11:00", "02T13:00", 2),
        ("03T04:59", "03T05:00", 3),
        ("2026-03-05T23:30", "2026-03-06T00:30", 5),  # far from any: its own local day
        ("2026-02-28T01:00", "2026-02-28T02:00", 28),
    ],
)
def test_the_workday_of_unscheduled_work(start: str, end: str, workday: int) -> None:
    schedule = plan(("02T14:00", "02T22:00", "on_queue"), ("03T08:00", "03T09:00", "on_queue"))
    scored = wfm.score(schedule=schedule, agent_state=said((start, "available"), (end, "logged_out")))
    found = scored.exceptions().filter(pl.col("reason") == "unscheduled_work")
    assert [one.day for one in found["workday"]] == [workday]
    assert found["seconds"].sum() == (at(end) - at(start)).total_seconds()
    assert found.select("class", "activity", "impact").rows() == [(None, None, "positive")]
    assert sums(scored, "scheduled", "worked") == (9 * HOUR, 0)


def test_unscheduled_work_around_and_inside_a_split_shift() -> None:
    scored = drawn("sched ..QQ.QQ...", "state AAAAABbAoA")
    outside = [row for row in told(scored, "reason", "workday") if row[2] == "unscheduled_work"]
    assert outside == [
        ("08:00", "08:02", "unscheduled_work", DAY),
        ("08:04", "08:05", "unscheduled_work", DAY),
        ("08:07", "08:08", "unscheduled_work", DAY),
        ("08:09", "08:10", "unscheduled_work", DAY),
    ]
    assert sums(scored, "scheduled", "worked", "scheduled_work") == (240, 180, 240)


def test_unscheduled_work_after_midnight_belongs_to_its_shift() -> None:
    """In every view of that day, and in none of the next."""
    tables = {
        "schedule": plan(("02T20:00", "03T00:00", "on_queue")),
        "agent_state": said(
            ("02T20:00", "available"), ("03T00:10", "break"), ("03T00:20", "busy"), ("03T00:30", "away")
        ),
    }
    first, second = (wfm.score(**tables, window=days) for days in ((DAY, THIRD), (THIRD, FOURTH)))
    work = [("00:00", "00:10", "available"), ("00:20", "00:30", "busy")]
    assert told(first, "state") == work
    rows = first.slices().filter(pl.col("reason") == "unscheduled_work")
    assert [
        (f"{start:%H:%M}", f"{end:%H:%M}", state)
        for start, end, state in rows.select("start_at", "end_at", "state").rows()
    ] == work
    everything = first.slices()
    assert everything["start_at"][1:].to_list() == everything["end_at"][:-1].to_list()
    assert second.exceptions().is_empty()
    assert second.slices()["reason"].null_count() == second.slices().height


def test_unscheduled_work_is_named_by_the_longest_state() -> None:
    assert told(drawn("state AABBBAA"), "state") == [("08:00", "08:07", "available")]
    assert told(drawn("state ABBBA"), "state") == [("08:00", "08:05", "busy")]
    assert told(drawn("state ABBA"), "state") == [("08:00", "08:04", "available")]


# --- to the microsecond ---------------------------------------------------------------------------------
MICRO = timedelta(microseconds=1)


def test_microseconds_add_up_exactly() -> None:
    """A third of a day in stretches of 1,000,003 microseconds, in and out by turns."""
    step = timedelta(microseconds=1_000_003)
    n = 20_000
    rows = [
        {"login": "a", "at": at("08:00") + k * step, "vendor_state": ("available", "break")[k % 2]}
        for k in range(n)
    ]
    schedule = frame(
        "schedule",
        [
            {
                "agent_id": "a",
                "start_at": at("08:00"),
                "end_at": at("08:00") + n * step,
                "activity": "on_queue",
            }
        ],
    )
    scored = wfm.score(schedule=schedule, agent_state=frame("agent_state", rows))
    half = n // 2 * 1_000_003 / 1_000_000
    assert sums(scored, "scheduled", "in", "controllable") == (2 * half, half, half)
    assert scored.exceptions().height == n // 2


def test_a_window_in_instants_clips_to_the_microsecond() -> None:
    tables = draw("sched QQQQ", "state AbbA")
    start, end = at("08:01") + MICRO, at("08:03") - 2 * MICRO
    scored = wfm.score(**tables, window=(start, end))
    assert sums(scored, "scheduled", "controllable") == (119.999997, 119.999997)
    assert scored.exceptions().select("start_at", "end_at", "seconds").rows() == [(start, end, 119.999997)]
    assert scored.slices().select(pl.col("start_at").min(), pl.col("end_at").max()).row(0) == (start, end)
    one = wfm.score(**tables, window=(at("08:01") - MICRO, at("08:01")))
    assert sums(one, "scheduled", "in") == (0.000001, 0.000001)


def test_window_does_not_change_how_second_is_scored() -> None:
    """The reason of a run and the credit of a break come from outside the window."""
    tables = draw("sched QQQQBBBBQQQQ", "state AABBBBbbbbbA", "calls ..1111......")
    window = (at("08:09"), at("08:11"))
    assert told(wfm.score(**tables, window=window), "reason") == [
        ("08:09", "08:10", "shifted_break"),
        ("08:10", "08:11", "long_break"),
    ]


def test_a_window_in_dates_is_of_workdays() -> None:
    tables = {
        "schedule": plan(("02T22:00", "03T02:00", "on_queue"), ("03T22:00", "04T02:00", "on_queue")),
        "agent_state": said(("02T22:00", "available"), ("03T01:00", "logged_out"), ("03T22:00", "available")),
    }
    first = wfm.score(**tables, window=(DAY, THIRD))
    assert sums(first, "scheduled", "in", "controllable") == (4 * HOUR, 3 * HOUR, HOUR)
    assert told(first, "workday") == [("01:00", "02:00", DAY)]
    second = wfm.score(**tables, window=(THIRD, FOURTH))
    assert sums(second, "scheduled", "controllable") == (4 * HOUR, 0)
    midnight = wfm.score(**tables, window=(at("03T00:00"), at("04T00:00")))
    assert sums(midnight, "scheduled", "in", "controllable") == (4 * HOUR, 3 * HOUR, HOUR)
