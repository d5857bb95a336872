"""What an import did, and what it says was watched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from wfm.engine.inputs import INSTANT
from wfm.store import Span, Written


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    table: str
    path: Path
    written: Written
    skipped: int
    note: tuple[str, ...]


def extent(frame: pl.DataFrame) -> Span | None:
    """Return from when to when a batch reaches."""
    instants = [name for name, dtype in frame.schema.items() if dtype == INSTANT]
    ends = [
        at for name in instants for at in (frame[name].min(), frame[name].max()) if isinstance(at, datetime)
    ]
    return (min(ends), max(ends)) if ends else None


def spanned(states: pl.DataFrame, span: Span) -> pl.DataFrame:
    """Say that a span was watched, for every source of the states: source start_at end_at."""
    start, end = span
    return (
        states.select("source")
        .unique(maintain_order=True)
        .with_columns(start_at=pl.lit(start, INSTANT), end_at=pl.lit(end, INSTANT))
    )


def touched(states: pl.DataFrame, zone: str, now: datetime) -> pl.DataFrame:
    """Say that the local days on which there are states were watched: source start_at end_at.

    A day that is not over was watched until its last state: nobody can have seen more, and the same file says
    the same an hour later.
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
