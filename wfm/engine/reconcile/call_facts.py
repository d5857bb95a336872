"""Collect facts about every call of a queue from the call log and from the state log: volume and handle time.

`wfm.engine.reconcile.reconcile` compares them with the vendor's own buckets. Times here are epoch microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.time import US_PER_SECOND, to_microseconds
from wfm.engine.inputs import frames
from wfm.engine.inputs.frames import Frame
from wfm.engine.inputs.logins import add_agent_id
from wfm.engine.volume import intervals, occupancy
from wfm.engine.volume.call_linking import LINK_TOLERANCE
from wfm.engine.volume.keys import QUEUE_KEY

NO_QUEUE: Final = ""
"""The queue_id of calls without a queue; null in results."""

COUNTED_DTYPES: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "kind": pl.String(),
    "at": pl.Int64(),
    "end": pl.Int64(),
    "abandoned": pl.Boolean(),
    "wait": pl.Int64(),
}
HANDLED_DTYPES: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "kind": pl.String(),
    "account": pl.String(),
    "leg_id": pl.String(),
    "arrival": pl.Int64(),
    "answer": pl.Int64(),
    "end": pl.Int64(),
    "talk": pl.Int64(),
    "wrap": pl.Int64(),
    "busy": pl.Int64(),
    "wrapup": pl.Int64(),
}
_LEG_KEY: Final = ["account", "leg_id"]


@dataclass(frozen=True)
class CallFacts:
    """The facts of both logs, one row per call or leg.

    counted: everything that a vendor may have counted as a call: source queue_id kind at end abandoned wait. ``kind``
        is call (as `measure_intervals` counts), transfer (a call's second answered leg and further ones), offer (its
        unanswered legs), or out (calls that agents made for the queue). ``at`` is the arrival, ``end`` the end.
    handled: answered legs: source queue_id kind (call or out) account leg_id, arrival (of the call) answer end; talk
        and wrap by the call log, busy (with hold) and wrapup by the state log. wrap is null where the call log has
        none, busy and wrapup where no state of the agent is known, talk where the duration is unknown.
    """

    counted: pl.DataFrame
    handled: pl.DataFrame


def collect_call_facts(
    call_leg: Frame | None, interval_volume: Frame | None, state: Frame | None, login: Frame | None
) -> CallFacts:
    """Collect the facts of both logs; calls without a queue get `NO_QUEUE`.

    Args:
        call_leg: the call log.
        interval_volume: the vendor's buckets, which decide which source counts a queue.
        state: as from `Score.slices`; None: no states.
        login: source login agent_id [from_at to_at].

    Raises:
        InputError: a frame does not have what its table needs.
    """
    legs = frames.read_frame(call_leg, "call_leg")
    legs = legs.unique(["source", "leg_id"], keep="last", maintain_order=True).with_columns(
        pl.col("queue_id").fill_null(NO_QUEUE), pl.col("direction").str.to_lowercase()
    )
    made = pl.col("direction").is_in(["out", "internal"])
    # the same selection as for volume: otherwise the two would differ for reasons of their own
    came_in = intervals.select_counted_legs(legs, interval_volume).with_columns(kind=pl.lit("call"))
    outgoing = legs.filter(made, pl.col("queue_id") != NO_QUEUE).with_columns(direction=pl.lit("in"))
    # counted as if they had come in: the rules of counting are the same
    went_out = intervals.select_counted_legs(outgoing, interval_volume).with_columns(kind=pl.lit("out"))
    by_states = (
        None if state is None else _attribute_state_time(legs, state, frames.read_frame(login, "login"))
    )
    return CallFacts(
        pl.concat(
            [
                *_list_countable_calls(came_in),
                _list_countable_calls(went_out)[0].with_columns(kind=pl.lit("out")),
            ]
        ),
        pl.concat([_list_handled_legs(came_in, by_states), _list_handled_legs(went_out, by_states)]),
    )


def _epoch_us(name: str) -> pl.Expr:
    """Return a column of instants in epoch microseconds."""
    return pl.col(name).dt.epoch("us")


def _list_countable_calls(legs: pl.DataFrame) -> list[pl.DataFrame]:
    """List the calls, and apart from them the legs beyond the first of each call."""
    calls = intervals.merge_legs_into_calls(legs).select(
        *QUEUE_KEY,
        "abandoned",
        kind=pl.lit("call"),
        at=_epoch_us("arrival"),
        end=_epoch_us("ended_at"),
        wait="wait_us",
    )
    call_key = [*QUEUE_KEY, "call"]
    beyond = (
        legs.sort(~pl.col("answered"), "started_at", maintain_order=True)
        .filter(pl.int_range(pl.len()).over(call_key) > 0)
        .select(
            *QUEUE_KEY,
            abandoned=pl.lit(False),
            kind=pl.when("answered").then(pl.lit("transfer")).otherwise(pl.lit("offer")),
            at=pl.coalesce(_epoch_us("started_at"), _epoch_us("answer"), _epoch_us("ended_at")),
            end=_epoch_us("ended_at"),
            wait=pl.lit(None, pl.Int64),
        )
    )
    return [
        _cast_columns(COUNTED_DTYPES, part.filter(pl.col("at").is_not_null())) for part in (calls, beyond)
    ]


def _cast_columns(columns: dict[str, pl.DataType], rows: pl.DataFrame) -> pl.DataFrame:
    """Select columns in this order and with these types."""
    return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def _list_handled_legs(legs: pl.DataFrame, by_states: pl.DataFrame | None) -> pl.DataFrame:
    """List the answered legs with their handle time by both logs."""
    arrival = pl.coalesce("started_at", "answer", "ended_at").min().over([*QUEUE_KEY, "call"])
    wrap = (pl.col("wrap_s") * US_PER_SECOND).round().cast(pl.Int64)
    rows = legs.with_columns(arrival=arrival.dt.epoch("us")).filter("answered")
    rows = rows.with_columns(
        wrap=wrap,
        talk=pl.col("handle_us") - wrap.fill_null(0),
        answer=_epoch_us("answer"),
        end=_epoch_us("ended_at"),
    ).with_columns(end=pl.coalesce("end", pl.col("answer") + pl.col("talk"), "answer", "arrival"))
    if by_states is None:
        by_states = pl.DataFrame(
            schema={name: HANDLED_DTYPES[name] for name in (*_LEG_KEY, "busy", "wrapup")}
        )
    return _cast_columns(HANDLED_DTYPES, rows.join(by_states, on=_LEG_KEY, how="left", maintain_order="left"))


# --- handle time by the state log -------------------------------------------------------------------------
def _attribute_state_time(legs: pl.DataFrame, state: Frame, login: pl.DataFrame) -> pl.DataFrame:
    """Attribute the busy and wrap-up time of agents to their answered legs: account leg_id busy wrapup (µs).

    ::

        legs      |---- 7 ----|          |-- 8 --||-- 9 --|
        states     |busy       |wrapup|   |busy           |wrapup|
        of leg     |7                 |   |8      |9             |

    Within an unbroken run of handling, time belongs to the last leg answered so far; before the first, to the first.
    """
    spans = occupancy.read_state_spans(state, ["agent_id"]).with_columns(
        low=pl.col("start_at").dt.epoch("us"), high=pl.col("end_at").dt.epoch("us")
    )
    spans = spans.filter(pl.col("high") > pl.col("low")).sort("agent_id", "low")
    talks = _number_conversations(legs, login).join(
        spans.select("agent_id").unique(), on="agent_id", how="semi"
    )
    runs = _number_handling_runs(spans)
    cut = _cut_runs(runs, _match_conversations(talks, runs))
    length = pl.col("until") - pl.col("at")
    sums = (
        cut.filter(pl.col("talk") >= 0)
        .group_by("talk")
        .agg(
            busy=length.filter(pl.col("state") != "wrapup").sum(),
            wrapup=length.filter(pl.col("state") == "wrapup").sum(),
        )
    )
    return (
        talks.join(sums, on="talk", how="left")
        .with_columns(pl.col("busy", "wrapup").fill_null(0))
        .select(*_LEG_KEY, "busy", "wrapup")
    )


def _number_conversations(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Number the conversations of agents: account leg_id agent_id answer end talk; two logs of one get one number."""
    answered = legs.filter(pl.col("answered_at").is_not_null(), pl.col("login").is_not_null())
    held = add_agent_id(answered, login, pl.col("answered_at")).sort(
        "agent_id", "answered_at", "source", "leg_id"
    )
    same = (
        (pl.col("agent_id") == pl.col("agent_id").shift(1))
        & (pl.col("answered_at") - pl.col("answered_at").shift(1) <= LINK_TOLERANCE)
        & (pl.col("source") != pl.col("source").shift(1))
    )
    return held.select(
        "leg_id",
        "agent_id",
        account="source",
        answer=_epoch_us("answered_at"),
        end=pl.coalesce(_epoch_us("ended_at"), _epoch_us("answered_at")),
        talk=(~same.fill_null(False)).cum_sum().cast(pl.Int64),
    )


