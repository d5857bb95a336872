"""Classify the seconds of a shift by the specification's rules, for the ground truth.

Plain loops over one agent's day that share nothing with the engine, which is tested against them::

    schedule   on queue            |break      |on queue
    call       ....|---------------+---|
    state      Busy                |Busy|Break      |Available
    planted                        |call_|     |shifted_
                                   |overrun    |break
"""

from __future__ import annotations

from itertools import pairwise

from wfm.core import glossary
from wfm.sandbox.centre.intentions import PlannedExemption
from wfm.sandbox.centre.roster import SimulatedShift
from wfm.sandbox.ground_truth.reasons import BREAK_STATES, ShiftPiece, TrueException, give_reasons
from wfm.sandbox.ground_truth.timeline import AgentTimeline, ScheduledSegment, StateSpan, build_segments

WRAPUP_LIMIT_S = 120
_STATES_THAT_FIT = {category: frozenset(states) for category, states in glossary.STATES_IN_ADHERENCE.items()}


def classify_shift(
    shift: SimulatedShift, line: AgentTimeline, legs: list[tuple[int, int]], excuses: list[PlannedExemption]
) -> tuple[list[TrueException], dict[str, int]]:
    """Classify every second of a shift.

    Args:
        legs: answered and ended of the agent's answered legs, in order.
        excuses: the exemptions of the agent.

    Returns:
        The spans that are not in adherence, and the seconds of each class.
    """
    plan = build_segments(shift)
    pieces = [
        piece
        for number, segment in enumerate(plan)
        for span in line.cut_to(segment.start, segment.end)
        for piece in _cut_span(span, number, segment.category, excuses)
    ]
    pieces = _apply_calls(pieces, plan, line, legs)
    give_reasons(pieces, plan, shift, line)
    sums = dict.fromkeys(glossary.CLASSES, 0)
    for piece in pieces:
        sums[piece.cls] += piece.end - piece.start
    return _merge_pieces([piece for piece in pieces if piece.cls != "in"]), sums


def _cut_span(
    span: StateSpan, number: int, category: str, excuses: list[PlannedExemption]
) -> list[ShiftPiece]:
    if span.state in _STATES_THAT_FIT[category]:
        return [ShiftPiece(span.start, span.end, number, span.state, "in")]
    if span.state == "unmapped":
        return [ShiftPiece(span.start, span.end, number, span.state, "unknown")]
    near = [excuse for excuse in excuses if excuse.start < span.end and span.start < excuse.end]
    inner = {edge for excuse in near for edge in (excuse.start, excuse.end) if span.start < edge < span.end}
    edges, found = [span.start, *sorted(inner), span.end], []
    for start, end in pairwise(edges):
        kinds = {excuse.kind for excuse in near if excuse.start <= start < excuse.end}
        cls = "system" if "system" in kinds else "approved" if kinds else "controllable"
        found.append(ShiftPiece(start, end, number, span.state, cls))
    return found


def _apply_calls(
    pieces: list[ShiftPiece], plan: list[ScheduledSegment], line: AgentTimeline, legs: list[tuple[int, int]]
) -> list[ShiftPiece]:
    for number, segment in enumerate(plan):
        if segment.category == "on_queue":
            continue
        stop = _find_overrun_end(segment, line, legs)
        pieces = _mark_call_driven(pieces, number, stop, "call_overrun")
        earned = sum(piece.end - piece.start for piece in pieces if piece.segment == number and piece.reason)
        end = segment.end
        rests = line.state_at(end - 1) in BREAK_STATES and line.state_at(end) in BREAK_STATES
        if earned and segment.category in ("break", "meal") and number + 1 < len(plan) and rests:
            until = min(end + earned, line.find_run(end, BREAK_STATES)[1])
            pieces = _mark_call_driven(pieces, number + 1, until, "shifted_break")
    return pieces


def _find_overrun_end(segment: ScheduledSegment, line: AgentTimeline, legs: list[tuple[int, int]]) -> int:
    """Return when the call ended that kept the agent from a segment."""
    begin = segment.start
    if line.state_at(begin) not in ("busy", "hold", "wrapup", "ringing"):
        return begin
    ended = [end for answered, end in legs if answered < begin < end]
    if not ended:
        return begin
    stop = max(ended)
    if line.state_at(stop) == "wrapup":
        stop = min(line.find_run(stop, frozenset(["wrapup"]))[1], stop + WRAPUP_LIMIT_S)
    return min(stop, segment.end)


def _mark_call_driven(pieces: list[ShiftPiece], number: int, stop: int, reason: str) -> list[ShiftPiece]:
    found = []
    for piece in pieces:
        if piece.segment != number or piece.cls != "controllable" or piece.start >= stop:
            found.append(piece)
            continue
        found.append(
            ShiftPiece(piece.start, min(piece.end, stop), number, piece.state, "call_driven", reason)
        )
        if stop < piece.end:
            found.append(ShiftPiece(stop, piece.end, number, piece.state, "controllable"))
    return found


def _merge_pieces(pieces: list[ShiftPiece]) -> list[TrueException]:
    found: list[TrueException] = []
    last: ShiftPiece | None = None
    for piece in pieces:
        if (
            last
            and last.end == piece.start
            and last.segment == piece.segment
            and last.cls == piece.cls
            and last.reason == piece.reason
        ):
            found[-1] = found[-1]._replace(end=piece.end)
        else:
            found.append(TrueException(piece.start, piece.end, piece.cls, piece.reason))
        last = piece
    return found
