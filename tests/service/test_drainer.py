"""The drainer steps back for the threads that answer; what nobody knows is kept."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from wfm.jobs.collect import Collector
from wfm.jobs.sources import Source
from wfm.service.drainer import NICE, Drainer
from wfm.service.journal import Journal
from wfm.storage.database import Store


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_storing_steps_back_and_answering_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    class Sources(dict[str, Source]):
        def get(self, name: str, default: Source | None = None) -> Source | None:  # type: ignore[override]
            seen.append(priority())
            return super().get(name, default)

    async def go() -> None:
        journal = Journal(tmp_path / "journal")
        drainer = Drainer(journal, Collector(Store(tmp_path / "wfm.duckdb")), Sources(), lambda _: None)
        await journal.append(b"nobody\nline")
        await drainer.drain()
        assert "deliveries of nobody, which is not configured; it is kept" in caplog.text
        assert len(journal.sealed()) == 1
        await journal.close()

    before = priority()
    asyncio.run(go())
    # threads have a priority of their own on Linux alone
    assert seen == [NICE if sys.platform == "linux" else before]
    assert priority() == before
