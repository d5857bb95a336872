"""Interval volume by queue and by day, beside what such a day usually brings."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.happenings import UTC
from wfm.report.scores import Frame, eager

COUNTS: Final = (
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
RATIOS: Final = ("aht_s", "abandonment", "service_level", "occupancy")
INTERVAL: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "interval_start": UTC,
    **{name: pl.Int64() for name in COUNTS},
    **{name: pl.Float64() for name in ("sum_handle_time_s", *RATIOS, "service_level_target_s")},
    "service_level_variant": pl.String(),
    "origin": pl.String(),
}
OLDER: Final = {"answered_within_n": "answered_within"}
WEEKS: Final = 6
FEWEST: Final = 2
"""Fewer earlier days of the same weekday make nothing typical."""

_ENDED: Final = pl.col("calls_answered") + pl.col("calls_abandoned")
VARIANTS: Final[dict[str, tuple[pl.Expr, pl.Expr, str]]] = {
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
"""Per variant of service level what is summed above and below the line, and its words."""


def intervals(frame: Frame | None, queue: Frame | None, timezone: str) -> pl.DataFrame:
    """Take interval rows; what a source does not say is null, except that handled is what did not abandon."""
    rows = eager(frame)
    rows = pl.DataFrame(schema=INTERVAL) if rows is None else rows.rename(OLDER, strict=False)
    known = [name for name in INTERVAL if name in rows.columns]
    rows = rows.select(pl.col(name).cast(INTERVAL[name]) for name in known).with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in INTERVAL.items() if name not in known
    )
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    full = rows.select(list(INTERVAL)).with_columns(
        handled=pl.coalesce("handled", pl.col("entered") - pl.col("abandoned")),
        handle_unknown=pl.col("handle_unknown").fill_null(0),
        on=local.dt.date(),
    )
    if "calls" not in known:
        full = full.with_columns(calls=pl.when(pl.col("answered_within").is_not_null()).then("entered"))
    return named(full, queue)


def named(rows: pl.DataFrame, queue: Frame | None) -> pl.DataFrame:
    """Add label: the queue's name where it has one, else its id."""
    known = eager(queue)
    if known is None or "name" not in known.columns:
        return rows.with_columns(label=pl.col("queue_id"))
    names = known.select("queue_id", label=pl.col("name")).unique(
        "queue_id", keep="first", maintain_order=True
    )
    return rows.join(names, on="queue_id", how="left", maintain_order="left").with_columns(
        pl.col("label").fill_null(pl.col("queue_id"))
    )


def variant(rows: pl.DataFrame) -> str | None:
    """Name the one variant of service level the rows hold; None if several or one we do not know."""
    found = rows["service_level_variant"].drop_nulls().unique().to_list()
    if not found:
        return "of_entered"
    return found[0] if len(found) == 1 and found[0] in VARIANTS else None


def in_words(rows: pl.DataFrame) -> str | None:
    """Say which service level the rows hold, with its target."""
    name, targets = variant(rows), rows["service_level_target_s"].drop_nulls().unique().to_list()
    if name is None or len(targets) != 1:
        return None
    return VARIANTS[name][2].format(f"{targets[0]:g} s")


def sums(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum intervals first and divide then: entered handled abandoned aht_s abandonment service_level."""
    name = variant(rows)
    above, below, _ = VARIANTS[name or "of_entered"]
    judged = pl.lit(name is not None) & pl.col("logged") & (below > 0)
    timed = pl.col("handled") - pl.col("handle_unknown")
    return (
        rows.group_by(by, maintain_order=True)
        .agg(
            pl.col(*COUNTS, "sum_handle_time_s").sum(),
            logged=pl.col("calls").is_not_null().any(),
            source=pl.col("source").drop_nulls().unique().sort().str.join(", "),
        )
        .with_columns(
            aht_s=pl.when(timed > 0).then(pl.col("sum_handle_time_s") / timed),
            abandonment=pl.when(pl.col("entered") > 0).then(pl.col("abandoned") / pl.col("entered")),
            service_level=pl.when(judged).then(above / below),
        )
    )


def by_queue(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum per queue, the busiest first."""
    return sums(rows, ["queue_id", "label"]).sort("entered", "queue_id", descending=[True, False])


def by_day(rows: pl.DataFrame, history: Frame | None, timezone: str) -> pl.DataFrame:
    """Sum per queue and day, with typical: the median of that weekday in the six weeks before the day."""
    past = rows if history is None else _with_history(rows, intervals(history, None, timezone))
    per_day = past.group_by("queue_id", "on").agg(pl.col("entered").sum())
    shifted = pl.concat(
        per_day.with_columns(pl.col("on").dt.offset_by(f"{week}w")) for week in range(1, WEEKS + 1)
    )
    usual = shifted.group_by("queue_id", "on").agg(
        typical=pl.when(pl.len() >= FEWEST).then(pl.col("entered").median())
    )
    return (
        sums(rows, ["queue_id", "label", "on"])
        .join(usual, on=["queue_id", "on"], how="left", maintain_order="left")
        .sort("queue_id", "on")
    )


def _with_history(rows: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Take history for every interval that the window itself does not have."""
    older = history.join(rows, on=["queue_id", "interval_start"], how="anti")
    return pl.concat([part.select("queue_id", "on", "entered") for part in (older, rows)])
