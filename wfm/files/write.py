"""Writing a frame to a file, atomically, or to a stream."""

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
from wfm.core.errors import UsageError

OutputFormat = Literal["csv", "json", "parquet", "xlsx"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("csv", "json", "parquet", "xlsx")


def write_table(frame: pl.DataFrame, target: str | Path | BinaryIO | None, fmt: OutputFormat) -> None:
    """Write a frame as csv, json, parquet or xlsx.

    A file is replaced completely or left as it was. Instants are ISO 8601 with Z in csv and json; in xlsx they are UTC
    times to the millisecond, under "name (UTC)". A closed pipe stays a BrokenPipeError.

    Args:
        frame: the rows.
        target: a path or a binary stream; None: standard output.
        fmt: the format.

    Raises:
        OutputError: it cannot be written; the message says why.
        UsageError: there is no such format.
    """
    if fmt not in OUTPUT_FORMATS:
        raise UsageError(f"there is no format {fmt!r}. There are: {', '.join(OUTPUT_FORMATS)}.")
    if isinstance(target, str | Path):
        path = Path(os.path.realpath(target))
        with explained_errors(str(target)):
            if path.exists() and not (stat.S_ISREG(path.stat().st_mode) or path.is_dir()):
                _write_to_device(frame, path, fmt)
                return
        replace_file(Path(target), lambda file: _WRITERS[fmt](frame, file))
        return
    with explained_errors("standard output" if target is None else "the stream"):
        stream = sys.stdout.buffer if target is None else target
        stream.write(_encode_frame(frame, fmt))
        stream.flush()


def _write_to_device(frame: pl.DataFrame, path: Path, fmt: OutputFormat) -> None:
    """Write directly to a pipe or device, which must not be replaced by a file."""
    with open(path, "wb") as file:
        file.write(_encode_frame(frame, fmt))


def _encode_frame(frame: pl.DataFrame, fmt: OutputFormat) -> bytes:
    buffer = io.BytesIO()
    _WRITERS[fmt](frame, buffer)
    return buffer.getvalue()


def _write_csv(frame: pl.DataFrame, file: BinaryIO) -> None:
    _flatten_frame(frame).write_csv(file)


def _write_json(frame: pl.DataFrame, file: BinaryIO) -> None:
    file.write(_format_instants(frame).write_json().encode())
    file.write(b"\n")


def _write_parquet(frame: pl.DataFrame, file: BinaryIO) -> None:
    frame.write_parquet(file)


def _write_xlsx(frame: pl.DataFrame, file: BinaryIO) -> None:
    from wfm.files.xlsx_write import build_workbook  # xlsxwriter takes longer to load than a score to read

    file.write(build_workbook(join_lists(frame)))


def _format_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """Format instants as ISO 8601 with Z, with a fraction only where there is one."""
    return frame.with_columns(
        _format_instant_column(name, dtype)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    )


def _format_instant_column(name: str, dtype: pl.Datetime) -> pl.Expr:
    if dtype.time_zone is None:
        return pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    return pl.col(name).dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")


def join_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Join lists with spaces, for formats whose cells hold one value."""
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)


def _flatten_frame(frame: pl.DataFrame) -> pl.DataFrame:
    return _format_instants(join_lists(frame))


_WRITERS: dict[OutputFormat, Callable[[pl.DataFrame, BinaryIO], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
