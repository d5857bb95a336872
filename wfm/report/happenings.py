"""Adherence exceptions with names and local times, and the slices of the days worth drawing."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from wfm import terms
from wfm.errors import InputError
from wfm.report.scores import Frame, eager

UTC: Final = pl.Datetime("us", "UTC")
EXCEPTION: Final[dict[str, pl.DataType]] = {
    "agent_id": pl.String(),
    "workday": pl.Date(),
    "start_at": UTC,
    "end_at": UTC,
    "seconds": pl.Float64(),
    "activity": pl.String(),
    "state": pl.String(),
    "vendor_state": pl.String(),
    "class": pl.String(),
    "reason": pl.String(),
    "evidence": pl.List(pl.String),
    "evidence_kind": pl.String(),
    "impact": pl.String(),
}
SLICE: Final[dict[str, pl.DataType]] = {
    name: EXCEPTION[name]
    for name in ("agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason")
}
PERSON: Final = ("agent_id", "name", "team", "timezone")
STRIPS: Final = 60
STRIPS_EACH: Final = 2
SHIFT_GAP: Final = timedelta(seconds=terms.SHIFT_GAP_S)


def typed(frame: Frame | None, columns: dict[str, pl.DataType], where: str) -> pl.DataFrame:
    """Take the columns as their types; None gives an empty frame."""
    rows = eager(frame)
    if rows is None:
        return pl.DataFrame(schema=columns)
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise InputError(f"{where} has no column {missing[0]}; it needs: {', '.join(columns)}.")
    return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def people(agent: Frame | None, by_agent: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """List agent_id name team zone of everybody in the agents table or in the scores."""
    known = eager(agent)
    scored = by_agent.select("agent_id", "name", "team", zone=pl.lit(None, pl.String))
    if known is not None:
        have = [
            pl.col(c).cast(pl.String) if c in known.columns else pl.lit(None, pl.String).alias(c)
            for c in PERSON
        ]
        scored = pl.concat([known.select(have).rename({"timezone": "zone"}), scored])
    one = scored.unique("agent_id", keep="first", maintain_order=True)
    return one.with_columns(pl.col("zone").fill_null(timezone), pl.col("name").fill_null(pl.col("agent_id")))


def local(rows: pl.DataFrame) -> pl.DataFrame:
    """Add start_local and end_local, clock times of each row's ``zone``."""
    made = [
        part.with_columns(
            start_local=pl.col("start_at").dt.convert_time_zone(zone).dt.replace_time_zone(None),
            end_local=pl.col("end_at").dt.convert_time_zone(zone).dt.replace_time_zone(None),
        )
        for (zone,), part in rows.with_row_index("order").partition_by("zone", as_dict=True).items()
    ]
    naive = pl.lit(None, pl.Datetime("us"))
    if not made:
        return rows.with_columns(start_local=naive, end_local=naive)
    return pl.concat(made).sort("order").drop("order")


def exceptions(frame: Frame | None, persons: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Take adherence exceptions and say who, in which team, and when on their clock."""
    rows = typed(frame, EXCEPTION, "exceptions")
    named = rows.join(persons, on="agent_id", how="left", maintain_order="left")
    return local(
        named.with_columns(pl.col("name").fill_null(pl.col("agent_id")), pl.col("zone").fill_null(timezone))
    )


def strips(slices: Frame | None, by_agent_day: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Cut the slices of the days with most controllable time: `STRIPS` days, `STRIPS_EACH` an agent."""
    worst = (
        by_agent_day.filter(pl.col("controllable_s") > 0)
        .sort("controllable_s", "agent_id", "workday", descending=[True, False, False])
        .filter(pl.int_range(pl.len()).over("agent_id") < STRIPS_EACH)
        .head(STRIPS)
        .select("agent_id", "workday", "controllable_s")
    )
    rows = slices.lazy() if slices is not None else pl.LazyFrame(schema=SLICE)
    mine = typed(
        rows.join(worst.lazy().select("agent_id").unique(), on="agent_id", how="semi"), SLICE, "slices"
    )
    planned = mine.filter(pl.col("activity").is_not_null()).sort("agent_id", "start_at")
    begins = pl.col("start_at") - pl.col("end_at").shift(1) > SHIFT_GAP
    shifts = (
        planned.join(persons.select("agent_id", "zone"), on="agent_id", how="left", maintain_order="left")
        .with_columns(shift=begins.fill_null(True).over("agent_id").cum_sum())
        .with_columns(first_at=pl.col("start_at").first().over("shift"))
    )
    starts = shifts.select("shift", "zone", start_at="first_at", end_at="first_at").unique(
        "shift", maintain_order=True
    )
    on = local(starts).select("shift", workday=pl.col("start_local").dt.date())
    return local(
        shifts.join(on, on="shift", how="left", maintain_order="left")
        .join(worst, on=["agent_id", "workday"], how="inner", maintain_order="left")
        .drop("shift", "first_at")
    )
