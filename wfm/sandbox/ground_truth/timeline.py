"""One agent's states and scheduled segments as spans of whole seconds."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from wfm.sandbox.centre.roster import SimulatedShift

STATE_OF_VENDOR_STATE = {
    "Available": "available",
    "Busy": "busy",
    "Wrapup": "wrapup",
    "Working": "working",
    "No Answer": "no_answer",
    "Logged in": "logged_in",
    "Logged out": "logged_out",
    "Break": "break",
    "Lunch": "meal",
    "Away": "away",
    "Meeting": "meeting",
    "Training": "training",
}
CATEGORY_OF_ACTIVITY = {"coaching": "training", "email": "off_queue_work"}
FOREVER_S = 1 << 60


class StateSpan(NamedTuple):
    """A span of one state."""

    start: int
    end: int
    state: str


class ScheduledSegment(NamedTuple):
    """A span of one scheduled category."""

    start: int
    end: int
    category: str


class AgentTimeline:
    """One agent's states without gaps; before the first one the agent is logged out."""

    def __init__(self, at: list[int], says: list[str]) -> None:
        self.at = [-FOREVER_S, *at]
        self.states = ["logged_out", *(STATE_OF_VENDOR_STATE.get(word, "unmapped") for word in says)]

    def cut_to(self, start: int, end: int) -> list[StateSpan]:
        """Return the spans of states in [start, end)."""
        i, found = bisect_right(self.at, start) - 1, []
        while i < len(self.at) and self.at[i] < end:
            until = self.at[i + 1] if i + 1 < len(self.at) else FOREVER_S
            found.append(StateSpan(max(start, self.at[i]), min(end, until), self.states[i]))
            i += 1
        return found

    def state_at(self, at: int) -> str:
        """Return the state at a given time."""
        return self.states[bisect_right(self.at, at) - 1]

    def find_run(self, at: int, kind: frozenset[str]) -> tuple[int, int]:
        """Return the longest span around a given time with states of the given kind only."""
        i = j = bisect_right(self.at, at) - 1
        while i > 0 and self.states[i - 1] in kind:
            i -= 1
        while j + 1 < len(self.at) and self.states[j + 1] in kind:
            j += 1
        return self.at[i], self.at[j + 1] if j + 1 < len(self.at) else FOREVER_S


def build_segments(shift: SimulatedShift) -> list[ScheduledSegment]:
    """Cut a shift into segments at the edges of its parts."""
    found, at = [], shift.start
    for part in shift.parts:
        if at < part.start:
            found.append(ScheduledSegment(at, part.start, "on_queue"))
        found.append(
            ScheduledSegment(part.start, part.end, CATEGORY_OF_ACTIVITY.get(part.activity, part.activity))
        )
        at = part.end
    if at < shift.end:
        found.append(ScheduledSegment(at, shift.end, "on_queue"))
    return found
