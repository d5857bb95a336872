"""Select the time that some definition of adherence may count, and attribute each part of it to a segment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.core.time import to_microseconds
from wfm.engine.adherence.exceptions import assign_unscheduled_workdays
from wfm.engine.time.axis import (
    Axis,
    build_layer,
    find_run_end,
    find_run_start,
    merge_spans,
    overlay_layers,
    spans_to_steps,
)
from wfm.engine.time.codes import LOGGED_OUT_CODE, is_queue_state

SHIFT_REACH_US = to_microseconds(timedelta(hours=2))
"""Ready time at most so far from a shift belongs to it, in definitions that count it."""
AGENT_WORKDAY_KEY = ["agent", "workday"]


@dataclass(frozen=True)
class CountedTime:
    """Scheduled time, and the work outside of it, on workdays that have a schedule.

    ``rows``, in order of key and disjoint: the columns of the slices, and

    - segment: of scheduled time its segment; of other time the counted segment of the same workday that began last
      before the work, or else the first: so that every sum can be grouped like segments;
    - segment_key, segment_end, activity, agent, workday: of that segment; scheduled: whether the time lies in it;
    - state_known: counted, and the state is not unknown;
    - near: outside of the schedule, and at most 2 h from a shift;
    - planned: the agent has such time on this workday; present: was logged in for some of it, or worked
      outside of it. Both apply to whole workdays, whatever the window.
    """

    rows: pl.DataFrame
    axis: Axis


def build_counted_time(
    slices: pl.DataFrame, segments: pl.DataFrame, zone_of: pl.DataFrame, axis: Axis
) -> CountedTime:
    """Return the slices that some definition may count.

    Args:
        slices: as from `wfm.engine.adherence.classify.apply_call_rules`; further columns are kept.
        segments: as from `wfm.engine.inputs.schedule.build_segments`.
        zone_of: agent, zone.
        axis: the axis of the keys.
    """
    # both parts get the same columns, so that a definition need not know which part a row is from
    within = slices.filter(pl.col("segment") > 0).with_columns(scheduled=True, near=False)
    outside = _select_unscheduled_work(slices, segments, zone_of, axis)
    described = segments.select(
        "segment",
        "agent",
        "workday",
        pl.col("activity").cast(pl.String),
        segment_key="key",
        segment_end="key_end",
    )
    rows = pl.concat([within, outside.select(within.columns)]).sort("key")
    rows = rows.join(described, on="segment", how="left", maintain_order="left").with_columns(
        state_known=(pl.col("counted") & (pl.col("class") != "unknown")).fill_null(False)
    )
    logged_in = pl.col("state_known") & (pl.col("state") != LOGGED_OUT_CODE)
    rows = rows.with_columns(
        planned=pl.col("state_known").any().over(AGENT_WORKDAY_KEY),
        present=(logged_in | ~pl.col("scheduled")).any().over(AGENT_WORKDAY_KEY),
    )
    return CountedTime(rows, axis)


def _select_unscheduled_work(
    slices: pl.DataFrame, segments: pl.DataFrame, zone_of: pl.DataFrame, axis: Axis
) -> pl.DataFrame:
    """Return work with nothing scheduled, cut 2 h from a shift; ``segment`` is the one it is attributed to."""
    work = is_queue_state() & (pl.col("segment") == 0)
    found = slices.with_columns(run_start=find_run_start(work), run_end=find_run_end(work)).filter(
        pl.col("run_start").is_not_null()
    )
    runs = found.select(agent=axis.decode_agent(pl.col("run_start")), key="run_start", key_end="run_end")
    runs = runs.with_columns(assign_unscheduled_workdays(runs, segments, zone_of, axis))
    counted = segments.filter("counted")
    attributed = (
        runs.join_asof(
            counted.select(*AGENT_WORKDAY_KEY, key="key", before="segment"),
            on="key",
            by=AGENT_WORKDAY_KEY,
            check_sortedness=False,
        )
        .join_asof(
            counted.select(*AGENT_WORKDAY_KEY, key="key", after="segment"),
            on="key",
            by=AGENT_WORKDAY_KEY,
            strategy="forward",
            check_sortedness=False,
        )
        .select(segment=pl.coalesce("before", "after"))
    )
    found = found.drop("segment").with_columns(attributed["segment"], scheduled=False)
    found = found.filter(pl.col("segment").is_not_null())
    # cut where the surroundings of a shift begin or end, so that ``near`` applies to whole rows
    numbers = build_layer(
        spans_to_steps(found.select("key", "key_end", row=_row_number()), "row", -1), "row", axis, -1
    )
    reach = build_layer(
        spans_to_steps(_build_shift_surroundings(counted, axis), "near", False), "near", axis, False
    )
    cut = overlay_layers([numbers, reach], axis).filter(pl.col("row") >= 0)
    return pl.concat([cut.drop("row"), found.drop("key", "key_end")[cut["row"]]], how="horizontal")


def _row_number() -> pl.Expr:
    return pl.int_range(pl.len(), dtype=pl.Int32)


def _build_shift_surroundings(counted: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Return the time up to 2 h around every shift that has counted segments: key, key_end, near."""
    # within the keys of the same agent: 2 h before the axis begins would be the time of another agent
    base = pl.col("shift_key") - pl.col("shift_key") % axis.agent_width
    spans = counted.select(
        key=pl.max_horizontal(base, pl.col("shift_key") - SHIFT_REACH_US),
        key_end=pl.min_horizontal(
            base + (axis.end_us - axis.origin_us), pl.col("shift_end") + SHIFT_REACH_US
        ),
    )
    return merge_spans(spans).with_columns(near=True)


def split_rows_at(rows: pl.DataFrame, at: pl.Expr) -> pl.DataFrame:
    """Split rows ``key, key_end`` in two where the key ``at`` lies inside; null: nowhere."""
    inside = at.fill_null(pl.col("key")).clip(pl.col("key"), pl.col("key_end"))
    rows = rows.with_columns(cut=inside)
    before = rows.with_columns(key_end="cut")
    return (
        pl.concat([before, rows.with_columns(key="cut")])
        .filter(pl.col("key") < pl.col("key_end"))
        .sort("key")
        .drop("cut")
    )
