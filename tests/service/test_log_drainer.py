"""The drainer steps back for the threads that answer; what nobody knows is kept."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource
from wfm.service.log_drainer import THREAD_NICENESS, LogDrainer
from wfm.service.write_ahead_log import WriteAheadLog
from wfm.storage.database import Database


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_storing_steps_back_and_answering_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    class Sources(dict[str, ConfiguredSource]):
        def get(self, name: str, default: ConfiguredSource | None = None) -> ConfiguredSource | None:  # type: ignore[override]
            seen.append(priority())
            return super().get(name, default)

    async def go() -> None:
        journal = WriteAheadLog(tmp_path / "journal")
        drainer = LogDrainer(journal, Collector(Database(tmp_path / "wfm.duckdb")), Sources(), lambda _: None)
        await journal.append(b"nobody\nline")
        await drainer.drain()
        assert "deliveries of nobody, which is not configured; it is kept" in caplog.text
        assert len(journal.list_sealed()) == 1
        await journal.close()

    before = priority()
    asyncio.run(go())
    # threads have a priority of their own on Linux alone
    assert seen == [THREAD_NICENESS if sys.platform == "linux" else before]
    assert priority() == before
