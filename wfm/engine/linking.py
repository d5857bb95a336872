"""One customer call that two phone systems saw, or that rang at two users: find the legs that are one call.

No vendor gives an id that another one knows. What they share is who called and when::

    front desk  in  +1555…0177  |------------------------|         call a1
    contact centre  +1555…0177    |----------------|               call b7    the same caller, then: one call
    contact centre  +1555…0177                            |-----|  call b8    afterwards: another one

Nobody holds two calls from one number at once, but a switchboard does: calls of one system that have ids of their own
stay apart, and are paired with those of another system in the order in which they began.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

TOLERANCE: Final = timedelta(seconds=10)
"""By how much clocks of two systems may differ, and how soon a call that was not answered is offered to the next."""


def link(legs: pl.DataFrame, tolerance: timedelta = TOLERANCE) -> pl.DataFrame:
    """Say which call each leg belongs to, and whether another system saw that call first.

    Args:
        legs: source leg_id call_id login direction started_at answered_at ended_at from_number to_number from_e164
            to_e164, one row a leg. Calls without a number or without any instant are linked to nothing.
        tolerance: see `TOLERANCE`.

    Returns:
        The legs in their order, with ``call`` (a number: equal within a customer call) and ``elsewhere`` (a system of
        another name saw it first).
    """
    legs = legs.with_columns(
        own=pl.coalesce("call " + pl.col("call_id"), "leg " + pl.col("leg_id")),
        place=pl.when(pl.col("call_id").is_null()).then("login"),
        number=_customer(),
        start=pl.coalesce("started_at", "answered_at", "ended_at"),
        end=pl.coalesce("ended_at", "answered_at", "started_at"),
    )
    calls = legs.group_by("source", "own", maintain_order=True).agg(
        pl.col("number", "place").drop_nulls().first(), pl.col("start").min(), pl.col("end").max()
    )
    return legs.join(_groups(calls, tolerance), on=["source", "own"], how="left", maintain_order="left").drop(
        "own", "place", "number", "start", "end"
    )


def _customer() -> pl.Expr:
    """The number outside: who called, or who was called."""
    called, caller = (pl.coalesce(f"{side}_e164", f"{side}_number") for side in ("to", "from"))
    return pl.when(pl.col("direction").str.to_lowercase() == "out").then(called).otherwise(caller)


def _groups(calls: pl.DataFrame, tolerance: timedelta) -> pl.DataFrame:
    """Number the calls: source, own, call, elsewhere."""
    calls = calls.sort("number", "start", "source", "own").with_columns(
        fresh=_begins(tolerance).fill_null(True) | pl.col("number").is_null() | pl.col("start").is_null()
    )
    paired = calls.with_columns(cluster=pl.col("fresh").cum_sum()).with_columns(
        # the first of each system with the first of the others, the second with the second
        turn=pl.int_range(pl.len()).over("cluster", "source", "place")
    )
    first = pl.col("source").first().over("cluster", "turn")
    numbered = paired.with_columns(
        call=pl.struct("cluster", "turn").rank("dense").cast(pl.Int64), elsewhere=pl.col("source") != first
    )
    return numbered.select("source", "own", "call", "elsewhere")


def _begins(tolerance: timedelta) -> pl.Expr:
    """Say whether a call, in order of number and start, has nothing to do with those before it."""
    same = pl.col("number") == pl.col("number").shift(1)
    until = pl.col("end").cum_max().over("number").shift(1)
    together = pl.col("start") - pl.col("start").shift(1) <= tolerance
    return ~(same & (together | (pl.col("start") <= until + _next(tolerance))))


def _next(tolerance: timedelta) -> pl.Expr:
    """Allow for the next offer where calls have no id; calls with ids must overlap by more than the tolerance."""
    return pl.when(pl.col("place").is_not_null()).then(tolerance).otherwise(-tolerance)
