"""Days to score: drawn by hand (`draw`) and by chance (`days`), as frames of the import tables.

A drawing is one line per thing, one letter per step, `.` for nothing:

    draw("sched  QQQQBBQQ",
         "state  AAAAAbbA",
         "calls  ...11...",
         step_s=60)

`sched`     Q on_queue  P phone  W off_queue_work  E email  B break  M meal  L lunch  T training  C coaching
            G meeting  O time_off  U unavailable; more with `letters={"X": "my_activity"}`
`state`     A available  R ringing  B busy  H hold  W wrapup  K working  n no_answer  i logged_in  b break
            m meal  t training  g meeting  a away  o logged_out  ? a vendor state nobody knows; `.` no news
            (the state goes on). A letter that follows itself is no news either. After the last letter comes
            logged_out, unless the line ends in `>`
`calls`     a letter or digit per leg, answered where its run starts and ended where it ends; the leg's id
`cover`     x where the source was watched
`approved`  x where an exemption excuses everybody
`system`    x where an outage excuses everybody

What a line is about follows a colon. `sched:bob` is agent bob's, `state:bob` and `calls:bob` are login bob's,
`state:bob@ncc` and `cover:@ncc` are source ncc's, `approved:bob` is agent bob's and `approved:team=red` is
team red's. Without it: agent and login `a`, no source. Lines of one kind may repeat: a later `sched` line
nests in an earlier one. Each letter's run in a `sched` line is one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl
from hypothesis import strategies as st

INSTANT = pl.Datetime("us", "UTC")
COLUMNS: dict[str, dict[str, Any]] = {
    "schedule": {
        "agent_id": pl.String,
        "start_at": INSTANT,
        "end_at": INSTANT,
        "activity": pl.String,
        "published_at": INSTANT,
    },
    "agent_state": {
        "source": pl.String,
        "login": pl.String,
        "at": INSTANT,
        "vendor_state": pl.String,
        "vendor_reason": pl.String,
    },
    "call_leg": {
        "source": pl.String,
        "leg_id": pl.String,
        "login": pl.String,
        "answered_at": INSTANT,
        "ended_at": INSTANT,
    },
    "exemption": {
        "start_at": INSTANT,
        "end_at": INSTANT,
        "kind": pl.String,
        "agent_id": pl.String,
        "team": pl.String,
        "made_at": INSTANT,
        "revoked_at": INSTANT,
    },
    "activity": {"activity": pl.String, "category": pl.String, "counted": pl.Boolean},
    "state_map": {
        "source": pl.String,
        "vendor_state": pl.String,
        "vendor_reason": pl.String,
        "state": pl.String,
    },
    "coverage": {"source": pl.String, "start_at": INSTANT, "end_at": INSTANT},
    "agent": {"agent_id": pl.String, "team": pl.String, "timezone": pl.String},
    "login": {
        "source": pl.String,
        "login": pl.String,
        "agent_id": pl.String,
        "from_at": INSTANT,
        "to_at": INSTANT,
    },
    "rules": {"category": pl.String, "state": pl.String, "in_adherence": pl.Boolean},
}
"""The columns of the frames made here. A column `source` that would be empty throughout is left out."""

ACTIVITY_LETTERS = {
    "Q": "on_queue",
    "P": "phone",
    "W": "off_queue_work",
    "E": "email",
    "B": "break",
    "M": "meal",
    "L": "lunch",
    "T": "training",
    "C": "coaching",
    "G": "meeting",
    "O": "time_off",
    "U": "unavailable",
}
STATE_LETTERS = {
    "A": "available",
    "R": "ringing",
    "B": "busy",
    "H": "hold",
    "W": "wrapup",
    "K": "working",
    "n": "no_answer",
    "i": "logged_in",
    "b": "break",
    "m": "meal",
    "t": "training",
    "g": "meeting",
    "a": "away",
    "o": "logged_out",
    "?": "Mystery",
}
CLASS_LETTERS = {
    "in": "i",
    "unknown": "u",
    "system": "s",
    "approved": "a",
    "call_driven": "d",
    "controllable": "c",
    None: "-",
}
REASON_LETTERS = {
    "absent": "A",
    "late_start": "L",
    "early_leave": "E",
    "early_break": "<",
    "long_break": ">",
    "missed_break": "M",
    "no_answer": "N",
    "wrong_state": "W",
    "call_overrun": "O",
    "shifted_break": "S",
    None: "-",
}
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make the frame of one import table; missing values are empty."""
    columns = COLUMNS[name]
    made = pl.DataFrame([{column: row.get(column) for column in columns} for row in rows], schema=columns)
    if "source" in columns and name != "state_map" and made["source"].null_count() == made.height:
        made = made.drop("source")
    return made


