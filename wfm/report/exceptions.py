"""Add names and local times to adherence exceptions, and select the slices of the days worth drawing."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.errors import InputError
from wfm.core.time import INSTANT
from wfm.report.scores import AnyFrame, collect_frame

EXCEPTION_COLUMNS: Final[dict[str, pl.DataType]] = {
    "agent_id": pl.String(),
    "workday": pl.Date(),
    "start_at": INSTANT,
    "end_at": INSTANT,
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
SLICE_COLUMNS: Final[dict[str, pl.DataType]] = {
    name: EXCEPTION_COLUMNS[name]
    for name in ("agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason")
}
PERSON_COLUMNS: Final = ("agent_id", "name", "team", "timezone")
MAX_DAYS_DRAWN: Final = 60
MAX_DAYS_DRAWN_PER_AGENT: Final = 2
SHIFT_GAP: Final = timedelta(seconds=glossary.SHIFT_GAP_S)


def select_columns(frame: AnyFrame | None, columns: dict[str, pl.DataType], argument: str) -> pl.DataFrame:
    """Select columns as their types; None gives an empty frame.

    Raises:
        InputError: one of them is missing.
    """
    rows = collect_frame(frame)
    if rows is None:
        return pl.DataFrame(schema=columns)
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise InputError(f"{argument} has no column {missing[0]}; it needs: {', '.join(columns)}.")
    return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def list_people(agent: AnyFrame | None, by_agent: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """List agent_id, name, team and zone of everybody in the agents table or in the scores.

    Without a name, the agent_id is used; without a zone, ``timezone``.
    """
    table = collect_frame(agent)
    people = by_agent.select("agent_id", "name", "team", zone=pl.lit(None, pl.String))
    if table is not None:
        columns = [
            pl.col(name).cast(pl.String) if name in table.columns else pl.lit(None, pl.String).alias(name)
            for name in PERSON_COLUMNS
        ]
        people = pl.concat([table.select(columns).rename({"timezone": "zone"}), people])
    return people.unique("agent_id", keep="first", maintain_order=True).with_columns(
        pl.col("zone").fill_null(timezone), pl.col("name").fill_null(pl.col("agent_id"))
    )


def add_local_times(rows: pl.DataFrame) -> pl.DataFrame:
    """Add start_local and end_local: the clock times of start_at and end_at in each row's ``zone``."""
    # polars converts a whole column to one zone only.
    parts = [
        part.with_columns(
            start_local=pl.col("start_at").dt.convert_time_zone(zone).dt.replace_time_zone(None),
            end_local=pl.col("end_at").dt.convert_time_zone(zone).dt.replace_time_zone(None),
        )
        for (zone,), part in rows.with_row_index("order").partition_by("zone", as_dict=True).items()
    ]
    if not parts:
        no_time = pl.lit(None, pl.Datetime("us"))
        return rows.with_columns(start_local=no_time, end_local=no_time)
    return pl.concat(parts).sort("order").drop("order")


def conform_exceptions(frame: AnyFrame | None, people: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Return exceptions with name, team, zone, start_local and end_local of their agents.

    Raises:
        InputError: the frame lacks a column.
    """
    rows = select_columns(frame, EXCEPTION_COLUMNS, "exceptions")
    named = rows.join(people, on="agent_id", how="left", maintain_order="left")
    return add_local_times(
        named.with_columns(pl.col("name").fill_null(pl.col("agent_id")), pl.col("zone").fill_null(timezone))
    )


def select_day_slices(
    slices: AnyFrame | None, by_agent_day: pl.DataFrame, people: pl.DataFrame
) -> pl.DataFrame:
    """Select the slices of the days with most controllable time, with workday and local times.

    At most `MAX_DAYS_DRAWN` days, of one agent `MAX_DAYS_DRAWN_PER_AGENT`. A shift is drawn whole, on the day on which
    it starts.

    Raises:
        InputError: the slices lack a column.
    """
    worst = (
        by_agent_day.filter(pl.col("controllable_s") > 0)
        .sort("controllable_s", "agent_id", "workday", descending=[True, False, False])
        .filter(pl.int_range(pl.len()).over("agent_id") < MAX_DAYS_DRAWN_PER_AGENT)
        .head(MAX_DAYS_DRAWN)
        .select("agent_id", "workday", "controllable_s")
    )
    rows = slices.lazy() if slices is not None else pl.LazyFrame(schema=SLICE_COLUMNS)
    # Only these agents' slices are collected: of a month there are millions.
    of_agents = rows.join(worst.lazy().select("agent_id").unique(), on="agent_id", how="semi")
    scheduled = (
        select_columns(of_agents, SLICE_COLUMNS, "slices")
        .filter(pl.col("activity").is_not_null())
        .sort("agent_id", "start_at")
    )
    starts_shift = pl.col("start_at") - pl.col("end_at").shift(1) > SHIFT_GAP
    shifts = (
        scheduled.join(people.select("agent_id", "zone"), on="agent_id", how="left", maintain_order="left")
        .with_columns(shift=starts_shift.fill_null(True).over("agent_id").cum_sum())
        .with_columns(first_at=pl.col("start_at").first().over("shift"))
    )
    starts = shifts.select("shift", "zone", start_at="first_at", end_at="first_at").unique(
        "shift", maintain_order=True
    )
    workdays = add_local_times(starts).select("shift", workday=pl.col("start_local").dt.date())
    return add_local_times(
        shifts.join(workdays, on="shift", how="left", maintain_order="left")
        .join(worst, on=["agent_id", "workday"], how="inner", maintain_order="left")
        .drop("shift", "first_at")
    )
