"""One service per database: a lock, which the kernel releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfm.core.errors import OutputError, UsageError


@contextmanager
def hold_instance_lock(database: Path) -> Iterator[None]:
    """Hold the lock that makes this the only service of a database.

    Raises:
        UsageError: another one is running.
        OutputError: the lock file cannot be written.
    """
    path = database.with_name(database.name + ".serve.lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode("ascii", "replace").strip()
            raise UsageError(
                f"Another wfm serve (process {holder or 'unknown'}) is running for {database}: stop it first, "
                "or name another database."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(
            handle
        )  # the file stays: if it were deleted, two processes could lock two files of that name
