"""The drainer: segments of the journal become batches of the collector; a segment goes when its batches are safe."""

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

from wfm.jobs.collect import Collector, Cycle
from wfm.jobs.sources import Source
from wfm.service import journal
from wfm.service.journal import Journal
from wfm.vendors import CALL_EVENT, Payload

log = logging.getLogger("wfm.webhooks")
AGAIN_S: Final = 60.0
"""How long a segment rests that could not be stored, nor spooled."""

NICE: Final = 10


class Drainer:
    """Store what the journal holds.

    Args:
        journal: of all sources.
        collector: stores, or spools.
        sources: those there are; a segment with deliveries of another is kept until the next start.
        noted: is told every cycle.
    """

    def __init__(
        self,
        journal: Journal,
        collector: Collector,
        sources: Mapping[str, Source],
        noted: Callable[[Cycle], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._collector, self._sources = journal, collector, sources
        self._noted, self._monotonic = noted, monotonic
        self._resting: dict[Path, float] = {}
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "drainer", initializer=_step_back)

    async def drain(self) -> None:
        """Seal the open segment and store every one that does not rest; what goes wrong with one stops no other."""
        async with self._one_at_a_time:
            await self._journal.seal()
            for path in self._journal.sealed():
                if self._resting.get(path, 0.0) <= self._monotonic():
                    await asyncio.get_running_loop().run_in_executor(self._thread, self._drain, path)

    def _drain(self, path: Path) -> None:
        try:
            kept = self._store(path)
        except Exception:  # whatever it is, the segment stays
            log.exception("%s could not be stored; it is tried again", path.name)
            self._resting[path] = self._monotonic() + AGAIN_S
            return
        if kept:
            log.error(
                "%s has deliveries of %s, which is not configured; it is kept", path.name, ", ".join(kept)
            )
            self._resting[path] = float("inf")
            return
        journal.drop(path)
        self._resting.pop(path, None)

    def _store(self, path: Path) -> list[str]:
        """Store or spool the deliveries of a segment; returns the sources that nobody knows."""
        records, torn = journal.read(path.read_bytes())
        if torn:
            log.warning("%s ends in %d bytes of a delivery that was not acknowledged", path.name, torn)
        unknown = []
        for name, lines in by_source(records).items():
            source = self._sources.get(name)
            if source is None or CALL_EVENT not in source.feeds:
                unknown.append(name)
                continue
            payload = Payload(CALL_EVENT, self._collector.clock(), b"".join(lines), {"by": "webhook"})
            self._noted(self._collector.receive(source, [payload], f"{path.stem}-{name}"))
        return unknown


def _step_back() -> None:
    """Let whoever waits for an answer have the processor before this thread, and the threads it starts."""
    if sys.platform == "linux":  # elsewhere this would be about the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def by_source(records: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Sort the lines of deliveries by their sources."""
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    for record in records:
        source, _, line = record.partition(b"\n")
        lines[source.decode()].append(line)
    return dict(lines)
