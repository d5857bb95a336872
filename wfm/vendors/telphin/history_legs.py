"""Assembling legs from Telphin's call history, for calls with missing events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from wfm.core.text import fill_sentence

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
GROUP_TYPES: Final = ("ivr", "queue")
"""Types of extensions in which callers wait, and nobody talks."""
TIME_FIELDS: Final = ("inittimegmt", "starttimegmt", "bridgedtimegmt", "hanguptimegmt")
LEG_FIELDS: Final = (
    "flow",
    "extensionid",
    "extensiontype",
    "result",
    "duration",
    "recorduuid",
    "fromusername",
    "tousername",
    *TIME_FIELDS,
)
ENTRY_FIELDS: Final = (*LEG_FIELDS, "bridged", "didnumber")
ENTRY_TYPE: Final = pl.Struct(
    {
        **{name: pl.String() for name in ENTRY_FIELDS},
        "cdr": pl.List(pl.Struct({name: pl.String() for name in LEG_FIELDS})),
    }
)

CALL: Final = "call_id"
INSTANT: Final = pl.Datetime("us", "UTC")


def build_history_legs(events: pl.DataFrame, ivrs: Sequence[str] = ()) -> pl.DataFrame:
    """Build the legs of calls in the history, with the columns of `wfm.vendors.telphin.event_legs`.

    A phone's leg without times of its own has those of the call. ``ivrs``: extensions that are not queues, even where
    the history does not say so.
    """
    calls = events.with_columns(pl.col("said").str.json_decode(ENTRY_TYPE)).unnest("said")
    calls = calls.with_columns(_parse_gmt(name).alias(name) for name in TIME_FIELDS)
    itself = pl.struct([pl.col(name).cast(pl.String).alias(name) for name in LEG_FIELDS])
    no_cdr = pl.col("cdr").list.len().fill_null(0) == 0
    grouped = pl.col("extensiontype").str.to_lowercase().is_in(GROUP_TYPES).fill_null(False)
    single = pl.concat_list(itself)
    # an entry about a queue is itself a part of the call, as are the parts that it lists
    parts = pl.when(no_cdr).then(single).when(grouped).then(pl.concat_list("cdr", single)).otherwise("cdr")
    legs = (
        calls.with_columns(cdr=parts)
        .with_columns(number=pl.int_ranges(pl.col("cdr").list.len()))
        .explode("cdr", "number")
        .with_columns(pl.col("cdr").struct.rename_fields([f"leg_{name}" for name in LEG_FIELDS]))
        .unnest("cdr")
        .with_columns(_parse_gmt(f"leg_{name}").alias(f"leg_{name}") for name in TIME_FIELDS)
        .with_columns(
            kind=pl.col("leg_extensiontype").str.to_lowercase(),
            direction=_classify_direction(),
            from_number=pl.coalesce("leg_fromusername", "fromusername"),
            to_number=pl.coalesce("didnumber", "leg_tousername", "tousername"),
        )
    )
    queue_legs = _build_queue_legs(legs, ivrs)
    phones = legs.filter(~pl.col("kind").is_in(GROUP_TYPES).fill_null(False))
    return pl.concat([_build_phone_legs(phones, queue_legs), queue_legs], how="diagonal")


def _parse_gmt(name: str) -> pl.Expr:
    """Parse a time that is UTC and does not say so, with or without a fraction."""
    bare = pl.col(name).cast(pl.String).str.replace("T", " ").str.slice(0, 26)
    return bare.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC", strict=False)


def _classify_direction() -> pl.Expr:
    flow = pl.coalesce("leg_flow", "flow").str.to_lowercase()
    own = pl.when(flow.is_in(["in", "out"])).then(flow).otherwise(pl.col("flow").str.to_lowercase())
    inside = pl.all_horizontal(
        pl.coalesce(f"leg_{side}username", f"{side}username").str.contains(r"^\d+\*\d+").fill_null(False)
        for side in ("from", "to")
    )
    reported = pl.when(own.is_in(["in", "out"])).then(own).otherwise(pl.lit("unknown"))
    return pl.when(inside).then(pl.lit("internal")).otherwise(reported)


def _classify_outcome() -> pl.Expr:
    """Return how a leg ended; unknown results are stored as received."""
    result = pl.coalesce("leg_result", "result").str.to_lowercase()
    return result.replace_strict(RESULTS, default=result.str.replace_all(" ", "_")).fill_null("unknown")


def _build_phone_legs(legs: pl.DataFrame, queue_legs: pl.DataFrame) -> pl.DataFrame:
    legs = legs.join(queue_legs.select(CALL, "queue_id"), on=CALL, how="left")
    legs = legs.with_columns(outcome=_classify_outcome())
    begun = pl.coalesce("leg_inittimegmt", "leg_starttimegmt")
    seconds = pl.col("leg_duration").cast(pl.Float64, strict=False).clip(0, 86_400)
    lasted = pl.duration(milliseconds=seconds * 1000)
    answered = pl.col("outcome") == "answered"
    started = pl.coalesce(begun, "inittimegmt", "starttimegmt")
    rang_until = pl.when(~answered).then(started + lasted)
    return legs.select(
        fill_sentence("{}:h{}", CALL, "number").alias("leg_id"),
        CALL,
        pl.col("leg_extensionid").alias("login"),
        pl.when(pl.col("direction") != "out").then("queue_id").alias("queue_id"),
        "direction",
        started.alias("started_at"),
        pl.when(answered).then(pl.coalesce("leg_bridgedtimegmt", "bridgedtimegmt")).alias("answered_at"),
        pl.coalesce("leg_hanguptimegmt", rang_until, "hanguptimegmt").alias("ended_at"),
        "outcome",
        "from_number",
        "to_number",
        pl.col("leg_recorduuid").alias("recording_id"),
        pl.lit(None, pl.String).alias("linked_call_id"),
        pl.lit(True).alias("whole"),
        pl.lit(True).alias("phone"),
        pl.lit(None, pl.String).alias("warning"),
    )


def _build_queue_legs(legs: pl.DataFrame, ivrs: Sequence[str]) -> pl.DataFrame:
    """Build one leg per call of its IVRs and queues; the queue entered last is the queue."""
    is_queue = (pl.col("kind") == "queue") & ~pl.col("leg_extensionid").is_in(list(ivrs)).fill_null(False)
    voicemail = (pl.coalesce("leg_result", "result").str.to_lowercase() == "voicemail").any().over(CALL)
    groups = legs.with_columns(voicemail=voicemail).filter(pl.col("kind").is_in(GROUP_TYPES))
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
        fill_sentence("{}:queue", CALL).alias("leg_id"),
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
        nothing.alias("warning"),
    )
