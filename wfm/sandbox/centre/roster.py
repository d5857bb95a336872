"""Draw a roster: shifts that follow the demand, with nested breaks, meals, meetings and training."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from wfm.sandbox.centre.demand import (
    FloatArray,
    compute_day_curve,
    compute_instant,
)
from wfm.sandbox.centre.people import SimulatedQueue

HOUR_S = 3600
SHIFT_QUARTERS = 32
"""Quarter-hours of a shift."""

START_QUARTERS = tuple(range(28, 65, 4))
"""Quarter-hours of the local day at which shifts may begin: 07:00 to 16:00."""

LATE_QUARTER = 68
"""One agent a day begins at 17:00 and works past midnight."""

OFF_QUEUE_ACTIVITIES = ("meeting", "coaching", "training", "email")


@dataclass(frozen=True, slots=True)
class ShiftPart:
    """A scheduled activity inside a shift."""

    start: int
    end: int
    activity: str


@dataclass(frozen=True, slots=True)
class SimulatedShift:
    """A scheduled shift; its parts are the nested rows, in order and not adjacent.

    ``activity`` is on_queue, or time_off for a day that was taken off after the schedule was published.
    """

    agent: int
    workday: date
    start: int
    end: int
    activity: str
    parts: tuple[ShiftPart, ...]


def compute_work_share(queues: tuple[SimulatedQueue, ...], on: date) -> float:
    """Return the share of the agents that works on a day: more on busy weekdays, four days a week on average."""
    return min(0.8, 4.2 * float(compute_day_curve(queues, on).sum()))


def draw_day_shifts(
    random_numbers: random.Random, agents: int, queues: tuple[SimulatedQueue, ...], on: date, zone: ZoneInfo
) -> list[SimulatedShift]:
    """Draw the shifts of one workday, in order of agent."""
    working = sorted(
        random_numbers.sample(range(agents), max(1, round(agents * compute_work_share(queues, on))))
    )
    starts = _choose_starts(compute_day_curve(queues, on), len(working))
    random_numbers.shuffle(starts)
    if len(starts) > 3:
        starts[random_numbers.randrange(len(starts))] = LATE_QUARTER
    return [
        _draw_shift(random_numbers, agent, on, quarter, zone)
        for agent, quarter in zip(working, starts, strict=True)
    ]


def _choose_starts(curve: FloatArray, n: int) -> list[int]:
    """Choose ``n`` starts, each where most demand is not yet covered."""
    rounds = min(n, 160)
    need = np.concatenate([curve, np.zeros(SHIFT_QUARTERS)])
    need *= rounds * SHIFT_QUARTERS / need.sum()
    chosen = []
    for _ in range(rounds):
        best = max(
            START_QUARTERS, key=lambda start: float(np.maximum(need[start : start + SHIFT_QUARTERS], 0).sum())
        )
        need[best : best + SHIFT_QUARTERS] -= 1
        chosen.append(best)
    return [chosen[i * rounds // n] for i in range(n)]


def _draw_shift(
    random_numbers: random.Random, agent: int, on: date, quarter: int, zone: ZoneInfo
) -> SimulatedShift:
    start, end = compute_instant(on, quarter, zone), compute_instant(on, quarter + SHIFT_QUARTERS, zone)
    if random_numbers.random() < 0.02:
        return SimulatedShift(agent, on, start, end, "time_off", ())
    spans = [
        (random_numbers.randint(6, 9), 1, "break"),
        (random_numbers.randint(14, 17), 2, "meal"),
        (random_numbers.randint(25, 26), 1, "break"),
    ]
    if random_numbers.random() < 0.3:
        spans.append((random_numbers.choice((21, 22)), 2, random_numbers.choice(OFF_QUEUE_ACTIVITIES)))
    parts = tuple(
        ShiftPart(start + at * 900, start + (at + length) * 900, activity)
        for at, length, activity in sorted(spans)
    )
    return SimulatedShift(agent, on, start, end, "on_queue", parts)
