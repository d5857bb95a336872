"""Turning snapshots of agent states into state transactions and coverage, for vendors that report nothing else.

::

    snapshots    10:00 A  10:05 A  10:10 B  10:15 -  10:20 -  10:25 -   (-: the agent is not in it)
    transactions 10:00 A           10:10 B  10:15 Logged out            (inferred at 10:25, when three lack the agent)
    coverage     [10:00 .................................... 10:25)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm.core.time import INSTANT

LOGGED_OUT_STATE: Final = "Logged out"
INFERRED_LOGOUT_REASON: Final = "not in snapshot"
"""The vendor_reason of a logout that was inferred, not reported."""
RENEWAL_INTERVAL: Final = timedelta(hours=8)
"""A state that continues is stored again after this long: the engine takes one without renewal for a lost logout."""

LOGIN_STATE_SCHEMA: Final = {
    "login": pl.String(),
    "vendor_state": pl.String(),
    "recorded_at": INSTANT,
    "missed": pl.Int64(),
    "missed_at": INSTANT,
}


@dataclass(frozen=True)
class SnapshotState:
    """The current state of every login, from the snapshots of a source so far.

    logins: login, vendor_state, recorded_at (of its last transaction), missed (complete snapshots without it),
    missed_at (of the first of them). seen_at: when the last snapshot was taken.
    """

    logins: pl.DataFrame
    seen_at: datetime | None = None

    @classmethod
    def from_last_states(
        cls, last: pl.DataFrame | None = None, seen_at: datetime | None = None
    ) -> SnapshotState:
        """Continue from the last state of every login (login, vendor_state, at), or start with none."""
        if last is None:
            return cls(pl.DataFrame(schema=LOGIN_STATE_SCHEMA), seen_at)
        logins = last.select(
            "login",
            "vendor_state",
            recorded_at=pl.col("at"),
            missed=pl.lit(0, pl.Int64),
            missed_at=pl.lit(None, INSTANT),
        )
        return cls(logins.cast(LOGIN_STATE_SCHEMA), seen_at)  # type: ignore[arg-type]


def compare_snapshot(
    state: SnapshotState, snapshot: pl.DataFrame, at: datetime, *, absent_after: int, poll: timedelta
) -> tuple[SnapshotState, pl.DataFrame, tuple[datetime, datetime] | None]:
    """Compare a complete snapshot with the states before it.

    Args:
        state: the states after all previous snapshots.
        snapshot: login, at (when the state was entered, or ``at``), vendor_state, vendor_reason.
        at: when it was taken; a snapshot that is not later than the previous one is ignored.
        absent_after: how many snapshots in a row must lack a login before it counts as logged out.
        poll: time between snapshots; two at most three polls apart cover the time between them.

    Returns:
        The states after it; transactions login, at, vendor_state, vendor_reason; the span that it covers, if any.
    """
    if state.seen_at is not None and at <= state.seen_at:
        return state, pl.DataFrame(schema=_TRANSACTION_SCHEMA), None
    now = pl.lit(at, INSTANT)
    both = snapshot.unique("login", keep="last", maintain_order=True).join(
        state.logins, on="login", how="full", coalesce=True, suffix="_before", maintain_order="left_right"
    )
    present = pl.col("vendor_state").is_not_null()
    has_changed = present & (
        pl.col("vendor_state").ne_missing(pl.col("vendor_state_before"))
        | (now - pl.col("recorded_at") >= RENEWAL_INTERVAL)
    )
    gone_before = pl.col("vendor_state_before") == LOGGED_OUT_STATE
    missed = pl.when(present | gone_before).then(0).otherwise(pl.col("missed") + 1)
    missed_at = pl.when(missed > 0).then(pl.coalesce("missed_at", now))
    both = both.with_columns(missed=missed, missed_at=missed_at, changed=has_changed)
    leaving = ~present & (pl.col("missed") >= absent_after)
    # a state that the vendor dates before the login's last transaction starts at that transaction, for the order's sake
    started = pl.max_horizontal(pl.min_horizontal(pl.col("at"), now), pl.col("recorded_at"))
    same_again = pl.col("vendor_state") == pl.col("vendor_state_before")
    transactions = pl.concat(
        [
            both.filter("changed").select(
                "login",
                pl.when(same_again).then(now).otherwise(started).alias("at"),
                "vendor_state",
                "vendor_reason",
            ),
            both.filter(leaving).select(
                "login",
                at="missed_at",
                vendor_state=pl.lit(LOGGED_OUT_STATE),
                vendor_reason=pl.lit(INFERRED_LOGOUT_REASON),
            ),
        ]
    )
    logins = both.with_columns(
        vendor_state=pl.when(leaving)
        .then(pl.lit(LOGGED_OUT_STATE))
        .otherwise(pl.coalesce("vendor_state", "vendor_state_before")),
        recorded_at=pl.when("changed").then(now).when(leaving).then("missed_at").otherwise("recorded_at"),
        missed=pl.when(leaving).then(0).otherwise("missed"),
    ).select(list(LOGIN_STATE_SCHEMA))
    covered = None
    # one lost poll or two are no gap: a state lasts longer than the time between polls
    if state.seen_at is not None and at - state.seen_at <= 3 * poll:
        covered = (state.seen_at, at)
    return replace(state, logins=logins, seen_at=at), transactions, covered


_TRANSACTION_SCHEMA: Final = {
    "login": pl.String(),
    "at": INSTANT,
    "vendor_state": pl.String(),
    "vendor_reason": pl.String(),
}
