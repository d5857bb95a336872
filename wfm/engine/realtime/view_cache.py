"""Cache the views of a live score: the rows of one agent are replaced, or extended as far as coverage now reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.adherence.classify import ADHERENCE_SUMS, CLASS_SUMS
from wfm.engine.adherence.rollup import CUTTING_GROUPINGS, GROUPINGS
from wfm.engine.adherence.scoring import Score
from wfm.engine.realtime.agent_board import get_window_bounds
from wfm.engine.realtime.fact_store import FactStore
from wfm.engine.time.codes import STATE_ENUM, is_queue_state


@dataclass
class CachedView:
    """Rows in order of agent and time: agent (a number), begin, end (epoch µs), edge (µs; null: none), and others.

    ``edge``: the end of the agent's coverage when the rows were built. ``stale``: the agents whose rows must be
    built again before they are read.
    """

    stale_agents: set[int] = field(default_factory=set)
    frame: pl.DataFrame | None = None

    def replace_stale_rows(self, facts: FactStore, rows: pl.DataFrame) -> None:
        """Replace the rows of the stale agents by these, which are in order of agent and time."""
        if self.frame is None or self.stale_agents >= facts.all_agents:
            self.frame = rows
        else:
            is_stale = facts.build_agent_mask(self.stale_agents).gather(self.frame["agent"])
            # both parts are in order already: merging them is linear, sorting the whole view is not
            rest, new = (_add_position(part, facts) for part in (self.frame.filter(~is_stale), rows))
            self.frame = rest.merge_sorted(new, key="position").drop("position")
        self.stale_agents = set()

    def extend_to_edges(self, edges: pl.Series) -> None:
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
            rows = rows.with_columns(_build_grown_sums())
        self.frame = rows.with_columns(
            *(
                pl.when(pl.col(name) == pl.col("edge")).then("now").otherwise(name).alias(name)
                for name in ("begin", "end")
            ),
            edge="now",
        ).drop("now")

    def find_relabelled_agents(self, edges: pl.Series) -> set[int]:
        """Return the agents in whose open exception another state may have become the longest as the edge moved."""
        assert self.frame is not None
        moved = edges.gather(self.frame["agent"]) != self.frame["edge"]
        return set(self.frame.filter(moved & self.frame["turns"])["agent"])


def _add_position(rows: pl.DataFrame, facts: FactStore) -> pl.DataFrame:
    position = facts.agent_ranks.gather(rows["agent"]) * facts.axis.agent_width + (
        rows["begin"] - facts.axis.origin_us
    )
    return rows.with_columns(position=position)


def _build_grown_sums() -> list[pl.Expr]:
    """Build the sums of a segment whose last covered slice grows at the cost of the unknown time after it."""
    # what the last covered slice gains, the unknown time after it loses
    more = pl.when("open").then(pl.col("now") - pl.col("edge")).otherwise(0)
    less = pl.when(pl.col("open_class").is_not_null()).then(more).otherwise(0)
    grown = {
        name: pl.col(name) + pl.when(pl.col("open_class") == name.removesuffix("_s")).then(more).otherwise(0)
        for name in CLASS_SUMS
    }
    worked = pl.col("worked_s") + pl.when("open_queue").then(more).otherwise(0)
    return [
        expr.alias(name)
        for name, expr in {**grown, "unknown_s": grown["unknown_s"] - less, "worked_s": worked}.items()
    ]


# --- views of a score ------------------------------------------------------------------------------------
def build_sums_view(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:
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
        open_queue=is_queue_state(),
    )
    begin = pl.col("key") % scored.axis.agent_width + scored.axis.origin_us
    return (
        scored.segment_sums.join(at_edge, on=["agent_id", "segment"], how="left", maintain_order="left")
        .with_columns(open=pl.col("edge").is_not_null() & _is_edge_in_window(scored), begin=begin, end=begin)
        .with_columns(open_queue=pl.col("open_queue") & pl.col("open"))
        .sort("key")
        .select(
            *(name for name in GROUPINGS if name not in CUTTING_GROUPINGS),
            *ADHERENCE_SUMS,
            "begin",
            "end",
            "open",
            "open_class",
            "open_queue",
        )
    )


def build_exceptions_view(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:
    """Return the exceptions; one ``turns`` if it is open and its state is not the one that is shown for it."""
    at_edge = validity.select("agent_id", "edge", now=pl.col("state").cat.to(STATE_ENUM))
    rows = _to_microseconds(scored.exceptions()).join(
        at_edge, on="agent_id", how="left", maintain_order="left"
    )
    turns = (pl.col("end") == pl.col("edge")) & (pl.col("state") != pl.col("now"))
    return rows.with_columns(turns=turns.fill_null(False)).drop("edge", "now", "seconds")


def build_slices_view(scored: Score, validity: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001
    """Return the slices of the score."""
    return _to_microseconds(scored.slices())


def restore_instants(rows: pl.DataFrame) -> pl.DataFrame:
    """Add start_at and end_at, the instants of begin and end."""
    return rows.with_columns(start_at=pl.col("begin").cast(INSTANT), end_at=pl.col("end").cast(INSTANT))


def _to_microseconds(rows: pl.DataFrame) -> pl.DataFrame:
    at = {"begin": "start_at", "end": "end_at"}
    return rows.with_columns(**{name: pl.col(of).dt.epoch("us") for name, of in at.items()}).drop(
        *at.values()
    )


def _is_edge_in_window(scored: Score) -> pl.Expr:
    """Return whether the edge is in a window of instants; in a window of workdays every edge is."""
    low, high = get_window_bounds(scored.window) or (None, None)
    return pl.lit(True) if low is None else (pl.col("edge") >= low) & (pl.col("edge") < high)
