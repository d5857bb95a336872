"""Correct the instants of sources whose clock is known to be wrong; stored rows are not changed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.core.time import US_PER_SECOND


def find_clock_offsets(rows: pl.DataFrame, clock: pl.DataFrame, at: pl.Expr) -> pl.Series:
    """Return by how many microseconds the clock of each row's source was ahead; 0 where ``clock`` has no row for it.

    Args:
        rows: source, and what ``at`` needs.
        clock: source offset_s from_at to_at; an empty end is open. Of several that apply, the one that began last.
        at: the instant of a row by its source's own clock.
    """
    since, until = pl.col("from_at"), pl.col("to_at")
    matched = (
        rows.select("source", at=at)
        .with_row_index("row")
        .join(clock.select("source", "offset_s", "from_at", "to_at"), on="source")
        .filter(since.is_null() | (since <= pl.col("at")), until.is_null() | (until > pl.col("at")))
        .sort("from_at", nulls_last=False, maintain_order=True)
        .unique("row", keep="last", maintain_order=True)
        .select("row", ahead=(pl.col("offset_s") * US_PER_SECOND).round().cast(pl.Int64))
    )
    # the join drops rows without an offset, so the full numbering is joined back
    numbered = pl.DataFrame({"row": pl.int_range(rows.height, dtype=pl.get_index_type(), eager=True)})
    ahead = numbered.join(matched, on="row", how="left", maintain_order="left")["ahead"]
    return ahead.fill_null(0)


def correct_clock_offsets(rows: pl.DataFrame, clock: pl.DataFrame, instants: Sequence[str]) -> pl.DataFrame:
    """Subtract from instants by how much the source's clock was ahead.

    All instants of a row are corrected by the offset at its first one, so that lengths of time stay as they were.

    ::

        call_leg as stored   answered 10:01:35   ended 10:05:40
        clock                offset_s 90
        read as              answered 10:00:05   ended 10:04:10
    """
    if clock.is_empty() or rows.is_empty():
        return rows
    ahead = find_clock_offsets(rows, clock, pl.coalesce(*instants))
    if not (ahead != 0).any():
        return rows
    return rows.with_columns(pl.col(name) - ahead.cast(pl.Duration("us")) for name in instants)
