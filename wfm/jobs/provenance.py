"""Whom the rows of a window are from: the account that was asked, or the file that was imported."""

from __future__ import annotations

import polars as pl

from wfm.store import Reader, Span


def provenance(known: Reader, span: Span) -> dict[str, str]:
    """Name the accounts and files that gave a span's rows: table → like “ncc (collected), states.csv”.

    What was collected without a window (snapshots, lists) is named whenever it came.
    """
    whole = pl.col("from_at").is_null()
    inside = (pl.col("from_at") < span[1]) & (pl.col("to_at") >= span[0])
    collected = pl.format("{} (collected)", "source")
    came_from = pl.when(pl.col("origin") == "collect").then(collected).otherwise("file_name")
    rows = (
        known.table("collection")
        .filter(pl.col("read_n") > 0, whole | inside)
        .select("feed", came_from=came_from)
        .drop_nulls()
        .group_by("feed", maintain_order=True)
        .agg(pl.col("came_from").unique(maintain_order=True))
    )
    return {feed: ", ".join(names) for feed, names in rows.iter_rows()}
