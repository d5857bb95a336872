"""One agent's states and segments as plain spans of whole seconds."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from wfm.sandbox.roster import Shift

MEANS = {
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
CATEGORY = {"coaching": "training", "email": "off_queue_work"}
FOREVER = 1 << 60


class Span(NamedTuple):
    """A stretch of one state, or of one kind of states."""

    start: int
    end: int
    state: str


class Segment(NamedTuple):
    """A stretch of one scheduled activity."""

    start: int
    end: int
    category: str


class Line:
    """One agent's states from the first to the last, with nothing between them."""

    def __init__(self, at: list[int], says: list[str]) -> None:
        self.at = [-FOREVER, *at]
        self.states = ["logged_out", *(MEANS.get(word, "unmapped") for word in says)]

    def within(self, start: int, end: int) -> list[Span]:
        """Cut the line to [start, end)."""
        i, found = bisect_right(self.at, start) - 1, []
        while i < len(self.at) and self.at[i] < end:
            until = self.at[i + 1] if i + 1 < len(self.at) else FOREVER
            found.append(Span(max(start, self.at[i]), min(end, until), self.states[i]))
            i += 1
        return found

    def state(self, at: int) -> str:
        """Return the state at an instant."""
        return self.states[bisect_right(self.at, at) - 1]

    def run(self, at: int, kind: frozenset[str]) -> tuple[int, int]:
        """Return the stretch around an instant in which only states of a kind occur."""
        i = j = bisect_right(self.at, at) - 1
        while i > 0 and self.states[i - 1] in kind:
            i -= 1
        while j + 1 < len(self.at) and self.states[j + 1] in kind:
            j += 1
        return self.at[i], self.at[j + 1] if j + 1 < len(self.at) else FOREVER


def segments(shift: Shift) -> list[Segment]:
    """Lay the nested parts over the shift."""
    found, at = [], shift.start
    for part in shift.parts:
        if at < part.start:
            found.append(Segment(at, part.start, "on_queue"))
        found.append(Segment(part.start, part.end, CATEGORY.get(part.activity, part.activity)))
        at = part.end
    if at < shift.end:
        found.append(Segment(at, shift.end, "on_queue"))
    return found
