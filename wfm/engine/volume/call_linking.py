"""Link the legs of one customer call that two phone systems logged, or that rang at several users.

Phone systems share no call ids. What they share is who called and when::

    front desk  in  +1555…0177  |------------------------|         call a1
    contact centre  +1555…0177    |----------------|               call b7    the same caller at that time: one call
    contact centre  +1555…0177                            |-----|  call b8    afterwards: another call

A person has one call from a number at a time, but a switchboard has several: calls of one system with different ids are
kept apart, and paired with those of another system in the order in which they began.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

LINK_TOLERANCE: Final = timedelta(seconds=10)
"""How far the clocks of two systems may differ, and how soon an unanswered call is offered to the next user."""


def link_legs(legs: pl.DataFrame, tolerance: timedelta = LINK_TOLERANCE) -> pl.DataFrame:
    """Find the call that each leg belongs to, and whether another system logged that call first.

    Args:
        legs: source leg_id call_id login direction started_at answered_at ended_at from_number to_number from_e164
            to_e164, one row per leg. Calls without a number or without any instant are not linked.
        tolerance: see `LINK_TOLERANCE`.

    Returns:
        The legs in their order, with ``call`` (a number: equal within a customer call) and ``elsewhere`` (another
        system logged it first).
    """
    legs = legs.with_columns(
        own=pl.coalesce("call " + pl.col("call_id"), "leg " + pl.col("leg_id")),
        # legs without a call id are distinguished by the user at whom they rang
        user=pl.when(pl.col("call_id").is_null()).then("login"),
        number=_external_number(),
        start=pl.coalesce("started_at", "answered_at", "ended_at"),
        end=pl.coalesce("ended_at", "answered_at", "started_at"),
    )
    # whole calls are linked, not legs: a system's own ids are more reliable than numbers and times
    calls = legs.group_by("source", "own", maintain_order=True).agg(
        pl.col("number", "user").drop_nulls().first(), pl.col("start").min(), pl.col("end").max()
    )
    return legs.join(
        _number_calls(calls, tolerance), on=["source", "own"], how="left", maintain_order="left"
    ).drop("own", "user", "number", "start", "end")


def _external_number() -> pl.Expr:
    """Return the external number: the caller, or for outgoing calls the number called."""
    called, caller = (pl.coalesce(f"{side}_e164", f"{side}_number") for side in ("to", "from"))
    return pl.when(pl.col("direction").str.to_lowercase() == "out").then(called).otherwise(caller)


def _number_calls(calls: pl.DataFrame, tolerance: timedelta) -> pl.DataFrame:
    """Number the calls: source, own, call, elsewhere."""
    calls = calls.sort("number", "start", "source", "own").with_columns(
        begins=_starts_new_call(tolerance).fill_null(True)
        | pl.col("number").is_null()
        | pl.col("start").is_null()
    )
    paired = calls.with_columns(cluster=pl.col("begins").cum_sum()).with_columns(
        # the first of each system with the first of the others, the second with the second
        turn=pl.int_range(pl.len()).over("cluster", "source", "user")
    )
    first = pl.col("source").first().over("cluster", "turn")
    numbered = paired.with_columns(
        call=pl.struct("cluster", "turn").rank("dense").cast(pl.Int64), elsewhere=pl.col("source") != first
    )
    return numbered.select("source", "own", "call", "elsewhere")


def _starts_new_call(tolerance: timedelta) -> pl.Expr:
    """Return whether a call, in order of number and start, is not linked to those before it."""
    same = pl.col("number") == pl.col("number").shift(1)
    until = pl.col("end").cum_max().over("number").shift(1)
    is_simultaneous = pl.col("start") - pl.col("start").shift(1) <= tolerance
    return ~(same & (is_simultaneous | (pl.col("start") <= until + _allowed_delay(tolerance))))


def _allowed_delay(tolerance: timedelta) -> pl.Expr:
    """Return by how long a call may start after the last one ended (no ids), or must overlap with it (ids)."""
    return pl.when(pl.col("user").is_not_null()).then(tolerance).otherwise(-tolerance)
