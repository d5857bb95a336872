"""Distribute calls to agents: callers wait, agents answer, every time is a whole second.

One heap of events. The outcome of a call is decided when it is offered (answered, not answered or abandoned), since
nothing can intervene; so it costs one event, the end of the agent's work. Acts that are due meanwhile wait.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from wfm.sandbox.centre.calls import CustomerCalls, SimulatedLeg
from wfm.sandbox.centre.intentions import PlannedAct

RING_LIMIT_S = 20
RINGING_ANSWERED_S = 300
"""Every call is answered within so many seconds of the start and end of a shift."""

_OFF, _IDLE, _ENGAGED, _AWAY = range(4)
_ACT, _FREE, _REQUEUE = range(3)


class CallDistribution:
    """The simulation of all events; after `run_events`, `rows` and `legs` hold what happened."""

    def __init__(
        self,
        skills: Sequence[tuple[int, ...]],
        queues: int,
        calls: CustomerCalls,
        random_numbers: random.Random,
    ) -> None:
        self.calls, self.skills, self.random = calls, skills, random_numbers
        self.rows: list[tuple[int, int, str]] = []
        self.legs: list[SimulatedLeg] = []
        n = len(calls.arrived)
        self.abandoned_at: list[int | None] = [None] * n
        self.served: list[SimulatedLeg | None] = [None] * n
        self.others = 0
        self._waiting: list[deque[int]] = [deque() for _ in range(queues)]
        self._idle: list[deque[tuple[int, int]]] = [deque() for _ in range(queues)]
        self._status = [_OFF] * len(skills)
        self._token = [0] * len(skills)
        self._last_state = ["Logged out"] * len(skills)
        self._pending_acts: list[deque[PlannedAct]] = [deque() for _ in skills]
        self._alert = [(0, 0)] * len(skills)
        self._heap: list[tuple[int, int, int, int, PlannedAct | None]] = []
        self._count = 0

    def run_events(self, acts: list[PlannedAct]) -> None:
        """Process all calls and acts in order of time."""
        self._heap = [(act.at, i, _ACT, act.agent, act) for i, act in enumerate(sorted(acts))]
        self._count = len(self._heap)
        heapify(self._heap)
        heap, arrived, next_call, n = self._heap, self.calls.arrived, 0, len(self.calls.arrived)
        while heap or next_call < n:
            if next_call < n and (not heap or arrived[next_call] <= heap[0][0]):
                self._queue_call(next_call, arrived[next_call])
                next_call += 1
                continue
            now, _, kind, who, act = heappop(heap)
            if kind == _FREE:
                self._free_agent(who, now)
            elif act is not None:
                self._handle_act(act, now)
            else:
                self._queue_call_again(who, now)
        for queue in self._waiting:
            for call in queue:
                self._abandon_call(call)

    def _schedule_event(self, at: int, kind: int, who: int) -> None:
        self._count += 1
        heappush(self._heap, (at, self._count, kind, who, None))

    def _record_state(self, agent: int, at: int, state: str) -> None:
        if self._last_state[agent] != state:
            self._last_state[agent] = state
            self.rows.append((agent, at, state))

    # --- calls ------------------------------------------------------------------------------------------
    def _patience_ends(self, call: int) -> int:
        return self.calls.arrived[call] + self.calls.patience[call]

    def _abandon_call(self, call: int) -> None:
        self.abandoned_at[call] = self._patience_ends(call)

    def _queue_call(self, call: int, now: int) -> None:
        queue = self.calls.queue[call]
        agent = self._take_longest_idle(queue)
        if agent is None:
            self._waiting[queue].append(call)
        else:
            self._offer_call(call, agent, now)

    def _queue_call_again(self, call: int, now: int) -> None:
        agent = self._take_longest_idle(self.calls.queue[call])
        if agent is None:
            self._waiting[self.calls.queue[call]].appendleft(call)
        else:
            self._offer_call(call, agent, now)

    def _take_longest_idle(self, queue: int) -> int | None:
        idle = self._idle[queue]
        while idle:
            agent, token = idle.popleft()
            if self._token[agent] == token:
                return agent
        return None

    def _take_longest_waiting(self, agent: int, now: int) -> int | None:
        best = None
        for queue in self.skills[agent]:
            waiting = self._waiting[queue]
            while waiting and self._patience_ends(waiting[0]) <= now:
                self._abandon_call(waiting.popleft())
            if waiting and (best is None or self.calls.arrived[waiting[0]] < self.calls.arrived[best]):
                best = waiting[0]
        if best is not None:
            self._waiting[self.calls.queue[best]].popleft()
        return best

    def _engage_agent(self, agent: int) -> None:
        self._token[agent] += 1
        self._status[agent] = _ENGAGED

    def _offer_call(self, call: int, agent: int, now: int) -> None:
        self._engage_agent(agent)
        calls, deadline, queue = self.calls, self._patience_ends(call), self.calls.queue[call]
        low, high = self._alert[agent]
        ignored = self.random.random() < 0.008 and low <= now <= high
        rings_until = now + (RING_LIMIT_S if ignored else calls.ring[call])
        if deadline < rings_until:
            self._abandon_call(call)
            self.legs.append(SimulatedLeg(call, agent, queue, "in", now, None, deadline, 0, "abandoned"))
            self._schedule_event(deadline, _FREE, agent)
        elif ignored:
            self.legs.append(SimulatedLeg(call, agent, queue, "in", now, None, rings_until, 0, "no_answer"))
            self._record_state(agent, rings_until, "No Answer")
            self._schedule_event(rings_until + self.random.randrange(30, 150), _FREE, agent)
            self._schedule_event(rings_until, _REQUEUE, call)
        else:
            ended, wrap = rings_until + calls.talk[call], calls.wrap[call]
            leg = SimulatedLeg(call, agent, queue, "in", now, rings_until, ended, wrap, "answered")
            self.legs.append(leg)
            self.served[call] = leg
            self._record_state(agent, rings_until, "Busy")
            self._record_state(agent, ended, "Wrapup")
            self._schedule_event(ended + wrap, _FREE, agent)

    # --- agents -----------------------------------------------------------------------------------------
    def _free_agent(self, agent: int, now: int) -> None:
        """Begin an act that has become due, or else become available for the next call."""
        wishes = self._pending_acts[agent]
        while wishes:
            if self._begin_act(wishes.popleft(), now):
                return
        self._record_state(agent, now, "Available")
        call = self._take_longest_waiting(agent, now)
        if call is not None:
            self._offer_call(call, agent, now)
            return
        self._status[agent] = _IDLE
        self._token[agent] += 1
        for queue in self.skills[agent]:
            self._idle[queue].append((agent, self._token[agent]))

    def _handle_act(self, act: PlannedAct, now: int) -> None:
        status = self._status[act.agent]
        if act.kind in ("dial", "consult"):
            if status == _IDLE:
                self._dial_out(act.agent, now, act.kind == "consult")
        elif status in (_ENGAGED, _AWAY):
            self._pending_acts[act.agent].append(act)
        elif status == _IDLE or act.kind == "in":
            self._begin_act(act, now)

    def _begin_act(self, act: PlannedAct, now: int) -> bool:
        """Begin an act unless it is too late; return whether it occupies the agent."""
        agent = act.agent
        if act.kind == "do":
            end = act.end or now + act.lasts
            if (act.latest and now > act.latest) or end <= now:
                return False
            self._token[agent] += 1
            self._status[agent] = _AWAY
            self._record_state(agent, now, act.state)
            self._schedule_event(end, _FREE, agent)
        elif act.kind == "out":
            self._token[agent] += 1
            self._status[agent] = _OFF
            self._pending_acts[agent].clear()
            self._record_state(agent, now, "Logged out")
        else:
            self._alert[agent] = (
                (act.latest + RINGING_ANSWERED_S, act.end - RINGING_ANSWERED_S) if act.latest else (1, 0)
            )
            self._status[agent] = _AWAY
            if act.lasts:
                self._record_state(agent, now, act.state)
            self._schedule_event(now + act.lasts, _FREE, agent)
        return True

    def _dial_out(self, agent: int, now: int, colleague: bool) -> None:
        """Place an outgoing call, or call another agent who is available."""
        self.others += 1
        call, rings = -self.others, self.random.randrange(3, 15)
        answered, ended = now + rings, now + rings + self.random.randrange(20, 180)
        if not colleague:
            if self.random.random() < 0.3:
                self._add_leg(call, agent, "out", now, None, answered + 10, -1)
            else:
                self._add_leg(call, agent, "out", now, answered, ended, -1)
            return
        peer = self.random.randrange(len(self.skills))
        if peer != agent and self._status[peer] == _IDLE:
            self._add_leg(call, agent, "placed", now, answered, ended, peer)
            self._add_leg(call, peer, "received", now + 1, answered, ended, agent)

    def _add_leg(
        self, call: int, agent: int, direction: str, at: int, answered: int | None, ended: int, peer: int
    ) -> None:
        self._engage_agent(agent)
        outcome = "no_answer" if answered is None else "answered"
        self.legs.append(SimulatedLeg(call, agent, -1, direction, at, answered, ended, 0, outcome, peer))
        self._record_state(agent, (answered or at) if direction == "received" else at, "Busy")
        self._schedule_event(ended, _FREE, agent)
