"""Group scores, and cut slices so that each lies in one group.

Every second lies in exactly one group of any list of names, and sums are whole microseconds: adding up the rows of a
finer table gives the coarser one exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.errors import UsageError
from wfm.engine.adherence.exceptions import assign_unscheduled_workdays
from wfm.engine.time.axis import (
    Axis,
    build_layer,
    find_run_end,
    find_run_start,
    gather_rows,
    overlay_layers,
    overlay_rows,
    resolve_overlaps,
    spans_to_steps,
)
from wfm.engine.time.codes import is_logged_in, is_queue_state, is_state_among

AGENT_COLUMNS: Final = ("name", "team", "site")
GROUPINGS: Final = (
    "agent_id",
    *AGENT_COLUMNS,
    "queue_id",
    "workday",
    "week",
    "month",
    "interval_start",
    "activity",
    "category",
    "shift_start_at",
)
"""Columns that scores can be grouped by; a week is named by its Monday, a month by its first day."""

GROUPING_ALIASES: Final = {"agent": "agent_id", "queue": "queue_id", "interval": "interval_start"}
"""Short names of some of `GROUPINGS`."""

CUTTING_GROUPINGS: Final = ("queue_id", "interval_start")
"""The groupings that may change within a segment, so that slices are cut for them."""


def parse_groupings(by: str | Sequence[str]) -> list[str]:
    """Return the groupings that names or short names mean, each once.

    Raises:
        UsageError: a name is in neither `GROUPINGS` nor `GROUPING_ALIASES`.
    """
    found = [GROUPING_ALIASES.get(name, name) for name in ([by] if isinstance(by, str) else by)]
    for name in found:
        if name not in GROUPINGS:
            raise UsageError(
                f"Cannot group by {name!r}; choose from: {', '.join((*GROUPINGS, *GROUPING_ALIASES))}."
            )
    return list(dict.fromkeys(found))


def cut_at_call_legs(slices: pl.DataFrame, legs: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Cut slices where the call leg under way changes.

    Returns:
        key, key_end, row (of ``slices``), leg (row of ``legs``: of several the one answered last; null where none is).
    """
    spans = legs.select("key", "key_end", leg=pl.int_range(pl.len(), dtype=pl.Int32))
    calls = build_layer(spans_to_steps(resolve_overlaps(spans, "leg"), "leg", -1), "leg", axis, -1)
    numbers = slices.select("key", row=pl.int_range(pl.len(), dtype=pl.Int32))
    cut = overlay_layers([build_layer(numbers, "row", axis, -1), calls], axis).filter(pl.col("row") >= 0)
    return cut.with_columns(leg=pl.when(pl.col("leg") >= 0).then("leg"))


