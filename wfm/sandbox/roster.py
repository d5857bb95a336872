"""Who is scheduled when: shifts that follow the demand, with nested breaks, meals, meetings and training."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from wfm.sandbox.demand import QUARTERS, Array, day_curve, instant
from wfm.sandbox.people import Queue

HOUR = 3600
LENGTH = 32
"""Quarter-hours of a shift."""

STARTS = tuple(range(28, 65, 4))
"""Quarter-hours of the local day at which shifts may begin: 07:00 to 16:00."""

LATE = 68
"""One agent a day begins at 17:00 and works past midnight."""

EXTRAS = ("meeting", "coaching", "training", "email")


@dataclass(frozen=True, slots=True)
class Part:
    """A scheduled stretch inside a shift."""

    start: int
    end: int
    activity: str


@dataclass(frozen=True, slots=True)
class Shift:
    """A scheduled shift: parts are the nested rows, in order and apart from each other.

    ``activity`` is on_queue, or time_off for a day that was taken off after the schedule was made.
    """

    agent: int
    workday: date
    start: int
    end: int
    activity: str
    parts: tuple[Part, ...]


def work_share(queues: tuple[Queue, ...], on: date) -> float:
    """Return the part of the agents that works on a day: more on busy weekdays, four days a week on average."""
    return min(0.8, 4.2 * float(day_curve(queues, on).sum()))


def day_shifts(
    whim: random.Random, agents: int, queues: tuple[Queue, ...], on: date, zone: ZoneInfo
) -> list[Shift]:
    """Draw the shifts of one workday, in order of agent."""
    working = sorted(whim.sample(range(agents), max(1, round(agents * work_share(queues, on)))))
    starts = _starts(day_curve(queues, on), len(working))
    whim.shuffle(starts)
    if len(starts) > 3:
        starts[whim.randrange(len(starts))] = LATE
    return [_shift(whim, agent, on, quarter, zone) for agent, quarter in zip(working, starts, strict=True)]


def _starts(curve: Array, n: int) -> list[int]:
    """Choose ``n`` starts, each where most of the demand is not covered yet."""
    rounds = min(n, 160)
    need = np.concatenate([curve, np.zeros(LENGTH)])
    need *= rounds * LENGTH / need.sum()
    chosen = []
    for _ in range(rounds):
        best = max(STARTS, key=lambda start: float(np.maximum(need[start : start + LENGTH], 0).sum()))
        need[best : best + LENGTH] -= 1
        chosen.append(best)
    return [chosen[i * rounds // n] for i in range(n)]


def _shift(whim: random.Random, agent: int, on: date, quarter: int, zone: ZoneInfo) -> Shift:
    start, end = instant(on, quarter, zone), instant(on, quarter + LENGTH, zone)
    if whim.random() < 0.02:
        return Shift(agent, on, start, end, "time_off", ())
    spans = [
        (whim.randint(6, 9), 1, "break"),
        (whim.randint(14, 17), 2, "meal"),
        (whim.randint(25, 26), 1, "break"),
    ]
    if whim.random() < 0.3:
        spans.append((whim.choice((21, 22)), 2, whim.choice(EXTRAS)))
    parts = tuple(
        Part(start + at * 900, start + (at + length) * 900, activity)
        for at, length, activity in sorted(spans)
    )
    return Shift(agent, on, start, end, "on_queue", parts)


def last_quarter() -> int:
    """Return how many quarter-hours after local midnight the last shift may end."""
    return max(QUARTERS, LATE + LENGTH)
