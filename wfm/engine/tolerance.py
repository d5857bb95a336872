"""Which time out of adherence is tolerated: short exceptions, and slips at the edge of what was scheduled.

Nothing recorded and no class changes; tolerated seconds are a second account of seconds that are out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.engine.spans import run_end, run_start
from wfm.engine.stretches import MICROSECOND, Stretches, cut
from wfm.errors import UsageError


@dataclass(frozen=True)
class Tolerance:
    """How much of a slip at the edge of a scheduled activity is tolerated.

    activity: the one that is scheduled; a name of table activity.
    start, end: for exceptions that touch the segment's start, or its end.
    smooth: only what exceeds it counts; else an exception beyond it counts whole.
    """

    activity: str
    start: timedelta = timedelta(0)
    end: timedelta = timedelta(0)
    smooth: bool = False


@dataclass(frozen=True)
class Threshold:
    """How short an exception must be not to count, wherever it is.

    below: those shorter than this are tolerated.
    smooth: of longer ones, the first ``below`` are tolerated, too; else they count whole.
    """

    below: timedelta = timedelta(0)
    smooth: bool = False


NO_THRESHOLD = Threshold()


def check(tolerances: Sequence[Tolerance], threshold: Threshold, activities: Sequence[str]) -> None:
    """Refuse tolerances that mean nothing.

    Raises:
        UsageError: one is negative, an activity does not exist, or has two.
    """
    lengths = [threshold.below, *(edge for each in tolerances for edge in (each.start, each.end))]
    if min(lengths) < timedelta(0):
        raise UsageError("tolerance: give seconds from 0 on.")
    names = [each.activity for each in tolerances]
    for name in names:
        if name not in activities:
            raise UsageError(
                f"tolerance: no activity {name!r}; choose from: {', '.join(sorted(activities))}."
            )
        if names.count(name) > 1:
            raise UsageError(f"tolerance: activity {name!r} has two; give it one.")


def tolerate(given: Stretches, threshold: Threshold, tolerances: Sequence[Tolerance] = ()) -> pl.DataFrame:
    """Add ``tolerated``; rows are cut where it changes.

    An exception is here a maximal run out of adherence within one segment, whatever its states, classes or reasons.
    Each of threshold, start and end tolerates a piece from its start or (the end's) up to its end; what any of them
    tolerates is tolerated, so a larger one never makes less of it::

        scheduled  |on queue             |break
        exception  |out....|      |out...|
        smooth     |~~~|               |~|     start 3, end 2
        cliff       (7 > 3: none)        (7 > 2: none)
    """
    rows = _exceptions(given.rows).join(_frame(tolerances), on="activity", how="left", maintain_order="left")
    length = pl.col("run_end") - pl.col("run_start")
    short = _piece(length, pl.lit(threshold.below // MICROSECOND), pl.lit(threshold.smooth), strict=True)
    first = _piece(length, pl.col("start"), pl.col("smooth")) * (pl.col("run_start") == pl.col("segment_key"))
    last = _piece(length, pl.col("end"), pl.col("smooth")) * (pl.col("run_end") == pl.col("segment_end"))
    rows = rows.with_columns(
        until=pl.col("run_start") + pl.max_horizontal(short, first), since=pl.col("run_end") - last
    )
    rows = cut(cut(rows, pl.col("until")), pl.col("since"))
    tolerated = pl.col("out") & ((pl.col("key") < pl.col("until")) | (pl.col("key") >= pl.col("since")))
    return rows.with_columns(tolerated=tolerated).drop(
        "run_start", "run_end", "start", "end", "smooth", "until", "since"
    )


def _exceptions(rows: pl.DataFrame) -> pl.DataFrame:
    fresh = pl.col("segment") != pl.col("segment").shift(1)
    return rows.with_columns(run_start=run_start(pl.col("out"), fresh), run_end=run_end(pl.col("out"), fresh))


def _piece(length: pl.Expr, limit: pl.Expr, smooth: pl.Expr, *, strict: bool = False) -> pl.Expr:
    """Say how much of an exception a limit tolerates: all of a short one, of a long one what ``smooth`` says."""
    short = length < limit if strict else length <= limit
    return pl.when(short).then(length).when(smooth).then(limit).otherwise(0).fill_null(0)


def _frame(tolerances: Sequence[Tolerance]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (each.activity, each.start // MICROSECOND, each.end // MICROSECOND, each.smooth)
            for each in tolerances
        ],
        schema={"activity": pl.String, "start": pl.Int64, "end": pl.Int64, "smooth": pl.Boolean},
        orient="row",
    )