def draw(
    *lines: str, step_s: int = 60, start: datetime = START, letters: dict[str, str] | None = None
) -> dict[str, pl.DataFrame]:
    """Turn drawings (see the module) into frames by table; `schedule` and `agent_state` are always there."""
    activities = ACTIVITY_LETTERS | (letters or {})
    rows: dict[str, list[dict[str, Any]]] = {"schedule": [], "agent_state": []}

    def at(position: int) -> datetime:
        return start + timedelta(seconds=position * step_s)

    for line in lines:
        head, picture = line.split()
        kind, _, about = head.partition(":")
        who, _, source = about.partition("@")
        ends_open = picture.endswith(">")
        picture = picture.removesuffix(">")
        runs = []
        position = 0
        for letter, run in groupby(picture):
            length = len(list(run))
            if letter != ".":
                runs.append((letter, at(position), at(position + length)))
            position += length
        common = {"source": source or None}
        span = [{"start_at": first, "end_at": past} for _, first, past in runs]
        match kind:
            case "sched":
                rows["schedule"] += [
                    {
                        "agent_id": who or "a",
                        "start_at": first,
                        "end_at": past,
                        "activity": activities[letter],
                    }
                    for letter, first, past in runs
                ]
            case "state":
                if not ends_open:
                    runs.append(("o", at(position), at(position)))
                rows["agent_state"] += [
                    common | {"login": who or "a", "at": first, "vendor_state": STATE_LETTERS[letter]}
                    for letter, first, _ in runs
                ]
            case "calls":
                rows.setdefault("call_leg", []).extend(
                    common | {"leg_id": letter, "login": who or "a", "answered_at": first, "ended_at": past}
                    for letter, first, past in runs
                )
            case "cover":
                rows.setdefault("coverage", []).extend(common | one for one in span)
            case "approved" | "system":
                of = {"kind": kind}
                if who.startswith("team="):
                    of["team"] = who.removeprefix("team=")
                elif who:
                    of["agent_id"] = who
                rows.setdefault("exemption", []).extend(of | one for one in span)
            case _:
                raise ValueError(f"a line cannot start with {head!r}")
    return {name: frame(name, some) for name, some in rows.items()}


def picture(seconds: list[dict[str, Any]], agent_id: str, what: str, step_s: int) -> str:
    """Draw what the slow twin found: one letter per step, `.` in a gap; `what` is class, reason or state."""
    letters: dict[Any, str] = {
        "class": CLASS_LETTERS,
        "reason": REASON_LETTERS,
        "state": {state: letter for letter, state in STATE_LETTERS.items()}
        | {"unmapped": "?", "unknown": "u"},
    }[what]
    mine = {one["second"]: letters[one[what]] for one in seconds if one["agent_id"] == agent_id}
    if not mine:
        return ""
    return "".join(mine.get(t, ".") for t in range(min(mine), max(mine) + step_s, step_s))


