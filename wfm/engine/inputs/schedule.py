"""Resolve schedule rows into segments, shifts and workdays."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from wfm.core import glossary
from wfm.core.time import local_date, to_microseconds
from wfm.engine.time.axis import Axis, resolve_overlaps
from wfm.engine.time.codes import CATEGORY_ENUM

MAX_GAP_WITHIN_SHIFT = timedelta(seconds=glossary.SHIFT_GAP_S)
"""Segments of one agent with a longer gap between them belong to different shifts."""
MIN_SEPARATE_SEGMENT = timedelta(hours=8)
"""A segment that is not counted and lasts this long is a shift of its own.

Otherwise a fortnight of holidays, or rows that say "unavailable" from one shift to the next, would join all shifts into
one."""


def select_rows_in_force(
    schedule: pl.DataFrame, zone_of: pl.DataFrame, as_of: datetime | None
) -> pl.DataFrame:
    """Return the schedule rows in force as of an instant.

    A publication replaces earlier ones on whole workdays, and every earlier shift that it overlaps.

    ::

        published 1 Mar    |---- Mon ----|   |---- Tue ----|
        published 2 Mar                      |-- Tue --|
        in force           |---- Mon ----|   |-- Tue --|

    Args:
        schedule: agent, start_at, end_at, activity, counted, published_at (null: earlier than all others).
        zone_of: agent, zone.
        as_of: ignore publications after this instant; None: use all.
    """
    if as_of is not None:
        schedule = schedule.filter(pl.col("published_at").is_null() | (pl.col("published_at") <= as_of))
    # most agents have one publication only: for them nothing needs to be numbered or compared
    several = schedule.group_by("agent").agg(pl.col("published_at").n_unique() > 1).filter("published_at")
    if several.is_empty():
        return schedule
    rows = add_workday(
        schedule.with_row_index("arrival").join(several.select("agent"), on="agent", how="semi"), zone_of
    )
    shifts = rows.group_by("agent", "published_at", "number", "workday").agg(
        pl.col("start_at").min(), pl.col("end_at").max()
    )
    return (
        schedule.with_row_index("arrival")
        .join(
            _find_replaced_shifts(shifts).join(rows, on="number").select("arrival"), on="arrival", how="anti"
        )
        .drop("arrival")
    )


def add_workday(schedule: pl.DataFrame, zone_of: pl.DataFrame) -> pl.DataFrame:
    """Add the ``number`` of the shift, which differs from publication to publication, and the shift's ``workday``."""
    rows = schedule.sort("agent", "published_at", "start_at", "end_at", nulls_last=False).join(
        zone_of, on="agent", how="left", maintain_order="left"
    )
    publication = ["agent", "published_at"]
    # running maximum: a short row inside a long one does not end the shift
    end = pl.col("end_at").cum_max().over(publication)
    gap = (pl.col("start_at") - end.shift(1).over(publication)) > MAX_GAP_WITHIN_SHIFT
    long = ~pl.col("counted") & (pl.col("end_at") - pl.col("start_at") >= MIN_SEPARATE_SEGMENT)
    begins = gap | (long != long.shift(1).over(publication))
    rows = rows.with_columns(number=begins.fill_null(True).cum_sum())
    zones = zone_of["zone"].unique().to_list()
    first = pl.col("start_at").min().over("number")
    return rows.with_columns(workday=local_date(first, pl.col("zone"), zones)).drop("zone")


def _find_replaced_shifts(shifts: pl.DataFrame) -> pl.DataFrame:
    """Find shifts for which a later publication has one on the same workday or at an overlapping time."""
    later = shifts.select(
        "agent",
        pl.col("workday").alias("later_workday"),
        later=pl.col("published_at"),
        later_start=pl.col("start_at"),
        later_end=pl.col("end_at"),
    )
    # overlapping shifts start at most one local day apart: joining by neighbouring days avoids comparing all with all
    near = later.with_columns(
        workday=pl.concat_list(pl.col("later_workday").dt.offset_by(f"{d}d") for d in (-1, 0, 1))
    ).explode("workday")
    newer = pl.col("later").is_not_null() & (
        pl.col("published_at").is_null() | (pl.col("published_at") < pl.col("later"))
    )
    same = pl.col("workday") == pl.col("later_workday")
    overlap = (pl.col("later_start") < pl.col("end_at")) & (pl.col("later_end") > pl.col("start_at"))
    return shifts.join(near, on=["agent", "workday"]).filter(newer, same | overlap).select("number").unique()


def build_segments(
    schedule: pl.DataFrame, activity: pl.DataFrame, zone_of: pl.DataFrame, axis: Axis
) -> pl.DataFrame:
    """Return the segments of a schedule: nested rows resolved, adjoining rows joined, shifts numbered.

    Args:
        schedule: agent, start_at, end_at, activity, in order of arrival.
        activity: activity, category (Enum CATEGORY), counted, paid, shrinkage.
        zone_of: agent, zone.
        axis: the axis of the keys.

    Returns:
        segment (1, 2, …; 0 stands for nothing scheduled), key, key_end, agent, activity, category, counted, paid,
        shrinkage, shift (1, 2, …), shift_key, shift_end, workday; in order of key.
    """
    names = activity["activity"].to_list()
    spans = schedule.select(
        key=axis.encode_key(pl.col("agent"), pl.col("start_at")),
        key_end=axis.encode_key(pl.col("agent"), pl.col("end_at")),
        activity=pl.col("activity").cast(pl.Enum(names)),
    )
    change = (pl.col("activity") != pl.col("activity").shift(1)) | (
        pl.col("key") != pl.col("key_end").shift(1)
    )
    # adjoining rows of one activity are one segment, so that how a file splits them changes nothing
    rows = (
        resolve_overlaps(spans, "activity")
        .with_columns(segment=change.fill_null(True).cum_sum().cast(pl.Int32))
        .group_by("segment", maintain_order=True)
        .agg(pl.col("key").first(), pl.col("key_end").last(), pl.col("activity").first())
        .join(
            activity.with_columns(pl.col("activity").cast(pl.Enum(names))),
            on="activity",
            how="left",
            maintain_order="left",
        )
    )
    long = ~pl.col("counted") & (pl.col("key_end") - pl.col("key") >= to_microseconds(MIN_SEPARATE_SEGMENT))
    begins = (
        (pl.col("key") - pl.col("key_end").shift(1) > to_microseconds(MAX_GAP_WITHIN_SHIFT))
        | (pl.col("key") // axis.agent_width != pl.col("key").shift(1) // axis.agent_width)
        | long
        | long.shift(1)
    )
    rows = rows.with_columns(shift=begins.fill_null(True).cum_sum().cast(pl.Int32))
    zones = zone_of["zone"].unique().to_list()
    shifts = (
        rows.group_by("shift", maintain_order=True)
        .agg(shift_key=pl.col("key").first(), shift_end=pl.col("key_end").last())
        .with_columns(agent=axis.decode_agent(pl.col("shift_key")))
        .join(zone_of, on="agent", how="left", maintain_order="left")
        .with_columns(workday=local_date(axis.decode_instant(pl.col("shift_key")), pl.col("zone"), zones))
    )
    return rows.join(shifts.drop("zone"), on="shift", how="left", maintain_order="left").select(
        "segment",
        "key",
        "key_end",
        "agent",
        "activity",
        pl.col("category").cast(CATEGORY_ENUM),
        "counted",
        "paid",
        "shrinkage",
        "shift",
        "shift_key",
        "shift_end",
        "workday",
    )
