"""Two scores of one window → who moves, which seconds change class, and which changed row makes them.

::

    before   in in in|unknown|unknown|in|controllable
    after    in in in|in     |in     |in|controllable
    moved            |unknown to in  |                   mapping Coffee: unmapped to break
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.engine.score import Score
from wfm.engine.units import in_seconds

FIGURES = ("adherence", "adherence_adjusted")
FACTS = ("activity", "category", "state", "vendor_state", "class")
NOT_COUNTED = "not counted"
"""Stands for the class of time that is not scheduled, or whose activity is not counted."""


def moves(before: Score, after: Score, by: Sequence[str] = ("agent_id",)) -> pl.DataFrame:
    """Sum the seconds whose class differs between two scores of one window, per group and cause.

    Per group and class: seconds after = seconds before + what moves to the class - what moves from it. Where a change
    moves time to another group (by category, of another activity), it leaves one and enters the other.

    Args:
        before, after: scores of the same agents, schedule and states.
        by: as for `Score.adherence`.

    Returns:
        The columns of ``by``, from_class to_class cause seconds agents (how many); the most seconds first.
    """
    cut = _laid_over(before.scheduled(by), after.scheduled(by), list(by))
    length = (pl.col("until") - pl.col("at")).dt.total_microseconds()
    found = cut.with_columns(
        cause=_cause(),
        length=length,
        stays=pl.all_horizontal(
            pl.lit(True), *(pl.col(f"{name}_before").eq_missing(pl.col(f"{name}_after")) for name in by)
        ),
    )
    stay = pl.col("stays")
    old, new = pl.col("class_before"), pl.col("class_after")
    gone = pl.lit(NOT_COUNTED)
    flows = pl.concat(
        [
            _flow(found.filter(stay, old != new), by, "after", old, new),
            _flow(found.filter(~stay, old != NOT_COUNTED), by, "before", old, gone),
            _flow(found.filter(~stay, new != NOT_COUNTED), by, "after", gone, new),
        ]
    )
    group = [*by, "from_class", "to_class", "cause"]
    return (
        flows.group_by(group)
        .agg(seconds=in_seconds(pl.col("length").sum()), agents=pl.col("who").n_unique().cast(pl.Int64))
        .sort("seconds", *group, descending=[True, *(False for _ in group)], nulls_last=True)
    )


def compare(
    before: Score, after: Score, by: Sequence[str] = ("agent_id",), target: float | None = None
) -> pl.DataFrame:
    """Put the figures of two scores side by side.

    Args:
        before, after, by: as for `moves`.
        target: an adherence, 0..1.

    Returns:
        The columns of ``by``, adherence_before adherence_after change (of adherence, -1..1) adherence_adjusted_before
        adherence_adjusted_after scheduled_before_s scheduled_after_s moved_s (seconds that change class or leave) and
        crosses (up or down: the target lies between); the greatest change first, then the most seconds.
    """
    keys = list(by)
    kept = ["scheduled_s", *FIGURES]
    old = before.adherence(keys).select(*keys, pl.col(kept).name.map(lambda name: _named(name, "before")))
    new = after.adherence(keys).select(*keys, pl.col(kept).name.map(lambda name: _named(name, "after")))
    if keys:
        both = old.join(new, on=keys, how="full", coalesce=True, nulls_equal=True)
        moved = moves(before, after, keys).group_by(keys).agg(moved_s=pl.col("seconds").sum())
        both = both.join(moved, on=keys, how="left", nulls_equal=True)
    else:
        moved = moves(before, after, keys).select(moved_s=pl.col("seconds").sum())
        both = pl.concat([old, new, moved], how="horizontal")
    change = pl.col("adherence_after") - pl.col("adherence_before")
    return (
        both.with_columns(change=change, crosses=_crosses(target), moved_s=pl.col("moved_s").fill_null(0.0))
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


def _named(name: str, when: str) -> str:
    return f"{name.removesuffix('_s')}_{when}{'_s' if name.endswith('_s') else ''}"


def _crosses(target: float | None) -> pl.Expr:
    if target is None:
        return pl.lit(None, pl.String)
    was, will = pl.col("adherence_before") >= target, pl.col("adherence_after") >= target
    return pl.when(~was & will).then(pl.lit("up")).when(was & ~will).then(pl.lit("down"))


def _laid_over(before: pl.DataFrame, after: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Cut both at every boundary of either: who, at, until, and every fact and group as ``<name>_before, _after``."""
    names = list(dict.fromkeys([*FACTS, *by]))
    edges = pl.concat(
        frame.select("agent_id", at=edge) for frame in (before, after) for edge in ("start_at", "end_at")
    )
    cut = (
        edges.unique()
        .sort("agent_id", "at")
        .with_columns(until=pl.col("at").shift(-1).over("agent_id"))
        .filter(pl.col("until").is_not_null())
        .rename({"agent_id": "who"})
    )
    for frame, when in ((before, "before"), (after, "after")):
        rows = frame.sort("agent_id", "start_at").select(
            pl.col("agent_id").alias("who"),
            "start_at",
            "end_at",
            *(pl.col(name).cast(pl.String) if name in FACTS else pl.col(name) for name in names),
        )
        held = cut.select("who", "at").join_asof(
            rows, left_on="at", right_on="start_at", by="who", strategy="backward", check_sortedness=False
        )
        here = pl.col("at") < pl.col("end_at")
        cut = cut.hstack(held.select(pl.when(here).then(name).alias(f"{name}_{when}") for name in names))
    classes = [f"class_{when}" for when in ("before", "after")]
    cut = cut.with_columns(pl.col(classes).fill_null(NOT_COUNTED))
    differs = [pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after")) for name in ("class", *by)]
    return cut.filter(pl.any_horizontal(differs))


def _flow(
    rows: pl.DataFrame, by: Sequence[str], when: str, from_class: pl.Expr, to_class: pl.Expr
) -> pl.DataFrame:
    return rows.select(
        *(pl.col(f"{name}_{when}").alias(name) for name in by),
        from_class.alias("from_class"),
        to_class.alias("to_class"),
        "cause",
        "length",
        "who",
    )


def _cause() -> pl.Expr:
    """Name the row that made a second change class: an activity's, a mapping's, a rule's; or what follows from one."""

    def was(name: str) -> pl.Expr:
        return pl.col(f"{name}_before")

    def will(name: str) -> pl.Expr:
        return pl.col(f"{name}_after")

    def differs(name: str) -> pl.Expr:
        return was(name).ne_missing(will(name))

    def told(*parts: pl.Expr | str) -> pl.Expr:
        return pl.concat_str(
            [pl.lit(part) if isinstance(part, str) else part.fill_null("none") for part in parts]
        )

    counted = (was("class") == NOT_COUNTED) != (will("class") == NOT_COUNTED)
    whether = pl.when(will("class") == NOT_COUNTED).then(pl.lit("not counted")).otherwise(pl.lit("counted"))
    fits = (was("class") == "in") != (will("class") == "in")
    verdict = pl.when(will("class") == "in").then(pl.lit("in")).otherwise(pl.lit("out"))
    return (
        pl.when(differs("category"))
        .then(told("activity ", will("activity"), ": ", was("category"), " to ", will("category")))
        .when(counted)
        .then(told("activity ", will("activity"), ": ", whether))
        .when(differs("state") & ~differs("vendor_state") & will("vendor_state").is_not_null())
        .then(told("mapping ", will("vendor_state"), ": ", was("state"), " to ", will("state")))
        .when(differs("state") & ((was("state") == "unknown") | (will("state") == "unknown")))
        .then(pl.lit("how long a state holds that nothing renews"))
        .when(differs("state") | differs("vendor_state"))
        .then(pl.lit("which of several logins counts"))
        .when(fits)
        .then(told("rule ", will("category"), ", ", will("state"), ": ", verdict))
        .otherwise(pl.lit("what a call excuses"))
    )
