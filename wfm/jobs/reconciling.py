"""Reconcile stored interval volume, call log and agent states, and find the gaps of a collected call log."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.clocks import put_right
from wfm.engine.reconcile import Reconciliation, reconcile
from wfm.errors import NoDataError
from wfm.jobs.scoring import check_names
from wfm.jobs.when import DAY, Window, bounds
from wfm.storage.reader import Reader, Span

CALLS: Final = ("call_leg", "call_event")
"""Feeds that fill the call log."""


def around(window: Window, timezone: str) -> Span:
    """Return the span to read: a day more on either side, as labels can be off and handling goes on after a call."""
    start, end = bounds(window, timezone)
    return start - DAY, end + DAY


def compare(
    reader: Reader,
    window: Window,
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
    check_names(reader, "queue", queues or ())
    wide = around(window, timezone)
    legs, buckets = reader.table("call_leg", span=wide), reader.table("interval_volume", span=wide)
    legs = put_right(legs, reader.table("clock"), ["started_at", "answered_at", "ended_at"])
    if queues is not None:
        buckets = buckets.filter(pl.col("queue_id").is_in(queues))
    found = reconcile(
        window=bounds(window, timezone),
        call_leg=legs,
        interval_volume=buckets,
        state=state,
        login=reader.table("login"),
        gap=gaps(reader.table("collection"), wide),
        timezone=timezone,
        state_delay=state_delay,
    )
    chosen = found if queues is None else found.of(queues)
    if chosen.by([]).is_empty():
        raise NoDataError(f"No interval volume and no calls are known from {window[0]} to {window[1]}.")
    return chosen


def gaps(collection: pl.DataFrame, span: Span) -> pl.DataFrame:
    """Return the spans that no complete collection of calls covers: source start_at end_at.

    Imported call logs have none: a file does not say which time it covers.

    Args:
        collection: the rows of table collection.
        span: the time to search.
    """
    start, end = (pl.lit(at, INSTANT) for at in span)
    collected = collection.filter(
        pl.col("origin") == "collect", pl.col("feed").is_in(CALLS), pl.col("from_at").is_not_null()
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