def golden() -> dict[str, pl.DataFrame]:
    """Make the golden day of the specification."""

    def at(clock: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-02T{clock}:00+00:00")

    schedule = [
        ("08:00", "16:00", "on_queue"),
        ("10:00", "10:15", "break"),
        ("12:00", "12:30", "meal"),
        ("14:00", "14:15", "break"),
    ]
    states = [
        ("08:03", "available"),
        ("09:55", "busy"),
        ("10:06", "break"),
        ("10:21", "available"),
        ("12:00", "meal"),
        ("12:30", "available"),
        ("14:00", "break"),
        ("14:15", "available"),
        ("16:10", "logged out"),
    ]
    return {
        "schedule": frame(
            "schedule",
            [
                {"agent_id": "a", "start_at": at(s), "end_at": at(e), "activity": what}
                for s, e, what in schedule
            ],
        ),
        "agent_state": frame(
            "agent_state", [{"login": "a", "at": at(when), "vendor_state": state} for when, state in states]
        ),
        "call_leg": frame(
            "call_leg",
            [{"leg_id": "leg-1", "login": "a", "answered_at": at("09:55"), "ended_at": at("10:06")}],
        ),
    }


# --- by chance ------------------------------------------------------------------------------------------
def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


MOMENTS = (
    ("UTC", _utc("2026-03-02T09:00")),
    ("UTC", _utc("2026-03-03T00:00")),
    ("Asia/Jerusalem", _utc("2026-03-01T22:00")),  # midnight
    ("Asia/Jerusalem", _utc("2026-03-27T00:00")),  # 02:00 becomes 03:00
    ("Asia/Jerusalem", _utc("2026-10-24T23:00")),  # 02:00 becomes 01:00
    ("Europe/London", _utc("2026-03-29T01:00")),
    ("Europe/London", _utc("2026-10-25T01:00")),
    ("Australia/Lord_Howe", _utc("2026-04-04T15:00")),  # by half an hour
    ("Australia/Lord_Howe", _utc("2026-10-03T15:30")),
    ("Asia/Kathmandu", _utc("2026-03-01T18:15")),  # midnight at +05:45
    ("America/New_York", _utc("2026-03-08T05:00")),  # midnight of a day of 23 hours
)
"""A zone and an instant worth having inside a day."""

AGENTS = ("a", "b", "c")
TEAMS = ("red", "blue", None)
WORDS = (
    "Available",
    "available",
    "Busy",
    "BUSY",
    "hold",
    "ringing",
    "Wrapup",
    "wrap-up",
    "Working",
    "No Answer",
    "no_answer",
    "Logged in",
    "break",
    "Break",
    "meal",
    "away",
    "training",
    "meeting",
    "Logged out",
    "LOGGED_OUT",
    "Mystery",
    "AUX",
    "AUX",
    "Lunch Time",
)
"""Vendor states: every state of ours, spellings of them, and words that only a mapping knows."""

OWN_ACTIVITIES = (
    {"activity": "huddle", "category": "meeting", "counted": None},
    {"activity": "study", "category": "training", "counted": False},
    {"activity": "standby", "category": "unavailable", "counted": True},
    {"activity": "callback", "category": "on_queue", "counted": None},
    {"activity": "lunch", "category": "break", "counted": None},
    {"activity": "email", "category": "off_queue_work", "counted": False},
)
OWN_STATES = (
    {"source": "*", "vendor_state": "AUX", "state": "away"},
    {"source": "*", "vendor_state": "aux", "vendor_reason": "Team Talk", "state": "meeting"},
    {"source": "s1", "vendor_state": "Aux", "state": "break"},
    {"source": "s1", "vendor_state": "AUX", "vendor_reason": "queue", "state": "working"},
    {"source": "*", "vendor_state": "lunch-time", "state": "meal"},
    {"source": "s2", "vendor_state": "Busy", "state": "hold"},
    {"source": "*", "vendor_state": "Logged in", "vendor_reason": "queue", "state": "available"},
)
OWN_RULES = (
    {"category": "break", "state": "logged_out", "in_adherence": False},
    {"category": "on_queue", "state": "meeting", "in_adherence": True},
    {"category": "training", "state": "available", "in_adherence": True},
)


@dataclass(frozen=True)
class Day:
    """One awkward day: frames by table, and how to score them."""

    tables: dict[str, pl.DataFrame]
    timezone: str
    as_of: datetime | None
    step_s: int
    """Every instant in the frames is a multiple of it; the slow twin may walk in it."""

    def inputs(self) -> dict[str, Any]:
        """Give the arguments of `slow_score` that the engine knows too."""
        return {**self.tables, "timezone": self.timezone, "as_of": self.as_of}


@st.composite
def days(
    draw: st.DrawFn,
    cells: tuple[int, ...] = (60, 60, 20, 1),
    *,
    several_logins: bool = True,
    sources: bool = True,
    own_rules: bool = True,
) -> Day:
    """Draw a day of 120 to 360 cells of so many seconds (one of `cells`), where coincidences happen often.

    Everything begins and ends on a few ticks. Most agents have a plan (a shift with breaks) that they follow
    more or less, with noise on top. Without `several_logins` each agent has at most one login and there is no
    table of logins; without `sources` no frame has a source; without `own_rules` the default rules hold.
    """
    cell = draw(st.sampled_from(cells))
    zone, moment = draw(st.sampled_from(MOMENTS))
    span = draw(st.integers(120, 360))
    origin = moment - timedelta(seconds=cell * draw(st.sampled_from((0, 1, span // 2, span))))
    origin = origin.replace(microsecond=0) - timedelta(seconds=int(origin.timestamp()) % 60)
    coarse = draw(st.sampled_from((1, 5, 15)))
    ticks = draw(st.lists(st.integers(0, span // coarse), min_size=4, max_size=9, unique=True))
    ticks = sorted(tick * coarse for tick in ticks)
    tick = st.sampled_from(ticks)
    maybe = st.booleans()
    rarely = st.sampled_from((False, False, False, True))

    def at(position: int) -> datetime:
        return origin + timedelta(seconds=position * cell)

    def two() -> tuple[int, int]:
        pair = draw(st.lists(tick, min_size=2, max_size=2, unique=True))
        return min(pair), max(pair)

    known_instants = [origin - timedelta(days=2), origin - timedelta(days=1), at(0), at(span // 2)]
    known = st.sampled_from(known_instants)
    as_of = draw(st.one_of(st.none(), known))
    agents = AGENTS[: draw(st.sampled_from((1, 2, 2, 3)))]
    rows: dict[str, list[dict[str, Any]]] = {"schedule": [], "agent_state": []}
    tables = ("activity", "state_map", "rules", "call_leg", "exemption", "coverage", "agent", "login")

    # the words
    activities = [
        "on_queue",
        "on_queue",
        "phone",
        "break",
        "meal",
        "lunch",
        "training",
        "coaching",
        "meeting",
    ]
    activities += ["off_queue_work", "email", "time_off", "unavailable"]
    if draw(maybe):
        own = draw(
            st.lists(st.sampled_from(OWN_ACTIVITIES), min_size=1, unique_by=lambda one: one["activity"])
        )
        rows["activity"] = own
        activities += [one["activity"] for one in own]
    named = sources and draw(maybe)
    if draw(maybe):
        rows["state_map"] = [
            one if named else one | {"source": draw(st.sampled_from(("*", None)))}
            for one in draw(st.lists(st.sampled_from(OWN_STATES), min_size=1, unique_by=lambda one: str(one)))
            if named or one["source"] == "*"
        ]
    if own_rules and draw(rarely):
        rows["rules"] = draw(st.lists(st.sampled_from(OWN_RULES), min_size=1, unique_by=lambda one: str(one)))
    if draw(maybe):
        rows["agent"] = [
            {
                "agent_id": agent,
                "team": draw(st.sampled_from(TEAMS)),
                "timezone": draw(st.sampled_from((None, zone, "UTC", "Asia/Kathmandu"))),
            }
            for agent in agents
        ]

    # who logs in where
    where = ("s1", "s2") if named else (None,)
    if several_logins and named and draw(maybe):
        logins = [("s1", "x"), ("s1", "y"), ("s2", "x"), ("s2", "z"), ("s1", "a")]
        rows["login"] = []
        for source, login in logins[: draw(st.integers(1, 4))]:
            agent = draw(st.sampled_from(agents))
            first, past = (at(one) for one in two())
            match draw(st.sampled_from(("always", "always", "since", "until", "handed"))):
                case "always":
                    spans = [(agent, None, None)]
                case "since":
                    spans = [(agent, first, None)]
                case "until":
                    spans = [(agent, None, past)]
                case _:
                    spans = [(agent, None, first), (draw(st.sampled_from(agents)), first, past)]
            rows["login"] += [
                {"source": source, "login": login, "agent_id": who, "from_at": since, "to_at": until}
                for who, since, until in spans
            ]
    elif several_logins:
        logins = [(source, agent) for source in where for agent in agents]
    else:
        logins = [(draw(st.sampled_from(where)), agent) for agent in agents]
    logins = [login for login in logins if draw(st.sampled_from((True, True, True, True, False)))]
    owned = {(one["source"], one["login"]): one["agent_id"] for one in rows.get("login", ())}

    # what they did
    legs: list[dict[str, Any]] = []

    def leg(source: str | None, login: str, answered: int | None, ended: int | None) -> None:
        legs.append(
            {
                "source": source,
                "leg_id": f"leg-{len(legs)}",
                "login": login,
                "answered_at": None if answered is None else at(answered),
                "ended_at": None if ended is None else at(ended),
            }
        )

    plans: dict[str, tuple[int, int, list[tuple[int, int]]]] = {}
    for agent in agents:
        if draw(st.sampled_from((True, True, False))):
            pauses = draw(st.lists(tick, min_size=1, max_size=3, unique=True))
            begin, done = draw(st.sampled_from((0, ticks[0]))), draw(st.sampled_from((span, ticks[-1])))
            lengths = [draw(st.sampled_from((2, 5, 15))) for _ in pauses]
            plans[agent] = begin, done, list(zip(sorted(pauses), lengths, strict=True))
    for source, login in logins:
        events: list[tuple[datetime, str, str | None]] = []
        if cell >= 20 and draw(maybe):
            hours = draw(st.sampled_from((1, 15, 16, 72)))
            before = (
                at(draw(tick)) - timedelta(hours=hours) + timedelta(seconds=cell * draw(st.integers(-1, 1)))
            )
            events.append((before, draw(st.sampled_from(WORDS)), None))
        agent = owned.get((source, login), login)
        follows = agent in plans and draw(st.sampled_from((True, True, True, False)))
        for _ in range(draw(st.sampled_from((0, 0, 1, 2)) if follows else st.integers(0, 9))):
            reason = draw(st.sampled_from((None, None, None, "team talk", "QUEUE", "?")))
            events.append((at(draw(tick)), draw(st.sampled_from(WORDS)), reason))
        for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
            answered, ended = two()
            match draw(st.sampled_from(("both", "both", "both", "missed", "open"))):
                case "both":
                    leg(source, login, answered, ended)
                case "missed":
                    leg(source, login, None, ended)
                case _:
                    leg(source, login, answered, None)
        if follows:
            begin, done, pauses = plans[agent]
            events.append((at(begin + draw(st.integers(-2, 4))), "Available", None))
            for start, length in pauses:
                rest = draw(st.sampled_from((-1, 0, 1, 3, 10)))
                resting = draw(st.sampled_from(("break", "break", "meal", "Logged out")))
                if draw(maybe):  # a call runs into it, and it is taken later
                    before = draw(st.sampled_from((2, 1, 1, 0)))
                    over = draw(st.sampled_from((3, 4, 1, 0)))
                    wrap = draw(st.sampled_from((0, 0, 1, 2, 3, 130)))
                    call = draw(st.sampled_from(("Busy", "hold", "ringing")))
                    events.append((at(start - before), call, None))
                    if wrap:
                        events.append((at(start + over), "Wrapup", None))
                    events.append((at(start + over + wrap), resting, None))
                    if draw(st.sampled_from((True, True, False))):
                        leg(source, login, start - before, start + over)
                    if draw(rarely):
                        leg(source, login, start - 1, start + over - 1)
                else:
                    events.append((at(start + draw(st.sampled_from((-10, -1, 0, 0, 2)))), resting, None))
                events.append((at(start + length + rest), "Available", None))
            events.append((at(done + draw(st.integers(-3, 3))), "Logged out", None))
        if events and draw(rarely):
            events.append(draw(st.sampled_from(events)))
        if cell < 20 or draw(maybe):
            events.append((at(span + 5), "Logged out", None))
        if draw(maybe):
            events = draw(st.permutations(events))
        rows["agent_state"] += [
            {"source": source, "login": login, "at": when, "vendor_state": word, "vendor_reason": reason}
            for when, word, reason in events
        ]
    if draw(st.sampled_from((True, True, False))):
        rows["call_leg"] = legs

    # what was planned, once or several times
    for agent in agents:
        for published in draw(st.sampled_from(((None,), (None,), (None, 0), (0, 1), (None, 2, 3), ()))):
            planned: list[tuple[datetime, datetime, str]] = []
            first, past = two()
            many = 4
            if agent in plans:
                first, past, pauses = plans[agent]
                many = 1
                planned += [
                    (
                        at(start),
                        at(start + length),
                        draw(st.sampled_from(("break", "meal", "break", "training"))),
                    )
                    for start, length in pauses
                ]
            if agent in plans or draw(maybe):
                planned.append(
                    (at(first), at(past), draw(st.sampled_from(("on_queue", "on_queue", "phone"))))
                )
            for _ in range(draw(st.integers(0, many))):
                start, end = two()
                planned.append((at(start), at(end), draw(st.sampled_from(activities))))
            if draw(rarely):
                gap = draw(st.sampled_from((3600, 10800 - cell, 10800, 10800 + cell)))
                start_at = at(past) + timedelta(seconds=gap)
                length = timedelta(seconds=cell * draw(st.sampled_from((1, 15, 60))))
                planned.append((start_at, start_at + length, draw(st.sampled_from(activities))))
            if cell >= 20 and draw(rarely):
                length = timedelta(seconds=draw(st.sampled_from((28800 - cell, 28800, 36000))))
                what = draw(st.sampled_from(("time_off", "unavailable")))
                begin = draw(st.sampled_from((at(past), at(past + 1), at(first) - length)))
                planned.append((begin, begin + length, what))
            if draw(rarely):
                planned += planned[:1]
            rows["schedule"] += [
                {
                    "agent_id": agent,
                    "start_at": start,
                    "end_at": end,
                    "activity": what,
                    "published_at": None if published is None else known_instants[published],
                }
                for start, end, what in planned
            ]

    # what was excused, and what was seen
    if draw(maybe):
        rows["exemption"] = []
        for _ in range(draw(st.integers(0, 3))):
            start, end = two()
            rows["exemption"].append(
                {
                    "start_at": at(start),
                    "end_at": at(end),
                    "kind": draw(st.sampled_from(("approved", "approved", "system"))),
                    "agent_id": draw(st.sampled_from((None, None, *agents))),
                    "team": draw(st.sampled_from((None, None, "red", "blue"))),
                    "made_at": draw(st.one_of(st.none(), known)),
                    "revoked_at": draw(st.one_of(st.none(), st.none(), known)),
                }
            )
    if draw(maybe):
        rows["coverage"] = []
        far = timedelta(days=2)
        for source in where:
            match draw(st.sampled_from(("all", "hole", "hole", "spans", "never"))):
                case "all":
                    spans = [(origin - far, origin + far)]
                case "hole":
                    start, end = two()
                    spans = [(origin - far, at(start)), (at(end), origin + far)]
                case "spans":
                    spans = [(at(start), at(end)) for start, end in (two(), two())]
                case _:
                    spans = []
            rows["coverage"] += [{"source": source, "start_at": one, "end_at": two} for one, two in spans]
        if not rows["coverage"]:
            rows["coverage"] = [{"source": where[0], "start_at": at(0), "end_at": at(span)}]
    frames = {name: frame(name, rows[name]) for name in ("schedule", "agent_state", *tables) if name in rows}
    return Day(frames, zone, as_of, cell)
