"""Batches that wait for the database: whole or not there, in order, and none lost."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wfm.collect import spool
from wfm.core.atomic_files import TEMPORARY_ENDING
from wfm.core.errors import OutputError
from wfm.vendors import Payload, Window

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def batch(source: str = "ncc", n: int = 2, result: str = "complete") -> spool.SpooledBatch:
    payloads = tuple(
        Payload("call_leg", START + timedelta(seconds=i), bytes([i, 0, 255]), {"user": f"ü{i}"})
        for i in range(n)
    )
    window = Window(START, START + timedelta(hours=1))
    return spool.SpooledBatch(
        spool.SpooledBatch.create_name(),
        source,
        "nextiva_ncc",
        "call_leg",
        window,
        result,
        "a note",
        payloads,
    )


def test_a_batch_comes_back_as_it_was(tmp_path: Path) -> None:
    for made in (batch(), batch(n=0, result="failed")):
        path = spool.write_batch(tmp_path / "spool", made)
        assert spool.read_batch(path) == made
        spool.remove_batch(path)
    assert spool.list_waiting_batches(tmp_path / "spool") == []


def test_batches_wait_in_order_and_by_source(tmp_path: Path) -> None:
    made = [batch(source) for source in ("ncc", "xsi", "ncc")]
    paths = [spool.write_batch(tmp_path, one) for one in made]
    assert spool.list_waiting_batches(tmp_path) == paths
    assert spool.list_waiting_batches(tmp_path, "ncc") == [paths[0], paths[2]]
    assert spool.list_waiting_batches(tmp_path, "c") == []


def test_a_damaged_batch_is_set_aside_not_erased(tmp_path: Path) -> None:
    path = spool.write_batch(tmp_path, batch())
    path.write_bytes(path.read_bytes()[:40])
    assert spool.read_batch(path) is None
    assert [p.name for p in tmp_path.iterdir()] == [path.name + spool.DAMAGED_ENDING]


def test_old_half_written_batch_is_removed(tmp_path: Path) -> None:
    kept = spool.write_batch(tmp_path, batch())
    old, new = (tmp_path / f"{name}{TEMPORARY_ENDING}" for name in ("old", "new"))
    for path, at in ((old, 1_000), (new, 3_000), (kept, 1_000)):
        path.touch()
        os.utime(path, (at, at))
    assert spool.remove_partial_files(tmp_path, before=2_000) == 1
    assert sorted(tmp_path.iterdir()) == sorted([kept, new])
    assert spool.remove_partial_files(tmp_path / "nowhere", before=2_000) == 0


def test_batch_drained_by_another_process_is_fine(tmp_path: Path) -> None:
    path = spool.write_batch(tmp_path, batch())
    spool.remove_batch(path)
    assert spool.read_batch(path) is None
    spool.remove_batch(path)


def test_full_disk_leaves_nothing_and_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        spool.write_batch(tmp_path, batch())
    assert list(tmp_path.iterdir()) == []
