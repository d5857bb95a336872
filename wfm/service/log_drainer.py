"""The log drainer: stores the segments of the write-ahead log as batches, then deletes them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource
from wfm.service import write_ahead_log
from wfm.service.write_ahead_log import WriteAheadLog
from wfm.vendors import CALL_EVENT, Payload

log = logging.getLogger("wfm.webhooks")
RETRY_S: Final = 60.0
"""Seconds after which a segment that could neither be stored nor spooled is tried again."""

THREAD_NICENESS: Final = 10


class LogDrainer:
    """A drainer of the write-ahead log; one thread stores its segments, one after another.

    Args:
        write_ahead_log: of all sources.
        collector: stores or spools the deliveries.
        sources: the configured ones; a segment with deliveries of another stays until the next start.
        on_cycle: called with every cycle.
    """

    def __init__(
        self,
        write_ahead_log: WriteAheadLog,
        collector: Collector,
        sources: Mapping[str, ConfiguredSource],
        on_cycle: Callable[[CollectionCycle], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write_ahead_log, self._collector, self._sources = write_ahead_log, collector, sources
        self._on_cycle, self._monotonic = on_cycle, monotonic
        self._retry_at: dict[Path, float] = {}
        self._drain_lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "drainer", initializer=_lower_thread_priority)

    async def drain(self) -> None:
        """Seal the open segment and store every one that is due; a failure of one stops no other."""
        async with self._drain_lock:
            await self._write_ahead_log.seal_segment()
            for path in self._write_ahead_log.list_sealed():
                if self._retry_at.get(path, 0.0) <= self._monotonic():
                    await asyncio.get_running_loop().run_in_executor(self._thread, self._drain_segment, path)

    def _drain_segment(self, path: Path) -> None:
        try:
            unknown = self._store_segment(path)
        except Exception:  # whatever the error, the segment stays on disk
            log.exception("%s could not be stored; it is tried again", path.name)
            self._retry_at[path] = self._monotonic() + RETRY_S
            return
        if unknown:
            # not deleted: somebody may configure the source again
            log.error(
                "%s has deliveries of %s, which is not configured; it is kept", path.name, ", ".join(unknown)
            )
            self._retry_at[path] = float("inf")
            return
        write_ahead_log.delete_segment(path)
        self._retry_at.pop(path, None)

    def _store_segment(self, path: Path) -> list[str]:
        """Store or spool the deliveries of a segment, and return the sources that are not configured."""
        records, torn = write_ahead_log.read_records(path.read_bytes())
        if torn:
            log.warning("%s ends in %d bytes of a delivery that was not acknowledged", path.name, torn)
        unknown = []
        for name, lines in group_by_source(records).items():
            source = self._sources.get(name)
            if source is None or CALL_EVENT not in source.feeds:
                unknown.append(name)
                continue
            payload = Payload(CALL_EVENT, self._collector.clock(), b"".join(lines), {"by": "webhook"})
            self._on_cycle(self._collector.store_deliveries(source, [payload], f"{path.stem}-{name}"))
        return unknown


def _lower_thread_priority() -> None:
    """Lower the priority of this thread and those it starts: requests get the processor first."""
    if sys.platform == "linux":  # elsewhere this would apply to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICENESS)


def group_by_source(records: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Group the lines of deliveries by source."""
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    for record in records:
        source, _, line = record.partition(b"\n")
        lines[source.decode()].append(line)
    return dict(lines)
