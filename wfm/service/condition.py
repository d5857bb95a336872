"""Health of the service, for /health: what `wfm doctor` finds, and the write-ahead log."""

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
"""How long a report is cached: it is read from the database, and anybody may request it."""
DEEP_BYTES: Final = 256_000_000
"""A write-ahead log larger than this is not being stored."""

Grade = Literal["ok", "warn", "bad"]


class Found(BaseModel):
    """One check: its grade, what was found, and what to do if it is not ok."""

    check: str
    grade: Grade
    what: str
    todo: str = ""


class Condition(BaseModel):
    """The health of the service: the worst grade of all findings, and the findings."""

    status: Grade
    at: datetime
    findings: list[Found]


class Conditions:
    """Checks the health of the service, with a short cache.

    Args:
        collector: whose database and spool are checked.
        sources: those that run.
        refused: those that do not run, and why.
        journal: the write-ahead log of the webhooks.
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
        """Return the health report, at most `CACHE_S` old."""
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
            # the previous findings: a busy database says nothing new about the feeds
            previous = self._last[1] if self._last else []
            kept = [finding for finding in previous if finding.check != "database"]
            return [
                *kept,
                Found(check="database", grade="warn", what=str(error), todo="batches wait in the spool"),
            ]
        except StoreError as error:  # damaged, or of a newer wfm: somebody has to act
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
                what=f"the write-ahead log cannot be written: {self._journal.broken}",
                todo="free disk space: deliveries are refused, and vendors repeat them only for a while",
            )
        size_text = f"{segments:,} segments, {size / 1e6:,.1f} MB"
        if size > DEEP_BYTES:
            return Found(
                check="journal",
                grade="bad",
                what=size_text,
                todo="see the service's log for why they are not stored",
            )
        return Found(check="journal", grade="ok", what=size_text)
