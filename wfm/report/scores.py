"""Check score frames of the report, rank them by controllable time, and sum the reasons."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core.errors import InputError

SECONDS_COLUMNS: Final = (
    "scheduled_s",
    "in_s",
    "approved_s",
    "call_driven_s",
    "system_s",
    "unknown_s",
    "controllable_s",
    "scheduled_work_s",
    "worked_s",
)
RATIO_COLUMNS: Final = (
    "adherence",
    "adherence_adjusted",
    "adherence_low",
    "adherence_high",
    "coverage",
    "conformance",
)
KEY_TYPES: Final[dict[str, pl.DataType]] = {
    "team": pl.String(),
    "agent_id": pl.String(),
    "name": pl.String(),
    "workday": pl.Date(),
}
REASON_CLASSES: Final = ("controllable", "call_driven", "approved", "system", "unknown", "in")
"""The order of classes in the table of reasons: what is controllable first."""

AnyFrame = pl.DataFrame | pl.LazyFrame


def collect_frame(frame: AnyFrame | None) -> pl.DataFrame | None:
    """Collect a frame if it is lazy."""
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def conform_scores(frame: AnyFrame | None, by: tuple[str, ...], argument: str) -> pl.DataFrame:
    """Return a score frame with its columns as their types; None gives an empty one.

    Args:
        frame: what Score.adherence returns.
        by: the columns it is grouped by.
        argument: what the caller called it, for the message.

    Raises:
        InputError: it lacks a column.
    """
    wanted = [*by, *SECONDS_COLUMNS, *RATIO_COLUMNS]
    types = {name: KEY_TYPES.get(name, pl.Float64()) for name in wanted}
    rows = collect_frame(frame)
    if rows is None:
        return pl.DataFrame(schema=types)
    missing = [name for name in wanted if name not in rows.columns]
    if missing:
        raise InputError(
            f"{argument} has no column {missing[0]}; give what Score.adherence({list(by)}) returns."
        )
    return rows.with_columns(pl.col(name).cast(dtype) for name, dtype in types.items())


def conform_headline(overall: AnyFrame) -> pl.DataFrame:
    """Return the one row of everything; of no rows it is a row of zeros.

    Raises:
        InputError: it lacks a column or has several rows.
    """
    rows = conform_scores(overall, (), "overall")
    if rows.height > 1:
        raise InputError(f"overall has {rows.height} rows; give what Score.adherence([]) returns.")
    if rows.is_empty():
        return pl.DataFrame(
            {name: [0.0 if name in SECONDS_COLUMNS else None] for name in rows.columns}, schema=rows.schema
        )
    return rows.with_columns(pl.col(SECONDS_COLUMNS).fill_null(0.0))


def rank_by_controllable(
    rows: pl.DataFrame, exceptions: pl.DataFrame, key: str, label: pl.Expr
) -> pl.DataFrame:
    """Add label, explained, top_reason and top_reason_s, and sort by controllable time, most first.

    ``explained`` is adjusted − raw; ``top_reason`` is the reason with most controllable time.
    """
    top_reasons = (
        exceptions.filter(pl.col("class") == "controllable")
        .group_by(key, "reason")
        .agg(top_reason_s=pl.col("seconds").sum())
        .sort("top_reason_s", "reason", descending=[True, False])
        .group_by(key, maintain_order=True)
        .agg(pl.col("reason").first().alias("top_reason"), pl.col("top_reason_s").first())
    )
    return (
        rows.with_columns(label=label, explained=pl.col("adherence_adjusted") - pl.col("adherence"))
        # nulls_equal: agents without a team are a group too.
        .join(top_reasons, on=key, how="left", nulls_equal=True, maintain_order="left")
        .sort("controllable_s", key, descending=[True, False], nulls_last=True)
    )


def sum_reasons(exceptions: pl.DataFrame, scheduled_s: float) -> pl.DataFrame:
    """Sum exceptions per class and reason: class reason n agents seconds share (of scheduled).

    The share is null outside the shift, which is in no percentage. Controllable reasons first, each class largest
    first.
    """
    rank = pl.col("class").replace_strict(
        REASON_CLASSES,
        range(len(REASON_CLASSES)),
        default=len(REASON_CLASSES),
        return_dtype=pl.Int32,
    )
    share = pl.col("seconds") / scheduled_s if scheduled_s else pl.lit(None, pl.Float64)
    return (
        exceptions.group_by("class", "reason")
        .agg(n=pl.len(), agents=pl.col("agent_id").n_unique(), seconds=pl.col("seconds").sum())
        .with_columns(share=pl.when(pl.col("class").is_not_null()).then(share))
        .sort(rank, "seconds", "reason", descending=[False, True, False])
    )
