"""Build polars frames of calls, legs and quarter-hour intervals."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.sandbox.centre.call_distribution import CallDistribution
from wfm.sandbox.centre.calls import SimulatedLeg
from wfm.sandbox.centre.people import SimulatedAgent, SimulatedQueue
from wfm.sandbox.ground_truth.frames import build_instants

DIRECTION_OF_LEG = {"placed": "internal", "received": "internal"}


def build_call_frame(
    floor: CallDistribution, agents: Sequence[SimulatedAgent], queues: Sequence[SimulatedQueue]
) -> pl.DataFrame:
    """Build frame call."""
    served, calls = floor.served, floor.calls
    return pl.DataFrame(
        {
            "call_id": [f"c-{i}" for i in range(len(served))],
            "queue_id": [queues[q].queue_id for q in calls.queue],
            "arrived_at": build_instants("", calls.arrived),
            "answered_at": build_instants("", (leg.answered if leg else None for leg in served)),
            "ended_at": build_instants("", (leg.ended if leg else None for leg in served)),
            "abandoned_at": build_instants("", floor.abandoned_at),
            "agent_id": pl.Series(
                [agents[leg.agent].agent_id if leg else None for leg in served], dtype=pl.String
            ),
            "wrap_s": pl.Series([leg.wrap if leg else None for leg in served], dtype=pl.Int64),
        }
    )


def build_leg_frame(
    legs: Sequence[SimulatedLeg], agents: Sequence[SimulatedAgent], queues: Sequence[SimulatedQueue]
) -> pl.DataFrame:
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
            "direction": [DIRECTION_OF_LEG.get(one.direction, one.direction) for one in legs],
            "started_at": build_instants("", (one.started for one in legs)),
            "answered_at": build_instants("", (one.answered for one in legs)),
            "ended_at": build_instants("", (one.ended for one in legs)),
            "wrap_s": [float(one.wrap) for one in legs],
            "outcome": [one.outcome for one in legs],
        }
    )
    rang = pl.coalesce(answered, "ended_at") - started
    return frame.with_columns(
        ring_s=rang.dt.total_seconds().cast(pl.Float64),
        talk_s=(pl.col("ended_at") - answered).dt.total_seconds().cast(pl.Float64),
    ).sort("agent_id", "started_at")


def count_intervals(calls: pl.DataFrame) -> pl.DataFrame:
    """Count calls in the interval of their arrival, and book handle time in that of their end."""
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
