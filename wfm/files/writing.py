"""Write a frame to a file, atomically, or to a stream."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl

from wfm.core.atomic_files import explained_errors, replace_file
from wfm.errors import UsageError

Format = Literal["csv", "json", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = ("csv", "json", "parquet", "xlsx")


def write(frame: pl.DataFrame, target: str | Path | BinaryIO | None, fmt: Format) -> None:
    """Write `frame` as csv, json, parquet or xlsx to a path, a binary stream, or (None) standard output.

    A file is replaced completely or left as it was. Instants are ISO 8601 with Z in csv and json, UTC clock
    times under "name (UTC)" in xlsx (milliseconds). A closed pipe stays a BrokenPipeError.

    Raises:
        OutputError: it cannot be written; the message says why.
        UsageError: there is no such format.
    """
    if fmt not in FORMATS:
        raise UsageError(f"there is no format {fmt!r}. There are: {', '.join(FORMATS)}.")
    if isinstance(target, str | Path):
        path = Path(os.path.realpath(target))
        with explained_errors(str(target)):
            if path.exists() and not (stat.S_ISREG(path.stat().st_mode) or path.is_dir()):
                _to_special(frame, path, fmt)
                return
        replace_file(Path(target), lambda file: _WRITERS[fmt](frame, file))
        return
    with explained_errors("standard output" if target is None else "the stream"):
        stream = sys.stdout.buffer if target is None else target
        stream.write(_bytes(frame, fmt))
        stream.flush()


def _to_special(frame: pl.DataFrame, path: Path, fmt: Format) -> None:
    """Write directly to a pipe or device, which must not be replaced by a file."""
    with open(path, "wb") as file:
        file.write(_bytes(frame, fmt))


def _bytes(frame: pl.DataFrame, fmt: Format) -> bytes:
    buffer = io.BytesIO()
    _WRITERS[fmt](frame, buffer)
    return buffer.getvalue()


def _csv(frame: pl.DataFrame, file: BinaryIO) -> None:
    _flat(frame).write_csv(file)


def _json(frame: pl.DataFrame, file: BinaryIO) -> None:
    file.write(_texts(frame).write_json().encode())
    file.write(b"\n")


def _parquet(frame: pl.DataFrame, file: BinaryIO) -> None:
    frame.write_parquet(file)


def _xlsx(frame: pl.DataFrame, file: BinaryIO) -> None:
    from wfm.files.workbook import workbook  # xlsxwriter takes longer to load than a score to read

    file.write(workbook(joined(frame)))


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Format instants as ISO 8601 with Z, with a fraction only where there is one."""
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
