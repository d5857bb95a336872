"""Write a frame to a file whole or not at all, or to a stream."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl

from wfm.errors import OutputError, UsageError
from wfm.files.workbook import workbook

Format = Literal["csv", "json", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = ("csv", "json", "parquet", "xlsx")

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "your disk quota is used up; free some space and try again",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "that disk is read-only",
    errno.ENOENT: "the directory does not exist; create it first",
    errno.ENOTDIR: "part of the path is a file, not a directory",
    errno.EISDIR: "that is a directory; name a file in it",
    errno.ENAMETOOLONG: "the name is too long",
}


def write(frame: pl.DataFrame, target: str | Path | BinaryIO | None, fmt: Format) -> None:
    """Write `frame` as csv, json, parquet or xlsx to a path, a binary stream, or (None) standard output.

    A path is replaced whole or left as it was. Instants are ISO 8601 with Z in csv and json, UTC clock times
    under "name (UTC)" in xlsx (milliseconds). OutputError says why it could not be done; a closed pipe stays
    a BrokenPipeError.
    """
    if fmt not in FORMATS:
        raise UsageError(f"there is no format {fmt!r}. There are: {', '.join(FORMATS)}.")
    if isinstance(target, str | Path):
        path = Path(os.path.realpath(target))
        with _reasons(str(target)):
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                _to_special(frame, path, fmt)
            else:
                _to_path(frame, path, fmt)
        return
    with _reasons("standard output" if target is None else "the stream"):
        stream = sys.stdout.buffer if target is None else target
        stream.write(_bytes(frame, fmt))
        stream.flush()


def _to_path(frame: pl.DataFrame, path: Path, fmt: Format) -> None:
    """Write beside the target, make it last, then take its place."""
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        with open(beside, "xb") as file:
            if path.exists():
                os.chmod(beside, stat.S_IMODE(path.stat().st_mode))
            _WRITERS[fmt](frame, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    _keep_name(path.parent)


def _keep_name(directory: Path) -> None:
    """Make the new name itself last, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _to_special(frame: pl.DataFrame, path: Path, fmt: Format) -> None:
    """Write straight into a pipe or device, which must not be replaced by a file."""
    with open(path, "wb") as file:
        file.write(_bytes(frame, fmt))


def _bytes(frame: pl.DataFrame, fmt: Format) -> bytes:
    buffer = io.BytesIO()
    _WRITERS[fmt](frame, buffer)
    return buffer.getvalue()


@contextlib.contextmanager
def _reasons(where: str) -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OutputError(f"cannot write {where}: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """Say what the system said; polars keeps its number only in the message."""
    number = getattr(error, "errno", None)
    if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])
    if number is not None:
        return _ADVICE.get(number) or os.strerror(number)
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _csv(frame: pl.DataFrame, file: BinaryIO) -> None:
    _flat(frame).write_csv(file)


def _json(frame: pl.DataFrame, file: BinaryIO) -> None:
    file.write(_texts(frame).write_json().encode())
    file.write(b"\n")


def _parquet(frame: pl.DataFrame, file: BinaryIO) -> None:
    frame.write_parquet(file)


def _xlsx(frame: pl.DataFrame, file: BinaryIO) -> None:
    file.write(workbook(joined(frame)))


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Write instants as ISO 8601 with Z, with a fraction only where there is one."""
    return frame.with_columns(
        _iso(name, dtype) for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)
    )


def _iso(name: str, dtype: pl.Datetime) -> pl.Expr:
    if dtype.time_zone is None:
        return pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    return pl.col(name).dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")


def joined(frame: pl.DataFrame) -> pl.DataFrame:
    """Join lists with spaces, for formats whose cells hold one value."""
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    return _texts(joined(frame))


_WRITERS: dict[Format, Callable[[pl.DataFrame, BinaryIO], None]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "xlsx": _xlsx,
}
