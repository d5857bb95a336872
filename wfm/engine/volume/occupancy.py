"""Measure how long the agents of a queue were staffed and how long they handled calls, per interval.

::

    agent      day           queues they answered for     their handling and waiting count for
    ann        2 March       sales, billing               sales and billing, in full
    bob        2 March       none                         no queue
"""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.errors import InputError
from wfm.core.time import INSTANT, local_date
from wfm.engine.inputs import frames
from wfm.engine.inputs.frames import Frame
from wfm.engine.time.interval_grid import split_at_intervals
from wfm.engine.time.units import us_to_seconds
from wfm.engine.volume.keys import INTERVAL_KEY, QUEUE_KEY

STAFFED_STATES: Final = (*glossary.HANDLING_STATES, *glossary.WAITING_STATES)
"""Working, no_answer, logged_in and rests are not among them: the queue could not have offered a call."""
STAFFING_DTYPES: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "interval_start": INSTANT,
    "handling_s": pl.Float64(),
    "staffed_s": pl.Float64(),
}
"""Columns of `sum_staffing`."""


def split_staffed_time(state: Frame, by: list[str]) -> pl.DataFrame:
    """Split handling and waiting time by interval.

    ::

        spans     10:10 |--------busy--------| 10:40
        pieces    10:10 |--|-------|---------| 10:40
                          10:15   10:30

    Args:
        state: agent_id start_at end_at state, disjoint per agent.
        by: columns of ``state`` to group by.

    Returns:
        The columns of ``by``, interval_start, handling_us and staffed_us (handling or waiting), in microseconds.

    Raises:
        InputError: as for `read_state_spans`.
    """
    spans = read_state_spans(state, by).filter(
        pl.col("state").is_in(STAFFED_STATES), pl.col("end_at") > pl.col("start_at")
    )
    bounds = {"low": pl.col("start_at").dt.epoch("us"), "high": pl.col("end_at").dt.epoch("us")}
    return (
        split_at_intervals(spans.with_columns(**bounds))
        .with_columns(
            staffed_us="us",
            handling_us=pl.when(pl.col("state").is_in(glossary.HANDLING_STATES)).then("us").otherwise(0),
        )
        .group_by([*by, "interval_start"])
        .agg(pl.col("handling_us", "staffed_us").sum())
    )


def read_state_spans(state: Frame, by: list[str]) -> pl.DataFrame:
    """Read and check spans of states: the columns ``by``, start_at, end_at, state.

    Raises:
        InputError: a column is missing, an instant has no zone, or a state is not one of wfm's.
    """
    data = state.lazy().collect()
    needed = list(dict.fromkeys([*by, "start_at", "end_at", "state"]))
    missing = [name for name in needed if name not in data.columns]
    if missing:
        raise InputError(
            f"state: no column {', '.join(missing)}; it has {', '.join(data.columns) or 'none'}."
        )
    for name in ("start_at", "end_at"):
        if data.height and getattr(data.schema[name], "time_zone", None) is None:
            raise InputError(
                f"state.{name}: {data.schema[name]} where an instant with a time zone is needed."
            )
    data = data.select(needed).with_columns(
        pl.col("start_at", "end_at").cast(INSTANT), pl.col("state").cast(pl.String)
    )
    states = data["state"].drop_nulls().unique().sort()
    foreign = states.filter(~states.is_in(glossary.STATES))
    if foreign.len():
        raise InputError(
            f"state: {foreign[0]!r} is not a state of wfm; map the vendor's states first, to one of: "
            f"{', '.join(glossary.STATES)}."
        )
    return data


def read_queue_zones(queue: Frame | None) -> pl.DataFrame:
    """Read the time zones of the queues that have one of their own: source, queue_id, zone.

    Raises:
        InputError: the frame does not have what its table needs.
        UsageError: a zone does not exist.
    """
    queues = frames.read_frame(queue, "queue").unique(QUEUE_KEY, keep="last").drop_nulls("timezone")
    for name in queues["timezone"].unique():
        frames.check_zone_name(name, "queue.timezone")
    return queues.select(*QUEUE_KEY, zone="timezone")


def list_serving_agents(
    legs: pl.DataFrame, login: pl.DataFrame, zones: pl.DataFrame, timezone: str
) -> pl.DataFrame:
    """List which agents answered calls of which queue on which local day.

    Args:
        legs: source (that counts the queue) queue_id account (that logged the leg) login answer (an instant).
        login: source login agent_id from_at to_at.
        zones: source queue_id zone.
        timezone: zone of queues without one.

    Returns:
        source, queue_id, zone, agent_id, day; each row once.
    """
    at = pl.col("answer")
    answers = (
        legs.filter(at.is_not_null(), pl.col("login").is_not_null())
        .join(login, left_on=["account", "login"], right_on=["source", "login"], how="left")
        .filter(
            pl.col("from_at").is_null() | (pl.col("from_at") <= at),
            pl.col("to_at").is_null() | (pl.col("to_at") > at),
        )
        .join(zones, on=QUEUE_KEY, how="left")
        .with_columns(pl.col("zone").fill_null(timezone), agent_id=pl.coalesce("agent_id", "login"))
    )
    day = local_date(at, pl.col("zone"), answers["zone"].unique().to_list())
    return answers.select(*QUEUE_KEY, "zone", "agent_id", day=day).unique()


def sum_staffing(served: pl.DataFrame, state: Frame) -> pl.DataFrame:
    """Sum the handling and staffed time of each queue's agents per interval, in the columns of `STAFFING_DTYPES`.

    Args:
        served: as from `list_serving_agents`.
        state: agent_id start_at end_at state, disjoint per agent.
    """
    names = served["zone"].unique()
    # joining by small integers instead of names; states of agents who serve no queue drop out
    agents = pl.Enum(served["agent_id"].unique().sort())
    served = served.with_columns(pl.col("agent_id").cast(agents))
    relevant = state.lazy().with_columns(pl.col("agent_id").cast(agents, strict=False)).drop_nulls("agent_id")
    pieces = split_staffed_time(relevant, ["agent_id"])
    # local days differ by the queue's zone: pieces are repeated per zone, of which there are few
    days = pieces.join(names.to_frame(), how="cross").with_columns(
        day=local_date(pl.col("interval_start"), pl.col("zone"), names.to_list())
    )
    return (
        days.join(served, on=["agent_id", "zone", "day"])
        .group_by(INTERVAL_KEY)
        .agg(
            handling_s=us_to_seconds(pl.col("handling_us").sum()),
            staffed_s=us_to_seconds(pl.col("staffed_us").sum()),
        )
    )
