"""The write-ahead log: records are on disk before `append` returns, in segments that are read once, then deleted.

::

    segment   | length, checksum | record | length, checksum | record | ... | half a reco     (a torn tail)
                4 + 4 bytes, big-endian, CRC-32 of the record

Many appends share one write and one fsync (group commit). A record that a crash truncated is recognised by its length
and checksum, and was never acknowledged.

A segment is preallocated with zeros and filled until it is sealed: syncing overwritten bytes takes the disk a fifth of
the time of syncing a file that has grown. Until it is sealed its name ends in ``.filling``; the next start seals those
that a crash left.
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

from wfm.core.errors import OutputError

SEALED_SUFFIX: Final = ".journal"
OPEN_SUFFIX: Final = ".filling"
RECORD_HEADER: Final = struct.Struct(">II")
SEGMENT_BYTES: Final = 4_000_000
"""A segment is sealed at this size, so that a drained batch stays bounded."""
MIN_PREALLOCATED_BYTES: Final = 65_536
"""The next segment is preallocated with twice the size of the last one, but at least this."""
GROUP_COMMIT_WAIT_S: Final = 0.004
"""How long the first record of a group waits for others: a write and its thread cost more than a record."""


@dataclass
class _CommitGroup:
    """Records that are written together, and the event that their writers wait for."""

    records: list[bytes] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: OSError | None = None


@dataclass
class _OpenSegment:
    """The file that is being filled; ``size`` bytes are used."""

    path: Path
    handle: int
    size: int = 0


class WriteAheadLog:
    """A durable log of records, in segments.

    Args:
        folder: of the segments; created with the first record.
        segment_bytes: the size at which a segment is sealed.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.write_error: str = ""
        """Why the last group could not be written; empty: it was."""
        self._segment_bytes = segment_bytes
        self._next_group = _CommitGroup()
        self._open_segment: _OpenSegment | None = None
        self._preallocated: Future[_OpenSegment] | None = None
        self._preallocate_bytes = MIN_PREALLOCATED_BYTES
        self._closed = False
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "journal")  # the only one that touches the open segment
        self._preallocate_thread = ThreadPoolExecutor(1, "journal-ahead")
        for left in sorted(folder.glob(f"*{OPEN_SUFFIX}")) if folder.is_dir() else []:
            left.rename(left.with_suffix(SEALED_SUFFIX))

    # --- writing ----------------------------------------------------------------------------------------
    async def append(self, record: bytes) -> None:
        """Append a non-empty record; return once it would survive a power cut.

        Raises:
            OutputError: it was not written (a full disk); the sender must send it again.
        """
        if self._closed:
            raise OutputError(f"{self.folder}: the write-ahead log is closed.")
        group = self._next_group
        group.records.append(encode_record(record))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_groups())
        await group.done.wait()
        if group.error is not None:
            raise OutputError(
                f"{self.folder}: {group.error.strerror or group.error}; the record was not written."
            )

    async def seal_segment(self) -> None:
        """Seal the open segment; the next record starts another."""
        if not self._closed:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._seal_open_segment)

    async def close(self) -> None:
        """Write the waiting records, seal, and accept no more."""
        if self._closed:
            return
        self._closed = True
        if self._committing is not None:
            await self._committing
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end_segments)
        self._thread.shutdown()
        self._preallocate_thread.shutdown()

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next_group.records:
            await asyncio.sleep(GROUP_COMMIT_WAIT_S)
            group, self._next_group = self._next_group, _CommitGroup()
            try:
                await loop.run_in_executor(self._thread, self._write_group, b"".join(group.records))
            except OSError as error:
                group.error = error
            self.write_error = str(group.error.strerror or group.error) if group.error else ""
            group.done.set()

    def _write_group(self, data: bytes) -> None:
        segment = self._open_segment or self._begin_segment()
        try:
            _write_all(segment.handle, data)
            os.fdatasync(segment.handle)
        except OSError:
            # nothing may follow half a record, and after a failed fsync nobody knows what was written
            with contextlib.suppress(OSError):
                os.ftruncate(segment.handle, segment.size)
            self._seal_open_segment()
            raise
        segment.size += len(data)
        if segment.size >= self._segment_bytes:
            self._seal_open_segment()

    def _begin_segment(self) -> _OpenSegment:
        """Begin the preallocated segment; if it is not ready, create one of no length, without waiting."""
        ahead, self._preallocated = self._preallocated, None
        if ahead is not None and ahead.done() and ahead.exception() is None:
            self._open_segment = ahead.result()
        else:
            _discard_preallocated(ahead)
            self._open_segment = self._create_segment(0)
        self._preallocated = self._preallocate_thread.submit(
            self._create_segment, min(self._preallocate_bytes, self._segment_bytes)
        )
        return self._open_segment

    def _create_segment(self, length: int) -> _OpenSegment:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{OPEN_SUFFIX}"
        segment = _OpenSegment(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            _write_all(segment.handle, bytes(length))
            os.fsync(segment.handle)
            os.lseek(segment.handle, 0, os.SEEK_SET)
            _sync_directory(self.folder)
        except OSError:
            _delete_open_segment(segment)
            raise
        return segment

    def _seal_open_segment(self) -> None:
        segment, self._open_segment = self._open_segment, None
        if segment is not None:
            self._preallocate_bytes = max(MIN_PREALLOCATED_BYTES, 2 * segment.size)
            with contextlib.suppress(OSError):  # if it fails, zeros after the last record do no harm
                os.ftruncate(segment.handle, segment.size)
            os.close(segment.handle)
            segment.path.rename(segment.path.with_suffix(SEALED_SUFFIX))

    def _end_segments(self) -> None:
        self._seal_open_segment()
        ahead, self._preallocated = self._preallocated, None
        _discard_preallocated(ahead)

    # --- reading ----------------------------------------------------------------------------------------
    def list_sealed(self) -> list[Path]:
        """Return the sealed segments, oldest first."""
        return list_segments(self.folder)

    def measure_backlog(self) -> tuple[int, int]:
        """Return the number of segments with records, and their total size in bytes."""
        filled = self._open_segment
        sizes = [] if filled is None else [filled.size]
        for path in list_segments(self.folder):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)


