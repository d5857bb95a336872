"""Simulate a contact centre to the second."""

from __future__ import annotations

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from wfm.sandbox.centre import demand, roster
from wfm.sandbox.centre.agent_behaviour import AgentBehaviour
from wfm.sandbox.centre.call_distribution import CallDistribution
from wfm.sandbox.centre.calls import CustomerCalls
from wfm.sandbox.centre.intentions import PlannedExemption
from wfm.sandbox.centre.people import SimulatedQueue, make_agents, make_queues
from wfm.sandbox.ground_truth.ground_truth import GroundTruth

OUTAGE_S = 40 * 60


def simulate_centre(
    seed: int = 1,
    start: date = date(2026, 3, 2),
    days: int = 7,
    agents: int = 100,
    queues: int = 4,
    timezone: str = "Asia/Jerusalem",
    calls_per_agent: float = 70.0,
    outage_on: date | None = None,
) -> GroundTruth:
    """Simulate a centre; the same arguments give the same result.

    Args:
        seed: of the random numbers.
        start: the first local day; ``days`` of them.
        agents, queues: how many there are; about four of five agents work on a busy weekday.
        timezone: IANA zone of the centre.
        calls_per_agent: customer calls per working agent and day.
        outage_on: the day on which one team's phones fail for 40 minutes; None: the middle one.
    """
    zone, random_numbers, rng = ZoneInfo(timezone), random.Random(seed), np.random.default_rng(seed)
    lines = make_queues(queues)
    people = make_agents(agents, lines)
    plan, shifts = AgentBehaviour(random_numbers), []
    outage_on = outage_on or start + timedelta(days=days // 2)
    drawn = []
    for day in range(days):
        on = start + timedelta(days=day)
        noon = demand.compute_instant(on, 56, zone)
        outage = (noon, noon + OUTAGE_S) if on == outage_on else None
        team = people[0].team
        if outage:
            plan.exemptions.append(PlannedExemption(*outage, "system", None, team, "outage"))
        today = roster.draw_day_shifts(random_numbers, agents, lines, on, zone)
        for shift in today:
            plan.plan_shift(shift, outage if people[shift.agent].team == team else None)
        _plan_unscheduled_work(
            plan, {shift.agent for shift in today}, agents, demand.compute_instant(on, 48, zone)
        )
        shifts += today
        drawn.append(
            demand.draw_arrivals(rng, lines, on, zone, calls_per_agent * len(today), outage or (0, 0))
        )
    floor = CallDistribution(
        [agent.skills for agent in people], queues, _draw_calls(rng, drawn, lines), random_numbers
    )
    floor.run_events(plan.acts)
    shifts.sort(key=lambda shift: (shift.agent, shift.start))
    return GroundTruth(seed, start, days, timezone, people, lines, tuple(shifts), plan, floor)


def _plan_unscheduled_work(plan: AgentBehaviour, busy: set[int], agents: int, noon: int) -> None:
    for agent in range(agents):
        if agent not in busy and plan.random.random() < 0.03:
            plan.plan_extra_work(agent, noon + plan.random.randrange(0, 1800))


def _draw_calls(
    rng: np.random.Generator,
    drawn: list[tuple[demand.InstantArray, demand.InstantArray]],
    queues: tuple[SimulatedQueue, ...],
) -> CustomerCalls:
    at = np.concatenate([part[0] for part in drawn])
    of = np.concatenate([part[1] for part in drawn])
    order = np.argsort(at, kind="stable")
    at, of = at[order], of[order]
    talk = np.array([queue.talk_s for queue in queues])[of]
    wrap = np.array([queue.wrap_s for queue in queues])[of]
    patience = np.array([queue.patience_s for queue in queues])[of]
    spread = rng.lognormal(-0.32, 0.8, at.size)
    return CustomerCalls(
        at.tolist(),
        of.tolist(),
        (rng.exponential(patience) + 4).astype(int).tolist(),
        np.clip(talk * spread, 8, 3000).astype(int).tolist(),
        np.clip(wrap * rng.lognormal(-0.32, 0.8, at.size), 2, 400).astype(int).tolist(),
        rng.integers(2, 9, at.size).tolist(),
    )
