"""Sum interval volume by queue and by day, and compare each day with a typical one."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.report.scores import AnyFrame, collect_frame

COUNT_COLUMNS: Final = (
    "entered",
    "handled",
    "abandoned",
    "handle_unknown",
    "calls",
    "calls_answered",
    "calls_abandoned",
    "answered_within",
    "abandoned_within",
    "abandoned_short",
)
INTERVAL_RATIOS: Final = ("aht_s", "abandonment", "service_level", "occupancy")
INTERVAL_COLUMNS: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "interval_start": INSTANT,
    **{name: pl.Int64() for name in COUNT_COLUMNS},
    **{name: pl.Float64() for name in ("sum_handle_time_s", *INTERVAL_RATIOS, "service_level_target_s")},
    "service_level_variant": pl.String(),
    "origin": pl.String(),
}
FORMER_NAMES: Final = {"answered_within_n": "answered_within"}
TYPICAL_WEEKS: Final = 6
"""A typical day is the median of the same weekday in so many weeks before it."""
MIN_TYPICAL_WEEKS: Final = 2
"""With fewer earlier days of the same weekday there is no typical day."""

DEFAULT_VARIANT: Final = "of_entered"
_ENDED: Final = pl.col("calls_answered") + pl.col("calls_abandoned")
SERVICE_LEVEL_VARIANTS: Final[dict[str, tuple[pl.Expr, pl.Expr, str]]] = {
    "of_entered": (pl.col("answered_within"), pl.col("calls"), "answered within {} ÷ all that entered"),
    "of_answered": (pl.col("answered_within"), pl.col("calls_answered"), "answered within {} ÷ answered"),
    "of_answered_and_abandoned": (
        pl.col("answered_within"),
        _ENDED,
        "answered within {} ÷ (answered + abandoned)",
    ),
    "with_abandoned_within": (
        pl.col("answered_within") + pl.col("abandoned_within"),
        pl.col("calls"),
        "answered or abandoned within {} ÷ all that entered",
    ),
    "without_abandoned_within": (
        pl.col("answered_within"),
        pl.col("calls") - pl.col("abandoned_within"),
        "answered within {} ÷ (all that entered − abandoned within it)",
    ),
    "without_short_abandons": (
        pl.col("answered_within"),
        _ENDED - pl.col("abandoned_short"),
        "answered within {} ÷ (answered + abandoned − short abandons)",
    ),
}
"""Variant of service level → numerator, denominator, and its words with a gap for the target."""


def conform_intervals(frame: AnyFrame | None, queue: AnyFrame | None, timezone: str) -> pl.DataFrame:
    """Return interval rows with label and on (local date); what a source does not say is null.

    One exception: handled, where missing, is entered − abandoned.
    """
    rows = collect_frame(frame)
    rows = pl.DataFrame(schema=INTERVAL_COLUMNS) if rows is None else rows.rename(FORMER_NAMES, strict=False)
    has_calls = "calls" in rows.columns
    columns = [
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in INTERVAL_COLUMNS.items()
    ]
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    full = rows.select(columns).with_columns(
        handled=pl.coalesce("handled", pl.col("entered") - pl.col("abandoned")),
        handle_unknown=pl.col("handle_unknown").fill_null(0),
        on=local.dt.date(),
    )
    if not has_calls:
        # Counted by the phone system: its service level is of what it counted as entered.
        full = full.with_columns(calls=pl.when(pl.col("answered_within").is_not_null()).then("entered"))
    return add_queue_label(full, queue)


def add_queue_label(rows: pl.DataFrame, queue: AnyFrame | None) -> pl.DataFrame:
    """Add label: the queue's name where it has one, else its id."""
    table = collect_frame(queue)
    if table is None or "name" not in table.columns:
        return rows.with_columns(label=pl.col("queue_id"))
    names = table.select("queue_id", label=pl.col("name")).unique(
        "queue_id", keep="first", maintain_order=True
    )
    return rows.join(names, on="queue_id", how="left", maintain_order="left").with_columns(
        pl.col("label").fill_null(pl.col("queue_id"))
    )


def find_service_level_variant(rows: pl.DataFrame) -> str | None:
    """Return the one variant of service level that the rows hold; None if they hold several or an unknown one."""
    found = rows["service_level_variant"].drop_nulls().unique().to_list()
    if not found:
        return DEFAULT_VARIANT
    return found[0] if len(found) == 1 and found[0] in SERVICE_LEVEL_VARIANTS else None


def describe_service_level(rows: pl.DataFrame) -> str | None:
    """Describe the service level that the rows hold, with its target; None if it is not one."""
    variant = find_service_level_variant(rows)
    targets = rows["service_level_target_s"].drop_nulls().unique().to_list()
    if variant is None or len(targets) != 1:
        return None
    return SERVICE_LEVEL_VARIANTS[variant][2].format(f"{targets[0]:g} s")


def sum_intervals(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum intervals first and divide then: entered handled abandoned aht_s abandonment service_level source."""
    variant = find_service_level_variant(rows)
    numerator, denominator, _ = SERVICE_LEVEL_VARIANTS[variant or DEFAULT_VARIANT]
    # Rows of several variants have no common service level.
    has_service_level = pl.lit(variant is not None) & pl.col("logged") & (denominator > 0)
    timed_calls = pl.col("handled") - pl.col("handle_unknown")
    return (
        rows.group_by(by, maintain_order=True)
        .agg(
            pl.col(*COUNT_COLUMNS, "sum_handle_time_s").sum(),
            logged=pl.col("calls").is_not_null().any(),
            source=pl.col("source").drop_nulls().unique().sort().str.join(", "),
        )
        .with_columns(
            aht_s=pl.when(timed_calls > 0).then(pl.col("sum_handle_time_s") / timed_calls),
            abandonment=pl.when(pl.col("entered") > 0).then(pl.col("abandoned") / pl.col("entered")),
            service_level=pl.when(has_service_level).then(numerator / denominator),
        )
    )


def sum_by_queue(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum intervals per queue, the busiest first."""
    return sum_intervals(rows, ["queue_id", "label"]).sort("entered", "queue_id", descending=[True, False])


def sum_by_day(rows: pl.DataFrame, history: AnyFrame | None, timezone: str) -> pl.DataFrame:
    """Sum intervals per queue and day, with typical: the median of that weekday in the six weeks before the day."""
    past = rows if history is None else _add_history(rows, conform_intervals(history, None, timezone))
    per_day = past.group_by("queue_id", "on").agg(pl.col("entered").sum())
    # Each day is moved onto the days that it is typical for; only days before count, so no day sees its future.
    moved = pl.concat(
        per_day.with_columns(pl.col("on").dt.offset_by(f"{week}w")) for week in range(1, TYPICAL_WEEKS + 1)
    )
    typical = moved.group_by("queue_id", "on").agg(
        typical=pl.when(pl.len() >= MIN_TYPICAL_WEEKS).then(pl.col("entered").median())
    )
    return (
        sum_intervals(rows, ["queue_id", "label", "on"])
        .join(typical, on=["queue_id", "on"], how="left", maintain_order="left")
        .sort("queue_id", "on")
    )


def _add_history(rows: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Add history for every interval that the window itself does not have."""
    older = history.join(rows, on=["queue_id", "interval_start"], how="anti")
    return pl.concat([part.select("queue_id", "on", "entered") for part in (older, rows)])
