"""Reading parquet files, whose columns have types of their own."""

from __future__ import annotations

import io
import subprocess
import sys

import polars as pl

from wfm.core.errors import InputError
from wfm.files.raw import RawTable

_TRIAL_SCRIPT = "import io, sys, polars; polars.read_parquet(io.BytesIO(sys.stdin.buffer.read()))"


def read_parquet(data: bytes, path: str) -> RawTable:
    """Read a parquet file.

    Raises:
        InputError: it is in another format, or damaged.
    """
    if len(data) < 12 or not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        raise InputError(f"{path} is not a parquet file, or was cut short. Export it again.")
    if not _is_readable(data):
        raise InputError(f"{path} is a damaged parquet file. Export it again.")
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InputError(f"{path} is a damaged parquet file. Export it again.") from error
    names = tuple(frame.columns)
    cells = frame.rename({name: str(i) for i, name in enumerate(names)})
    return RawTable(names, cells, pl.int_range(2, frame.height + 2, eager=True, dtype=pl.Int64))


def _is_readable(data: bytes) -> bool:
    """Return whether a separate process can read the file: a damaged one can abort the process that reads it.

    A flipped bit in a length makes polars request 2^61 bytes, and no exception handler can catch what follows.
    """
    if not sys.executable:
        return True
    trial = subprocess.run(
        [sys.executable, "-I", "-c", _TRIAL_SCRIPT], input=data, capture_output=True, check=False
    )
    return trial.returncode == 0
