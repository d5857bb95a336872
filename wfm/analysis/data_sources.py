"""Where a report's figures come from: accounts and files, with the number of rows of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from wfm.report import labels
from wfm.storage.ledger import count_row_origins
from wfm.storage.reader import DatabaseReader, TimeSpan

TABLES_OF_FIGURE: Final = {
    labels.ADHERENCE_FIGURES: ("agent_state", "schedule"),
    labels.CALL_DRIVEN_FIGURE: ("call_leg",),
    labels.EXEMPTED_FIGURES: ("exemption",),
}
"""Figure → the tables it is computed from."""
MAX_FILES_NAMED = 3


def describe_figure_sources(
    reader: DatabaseReader, span: TimeSpan, intervals: pl.DataFrame | None, vendors: Mapping[str, str]
) -> dict[str, str]:
    """Describe how each figure is computed and, where known, from which sources in this report.

    Args:
        reader: the database.
        span: the time of the report.
        intervals: source queue_id origin service_level_origin of the report's intervals; None: there are none.
        vendors: configured source → its vendor.
    """
    sources_here = {
        figure: _describe_tables(reader, tables, span, vendors) for figure, tables in TABLES_OF_FIGURE.items()
    }
    if intervals is not None:
        sources_here[labels.VOLUME_FIGURES] = sources_here[labels.FORECAST_FIGURE] = _describe_counting(
            intervals, vendors
        )
        with_call_log = intervals.filter(pl.col("service_level_origin") == "calls")["source"].unique().sort()
        sources_here[labels.SERVICE_LEVEL_FIGURE] = ", ".join(
            _name_source(source, vendors) for source in with_call_log
        )
    return {
        figure: f"{general}. Here: {sources_here[figure]}" if sources_here.get(figure) else general
        for figure, general in labels.FIGURE_SOURCES
    }


def _describe_tables(
    reader: DatabaseReader, tables: tuple[str, ...], span: TimeSpan, vendors: Mapping[str, str]
) -> str:
    return "; ".join(part for table in tables if (part := _describe_table(reader, table, span, vendors)))


def _describe_table(reader: DatabaseReader, table: str, span: TimeSpan, vendors: Mapping[str, str]) -> str:
    counts = count_row_origins(reader, table, span)
    parts = []
    for (source, origin), group in counts.group_by("source", "origin", maintain_order=True):
        name = (
            _name_source(str(source), vendors)
            if origin in ("collect", "replay")
            else _name_files(str(source), group["file_name"])
        )
        parts.append(f"{name} ({group['n'].sum():,} rows)")
    return f"{labels.TABLE_LABELS[table]} from {', '.join(parts)}" if parts else ""


def _name_source(source: str, vendors: Mapping[str, str]) -> str:
    return f"{source} ({vendors[source]})" if source in vendors else source


def _name_files(source: str, names: pl.Series) -> str:
    files = names.drop_nulls().unique(maintain_order=True)
    listed = ", ".join(files[:MAX_FILES_NAMED]) + (" …" if files.len() > MAX_FILES_NAMED else "")
    return f"file {listed}" if listed else source


def _describe_counting(intervals: pl.DataFrame, vendors: Mapping[str, str]) -> str:
    """Return per source whether its calls were counted by the vendor or from its call log, and in how many queues."""
    groups: list[dict[str, Any]] = (
        intervals.group_by("source", "origin", maintain_order=True)
        .agg(pl.col("queue_id").n_unique().alias("queues"))
        .sort("source", "origin")
        .to_dicts()
    )
    how = {"vendor": "counted by itself", "calls": "counted from its call log"}
    return "; ".join(
        f"{_name_source(one['source'], vendors)}: {one['queues']} {'queue' if one['queues'] == 1 else 'queues'} "
        f"{how[one['origin']]}"
        for one in groups
    )
