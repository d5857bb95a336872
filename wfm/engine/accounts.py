"""What the call log and the state log each tell about a queue's volume and handle time, call by call.

`wfm.engine.reconcile` holds them against the vendor's own buckets. Times are whole microseconds since 1970 in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from wfm.engine import inputs, volume
from wfm.engine.inputs import Frame
from wfm.engine.linking import TOLERANCE
from wfm.engine.owners import with_agent
from wfm.engine.volume import HANDLING, QUEUE

NO_QUEUE: Final = ""
"""The queue of calls whose log names none; empty in an answer."""

COUNTED: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "kind": pl.String(),
    "at": pl.Int64(),
    "end": pl.Int64(),
    "abandoned": pl.Boolean(),
    "wait": pl.Int64(),
}
HANDLED: Final[dict[str, pl.DataType]] = {
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
_LEG: Final = ["account", "leg_id"]


@dataclass(frozen=True)
class Logs:
    """What is known call by call.

    counted: what may have been counted as a call: source queue_id kind at end abandoned wait. ``kind`` is call (as
        `volume.intervals` counts), transfer (a call's second answered leg and further ones), offer (its legs that were
        not answered), or out (calls that agents made for the queue). ``at`` is when it came, ``end`` when it gave up.
    handled: answered legs: source queue_id kind (call or out) account leg_id, arrival (of the call) answer end; talk
        and wrap by the call log, busy (and hold) and wrapup by the state log. wrap is null where the log has none; busy
        and wrapup are where nobody told the states of the agent. A leg whose seconds are unknown has no talk.
    """

    counted: pl.DataFrame
    handled: pl.DataFrame


def logs(
    call_leg: Frame | None, interval_volume: Frame | None, state: Frame | None, login: Frame | None
) -> Logs:
    """Take from both logs what concerns a queue; calls without a queue are of `NO_QUEUE`.

    Raises:
        InputError: a frame is not what its table needs.
    """
    taken = inputs.take(call_leg, "call_leg")
    every = taken.unique(["source", "leg_id"], keep="last", maintain_order=True).with_columns(
        pl.col("queue_id").fill_null(NO_QUEUE), pl.col("direction").str.to_lowercase()
    )
    made = pl.col("direction").is_in(["out", "internal"])
    came_in = volume.counted_legs(every, interval_volume).with_columns(kind=pl.lit("call"))
    own = every.filter(made, pl.col("queue_id") != NO_QUEUE).with_columns(direction=pl.lit("in"))
    went_out = volume.counted_legs(own, interval_volume).with_columns(kind=pl.lit("out"))
    told = None if state is None else _told_by_states(every, state, inputs.take(login, "login"))
    return Logs(
        pl.concat([*_counted(came_in), _counted(went_out)[0].with_columns(kind=pl.lit("out"))]),
        pl.concat([_handled(came_in, told), _handled(went_out, told)]),
    )


def _us(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("us")


def _counted(legs: pl.DataFrame) -> list[pl.DataFrame]:
    """List the calls, and the legs beyond the first of each."""
    calls = volume.counted_calls(legs).select(
        *QUEUE, "abandoned", kind=pl.lit("call"), at=_us("arrival"), end=_us("ended_at"), wait="wait_us"
    )
    mine = [*QUEUE, "call"]
    beyond = (
        legs.sort(~pl.col("answered"), "started_at", maintain_order=True)
        .filter(pl.int_range(pl.len()).over(mine) > 0)
        .select(
            *QUEUE,
            abandoned=pl.lit(False),
            kind=pl.when("answered").then(pl.lit("transfer")).otherwise(pl.lit("offer")),
            at=pl.coalesce(_us("started_at"), _us("answer"), _us("ended_at")),
            end=_us("ended_at"),
            wait=pl.lit(None, pl.Int64),
        )
    )
    return [_of(COUNTED, part.filter(pl.col("at").is_not_null())) for part in (calls, beyond)]


def _of(columns: dict[str, pl.DataType], rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def _handled(legs: pl.DataFrame, told: pl.DataFrame | None) -> pl.DataFrame:
    """List the answered legs with what both logs say of their seconds."""
    arrival = pl.coalesce("started_at", "answer", "ended_at").min().over([*QUEUE, "call"])
    wrap = (pl.col("wrap_s") * 1_000_000).round().cast(pl.Int64)
    rows = legs.with_columns(arrival=arrival.dt.epoch("us")).filter("answered")
    rows = rows.with_columns(
        wrap=wrap, talk=pl.col("handle_us") - wrap.fill_null(0), answer=_us("answer"), end=_us("ended_at")
    ).with_columns(end=pl.coalesce("end", pl.col("answer") + pl.col("talk"), "answer", "arrival"))
    if told is None:
        told = pl.DataFrame(schema={name: HANDLED[name] for name in (*_LEG, "busy", "wrapup")})
    return _of(HANDLED, rows.join(told, on=_LEG, how="left", maintain_order="left"))


# --- whose call a state was about -------------------------------------------------------------------------
def _told_by_states(legs: pl.DataFrame, state: Frame, login: pl.DataFrame) -> pl.DataFrame:
    """Give every answered leg the busy and wrap-up seconds of its agent that are about it: account leg_id busy wrapup.

    ::

        legs      |---- 7 ----|          |-- 8 --||-- 9 --|
        states     |busy       |wrapup|   |busy           |wrapup|
        of leg     |7                 |   |8      |9             |

    Handling without a break belongs to the leg that was answered in it last; before its first leg, to that one.
    """
    spans = volume.states(state, ["agent_id"]).with_columns(
        low=pl.col("start_at").dt.epoch("us"), high=pl.col("end_at").dt.epoch("us")
    )
    spans = spans.filter(pl.col("high") > pl.col("low")).sort("agent_id", "low")
    talks = _conversations(legs, login).join(spans.select("agent_id").unique(), on="agent_id", how="semi")
    runs = _runs(spans)
    cut = _cut(runs, _placed(talks, runs))
    seconds = pl.col("until") - pl.col("at")
    sums = (
        cut.filter(pl.col("talk") >= 0)
        .group_by("talk")
        .agg(
            busy=seconds.filter(pl.col("state") != "wrapup").sum(),
            wrapup=seconds.filter(pl.col("state") == "wrapup").sum(),
        )
    )
    return (
        talks.join(sums, on="talk", how="left")
        .with_columns(pl.col("busy", "wrapup").fill_null(0))
        .select(*_LEG, "busy", "wrapup")
    )


def _conversations(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Number what agents talked: account leg_id agent_id answer end talk; two logs of one conversation are one."""
    answered = legs.filter(pl.col("answered_at").is_not_null(), pl.col("login").is_not_null())
    owned = with_agent(answered, login, pl.col("answered_at")).sort(
        "agent_id", "answered_at", "source", "leg_id"
    )
    same = (
        (pl.col("agent_id") == pl.col("agent_id").shift(1))
        & (pl.col("answered_at") - pl.col("answered_at").shift(1) <= TOLERANCE)
        & (pl.col("source") != pl.col("source").shift(1))
    )
    return owned.select(
        "leg_id",
        "agent_id",
        account="source",
        answer=_us("answered_at"),
        end=pl.coalesce(_us("ended_at"), _us("answered_at")),
        talk=(~same.fill_null(False)).cum_sum().cast(pl.Int64),
    )


