"""Find the reason of every exception by the specification's rules, for the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wfm.core import glossary
from wfm.sandbox.centre.roster import SimulatedShift
from wfm.sandbox.ground_truth.timeline import FOREVER_S, AgentTimeline, ScheduledSegment

ON_QUEUE_STATES, BREAK_STATES = frozenset(glossary.QUEUE_STATES), frozenset(glossary.REST_STATES)


class TrueException(NamedTuple):
    """An exception that an engine must find; ``cls`` is empty outside a shift, ``reason`` in an unmapped state."""

    start: int
    end: int
    cls: str | None
    reason: str | None


@dataclass
class ShiftPiece:
    """A span of a shift in which state, segment and class do not change."""

    start: int
    end: int
    segment: int
    state: str
    cls: str
    reason: str | None = None


def give_reasons(
    pieces: list[ShiftPiece], plan: list[ScheduledSegment], shift: SimulatedShift, line: AgentTimeline
) -> None:
    absent = all(piece.state not in ON_QUEUE_STATES for piece in pieces)
    come = line.state_at(shift.start - 1) in ON_QUEUE_STATES
    off = _find_off_runs(pieces)
    for i, piece in enumerate(pieces):
        if piece.cls in ("in", "unknown") or piece.reason:
            continue
        start, end = off.get(i, (FOREVER_S, 0))
        if absent:
            piece.reason = "absent"
        elif start == shift.start and not come:
            piece.reason = "late_start"
        elif end == shift.end:
            piece.reason = "early_leave"
        else:
            piece.reason = _find_reason(piece, plan, line)


def _find_off_runs(pieces: list[ShiftPiece]) -> dict[int, tuple[int, int]]:
    """Return for each piece off the queue and not in adherence the span of such pieces in its segment."""
    runs: dict[int, tuple[int, int]] = {}
    i = 0
    while i < len(pieces):
        j = i
        while j < len(pieces) and pieces[j].segment == pieces[i].segment and _is_off_queue(pieces[j]):
            j += 1
        runs.update(dict.fromkeys(range(i, j), (pieces[i].start, pieces[j - 1].end) if j > i else (0, 0)))
        i = max(j, i + 1)
    return runs


def _is_off_queue(piece: ShiftPiece) -> bool:
    return piece.cls not in ("in", "unknown") and piece.state not in ON_QUEUE_STATES


def _find_reason(piece: ShiftPiece, plan: list[ScheduledSegment], line: AgentTimeline) -> str:
    breaks = [segment for segment in plan if segment.category in ("break", "meal")]
    if piece.state in BREAK_STATES:
        begun, ended = line.find_run(piece.start, BREAK_STATES)
        if any(piece.end <= segment.start < ended for segment in breaks):
            return "early_break"
        if any(begun < segment.end <= piece.start for segment in breaks):
            return "long_break"
    if piece.state in ON_QUEUE_STATES and plan[piece.segment].category in ("break", "meal"):
        return "missed_break"
    return "no_answer" if piece.state == "no_answer" else "wrong_state"
