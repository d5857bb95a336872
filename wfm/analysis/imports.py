"""Check an import before it is stored, describe its result, and derive the coverage of an imported state log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from wfm import files
from wfm.analysis.time_args import TimeArgument
from wfm.core.errors import BadRowsError, InputError, UsageError
from wfm.core.time import INSTANT
from wfm.storage.database import WriteResult
from wfm.storage.reader import TimeSpan


@dataclass(frozen=True)
class ImportResult:
    """The result of an import.

    table, path: what was imported, and from which file.
    written: how many rows were read, new and replaced.
    skipped: how many bad rows were set aside.
    note: decisions that were made about the rows, and warnings about them.
    """

    table: str
    path: Path
    written: WriteResult
    skipped: int
    note: tuple[str, ...]


def check_import_options(
    table: str, path: Path, skip_bad: Path | None, covers: tuple[TimeArgument, TimeArgument] | None
) -> None:
    """Raise UsageError where the table or the options of an import are wrong."""
    if table not in files.list_importable_tables():
        tables = ", ".join(files.list_importable_tables())
        raise UsageError(f"There is no table {table!r} to import into: choose from {tables}.")
    if covers is not None and table != "agent_state":
        raise UsageError("--covers gives the coverage of a state log; it goes with agent_state only.")
    if skip_bad is not None and skip_bad.resolve() == path.resolve():
        raise UsageError(f"--skip-bad {skip_bad} is the file to import: name another for its bad rows.")


def handle_bad_rows(reading: files.ImportedRows, path: Path, skip_bad: Path | None, advice: str = "") -> int:
    """Return how many rows of a file are bad, after writing them to ``skip_bad``.

    Raises:
        BadRowsError: there are some, and no ``skip_bad``; ``advice`` is appended to the message.
        InputError: no good row is left.
        OutputError: ``skip_bad`` cannot be written.
    """
    # A row with several bad values is listed several times.
    bad = reading.bad["row"].n_unique()
    if bad and skip_bad is None:
        raise BadRowsError(str(path), reading.bad, advice)
    if bad and skip_bad is not None:
        files.write_table(reading.bad_rows, skip_bad, "csv")
    if reading.frame.is_empty():
        raise InputError(f"{path}: no good row is left, nothing was imported.")
    return bad


def find_import_warnings(table: str, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return warnings about rows that are stored unchanged but would be hard to defend."""
    unsigned = frame["by"].null_count() if table == "exemption" else 0
    return (f"exemptions that do not say who approved them (column by): {unsigned:,}",) if unsigned else ()


def find_batch_extent(frame: pl.DataFrame) -> TimeSpan | None:
    """Return the first and the last instant in a batch; None: it has none."""
    instants = [name for name, dtype in frame.schema.items() if dtype == INSTANT]
    ends = [
        at for name in instants for at in (frame[name].min(), frame[name].max()) if isinstance(at, datetime)
    ]
    return (min(ends), max(ends)) if ends else None


def build_span_coverage(states: pl.DataFrame, span: TimeSpan) -> pl.DataFrame:
    """Return coverage of one span for every source of the states: source start_at end_at."""
    start, end = span
    return (
        states.select("source")
        .unique(maintain_order=True)
        .with_columns(start_at=pl.lit(start, INSTANT), end_at=pl.lit(end, INSTANT))
    )


def build_day_coverage(states: pl.DataFrame, zone: str, now: datetime) -> pl.DataFrame:
    """Return coverage of the local days on which a source has states: source start_at end_at.

    A day that is not over is covered until its last state: the file cannot contain more, and imported again an hour
    later it gives the same coverage.
    """
    days = states.group_by("source", start_at=pl.col("at").dt.convert_time_zone(zone).dt.truncate("1d")).agg(
        last=pl.col("at").max()
    )
    return (
        days.with_columns(end_at=pl.col("start_at").dt.offset_by("1d"))
        .with_columns(pl.col("start_at", "end_at").dt.convert_time_zone("UTC"))
        .with_columns(end_at=pl.when(pl.col("end_at") > now).then("last").otherwise("end_at"))
        .filter(pl.col("end_at") > pl.col("start_at"))
        .select("source", "start_at", "end_at")
        .sort("source", "start_at")
    )
