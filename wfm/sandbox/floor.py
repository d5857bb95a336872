"""The centre at work: callers wait, agents answer, every instant is a whole second.

One heap of events. A call is settled when it is offered (answered, rung out, or given up while ringing), since
nothing can come between; so it costs one event, the agent's being free again. Wishes that come meanwhile wait.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from wfm.sandbox.calls import Calls, Leg
from wfm.sandbox.wishes import Act

RING_OUT = 20
EASE = 300
"""Nobody lets a call ring out within so many seconds of the shift's start or end."""

_OFF, _IDLE, _ENGAGED, _AWAY = range(4)
_ACT, _FREE, _AGAIN = range(3)


class Floor:
    """Run the events; afterwards `rows` and `legs` are what happened, `ended_by` what became of each call."""

    def __init__(
        self, skills: Sequence[tuple[int, ...]], queues: int, calls: Calls, whim: random.Random
    ) -> None:
        self.calls, self.skills, self.whim = calls, skills, whim
        self.rows: list[tuple[int, int, str]] = []
        self.legs: list[Leg] = []
        n = len(calls.arrived)
        self.gave_up: list[int | None] = [None] * n
        self.served: list[Leg | None] = [None] * n
        self.others = 0
        self._waiting: list[deque[int]] = [deque() for _ in range(queues)]
        self._idle: list[deque[tuple[int, int]]] = [deque() for _ in range(queues)]
        self._status = [_OFF] * len(skills)
        self._token = [0] * len(skills)
        self._says = ["Logged out"] * len(skills)
        self._wishes: list[deque[Act]] = [deque() for _ in skills]
        self._alert = [(0, 0)] * len(skills)
        self._heap: list[tuple[int, int, int, int, Act | None]] = []
        self._count = 0

    def run(self, acts: list[Act]) -> None:
        """Go through all calls and acts until nothing is left to happen."""
        self._heap = [(act.at, i, _ACT, act.agent, act) for i, act in enumerate(sorted(acts))]
        self._count = len(self._heap)
        heapify(self._heap)
        heap, arrived, next_call, n = self._heap, self.calls.arrived, 0, len(self.calls.arrived)
        while heap or next_call < n:
            if next_call < n and (not heap or arrived[next_call] <= heap[0][0]):
                self._arrive(next_call, arrived[next_call])
                next_call += 1
                continue
            now, _, kind, who, act = heappop(heap)
            if kind == _FREE:
                self._go_on(who, now)
            elif act is not None:
                self._wish(act, now)
            else:
                self._again(who, now)
        for queue in self._waiting:
            for call in queue:
                self._give_up(call)

    def _push(self, at: int, kind: int, who: int) -> None:
        self._count += 1
        heappush(self._heap, (at, self._count, kind, who, None))

    def _say(self, agent: int, at: int, state: str) -> None:
        if self._says[agent] != state:
            self._says[agent] = state
            self.rows.append((agent, at, state))

    # --- calls ------------------------------------------------------------------------------------------
    def _deadline(self, call: int) -> int:
        return self.calls.arrived[call] + self.calls.patience[call]

    def _give_up(self, call: int) -> None:
        self.gave_up[call] = self._deadline(call)

    def _arrive(self, call: int, now: int) -> None:
        queue = self.calls.queue[call]
        agent = self._longest_idle(queue)
        if agent is None:
            self._waiting[queue].append(call)
        else:
            self._offer(call, agent, now)

    def _again(self, call: int, now: int) -> None:
        agent = self._longest_idle(self.calls.queue[call])
        if agent is None:
            self._waiting[self.calls.queue[call]].appendleft(call)
        else:
            self._offer(call, agent, now)

    def _longest_idle(self, queue: int) -> int | None:
        idle = self._idle[queue]
        while idle:
            agent, token = idle.popleft()
            if self._token[agent] == token:
                return agent
        return None

    def _longest_waiting(self, agent: int, now: int) -> int | None:
        best = None
        for queue in self.skills[agent]:
            waiting = self._waiting[queue]
            while waiting and self._deadline(waiting[0]) <= now:
                self._give_up(waiting.popleft())
            if waiting and (best is None or self.calls.arrived[waiting[0]] < self.calls.arrived[best]):
                best = waiting[0]
        if best is not None:
            self._waiting[self.calls.queue[best]].popleft()
        return best

    def _engage(self, agent: int) -> None:
        self._token[agent] += 1
        self._status[agent] = _ENGAGED

    def _offer(self, call: int, agent: int, now: int) -> None:
        self._engage(agent)
        calls, deadline, queue = self.calls, self._deadline(call), self.calls.queue[call]
        low, high = self._alert[agent]
        ignored = self.whim.random() < 0.008 and low <= now <= high
        rings_until = now + (RING_OUT if ignored else calls.ring[call])
        if deadline < rings_until:
            self._give_up(call)
            self.legs.append(Leg(call, agent, queue, "in", now, None, deadline, 0, "abandoned"))
            self._push(deadline, _FREE, agent)
        elif ignored:
            self.legs.append(Leg(call, agent, queue, "in", now, None, rings_until, 0, "no_answer"))
            self._say(agent, rings_until, "No Answer")
            self._push(rings_until + self.whim.randrange(30, 150), _FREE, agent)
            self._push(rings_until, _AGAIN, call)
        else:
            ended, wrap = rings_until + calls.talk[call], calls.wrap[call]
            leg = Leg(call, agent, queue, "in", now, rings_until, ended, wrap, "answered")
            self.legs.append(leg)
            self.served[call] = leg
            self._say(agent, rings_until, "Busy")
            self._say(agent, ended, "Wrapup")
            self._push(ended + wrap, _FREE, agent)

    # --- agents -----------------------------------------------------------------------------------------
    def _go_on(self, agent: int, now: int) -> None:
        """Do what was wished meanwhile, or else be there for the next call."""
        wishes = self._wishes[agent]
        while wishes:
            if self._begin(wishes.popleft(), now):
                return
        self._say(agent, now, "Available")
        call = self._longest_waiting(agent, now)
        if call is not None:
            self._offer(call, agent, now)
            return
        self._status[agent] = _IDLE
        self._token[agent] += 1
        for queue in self.skills[agent]:
            self._idle[queue].append((agent, self._token[agent]))

    def _wish(self, act: Act, now: int) -> None:
        status = self._status[act.agent]
        if act.kind in ("dial", "consult"):
            if status == _IDLE:
                self._dial(act.agent, now, act.kind == "consult")
        elif status in (_ENGAGED, _AWAY):
            self._wishes[act.agent].append(act)
        elif status == _IDLE or act.kind == "in":
            self._begin(act, now)

    def _begin(self, act: Act, now: int) -> bool:
        """Begin an act if it still makes sense; say whether it keeps the agent."""
        agent = act.agent
        if act.kind == "do":
            end = act.end or now + act.lasts
            if (act.latest and now > act.latest) or end <= now:
                return False
            self._token[agent] += 1
            self._status[agent] = _AWAY
            self._say(agent, now, act.state)
            self._push(end, _FREE, agent)
        elif act.kind == "out":
            self._token[agent] += 1
            self._status[agent] = _OFF
            self._wishes[agent].clear()
            self._say(agent, now, "Logged out")
        else:
            self._alert[agent] = (act.latest + EASE, act.end - EASE) if act.latest else (1, 0)
            self._status[agent] = _AWAY
            if act.lasts:
                self._say(agent, now, act.state)
            self._push(now + act.lasts, _FREE, agent)
        return True

    def _dial(self, agent: int, now: int, colleague: bool) -> None:
        """Call somebody outside, or another agent who has nothing to do."""
        self.others += 1
        call, rings = -self.others, self.whim.randrange(3, 15)
        answered, ended = now + rings, now + rings + self.whim.randrange(20, 180)
        if not colleague:
            if self.whim.random() < 0.3:
                self._one_leg(call, agent, "out", now, None, answered + 10, -1)
            else:
                self._one_leg(call, agent, "out", now, answered, ended, -1)
            return
        peer = self.whim.randrange(len(self.skills))
        if peer != agent and self._status[peer] == _IDLE:
            self._one_leg(call, agent, "placed", now, answered, ended, peer)
            self._one_leg(call, peer, "received", now + 1, answered, ended, agent)

    def _one_leg(
        self, call: int, agent: int, direction: str, at: int, answered: int | None, ended: int, peer: int
    ) -> None:
        self._engage(agent)
        outcome = "no_answer" if answered is None else "answered"
        self.legs.append(Leg(call, agent, -1, direction, at, answered, ended, 0, outcome, peer))
        self._say(agent, (answered or at) if direction == "received" else at, "Busy")
        self._push(ended, _FREE, agent)
