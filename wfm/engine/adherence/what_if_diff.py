"""Show what a change of activities, mappings, rules or options would do to scores, and which changed row does it.

Both scores are of the same agents, schedule and states; `wfm.engine.adherence.score_diff` lays them over one another,
and this module names the row of the configuration that made each second change class.

::

    before   in in in|unknown|unknown|in|controllable
    after    in in in|in     |in     |in|controllable
    moves            |unknown to in  |                   cause: mapping Coffee: unmapped to break
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.engine.adherence.score_diff import SCORE_SIDES, overlay_scores, pair_figures
from wfm.engine.adherence.scoring import Score
from wfm.engine.time.units import us_to_seconds

CAUSE_COLUMNS = ("activity", "category", "state", "vendor_state", "class")
NOT_COUNTED_CLASS = "not counted"
"""Stands for the class of time that is not scheduled or whose activity is not counted."""


def sum_moves_by_cause(before: Score, after: Score, by: Sequence[str] = ("agent_id",)) -> pl.DataFrame:
    """Sum the seconds whose class differs between two scores of one window, per group and cause.

    Per group and class: seconds after = seconds before + seconds moved to the class - seconds moved from it. Time that
    moves to another group (by category, if an activity gets another one) leaves one group and enters the other.

    Args:
        before, after: scores of the same agents, schedule and states.
        by: as for `Score.adherence`.

    Returns:
        The columns of ``by``, from_class to_class cause seconds agents (how many); the most seconds first.
    """
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()
    found = _find_moved_time(before, after, by).with_columns(
        cause=_describe_cause(),
        length=length,
        stays=pl.all_horizontal(
            pl.lit(True), *(pl.col(f"{name}_before").eq_missing(pl.col(f"{name}_after")) for name in by)
        ),
    )
    stay = pl.col("stays")
    old, new = pl.col("class_before"), pl.col("class_after")
    uncounted = pl.lit(NOT_COUNTED_CLASS)
    # a second that changes group leaves one and enters the other: two flows, so that each group adds up
    flows = pl.concat(
        [
            _select_flow(found.filter(stay, old != new), by, "after", old, new),
            _select_flow(found.filter(~stay, old != NOT_COUNTED_CLASS), by, "before", old, uncounted),
            _select_flow(found.filter(~stay, new != NOT_COUNTED_CLASS), by, "after", uncounted, new),
        ]
    )
    group = [*by, "from_class", "to_class", "cause"]
    return (
        flows.group_by(group)
        .agg(seconds=us_to_seconds(pl.col("length").sum()), agents=pl.col("agent").n_unique().cast(pl.Int64))
        .sort("seconds", *group, descending=[True, *(False for _ in group)], nulls_last=True)
    )


def compare_whatif_figures(
    before: Score, after: Score, by: Sequence[str] = ("agent_id",), target: float | None = None
) -> pl.DataFrame:
    """Return the figures of two scores side by side.

    Args:
        before, after, by: as for `sum_moves_by_cause`.
        target: adherence to reach, 0..1.

    Returns:
        The columns of ``by``, adherence_before adherence_after change (of adherence, -1..1) adherence_adjusted_before
        adherence_adjusted_after scheduled_before_s scheduled_after_s moved_s (seconds that change class or group) and
        crosses (up or down: whether adherence reaches the target only after, or only before); the greatest change
        first, then the most seconds.
    """
    keys = list(by)
    both = pair_figures(before, after, keys)
    moved = sum_moves_by_cause(before, after, keys)
    if keys:
        per_group = moved.group_by(keys).agg(moved_s=pl.col("seconds").sum())
        both = both.join(per_group, on=keys, how="left", nulls_equal=True)
    else:
        both = both.with_columns(moved_s=pl.lit(moved["seconds"].sum()))
    change = pl.col("adherence_after") - pl.col("adherence_before")
    return (
        both.with_columns(
            change=change, crosses=_find_target_crossing(target), moved_s=pl.col("moved_s").fill_null(0.0)
        )
        .sort(
            pl.col("change").abs(),
            pl.col("moved_s"),
            *keys,
            descending=[True, True, *(False for _ in keys)],
            nulls_last=True,
        )
        .select(
            *keys,
            "adherence_before",
            "adherence_after",
            "change",
            "adherence_adjusted_before",
            "adherence_adjusted_after",
            "scheduled_before_s",
            "scheduled_after_s",
            "moved_s",
            "crosses",
        )
    )


def _find_target_crossing(target: float | None) -> pl.Expr:
    if target is None:
        return pl.lit(None, pl.String)
    was, will = pl.col("adherence_before") >= target, pl.col("adherence_after") >= target
    return pl.when(~was & will).then(pl.lit("up")).when(was & ~will).then(pl.lit("down"))


def _find_moved_time(before: Score, after: Score, by: Sequence[str]) -> pl.DataFrame:
    """Return the time whose class or group differs, with what both scores have of it: see `overlay_scores`."""
    old, new = (
        score.scheduled(by).with_columns(pl.col(name).cast(pl.String) for name in CAUSE_COLUMNS)
        for score in (before, after)
    )
    cut = overlay_scores(old, new, list(dict.fromkeys([*CAUSE_COLUMNS, *by])))
    cut = cut.with_columns(pl.col(f"class_{side}").fill_null(NOT_COUNTED_CLASS) for side in SCORE_SIDES)
    differs = [pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after")) for name in ("class", *by)]
    return cut.filter(pl.any_horizontal(differs))


def _select_flow(
    rows: pl.DataFrame, by: Sequence[str], when: str, from_class: pl.Expr, to_class: pl.Expr
) -> pl.DataFrame:
    return rows.select(
        *(pl.col(f"{name}_{when}").alias(name) for name in by),
        from_class.alias("from_class"),
        to_class.alias("to_class"),
        "cause",
        "length",
        agent="agent_id",
    )


def _describe_cause() -> pl.Expr:
    """Describe the row, of an activity, a mapping or a rule, that made a second change class."""

    def was(name: str) -> pl.Expr:
        return pl.col(f"{name}_before")

    def will(name: str) -> pl.Expr:
        return pl.col(f"{name}_after")

    def differs(name: str) -> pl.Expr:
        return was(name).ne_missing(will(name))

    def join_words(*parts: pl.Expr | str) -> pl.Expr:
        return pl.concat_str(
            [pl.lit(part) if isinstance(part, str) else part.fill_null("none") for part in parts]
        )

    counted = (was("class") == NOT_COUNTED_CLASS) != (will("class") == NOT_COUNTED_CLASS)
    whether = (
        pl.when(will("class") == NOT_COUNTED_CLASS).then(pl.lit("not counted")).otherwise(pl.lit("counted"))
    )
    fits = (was("class") == "in") != (will("class") == "in")
    in_or_out = pl.when(will("class") == "in").then(pl.lit("in")).otherwise(pl.lit("out"))
    return (
        pl.when(differs("category"))
        .then(join_words("activity ", will("activity"), ": ", was("category"), " to ", will("category")))
        .when(counted)
        .then(join_words("activity ", will("activity"), ": ", whether))
        .when(differs("state") & ~differs("vendor_state") & will("vendor_state").is_not_null())
        .then(join_words("mapping ", will("vendor_state"), ": ", was("state"), " to ", will("state")))
        .when(differs("state") & ((was("state") == "unknown") | (will("state") == "unknown")))
        .then(pl.lit("how long a state lasts without renewal"))
        .when(differs("state") | differs("vendor_state"))
        .then(pl.lit("which of several logins counts"))
        .when(fits)
        .then(join_words("rule ", will("category"), ", ", will("state"), ": ", in_or_out))
        .otherwise(pl.lit("what a call excuses"))
    )