def list_segments(folder: Path) -> list[Path]:
    """Return the sealed segments of a folder, oldest first."""
    return sorted(folder.glob(f"*{SEALED_SUFFIX}")) if folder.is_dir() else []


def encode_record(record: bytes) -> bytes:
    """Encode a record for a segment."""
    return RECORD_HEADER.pack(len(record), crc32(record)) + record


def read_records(data: bytes) -> tuple[list[bytes], int]:
    """Return the records of a segment, and how many bytes of a torn tail were left out."""
    records, at = [], 0
    while at + RECORD_HEADER.size <= len(data):
        length, checksum = RECORD_HEADER.unpack_from(data, at)
        record = data[at + RECORD_HEADER.size : at + RECORD_HEADER.size + length]
        # a length of 0 ends it too: otherwise zeros, which a power cut can leave, would be read as empty records
        if not length or len(record) < length or crc32(record) != checksum:
            break
        records.append(record)
        at += RECORD_HEADER.size + length
    return records, len(data[at:].rstrip(b"\0"))


def delete_segment(path: Path) -> None:
    """Delete a segment; if a power cut brings it back, its batches are recognised by name and not stored again."""
    path.unlink(missing_ok=True)


def _discard_preallocated(ahead: Future[_OpenSegment] | None) -> None:
    """Delete a preallocated segment that is not needed, as soon as it exists."""

    def delete_result(future: Future[_OpenSegment]) -> None:
        if not future.cancelled() and future.exception() is None:
            _delete_open_segment(future.result())

    if ahead is not None and not ahead.cancel():
        ahead.add_done_callback(delete_result)


def _delete_open_segment(segment: _OpenSegment) -> None:
    os.close(segment.handle)
    segment.path.unlink(missing_ok=True)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
