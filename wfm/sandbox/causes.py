"""The truth about adherence: the specification's rules, kept second by second beside the simulation.

This is bookkeeping of its own: plain loops over one agent's day, nothing shared with the engine it will judge::

    schedule   on queue            |break      |on queue
    call       ....|---------------+---|
    state      Busy                |Busy|Break      |Available
    planted                        |call_|     |shifted_
                                   |overrun    |break
"""

from __future__ import annotations

from itertools import pairwise

from wfm.core import glossary
from wfm.sandbox.lines import Line, Segment, Span, segments
from wfm.sandbox.reasons import REST, Piece, Planted, give_reasons
from wfm.sandbox.roster import Shift
from wfm.sandbox.wishes import Excuse

WRAPUP_S = 120
_FITS = {category: frozenset(states) for category, states in glossary.STATES_IN_ADHERENCE.items()}


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
    give_reasons(pieces, plan, shift, line)
    sums = dict.fromkeys(glossary.CLASSES, 0)
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
    for start, end in pairwise(edges):
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
        rests = line.state(end - 1) in REST and line.state(end) in REST
        if earned and segment.category in ("break", "meal") and number + 1 < len(plan) and rests:
            until = min(end + earned, line.run(end, REST)[1])
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


def _merge(pieces: list[Piece]) -> list[Planted]:
    found: list[Planted] = []
    last: Piece | None = None
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
            found.append(Planted(piece.start, piece.end, piece.cls, piece.reason))
        last = piece
    return found
