"""The ledger: which windows of every feed were collected, with which result, and where rows came from."""

from __future__ import annotations

import polars as pl

from wfm.core import schema
from wfm.storage.connection import quote_name
from wfm.storage.reader import ROW_BOUNDS_SQL, DatabaseReader, TimeSpan


def read_feed_ledger(reader: DatabaseReader, source: str, feed: str) -> pl.DataFrame:
    """Return the collections of a feed in order: from_at to_at result read_n note made_at."""
    return reader.run_query(
        "SELECT from_at, to_at, result, read_n, note, made_at FROM collection "
        "WHERE origin = 'collect' AND source = ? AND feed = ? ORDER BY collection_id",
        [source, feed],
    )


def summarise_feeds(reader: DatabaseReader) -> pl.DataFrame:
    """Return a row per feed that was collected.

    Columns: source feed; result note (of the last collection); last_success_at; complete_until (where the first gap
    between complete windows begins, or the last of them ends); missing_s (seconds in gaps, up to the newest window).
    The last two are null for snapshots and lists, and where no window is complete.
    """
    return reader.run_query(
        "WITH asked AS (SELECT * FROM collection WHERE origin = 'collect'), "
        "last AS (SELECT source, feed, arg_max(result, collection_id) AS result, "
        "arg_max_null(note, collection_id) AS note, max(made_at) FILTER (result = 'complete') AS last_success_at "
        "FROM asked GROUP BY source, feed), "
        "stored AS (SELECT source, feed, from_at, to_at, max(to_at) OVER (PARTITION BY source, feed "
        "ORDER BY from_at, to_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until "
        "FROM asked WHERE result = 'complete' AND from_at IS NOT NULL), "
        "whole AS (SELECT source, feed, coalesce(min(until) FILTER (from_at > until), max(to_at)) AS complete_until, "
        "coalesce(sum(epoch(from_at) - epoch(until)) FILTER (from_at > until), 0.0) AS missing_s "
        "FROM stored GROUP BY source, feed) "
        "SELECT * FROM last LEFT JOIN whole USING (source, feed) ORDER BY source, feed",
    )


def summarise_imports(reader: DatabaseReader) -> pl.DataFrame:
    """Return the last file import of every source and table: source feed made_at to_at note."""
    return reader.run_query(
        "SELECT source, feed, max(made_at) AS made_at, max(to_at) AS to_at, "
        "arg_max_null(note, collection_id) AS note FROM collection WHERE origin = 'import' "
        "GROUP BY source, feed ORDER BY min(collection_id)"
    )


def count_row_origins(reader: DatabaseReader, table: str, span: TimeSpan) -> pl.DataFrame:
    """Count the rows of a table in a span by where they came from: source origin file_name n."""
    whose = "t.source" if "source" in schema.get_table(table).own_columns else "c.source"
    in_force, values = reader.build_in_force_sql(table)
    start, end = ROW_BOUNDS_SQL[table]
    return reader.run_query(
        f"SELECT {whose} AS source, c.origin AS origin, c.file_name AS file_name, count(*) AS n "
        f"FROM (SELECT * FROM {quote_name(table)} WHERE {in_force} AND {end} > ? AND {start} < ?) AS t "
        "JOIN collection AS c ON c.collection_id = t.collection_id GROUP BY ALL ORDER BY ALL",
        [*values, *span],
    )
