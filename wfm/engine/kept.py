"""Rows of many agents that are kept while a day goes on: an agent's are replaced, or reach as far as the feed does."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from wfm.engine.adherence import SPLIT, SUMS
from wfm.engine.board import bounds
from wfm.engine.codes import STATE, is_queue
from wfm.engine.known import Known
from wfm.engine.rollup import BY, CUTS
from wfm.engine.score import Score

INSTANT = pl.Datetime("us", "UTC")


@dataclass
class Kept:
    """Rows in order of agent and time: agent (a number), begin, end (epoch µs), edge (µs, null: none), and others.

    ``edge``: up to where the agent was watched when the rows were made. ``stale``: the agents whose rows must be made
    anew before anybody looks.
    """

    stale: set[int] = field(default_factory=set)
    frame: pl.DataFrame | None = None

    def put(self, known: Known, rows: pl.DataFrame) -> None:
        """Put rows, in order of agent and time, in place of those of the stale agents."""
        if self.frame is None or self.stale >= known.everybody:
            self.frame = rows
        else:
            old = known.mask(self.stale).gather(self.frame["agent"])
            rest, new = (_placed(part, known) for part in (self.frame.filter(~old), rows))
            self.frame = rest.merge_sorted(new, key="place").drop("place")
        self.stale = set()

    def reach(self, edges: pl.Series) -> None:
        """Let what ended at an agent's edge end, and what began there begin, where the edge is now.

        Args:
            edges: by the agent's number (µs).
        """
        assert self.frame is not None
        now = edges.gather(self.frame["agent"])
        if (now == self.frame["edge"]).all():
            return
        rows = self.frame.with_columns(now=pl.coalesce(now, "edge"))
        if "open" in rows.columns:
            rows = rows.with_columns(_longer())
        self.frame = rows.with_columns(
            *(
                pl.when(pl.col(name) == pl.col("edge")).then("now").otherwise(name).alias(name)
                for name in ("begin", "end")
            ),
            edge="now",
        ).drop("now")

    def turning(self, edges: pl.Series) -> set[int]:
        """Say for whose last exception another state may have become the longest since the edge moved."""
        assert self.frame is not None
        moved = edges.gather(self.frame["agent"]) != self.frame["edge"]
        return set(self.frame.filter(moved & self.frame["turns"])["agent"])


def _placed(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    place = known.rank.gather(rows["agent"]) * known.axis.width + (rows["begin"] - known.axis.origin)
    return rows.with_columns(place=place)


def _longer() -> list[pl.Expr]:
    """Sum up a segment whose last slice that is not unknown gets longer, at the cost of the unknown one after it."""
    more = pl.when("open").then(pl.col("now") - pl.col("edge")).otherwise(0)
    less = pl.when(pl.col("open_class").is_not_null()).then(more).otherwise(0)
    grown = {
        name: pl.col(name) + pl.when(pl.col("open_class") == name.removesuffix("_s")).then(more).otherwise(0)
        for name in SPLIT
    }
    worked = pl.col("worked_s") + pl.when("open_queue").then(more).otherwise(0)
    return [
        expr.alias(name)
        for name, expr in {**grown, "unknown_s": grown["unknown_s"] - less, "worked_s": worked}.items()
    ]


# --- what is kept of a score ----------------------------------------------------------------------------------
def sums(scored: Score, standing: pl.DataFrame) -> pl.DataFrame:
    """Give the sums of every segment and whether it is ``open``: its last slice ends at the agent's edge.

    Args:
        scored: the score.
        standing: as from `wfm.engine.standing.standing`.
    """
    at_edge = standing.select(
        "agent_id",
        "edge",
        segment="segment",
        open_class="class",
        open_queue=is_queue(),
    )
    begin = pl.col("key") % scored.axis.width + scored.axis.origin
    return (
        scored._sums.join(at_edge, on=["agent_id", "segment"], how="left", maintain_order="left")
        .with_columns(open=pl.col("edge").is_not_null() & _inside(scored), begin=begin, end=begin)
        .with_columns(open_queue=pl.col("open_queue") & pl.col("open"))
        .sort("key")
        .select(
            *(name for name in BY if name not in CUTS),
            *SUMS,
            "begin",
            "end",
            "open",
            "open_class",
            "open_queue",
        )
    )


def exceptions(scored: Score, standing: pl.DataFrame) -> pl.DataFrame:
    """Give the exceptions and whether one ``turns``: it is open, and its state is no longer the one it is named for."""
    at_edge = standing.select("agent_id", "edge", now=pl.col("state").cat.to(STATE))
    rows = _counted(scored.exceptions()).join(at_edge, on="agent_id", how="left", maintain_order="left")
    turns = (pl.col("end") == pl.col("edge")) & (pl.col("state") != pl.col("now"))
    return rows.with_columns(turns=turns.fill_null(False)).drop("edge", "now", "seconds")


def slices(scored: Score, standing: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001
    """Give the finest view."""
    return _counted(scored.slices())


def spoken(rows: pl.DataFrame) -> pl.DataFrame:
    """Put instants (start_at, end_at) for microseconds (begin, end)."""
    return rows.with_columns(start_at=pl.col("begin").cast(INSTANT), end_at=pl.col("end").cast(INSTANT))


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    at = {"begin": "start_at", "end": "end_at"}
    return rows.with_columns(**{name: pl.col(of).dt.epoch("us") for name, of in at.items()}).drop(
        *at.values()
    )


def _inside(scored: Score) -> pl.Expr:
    """Say whether the edge is in a window of instants; of workdays, all of a segment counts."""
    low, high = bounds(scored.window) or (None, None)
    return pl.lit(True) if low is None else (pl.col("edge") >= low) & (pl.col("edge") < high)
