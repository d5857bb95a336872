"""The slow twin of roll-ups and shrinkage: every second of every agent, with everything it can be grouped by."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from helpers import slow_twin
from helpers.slow_twin import QUEUE_STATES, instant
from wfm.core.glossary import INTERVAL_S

HANDLING = ("busy", "hold", "wrapup")
STAFFED = (*HANDLING, "available", "ringing")
NOT_IN = ("logged_out", "unknown", "unmapped")
SUMS = (
    "paid_s",
    "productive_s",
    "planned_s",
    "unplanned_s",
    "unknown_s",
    "scheduled_shrinkage_s",
    "logged_in_s",
    "staffed_s",
    "handling_s",
    "handling_paid_s",
)
Flags = dict[str, tuple[bool, str]]


def walk(
    found: slow_twin.Score, queue_of: dict[str, str | None], flags: Flags, first: int, past: int
) -> list[dict[str, Any]]:
    """Tell every second in [first, past) that is scheduled or logged in.

    `queue_of` gives the queue of a leg, `flags` whether an activity is paid, and its shrinkage.
    """
    scheduled = {(one["agent_id"], one["second"]): one for one in found.seconds}
    told: list[dict[str, Any]] = []
    for person in found.people:
        mine = []
        call: str | None = None
        for t in range(first, past, found.step_s):
            record = scheduled.get((person.agent_id, t))
            state = person.state(t)
            call = leg_at(person, t) or (call if state in HANDLING else None)
            if record is None and state in NOT_IN:
                continue
            mine.append(second_of(person, t, state, record, None if call is None else queue_of[call], flags))
        for run in idle_runs(mine, found.step_s):
            day = person.unscheduled_workday(run[0]["second"], run[-1]["second"] + found.step_s)
            for one in run:
                one["workday"] = day
        settle(mine)
        told += mine
    return told


def leg_at(person: Any, t: int) -> str | None:
    """Name the leg under way: the one answered last, of those the one that ends first, then the later name."""
    legs = [leg for leg in person.walk.legs.get(person.agent_id, []) if leg[0] <= t < leg[1]]
    if not legs:
        return None
    return str(max(legs, key=lambda leg: (leg[0], -leg[1], leg[2]))[2])


def second_of(
    person: Any, t: int, state: str, record: dict[str, Any] | None, queue: str | None, flags: Flags
) -> dict[str, Any]:
    activity = None if record is None else record["activity"]
    paid, flag = flags[activity] if activity is not None else (False, "none")
    return {
        "agent_id": person.agent_id,
        "team": person.team,
        "second": t,
        "interval_start": instant(t // INTERVAL_S * INTERVAL_S),
        "workday": None if record is None else record["workday"],
        "activity": activity,
        "category": None if record is None else record["category"],
        "shift_start_at": None if record is None else instant(record["shift"]),
        "queue_id": queue,
        "state": state,
        "record": record,
        "paid": paid,
        "flag": flag,
        "part": part(state, record, flag) if record is not None and paid else None,
    }


def part(state: str, record: dict[str, Any], flag: str) -> str:
    """Say where a paid second went."""
    served = state in QUEUE_STATES
    if served and record["class"] != "in" and record["category"] != "on_queue":
        return "productive"
    if flag != "none":
        return flag
    if record["class"] in (None, "in"):
        return "productive"
    if record["class"] == "unknown":
        return "unknown"
    return "planned" if record["reason"] == "shifted_break" else "unplanned"


def idle_runs(mine: list[dict[str, Any]], step_s: int) -> list[list[dict[str, Any]]]:
    """Split what is not scheduled into unbroken runs of work and unbroken runs of none."""
    runs: list[list[dict[str, Any]]] = []
    for one in mine:
        if one["record"] is not None:
            continue
        works = one["state"] in QUEUE_STATES
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last["second"] + step_s == one["second"]
            and (last["state"] in QUEUE_STATES) == works
        ):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def settle(mine: list[dict[str, Any]]) -> None:
    """Give time without a call the queue of which the agent handled calls longest on that workday."""
    handled: dict[Any, Counter[str]] = defaultdict(Counter)
    for one in mine:
        if one["queue_id"] is not None:
            handled[one["workday"]][one["queue_id"]] += 1
    for one in mine:
        queues = handled[one["workday"]]
        if one["queue_id"] is None and queues:
            one["queue_id"] = min(queues, key=lambda name: (-queues[name], name))


def place(one: dict[str, Any], by: list[str]) -> tuple[Any, ...]:
    """Name the group of a second."""
    day = one["workday"]
    calendar = {"week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
    return tuple(calendar[name] if name in calendar else one[name] for name in by)


def adherence(told: list[dict[str, Any]], by: list[str], step_s: int) -> dict[tuple[Any, ...], list[int]]:
    """Add up what `wfm.Score.adherence` tells: per group the seconds of `slow_twin.SUMS`."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for one in told:
        record = one["record"]
        if record is None:
            continue
        hits = {
            "scheduled_s": record["counted"],
            "scheduled_work_s": record["category"] == "on_queue",
            "worked_s": record["state"] in QUEUE_STATES,
        }
        row = groups.setdefault(place(one, by), [0] * len(slow_twin.SUMS))
        for number, name in enumerate(slow_twin.SUMS):
            if hits.get(name, record["counted"] and f"{record['class']}_s" == name):
                row[number] += step_s
    return groups


def shrinkage(told: list[dict[str, Any]], by: list[str], step_s: int) -> dict[tuple[Any, ...], list[int]]:
    """Add up what `wfm.Score.shrinkage` tells: per group the seconds of `SUMS`."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for one in told:
        hits = {
            "paid_s": one["paid"],
            "scheduled_shrinkage_s": one["paid"] and one["flag"] == "planned",
            "logged_in_s": one["state"] not in NOT_IN,
            "staffed_s": one["state"] in STAFFED,
            "handling_s": one["state"] in HANDLING,
            "handling_paid_s": one["state"] in HANDLING and one["paid"],
        }
        row = groups.setdefault(place(one, by), [0] * len(SUMS))
        for number, name in enumerate(SUMS):
            if hits.get(name, f"{one['part']}_s" == name):
                row[number] += step_s
    return {
        key: row for key, row in groups.items() if row[SUMS.index("paid_s")] or row[SUMS.index("logged_in_s")]
    }
