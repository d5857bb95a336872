"""Cached views of a live score: one agent's rows are replaced, or extended as far as coverage now reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.adherence import SPLIT, SUMS
from wfm.engine.board import bounds
from wfm.engine.codes import STATE, is_queue
from wfm.engine.known import Known
from wfm.engine.rollup import BY, CUTS
from wfm.engine.score import Score


@dataclass
class Kept:
    """Rows in order of agent and time: agent (a number), begin, end (epoch µs), edge (µs; null: none), and others.

    ``edge``: the end of the agent's coverage when the rows were built. ``stale``: the agents whose rows must be
    built again before they are read.
    """

    stale: set[int] = field(default_factory=set)
    frame: pl.DataFrame | None = None

    def put(self, store: Known, rows: pl.DataFrame) -> None:
        """Replace the rows of the stale agents by these, which are in order of agent and time."""
        if self.frame is None or self.stale >= store.everybody:
            self.frame = rows
        else:
            old = store.mask(self.stale).gather(self.frame["agent"])
            rest, new = (_placed(part, store) for part in (self.frame.filter(~old), rows))
            self.frame = rest.merge_sorted(new, key="position").drop("position")
        self.stale = set()

    def reach(self, edges: pl.Series) -> None:
        """Move what begins or ends at an agent's old coverage edge to where the edge is now.

        Args:
            edges: the coverage edges (epoch µs), by the agent's number.
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
        """Return the agents in whose open exception another state may have become the longest as the edge moved."""
        assert self.frame is not None
        moved = edges.gather(self.frame["agent"]) != self.frame["edge"]
        return set(self.frame.filter(moved & self.frame["turns"])["agent"])


def _placed(rows: pl.DataFrame, store: Known) -> pl.DataFrame:
    position = store.rank.gather(rows["agent"]) * store.axis.width + (rows["begin"] - store.axis.origin)
    return rows.with_columns(position=position)


def _longer() -> list[pl.Expr]:
    """Build the sums of a segment whose last covered slice grows at the cost of the unknown time after it."""
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


# --- views of a score ------------------------------------------------------------------------------------
def sums(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of every segment and whether it is ``open``: its last slice ends at the coverage edge.

    Args:
        scored: the score.
        validity: as from `wfm.engine.realtime.validity.compute_validity`.
    """
    at_edge = validity.select(
        "agent_id",
        "edge",
        segment="segment",
        open_class="class",
        open_queue=is_queue(),
    )
    begin = pl.col("key") % scored.axis.width + scored.axis.origin
    return (
        scored.segment_sums.join(at_edge, on=["agent_id", "segment"], how="left", maintain_order="left")
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


def exceptions(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:
    """Return the exceptions; one ``turns`` if it is open and its state is not the one that is shown for it."""
    at_edge = validity.select("agent_id", "edge", now=pl.col("state").cat.to(STATE))
    rows = _counted(scored.exceptions()).join(at_edge, on="agent_id", how="left", maintain_order="left")
    turns = (pl.col("end") == pl.col("edge")) & (pl.col("state") != pl.col("now"))
    return rows.with_columns(turns=turns.fill_null(False)).drop("edge", "now", "seconds")


def slices(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001
    """Return the slices of the score."""
    return _counted(scored.slices())


def spoken(rows: pl.DataFrame) -> pl.DataFrame:
    """Add start_at and end_at, the instants of begin and end."""
    return rows.with_columns(start_at=pl.col("begin").cast(INSTANT), end_at=pl.col("end").cast(INSTANT))


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    at = {"begin": "start_at", "end": "end_at"}
    return rows.with_columns(**{name: pl.col(of).dt.epoch("us") for name, of in at.items()}).drop(
        *at.values()
    )


def _inside(scored: Score) -> pl.Expr:
    """Tell whether the edge is in a window of instants; in a window of workdays every edge is."""
    low, high = bounds(scored.window) or (None, None)
    return pl.lit(True) if low is None else (pl.col("edge") >= low) & (pl.col("edge") < high)
