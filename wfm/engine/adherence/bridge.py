"""The bridge between two definitions of adherence: the seconds that differ, and the points each kind is worth.

The time, its states and its classes are the same on both sides; only the weights of the definitions differ. Two scores
that differ in their data or settings are compared by `wfm.engine.adherence.score_diff`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.core import glossary
from wfm.core.text import fill_sentence
from wfm.engine.adherence.rollup import CUTTING_GROUPINGS
from wfm.engine.time.axis import Axis, overlay_rows
from wfm.engine.time.codes import STATE_CODES
from wfm.engine.time.units import us_to_seconds

WEIGHT_COLUMNS = ["from_numerator", "from_denominator", "to_numerator", "to_denominator"]
WEIGHTED_SECONDS = [f"{name}_s" for name in WEIGHT_COLUMNS]
WEIGHTED_SECOND_PAIRS = [("from_numerator_s", "from_denominator_s"), ("to_numerator_s", "to_denominator_s")]
DETAIL_COLUMNS = ["kind", "activity", "state", "reason"]
OUTSIDE_SHIFT_KIND = "worked outside the shift"
CATEGORY_PHRASES = {
    "on_queue": "on queue",
    "off_queue_work": "in off-queue work",
    "break": "in a break",
    "meal": "in a meal",
    "training": "in training",
    "meeting": "in a meeting",
    "time_off": "in time off",
    "unavailable": "in unavailable time",
}
UNCOUNTED_WORK_KIND = "worked in time that is not counted"


def diff_weights(before: pl.DataFrame, after: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Return the rows to which two definitions give different weights, cut where either changes.

    Args:
        before, after: the rows of one `wfm.engine.adherence.counted_time.CountedTime` with ``reason``, and weights.
        axis: the axis of the keys.

    Returns:
        The rows with `WEIGHT_COLUMNS` instead of their own weights, and `DETAIL_COLUMNS` (activity, state as words).
    """
    sides = {"from": before, "to": after}
    both = overlay_rows(sides, axis)
    weights = [
        rows.select(pl.col("numerator", "denominator").name.prefix(f"{side}_"))[both[side]]
        for side, rows in sides.items()
    ]
    facts = before.drop("key", "key_end", "numerator", "denominator")[both["from"]]
    rows = pl.concat([both.select("key", "key_end"), *weights, facts], how="horizontal")
    same = (pl.col("from_numerator") == pl.col("to_numerator")) & (
        pl.col("from_denominator") == pl.col("to_denominator")
    )
    return _add_kind(rows.filter(~same))


