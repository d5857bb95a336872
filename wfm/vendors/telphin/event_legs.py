"""Assembling legs from Telphin's events: one per SubCallID of a phone, and one per call for queues and IVRs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

import polars as pl

from wfm.core.text import fill_sentence
from wfm.vendors.telphin.events import CALL_KINDS
from wfm.vendors.values import MICROS_PER_UNIT, EpochUnit

OUTCOMES: Final = {
    "ANSWER": "answered",
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "CANCEL": "caller_cancelled",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
}
FIELDS: Final = (
    "calleridnum",
    "callednumber",
    "calleddid",
    "callerextension",
    "calledextension",
    "callerextensionid",
    "calledextensionid",
    "callflow",
    "duration",
    "recid",
    "bridged",
    "transfered",
    "remotenumber",
    "callbackid",
)
SAID_TYPE: Final = pl.Struct({name: pl.String() for name in ("subcallid", "callstatus", *FIELDS)})
CALL: Final = "call_id"
CLOCK_TOLERANCE_S: Final = 2.0
"""By so much may the clocks of events and of the history differ."""
MAX_LEG: Final = timedelta(hours=24)
INCOMPLETE: Final = "incomplete"
BRIDGED: Final = "bridged"
"""The outcome of a queue leg whose call an agent answered."""
INSTANT: Final = pl.Datetime("us", "UTC")

LEG_COLUMNS: Final = (
    "leg_id",
    CALL,
    "login",
    "queue_id",
    "direction",
    "started_at",
    "answered_at",
    "ended_at",
    "outcome",
    "from_number",
    "to_number",
    "recording_id",
    "linked_call_id",
    "whole",
    "phone",
    "warning",
)
"""whole: nothing of the leg is missing. phone: it is that of a phone, not of a queue or IVR. warning: what is
implausible about it."""


class LegRules(Protocol):
    """The settings that legs depend on; see `wfm.vendors.telphin.settings.Settings`."""

    @property
    def duration_unit(self) -> EpochUnit: ...
    @property
    def hold_s(self) -> float: ...
    @property
    def give_up_s(self) -> float: ...
    @property
    def ivr_extensions(self) -> tuple[str, ...]: ...
    @property
    def queue_extensions(self) -> tuple[str, ...]: ...


def build_event_legs(events: pl.DataFrame, now: datetime, settings: LegRules) -> pl.DataFrame:
    """Build the legs of some calls from all their events: `LEG_COLUMNS`."""
    spread = _spread_fields(events.filter(pl.col("kind").is_in(CALL_KINDS)), settings)
    parts = _join_sub_calls(spread, now, settings)
    queue_legs = _build_queue_legs(parts, settings)
    return pl.concat([_build_phone_legs(parts, queue_legs), queue_legs.select(LEG_COLUMNS)])


# --- events of one SubCallID ----------------------------------------------------------------------------
def _spread_fields(events: pl.DataFrame, settings: LegRules) -> pl.DataFrame:
    """Return the fields of events as columns, in an order that does not depend on that of arrival."""
    spread = events.with_columns(pl.col("said").str.json_decode(SAID_TYPE)).unnest("said")
    micros = pl.col("duration").cast(pl.Float64, strict=False) * MICROS_PER_UNIT[settings.duration_unit]
    plausible = micros.is_between(0, MAX_LEG // timedelta(microseconds=1))
    return spread.with_columns(
        sub=pl.col("subcallid").str.to_lowercase().fill_null(""),
        callstatus=pl.col("callstatus").str.to_uppercase(),
        lasted=pl.duration(microseconds=pl.when(plausible).then(micros).cast(pl.Int64)),
    ).sort(CALL, "at", "kind", "event_id", nulls_last=True)


def _join_sub_calls(spread: pl.DataFrame, now: datetime, settings: LegRules) -> pl.DataFrame:
    """Join the events of every SubCallID: when it began, was answered and ended, and all reported fields."""
    kind, at = pl.col("kind"), pl.col("at")
    dial, hangup = kind.str.starts_with("dial-"), kind == "hangup"
    joined = spread.group_by(CALL, "sub", maintain_order=True).agg(
        started_at=at.filter(dial).min(),
        answer_event_at=at.filter(kind == "answer").min(),
        hung_at=at.filter(hangup).max(),
        hung=hangup.any(),
        dialed=kind.filter(dial).first(),
        voicemail=(kind == "voicemail").any(),
        leg=(kind != "voicemail").any(),
        last_at=at.max(),
        status=pl.col("callstatus").filter(hangup).drop_nulls().last(),
        lasted=pl.col("lasted").filter(hangup).drop_nulls().last(),
        **{name: pl.col(name).drop_nulls().first() for name in FIELDS},
    )
    alone = ~pl.col("leg").any().over(CALL)
    return (
        joined.with_columns(voicemail=pl.col("voicemail").any().over(CALL))
        .filter(pl.col("leg") | alone)
        .with_columns(_classify_direction(), **_compute_ends(now, settings))
        .with_columns(extension=_find_extension(), leg_id=fill_sentence("{}:{}", CALL, "sub"))
        .with_columns(grouped=_is_grouped(settings), **_find_outside_numbers())
    )


def _classify_direction() -> pl.Expr:
    """Return the direction of a leg: internal if both ends are extensions and no outside number is involved."""
    inside = pl.col("callerextensionid").is_not_null() & pl.col("calledextensionid").is_not_null()
    flow = pl.coalesce(pl.col("dialed").str.strip_prefix("dial-"), pl.col("callflow").str.to_lowercase())
    reported = pl.when(flow.is_in(["in", "out"])).then(flow).otherwise(pl.lit("unknown"))
    internal = inside & pl.col("remotenumber").is_null()
    return pl.when(internal).then(pl.lit("internal")).otherwise(reported).alias("direction")


def _compute_ends(now: datetime, settings: LegRules) -> dict[str, pl.Expr]:
    """Return when a leg was answered and ended, whether it is open or given up, and whether it is whole."""
    at, answer, status = pl.lit(now, INSTANT), pl.col("answer_event_at"), pl.col("status")
    success = status.fill_null("ANSWER") == "ANSWER"
    # the hangup of an answered leg may be delivered before its answer: the leg stays open for a moment
    lacks_answer = pl.col("hung") & (status == "ANSWER").fill_null(False) & answer.is_null()
    held = lacks_answer & (at - pl.col("hung_at") < timedelta(seconds=settings.hold_s)).fill_null(False)
    quiet_too_long = (at - pl.col("last_at") > timedelta(seconds=settings.give_up_s)).fill_null(True)
    silent = ~pl.col("hung") & quiet_too_long
    return {
        # a leg that ended as a failure was not talked on, whatever was reported before
        "answered_at": pl.when(success & answer.is_not_null()).then(pl.min_horizontal(answer, "hung_at")),
        "ended_at": pl.when(~held).then("hung_at"),
        "open": ~pl.col("hung") & ~silent | held,
        "silent": silent,
        "whole": pl.col("started_at").is_not_null() & pl.col("hung_at").is_not_null() & ~lacks_answer,
    }


def _find_extension() -> pl.Expr:
    """Return the extension of a leg; where no event has it, its SubCallID begins with it."""
    outgoing = pl.coalesce(pl.col("dialed"), pl.lit("dial-") + pl.col("callflow").str.to_lowercase())
    named = (
        pl.when(outgoing == "dial-out")
        .then(pl.col("callerextensionid"))
        .otherwise(pl.col("calledextensionid"))
    )
    return pl.coalesce(named, pl.col("sub").str.extract(r"^(\d+)-", 1))


def _find_outside_numbers() -> dict[str, pl.Expr]:
    """Return the outside numbers that a call is between, whichever of its events names them."""
    incoming = pl.col("direction") != "out"
    caller = pl.when(incoming).then(pl.coalesce("remotenumber", "calleridnum"))
    return {
        "outside": caller.drop_nulls().first().over(CALL),
        "did": pl.col("calleddid").drop_nulls().first().over(CALL),
    }


def _is_grouped(settings: LegRules) -> pl.Expr:
    """Return whether a leg is that of an IVR or a queue: by its hangup, another of the extension, or the settings."""
    shows = pl.col("bridged").is_not_null()
    configured = pl.col("extension").is_in([*settings.ivr_extensions, *settings.queue_extensions])
    return (shows | configured.fill_null(False)).any().over(CALL, "extension") | shows


# --- legs of phones -------------------------------------------------------------------------------------
def _build_phone_legs(parts: pl.DataFrame, queue_legs: pl.DataFrame) -> pl.DataFrame:
    """Build the legs of phones; in a call that came through a queue they have its queue_id."""
    phones = parts.filter(~pl.col("grouped")).join(
        queue_legs.select(CALL, "queue_id", through=pl.lit(True)), on=CALL, how="left"
    )
    incoming = pl.col("direction") != "out"
    through = pl.col("through").fill_null(False) & incoming
    return phones.select(
        "leg_id",
        CALL,
        pl.col("extension").alias("login"),
        pl.when(through).then("queue_id").alias("queue_id"),
        "direction",
        "started_at",
        "answered_at",
        "ended_at",
        _classify_outcome(through).alias("outcome"),
        *_find_numbers(),
        pl.col("recid").alias("recording_id"),
        _find_linked_call().alias("linked_call_id"),
        "whole",
        pl.lit(True).alias("phone"),
        _check_duration().alias("warning"),
    )


def _classify_outcome(through: pl.Expr) -> pl.Expr:
    """Return how a leg ended; if a queue withdraws a call from a phone, no caller has been lost."""
    status = pl.col("status")
    outcome = status.replace_strict(OUTCOMES, default=status.str.to_lowercase())
    withdrawn = through & (status == "CANCEL")
    guess = pl.when(pl.col("answered_at").is_not_null()).then(pl.lit("answered")).otherwise(pl.lit("unknown"))
    only_voicemail = ~pl.col("leg")
    return (
        pl.when(only_voicemail)
        .then(pl.lit("voicemail"))
        .when("open")
        .then(None)
        .when("silent")
        .then(pl.lit(INCOMPLETE))
        .when(withdrawn)
        .then(pl.lit("withdrawn"))
        .otherwise(pl.coalesce(outcome, guess))
    )


def _find_numbers() -> tuple[pl.Expr, pl.Expr]:
    caller, called = (
        shorten_extension(pl.coalesce(f"{who}extension", f"{who}extensionid")) for who in ("caller", "called")
    )
    incoming = pl.col("direction").is_in(["in", "unknown"])
    outside = pl.coalesce("remotenumber", "calleridnum")
    inside = pl.coalesce(caller, shorten_extension(pl.col("calleridnum")))
    from_ = pl.when(incoming).then(outside).otherwise(inside)
    to = pl.when(incoming).then(pl.coalesce("calleddid", "callednumber", called)).otherwise("callednumber")
    return from_.alias("from_number"), shorten_extension(to).alias("to_number")


def shorten_extension(extension: pl.Expr) -> pl.Expr:
    """Write an extension as people dial it: 0042*101@pbx.example is 101."""
    return extension.str.replace(r"@.*$", "").str.replace(r"^\d+\*(\d+)$", "$1")


def _find_linked_call() -> pl.Expr:
    """Return the linked call: of a call-back, the request for it; of a leg made by a transfer, the call itself."""
    moved = pl.col("transfered").str.to_lowercase() == "yes"
    return pl.coalesce("callbackid", pl.when(moved).then(CALL))


def _check_duration() -> pl.Expr:
    """Return a warning where Duration is neither that of the talk nor of the whole leg: its unit may be wrong."""
    end, tolerance = pl.col("hung_at"), pl.duration(milliseconds=int(CLOCK_TOLERANCE_S * 1000))
    fits = [
        ((end - pl.col(since)) - pl.col("lasted")).abs() <= tolerance
        for since in ("started_at", "answered_at")
    ]
    unfit = ~pl.any_horizontal(*fits, pl.col("lasted").is_null(), ~pl.col("whole")).fill_null(False)
    text = fill_sentence("Duration {} of {} is neither its talk nor all of it", "duration", "leg_id")
    return pl.when(unfit).then(text)


# --- a call's part in queues and IVRs -------------------------------------------------------------------
def _build_queue_legs(parts: pl.DataFrame, settings: LegRules) -> pl.DataFrame:
    """Build one leg per call for its IVRs and queues; the queue entered last is the queue.

    A call that was only in a known IVR has no queue, but if the caller gave up in it, the call is abandoned as well.
    """
    entered = pl.coalesce("started_at", pl.col("hung_at") - pl.col("lasted"))
    ivr = pl.col("extension").is_in(list(settings.ivr_extensions)).fill_null(False)
    groups = parts.filter("grouped").with_columns(entered=entered, ivr=ivr)
    last = groups.sort(
        CALL, "ivr", "entered", "leg_id", descending=[False, True, False, False], nulls_last=False
    )
    short_number = shorten_extension(pl.col("callednumber")).drop_nulls().first()
    calls = last.group_by(CALL, maintain_order=True).agg(
        pl.col("extension", "ivr", "direction", "entered").last(),
        pl.col("voicemail", "leg").any(),
        pl.col("open").any(),
        pl.col("silent", "hung").all(),
        pl.col("ended_at").last(),
        bridged=(pl.col("bridged").str.to_lowercase() == "yes").any(),
        shows=pl.col("bridged").is_not_null().any(),
        from_number=pl.col("outside").first(),
        to_number=pl.coalesce(pl.col("did").first(), short_number),
    )
    outcome = (
        pl.when("bridged")
        .then(pl.lit(BRIDGED))
        .when(~pl.col("shows") & pl.col("open"))
        .then(None)
        .when(~pl.col("shows"))
        .then(pl.lit(INCOMPLETE))
        .when("voicemail")
        .then(pl.lit("voicemail"))
        .otherwise(pl.lit("abandoned"))
    )
    nothing = pl.lit(None, pl.String)
    return calls.with_columns(
        leg_id=fill_sentence("{}:queue", CALL),
        login=nothing,
        queue_id=pl.when(~pl.col("ivr")).then("extension"),
        started_at="entered",
        answered_at=pl.lit(None, INSTANT),
        outcome=outcome,
        recording_id=nothing,
        linked_call_id=nothing,
        whole=pl.col("shows") & pl.col("entered").is_not_null(),
        phone=pl.lit(False),
        warning=nothing,
    )
