"""What differs between two scores of the same time: figures, seconds, and which rows touch them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.adherence import SUMS
from wfm.engine.score import Score
from wfm.engine.units import SECOND, in_seconds

RATIOS: Final = (
    "adherence",
    "adherence_adjusted",
    "adherence_low",
    "adherence_high",
    "coverage",
    "conformance",
)
FACETS: Final = ("workday", "activity", "state", "vendor_state", "class", "reason")
"""What may differ about a second; which call was under way then is evidence, and no difference."""

WHO: Final = ["agent_id", "workday"]
DAY_US: Final = timedelta(days=1) // timedelta(microseconds=1)


def figures(before: Score, after: Score, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
    """Set the figures of two scores side by side, where any differs.

    Returns:
        The columns of ``by``; of every sum of `Score.adherence` (in_s, …) ``in_before_s in_after_s in_change_s``
        (seconds; a side with nothing scheduled is 0 s), of every ratio ``adherence_before adherence_after`` (0..1;
        null where nothing was scheduled). In order of ``by``.

    Raises:
        UsageError: ``by`` names something that scores cannot be grouped by.
    """
    one, other = before.adherence(by), after.adherence(by)
    by = one.columns[: -len(SUMS) - len(RATIOS)]
    if not by:
        both = pl.concat([one, other.rename({c: f"{c}_right" for c in other.columns})], how="horizontal")
    else:
        both = one.join(other, on=by, how="full", coalesce=True, nulls_equal=True).sort(by, nulls_last=True)
    paired = both.select(*by, *(part for name in SUMS for part in _amounts(name)), *_pairs())
    same = [pl.col(f"{name}_change_s") == 0 for name in _stems()]
    same += [pl.col(f"{name}_before").eq_missing(pl.col(f"{name}_after")) for name in RATIOS]
    return paired.filter(~pl.all_horizontal(same))


def _stems() -> list[str]:
    return [name.removesuffix("_s") for name in SUMS]


def _amounts(name: str) -> list[pl.Expr]:
    """Give a sum before, after, and its change; in whole microseconds, so that no rounding is left over."""
    stem = name.removesuffix("_s")
    whole = [(pl.col(c).fill_null(0) * SECOND).round().cast(pl.Int64) for c in (name, f"{name}_right")]
    parts = {"before": whole[0], "after": whole[1], "change": whole[1] - whole[0]}
    return [in_seconds(value).alias(f"{stem}_{which}_s") for which, value in parts.items()]


def _pairs() -> list[pl.Expr]:
    return [
        pl.col(column).alias(f"{name}_{which}")
        for name in RATIOS
        for which, column in (("before", name), ("after", f"{name}_right"))
    ]


def stretches(before: Score, after: Score) -> pl.DataFrame:
    """Find every stretch, scheduled or worked, of which two scores say different things.

    ::

        before   |  on_queue, break, controllable      |
        after    |        | the same, but approved |   |
        found             |------------------------|

    Returns:
        agent_id workday (after; where it has none, before) start_at end_at seconds, and of each of `FACETS`
        ``…_before …_after``; null where a score says nothing. In order of agent and time. For every agent and
        workday the seconds of a class after, less those before, are the difference of the totals.
    """
    sides = {"before": _told(before.dated_slices()), "after": _told(after.dated_slices())}
    edges = [side.select("agent_id", at=edge) for side in sides.values() for edge in ("start_at", "end_at")]
    cells = (
        pl.concat(edges)
        .unique()
        .sort("agent_id", "at")
        .select("agent_id", start_at="at", end_at=pl.col("at").shift(-1).over("agent_id"))
        .drop_nulls("end_at")
        .sort("start_at")
    )
    for which, side in sides.items():
        cells = _beside(cells, side, which)
    differs = pl.any_horizontal(pl.col(f"{f}_before").ne_missing(pl.col(f"{f}_after")) for f in FACETS)
    return _joined(cells.filter(differs).sort("agent_id", "start_at"))


def _told(slices: pl.DataFrame) -> pl.DataFrame:
    """Keep what is scheduled or worked."""
    return slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null()).drop("leg_id")


def _beside(cells: pl.DataFrame, side: pl.DataFrame, which: str) -> pl.DataFrame:
    """Add what a score says of each cell; nothing where it has no slice there."""
    names = {name: f"{name}_{which}" for name in FACETS}
    found = cells.join_asof(
        side.rename(names | {"end_at": "until"}).sort("start_at"),
        on="start_at",
        by="agent_id",
        strategy="backward",
        check_sortedness=False,
    )
    inside = pl.col("until") > pl.col("start_at")
    return found.with_columns(pl.when(inside).then(pl.col(name)) for name in names.values()).drop("until")


def _joined(cells: pl.DataFrame) -> pl.DataFrame:
    """Join cells that touch and say the same."""
    said = [f"{name}_{which}" for name in FACETS for which in ("before", "after")]
    fresh = pl.any_horizontal(
        *(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in ("agent_id", *said)),
        pl.col("start_at").ne_missing(pl.col("end_at").shift(1)),
    )
    return (
        cells.with_columns(run=fresh.cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("agent_id", "start_at").first(), pl.col("end_at").last(), pl.col(said).first())
        .select(
            "agent_id",
            pl.coalesce("workday_after", "workday_before").alias("workday"),
            "start_at",
            "end_at",
            in_seconds((pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()).alias("seconds"),
            *said,
        )
    )


def moves(changed: pl.DataFrame) -> pl.DataFrame:
    """Sum up which seconds went from which class to which.

    Args:
        changed: as from `stretches`.

    Returns:
        agent_id workday class_before class_after seconds; null is a time that was not counted. Biggest first within
        an agent's workday.
    """
    return (
        changed.filter(pl.col("class_before").ne_missing(pl.col("class_after")))
        .group_by(*WHO, pl.col("class_before", "class_after").cast(pl.String))
        .agg(in_seconds((pl.col("seconds") * SECOND).round().cast(pl.Int64).sum()))
        .sort(
            *WHO,
            "seconds",
            "class_before",
            "class_after",
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
    )


def touching(rows: pl.DataFrame, changed: pl.DataFrame, where: pl.Expr | None = None) -> pl.DataFrame:
    """Find which rows reach into which changed stretches.

    Args:
        rows: number, agent_id (null: anybody), start_at, end_at (null: open), and what ``where`` compares.
        changed: as from `stretches`, or its first columns.
        where: what else must hold of a row beside a stretch.

    Returns:
        number agent_id workday seconds (of the stretches it reaches into); in no order.
    """
    numbered = changed.with_row_index("stretch").with_columns(span_start="start_at", span_end="end_at")
    first, last = changed["start_at"].min(), changed["end_at"].max()
    whose = rows.filter(pl.col("agent_id").is_not_null())
    anybody = rows.filter(pl.col("agent_id").is_null()).drop("agent_id")
    everybody = changed.select("agent_id").unique()
    asked = pl.concat([whose, anybody.join(everybody, how="cross").select(rows.columns)]).with_columns(
        pl.max_horizontal("start_at", pl.lit(first, INSTANT)),
        pl.min_horizontal("end_at", pl.lit(last, INSTANT)),
    )
    met = _by_day(asked).join(
        _by_day(numbered).drop("start_at", "end_at"), on=["agent_id", "day"], suffix="_changed"
    )
    holds = (pl.col("span_start") < pl.col("end_at")) & (pl.col("span_end") > pl.col("start_at"))
    return (
        met.filter(holds if where is None else holds & where)
        .unique(["number", "stretch"])
        .group_by("number", *WHO)
        .agg(in_seconds((pl.col("seconds") * SECOND).round().cast(pl.Int64).sum()))
    )


def _by_day(spans: pl.DataFrame) -> pl.DataFrame:
    """Repeat every span for each day (UTC) it reaches into, so that only spans near in time are compared."""
    first = pl.col("start_at").dt.epoch("us") // DAY_US
    last = (pl.col("end_at").dt.epoch("us") - 1) // DAY_US
    real = spans.filter(pl.col("end_at") > pl.col("start_at"))
    return real.with_columns(day=pl.int_ranges(first, last + 1)).explode("day")


def workdays(changed: pl.DataFrame) -> pl.DataFrame:
    """Sum stretches up per agent and workday: agent_id workday start_at end_at seconds."""
    return changed.group_by(WHO, maintain_order=True).agg(
        pl.col("start_at").min(),
        pl.col("end_at").max(),
        in_seconds((pl.col("seconds") * SECOND).round().cast(pl.Int64).sum()),
    )
