"""The truth about adherence: the specification's rules, kept second by second beside the simulation.

This is bookkeeping of its own: plain loops over one agent's day, nothing shared with the engine it will judge::

    schedule   on queue            |break      |on queue
    call       ....|---------------+---|
    state      Busy                |Busy|Break      |Available
    planted                        |call_|     |shifted_
                                   |overrun    |break
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from wfm import terms
from wfm.sandbox.conduct import Excuse
from wfm.sandbox.roster import Shift

MEANS = {
    "Available": "available", "Busy": "busy", "Wrapup": "wrapup", "Working": "working", "No Answer": "no_answer",
    "Logged in": "logged_in", "Logged out": "logged_out", "Break": "break", "Lunch": "meal", "Away": "away",
    "Meeting": "meeting", "Training": "training",
}  # fmt: skip
CATEGORY = {"coaching": "training", "email": "off_queue_work"}
WRAPUP_S = 120
FOREVER = 1 << 60
_QUEUE, _REST = frozenset(terms.QUEUE_STATES), frozenset(terms.REST_STATES)
_FITS = {category: frozenset(states) for category, states in terms.RULES.items()}


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


class Planted(NamedTuple):
    """A stretch that an engine must find; ``cls`` is empty outside a shift, ``reason`` where nothing is known."""

    start: int
    end: int
    cls: str | None
    reason: str | None


@dataclass
class Piece:
    """A stretch of a shift in which nothing changes."""

    start: int
    end: int
    segment: int
    state: str
    cls: str
    reason: str | None = None


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


def judge(
    shift: Shift, line: Line, legs: list[tuple[int, int]], excuses: list[Excuse]
) -> tuple[list[Planted], dict[str, int]]:
    """Say where every second of a shift goes.

    Args:
        legs: answered and ended of the agent's answered legs, in order.
        excuses: those that hold for the agent.

    Returns:
        The stretches that are not in adherence, and the seconds of each class.
    """
    plan = segments(shift)
    pieces = [
        piece
        for number, segment in enumerate(plan)
        for span in line.within(segment.start, segment.end)
        for piece in _cut(span, number, segment.category, excuses)
    ]
    pieces = _apply_calls(pieces, plan, line, legs)
    _give_reasons(pieces, plan, shift, line)
    sums = dict.fromkeys(terms.CLASSES, 0)
    for piece in pieces:
        sums[piece.cls] += piece.end - piece.start
    return _merge([piece for piece in pieces if piece.cls != "in"]), sums


def _cut(span: Span, number: int, category: str, excuses: list[Excuse]) -> list[Piece]:
    if span.state in _FITS[category]:
        return [Piece(span.start, span.end, number, span.state, "in")]
    if span.state == "unmapped":
        return [Piece(span.start, span.end, number, span.state, "unknown")]
    near = [excuse for excuse in excuses if excuse.start < span.end and span.start < excuse.end]
    inner = {edge for excuse in near for edge in (excuse.start, excuse.end) if span.start < edge < span.end}
    edges, found = [span.start, *sorted(inner), span.end], []
    for start, end in zip(edges, edges[1:], strict=False):
        kinds = {excuse.kind for excuse in near if excuse.start <= start < excuse.end}
        cls = "system" if "system" in kinds else "approved" if kinds else "controllable"
        found.append(Piece(start, end, number, span.state, cls))
    return found


def _apply_calls(
    pieces: list[Piece], plan: list[Segment], line: Line, legs: list[tuple[int, int]]
) -> list[Piece]:
    for number, segment in enumerate(plan):
        if segment.category == "on_queue":
            continue
        stop = _overrun(segment, line, legs)
        pieces = _excuse(pieces, number, stop, "call_overrun")
        earned = sum(piece.end - piece.start for piece in pieces if piece.segment == number and piece.reason)
        end = segment.end
        rests = line.state(end - 1) in _REST and line.state(end) in _REST
        if earned and segment.category in ("break", "meal") and number + 1 < len(plan) and rests:
            until = min(end + earned, line.run(end, _REST)[1])
            pieces = _excuse(pieces, number + 1, until, "shifted_break")
    return pieces


def _overrun(segment: Segment, line: Line, legs: list[tuple[int, int]]) -> int:
    """Return until when a call kept the agent from a segment."""
    begin = segment.start
    if line.state(begin) not in ("busy", "hold", "wrapup", "ringing"):
        return begin
    ended = [end for answered, end in legs if answered < begin < end]
    if not ended:
        return begin
    stop = max(ended)
    if line.state(stop) == "wrapup":
        stop = min(line.run(stop, frozenset(["wrapup"]))[1], stop + WRAPUP_S)
    return min(stop, segment.end)


def _excuse(pieces: list[Piece], number: int, stop: int, reason: str) -> list[Piece]:
    found = []
    for piece in pieces:
        if piece.segment != number or piece.cls != "controllable" or piece.start >= stop:
            found.append(piece)
            continue
        found.append(Piece(piece.start, min(piece.end, stop), number, piece.state, "call_driven", reason))
        if stop < piece.end:
            found.append(Piece(stop, piece.end, number, piece.state, "controllable"))
    return found


def _give_reasons(pieces: list[Piece], plan: list[Segment], shift: Shift, line: Line) -> None:
    absent = all(piece.state not in _QUEUE for piece in pieces)
    come = line.state(shift.start - 1) in _QUEUE
    off = _off_runs(pieces)
    for i, piece in enumerate(pieces):
        if piece.cls in ("in", "unknown") or piece.reason:
            continue
        start, end = off.get(i, (FOREVER, 0))
        if absent:
            piece.reason = "absent"
        elif start == shift.start and not come:
            piece.reason = "late_start"
        elif end == shift.end:
            piece.reason = "early_leave"
        else:
            piece.reason = _reason(piece, plan, line)


def _off_runs(pieces: list[Piece]) -> dict[int, tuple[int, int]]:
    """Find for each piece out of adherence and off the queue the run of those in its segment."""
    runs: dict[int, tuple[int, int]] = {}
    i = 0
    while i < len(pieces):
        j = i
        while j < len(pieces) and pieces[j].segment == pieces[i].segment and _is_off(pieces[j]):
            j += 1
        runs.update(dict.fromkeys(range(i, j), (pieces[i].start, pieces[j - 1].end) if j > i else (0, 0)))
        i = max(j, i + 1)
    return runs


def _is_off(piece: Piece) -> bool:
    return piece.cls not in ("in", "unknown") and piece.state not in _QUEUE


def _reason(piece: Piece, plan: list[Segment], line: Line) -> str:
    breaks = [segment for segment in plan if segment.category in ("break", "meal")]
    if piece.state in _REST:
        begun, ended = line.run(piece.start, _REST)
        if any(piece.end <= segment.start < ended for segment in breaks):
            return "early_break"
        if any(begun < segment.end <= piece.start for segment in breaks):
            return "long_break"
    if piece.state in _QUEUE and plan[piece.segment].category in ("break", "meal"):
        return "missed_break"
    return "no_answer" if piece.state == "no_answer" else "wrong_state"


def _merge(pieces: list[Piece]) -> list[Planted]:
    found: list[Planted] = []
    last: Piece | None = None
    for piece in pieces:
        if (
            last and last.end == piece.start and last.segment == piece.segment
            and last.cls == piece.cls and last.reason == piece.reason
        ):  # fmt: skip
            found[-1] = found[-1]._replace(end=piece.end)
        else:
            found.append(Planted(piece.start, piece.end, piece.cls, piece.reason))
        last = piece
    return found


def outside(line: Line, shifts: list[Shift]) -> list[Planted]:
    """Find the work that nobody scheduled."""
    taken = [(shift.start, shift.end) for shift in shifts]
    runs: list[list[int]] = []
    for i in range(1, len(line.at)):
        until = line.at[i + 1] if i + 1 < len(line.at) else FOREVER
        if line.states[i] not in _QUEUE:
            continue
        if runs and runs[-1][1] == line.at[i]:
            runs[-1][1] = until
        else:
            runs.append([line.at[i], until])
    found = []
    for start, end in runs:
        for low, high in _minus(start, end, taken):
            found.append(Planted(low, high, None, "unscheduled_work"))
    return found


def _minus(start: int, end: int, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found = []
    for low, high in taken[bisect_left(taken, (start - 2 * 86400, 0)) :]:
        if low >= end:
            break
        if high <= start:
            continue
        if start < low:
            found.append((start, low))
        start = max(start, high)
    return [*found, (start, end)] if start < end else found
