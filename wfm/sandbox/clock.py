"""Virtual time: a vendor can only tell what had happened by `Clock.now`."""

from __future__ import annotations

import time
from threading import Lock


class Clock:
    """Run from ``start`` (seconds since 1970, UTC), ``speed`` virtual seconds to the real one.

    Speed 0 is a clock that stands still and is moved by hand.
    """

    def __init__(self, start: float, speed: float = 0.0) -> None:
        self._lock = Lock()
        self._base = float(start)
        self._since = time.monotonic()
        self._speed = float(speed)

    @property
    def speed(self) -> float:
        """Virtual seconds to the real one."""
        return self._speed

    def now(self) -> float:
        """Return the virtual instant, in seconds since 1970."""
        with self._lock:
            return self._base + self._speed * (time.monotonic() - self._since)

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        here = self.now()
        with self._lock:
            self._base, self._since, self._speed = here, time.monotonic(), float(speed)

    def move_to(self, instant: float) -> None:
        """Jump to an instant; back, too."""
        with self._lock:
            self._base, self._since = float(instant), time.monotonic()

    def advance(self, seconds: float) -> None:
        """Jump forward by so many virtual seconds."""
        self.move_to(self.now() + seconds)
