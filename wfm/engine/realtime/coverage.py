"""Keep track of the coverage of every source: the merged spans, and the edge at which each source's coverage ends."""

from __future__ import annotations

import polars as pl

from wfm.engine.inputs.state_timeline import intersect_coverage
from wfm.engine.time.axis import merge_spans

SPAN_COLUMNS = ["source", "start_at", "end_at"]


class SourceCoverage:
    """The covered spans (source start_at end_at, merged), and where the coverage of each source ends.

    ::

        covered    |=======|    |==========|
        growth                             |==|      the edge moves, nothing else changes
        a change             |==|                    time before the edge must be scored again

    Args:
        coverage: source start_at end_at.
    """

    def __init__(self, coverage: pl.DataFrame) -> None:
        self.spans = _merge_coverage(coverage)
        # with several sources, a null source stands for the time in which all of them are covered
        is_only_source = self.spans["source"].n_unique() == 1
        everywhere = self.spans.with_columns(source=pl.lit(None, pl.String))
        spans = pl.concat([self.spans, everywhere if is_only_source else intersect_coverage(self.spans)])
        # an empty span says that a source is polled, but covers nothing
        spans = spans.filter(pl.col("start_at") < pl.col("end_at"))
        last = pl.col("start_at").shift(-1).over("source").is_null()
        self.edges = spans.filter(last).select("source", edge=pl.col("end_at").dt.epoch("us"))
        self._fixed_part = spans.with_columns(pl.when(~last).then("end_at"))

    def extend_with(self, coverage: pl.DataFrame) -> SourceCoverage:
        """Return this coverage together with more of it."""
        return SourceCoverage(pl.concat([self.spans, coverage.select(SPAN_COLUMNS)]))

    def is_extension_of(self, earlier: SourceCoverage) -> bool:
        """Return whether nothing but the edges differs from earlier coverage."""
        return self._fixed_part.equals(earlier._fixed_part)


def _merge_coverage(coverage: pl.DataFrame) -> pl.DataFrame:
    """Merge touching spans per source; a source whose spans are all empty keeps one: it is known to be polled."""
    parts = [coverage.select(SPAN_COLUMNS).clear()]
    for part in coverage.select(SPAN_COLUMNS).partition_by("source", maintain_order=True):
        spans = merge_spans(
            part.select(key=pl.col("start_at").dt.epoch("us"), key_end=pl.col("end_at").dt.epoch("us"))
        )
        merged = spans.select(
            source=pl.lit(part["source"][0], pl.String),
            start_at=pl.col("key").cast(coverage.schema["start_at"]),
            end_at=pl.col("key_end").cast(coverage.schema["end_at"]),
        )
        parts.append(merged if merged.height else part.head(1))
    return pl.concat(parts, rechunk=True)
