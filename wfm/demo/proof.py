"""Compare what wfm found with the ground truth of the sandbox."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from wfm.sandbox import GroundTruth

ONE_SECOND: Final = timedelta(seconds=1)
COMPARED_COLUMNS: Final = ("agent_id", "workday", "class", "reason")


@dataclass(frozen=True)
class MatchCounts:
    """Exceptions in the ground truth and exceptions found, in some workdays.

    planted, found: how many there are, unscheduled work included. matched: how many of both are the same: agent,
    workday, class and reason are equal, and start and end differ by the leeway at most. in_s, true_in_s: seconds in
    adherence as scored, and in the ground truth.
    """

    planted: int
    found: int
    matched: int
    in_s: float
    true_in_s: float

    @property
    def precision(self) -> float | None:
        """Return the share of the exceptions found that are in the ground truth."""
        return self.matched / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Return the share of the exceptions in the ground truth that were found."""
        return self.matched / self.planted if self.planted else None

    @property
    def difference_s(self) -> float:
        """Return by how many seconds in adherence the score and the ground truth differ."""
        return abs(self.in_s - self.true_in_s)

    def __add__(self, other: MatchCounts) -> MatchCounts:
        """Add up two groups of workdays."""
        return MatchCounts(
            *(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )


@dataclass(frozen=True)
class GroundTruthComparison:
    """Counts of the imported days (``days`` of them), and of the day whose evening was polled every ``poll_s`` s."""

    imported: MatchCounts
    polled: MatchCounts
    days: int
    polled_on: date
    poll_s: int

    @property
    def total(self) -> MatchCounts:
        """Return the sum of all days."""
        return self.imported + self.polled


def compare_exceptions(
    truth: GroundTruth, found: pl.DataFrame, scores: pl.DataFrame, days: list[date], leeway: timedelta
) -> MatchCounts:
    """Compare the exceptions and scores of some workdays with the ground truth.

    Args:
        truth: the ground truth.
        found: agent_id workday start_at end_at class reason.
        scores: agent_id workday in_s.
        days: the workdays to compare.
        leeway: how far off a start or an end may be.
    """
    these = pl.col("workday").is_in(days)
    # time in an unmapped state has no reason, and is no exception
    planted = _select_compared(truth.planted.filter(these, pl.col("reason").is_not_null()))
    reported = _select_compared(found.filter(these))
    return MatchCounts(
        planted=planted.height,
        found=reported.height,
        matched=_count_pairs(planted, reported, leeway),
        in_s=float(scores.filter(these)["in_s"].sum()),
        true_in_s=float(truth.seconds.filter(these)["in_s"].sum()),
    )


def _select_compared(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are compared, with an empty text where there is no class or reason."""
    texts = pl.col("class", "reason").cast(pl.String).fill_null("")
    return frame.select(*COMPARED_COLUMNS[:2], texts, "start_at", "end_at").with_row_index("row")


def _count_pairs(planted: pl.DataFrame, reported: pl.DataFrame, leeway: timedelta) -> int:
    """Count the pairs of equal exceptions; each is in one pair at most."""
    offsets = [(pl.col(edge) - pl.col(f"{edge}_found")).abs() for edge in ("start_at", "end_at")]
    near = (
        planted.join(reported, on=COMPARED_COLUMNS, suffix="_found")
        .filter(pl.all_horizontal(one <= leeway for one in offsets))
        .sort(pl.sum_horizontal(offsets))
    )
    return near.unique("row", keep="first", maintain_order=True)["row_found"].n_unique()
