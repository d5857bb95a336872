"""Estimate clock skew between sources from stored rows, and build the corrections for table clock."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wfm.analysis.load import append_to_defaults
from wfm.analysis.time_args import TimeWindow, compute_window_bounds
from wfm.core import schema
from wfm.core.errors import NoDataError, UsageError
from wfm.core.text import fill_sentence
from wfm.engine.inputs.clock_offsets import find_clock_offsets
from wfm.engine.reconcile import clock_skew
from wfm.storage.reader import DatabaseReader

PAIRING_MARGIN = timedelta(seconds=clock_skew.MAX_SKEW_S)
"""How far either side of the window states are read, to pair with calls at its edges."""
CLOCK_TABLES = ("agent_state", "call_leg")
"""The tables whose instants are by the clock of their source."""


def estimate_stored_skew(reader: DatabaseReader, window: TimeWindow, timezone: str) -> pl.DataFrame:
    """Estimate the clock skew of a window's rows as stored, without the corrections of table clock.

    Returns:
        One row per call_source, state_source and day; columns as in `Centre.skew`.

    Raises:
        NoDataError: the window has no answered calls, or no agent states.
    """
    span = compute_window_bounds(window, timezone)
    answered = pl.col("answered_at")
    columns = ["source", "leg_id", "login", "direction", "answered_at", "ended_at"]
    legs = reader.read_table("call_leg", span=span, columns=columns).filter(
        answered >= span[0], answered < span[1]
    )
    states = reader.read_states((span[0] - PAIRING_MARGIN, span[1] + PAIRING_MARGIN))
    for name, rows in (("answered calls", legs), ("agent states", states)):
        if rows.is_empty():
            raise NoDataError(
                f"No {name} are known from {window[0]} to {window[1]}: clock skew is estimated from events that are in "
                "both logs."
            )
    return clock_skew.estimate_clock_skew(
        call_leg=legs,
        agent_state=states,
        state_map=append_to_defaults("state_map", reader.read_table("state_map")),
        login=reader.read_table("login"),
        timezone=timezone,
    )


def build_clock_corrections(
    estimates: pl.DataFrame, clock: pl.DataFrame, timezone: str, by: str, reference: str | None
) -> pl.DataFrame:
    """Build the rows of table clock that correct the estimated skew, one per source and local day.

    One clock of each pair is taken to be right: the state log's, as states are what is scored, or the reference's. A
    day whose confidence interval contains 0 needs no correction; where one is stored, it is replaced by an offset of 0.
    If a source was compared with several logs, the one with the most pairs counts.

    Args:
        estimates: the estimates, from `estimate_stored_skew`.
        clock: the stored rows of table clock.
        timezone: whose days they are.
        by: who decides; stored with the rows.
        reference: the source whose clock is right; None: the state logs.

    Returns:
        The columns of table clock: source offset_s (seconds by which its clock is ahead) from_at to_at by note.

    Raises:
        UsageError: no estimate involves the reference.
    """
    states_right = pl.lit(True) if reference is None else pl.col("state_source") == reference
    compared = estimates.filter(
        pl.col("skew_s").is_not_null(), pl.col("call_source") != pl.col("state_source")
    )
    if reference is not None:
        compared = compared.filter((pl.col("call_source") == reference) | states_right)
        if compared.is_empty():
            raise UsageError(f"--reference {reference}: no other clock could be compared with that source's.")
    start = pl.col("day").cast(pl.Datetime("us"))
    differs = (pl.col("low_s") > 0) | (pl.col("high_s") < 0)
    other = pl.when(states_right).then(pl.col("state_source")).otherwise("call_source")
    note = fill_sentence(
        "compared with {}: {} s, {} to {} s, from {} pairs ({})",
        other,
        "skew_s",
        pl.col("low_s").round(3),
        pl.col("high_s").round(3),
        "pairs",
        "method",
    )
    rows = (
        # Sorted by pairs, so that `unique` keeps the estimate with the most of them.
        compared.sort("pairs", maintain_order=True)
        .with_columns(
            source=pl.when(states_right).then(pl.col("call_source")).otherwise("state_source"),
            offset_s=pl.when(states_right).then(-pl.col("skew_s")).otherwise("skew_s"),
            from_at=_compute_local_midnight(start, timezone),
            to_at=_compute_local_midnight(start.dt.offset_by("1d"), timezone),
            differs=differs,
            by=pl.lit(by),
            note=note,
        )
        .unique(["source", "day"], keep="last", maintain_order=True)
        .sort("source", "day")
    )
    # A stored correction that the estimate no longer supports is replaced by an offset of 0.
    stored = clock.filter(pl.col("offset_s") != 0).select("source", "from_at", stored=pl.lit(True))
    joined = rows.join(stored, on=["source", "from_at"], how="left", nulls_equal=True, maintain_order="left")
    return (
        joined.filter(pl.col("differs") | pl.col("stored"))
        .with_columns(offset_s=pl.when("differs").then(pl.col("offset_s").round(3)).otherwise(0.0))
        .select(list(schema.get_table("clock").own_columns))
    )


def _compute_local_midnight(local: pl.Expr, timezone: str) -> pl.Expr:
    """Return the first instant of a local day; where the clock change skips midnight, 01:00 local time."""
    first, next_ = (
        at.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        for at in (local, local.dt.offset_by("1h"))
    )
    return pl.coalesce(first, next_).dt.convert_time_zone("UTC")


def append_clock_offsets(rows: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Append to the text of stored rows the clock offset that is subtracted from them when scoring.

    Args:
        rows: stored rows with table source at what.
        clock: the rows of table clock.

    Returns:
        The same rows, with ``what`` extended where the source's clock was ahead or behind.
    """
    if clock.is_empty() or rows.is_empty():
        return rows
    ahead_s = find_clock_offsets(rows, clock, pl.col("at")) / 1_000_000
    shifted = pl.col("table").is_in(CLOCK_TABLES) & (ahead_s != 0)
    text = fill_sentence(
        "{} (clock offset {} s, subtracted)", pl.col("what").fill_null(""), pl.lit(ahead_s.round(3))
    )
    return rows.with_columns(what=pl.when(shifted).then(text).otherwise("what"))
