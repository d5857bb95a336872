"""Draw what an agent intends to do in a shift: log in, take breaks, attend meetings, log out.

An `PlannedAct` waits while the agent is on a call. Only one deviation is
drawn for any span of time, so that each can be distinguished from the others afterwards.
"""

from __future__ import annotations

import random

from wfm.sandbox.centre.intentions import IntendedDeviation, PlannedAct, PlannedExemption
from wfm.sandbox.centre.roster import HOUR_S, ShiftPart, SimulatedShift

MINUTE_S = 60
LATEST_BEGIN_S = 300
"""An interruption that cannot begin within so many seconds is dropped."""

STATE_OF_ACTIVITY = {
    "break": "Break",
    "meal": "Lunch",
    "meeting": "Meeting",
    "coaching": "Training",
    "training": "Training",
    "email": "Working",
}
UNMAPPED_STATES = ("Quality review", "Coaching - Team B")
"""Custom states without a mapping."""


class AgentBehaviour:
    """The acts, exemptions and intended deviations of all agents."""

    def __init__(self, random_numbers: random.Random) -> None:
        self.random = random_numbers
        self.acts: list[PlannedAct] = []
        self.exemptions: list[PlannedExemption] = []
        self.deviations: list[IntendedDeviation] = []

    def plan_shift(self, shift: SimulatedShift, outage: tuple[int, int] | None) -> None:
        """Plan a shift; ``outage`` is [start, end) if the agent's team has an outage on that day."""
        if shift.activity != "on_queue":
            return
        if self.random.random() < 0.02:
            self._note_deviation(shift.agent, shift.start, "absent", shift.end - shift.start)
            return
        self._plan_arrival(shift)
        for part in shift.parts:
            (self._plan_break if part.activity in ("break", "meal") else self._plan_meeting)(
                shift.agent, part
            )
        for low, high in _find_undisturbed_spans(shift):
            hit = outage and low <= outage[0] and outage[1] <= high
            if outage and hit:
                lasts = outage[1] - outage[0] - self.random.randrange(0, 600)
                self._plan_interruption(
                    shift.agent, outage[0] + self.random.randrange(5, 60), "Logged out", lasts, "outage"
                )
            elif high - low > 15 * MINUTE_S and not (outage and outage[0] < high and low < outage[1]):
                self._plan_interruptions(shift.agent, low, high)
        self._plan_own_calls(shift)
        self._plan_departure(shift)

    def plan_extra_work(self, agent: int, start: int) -> None:
        """Plan two hours of unscheduled work."""
        end = start + 2 * HOUR_S - self.random.randrange(600)
        self.acts += [PlannedAct(start, agent, "in"), PlannedAct(end, agent, "out")]
        self._note_deviation(agent, start, "unscheduled_work", end - start)

    def _note_deviation(self, agent: int, at: int, kind: str, seconds: int) -> None:
        self.deviations.append(IntendedDeviation(agent, at, kind, seconds))

    def _plan_arrival(self, shift: SimulatedShift) -> None:
        luck, late = self.random.random(), self.random.randrange
        if luck < 0.6:
            offset = -late(20, 200)
        elif luck < 0.7:
            offset = 0
        else:
            offset = late(20, 180) if luck < 0.92 else late(180, 900) if luck < 0.98 else late(900, 2700)
        sign_in = late(5, 30) if self.random.random() < 0.3 else 0
        at = shift.start + offset
        self.acts.append(PlannedAct(at, shift.agent, "in", "Logged in", sign_in, shift.end, shift.start))
        if offset + sign_in > 0:
            self._note_deviation(shift.agent, shift.start, "late_start", offset + sign_in)

    def _plan_break(self, agent: int, part: ShiftPart) -> None:
        luck, draw, length = self.random.random(), self.random.randrange, part.end - part.start
        at, lasts, end = part.start + draw(0, 20), length + draw(-40, 20), 0
        if luck < 0.03:
            return self._note_deviation(agent, part.start, "missed_break", length)
        if luck < 0.05:
            at = part.end + 40 * MINUTE_S
            self._note_deviation(agent, part.start, "moved_break", length)
        elif luck < 0.17:
            early = draw(60, 600)
            at, lasts, end = part.start - early, length, part.end if self.random.random() < 0.5 else 0
            self._note_deviation(agent, part.start, "early_break", early)
        elif luck < 0.3:
            lasts = length + draw(60, 900)
            self._note_deviation(agent, part.end, "long_break", lasts - length)
        self.acts.append(PlannedAct(at, agent, "do", STATE_OF_ACTIVITY[part.activity], lasts, end))
        return None

    def _plan_meeting(self, agent: int, part: ShiftPart) -> None:
        if self.random.random() < 0.08:
            return self._note_deviation(agent, part.start, "wrong_state", part.end - part.start)
        at, end = part.start + self.random.randrange(0, 60), part.end + self.random.randrange(-60, 240)
        self.acts.append(PlannedAct(at, agent, "do", STATE_OF_ACTIVITY[part.activity], 0, end))
        return None

    def _plan_interruption(self, agent: int, at: int, state: str, lasts: int, kind: str) -> None:
        self.acts.append(PlannedAct(at, agent, "do", state, lasts, 0, at + LATEST_BEGIN_S))
        self._note_deviation(agent, at, kind, lasts)

    def _plan_interruptions(self, agent: int, low: int, high: int) -> None:
        luck, draw = self.random.random(), self.random.randrange
        if luck < 0.03:
            self._plan_interruption(
                agent, draw(low, high - 10 * MINUTE_S), "Away", draw(180, 600), "wrong_state"
            )
        elif luck < 0.05:
            state = self.random.choice(UNMAPPED_STATES)
            self._plan_interruption(agent, draw(low, high - 10 * MINUTE_S), state, draw(240, 480), "unmapped")
        elif luck < 0.058:
            lasts = min(high - low - LATEST_BEGIN_S, draw(900, 2400))
            at = draw(low, high - lasts - LATEST_BEGIN_S + 1)
            self._plan_interruption(agent, at, "Away", lasts, "approved")
            start, end = at // 900 * 900, -(-(at + lasts) // 900) * 900
            self.exemptions.append(PlannedExemption(start, end, "approved", agent, None, "equipment"))

    def _plan_own_calls(self, shift: SimulatedShift) -> None:
        for kind, n in (("dial", 2), ("consult", 1)):
            for _ in range(n):
                at = self.random.randrange(shift.start + 600, shift.end - 600)
                self.acts.append(PlannedAct(at, shift.agent, kind))

    def _plan_departure(self, shift: SimulatedShift) -> None:
        luck, draw = self.random.random(), self.random.randrange
        early = draw(600, 2700) if luck < 0.06 else draw(5, 60) if luck < 0.15 else 0
        after = 0 if early or luck < 0.35 else draw(0, 180)
        self.acts.append(PlannedAct(shift.end - early + after, shift.agent, "out"))
        if early:
            self._note_deviation(shift.agent, shift.end - early, "early_leave", early)


def _find_undisturbed_spans(shift: SimulatedShift) -> list[tuple[int, int]]:
    """Return the spans that are far enough from every other plan for a deviation to be recognised."""
    edges = [
        shift.start + 50 * MINUTE_S,
        *(edge for part in shift.parts for edge in (part.start - 25 * MINUTE_S, part.end + 30 * MINUTE_S)),
        shift.end - 80 * MINUTE_S,
    ]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(low, high) for low, high in pairs if high - low > 15 * MINUTE_S]
