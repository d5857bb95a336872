"""The health of the service, for /health: the findings of `wfm doctor`, and the write-ahead log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel

from wfm.collect import health
from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import DatabaseBusyError, StoreError
from wfm.service.write_ahead_log import WriteAheadLog

CACHE_S: Final = 5.0
"""How long a report is cached, because it is read from the database and anybody may request it."""
MAX_BACKLOG_BYTES: Final = 256_000_000
"""If the write-ahead log is larger, something prevents it from being stored."""

FindingGrade = Literal["ok", "warn", "bad"]


class HealthFinding(BaseModel):
    """One check: its grade, what was found, and what to do if it is not ok."""

    check: str
    grade: FindingGrade
    what: str
    todo: str = ""


class HealthReport(BaseModel):
    """The health of the service: the worst grade of all findings, and the findings."""

    status: FindingGrade
    at: datetime
    findings: list[HealthFinding]


class HealthChecker:
    """The checks of the service's health, with a short cache.

    Args:
        collector: whose database and spool are checked.
        sources: the running sources.
        refused: the names of sources with wrong settings, and what is wrong.
        write_ahead_log: of the webhooks.
    """

    def __init__(
        self,
        collector: Collector,
        sources: Mapping[str, ConfiguredSource],
        refused: Mapping[str, str],
        write_ahead_log: WriteAheadLog,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector, self._sources, self._refused = collector, sources, refused
        self._write_ahead_log, self._monotonic = write_ahead_log, monotonic
        self._cached: tuple[float, list[HealthFinding]] | None = None
        self._report_lock = asyncio.Lock()

    async def get_report(self) -> HealthReport:
        """Return the health report, at most `CACHE_S` old."""
        async with self._report_lock:
            if self._cached is None or self._monotonic() - self._cached[0] > CACHE_S:
                self._cached = self._monotonic(), await asyncio.to_thread(self._examine_database)
        findings = [*self._cached[1], *self._list_bad_settings(), self._examine_write_ahead_log()]
        grades = {found.grade for found in findings}
        status: FindingGrade = "bad" if "bad" in grades else "warn" if "warn" in grades else "ok"
        return HealthReport(status=status, at=self._collector.clock(), findings=findings)

    def _examine_database(self) -> list[HealthFinding]:
        try:
            found = health.check_health(
                self._collector.database, self._sources, self._collector.spool_folder, self._collector.clock()
            )
        except DatabaseBusyError as error:
            # together with the previous findings: a busy database says nothing new about the feeds
            previous = self._cached[1] if self._cached else []
            return [
                *(finding for finding in previous if finding.check != "database"),
                HealthFinding(
                    check="database", grade="warn", what=str(error), todo="batches wait in the spool"
                ),
            ]
        except StoreError as error:  # it is damaged or of a newer wfm: somebody has to act
            found = health.check_without_database(
                self._collector.database, self._sources, self._collector.spool_folder, error
            )
        return [HealthFinding(check=f.check, grade=f.grade, what=f.what, todo=f.todo) for f in found]

    def _list_bad_settings(self) -> list[HealthFinding]:
        return [
            HealthFinding(
                check=f"{name} settings", grade="bad", what=reason, todo="correct them and start again"
            )
            for name, reason in self._refused.items()
        ]

    def _examine_write_ahead_log(self) -> HealthFinding:
        segments, size = self._write_ahead_log.measure_backlog()
        if self._write_ahead_log.write_error:
            return HealthFinding(
                check="journal",
                grade="bad",
                what=f"the write-ahead log cannot be written: {self._write_ahead_log.write_error}",
                todo="free disk space: deliveries are refused, and vendors repeat them only for a while",
            )
        size_text = f"{segments:,} segments, {size / 1e6:,.1f} MB"
        if size > MAX_BACKLOG_BYTES:
            return HealthFinding(
                check="journal",
                grade="bad",
                what=size_text,
                todo="see the service's log for why they are not stored",
            )
        return HealthFinding(check="journal", grade="ok", what=size_text)