def _runs(spans: pl.DataFrame) -> pl.DataFrame:
    """Keep handling and number its unbroken runs: agent_id low high state run run_low run_high."""
    handling = spans.filter(pl.col("state").is_in(HANDLING))
    goes_on = (pl.col("agent_id") == pl.col("agent_id").shift(1)) & (pl.col("low") == pl.col("high").shift(1))
    return handling.with_columns(run=(~goes_on.fill_null(False)).cum_sum().cast(pl.Int64)).with_columns(
        run_low=pl.col("low").min().over("run"), run_high=pl.col("high").max().over("run")
    )


def _placed(talks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Say in which run each conversation was: run, talk, at (where its part begins)."""
    slack = int(TOLERANCE.total_seconds() * 1_000_000)
    heard = talks.group_by("talk").agg(
        pl.col("agent_id").first(), pl.col("answer").min(), pl.col("end").max()
    )
    known = runs.select("agent_id", "run", "run_low", "run_high").unique().sort("run_low")
    near = heard.with_columns(from_=pl.col("answer") + slack).sort("from_")
    within = near.join_asof(known, left_on="from_", right_on="run_low", by="agent_id", check_sortedness=False)
    inside = pl.col("answer") < pl.col("run_high")
    found = within.filter(inside)
    later = (
        near.join(found, on="talk", how="anti")
        .join_asof(
            known,
            left_on="from_",
            right_on="run_low",
            by="agent_id",
            strategy="forward",
            check_sortedness=False,
        )
        .filter(pl.col("run_low") < pl.col("end"))
    )
    columns = ["run", "talk", "answer", "run_low"]
    placed = pl.concat([found.select(columns), later.select(columns)]).sort("run", "answer", "talk")
    first = pl.col("run") != pl.col("run").shift(1)
    at = pl.when(first.fill_null(True)).then("run_low").otherwise(pl.max_horizontal("answer", "run_low"))
    return placed.select("run", "talk", at=at)


def _cut(runs: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Cut runs where a conversation's part begins: run at until state talk; talk is -1 where none is known."""
    starts = pl.col("low") == pl.col("run_low")
    states = runs.select(
        "run", "run_high", "state", at="low", talk=pl.when(starts).then(pl.lit(-1, pl.Int64)), order=pl.lit(0)
    )
    marks = pl.concat([states, placed.with_columns(order=pl.lit(1))], how="diagonal").sort(
        "run", "at", "order"
    )
    return marks.with_columns(
        pl.col("state", "talk", "run_high").forward_fill().over("run"),
    ).with_columns(until=pl.col("at").shift(-1).over("run").fill_null(pl.col("run_high")))


def unseen(state: Frame, legs: Frame | None, login: Frame | None) -> pl.DataFrame:
    """List the answered legs during which nobody watched their agent's state: account leg_id.

    Args:
        state: as from `Score.slices`.
        legs: call_leg.
        login: login.
    """
    dark = volume.states(state, ["agent_id"]).filter(pl.col("state").is_in(["unknown", "unmapped"]))
    answered = inputs.take(legs, "call_leg").filter(
        pl.col("answered_at").is_not_null(), pl.col("login").is_not_null()
    )
    owned = with_agent(answered, inputs.take(login, "login"), pl.col("answered_at"))
    spans = dark.select("agent_id", "start_at", "end_at").sort("start_at")
    return (
        owned.sort("ended_at")
        .join_asof(spans, left_on="ended_at", right_on="start_at", by="agent_id", check_sortedness=False)
        .filter(pl.col("end_at") > pl.col("answered_at"))
        .select("leg_id", account="source")
    )
