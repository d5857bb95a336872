"""Build the agent board: every agent's current state, since when, and whether it is what was scheduled."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from wfm.core.time import INSTANT, to_epoch_us
from wfm.engine.adherence.scoring import Score
from wfm.engine.inputs.frames import Window
from wfm.engine.time.axis import Axis
from wfm.engine.time.codes import STATE_ENUM
from wfm.engine.time.units import us_to_seconds

COUNTED_FLAGS = ("out", "controllable")


def build_board_spans(scored: Score) -> pl.DataFrame:
    """Build what the board shows during every slice.

    Returns:
        agent_id begin end (epoch µs) state vendor_state activity class since out_since (epoch µs; null: before the
        axis begins, or not out), and for out and controllable: ``<name>`` (whether its seconds count),
        ``<name>_before`` (µs that counted in the window before the slice).
    """
    slices, axis = scored.slice_rows, scored.axis
    named = scored.look_up_segments(slices["segment"])
    rows = slices.select(
        "key", "key_end", "state", "class", "out", counts=_is_in_window(scored, named["workday"])
    )
    rows = rows.with_columns(
        activity=named["activity"],
        vendor_state=scored.timelines.entries["vendor_state"].gather(slices["entry"]),
        agent=pl.col("key") // axis.agent_width,
        controllable=pl.col("class") == "controllable",
    )
    adjoins = pl.col("key_end").shift(1) == pl.col("key")
    shown = pl.struct("state", "vendor_state")
    # where the state or its vendor word changes, a new "since" begins
    since = pl.when((adjoins & (shown == shown.shift(1))).fill_null(False).not_()).then("key").forward_fill()
    out_since = pl.when(pl.col("out") & ~(adjoins & pl.col("out").shift(1)).fill_null(False)).then("key")
    rows = rows.with_columns(
        since=since,
        out_since=pl.when("out").then(out_since.forward_fill()),
        **{name: pl.col(name).fill_null(False) & pl.col("counts") for name in COUNTED_FLAGS},
    ).with_columns(*(_sum_before(name, scored).alias(f"{name}_before") for name in COUNTED_FLAGS))
    at = {name: pl.col(name) % axis.agent_width + axis.origin_us for name in ("since", "out_since")}
    return rows.select(
        pl.col("agent").cat.to(axis.agents).cast(pl.String).alias("agent_id"),
        begin=pl.col("key") % axis.agent_width + axis.origin_us,
        end=pl.col("key_end") % axis.agent_width + axis.origin_us,
        state=pl.col("state").cat.to(STATE_ENUM),
        vendor_state="vendor_state",
        activity="activity",
        **{"class": "class"},
        since=pl.when(pl.col("since") % axis.agent_width > 0).then(at["since"]),
        out_since=at["out_since"],
        **{name: name for name in [*COUNTED_FLAGS, *(f"{name}_before" for name in COUNTED_FLAGS)]},
    )


def build_agent_board(
    rows: pl.DataFrame, people: pl.DataFrame, axis: Axis, window: Window | None
) -> pl.DataFrame:
    """Build the board at an instant: one row per agent.

    Args:
        rows: as from `build_board_spans`, in order of agent and time.
        people: agent_id, seen (µs: end of the agent's coverage), at (µs: the same, or just before it where the state
            at it is unknown); all agents that have rows, in order of agent_id.
        axis: of all agents, in this order.
        window: whose seconds count.

    Returns:
        agent_id state vendor_state since_at activity class out_since_at out_s controllable_s seen_at.
    """
    # one search over keys finds the slice of every agent at once
    rank = pl.Series(range(people.height), dtype=pl.Int64)
    starts = rows["agent"].rle_id().cast(pl.Int64) * axis.agent_width + (rows["begin"] - axis.origin_us)
    keys = rank * axis.agent_width + (people["at"].clip(axis.origin_us, axis.end_us - 1) - axis.origin_us)
    found = rows[starts.search_sorted(keys, side="right") - 1]
    low, high = get_window_bounds(window) or (axis.origin_us, axis.end_us)
    seen = pl.lit(people["seen"])
    elapsed = (seen.clip(low, high) - pl.col("begin").clip(low, high)).clip(0)
    return found.select(
        pl.lit(people["agent_id"]).alias("agent_id"),
        "state",
        "vendor_state",
        since_at=pl.col("since").cast(INSTANT),
        activity="activity",
        **{"class": "class"},
        out_since_at=pl.col("out_since").cast(INSTANT),
        **{
            f"{name}_s": us_to_seconds(pl.col(f"{name}_before") + pl.when(name).then(elapsed).otherwise(0))
            for name in COUNTED_FLAGS
        },
        seen_at=seen.cast(INSTANT),
    )


def get_window_bounds(window: Window | None) -> tuple[int, int] | None:
    """Return the bounds of a window of instants (epoch µs); None for a window of workdays."""
    if window is None or not (isinstance(window[0], datetime) and isinstance(window[1], datetime)):
        return None
    return to_epoch_us(window[0]), to_epoch_us(window[1])


def _is_in_window(scored: Score, workday: pl.Series) -> pl.Series:
    """Return which slices count: in a window of workdays those of its workdays; in a window of instants, all."""
    if scored.window is None or isinstance(scored.window[0], datetime):
        return pl.repeat(True, workday.len(), eager=True)
    start, end = scored.window
    return ((workday >= start) & (workday < end)).fill_null(False)


def _sum_before(name: str, scored: Score) -> pl.Expr:
    """Sum the time that counted before a slice (µs)."""
    axis, within = scored.axis, get_window_bounds(scored.window)
    low, high = ((at - axis.origin_us) for at in within or (axis.origin_us, axis.end_us))
    begin, end = ((pl.col(key) % axis.agent_width).clip(low, high) for key in ("key", "key_end"))
    # clipped to the window: what counted before it is not part of the day's figure
    length = pl.when(name).then(end - begin).otherwise(0)
    return (length.cum_sum() - length).over("agent")
