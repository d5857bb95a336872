"""Snapshots of who is in which state → transactions, for vendors that say only what is so now.

::

    snapshots   10:00 A  10:05 A  10:10 B  10:15 -  10:20 -  10:25 -     (- the agent is not in it)
    said        10:00 A           10:10 B  10:15 Logged out              (said at 10:25, once three lack the agent)
    coverage    [10:00 ................................ 10:25)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")
LOGGED_OUT: Final = "Logged out"
NOT_THERE: Final = "not in snapshot"
"""The vendor_reason of a logout that was concluded and not said."""
RENEW: Final = timedelta(hours=8)
"""A state that goes on is said again after so long: the engine takes one that nothing renews for a lost logout."""

KNOWN: Final = {
    "login": pl.String(),
    "vendor_state": pl.String(),
    "said_at": INSTANT,
    "missed": pl.Int64(),
    "missed_at": INSTANT,
}


@dataclass(frozen=True)
class Watch:
    """What the snapshots of a source have told so far.

    known: login, vendor_state, said_at (its last transaction), missed (complete snapshots without it), missed_at (the
    first of them). seen_at: the last snapshot.
    """

    known: pl.DataFrame
    seen_at: datetime | None = None

    @classmethod
    def begin(cls, last: pl.DataFrame | None = None, seen_at: datetime | None = None) -> Watch:
        """Go on from the last state of every login (login, vendor_state, at), or from nothing."""
        if last is None:
            return cls(pl.DataFrame(schema=KNOWN), seen_at)
        known = last.select(
            "login",
            "vendor_state",
            said_at=pl.col("at"),
            missed=pl.lit(0, pl.Int64),
            missed_at=pl.lit(None, INSTANT),
        )
        return cls(known.cast(KNOWN), seen_at)  # type: ignore[arg-type]


def observe(
    watch: Watch, snapshot: pl.DataFrame, at: datetime, *, absent_after: int, poll: timedelta
) -> tuple[Watch, pl.DataFrame, tuple[datetime, datetime] | None]:
    """Compare a complete snapshot with what was known.

    Args:
        watch: what the snapshots before told.
        snapshot: login, at (when the state was entered, or ``at``), vendor_state, vendor_reason.
        at: when it was taken; one not after the last is told nothing of.
        absent_after: how many snapshots must lack a login before it is taken for logged out.
        poll: how often snapshots are taken; two no further apart than three polls cover the time between.

    Returns:
        The new watch; transactions login, at, vendor_state, vendor_reason; the span now known to be covered, if any.
    """
    if watch.seen_at is not None and at <= watch.seen_at:
        return watch, pl.DataFrame(schema=_SAID), None
    now = pl.lit(at, INSTANT)
    both = snapshot.unique("login", keep="last", maintain_order=True).join(
        watch.known, on="login", how="full", coalesce=True, suffix="_before", maintain_order="left_right"
    )
    here = pl.col("vendor_state").is_not_null()
    news = here & (
        pl.col("vendor_state").ne_missing(pl.col("vendor_state_before")) | (now - pl.col("said_at") >= RENEW)
    )
    gone_before = pl.col("vendor_state_before") == LOGGED_OUT
    missed = pl.when(here | gone_before).then(0).otherwise(pl.col("missed") + 1)
    missed_at = pl.when(missed > 0).then(pl.coalesce("missed_at", now))
    both = both.with_columns(missed=missed, missed_at=missed_at, news=news)
    leaving = ~here & (pl.col("missed") >= absent_after)
    # a state that began while nobody watched is said at the instant it was first seen, not before the last word
    began = pl.max_horizontal(pl.min_horizontal(pl.col("at"), now), pl.col("said_at"))
    same_again = pl.col("vendor_state") == pl.col("vendor_state_before")
    said = pl.concat(
        [
            both.filter("news").select(
                "login",
                pl.when(same_again).then(now).otherwise(began).alias("at"),
                "vendor_state",
                "vendor_reason",
            ),
            both.filter(leaving).select(
                "login", at="missed_at", vendor_state=pl.lit(LOGGED_OUT), vendor_reason=pl.lit(NOT_THERE)
            ),
        ]
    )
    known = both.with_columns(
        vendor_state=pl.when(leaving)
        .then(pl.lit(LOGGED_OUT))
        .otherwise(pl.coalesce("vendor_state", "vendor_state_before")),
        said_at=pl.when("news").then(now).when(leaving).then("missed_at").otherwise("said_at"),
        missed=pl.when(leaving).then(0).otherwise("missed"),
    ).select(list(KNOWN))
    covered = None
    if watch.seen_at is not None and at - watch.seen_at <= 3 * poll:
        covered = (watch.seen_at, at)
    return replace(watch, known=known, seen_at=at), said, covered


_SAID: Final = {
    "login": pl.String(),
    "at": INSTANT,
    "vendor_state": pl.String(),
    "vendor_reason": pl.String(),
}
