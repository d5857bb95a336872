"""Compare two scores of the same time: their figures, the time they classify differently, and the rows that touch it.

It takes any two scores, of other data or other settings, and says nothing about why they differ.
`wfm.engine.adherence.what_if_diff` names the changed row of the configuration that moved each second;
`wfm.engine.adherence.bridge` compares two definitions of adherence within one score.

::

    before   |  on_queue, break, controllable      |
    after    |        | the same, but approved |   |
    differs           |------------------------|
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from wfm.core.time import INSTANT, US_PER_DAY, US_PER_SECOND
from wfm.engine.adherence.classify import ADHERENCE_SUMS
from wfm.engine.adherence.rollup import parse_groupings
from wfm.engine.adherence.scoring import Score
from wfm.engine.time.axis import Axis, gather_rows, overlay_rows
from wfm.engine.time.units import us_to_seconds

RATIO_COLUMNS: Final = (
    "adherence",
    "adherence_adjusted",
    "adherence_low",
    "adherence_high",
    "coverage",
    "conformance",
)
COMPARED_COLUMNS: Final = ("workday", "activity", "state", "vendor_state", "class", "reason")
"""What may differ about a second. The call under way is not among them: it is evidence, not a result."""

SCORE_SIDES: Final = ("before", "after")
AGENT_WORKDAY: Final = ["agent_id", "workday"]


def overlay_scores(before: pl.DataFrame, after: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Lay the slices of two scores over one another, cut at every boundary of either.

    Args:
        before, after: agent_id, start_at, end_at and ``columns``; the slices of an agent do not overlap.
        columns: what to return of both.

    Returns:
        agent_id, start_at, end_at, and of each column ``<name>_before`` and ``<name>_after``, null where that score has
        no slice. In order of agent and time; time for which neither has a slice is left out.
    """
    # each score has an axis of its own, so keys of the two cannot be compared directly
    axis = _build_common_axis(before, after)
    agent = pl.col("agent_id").cast(axis.agents)
    sides = {
        side: frame.with_columns(
            key=axis.encode_key(agent, pl.col("start_at")), key_end=axis.encode_key(agent, pl.col("end_at"))
        ).sort("key")
        for side, frame in zip(SCORE_SIDES, (before, after), strict=True)
    }
    cut = overlay_rows(sides, axis)
    values = [
        gather_rows(sides[side][name], cut[side]).alias(f"{name}_{side}")
        for name in columns
        for side in SCORE_SIDES
    ]
    return cut.select(
        axis.decode_agent(pl.col("key")).cast(pl.String).alias("agent_id"),
        axis.decode_instant(pl.col("key")).alias("start_at"),
        axis.decode_instant(pl.col("key_end")).alias("end_at"),
        *values,
    )


def _build_common_axis(before: pl.DataFrame, after: pl.DataFrame) -> Axis:
    """Build an axis of the agents and the time of both: each score has an axis of its own."""
    both = pl.concat([frame.select("agent_id", "start_at", "end_at") for frame in (before, after)])
    first, last = pl.col("start_at").min(), pl.col("end_at").max()
    origin, end = both.select(first.dt.epoch("us"), last.dt.epoch("us")).row(0) if both.height else (0, 1)
    return Axis(pl.Enum(both["agent_id"].unique().sort()), origin, end)


def pair_figures(before: Score, after: Score, by: Sequence[str]) -> pl.DataFrame:
    """Return the figures of two scores side by side.

    Returns:
        The columns of ``by``, and of each column of `Score.adherence` ``<name>_before`` and ``<name>_after`` (with the
        suffix ``_s`` last: in_before_s), null where that score has no such group. In order of ``by``.

    Raises:
        UsageError: ``by`` names something that scores cannot be grouped by.
    """
    by = parse_groupings(by)
    scores = (before.adherence(by), after.adherence(by))
    old, new = (
        scored.rename({name: name_side(name, side) for name in scored.columns if name not in by})
        for side, scored in zip(SCORE_SIDES, scores, strict=True)
    )
    if not by:
        return pl.concat([old, new], how="horizontal")
    return old.join(new, on=by, how="full", coalesce=True, nulls_equal=True).sort(by, nulls_last=True)


def name_side(name: str, side: str) -> str:
    """Return the name of one score's column of a figure: ``in_s`` becomes ``in_before_s``."""
    stem = name.removesuffix("_s")
    return f"{stem}_{side}{name[len(stem) :]}"


