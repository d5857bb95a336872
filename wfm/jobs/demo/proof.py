"""The sandbox knows what really happened: hold what wfm found against it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from wfm.sandbox import Truth

SECOND: Final = timedelta(seconds=1)
KEY: Final = ("agent_id", "workday", "class", "reason")


@dataclass(frozen=True)
class Match:
    """What was planted against what was found, in some workdays.

    planted, found: how many stretches that are not in adherence, and of work outside the shift. right: how many of both
    are the same, in agent, workday, class and reason, and begin and end within the leeway. in_s, true_in_s: seconds in
    adherence as scored, and as they were.
    """

    planted: int
    found: int
    right: int
    in_s: float
    true_in_s: float

    @property
    def precision(self) -> float | None:
        """Return the share of what was found that was planted."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Return the share of what was planted that was found."""
        return self.right / self.planted if self.planted else None

    @property
    def off_s(self) -> float:
        """Return by how many seconds in adherence the score and the truth differ."""
        return abs(self.in_s - self.true_in_s)

    def __add__(self, other: Match) -> Match:
        """Take two groups of workdays together."""
        return Match(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Proof:
    """The days whose states were imported, ``days`` of them, and the one that was polled every ``poll_s`` seconds."""

    imported: Match
    polled: Match
    days: int
    polled_on: date
    poll_s: int

    @property
    def whole(self) -> Match:
        """Return all days together."""
        return self.imported + self.polled


def match(
    truth: Truth, found: pl.DataFrame, scores: pl.DataFrame, days: list[date], leeway: timedelta
) -> Match:
    """Compare the exceptions and scores of some workdays with the truth.

    Args:
        truth: what happened.
        found: agent_id workday start_at end_at class reason.
        scores: agent_id workday in_s.
        days: only these workdays.
        leeway: how far off a start or an end may be.
    """
    these = pl.col("workday").is_in(days)
    planted = _keyed(truth.planted.filter(these, pl.col("reason").is_not_null()))  # unknown is no exception
    told = _keyed(found.filter(these))
    return Match(
        planted=planted.height,
        found=told.height,
        right=_paired(planted, told, leeway),
        in_s=float(scores.filter(these)["in_s"].sum()),
        true_in_s=float(truth.seconds.filter(these)["in_s"].sum()),
    )


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    """Make classes and reasons words that can be compared; what has none has an empty one."""
    words = pl.col("class", "reason").cast(pl.String).fill_null("")
    return frame.select(*KEY[:2], words, "start_at", "end_at").with_row_index("row")


def _paired(planted: pl.DataFrame, told: pl.DataFrame, leeway: timedelta) -> int:
    """Count the pairs; each stretch is in one pair at most."""
    off = [(pl.col(edge) - pl.col(f"{edge}_told")).abs() for edge in ("start_at", "end_at")]
    near = (
        planted.join(told, on=KEY, suffix="_told")
        .filter(pl.all_horizontal(one <= leeway for one in off))
        .sort(pl.sum_horizontal(off))
    )
    return near.unique("row", keep="first", maintain_order=True)["row_told"].n_unique()
