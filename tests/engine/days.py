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

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl

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
    "Q": "on_queue", "P": "phone", "W": "off_queue_work", "E": "email", "B": "break", "M": "meal",
    "L": "lunch", "T": "training", "C": "coaching", "G": "meeting", "O": "time_off", "U": "unavailable",
}  # fmt: skip
STATE_LETTERS = {
    "A": "available", "R": "ringing", "B": "busy", "H": "hold", "W": "wrapup", "K": "working",
    "n": "no_answer", "i": "logged_in", "b": "break", "m": "meal", "t": "training", "g": "meeting",
    "a": "away", "o": "logged_out", "?": "Mystery",
}  # fmt: skip
CLASS_LETTERS = {
    "in": "i", "unknown": "u", "system": "s", "approved": "a", "call_driven": "d", "controllable": "c",
    None: "-",
}  # fmt: skip
REASON_LETTERS = {
    "absent": "A", "late_start": "L", "early_leave": "E", "early_break": "<", "long_break": ">",
    "missed_break": "M", "no_answer": "N", "wrong_state": "W", "call_overrun": "O", "shifted_break": "S",
    None: "-",
}  # fmt: skip
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
