"""What NCC can know at an instant: quarter-hours as booked so far, and everybody's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

QUARTER = 900
NEVER = 1 << 60
MAX_INTERVALS = 100_000
Ints = NDArray[np.int64]
_SHIFT = 34
"""Bits for the seconds in a key of agent and instant."""


class Tally:
    """Customer calls, ready to be counted as of any instant."""

    def __init__(self, truth: Truth) -> None:
        calls, floor = truth.floor.calls, truth.floor
        self.queues = len(truth.queues)
        self.arrived = np.array(calls.arrived, np.int64)
        self.queue = np.array(calls.queue, np.int64)
        self.gave_up = np.array([NEVER if at is None else at for at in floor.gave_up], np.int64)
        served = sorted((leg for leg in floor.served if leg), key=lambda leg: leg.ended)
        self.ended = np.array([leg.ended for leg in served], np.int64)
        self.ended_queue = np.array([leg.queue for leg in served], np.int64)
        self.talk = np.array([leg.ended - (leg.answered or leg.ended) for leg in served], np.int64)
        self.wrap = np.array([leg.wrap for leg in served], np.int64)

    def rows(
        self, start: float, end: float, now: float, late: float = 0.0
    ) -> list[tuple[int, int, int, int, int]]:
        """Count per quarter-hour that starts in [start, end), as far as is known ``now``.

        Calls and their giving up count where the call came in; talk counts where it ended, and its wrap-up joins it
        there when it is over, ``late`` seconds after that at a fault.

        Returns:
            interval start (s), queue, entered, abandoned, handle time (ms); every begun interval, zeros too.
        """
        first = -(-int(max(start, self._earliest())) // QUARTER)
        n = min(int(-(-min(end, now + 1) // QUARTER)) - first, MAX_INTERVALS)
        if n <= 0:
            return []
        low, high = first * QUARTER, (first + n) * QUARTER
        came = slice(*np.searchsorted(self.arrived, [low, high]))
        cell = (self.arrived[came] // QUARTER - first) * self.queues + self.queue[came]
        entered = self._count(cell, self.arrived[came] <= now, n)
        abandoned = self._count(cell, self.gave_up[came] <= now, n)
        over = slice(*np.searchsorted(self.ended, [low, high]))
        cell = (self.ended[over] // QUARTER - first) * self.queues + self.ended_queue[over]
        ended = self.ended[over]
        known = self.talk[over] * (ended + late <= now)
        known = known + self.wrap[over] * (ended + self.wrap[over] + late <= now)
        handle = np.bincount(cell, known * 1000.0, n * self.queues).astype(np.int64)
        return [
            (
                (first + i // self.queues) * QUARTER,
                i % self.queues,
                int(entered[i]),
                int(abandoned[i]),
                int(handle[i]),
            )
            for i in range(n * self.queues)
        ]

    def _earliest(self) -> int:
        return int(self.arrived[0]) // QUARTER * QUARTER if self.arrived.size else 0

    def _count(self, cell: Ints, known: NDArray[np.bool_], n: int) -> Ints:
        return np.bincount(cell[known], minlength=n * self.queues)


class Snapshot:
    """Everybody's state, ready to be looked up at any instant."""

    def __init__(self, truth: Truth) -> None:
        rows = truth.state_rows
        self.agents = np.arange(len(truth.agents), dtype=np.int64)
        self.key = (rows["agent"].to_numpy() << _SHIFT) + rows["at"].to_numpy()
        self.agent = rows["agent"].to_numpy()
        self.since = np.array([*rows["at"].to_list(), 0], np.int64)
        self.state = np.array([*rows["vendor_state"].to_list(), "Logged out"], dtype=object)

    def at(self, now: float) -> list[tuple[str, int]]:
        """Return the state of each agent, in their order, and since when (s; 0 = always)."""
        place = np.searchsorted(self.key, (self.agents << _SHIFT) + int(now), side="right") - 1
        mine = (
            (place >= 0) & (self.agent[place] == self.agents)
            if self.key.size
            else np.zeros(self.agents.size, bool)
        )
        place = np.where(mine, place, -1)
        return list(zip(self.state[place].tolist(), self.since[place].tolist(), strict=True))
