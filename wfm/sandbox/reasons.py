"""Why an agent was not where the schedule wanted them: the specification's reasons, one stretch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wfm.core import glossary
from wfm.sandbox.lines import FOREVER, Line, Segment
from wfm.sandbox.roster import Shift

QUEUE, REST = frozenset(glossary.QUEUE_STATES), frozenset(glossary.REST_STATES)


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


def give_reasons(pieces: list[Piece], plan: list[Segment], shift: Shift, line: Line) -> None:
    absent = all(piece.state not in QUEUE for piece in pieces)
    come = line.state(shift.start - 1) in QUEUE
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
    return piece.cls not in ("in", "unknown") and piece.state not in QUEUE


def _reason(piece: Piece, plan: list[Segment], line: Line) -> str:
    breaks = [segment for segment in plan if segment.category in ("break", "meal")]
    if piece.state in REST:
        begun, ended = line.run(piece.start, REST)
        if any(piece.end <= segment.start < ended for segment in breaks):
            return "early_break"
        if any(begun < segment.end <= piece.start for segment in breaks):
            return "long_break"
    if piece.state in QUEUE and plan[piece.segment].category in ("break", "meal"):
        return "missed_break"
    return "no_answer" if piece.state == "no_answer" else "wrong_state"
