"""Merging (upserting) a batch into a versioned table: changed rows replace stored ones, unchanged ones do not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import duckdb
import polars as pl

from wfm.core import schema
from wfm.core.time import MICROSECOND
from wfm.storage.connection import query_frame, quote_name, quote_names, registered_frames

IGNORED_COLUMNS: Final = {"report_row": ("execution_id",)}
"""Columns that only name the run a row came from: a row that differs in these alone is unchanged."""


def allocate_collection(con: duckdb.DuckDBPyConnection) -> tuple[int, datetime]:
    """Return the number and the instant of the next write.

    The instant is later than that of every previous write, even if the system clock was set back: reading as of an
    earlier instant relies on it.
    """
    number, last = query_frame(
        con,
        "SELECT coalesce(max(collection_id), 0) + 1, "
        "greatest(max(made_at), (SELECT max(applied_at) FROM migration)) FROM collection",
    ).row(0)
    return number, max(datetime.now(UTC), last + MICROSECOND)


def merge_rows(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, number: int, now: datetime
) -> tuple[int, int]:
    """Merge rows into a versioned table and return how many were added and how many replaced another.

    Args:
        con: a connection within a transaction.
        table: the table's name.
        frame: its own columns, perhaps row_no; of two rows with one key the later counts.
        number, now: of the write, see `allocate_collection`.
    """
    batch = _keep_last_of_each_key(schema.get_table(table), frame)
    if batch.is_empty():
        return 0, 0
    with registered_frames(con, batch=batch):
        matches = _find_matches(con, table, batch)
        same, changed = matches.filter(~pl.col("differs")), matches.filter("differs")
        columns = quote_names([name for name in batch.columns if name != "batch_row"])
        with registered_frames(con, same=same, changed=changed):
            if changed.height:
                stored = "SELECT stored FROM changed"
                con.execute(
                    f"UPDATE {quote_name(table)} SET replaced_at = ? WHERE rowid IN ({stored})", [now]
                )
            con.execute(
                f"INSERT INTO {quote_name(table)} ({', '.join(columns)}, collection_id, recorded_at) "
                f"SELECT {', '.join(columns)}, ?, ? FROM batch"
                + (" WHERE batch_row NOT IN (SELECT batch_row FROM same)" if same.height else ""),
                [number, now],
            )
    return batch.height - matches["batch_row"].n_unique(), changed.height


def _keep_last_of_each_key(table: schema.Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the last row of each key, with row_no and its position in the batch (batch_row)."""
    row_no = pl.col("row_no") if "row_no" in frame.columns else pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return (
        frame.with_columns(row_no=row_no)
        .select(*dict.fromkeys([*table.own_columns, "row_no"]))
        .unique(list(table.key), keep="last", maintain_order=True)
        .with_row_index("batch_row")
    )


def _find_matches(con: duckdb.DuckDBPyConnection, table: str, batch: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in force whose key is in the batch: batch_row stored (its rowid) differs."""
    declared = schema.get_table(table)
    where, values = ["t.replaced_at IS NULL"], []
    # stored rows are mostly in order of time: with bounds on the key's instants DuckDB skips nearly all of them
    for key in declared.key:
        column = batch[key]
        if column.dtype.is_temporal() and not column.null_count():
            where.append(f"t.{quote_name(key)} BETWEEN ? AND ?")
            values += [column.min(), column.max()]
    same_key = " AND ".join(f"t.{c} IS NOT DISTINCT FROM b.{c}" for c in quote_names(declared.key))
    compared = [name for name in declared.value_columns if name not in IGNORED_COLUMNS.get(table, ())]
    differs = " OR ".join(f"t.{c} IS DISTINCT FROM b.{c}" for c in quote_names(compared)) or "false"
    return query_frame(
        con,
        f"SELECT b.batch_row, t.rowid AS stored, ({differs}) AS differs "
        f"FROM {quote_name(table)} AS t JOIN batch AS b "
        f"ON {same_key} WHERE {' AND '.join(where)}",
        values,
    )
