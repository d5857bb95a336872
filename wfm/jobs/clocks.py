"""How far the clocks of the sources are apart: estimate it from what is stored, and keep what is to be put right."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wfm import schema
from wfm.engine import skew
from wfm.engine.clocks import offsets
from wfm.errors import NoDataError, UsageError
from wfm.jobs.scoring import with_defaults
from wfm.jobs.when import Window, bounds
from wfm.storage.reader import Reader
from wfm.words import worded

AROUND = timedelta(seconds=skew.BOUND_S)
SHIFTED = ("agent_state", "call_leg")
"""The tables whose instants are by the clock of their source."""


def estimate(known: Reader, window: Window, timezone: str) -> pl.DataFrame:
    """Estimate from the rows as they are stored, whatever is put right when scoring; columns as `skew.skew`.

    Raises:
        NoDataError: there are no calls, or no states.
    """
    span = bounds(window, timezone)
    answered = pl.col("answered_at")
    columns = ["source", "leg_id", "login", "direction", "answered_at", "ended_at"]
    legs = known.table("call_leg", span=span, columns=columns).filter(answered >= span[0], answered < span[1])
    states = known.states((span[0] - AROUND, span[1] + AROUND))
    for name, rows in (("answered calls", legs), ("agent states", states)):
        if rows.is_empty():
            raise NoDataError(
                f"No {name} are known from {window[0]} to {window[1]}: clocks are compared by events in both logs."
            )
    return skew.skew(
        call_leg=legs,
        agent_state=states,
        state_map=with_defaults("state_map", known.table("state_map")),
        login=known.table("login"),
        timezone=timezone,
    )


def to_put_right(
    found: pl.DataFrame, clock: pl.DataFrame, timezone: str, by: str, reference: str | None
) -> pl.DataFrame:
    """Make the rows of table clock that estimates call for, one a source and local day.

    One clock of each pair is taken for right: the state log's, as states are what is scored, or ``reference``. A day
    whose interval holds 0 needs no row; one that says otherwise by now is replaced by an offset of 0. Of several
    logs to compare with, the one with most pairs counts.

    Raises:
        UsageError: no estimate is about the reference.
    """
    states_right = pl.lit(True) if reference is None else pl.col("state_source") == reference
    compared = found.filter(pl.col("skew_s").is_not_null(), pl.col("call_source") != pl.col("state_source"))
    if reference is not None:
        compared = compared.filter((pl.col("call_source") == reference) | states_right)
        if compared.is_empty():
            raise UsageError(f"--reference {reference}: no clock was compared with that source's.")
    start = pl.col("day").cast(pl.Datetime("us"))
    differs = (pl.col("low_s") > 0) | (pl.col("high_s") < 0)
    other = pl.when(states_right).then(pl.col("state_source")).otherwise("call_source")
    said = worded(
        "compared with {}: {} s, {} to {} s, from {} pairs ({})",
        other,
        "skew_s",
        pl.col("low_s").round(3),
        pl.col("high_s").round(3),
        "pairs",
        "method",
    )
    rows = (
        compared.sort("pairs", maintain_order=True)
        .with_columns(
            source=pl.when(states_right).then(pl.col("call_source")).otherwise("state_source"),
            offset_s=pl.when(states_right).then(-pl.col("skew_s")).otherwise("skew_s"),
            from_at=_midnight(start, timezone),
            to_at=_midnight(start.dt.offset_by("1d"), timezone),
            differs=differs,
            by=pl.lit(by),
            note=said,
        )
        .unique(["source", "day"], keep="last", maintain_order=True)
        .sort("source", "day")
    )
    there = clock.filter(pl.col("offset_s") != 0).select("source", "from_at").with_columns(known=pl.lit(True))
    held = rows.join(there, on=["source", "from_at"], how="left", nulls_equal=True, maintain_order="left")
    return (
        held.filter(pl.col("differs") | pl.col("known"))
        .with_columns(offset_s=pl.when("differs").then(pl.col("offset_s").round(3)).otherwise(0.0))
        .select(list(schema.table("clock").own))
    )


def _midnight(local: pl.Expr, timezone: str) -> pl.Expr:
    """Give the first instant of a local day; where midnight does not exist, an hour later."""
    first, next_ = (
        at.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        for at in (local, local.dt.offset_by("1h"))
    )
    return pl.coalesce(first, next_).dt.convert_time_zone("UTC")


def say_shifts(rows: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Say behind a raw row by how much it is read earlier: its ``what`` gets longer.

    Args:
        rows: table source at what, as `wfm.jobs.explaining.raw_rows` makes them.
        clock: as in the table.
    """
    if clock.is_empty() or rows.is_empty():
        return rows
    ahead = offsets(rows, clock, pl.col("at")) / 1_000_000
    shifted = pl.col("table").is_in(SHIFTED) & (ahead != 0)
    said = worded("{} (its clock: {} s, taken off)", pl.col("what").fill_null(""), pl.lit(ahead.round(3)))
    return rows.with_columns(what=pl.when(shifted).then(said).otherwise("what"))