def _number_handling_runs(spans: pl.DataFrame) -> pl.DataFrame:
    """Select handling and number its unbroken runs: agent_id low high state run run_low run_high."""
    handling = spans.filter(pl.col("state").is_in(glossary.HANDLING_STATES))
    goes_on = (pl.col("agent_id") == pl.col("agent_id").shift(1)) & (pl.col("low") == pl.col("high").shift(1))
    return handling.with_columns(run=(~goes_on.fill_null(False)).cum_sum().cast(pl.Int64)).with_columns(
        run_low=pl.col("low").min().over("run"), run_high=pl.col("high").max().over("run")
    )


def _match_conversations(talks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Match each conversation to a run: run, talk, at (where its part begins)."""
    # the clocks of two systems differ: a run may seem to begin a little after the answer
    slack = to_microseconds(LINK_TOLERANCE)
    conversations = talks.group_by("talk").agg(
        pl.col("agent_id").first(), pl.col("answer").min(), pl.col("end").max()
    )
    candidates = runs.select("agent_id", "run", "run_low", "run_high").unique().sort("run_low")
    near = conversations.with_columns(from_=pl.col("answer") + slack).sort("from_")
    within = near.join_asof(
        candidates, left_on="from_", right_on="run_low", by="agent_id", check_sortedness=False
    )
    inside = pl.col("answer") < pl.col("run_high")
    found = within.filter(inside)
    later = (
        near.join(found, on="talk", how="anti")
        .join_asof(
            candidates,
            left_on="from_",
            right_on="run_low",
            by="agent_id",
            strategy="forward",
            check_sortedness=False,
        )
        .filter(pl.col("run_low") < pl.col("end"))
    )
    columns = ["run", "talk", "answer", "run_low"]
    matched = pl.concat([found.select(columns), later.select(columns)]).sort("run", "answer", "talk")
    # time of a run before its first conversation belongs to that conversation
    first = pl.col("run") != pl.col("run").shift(1)
    at = pl.when(first.fill_null(True)).then("run_low").otherwise(pl.max_horizontal("answer", "run_low"))
    return matched.select("run", "talk", at=at)


def _cut_runs(runs: pl.DataFrame, matched: pl.DataFrame) -> pl.DataFrame:
    """Cut runs where a conversation's part begins: run at until state talk; talk is -1 before any."""
    starts = pl.col("low") == pl.col("run_low")
    states = runs.select(
        "run", "run_high", "state", at="low", talk=pl.when(starts).then(pl.lit(-1, pl.Int64)), order=pl.lit(0)
    )
    marks = pl.concat([states, matched.with_columns(order=pl.lit(1))], how="diagonal").sort(
        "run", "at", "order"
    )
    return marks.with_columns(
        pl.col("state", "talk", "run_high").forward_fill().over("run"),
    ).with_columns(until=pl.col("at").shift(-1).over("run").fill_null(pl.col("run_high")))


def find_uncovered_legs(state: Frame, legs: Frame | None, login: Frame | None) -> pl.DataFrame:
    """List the answered legs during which the state of their agent is unknown: account leg_id.

    Args:
        state: as from `Score.slices`.
        legs: the call log.
        login: source login agent_id [from_at to_at].
    """
    unknown = occupancy.read_state_spans(state, ["agent_id"]).filter(
        pl.col("state").is_in(["unknown", "unmapped"])
    )
    answered = frames.read_frame(legs, "call_leg").filter(
        pl.col("answered_at").is_not_null(), pl.col("login").is_not_null()
    )
    held = add_agent_id(answered, frames.read_frame(login, "login"), pl.col("answered_at"))
    spans = unknown.select("agent_id", "start_at", "end_at").sort("start_at")
    return (
        held.sort("ended_at")
        .join_asof(spans, left_on="ended_at", right_on="start_at", by="agent_id", check_sortedness=False)
        .filter(pl.col("end_at") > pl.col("answered_at"))
        .select("leg_id", account="source")
    )
