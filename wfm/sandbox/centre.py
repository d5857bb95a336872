"""Simulate a contact centre second by second."""

from __future__ import annotations

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from wfm.sandbox import demand, roster
from wfm.sandbox.calls import Calls
from wfm.sandbox.conduct import Plan
from wfm.sandbox.floor import Floor
from wfm.sandbox.people import Queue, make_agents, make_queues
from wfm.sandbox.truth import Truth
from wfm.sandbox.wishes import Excuse

OUTAGE_S = 40 * 60


def simulate(
    seed: int = 1,
    start: date = date(2026, 3, 2),
    days: int = 7,
    agents: int = 100,
    queues: int = 4,
    timezone: str = "Asia/Jerusalem",
    calls_per_agent: float = 70.0,
    outage_on: date | None = None,
) -> Truth:
    """Simulate a centre; the same arguments give the same truth.

    Args:
        seed: chooses everything that is drawn.
        start: the first local day; ``days`` of them.
        agents, queues: how many there are; about four of five agents work on a busy weekday.
        timezone: IANA zone of the centre.
        calls_per_agent: customer calls per working agent and day.
        outage_on: the day on which one team's lines fail for 40 minutes; None: the middle one.
    """
    zone, whim, rng = ZoneInfo(timezone), random.Random(seed), np.random.default_rng(seed)
    lines = make_queues(queues)
    people = make_agents(agents, lines)
    plan, shifts = Plan(whim), []
    outage_on = outage_on or start + timedelta(days=days // 2)
    drawn = []
    for day in range(days):
        on = start + timedelta(days=day)
        noon = demand.instant(on, 56, zone)
        outage = (noon, noon + OUTAGE_S) if on == outage_on else None
        team = people[0].team
        if outage:
            plan.excuses.append(Excuse(*outage, "system", None, team, "outage"))
        today = roster.day_shifts(whim, agents, lines, on, zone)
        for shift in today:
            plan.shift(shift, outage if people[shift.agent].team == team else None)
        _helpers(plan, {shift.agent for shift in today}, agents, demand.instant(on, 48, zone))
        shifts += today
        drawn.append(demand.arrivals(rng, lines, on, zone, calls_per_agent * len(today), outage or (0, 0)))
    floor = Floor([agent.skills for agent in people], queues, _calls(rng, drawn, lines), whim)
    floor.run(plan.acts)
    shifts.sort(key=lambda shift: (shift.agent, shift.start))
    return Truth(seed, start, days, timezone, people, lines, tuple(shifts), plan, floor)


def _helpers(plan: Plan, busy: set[int], agents: int, noon: int) -> None:
    for agent in range(agents):
        if agent not in busy and plan.whim.random() < 0.03:
            plan.extra(agent, noon + plan.whim.randrange(0, 1800))


def _calls(
    rng: np.random.Generator, drawn: list[tuple[demand.Instants, demand.Instants]], queues: tuple[Queue, ...]
) -> Calls:
    at = np.concatenate([part[0] for part in drawn])
    of = np.concatenate([part[1] for part in drawn])
    order = np.argsort(at, kind="stable")
    at, of = at[order], of[order]
    talk = np.array([queue.talk_s for queue in queues])[of]
    wrap = np.array([queue.wrap_s for queue in queues])[of]
    patience = np.array([queue.patience_s for queue in queues])[of]
    spread = rng.lognormal(-0.32, 0.8, at.size)
    return Calls(
        at.tolist(),
        of.tolist(),
        (rng.exponential(patience) + 4).astype(int).tolist(),
        np.clip(talk * spread, 8, 3000).astype(int).tolist(),
        np.clip(wrap * rng.lognormal(-0.32, 0.8, at.size), 2, 400).astype(int).tolist(),
        rng.integers(2, 9, at.size).tolist(),
    )
