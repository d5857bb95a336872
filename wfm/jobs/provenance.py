"""Whence the figures of a report came: which account or file, and how many rows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from wfm.report import words
from wfm.storage.ledger import count_row_origins
from wfm.storage.reader import Reader, Span

READ_FROM: Final = {
    words.ADHERENCE: ("agent_state", "schedule"),
    words.CALL_DRIVEN: ("call_leg",),
    words.EXCUSED: ("exemption",),
}
"""Figure → the tables it is made of."""
MOST_FILES = 3


def figures(
    reader: Reader, span: Span, intervals: pl.DataFrame | None, vendors: Mapping[str, str]
) -> dict[str, str]:
    """Say of every figure how it is made and, where that is known, from which source here.

    Args:
        reader: what is known.
        span: of the report.
        intervals: the columns source queue_id origin service_level_origin of `wfm.engine.volume.intervals`; or nothing.
        vendors: configured source → its vendor.
    """
    here = {figure: _rows(reader, tables, span, vendors) for figure, tables in READ_FROM.items()}
    if intervals is not None:
        here[words.VOLUME] = here[words.FORECAST] = _counted(intervals, vendors)
        logged = intervals.filter(pl.col("service_level_origin") == "calls")["source"].unique().sort()
        here[words.SERVICE_LEVEL] = ", ".join(_named(source, vendors) for source in logged)
    return {
        figure: f"{general}. Here: {here[figure]}" if here.get(figure) else general
        for figure, general in words.SOURCES
    }


def _rows(reader: Reader, tables: tuple[str, ...], span: Span, vendors: Mapping[str, str]) -> str:
    return "; ".join(part for table in tables if (part := _table(reader, table, span, vendors)))


def _table(reader: Reader, table: str, span: Span, vendors: Mapping[str, str]) -> str:
    found = count_row_origins(reader, table, span)
    parts = []
    for (source, origin), mine in found.group_by("source", "origin", maintain_order=True):
        name = (
            _named(str(source), vendors)
            if origin in ("collect", "replay")
            else _files(str(source), mine["file_name"])
        )
        parts.append(f"{name} ({mine['n'].sum():,} rows)")
    return f"{words.TABLES[table]} from {', '.join(parts)}" if parts else ""


def _named(source: str, vendors: Mapping[str, str]) -> str:
    return f"{source} ({vendors[source]})" if source in vendors else source


def _files(source: str, names: pl.Series) -> str:
    known = names.drop_nulls().unique(maintain_order=True)
    told = ", ".join(known[:MOST_FILES]) + (" …" if known.len() > MOST_FILES else "")
    return f"file {told}" if told else source


def _counted(intervals: pl.DataFrame, vendors: Mapping[str, str]) -> str:
    """Say who counted: the vendor itself, or we from its call log."""
    groups: list[dict[str, Any]] = (
        intervals.group_by("source", "origin", maintain_order=True)
        .agg(pl.col("queue_id").n_unique().alias("queues"))
        .sort("source", "origin")
        .to_dicts()
    )
    how = {"vendor": "counted by itself", "calls": "counted from its call log"}
    return "; ".join(
        f"{_named(one['source'], vendors)}: {one['queues']} {'queue' if one['queues'] == 1 else 'queues'} "
        f"{how[one['origin']]}"
        for one in groups
    )