def _add_kind(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``kind``: the reason why time is out, or else its state and category in words."""
    state = pl.col("state").replace_strict(
        {code: word for word, code in STATE_CODES.items()}, return_dtype=pl.String, default=glossary.UNKNOWN
    )
    category = pl.col("category").cast(pl.String).replace(CATEGORY_PHRASES)
    state_and_category = fill_sentence("{} {}", state, category)
    kind = (
        pl.when(~pl.col("scheduled"))
        .then(pl.lit(OUTSIDE_SHIFT_KIND))
        .when(~pl.col("state_known"))
        .then(pl.lit(UNCOUNTED_WORK_KIND))
        .otherwise(pl.coalesce(pl.col("reason").cast(pl.String), state_and_category))
        .str.replace_all("_", " ")
    )
    return rows.with_columns(
        kind=kind,
        state=state,
        activity=pl.when("scheduled").then("activity"),
        reason=pl.when(pl.col("scheduled"))
        .then(pl.col("reason").cast(pl.String))
        .otherwise(pl.lit("unscheduled_work")),
    )


def weigh_seconds(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return weights multiplied by length, in microseconds.

    Returns:
        segment, the cutting groupings in ``by``, `DETAIL_COLUMNS` that are not in ``by``, seconds, `WEIGHTED_SECONDS`.
    """
    length = pl.col("key_end") - pl.col("key")
    weighed = ((pl.col(name).cast(pl.Int64) * length).alias(f"{name}_s") for name in WEIGHT_COLUMNS)
    cuts = [
        pl.col(name).cast(pl.String) if name == "queue_id" else name
        for name in by
        if name in CUTTING_GROUPINGS
    ]
    return rows.select("segment", *cuts, *_select_detail_columns(by), length.alias("seconds"), *weighed)


def _select_detail_columns(by: Sequence[str]) -> list[str]:
    return [name for name in DETAIL_COLUMNS if name not in by]


def compute_points(rows: pl.DataFrame, totals: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Sum weighted seconds per kind and compute how many points each kind is worth.

    With n/d the score before, n'/d' after, and Δ a kind's share of n' − n and d' − d:

        points = (Δn (d + d') − Δd (n + n')) / (2 d d')

    which is the Shapley value of the two changes, in numerator and in denominator. So the points add up to
    n'/d' − n/d exactly, however they are grouped, and the bridge back has the same points with the opposite sign.

    Args:
        rows: ``by``, `DETAIL_COLUMNS` that are not in ``by``, seconds, `WEIGHTED_SECONDS`; microseconds.
        totals: ``by`` and `WEIGHTED_SECONDS` of all time, also where the scores do not differ; microseconds.
        by: groupings.

    Returns:
        The columns of ``rows`` in seconds, points (null where either score is 0/0), score_from, score_to; in order of
        ``by`` and of points, the largest first.
    """
    detail = _select_detail_columns(by)
    summed = rows.group_by([*by, *detail]).agg(pl.col("seconds", *WEIGHTED_SECONDS).sum())
    overall = totals.rename({name: f"all_{name}" for name in WEIGHTED_SECONDS})
    joined = (
        summed.join(overall, on=by, how="left", nulls_equal=True) if by else summed.join(overall, how="cross")
    )
    # as floats: the products below would overflow 64-bit integers of microseconds
    n, d, n2, d2 = (pl.col(f"all_{name}").cast(pl.Float64) for name in WEIGHTED_SECONDS)
    dn = (pl.col("to_numerator_s") - pl.col("from_numerator_s")).cast(pl.Float64)
    dd = (pl.col("to_denominator_s") - pl.col("from_denominator_s")).cast(pl.Float64)
    defined = (d != 0) & (d2 != 0)
    return (
        joined.with_columns(
            points=pl.when(defined).then((dn * (d + d2) - dd * (n + n2)) / (2 * d * d2)),
            score_from=pl.when(d != 0).then(n / d),
            score_to=pl.when(d2 != 0).then(n2 / d2),
        )
        .sort(
            *by,
            pl.col("points").abs(),
            *detail,
            nulls_last=True,
            descending=[*(False for _ in by), True, *(False for _ in detail)],
        )
        .with_columns(us_to_seconds(pl.col("seconds", *WEIGHTED_SECONDS)))
        .select(*by, *detail, "seconds", *WEIGHTED_SECONDS, "points", "score_from", "score_to")
    )


def join_stretches(rows: pl.DataFrame) -> pl.DataFrame:
    """Join adjoining rows that a bridge shows alike.

    Returns:
        key, key_end, agent, workday, `DETAIL_COLUMNS`, `WEIGHT_COLUMNS`.
    """
    same = [*DETAIL_COLUMNS, "segment", *WEIGHT_COLUMNS]
    begins = (pl.col("key") != pl.col("key_end").shift(1)) | pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1)) for name in same
    )
    return (
        rows.with_columns(run=begins.fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("key").first(),
            pl.col("key_end").last(),
            pl.col("agent", "workday", *DETAIL_COLUMNS, *WEIGHT_COLUMNS).first(),
        )
        .drop("run")
    )


def decode_stretches(rows: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Return rows with instants instead of keys, in the columns of `Score.bridge_stretches`."""
    return rows.with_columns(
        agent_id=pl.col("agent").cast(pl.String),
        start_at=axis.decode_instant(pl.col("key")),
        end_at=axis.decode_instant(pl.col("key_end")),
        seconds=us_to_seconds(pl.col("key_end") - pl.col("key")),
    ).select("agent_id", "workday", "start_at", "end_at", "seconds", *DETAIL_COLUMNS, *WEIGHT_COLUMNS)
