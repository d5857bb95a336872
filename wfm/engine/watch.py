"""Coverage of every source: the merged spans, and the edge where each source's coverage ends."""

from __future__ import annotations

import polars as pl

from wfm.engine.spans import union
from wfm.engine.timeline import where_all_watch

SPAN = ["source", "start_at", "end_at"]


class Watch:
    """The covered spans (source start_at end_at, merged), and where the coverage of each source ends.

    ::

        covered    |=======|    |==========|
        growth                             |==|      the edge moves, nothing else changes
        a change             |==|                    time before the edge must be scored again

    Args:
        coverage: source start_at end_at.
    """

    def __init__(self, coverage: pl.DataFrame) -> None:
        self.spans = _joined(coverage)
        # with several sources, a null source stands for the time in which all of them are covered
        alone = self.spans["source"].n_unique() == 1
        everywhere = self.spans.with_columns(source=pl.lit(None, pl.String))
        everything = pl.concat([self.spans, everywhere if alone else where_all_watch(self.spans)])
        everything = everything.filter(pl.col("start_at") < pl.col("end_at"))
        last = pl.col("start_at").shift(-1).over("source").is_null()
        self.edges = everything.filter(last).select("source", edge=pl.col("end_at").dt.epoch("us"))
        self._shape = everything.with_columns(pl.when(~last).then("end_at"))

    def with_more(self, coverage: pl.DataFrame) -> Watch:
        """Return this coverage together with more of it."""
        return Watch(pl.concat([self.spans, coverage.select(SPAN)]))

    def is_grown_from(self, earlier: Watch) -> bool:
        """Tell whether nothing but the edges differs from earlier coverage."""
        return self._shape.equals(earlier._shape)


def _joined(coverage: pl.DataFrame) -> pl.DataFrame:
    """Merge touching spans per source; a source whose spans are all empty keeps one: it is known to be polled."""
    parts = [coverage.select(SPAN).clear()]
    for part in coverage.select(SPAN).partition_by("source", maintain_order=True):
        spans = union(
            part.select(key=pl.col("start_at").dt.epoch("us"), key_end=pl.col("end_at").dt.epoch("us"))
        )
        made = spans.select(
            source=pl.lit(part["source"][0], pl.String),
            start_at=pl.col("key").cast(coverage.schema["start_at"]),
            end_at=pl.col("key_end").cast(coverage.schema["end_at"]),
        )
        parts.append(made if made.height else part.head(1))
    return pl.concat(parts, rechunk=True)
