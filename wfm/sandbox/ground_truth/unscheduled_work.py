"""Work outside any shift."""

from __future__ import annotations

from bisect import bisect_left

from wfm.sandbox.centre.roster import SimulatedShift
from wfm.sandbox.ground_truth.reasons import ON_QUEUE_STATES, TrueException
from wfm.sandbox.ground_truth.timeline import FOREVER_S, AgentTimeline


def find_unscheduled_work(line: AgentTimeline, shifts: list[SimulatedShift]) -> list[TrueException]:
    """Return the spans of on-queue states outside an agent's shifts."""
    taken = [(shift.start, shift.end) for shift in shifts]
    runs: list[list[int]] = []
    for i in range(1, len(line.at)):
        until = line.at[i + 1] if i + 1 < len(line.at) else FOREVER_S
        if line.states[i] not in ON_QUEUE_STATES:
            continue
        if runs and runs[-1][1] == line.at[i]:
            runs[-1][1] = until
        else:
            runs.append([line.at[i], until])
    found = []
    for start, end in runs:
        for low, high in _subtract_shifts(start, end, taken):
            found.append(TrueException(low, high, None, "unscheduled_work"))
    return found


def _subtract_shifts(start: int, end: int, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
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