def diff_figures(before: Score, after: Score, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
    """Return the figures of two scores side by side, where any differs.

    Returns:
        The columns of ``by``; of every sum of `Score.adherence` (in_s, …) ``in_before_s in_after_s in_change_s``
        (seconds; 0 for a score with nothing scheduled), of every ratio ``adherence_before adherence_after`` (0..1;
        null where nothing was scheduled). In order of ``by``.

    Raises:
        UsageError: ``by`` names something that scores cannot be grouped by.
    """
    by = parse_groupings(by)
    sums = [part for name in ADHERENCE_SUMS for part in _compare_sum(name)]
    ratios = [name_side(name, side) for name in RATIO_COLUMNS for side in SCORE_SIDES]
    paired = pair_figures(before, after, by).select(*by, *sums, *ratios)
    same = [pl.col(name_side(name, "change")) == 0 for name in ADHERENCE_SUMS]
    same += [
        pl.col(name_side(name, "before")).eq_missing(pl.col(name_side(name, "after")))
        for name in RATIO_COLUMNS
    ]
    return paired.filter(~pl.all_horizontal(same))


def _compare_sum(name: str) -> list[pl.Expr]:
    """Return a sum before, after, and its change, exactly: in whole microseconds, before seconds are made of them."""
    old, new = (_to_whole_us(pl.col(name_side(name, side)).fill_null(0)) for side in SCORE_SIDES)
    parts = {"before": old, "after": new, "change": new - old}
    return [us_to_seconds(value).alias(name_side(name, side)) for side, value in parts.items()]


def _to_whole_us(seconds: pl.Expr) -> pl.Expr:
    return (seconds * US_PER_SECOND).round().cast(pl.Int64)


def diff_slices(before: Score, after: Score) -> pl.DataFrame:
    """Find all time, scheduled or worked, that two scores classify or describe differently.

    Returns:
        agent_id workday (after; where it has none, before) start_at end_at seconds, and of each of `COMPARED_COLUMNS`
        ``…_before …_after``; null where a score has nothing there. In order of agent and time. For every agent and
        workday the seconds of a class after, less those before, are the difference of the totals.
    """
    old, new = (_select_scheduled_or_worked(score.dated_slices()) for score in (before, after))
    cells = overlay_scores(old, new, COMPARED_COLUMNS)
    differs = pl.any_horizontal(
        pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after")) for name in COMPARED_COLUMNS
    )
    return _join_equal_cells(cells.filter(differs))


def _select_scheduled_or_worked(slices: pl.DataFrame) -> pl.DataFrame:
    return slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())


def _join_equal_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """Join cells that adjoin and differ in the same way."""
    compared = [f"{name}_{side}" for name in COMPARED_COLUMNS for side in SCORE_SIDES]
    begins = pl.any_horizontal(
        *(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in ("agent_id", *compared)),
        pl.col("start_at").ne_missing(pl.col("end_at").shift(1)),
    )
    return (
        cells.with_columns(run=begins.cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("agent_id", "start_at").first(), pl.col("end_at").last(), pl.col(compared).first())
        .select(
            "agent_id",
            pl.coalesce("workday_after", "workday_before").alias("workday"),
            "start_at",
            "end_at",
            us_to_seconds((pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()).alias("seconds"),
            *compared,
        )
    )


def sum_class_moves(changed: pl.DataFrame) -> pl.DataFrame:
    """Sum the seconds that moved from one class to another.

    Args:
        changed: as from `diff_slices`.

    Returns:
        agent_id workday class_before class_after seconds; null is time that was not counted. Most seconds first
        within an agent's workday.
    """
    return (
        changed.filter(pl.col("class_before").ne_missing(pl.col("class_after")))
        .group_by(*AGENT_WORKDAY, pl.col("class_before", "class_after").cast(pl.String))
        .agg(_sum_seconds())
        .sort(
            *AGENT_WORKDAY,
            "seconds",
            "class_before",
            "class_after",
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
    )


def _sum_seconds() -> pl.Expr:
    return us_to_seconds(_to_whole_us(pl.col("seconds")).sum())


def find_touching_rows(
    rows: pl.DataFrame, changed: pl.DataFrame, where: pl.Expr | None = None
) -> pl.DataFrame:
    """Find the rows that overlap changed time.

    Args:
        rows: number, agent_id (null: every agent), start_at, end_at (null: open), and the columns that ``where`` uses.
        changed: as from `diff_slices`, or its first columns.
        where: a further condition on a row and the changed time that it overlaps.

    Returns:
        number agent_id workday seconds (of the changed time that the row overlaps); in no order.
    """
    numbered = changed.with_row_index("stretch").with_columns(span_start="start_at", span_end="end_at")
    first, last = changed["start_at"].min(), changed["end_at"].max()
    of_one = rows.filter(pl.col("agent_id").is_not_null())
    of_all = rows.filter(pl.col("agent_id").is_null()).drop("agent_id")
    agents = changed.select("agent_id").unique()
    # open ends are clipped to the changed time, so that no span covers years of days
    spans = pl.concat([of_one, of_all.join(agents, how="cross").select(rows.columns)]).with_columns(
        pl.max_horizontal("start_at", pl.lit(first, INSTANT)),
        pl.min_horizontal("end_at", pl.lit(last, INSTANT)),
    )
    candidates = _repeat_by_day(spans).join(
        _repeat_by_day(numbered).drop("start_at", "end_at"), on=["agent_id", "day"], suffix="_changed"
    )
    overlaps = (pl.col("span_start") < pl.col("end_at")) & (pl.col("span_end") > pl.col("start_at"))
    return (
        candidates.filter(overlaps if where is None else overlaps & where)
        .unique(["number", "stretch"])  # two that overlap across midnight meet once per day
        .group_by("number", *AGENT_WORKDAY)
        .agg(_sum_seconds())
    )


def _repeat_by_day(spans: pl.DataFrame) -> pl.DataFrame:
    """Repeat every span for each UTC day it overlaps, so that only spans of one day are compared with each other."""
    first = pl.col("start_at").dt.epoch("us") // US_PER_DAY
    last = (pl.col("end_at").dt.epoch("us") - 1) // US_PER_DAY
    not_empty = spans.filter(pl.col("end_at") > pl.col("start_at"))
    return not_empty.with_columns(day=pl.int_ranges(first, last + 1)).explode("day")


def sum_changed_workdays(changed: pl.DataFrame) -> pl.DataFrame:
    """Sum changed time per agent and workday: agent_id workday start_at end_at seconds."""
    return changed.group_by(AGENT_WORKDAY, maintain_order=True).agg(
        pl.col("start_at").min(), pl.col("end_at").max(), _sum_seconds()
    )
