"""Other products' definitions, by walking over the seconds that the slow twin found: formulas as they are printed.

Every function takes the walk of one agent's workday and gives (numerator, denominator) in seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from helpers import slow_twin

QUEUE = slow_twin.QUEUE_STATES
REACH_S = 2 * 3600
Ratio = tuple[int, int]


@dataclass
class Workday:
    """What one agent did on one workday: steps scheduled, and steps of work outside."""

    step_s: int
    scheduled: list[dict[str, Any]] = field(default_factory=list)
    outside: list[dict[str, Any]] = field(default_factory=list)
    shifts: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of all shifts of this agent that have anything counted, on whatever workday."""

    @property
    def known(self) -> list[dict[str, Any]]:
        return [one for one in self.scheduled if one["counted"] and one["class"] != "unknown"]

    @property
    def out(self) -> list[dict[str, Any]]:
        return [one for one in self.known if one["class"] != "in"]

    def s(self, steps: Any) -> int:
        return self.step_s * sum(1 for _ in steps)


def workdays(walked: slow_twin.Score) -> dict[tuple[str, Any], Workday]:
    """Sort the steps by agent and workday."""
    found: dict[tuple[str, Any], Workday] = defaultdict(lambda: Workday(walked.step_s))
    spans: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for one in walked.seconds:
        found[one["agent_id"], one["workday"]].scheduled.append(one)
        spans[one["agent_id"], one["shift"]].append(one)
    for one in walked.unscheduled:
        found[one["agent_id"], one["workday"]].outside.append(one)
    for (agent, start), steps in spans.items():
        if any(one["counted"] for one in steps):
            end = max(one["second"] for one in steps) + walked.step_s
            for (owner, _), day in found.items():
                if owner == agent:
                    day.shifts.append((start, end))
    return found


def undefined(day: Workday) -> bool:
    seen = any(one["state"] != "logged_out" for one in day.known) or day.outside
    return not (day.known and seen)


def genesys(day: Workday) -> Ratio:
    scheduled, exception = day.s(day.known), day.s(day.out)
    return (0, 0) if undefined(day) else (max(0, scheduled - exception), scheduled)


def genesys_outside_shift(day: Workday) -> Ratio:
    outside = day.s(day.outside)
    scheduled, exception = day.s(day.known) + outside, day.s(day.out) + outside
    return (0, 0) if undefined(day) else (max(0, scheduled - exception), scheduled)


def runs(day: Workday) -> list[list[dict[str, Any]]]:
    """Join the steps that are out to exceptions: unbroken, and within one segment."""
    found: list[list[dict[str, Any]]] = []
    for one in day.out:
        last = found[-1][-1] if found else None
        if last and last["second"] + day.step_s == one["second"] and last["segment"] == one["segment"]:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def genesys_threshold(day: Workday, threshold_s: int = 300) -> Ratio:
    scheduled = day.s(day.known)
    exception = sum(day.s(run) for run in runs(day) if day.s(run) >= threshold_s)
    return (0, 0) if undefined(day) else (max(0, scheduled - exception), scheduled)


def amazon(day: Workday) -> Ratio:
    good = 0
    for one in day.known:
        productive = one["category"] == "on_queue"
        if productive:
            good += one["state"] in QUEUE
        else:
            good += one["state"] not in QUEUE and one["state"] != "logged_out"
    return good * day.step_s, day.s(day.known)


def calabrio_rta(day: Workday) -> Ratio:
    inside = [one for one in day.known if one["class"] == "in"]
    neutral = [one for one in day.out if one["category"] in ("break", "meal") and one["state"] in QUEUE]
    return day.s(inside), day.s(day.known) - day.s(neutral)


def by_interval(day: Workday, steps: list[dict[str, Any]]) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for one in steps:
        found[one["second"] // 900] += day.step_s
    return found


def calabrio_ready_1(day: Workday) -> Ratio:
    due = by_interval(day, [one for one in day.known if one["category"] == "on_queue"])
    ready = by_interval(day, [one for one in day.scheduled if one["state"] in QUEUE])
    whole = sum(due.values())
    return whole - sum(max(0, due[i] - ready[i]) for i in list(due)), whole


def calabrio_ready_2(day: Workday) -> Ratio:
    if not day.known:
        return 0, 0
    due = by_interval(day, [one for one in day.known if one["category"] == "on_queue"])
    near = [
        one
        for one in day.outside
        if any(start - REACH_S <= one["second"] < end + REACH_S for start, end in day.shifts)
    ]
    ready = by_interval(day, [one for one in day.scheduled if one["state"] in QUEUE] + near)
    scheduled = day.s(day.known)
    return scheduled - sum(abs(due[i] - ready[i]) for i in {*due, *ready}), scheduled


def assembled_productive(day: Workday) -> Ratio:
    productive = [one for one in day.known if one["category"] == "on_queue"]
    return day.s(one for one in productive if one["class"] == "in"), day.s(productive)


def salesforce(day: Workday) -> Ratio:
    lost = [
        one for one in day.known if one["state"] == "logged_out" and one["category"] not in ("break", "meal")
    ]
    return day.s(day.known) - day.s(lost), day.s(day.known)


def adherence(day: Workday) -> Ratio:
    return day.s(day.known) - day.s(day.out), day.s(day.known)


def adherence_adjusted(day: Workday) -> Ratio:
    lost = [one for one in day.known if one["class"] == "controllable"]
    return day.s(day.known) - day.s(lost), day.s(day.known)


def tolerated_s(
    day: Workday, threshold_s: int, threshold_smooth: bool, tolerances: dict[str, tuple[int, int, bool]]
) -> int:
    """Count the steps out of adherence that any limit tolerates, looking at each from both ends of its run."""
    count = 0
    for run in runs(day):
        first, past = run[0]["second"], run[-1]["second"] + day.step_s
        segment = [one["second"] for one in day.scheduled if one["segment"] == run[0]["segment"]]
        start_s, end_s, smooth = tolerances.get(run[0]["activity"], (0, 0, False))
        length = past - first
        for one in run:
            from_first, to_past = one["second"] - first, past - one["second"]
            fine = length < threshold_s or (threshold_smooth and from_first < threshold_s)
            if first == min(segment):
                fine |= length <= start_s or (smooth and from_first < start_s)
            if past == max(segment) + day.step_s:
                fine |= length <= end_s or (smooth and to_past <= end_s)
            count += fine
    return count * day.step_s


DEFINITIONS: dict[str, Callable[..., Ratio]] = {
    "genesys": genesys,
    "genesys_outside_shift": genesys_outside_shift,
    "genesys_threshold": genesys_threshold,
    "amazon": amazon,
    "calabrio_rta": calabrio_rta,
    "calabrio_ready_1": calabrio_ready_1,
    "calabrio_ready_2": calabrio_ready_2,
    "assembled_productive": assembled_productive,
    "salesforce": salesforce,
}
OWN = {"adherence": adherence, "adherence_adjusted": adherence_adjusted}
