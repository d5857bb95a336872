"""The condition of the service, for /health: what `wfm doctor` finds, and how the journal is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel

from wfm.errors import DatabaseBusyError, StoreError
from wfm.jobs import health
from wfm.jobs.collect import Collector
from wfm.jobs.sources import Source
from wfm.service.journal import Journal

FRESH_S: Final = 5.0
"""An answer is good for so long: it is read from the database, and anybody may ask."""
DEEP_BYTES: Final = 256_000_000
"""A journal that is deeper is not being stored."""

Grade = Literal["ok", "warn", "bad"]


class Found(BaseModel):
    """One thing that was looked at: how it is, and what to do if it is not well."""

    check: str
    grade: Grade
    what: str
    todo: str = ""


class Condition(BaseModel):
    """How the service is: bad if anything is, warn if anything is that; and all that was found."""

    status: Grade
    at: datetime
    findings: list[Found]


class Conditions:
    """Look at everything, not too often.

    Args:
        collector: its store and spool.
        sources: those that run.
        refused: those that do not, and why.
        journal: of the webhooks.
    """

    def __init__(
        self,
        collector: Collector,
        sources: Mapping[str, Source],
        refused: Mapping[str, str],
        journal: Journal,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector, self._sources, self._refused = collector, sources, refused
        self._journal, self._monotonic = journal, monotonic
        self._last: tuple[float, list[Found]] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def now(self) -> Condition:
        """Return the condition, at most a few seconds old."""
        async with self._one_at_a_time:
            if self._last is None or self._monotonic() - self._last[0] > FRESH_S:
                self._last = self._monotonic(), await asyncio.to_thread(self._examine)
        findings = [*self._last[1], *self._settings(), self._journals()]
        grades = {found.grade for found in findings}
        status: Grade = "bad" if "bad" in grades else "warn" if "warn" in grades else "ok"
        return Condition(status=status, at=self._collector.clock(), findings=findings)

    def _examine(self) -> list[Found]:
        try:
            found = health.examine(
                self._collector.store, self._sources, self._collector.folder, self._collector.clock()
            )
        except DatabaseBusyError as error:
            before = self._last[1] if self._last else []
            kept = [one for one in before if one.check != "database"]
            return [
                *kept,
                Found(check="database", grade="warn", what=str(error), todo="batches wait in the spool"),
            ]
        except StoreError as error:  # damaged, or of a newer wfm: somebody has to see to it
            found = health.beside(self._collector.store, self._sources, self._collector.folder, error)
        return [Found(check=f.check, grade=f.grade, what=f.what, todo=f.todo) for f in found]

    def _settings(self) -> list[Found]:
        return [
            Found(check=f"{name} settings", grade="bad", what=why, todo="correct them and start again")
            for name, why in self._refused.items()
        ]

    def _journals(self) -> Found:
        segments, size = self._journal.depth()
        if self._journal.broken:
            return Found(
                check="journal",
                grade="bad",
                what=f"nothing can be written: {self._journal.broken}",
                todo="make room: deliveries are refused, and vendors repeat them only for a while",
            )
        said = f"{segments:,} segments, {size / 1e6:,.1f} MB"
        if size > DEEP_BYTES:
            return Found(
                check="journal", grade="bad", what=said, todo="look in the log why they are not stored"
            )
        return Found(check="journal", grade="ok", what=said)
