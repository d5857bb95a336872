"""The state of a source that all processes of a machine share: a small JSON file, locked for a moment at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from wfm.core.errors import CollectError, ThrottledError

LOCK_TIMEOUT_S: Final = 10.0
"""How long to wait while another process has the file locked."""
_LOCK_POLL_S: Final = 0.004
_MAX_STATE_BYTES: Final = 65_536
SharedState = dict[str, Any]


class SharedStateFile:
    """The state file of a source.

    The lock belongs to the open file, so a killed process releases it. An unreadable file counts as empty. Without a
    folder the state is not shared.
    """

    def __init__(self, folder: Path | None, source: str) -> None:
        self.path = None if folder is None else folder / f"{_build_file_name(source)}.json"
        self._memory: SharedState = {}

    @asynccontextmanager
    async def open_locked(self) -> AsyncIterator[SharedState]:
        """Yield the state, locked; changes are written on leaving. Do not wait for anything within the context.

        Raises:
            CollectError: the file cannot be opened or written.
            ThrottledError: another process keeps it locked.
        """
        if self.path is None:
            yield self._memory
            return
        handle = self._open_file(self.path)
        try:
            await self._wait_for_lock(handle, self.path)
            before = os.pread(handle, _MAX_STATE_BYTES, 0)
            state = _parse_state(before)
            encoded_before = json.dumps(state)
            yield state
            encoded = json.dumps(state)
            if encoded != encoded_before or not before:
                self._write_state(handle, self.path, encoded.encode(), len(before))
        finally:
            os.close(handle)

    def _open_file(self, path: Path) -> int:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CollectError(
                f"{path}: {error.strerror}; the rate limit is stored there, make it writable."
            ) from None

    async def _wait_for_lock(self, handle: int, path: Path) -> None:
        # never a blocking lock: a process suspended while it has the lock would block this event loop as well
        until = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > until:
                raise ThrottledError(f"{path}: another process keeps it locked; is one suspended or hanging?")
            await asyncio.sleep(_LOCK_POLL_S)

    def _write_state(self, handle: int, path: Path, data: bytes, length: int) -> None:
        # one call, padded with blanks over the old text: at no instant is the file half old and half new
        try:
            os.pwrite(handle, data.ljust(length), 0)
        except OSError as error:
            raise CollectError(f"{path}: {error.strerror}; the rate limit is stored there.") from None


def _parse_state(data: bytes) -> SharedState:
    try:
        state = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _build_file_name(source: str) -> str:
    """Build a file name from a source's name; no two sources get the same."""
    plain = re.sub(r"[^\w-]", "_", source)[:80]
    return plain if plain == source else f"{plain}.{hashlib.sha256(source.encode()).hexdigest()[:8]}"
