"""What NCC knows at a given time: quarter-hours as booked so far, and the state of every agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

QUARTER_S = 900
NEVER_S = 1 << 60
MAX_INTERVALS = 100_000
IntArray = NDArray[np.int64]
_SHIFT = 34
"""Bits for the seconds in a key of agent and instant."""


class IntervalCounts:
    """Customer calls, arranged so that they can be counted as of any time."""

    def __init__(self, truth: GroundTruth) -> None:
        calls, floor = truth.distribution.calls, truth.distribution
        self.queues = len(truth.queues)
        self.arrived = np.array(calls.arrived, np.int64)
        self.queue = np.array(calls.queue, np.int64)
        self.abandoned_at = np.array([NEVER_S if at is None else at for at in floor.abandoned_at], np.int64)
        served = sorted((leg for leg in floor.served if leg), key=lambda leg: leg.ended)
        self.ended = np.array([leg.ended for leg in served], np.int64)
        self.ended_queue = np.array([leg.queue for leg in served], np.int64)
        self.talk = np.array([leg.ended - (leg.answered or leg.ended) for leg in served], np.int64)
        self.wrap = np.array([leg.wrap for leg in served], np.int64)

    def count_rows(
        self, start: float, end: float, now: float, late: float = 0.0
    ) -> list[tuple[int, int, int, int, int]]:
        """Count calls per quarter-hour that starts in [start, end), as known at ``now``.

        Calls and abandoned calls count in the interval of their arrival, talk time in that of its end, and wrap-up time
        in the same one as soon as it is over; a fault delays both by ``late`` seconds.

        Returns:
            Interval start (s), queue, entered, abandoned, handle time (ms), of every interval begun, zeros included.
        """
        first = -(-int(max(start, self._first_interval())) // QUARTER_S)
        n = min(int(-(-min(end, now + 1) // QUARTER_S)) - first, MAX_INTERVALS)
        if n <= 0:
            return []
        low, high = first * QUARTER_S, (first + n) * QUARTER_S
        came = slice(*np.searchsorted(self.arrived, [low, high]))
        cell = (self.arrived[came] // QUARTER_S - first) * self.queues + self.queue[came]
        entered = self._count_cells(cell, self.arrived[came] <= now, n)
        abandoned = self._count_cells(cell, self.abandoned_at[came] <= now, n)
        over = slice(*np.searchsorted(self.ended, [low, high]))
        cell = (self.ended[over] // QUARTER_S - first) * self.queues + self.ended_queue[over]
        ended = self.ended[over]
        known = self.talk[over] * (ended + late <= now)
        known = known + self.wrap[over] * (ended + self.wrap[over] + late <= now)
        handle = np.bincount(cell, known * 1000.0, n * self.queues).astype(np.int64)
        return [
            (
                (first + i // self.queues) * QUARTER_S,
                i % self.queues,
                int(entered[i]),
                int(abandoned[i]),
                int(handle[i]),
            )
            for i in range(n * self.queues)
        ]

    def _first_interval(self) -> int:
        return int(self.arrived[0]) // QUARTER_S * QUARTER_S if self.arrived.size else 0

    def _count_cells(self, cell: IntArray, known: NDArray[np.bool_], n: int) -> IntArray:
        return np.bincount(cell[known], minlength=n * self.queues)


class StateLookup:
    """The states of all agents, arranged so that they can be looked up at any time."""

    def __init__(self, truth: GroundTruth) -> None:
        rows = truth.state_rows
        self.agents = np.arange(len(truth.agents), dtype=np.int64)
        self.key = (rows["agent"].to_numpy() << _SHIFT) + rows["at"].to_numpy()
        self.agent = rows["agent"].to_numpy()
        self.since = np.array([*rows["at"].to_list(), 0], np.int64)
        self.state = np.array([*rows["vendor_state"].to_list(), "Logged out"], dtype=object)

    def states_at(self, now: float) -> list[tuple[str, int]]:
        """Return the state of each agent, in their order, and its start (s; 0 = always)."""
        place = np.searchsorted(self.key, (self.agents << _SHIFT) + int(now), side="right") - 1
        mine = (
            (place >= 0) & (self.agent[place] == self.agents)
            if self.key.size
            else np.zeros(self.agents.size, bool)
        )
        place = np.where(mine, place, -1)
        return list(zip(self.state[place].tolist(), self.since[place].tolist(), strict=True))
