"""Compute the validity horizon of a cached score, per agent, while nothing but the coverage grows.

The score of an agent whose source is covered up to an edge has one slice that ends there, in the last known state;
after it the state is unknown. When the edge moves on, that slice grows and nothing else changes, until the edge
reaches an instant at which something else begins or ends::

    schedule   on queue                 |break      |on queue
    coverage   |===============|-->
    state      available       |unknown
                               ^ edge   ^ until
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from wfm.core.time import INSTANT, to_epoch_us
from wfm.engine.adherence.exceptions import MAX_GAP_WITHIN_SHIFT_US
from wfm.engine.adherence.scoring import Score
from wfm.engine.time.axis import find_run_start
from wfm.engine.time.codes import STATE_CODES, is_rest_state

ON_CALL_CODES = [STATE_CODES[state] for state in ("busy", "hold", "wrapup", "ringing")]


def compute_validity(scored: Score, edges: pl.DataFrame | None) -> pl.DataFrame:
    """Compute until when the score of every agent is valid.

    Args:
        scored: the score.
        edges: source, edge (epoch µs; a null source: where every source is covered); None: no coverage is limited.

    Returns:
        agent_id source, edge (end of coverage, µs; null: no single edge), until (µs; null: for ever), seen (µs; the
        earliest edge of the agent's sources), segment state class (of the slice that ends at the edge), restless
        (must be scored again whenever the edge moves). In order of agent.
    """
    axis = scored.axis
    if edges is None:
        edges = pl.DataFrame(schema={"source": pl.String, "edge": pl.Int64})
    rows = _find_coverage_edges(scored, edges).with_columns(
        edge_key=pl.col("agent").to_physical().cast(pl.Int64) * axis.agent_width
        + (pl.col("edge").clip(axis.origin_us, axis.end_us) - axis.origin_us)
    )
    cuts = _list_boundaries(scored)
    # left: a boundary exactly at the edge is the horizon
    position = cuts.search_sorted(rows["edge_key"].fill_null(0), side="left")
    ends = rows.select((pl.col("agent").to_physical().cast(pl.Int64) + 1) * axis.agent_width).to_series()
    # an agent whose edge is after every boundary is valid to the end of the axis
    found = cuts.append(pl.Series([ends.max()])).gather(position)
    rows = rows.with_columns(until=found % axis.agent_width + axis.origin_us)
    rows = rows.with_columns(until=pl.min_horizontal("until", *_find_next_bounds(scored, rows))).with_columns(
        until=pl.when(pl.col("edge") < axis.end_us).then("until")
    )
    at_edge = scored.slice_rows.select(
        "segment", "state", "class", edge_key="key_end", overrun=_may_extend_overrun(scored)
    )
    rows = rows.join(at_edge, on="edge_key", how="left", maintain_order="left")
    return rows.select(
        pl.col("agent").cast(pl.String).alias("agent_id"),
        "source",
        "edge",
        "until",
        "seen",
        "segment",
        "state",
        "class",
        restless=pl.col("mixed") | pl.col("overrun").fill_null(False),
    )


def _find_coverage_edges(scored: Score, edges: pl.DataFrame) -> pl.DataFrame:
    """Return every agent's source and its edge, null where there are several: agent, source, edge, seen, mixed."""
    edge_of_login = (
        scored.logins.select("agent", "source")
        .unique()
        .join(edges, on="source", how="left", nulls_equal=True)
    )
    several = pl.len() > 1
    return (
        edge_of_login.group_by("agent")
        .agg(
            source=pl.when(~several).then(pl.col("source").first()),
            edge=pl.when(~several).then(pl.col("edge").first()),
            seen=pl.col("edge").min(),
            mixed=several & pl.col("edge").is_not_null().any(),
        )
        .sort("agent")
    )


def _list_boundaries(scored: Score) -> pl.Series:
    """List, in order, every key at which something other than coverage may begin or end."""
    axis = scored.axis
    shifts = scored.segments.select("shift_key", "shift_end").unique()
    parts = [layer["key"] for layer in scored.layers if not layer.columns[1].startswith("covered_")]
    parts += [scored.call_legs["key"], scored.call_legs["key_end"], axis.end_keys()]
    # work outside the schedule belongs to the workday of a shift that is at most `MAX_GAP_WITHIN_SHIFT_US` away
    parts += [
        shifts["shift_key"] - MAX_GAP_WITHIN_SHIFT_US,
        shifts["shift_end"] + MAX_GAP_WITHIN_SHIFT_US + 1,
    ]
    return pl.concat([part.rename("key") for part in parts]).sort()


def _find_next_bounds(scored: Score, rows: pl.DataFrame) -> list[pl.Series]:
    """Return the next local midnight after every agent's edge, and the next end of a window of instants (µs)."""
    zone = rows.select("agent").join(scored.agent_zones, on="agent", how="left", maintain_order="left")[
        "zone"
    ]
    at = rows["edge"].cast(INSTANT)
    days = [
        pl.when(zone == name).then(
            (at.dt.convert_time_zone(name).dt.date().dt.offset_by("1d"))
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
            .dt.epoch("us")
        )
        for name in zone.unique()
    ]
    # unscheduled work after local midnight belongs to the next workday
    midnight = pl.select(pl.coalesce([*days, pl.lit(rows["edge"])])).to_series()
    found = [midnight.alias("midnight")]
    for number, bound in enumerate(scored.window or ()):
        if isinstance(bound, datetime):
            instant = to_epoch_us(bound)
            found.append(
                pl.select(pl.when(rows["edge"] <= instant).then(instant)).to_series().alias(f"{number}")
            )
    return found


def _may_extend_overrun(scored: Score) -> pl.Expr:
    """Return whether an overrunning call, or the break it shifted, may still be going on at the end of a slice."""
    overrun = scored.call_evidence["segment"].implode()
    # segments are numbered from 1: the number before this one is also this one's row in the table of segments
    previous = pl.when(pl.col("segment") > 0).then(pl.col("segment") - 1)
    begun = pl.lit(scored.segments["key"]).gather(previous)
    return (pl.col("segment").is_in(overrun) & pl.col("state").is_in(ON_CALL_CODES)) | (
        previous.is_in(overrun) & (find_run_start(is_rest_state()) < begun)
    )
