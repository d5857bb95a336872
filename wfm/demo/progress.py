"""The steps of the demo, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ProgressListener = Callable[[str, float], None]
"""Called with the name of the step under way, and the share of all steps that is done, 0 to 1."""
EXPECTED_S: Final = 15
"""Seconds that the demo takes on a machine with two cores."""

SIMULATE: Final = "Simulating a contact centre"
IMPORT: Final = "Importing schedules and earlier states"
POLL: Final = "Polling agent states over HTTP"
COLLECT: Final = "Collecting calls and volume over HTTP"
REPORT: Final = "Scoring and forecasting"
COMPARE: Final = "Comparing with the ground truth"
WEIGHTS: Final = {SIMULATE: 4, IMPORT: 8, POLL: 28, COLLECT: 62, REPORT: 12, COMPARE: 6}
"""How long each step takes compared with the others."""


class DemoProgress:
    """Keeps count of the steps of a demo and reports to a listener, if there is one."""

    def __init__(self, listener: ProgressListener | None = None) -> None:
        self._listener = listener
        self._step, self._before = "", 0
        self._done, self._total = 0, 1

    def begin_step(self, step: str, parts: int = 1) -> None:
        """Begin one of the steps, which has so many parts of about the same length."""
        names = list(WEIGHTS)
        self._step, self._before = step, sum(WEIGHTS[name] for name in names[: names.index(step)])
        self._done, self._total = 0, max(1, parts)
        self._report()

    def finish_part(self) -> None:
        """Count one more part of the step as done."""
        self._done = min(self._done + 1, self._total)
        self._report()

    def _report(self) -> None:
        if self._listener is not None:
            done = self._before + WEIGHTS[self._step] * self._done / self._total
            self._listener(self._step, done / sum(WEIGHTS.values()))
