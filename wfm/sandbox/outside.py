"""Work that nobody scheduled."""

from __future__ import annotations

from bisect import bisect_left

from wfm.sandbox.lines import FOREVER, Line
from wfm.sandbox.reasons import QUEUE, Planted
from wfm.sandbox.roster import Shift


def outside(line: Line, shifts: list[Shift]) -> list[Planted]:
    """Find the work that nobody scheduled."""
    taken = [(shift.start, shift.end) for shift in shifts]
    runs: list[list[int]] = []
    for i in range(1, len(line.at)):
        until = line.at[i + 1] if i + 1 < len(line.at) else FOREVER
        if line.states[i] not in QUEUE:
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
