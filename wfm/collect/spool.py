"""The spool: batches on disk that could not be stored because the database was in use.

A batch is one parquet file in a folder next to the database, complete or absent. Batches are drained in the order in
which they were collected; each has a name, so that one stored just before a crash is not stored twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl

from wfm.core.atomic_files import TEMPORARY_ENDING, explained_errors, replace_file, sync_directory
from wfm.core.time import INSTANT
from wfm.vendors import Payload, Window

BATCH_ENDING = ".batch.parquet"
DAMAGED_ENDING = ".damaged"


@dataclass(frozen=True)
class SpooledBatch:
    """The result of one collection cycle, or of a part of it: enough to store it now or later.

    result: complete, partial or failed; only a complete one moves the watermark. name: unique, sorts by time.
    """

    name: str
    source: str
    vendor: str
    feed: str
    window: Window | None
    result: str
    note: str
    payloads: tuple[Payload, ...]

    @staticmethod
    def create_name() -> str:
        """Return a new unique name that sorts by time."""
        return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:12]}"


def write_batch(folder: Path, batch: SpooledBatch) -> Path:
    """Write a batch durably and return its file.

    Raises:
        OutputError: it cannot be written; no part of it is left.
    """
    header = {
        "name": batch.name,
        "source": batch.source,
        "vendor": batch.vendor,
        "feed": batch.feed,
        "result": batch.result,
        "note": batch.note,
        "from_at": batch.window.start.isoformat() if batch.window else None,
        "to_at": batch.window.end.isoformat() if batch.window else None,
    }
    frame = pl.DataFrame(
        {
            "header": [json.dumps(header)] * max(len(batch.payloads), 1),
            "received_at": [p.received_at for p in batch.payloads] or [None],
            "context": [json.dumps(dict(p.context)) for p in batch.payloads] or [None],
            "body": [p.body for p in batch.payloads] or [None],
        },
        schema={
            "header": pl.String,
            "received_at": INSTANT,
            "context": pl.String,
            "body": pl.Binary,
        },
    )
    target = folder / f"{batch.name}.{batch.source}{BATCH_ENDING}"
    with explained_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    replace_file(target, lambda file: frame.write_parquet(file, compression="zstd"))
    return target


def list_waiting_batches(folder: Path, source: str | None = None) -> list[Path]:
    """Return the files of the waiting batches, of one source or of all, oldest first."""
    return sorted(folder.glob(f"*.{source or '*'}{BATCH_ENDING}")) if folder.is_dir() else []


def read_batch(path: Path) -> SpooledBatch | None:
    """Read a batch; None if another process has drained it, or if it is damaged (its file is renamed then)."""
    try:
        frame = pl.read_parquet(path)
        header = json.loads(frame["header"][0])
    except FileNotFoundError:
        return None
    except (OSError, pl.exceptions.PolarsError, ValueError, IndexError):
        path.rename(path.with_name(path.name + DAMAGED_ENDING))
        return None
    payloads = tuple(
        Payload(header["feed"], row["received_at"], row["body"], json.loads(row["context"]))
        for row in frame.iter_rows(named=True)
        if row["body"] is not None
    )
    window = None
    if header["from_at"]:
        window = Window(datetime.fromisoformat(header["from_at"]), datetime.fromisoformat(header["to_at"]))
    return SpooledBatch(
        header["name"],
        header["source"],
        header["vendor"],
        header["feed"],
        window,
        header["result"],
        header["note"],
        payloads,
    )


def remove_partial_files(folder: Path, before: float) -> int:
    """Remove half-written files older than an instant (seconds since 1970) and return how many."""
    # a younger one may belong to a process that is still writing it
    abandoned = [path for path in folder.glob(f"*{TEMPORARY_ENDING}") if path.stat().st_mtime < before]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return len(abandoned)


def remove_batch(path: Path) -> None:
    """Remove a batch that is stored."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)
