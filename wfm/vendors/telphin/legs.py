"""Assembling Telphin's legs from all events of some calls; the order in which they arrived does not matter.

::

    SubCallID 9001-a1   dial-in ───────────── hangup NOANSWER             a ring without an answer, not a missed call
    SubCallID 9002-b2           dial-in ── answer ────── hangup ANSWER    a leg of agent 9002
    SubCallID 8000-q0  (entered) ─────────────────────── hangup Bridged   the call's part in the queue, without an agent

Extensions of type IVR and queue are recognised by ``Bridged``, which only their hangups have. Together they are one leg
per call, without a login: it shows when the caller came and whether anybody answered (Bridged=no: the caller gave up),
so that volume counts each call once, by its arrival, with the talk of the phone legs.

If an event is missing, all legs of the call are those of the call history, if it has the call. If none is missing, the
events count, because they are more detailed, and a difference from the history is an alarm.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from wfm.core.text import fill_sentence
from wfm.vendors.telphin.call_history import HISTORY_KIND
from wfm.vendors.telphin.event_legs import CALL, CLOCK_TOLERANCE_S, LEG_COLUMNS, LegRules, build_event_legs
from wfm.vendors.telphin.history_legs import build_history_legs
from wfm.vendors.values import list_own_columns


def assemble_legs(events: pl.DataFrame, now: datetime, settings: LegRules) -> pl.DataFrame:
    """Assemble the legs of some calls; see `wfm.vendors.LegAssembler`.

    Args:
        events: event_id call_id at kind said: all events of these calls.
        now: the current time. A leg without events for ``give_up_s`` is incomplete; one that ended as answered, but
            without an answer event, stays open for ``hold_s``.
        settings: units, time limits, and which extensions are IVRs or queues.

    Returns:
        The own columns of call_leg but source, and ``alarm``: where events and history differ.
    """
    reported = build_event_legs(events, now, settings)
    history = events.filter(pl.col("kind") == HISTORY_KIND)
    logged = build_history_legs(history, settings.ivr_extensions).select(LEG_COLUMNS)
    chosen = _choose_legs(reported, logged).join(_describe_differences(reported, logged), on=CALL, how="left")
    first = pl.int_range(pl.len()).over(CALL) == 0
    legs = chosen.sort(CALL, "started_at", "leg_id").with_columns(
        alarm=pl.when(first).then("alarm"), **_compute_durations()
    )
    columns = list_own_columns("call_leg").items()
    return legs.select(*(_select_column(legs, name, dtype) for name, dtype in columns), "alarm")


def _select_column(legs: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name) if name in legs.columns else pl.lit(None)
    return column.cast(dtype).alias(name)


def _compute_durations() -> dict[str, pl.Expr]:
    """Return ring and talk in seconds; null where they would be negative."""
    answered, started, ended = pl.col("answered_at"), pl.col("started_at"), pl.col("ended_at")
    spans = {"ring_s": pl.coalesce(answered, ended) - started, "talk_s": ended - answered}
    phone = pl.col("phone")
    return {
        name: pl.when(phone & (span >= pl.duration())).then(span.dt.total_microseconds() / 1_000_000)
        for name, span in spans.items()
    }


# --- events and history ---------------------------------------------------------------------------------
def _choose_legs(reported: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Return the legs from events; for calls with missing events, those from the history.

    Where the history does not say through which queue a call came, the queue is that of its hangup event.
    """
    filled = _find_incomplete_calls(reported, logged)
    queued = reported.filter(~pl.col("phone")).join(filled, on=CALL, how="semi")
    queued = queued.join(logged.filter(~pl.col("phone")), on=CALL, how="anti")
    through = pl.when(pl.col("direction") != "out").then("queue_of_event")
    history = (
        logged.join(filled, on=CALL, how="semi")
        .join(queued.select(CALL, queue_of_event="queue_id"), on=CALL, how="left")
        .with_columns(queue_id=pl.coalesce("queue_id", through))
        .drop("queue_of_event")
    )
    return pl.concat([reported.join(filled, on=CALL, how="anti"), history, queued])


def _find_incomplete_calls(reported: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Return the calls whose legs the history gives: no event of them came, or not all."""
    both = _summarise_calls(logged).join(_summarise_calls(reported), on=CALL, how="left", suffix="_reported")
    is_incomplete = pl.any_horizontal(
        ~pl.col("whole_reported"), *(pl.col(n) > pl.col(f"{n}_reported") for n in ("phones", "groups"))
    )
    return both.filter(is_incomplete.fill_null(True)).select(CALL)


def _summarise_calls(legs: pl.DataFrame) -> pl.DataFrame:
    """Sum up calls: how many phones, how many answered, seconds of talk, end."""
    phone, answered = pl.col("phone"), pl.col("outcome") == "answered"
    talk = (pl.col("ended_at") - pl.col("answered_at")).dt.total_microseconds() / 1_000_000
    return legs.group_by(CALL).agg(
        phones=phone.sum(),
        groups=(~phone).sum(),
        answered=(phone & answered).sum(),
        talk_s=talk.filter(phone).sum(),
        ended_at=pl.col("ended_at").max(),
        whole=pl.col("whole").all(),
    )


def _describe_differences(reported: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Return where the history of a call differs from its events: call_id, alarm."""
    whole = _summarise_calls(reported).filter("whole")
    both = whole.join(_summarise_calls(logged), on=CALL, suffix="_logged")
    later = (pl.col("ended_at_logged") - pl.col("ended_at")).dt.total_microseconds() / 1_000_000
    talk, talk_logged = pl.col("talk_s"), pl.col("talk_s_logged")
    tolerance = CLOCK_TOLERANCE_S * pl.max_horizontal("answered", 1)
    texts = [
        pl.when(pl.col("answered") != pl.col("answered_logged")).then(
            fill_sentence("{} answered legs, {} in the history", "answered", "answered_logged")
        ),
        pl.when((talk - talk_logged).abs() > tolerance).then(
            fill_sentence("{} s of talk, {} s in the history", talk.round(1), talk_logged.round(1))
        ),
        pl.when(later.abs() > CLOCK_TOLERANCE_S).then(
            fill_sentence("ended {} s later in the history", later.round(1))
        ),
    ]
    warnings = reported.group_by(CALL).agg(warning=pl.col("warning").drop_nulls().first())
    found = both.select(CALL, differs=pl.concat_str(texts, separator=", ", ignore_nulls=True))
    named = pl.when(pl.col("differs") != "").then(fill_sentence("call {}: {}", CALL, "differs"))
    return (
        warnings.join(found, on=CALL, how="left")
        .select(CALL, alarm=pl.concat_str([named, "warning"], separator="; ", ignore_nulls=True))
        .filter(pl.col("alarm") != "")
    )
