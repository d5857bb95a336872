"""Complete score frames: labels, differences, biggest reasons; and the reasons summed."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.errors import InputError

SECONDS: Final = (
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
RATIOS: Final = (
    "adherence",
    "adherence_adjusted",
    "adherence_low",
    "adherence_high",
    "coverage",
    "conformance",
)
KEYS: Final[dict[str, pl.DataType]] = {
    "team": pl.String(),
    "agent_id": pl.String(),
    "name": pl.String(),
    "workday": pl.Date(),
}

Frame = pl.DataFrame | pl.LazyFrame


def eager(frame: Frame | None) -> pl.DataFrame | None:
    """Collect a frame if it is lazy."""
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def scores(frame: Frame | None, by: tuple[str, ...], where: str) -> pl.DataFrame:
    """Take a score frame with the columns of ``by``; None gives an empty one."""
    wanted = [*by, *SECONDS, *RATIOS]
    types = {name: KEYS.get(name, pl.Float64()) for name in wanted}
    rows = eager(frame)
    if rows is None:
        return pl.DataFrame(schema=types)
    missing = [name for name in wanted if name not in rows.columns]
    if missing:
        raise InputError(
            f"{where} has no column {missing[0]}; give what Score.adherence({list(by)}) returns."
        )
    return rows.with_columns(pl.col(name).cast(dtype) for name, dtype in types.items())


def headline(overall: Frame) -> pl.DataFrame:
    """Take the one row of all; what has no rows is a row of zeros."""
    rows = scores(overall, (), "overall")
    if rows.height > 1:
        raise InputError(f"overall has {rows.height} rows; give what Score.adherence([]) returns.")
    if rows.is_empty():
        return pl.DataFrame(
            {name: [0.0 if name in SECONDS else None] for name in rows.columns}, schema=rows.schema
        )
    return rows.with_columns(pl.col(SECONDS).fill_null(0.0))


def ranked(rows: pl.DataFrame, exceptions: pl.DataFrame, key: str, label: pl.Expr) -> pl.DataFrame:
    """Add label, explained, top_reason, top_reason_s (of controllable time); the most controllable first."""
    own = exceptions.filter(pl.col("class") == "controllable")
    top = (
        own.group_by(key, "reason")
        .agg(top_reason_s=pl.col("seconds").sum())
        .sort("top_reason_s", "reason", descending=[True, False])
        .group_by(key, maintain_order=True)
        .agg(pl.col("reason").first().alias("top_reason"), pl.col("top_reason_s").first())
    )
    return (
        rows.with_columns(label=label, explained=pl.col("adherence_adjusted") - pl.col("adherence"))
        .join(top, on=key, how="left", nulls_equal=True, maintain_order="left")
        .sort("controllable_s", key, descending=[True, False], nulls_last=True)
    )


def reasons(exceptions: pl.DataFrame, scheduled_s: float) -> pl.DataFrame:
    """Sum exceptions per class and reason: class reason n agents seconds share (of scheduled).

    The share is null outside the shift. Controllable reasons first, each class largest first.
    """
    order = ["controllable", "call_driven", "approved", "system", "unknown", "in"]
    rank = pl.col("class").replace_strict(order, range(len(order)), default=len(order), return_dtype=pl.Int32)
    share = pl.col("seconds") / scheduled_s if scheduled_s else pl.lit(None, pl.Float64)
    return (
        exceptions.group_by("class", "reason")
        .agg(n=pl.len(), agents=pl.col("agent_id").n_unique(), seconds=pl.col("seconds").sum())
        .with_columns(share=pl.when(pl.col("class").is_not_null()).then(share))
        .sort(rank, "seconds", "reason", descending=[False, True, False])
    )
