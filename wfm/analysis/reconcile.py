"""Reconcile stored interval volume, call log and agent states, and find gaps in a collected call log."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from wfm.analysis.load import check_names_exist
from wfm.analysis.time_args import ONE_DAY, TimeWindow, compute_window_bounds
from wfm.core.errors import NoDataError
from wfm.core.time import INSTANT
from wfm.engine.inputs.clock_offsets import correct_clock_offsets
from wfm.engine.reconcile.reconcile import Reconciliation, reconcile_intervals
from wfm.storage.reader import DatabaseReader, TimeSpan

CALL_FEEDS: Final = ("call_leg", "call_event")
"""Feeds that fill the call log."""


def widen_window(window: TimeWindow, timezone: str) -> TimeSpan:
    """Return the span to read: a day more on either side, as labels can be off and handling goes on after a call."""
    start, end = compute_window_bounds(window, timezone)
    return start - ONE_DAY, end + ONE_DAY


def reconcile_stored_window(
    reader: DatabaseReader,
    window: TimeWindow,
    timezone: str,
    *,
    queues: list[str] | None,
    state: pl.DataFrame | None,
    state_delay: timedelta,
) -> Reconciliation:
    """Reconcile what is stored of a window.

    Args:
        reader: the database.
        window: the intervals to compare.
        timezone: of local days.
        queues: only these; None: all.
        state: the slices of the window and a day around it; None: states are not compared.
        state_delay: the longest time by which a source reports states late.

    Raises:
        NoDataError: there is no interval volume and there are no calls, or a queue does not exist.
    """
    check_names_exist(reader, "queue", queues or ())
    wide = widen_window(window, timezone)
    legs = reader.read_table("call_leg", span=wide)
    volume = reader.read_table("interval_volume", span=wide)
    # Uncorrected, a clock that is ahead would move calls into other intervals.
    legs = correct_clock_offsets(legs, reader.read_table("clock"), ["started_at", "answered_at", "ended_at"])
    if queues is not None:
        volume = volume.filter(pl.col("queue_id").is_in(queues))
    found = reconcile_intervals(
        window=compute_window_bounds(window, timezone),
        call_leg=legs,
        interval_volume=volume,
        state=state,
        login=reader.read_table("login"),
        gap=find_call_log_gaps(reader.read_table("collection"), wide),
        timezone=timezone,
        state_delay=state_delay,
    )
    chosen = found if queues is None else found.select_queues(queues)
    if chosen.sum_accounts([]).is_empty():
        raise NoDataError(f"No interval volume and no calls are known from {window[0]} to {window[1]}.")
    return chosen


def find_call_log_gaps(collection: pl.DataFrame, span: TimeSpan) -> pl.DataFrame:
    """Return the spans that no complete collection of calls covers: source start_at end_at.

    Imported call logs have none: a file does not say which time it covers.

    Args:
        collection: the rows of table collection.
        span: the time to search.
    """
    start, end = (pl.lit(at, INSTANT) for at in span)
    collected = collection.filter(
        pl.col("origin") == "collect", pl.col("feed").is_in(CALL_FEEDS), pl.col("from_at").is_not_null()
    )
    sources = collected.select("source").unique()
    whole = collected.filter(pl.col("result") == "complete").select("source", "from_at", "to_at")
    # An empty collection at either end turns a gap before the first or after the last one into a gap between two.
    edges = [sources.select("source", from_at=at, to_at=at) for at in (start, end)]
    return (
        pl.concat([*edges, whole])
        .sort("source", "from_at", "to_at")
        .with_columns(start_at=pl.col("to_at").cum_max().shift(1).over("source"))
        .select(
            "source",
            start_at=pl.max_horizontal("start_at", start),
            end_at=pl.min_horizontal("from_at", end),
        )
        .filter(pl.col("end_at") > pl.col("start_at"))
    )
