"""Telphin's call history → legs, for calls of which events are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from wfm.words import worded

RESULTS: Final = {
    "answered": "answered",
    "bridged": "answered",
    "not answered": "no_answer",
    "busy": "busy",
    "failed": "failed",
    "rejected": "rejected",
    "voicemail": "voicemail",
    "answered elsewhere": "answered_elsewhere",
}
GROUPS: Final = ("ivr", "queue")
TIMES: Final = ("inittimegmt", "starttimegmt", "bridgedtimegmt", "hanguptimegmt")
LEG: Final = (
    "flow",
    "extensionid",
    "extensiontype",
    "result",
    "duration",
    "recorduuid",
    "fromusername",
    "tousername",
    *TIMES,
)
ENTRY: Final = (*LEG, "bridged", "didnumber")
DECODED: Final = pl.Struct(
    {
        **{name: pl.String() for name in ENTRY},
        "cdr": pl.List(pl.Struct({name: pl.String() for name in LEG})),
    }
)

CALL: Final = "call_id"
INSTANT: Final = pl.Datetime("us", "UTC")


def history_legs(events: pl.DataFrame, ivrs: Sequence[str] = ()) -> pl.DataFrame:
    """Read the legs of calls in the history, as `wfm.vendors._telphin_legs` makes them of events.

    A phone's leg without times of its own has those of the call. ``ivrs``: extensions that are no queues, though the
    history may not say of what type they are.
    """
    calls = events.with_columns(pl.col("said").str.json_decode(DECODED)).unnest("said")
    calls = calls.with_columns(_at(name).alias(name) for name in TIMES)
    itself = pl.struct([pl.col(name).cast(pl.String).alias(name) for name in LEG])
    none = pl.col("cdr").list.len().fill_null(0) == 0
    grouped = pl.col("extensiontype").str.to_lowercase().is_in(GROUPS).fill_null(False)
    single = pl.concat_list(itself)
    parts = pl.when(none).then(single).when(grouped).then(pl.concat_list("cdr", single)).otherwise("cdr")
    legs = (
        calls.with_columns(cdr=parts)
        .with_columns(number=pl.int_ranges(pl.col("cdr").list.len()))
        .explode("cdr", "number")
        .with_columns(pl.col("cdr").struct.rename_fields([f"leg_{name}" for name in LEG]))
        .unnest("cdr")
        .with_columns(_at(f"leg_{name}").alias(f"leg_{name}") for name in TIMES)
        .with_columns(
            kind=pl.col("leg_extensiontype").str.to_lowercase(),
            direction=_direction(),
            from_number=pl.coalesce("leg_fromusername", "fromusername"),
            to_number=pl.coalesce("didnumber", "leg_tousername", "tousername"),
        )
    )
    queued = _queued(legs, ivrs)
    phones = legs.filter(~pl.col("kind").is_in(GROUPS).fill_null(False))
    return pl.concat([_phones(phones, queued), queued], how="diagonal")


def _at(name: str) -> pl.Expr:
    """Read a time that is UTC and does not say so, with or without a fraction."""
    bare = pl.col(name).cast(pl.String).str.replace("T", " ").str.slice(0, 26)
    return bare.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC", strict=False)


def _direction() -> pl.Expr:
    flow = pl.coalesce("leg_flow", "flow").str.to_lowercase()
    own = pl.when(flow.is_in(["in", "out"])).then(flow).otherwise(pl.col("flow").str.to_lowercase())
    inside = pl.all_horizontal(
        pl.coalesce(f"leg_{side}username", f"{side}username").str.contains(r"^\d+\*\d+").fill_null(False)
        for side in ("from", "to")
    )
    known = pl.when(own.is_in(["in", "out"])).then(own).otherwise(pl.lit("unknown"))
    return pl.when(inside).then(pl.lit("internal")).otherwise(known)


def _outcome() -> pl.Expr:
    """Say how a leg ended; results nobody has heard of are kept."""
    result = pl.coalesce("leg_result", "result").str.to_lowercase()
    return result.replace_strict(RESULTS, default=result.str.replace_all(" ", "_")).fill_null("unknown")


def _phones(legs: pl.DataFrame, queued: pl.DataFrame) -> pl.DataFrame:
    legs = legs.join(queued.select(CALL, "queue_id"), on=CALL, how="left").with_columns(outcome=_outcome())
    begun = pl.coalesce("leg_inittimegmt", "leg_starttimegmt")
    seconds = pl.col("leg_duration").cast(pl.Float64, strict=False).clip(0, 86_400)
    lasted = pl.duration(milliseconds=seconds * 1000)
    answered = pl.col("outcome") == "answered"
    started = pl.coalesce(begun, "inittimegmt", "starttimegmt")
    rang = pl.when(~answered).then(started + lasted)
    return legs.select(
        worded("{}:h{}", CALL, "number").alias("leg_id"),
        CALL,
        pl.col("leg_extensionid").alias("login"),
        pl.when(pl.col("direction") != "out").then("queue_id").alias("queue_id"),
        "direction",
        started.alias("started_at"),
        pl.when(answered).then(pl.coalesce("leg_bridgedtimegmt", "bridgedtimegmt")).alias("answered_at"),
        pl.coalesce("leg_hanguptimegmt", rang, "hanguptimegmt").alias("ended_at"),
        "outcome",
        "from_number",
        "to_number",
        pl.col("leg_recorduuid").alias("recording_id"),
        pl.lit(None, pl.String).alias("linked_call_id"),
        pl.lit(True).alias("whole"),
        pl.lit(True).alias("phone"),
        pl.lit(None, pl.String).alias("odd"),
    )


def _queued(legs: pl.DataFrame, ivrs: Sequence[str]) -> pl.DataFrame:
    """Make one leg per call of its IVRs and queues; the queue entered last is the queue."""
    is_queue = (pl.col("kind") == "queue") & ~pl.col("leg_extensionid").is_in(list(ivrs)).fill_null(False)
    voicemail = (pl.coalesce("leg_result", "result").str.to_lowercase() == "voicemail").any().over(CALL)
    groups = legs.with_columns(voicemail=voicemail).filter(pl.col("kind").is_in(GROUPS))
    begun = pl.coalesce("leg_inittimegmt", "leg_starttimegmt", "inittimegmt", "starttimegmt")
    calls = (
        groups.with_columns(is_queue=is_queue, begun=begun)
        .sort(CALL, "is_queue", "begun", "number", nulls_last=False)
        .group_by(CALL, maintain_order=True)
        .agg(
            pl.col("leg_extensionid", "is_queue", "direction", "begun", "from_number", "to_number").last(),
            pl.col("voicemail", "bridged").last(),
            ended_at=pl.coalesce("leg_hanguptimegmt", "hanguptimegmt").max(),
        )
    )
    outcome = (
        pl.when(pl.col("bridged").str.to_lowercase().is_in(["yes", "true", "1"]))
        .then(pl.lit("bridged"))
        .when("voicemail")
        .then(pl.lit("voicemail"))
        .otherwise(pl.lit("abandoned"))
    )
    nothing = pl.lit(None, pl.String)
    return calls.select(
        worded("{}:queue", CALL).alias("leg_id"),
        CALL,
        nothing.alias("login"),
        pl.when("is_queue").then("leg_extensionid").alias("queue_id"),
        "direction",
        pl.col("begun").alias("started_at"),
        pl.lit(None, INSTANT).alias("answered_at"),
        "ended_at",
        outcome.alias("outcome"),
        "from_number",
        "to_number",
        nothing.alias("recording_id"),
        nothing.alias("linked_call_id"),
        pl.lit(True).alias("whole"),
        pl.lit(False).alias("phone"),
        nothing.alias("odd"),
    )