def build_segment_labels(segments: pl.DataFrame, people: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Return every grouping but `CUTTING_GROUPINGS` of each segment; the first segment is row 0."""
    return segments.join(people.drop("timezone"), on="agent", how="left", maintain_order="left").with_columns(
        pl.col("activity", "category").cast(pl.String),
        week=pl.col("workday").dt.truncate("1w"),
        month=pl.col("workday").dt.truncate("1mo"),
        shift_start_at=axis.decode_instant(pl.col("shift_key")),
    )


def assign_label_rows(
    slices: pl.DataFrame,
    segments: pl.DataFrame,
    zone_of: pl.DataFrame,
    people: pl.DataFrame,
    axis: Axis,
) -> tuple[pl.Series, pl.DataFrame]:
    """Return the row of labels of every slice, and the labels: those of the segments, then those of unscheduled time.

    Unscheduled time has one row of labels per agent and workday. A run of work belongs to one workday as a whole, as it
    does among the exceptions; so does a run in which the agent is logged in and does not work.
    """
    free_time = pl.col("segment") == 0
    work, idle = is_queue_state() & free_time, is_logged_in() & ~is_queue_state() & free_time
    runs = slices.select(
        "segment",
        slice="key",
        agent=axis.decode_agent(pl.col("key")),
        key=pl.coalesce(find_run_start(work), find_run_start(idle), "key"),
        key_end=pl.coalesce(find_run_end(work), find_run_end(idle), "key_end"),
    ).filter(free_time)
    free = runs.with_columns(workday=assign_unscheduled_workdays(runs, segments, zone_of, axis))
    days = free.select("agent", "workday").unique(maintain_order=True)
    no_segment = segments.clear().select(pl.exclude("agent", "workday"))
    empty = pl.concat([days, no_segment], how="diagonal").select(segments.columns)
    row_of_day = days.with_row_index("number", offset=segments.height).cast({"number": pl.Int32})
    numbered = free.join(row_of_day, on=["agent", "workday"]).select(key="slice", number="number")
    label_row = (
        slices.select("key", "segment")
        .join(numbered, on="key", how="left", maintain_order="left")
        .select(pl.coalesce("number", pl.col("segment") - 1))
        .to_series()
    )
    return label_row, build_segment_labels(pl.concat([segments, empty]), people, axis)


def number_groups(labelled: pl.DataFrame, by: list[str]) -> pl.Series:
    """Return a group number for every row: the index of the first row that is equal in all of ``by``."""
    first = pl.col("row").first()
    rows = labelled.with_row_index("row")
    return rows.select(first.over(by) if by else pl.col("row") * 0).to_series()


def sum_groups(
    slices: pl.DataFrame,
    labelled: pl.DataFrame,
    by: list[str],
    summing: Callable[[pl.DataFrame, list[str]], pl.DataFrame],
) -> pl.DataFrame:
    """Sum slices per group of ``by``.

    Args:
        slices: label_row (row of ``labelled``), what ``summing`` takes, and the `CUTTING_GROUPINGS` that are in ``by``.
        labelled: the other groupings.
        by: names of `GROUPINGS`.
        summing: sums a frame per group of its columns.
    """
    from_labels = [name for name in by if name not in CUTTING_GROUPINGS]
    cuts = [name for name in by if name in CUTTING_GROUPINGS]
    # grouping millions of slices by one integer is much faster than by several strings and dates
    group = number_groups(labelled, from_labels).gather(slices["label_row"])
    sums = summing(slices.with_columns(group=group), ["group", *cuts])
    named = sums.with_columns(
        *(labelled[name].gather(sums["group"]).alias(name) for name in from_labels),
        *(pl.col(name).cast(pl.String) for name in cuts if name == "queue_id"),
    )
    return named.select(*by, *(name for name in sums.columns if name not in ("group", *cuts)))


def assign_queues(slices: pl.DataFrame, legs: pl.DataFrame, day: pl.Series, axis: Axis) -> pl.DataFrame:
    """Cut slices where the queue changes and add ``queue_id``: every second belongs to one queue.

    It is the queue of the call leg under way, also for busy, hold and wrap-up that follow it without a gap; for all
    other time the queue for which the agent handled calls longest on that workday (of equals the first by name; null
    if there was none).

    ::

        call              |sales---|                 |billing|
        state     available|busy   |wrapup|available |busy   |break
        queue     sales   |sales          |sales     |billing|sales

    Args:
        slices: gap-free per agent: key, key_end, segment, state, label_row.
        legs: key, key_end, queue_id; in order of key.
        day: for each row of labels the number of its agent's workday.
        axis: the axis of the keys.
    """
    cut = cut_at_call_legs(slices, legs, axis)
    # an Enum compares integers; millions of strings would dominate the time of grouping
    names = pl.Enum(legs["queue_id"].drop_nulls().unique().sort())
    rows = pl.concat([cut.drop("row"), slices.drop("key", "key_end")[cut["row"]]], how="horizontal")
    agent = pl.col("key") // axis.agent_width
    # wrap-up belongs to the queue of its call; so does talking that goes on after the recorded leg
    follows = is_state_among(glossary.HANDLING_STATES) & (agent == agent.shift(1)).fill_null(False)
    # -1 ends the fill: time that does not follow a call belongs to no leg
    last_leg = pl.coalesce("leg", pl.when(~follows).then(-1)).forward_fill()
    leg = rows.select(pl.when(last_leg >= 0).then(last_leg)).to_series()
    rows = rows.with_columns(
        queue_id=legs["queue_id"].cast(names).gather(leg), day=day.gather(rows["label_row"])
    ).drop("leg")
    main = (
        rows.filter(pl.col("queue_id").is_not_null(), (pl.col("segment") > 0) | is_logged_in())
        .group_by("day", "queue_id")
        .agg(length=(pl.col("key_end") - pl.col("key")).sum())
        .sort("length", "queue_id", descending=[True, False])
        .unique("day", keep="first", maintain_order=True)
        .select("day", main="queue_id")
    )
    return (
        rows.join(main, on="day", how="left", maintain_order="left")
        .with_columns(queue_id=pl.coalesce("queue_id", "main"))
        .drop("day", "main")
    )


def add_queue_id(rows: pl.DataFrame, queued: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Cut rows, disjoint and in order of key, where the queue changes, and add ``queue_id``.

    Args:
        rows: key, key_end and any other columns.
        queued: as from `assign_queues`.
        axis: the axis of the keys.
    """
    cut = overlay_rows({"row": rows, "slice": queued}, axis).filter(pl.col("row") >= 0)
    queue = gather_rows(queued["queue_id"], cut["slice"])
    facts = rows.drop("key", "key_end")[cut["row"]]
    return pl.concat([cut.select("key", "key_end"), facts], how="horizontal").with_columns(queue_id=queue)


def aggregate_sums(summed: pl.DataFrame, by: list[str], sums: Sequence[str]) -> pl.DataFrame:
    """Add up sums per group, in order of ``by``; without ``by`` into one row, even where there are no rows."""
    if not by:
        return summed.select(pl.col(sums).sum())
    return summed.group_by(by).agg(pl.col(sums).sum()).sort(by, nulls_last=True)
