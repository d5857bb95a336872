"""Read what `wfm.engine.reconcile` holds against each other, and where a call log is known to be missing."""

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
"""Feeds that bring calls."""


def around(window: Window, timezone: str) -> Span:
    """Give the span to read: a day more on either side, as labels may be off and handling goes on."""
    start, end = bounds(window, timezone)
    return start - DAY, end + DAY


def compare(
    known: Reader,
    window: Window,
    timezone: str,
    *,
    queues: list[str] | None,
    state: pl.DataFrame | None,
    state_delay: timedelta,
) -> Reconciliation:
    """Reconcile what is stored of a window.

    Args:
        known: what is known.
        window: which intervals.
        timezone: of days.
        queues: only these; None: all.
        state: slices around the window.
        state_delay: by how much states are told late at most.

    Raises:
        NoDataError: there are no buckets and no calls, or nobody knows a queue.
    """
    check_names(known, "queue", queues or ())
    wide = around(window, timezone)
    legs, buckets = known.table("call_leg", span=wide), known.table("interval_volume", span=wide)
    legs = put_right(legs, known.table("clock"), ["started_at", "answered_at", "ended_at"])
    if queues is not None:
        buckets = buckets.filter(pl.col("queue_id").is_in(queues))
    found = reconcile(
        window=bounds(window, timezone),
        call_leg=legs,
        interval_volume=buckets,
        state=state,
        login=known.table("login"),
        gap=gaps(known.table("collection"), wide),
        timezone=timezone,
        state_delay=state_delay,
    )
    chosen = found if queues is None else found.of(queues)
    if chosen.by([]).is_empty():
        raise NoDataError(f"No interval volume and no calls are known from {window[0]} to {window[1]}.")
    return chosen


def gaps(collection: pl.DataFrame, span: Span) -> pl.DataFrame:
    """List the spans that no complete collection of calls covers: source start_at end_at.

    Only of sources that are collected; a file covers what it covers, and nobody said what that is.

    Args:
        collection: the ledger.
        span: where to look.
    """
    start, end = (pl.lit(at, INSTANT) for at in span)
    collected = collection.filter(
        pl.col("origin") == "collect", pl.col("feed").is_in(CALLS), pl.col("from_at").is_not_null()
    )
    sources = collected.select("source").unique()
    whole = collected.filter(pl.col("result") == "complete").select("source", "from_at", "to_at")
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
