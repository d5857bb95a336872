"""Calls → polars frames: customers' calls, agents' legs, quarter-hours."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.sandbox.calls import Leg
from wfm.sandbox.floor import Floor
from wfm.sandbox.frames import instants
from wfm.sandbox.people import Agent, Queue

DIRECTION = {"placed": "internal", "received": "internal"}


def call(floor: Floor, agents: Sequence[Agent], queues: Sequence[Queue]) -> pl.DataFrame:
    """Build frame call."""
    served, calls = floor.served, floor.calls
    return pl.DataFrame(
        {
            "call_id": [f"c-{i}" for i in range(len(served))],
            "queue_id": [queues[q].queue_id for q in calls.queue],
            "arrived_at": instants("", calls.arrived),
            "answered_at": instants("", (leg.answered if leg else None for leg in served)),
            "ended_at": instants("", (leg.ended if leg else None for leg in served)),
            "abandoned_at": instants("", floor.gave_up),
            "agent_id": pl.Series(
                [agents[leg.agent].agent_id if leg else None for leg in served], dtype=pl.String
            ),
            "wrap_s": pl.Series([leg.wrap if leg else None for leg in served], dtype=pl.Int64),
        }
    )


def leg(legs: Sequence[Leg], agents: Sequence[Agent], queues: Sequence[Queue]) -> pl.DataFrame:
    """Build frame leg, in order of agent and time."""
    started, answered = pl.col("started_at"), pl.col("answered_at")
    frame = pl.DataFrame(
        {
            "leg_id": [f"leg-{i}" for i in range(len(legs))],
            "call_id": [f"c-{one.call}" if one.call >= 0 else f"o{one.call}" for one in legs],
            "agent_id": [agents[one.agent].agent_id for one in legs],
            "login": [agents[one.agent].xsi for one in legs],
            "queue_id": pl.Series(
                [queues[one.queue].queue_id if one.queue >= 0 else None for one in legs], dtype=pl.String
            ),
            "direction": [DIRECTION.get(one.direction, one.direction) for one in legs],
            "started_at": instants("", (one.started for one in legs)),
            "answered_at": instants("", (one.answered for one in legs)),
            "ended_at": instants("", (one.ended for one in legs)),
            "wrap_s": [float(one.wrap) for one in legs],
            "outcome": [one.outcome for one in legs],
        }
    )
    rang = pl.coalesce(answered, "ended_at") - started
    return frame.with_columns(
        ring_s=rang.dt.total_seconds().cast(pl.Float64),
        talk_s=(pl.col("ended_at") - answered).dt.total_seconds().cast(pl.Float64),
    ).sort("agent_id", "started_at")


def interval(calls: pl.DataFrame) -> pl.DataFrame:
    """Count calls where they came in, and book handle time where they ended."""
    came = calls.group_by("queue_id", interval_start=pl.col("arrived_at").dt.truncate("15m")).agg(
        entered=pl.len().cast(pl.Int64),
        abandoned=pl.col("abandoned_at").count().cast(pl.Int64),
        handled=pl.col("answered_at").count().cast(pl.Int64),
    )
    handle = (pl.col("ended_at") - pl.col("answered_at")).dt.total_seconds() + pl.col("wrap_s")
    ended = (
        calls.filter(pl.col("ended_at").is_not_null())
        .group_by("queue_id", interval_start=pl.col("ended_at").dt.truncate("15m"))
        .agg(sum_handle_ms=handle.sum() * 1000)
    )
    keys = ["queue_id", "interval_start"]
    return came.join(ended, on=keys, how="full", coalesce=True).fill_null(0).sort(keys)
