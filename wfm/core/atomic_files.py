"""Writing files atomically: even if the process crashes or the disk is full, a file is whole, old or new."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from wfm.core.errors import OutputError

TEMPORARY_ENDING: Final = ".part"
"""Ending of the files written before they take their final name; only a killed process leaves one behind."""
_MAX_STEM_LENGTH: Final = 100  # file systems allow names of 255 bytes, and a character may take several

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "your disk quota is used up; free some space and try again",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EEXIST: "a file with the name of the directory is in the way",
    errno.EROFS: "that disk is read-only",
    errno.ENOENT: "the directory does not exist; create it first",
    errno.ENOTDIR: "part of the path is a file, not a directory",
    errno.EISDIR: "that is a directory; name a file in it",
    errno.ENAMETOOLONG: "the name is too long",
}
_DIRECTORY_SYNC_UNSUPPORTED: Final = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name and rename it; see `replace_files`."""
    replace_files({path: write})


def replace_files(writers: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write several files under temporary names and rename them once all are complete.

    Links are followed, and a file that is replaced keeps its mode.

    Args:
        writers: path → what writes its content to a binary file.

    Raises:
        OutputError: one of them cannot be written; all are left as they were.
    """
    written: list[tuple[Path, Path, Path]] = []
    with contextlib.ExitStack() as cleanup:
        for path, write in writers.items():
            with explained_errors(str(path)):
                target = Path(os.path.realpath(path))
                name = f".{target.name[:_MAX_STEM_LENGTH]}.{secrets.token_hex(6)}{TEMPORARY_ENDING}"
                temporary = target.with_name(name)
                cleanup.callback(_remove_quietly, temporary)
                _write_durably(temporary, target, write)
                written.append((path, temporary, target))
        for path, temporary, target in written:
            with explained_errors(str(path)):
                os.replace(temporary, target)
                sync_directory(target.parent)


def sync_directory(folder: Path) -> None:
    """Make renames and removals in a directory survive a power cut, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _DIRECTORY_SYNC_UNSUPPORTED:
            raise
    finally:
        os.close(handle)


@contextmanager
def explained_errors(where: str) -> Iterator[None]:
    """Turn errors of the system and of polars into an `OutputError` that says what to do.

    A closed pipe stays a BrokenPipeError: whoever reads the output has had enough of it.
    """
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OutputError(f"Cannot write {where}: {_describe_error(error)}.") from error


def _write_durably(temporary: Path, target: Path, write: Callable[[BinaryIO], object]) -> None:
    if target.is_dir():  # checked before anything is replaced, because a rename would fail half-way
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    with open(temporary, "xb") as file:
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _remove_quietly(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _describe_error(error: Exception) -> str:
    number = getattr(error, "errno", None)
    # polars gives the system's error number only in the text of its message
    if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])
    if number is not None:
        return _ADVICE.get(number) or os.strerror(number)
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
