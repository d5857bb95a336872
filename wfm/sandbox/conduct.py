"""What an agent means to do in a shift: come, rest, meet, leave; more or less as scheduled.

An `Act` is a wish: whoever is on the phone when its time comes goes through with the call first. Only one cause is
drawn for any stretch of time, so that each can be told from the others afterwards.
"""

from __future__ import annotations

import random

from wfm.sandbox.roster import HOUR, Part, Shift
from wfm.sandbox.wishes import Act, Excuse, Intent

MINUTE = 60
PATIENT = 300
"""An errand that cannot begin within so many seconds is dropped."""

SAID = {
    "break": "Break",
    "meal": "Lunch",
    "meeting": "Meeting",
    "coaching": "Training",
    "training": "Training",
    "email": "Working",
}
CUSTOM = ("Quality review", "Coaching - Team B")
"""States the customer of the vendor made up and nobody mapped."""


class Plan:
    """Collect the acts, excuses and intents of everybody."""

    def __init__(self, whim: random.Random) -> None:
        self.whim = whim
        self.acts: list[Act] = []
        self.excuses: list[Excuse] = []
        self.intents: list[Intent] = []

    def shift(self, shift: Shift, outage: tuple[int, int] | None) -> None:
        """Plan a shift; ``outage`` is [start, end) if the agent's team has one that day."""
        if shift.activity != "on_queue":
            return
        if self.whim.random() < 0.02:
            self._mean(shift.agent, shift.start, "absent", shift.end - shift.start)
            return
        self._come(shift)
        for part in shift.parts:
            (self._rest if part.activity in ("break", "meal") else self._attend)(shift.agent, part)
        for low, high in _quiet(shift):
            hit = outage and low <= outage[0] and outage[1] <= high
            if outage and hit:
                lasts = outage[1] - outage[0] - self.whim.randrange(0, 600)
                self._errand(
                    shift.agent, outage[0] + self.whim.randrange(5, 60), "Logged out", lasts, "outage"
                )
            elif high - low > 15 * MINUTE and not (outage and outage[0] < high and low < outage[1]):
                self._wander(shift.agent, low, high)
        self._phone(shift)
        self._leave(shift)

    def extra(self, agent: int, start: int) -> None:
        """Plan two hours of work that nobody scheduled."""
        end = start + 2 * HOUR - self.whim.randrange(600)
        self.acts += [Act(start, agent, "in"), Act(end, agent, "out")]
        self._mean(agent, start, "unscheduled_work", end - start)

    def _mean(self, agent: int, at: int, kind: str, seconds: int) -> None:
        self.intents.append(Intent(agent, at, kind, seconds))

    def _come(self, shift: Shift) -> None:
        luck, late = self.whim.random(), self.whim.randrange
        if luck < 0.6:
            offset = -late(20, 200)
        elif luck < 0.7:
            offset = 0
        else:
            offset = late(20, 180) if luck < 0.92 else late(180, 900) if luck < 0.98 else late(900, 2700)
        sign_in = late(5, 30) if self.whim.random() < 0.3 else 0
        at = shift.start + offset
        self.acts.append(Act(at, shift.agent, "in", "Logged in", sign_in, shift.end, shift.start))
        if offset + sign_in > 0:
            self._mean(shift.agent, shift.start, "late_start", offset + sign_in)

    def _rest(self, agent: int, part: Part) -> None:
        luck, draw, length = self.whim.random(), self.whim.randrange, part.end - part.start
        at, lasts, end = part.start + draw(0, 20), length + draw(-40, 20), 0
        if luck < 0.03:
            return self._mean(agent, part.start, "missed_break", length)
        if luck < 0.05:
            at = part.end + 40 * MINUTE
            self._mean(agent, part.start, "moved_break", length)
        elif luck < 0.17:
            early = draw(60, 600)
            at, lasts, end = part.start - early, length, part.end if self.whim.random() < 0.5 else 0
            self._mean(agent, part.start, "early_break", early)
        elif luck < 0.3:
            lasts = length + draw(60, 900)
            self._mean(agent, part.end, "long_break", lasts - length)
        self.acts.append(Act(at, agent, "do", SAID[part.activity], lasts, end))
        return None

    def _attend(self, agent: int, part: Part) -> None:
        if self.whim.random() < 0.08:
            return self._mean(agent, part.start, "wrong_state", part.end - part.start)
        at, end = part.start + self.whim.randrange(0, 60), part.end + self.whim.randrange(-60, 240)
        self.acts.append(Act(at, agent, "do", SAID[part.activity], 0, end))
        return None

    def _errand(self, agent: int, at: int, state: str, lasts: int, kind: str) -> None:
        self.acts.append(Act(at, agent, "do", state, lasts, 0, at + PATIENT))
        self._mean(agent, at, kind, lasts)

    def _wander(self, agent: int, low: int, high: int) -> None:
        luck, draw = self.whim.random(), self.whim.randrange
        if luck < 0.03:
            self._errand(agent, draw(low, high - 10 * MINUTE), "Away", draw(180, 600), "wrong_state")
        elif luck < 0.05:
            state = self.whim.choice(CUSTOM)
            self._errand(agent, draw(low, high - 10 * MINUTE), state, draw(240, 480), "unmapped")
        elif luck < 0.058:
            lasts = min(high - low - PATIENT, draw(900, 2400))
            at = draw(low, high - lasts - PATIENT + 1)
            self._errand(agent, at, "Away", lasts, "approved")
            start, end = at // 900 * 900, -(-(at + lasts) // 900) * 900
            self.excuses.append(Excuse(start, end, "approved", agent, None, "equipment"))

    def _phone(self, shift: Shift) -> None:
        for kind, n in (("dial", 2), ("consult", 1)):
            for _ in range(n):
                at = self.whim.randrange(shift.start + 600, shift.end - 600)
                self.acts.append(Act(at, shift.agent, kind))

    def _leave(self, shift: Shift) -> None:
        luck, draw = self.whim.random(), self.whim.randrange
        early = draw(600, 2700) if luck < 0.06 else draw(5, 60) if luck < 0.15 else 0
        after = 0 if early or luck < 0.35 else draw(0, 180)
        self.acts.append(Act(shift.end - early + after, shift.agent, "out"))
        if early:
            self._mean(shift.agent, shift.end - early, "early_leave", early)


def _quiet(shift: Shift) -> list[tuple[int, int]]:
    """Return the stretches in which nothing else is planned near enough to be mistaken for it."""
    edges = [
        shift.start + 50 * MINUTE,
        *(edge for part in shift.parts for edge in (part.start - 25 * MINUTE, part.end + 30 * MINUTE)),
        shift.end - 80 * MINUTE,
    ]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(low, high) for low, high in pairs if high - low > 15 * MINUTE]
