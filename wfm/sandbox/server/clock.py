"""Simulated time: a vendor can only report what had happened by `SimulatedClock.now`."""

from __future__ import annotations

import time
from threading import Lock


class SimulatedClock:
    """A clock that starts at ``start`` (seconds since 1970, UTC) and runs at ``speed`` simulated seconds per second.

    At speed 0 it stands still until it is moved.
    """

    def __init__(self, start: float, speed: float = 0.0) -> None:
        self._lock = Lock()
        self._base = float(start)
        self._since = time.monotonic()
        self._speed = float(speed)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> float:
        """Return the simulated time, in seconds since 1970."""
        with self._lock:
            return self._base + self._speed * (time.monotonic() - self._since)

    def set_speed(self, speed: float) -> None:
        """Continue from the present time at another speed."""
        here = self.now()
        with self._lock:
            self._base, self._since, self._speed = here, time.monotonic(), float(speed)

    def move_to(self, instant: float) -> None:
        """Set the time, which may be earlier than the present one."""
        with self._lock:
            self._base, self._since = float(instant), time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move the time forward by a number of simulated seconds."""
        self.move_to(self.now() + seconds)
