"""Read parquet: columns with types of their own."""

from __future__ import annotations

import io

import polars as pl

from wfm.errors import InputError
from wfm.files.raw import Raw


def read_parquet(data: bytes, path: str) -> Raw:
    """Read a parquet file; InputError if it is none or is damaged."""
    if len(data) < 12 or not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        raise InputError(f"{path} is not a parquet file, or was cut short. Export it again.")
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except Exception as error:
        raise InputError(
            f"{path} is a damaged parquet file ({_first_line(error)}). Export it again."
        ) from error
    except BaseException as error:  # a panic inside polars is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{path} is a damaged parquet file. Export it again.") from error
    names = tuple(frame.columns)
    cells = frame.rename({name: str(i) for i, name in enumerate(names)})
    return Raw(names, cells, pl.int_range(2, frame.height + 2, eager=True, dtype=pl.Int64))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
