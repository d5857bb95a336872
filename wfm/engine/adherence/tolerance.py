"""Mark tolerated time out of adherence: short exceptions, and small deviations at the start or end of a segment.

Tolerance changes no record and no class: tolerated seconds are summed separately from the seconds that are out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.core.errors import UsageError
from wfm.core.time import to_microseconds
from wfm.engine.adherence.counted_time import CountedTime, split_rows_at
from wfm.engine.time.axis import find_run_end, find_run_start


@dataclass(frozen=True)
class SegmentTolerance:
    """Tolerated lengths of exceptions at the start and the end of a scheduled activity.

    activity: the scheduled activity; a name of table activity.
    start, end: tolerated lengths of exceptions that touch the segment's start, or its end.
    smooth: of a longer exception only the excess counts; otherwise a longer exception counts in full.
    """

    activity: str
    start: timedelta = timedelta(0)
    end: timedelta = timedelta(0)
    smooth: bool = False


@dataclass(frozen=True)
class ExceptionThreshold:
    """Length below which an exception is tolerated, wherever it is.

    below: exceptions shorter than this are tolerated.
    smooth: of longer ones, the first ``below`` are tolerated, too; otherwise they count in full.
    """

    below: timedelta = timedelta(0)
    smooth: bool = False


NO_THRESHOLD = ExceptionThreshold()


def check_tolerances(
    tolerances: Sequence[SegmentTolerance], threshold: ExceptionThreshold, activities: Sequence[str]
) -> None:
    """Check tolerances.

    Raises:
        UsageError: one is negative, or an activity does not exist or has two tolerances.
    """
    lengths = [threshold.below, *(edge for each in tolerances for edge in (each.start, each.end))]
    if min(lengths) < timedelta(0):
        raise UsageError("tolerance: give 0 seconds or more.")
    names = [each.activity for each in tolerances]
    for name in names:
        if name not in activities:
            raise UsageError(
                f"tolerance: no activity {name!r}; choose from: {', '.join(sorted(activities))}."
            )
        if names.count(name) > 1:
            raise UsageError(f"tolerance: activity {name!r} has two tolerances; give one.")


def mark_tolerated(
    counted: CountedTime, threshold: ExceptionThreshold, tolerances: Sequence[SegmentTolerance] = ()
) -> pl.DataFrame:
    """Add ``tolerated``; rows are cut where it changes.

    An exception here is a maximal run out of adherence within one segment, whatever its states, classes or reasons.
    Threshold and start tolerate its beginning, end its end. What any of them tolerates is tolerated, so that a larger
    tolerance never tolerates less::

        scheduled  |on queue             |break
        exception  |out....|      |out...|
        smooth     |~~~|               |~|     start 3, end 2
        cliff       (7 > 3: none)        (7 > 2: none)
    """
    rows = _add_exception_bounds(counted.rows).join(
        _build_tolerance_frame(tolerances), on="activity", how="left", maintain_order="left"
    )
    length = pl.col("run_end") - pl.col("run_start")
    short = _measure_tolerated(
        length, pl.lit(to_microseconds(threshold.below)), pl.lit(threshold.smooth), strict=True
    )
    first = _measure_tolerated(length, pl.col("start"), pl.col("smooth")) * (
        pl.col("run_start") == pl.col("segment_key")
    )
    last = _measure_tolerated(length, pl.col("end"), pl.col("smooth")) * (
        pl.col("run_end") == pl.col("segment_end")
    )
    rows = rows.with_columns(
        until=pl.col("run_start") + pl.max_horizontal(short, first), since=pl.col("run_end") - last
    )
    # cut first, so that each row is tolerated as a whole or not at all
    rows = split_rows_at(split_rows_at(rows, pl.col("until")), pl.col("since"))
    tolerated = pl.col("out") & ((pl.col("key") < pl.col("until")) | (pl.col("key") >= pl.col("since")))
    return rows.with_columns(tolerated=tolerated).drop(
        "run_start", "run_end", "start", "end", "smooth", "until", "since"
    )


def _add_exception_bounds(rows: pl.DataFrame) -> pl.DataFrame:
    begins = pl.col("segment") != pl.col("segment").shift(1)
    return rows.with_columns(
        run_start=find_run_start(pl.col("out"), begins), run_end=find_run_end(pl.col("out"), begins)
    )


def _measure_tolerated(length: pl.Expr, limit: pl.Expr, smooth: pl.Expr, *, strict: bool = False) -> pl.Expr:
    """Return the tolerated length of an exception: all of a short one; of a longer one the limit, if ``smooth``."""
    short = length < limit if strict else length <= limit
    return pl.when(short).then(length).when(smooth).then(limit).otherwise(0).fill_null(0)


def _build_tolerance_frame(tolerances: Sequence[SegmentTolerance]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (each.activity, to_microseconds(each.start), to_microseconds(each.end), each.smooth)
            for each in tolerances
        ],
        schema={"activity": pl.String, "start": pl.Int64, "end": pl.Int64, "smooth": pl.Boolean},
        orient="row",
    )
