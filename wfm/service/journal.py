"""A write-ahead log: records are on disk before `append` returns, in segments that are read once, then deleted.

::

    segment   | length, checksum | record | length, checksum | record | ... | half a reco     (a torn tail)
                4 + 4 bytes, big-endian, CRC-32 of the record

Many appends share one write and one fsync (group commit). A record that a crash truncated is recognised by its length
and checksum, and was never acknowledged.

A segment is preallocated with zeros, and filled until it is sealed: syncing overwritten bytes takes the disk a fifth of
the time that syncing a file that has grown takes. Until then it is named ``.filling``; the next start seals what a
crash left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import struct
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

from wfm.errors import OutputError

ENDING: Final = ".journal"
FILLING: Final = ".filling"
HEAD: Final = struct.Struct(">II")
SEGMENT_BYTES: Final = 4_000_000
"""A segment is sealed at this size, so that a drained batch stays bounded."""
LEAST_AHEAD: Final = 65_536
"""The next segment is preallocated with this size, or twice the size that the last reached."""
LINGER_S: Final = 0.004
"""How long the first record of a group waits for others: a write and its thread cost more than a record."""


@dataclass
class _Group:
    """Records that are committed together, and the event that their writers wait for."""

    records: list[bytes] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: OSError | None = None


@dataclass
class _Segment:
    """The file that is being filled; ``size`` bytes are used."""

    path: Path
    handle: int
    size: int = 0


class Journal:
    """A durable log of records, in segments.

    Args:
        folder: of the segments; created with the first record.
        segment_bytes: the size at which a segment is sealed.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.broken: str = ""
        """Why the last group could not be written; empty: it was."""
        self._segment_bytes = segment_bytes
        self._next = _Group()
        self._open: _Segment | None = None
        self._ahead: Future[_Segment] | None = None
        self._length = LEAST_AHEAD
        self._closed = False
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "journal")  # the only one that touches the open segment
        self._other_thread = ThreadPoolExecutor(1, "journal-ahead")
        for left in sorted(folder.glob(f"*{FILLING}")) if folder.is_dir() else []:
            left.rename(left.with_suffix(ENDING))

    # --- writing ----------------------------------------------------------------------------------------
    async def append(self, record: bytes) -> None:
        """Append a non-empty record, and return when it would survive a power cut.

        Raises:
            OutputError: it was not written (a full disk); the sender must send it again.
        """
        if self._closed:
            raise OutputError(f"{self.folder}: the write-ahead log is closed.")
        group = self._next
        group.records.append(framed(record))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        await group.done.wait()
        if group.error is not None:
            raise OutputError(
                f"{self.folder}: {group.error.strerror or group.error}; the record was not written."
            )

    async def seal(self) -> None:
        """Seal the open segment; the next record starts another."""
        if not self._closed:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._seal)

    async def close(self) -> None:
        """Write the waiting records, seal, and accept no more."""
        if self._closed:
            return
        self._closed = True
        if self._committing is not None:
            await self._committing
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        self._thread.shutdown()
        self._other_thread.shutdown()

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next.records:
            await asyncio.sleep(LINGER_S)
            group, self._next = self._next, _Group()
            try:
                await loop.run_in_executor(self._thread, self._write, b"".join(group.records))
            except OSError as error:
                group.error = error
            self.broken = str(group.error.strerror or group.error) if group.error else ""
            group.done.set()

    def _write(self, data: bytes) -> None:
        segment = self._open or self._begin()
        try:
            _write_all(segment.handle, data)
            os.fdatasync(segment.handle)
        except OSError:
            # nothing may follow a half-written record, and after a failed fsync it is unknown what was written
            with contextlib.suppress(OSError):
                os.ftruncate(segment.handle, segment.size)
            self._seal()
            raise
        segment.size += len(data)
        if segment.size >= self._segment_bytes:
            self._seal()

    def _begin(self) -> _Segment:
        """Use the preallocated segment; if it is not ready, create one without waiting for zeros."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.done() and ahead.exception() is None:
            self._open = ahead.result()
        else:
            _unmake(ahead)
            self._open = self._create(0)
        self._ahead = self._other_thread.submit(self._create, min(self._length, self._segment_bytes))
        return self._open

    def _create(self, length: int) -> _Segment:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{FILLING}"
        segment = _Segment(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            _write_all(segment.handle, bytes(length))
            os.fsync(segment.handle)
            os.lseek(segment.handle, 0, os.SEEK_SET)
            _sync(self.folder)
        except OSError:
            _remove(segment)
            raise
        return segment

    def _seal(self) -> None:
        segment, self._open = self._open, None
        if segment is not None:
            self._length = max(LEAST_AHEAD, 2 * segment.size)
            with contextlib.suppress(OSError):  # if it fails, zeros after the last record do no harm
                os.ftruncate(segment.handle, segment.size)
            os.close(segment.handle)
            segment.path.rename(segment.path.with_suffix(ENDING))

    def _end(self) -> None:
        self._seal()
        ahead, self._ahead = self._ahead, None
        _unmake(ahead)

    # --- reading ----------------------------------------------------------------------------------------
    def sealed(self) -> list[Path]:
        """Return the sealed segments, oldest first."""
        return segments(self.folder)

    def depth(self) -> tuple[int, int]:
        """Return the number of segments with records, and their total size in bytes."""
        filled = self._open
        sizes = [] if filled is None else [filled.size]
        for path in segments(self.folder):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)


def segments(folder: Path) -> list[Path]:
    """Return the sealed segments of a folder, oldest first."""
    return sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def framed(record: bytes) -> bytes:
    """Encode a record for a segment."""
    return HEAD.pack(len(record), crc32(record)) + record


def read(data: bytes) -> tuple[list[bytes], int]:
    """Return the records of a segment, and the number of bytes of a torn tail that are left out."""
    records, at = [], 0
    while at + HEAD.size <= len(data):
        length, checksum = HEAD.unpack_from(data, at)
        record = data[at + HEAD.size : at + HEAD.size + length]
        # a length of 0 ends it too: zeros that a power cut can leave would else be endless records
        if not length or len(record) < length or crc32(record) != checksum:
            break
        records.append(record)
        at += HEAD.size + length
    return records, len(data[at:].rstrip(b"\0"))


def drop(path: Path) -> None:
    """Delete a segment; if a power cut brings it back, the collector recognises its batches by name."""
    path.unlink(missing_ok=True)


def _unmake(ahead: Future[_Segment] | None) -> None:
    """Delete a preallocated segment that is not needed, as soon as it exists."""

    def delete_result(future: Future[_Segment]) -> None:
        if not future.cancelled() and future.exception() is None:
            _remove(future.result())

    if ahead is not None and not ahead.cancel():
        ahead.add_done_callback(delete_result)


def _remove(segment: _Segment) -> None:
    os.close(segment.handle)
    segment.path.unlink(missing_ok=True)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
