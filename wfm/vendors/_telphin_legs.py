"""Telphin's events → legs: a pure function of all events of some calls, in whatever order they came.

::

    SubCallID 9001-a1   dial-in ───────────── hangup NOANSWER             a ring that was not answered: no missed call
    SubCallID 9002-b2           dial-in ── answer ────── hangup ANSWER    a leg of agent 9002
    SubCallID 8000-q0  (entered) ─────────────────────── hangup Bridged   the call's part in the queue, without an agent

Extensions of type IVR and queue are told by ``Bridged``, which only their hangups have. Together they make one leg per
call with no login: it says when the caller came and whether anybody answered (Bridged=no: the caller gave up), so that
volume counts each call once, by its arrival, with the talk of the phone legs.

Where an event is missing the call history, if it has the call, gives all legs of the call instead; where all are there
they stand, as they are finer, and what differs is an alarm.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

import polars as pl

from wfm import schema
from wfm.vendors._telphin_events import HISTORY, OF_CALLS
from wfm.vendors._telphin_history import history_legs
from wfm.words import worded

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
DECODED: Final = pl.Struct({name: pl.String() for name in ("subcallid", "callstatus", *FIELDS)})
CALL: Final = "call_id"
LEEWAY_S: Final = 2.0
"""By so much the clocks of events and of the history may differ."""
MICROS: Final = {"us": 1, "ms": 1000, "s": 1_000_000}
LONGEST: Final = timedelta(hours=24)
INCOMPLETE: Final = "incomplete"
WAITED: Final = "bridged"
"""The outcome of a call's part in the queue that ended at an agent's phone."""


class Rules(Protocol):
    """What the settings say of legs."""

    @property
    def duration_unit(self) -> str: ...
    @property
    def hold_s(self) -> float: ...
    @property
    def give_up_s(self) -> float: ...
    @property
    def ivr_extensions(self) -> tuple[str, ...]: ...
    @property
    def queue_extensions(self) -> tuple[str, ...]: ...


def legs(events: pl.DataFrame, now: datetime, settings: Rules) -> pl.DataFrame:
    """Put together the legs of some calls; see `wfm.vendors.Vendor`.

    Args:
        events: event_id call_id at kind said: all there are of these calls.
        now: a leg of which nothing was heard for ``give_up_s`` is incomplete; one that ended answered without its
            answer stays open for ``hold_s``.
        settings: units, patience, and which extensions are IVRs or queues.

    Returns:
        The own columns of call_leg but source, and ``alarm``: where events and history differ.
    """
    heard = _heard(events.filter(pl.col("kind").is_in(OF_CALLS)), settings)
    parts = _parts(heard, now, settings)
    queued = _queued(parts, settings)
    told = pl.concat([_phones(parts, queued), queued.select(PART)])
    logged = history_legs(events.filter(pl.col("kind") == HISTORY), settings.ivr_extensions).select(PART)
    chosen = _chosen(told, logged).join(_differences(told, logged), on=CALL, how="left")
    first = pl.int_range(pl.len()).over(CALL) == 0
    own = {name: dtype for name, dtype in schema.table("call_leg").own.items() if name != "source"}
    rows = chosen.sort(CALL, "started_at", "leg_id").with_columns(
        alarm=pl.when(first).then("alarm"), **_lasting()
    )
    return rows.select(*(_column(rows, name, dtype) for name, dtype in own.items()), "alarm")


PART: Final = (
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
    "odd",
)


def _column(rows: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    there = pl.col(name) if name in rows.columns else pl.lit(None)
    return there.cast(dtype).alias(name)


def _lasting() -> dict[str, pl.Expr]:
    """Measure ring and talk in seconds; nothing that would be negative."""
    answered, started, ended = pl.col("answered_at"), pl.col("started_at"), pl.col("ended_at")
    spans = {"ring_s": pl.coalesce(answered, ended) - started, "talk_s": ended - answered}
    phone = pl.col("phone")
    return {
        name: pl.when(phone & (span >= pl.duration())).then(span.dt.total_microseconds() / 1_000_000)
        for name, span in spans.items()
    }


# --- events of one SubCallID ----------------------------------------------------------------------------
def _heard(events: pl.DataFrame, settings: Rules) -> pl.DataFrame:
    """Spread what the events say; in an order that does not depend on that of arrival."""
    spread = events.with_columns(pl.col("said").str.json_decode(DECODED)).unnest("said")
    micros = pl.col("duration").cast(pl.Float64, strict=False) * MICROS[settings.duration_unit]
    sane = micros.is_between(0, LONGEST // timedelta(microseconds=1))
    return spread.with_columns(
        sub=pl.col("subcallid").str.to_lowercase().fill_null(""),
        callstatus=pl.col("callstatus").str.to_uppercase(),
        lasted=pl.duration(microseconds=pl.when(sane).then(micros).cast(pl.Int64)),
    ).sort(CALL, "at", "kind", "event_id", nulls_last=True)


def _parts(heard: pl.DataFrame, now: datetime, settings: Rules) -> pl.DataFrame:
    """Join the events of every SubCallID: when it began, was answered and ended, and all that was said of it."""
    kind, at = pl.col("kind"), pl.col("at")
    dial, hangup = kind.str.starts_with("dial-"), kind == "hangup"
    joined = heard.group_by(CALL, "sub", maintain_order=True).agg(
        started_at=at.filter(dial).min(),
        heard_answer=at.filter(kind == "answer").min(),
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
        .with_columns(_direction(), **_ends(now, settings))
        .with_columns(extension=_extension(), leg_id=worded("{}:{}", CALL, "sub"))
        .with_columns(grouped=_grouped(settings), **_ends_outside())
    )


def _direction() -> pl.Expr:
    """Say which way a leg went: internal if both ends are extensions and no number outside is behind it."""
    inside = pl.col("callerextensionid").is_not_null() & pl.col("calledextensionid").is_not_null()
    flow = pl.coalesce(pl.col("dialed").str.strip_prefix("dial-"), pl.col("callflow").str.to_lowercase())
    way = pl.when(flow.is_in(["in", "out"])).then(flow).otherwise(pl.lit("unknown"))
    internal = inside & pl.col("remotenumber").is_null()
    return pl.when(internal).then(pl.lit("internal")).otherwise(way).alias("direction")


def _ends(now: datetime, settings: Rules) -> dict[str, pl.Expr]:
    """Say when a leg was answered and ended, whether it is given up, and whether all of it is known."""
    instant = pl.Datetime("us", "UTC")
    at, answer, status = pl.lit(now, instant), pl.col("heard_answer"), pl.col("status")
    success = status.fill_null("ANSWER") == "ANSWER"
    lacking = pl.col("hung") & (status == "ANSWER").fill_null(False) & answer.is_null()
    held = lacking & (at - pl.col("hung_at") < timedelta(seconds=settings.hold_s)).fill_null(False)
    silent = ~pl.col("hung") & (at - pl.col("last_at") > timedelta(seconds=settings.give_up_s)).fill_null(
        True
    )
    return {
        # what ended as a failure was no talk, whatever was said before
        "answered_at": pl.when(success & answer.is_not_null()).then(pl.min_horizontal(answer, "hung_at")),
        "ended_at": pl.when(~held).then("hung_at"),
        "open": ~pl.col("hung") & ~silent | held,
        "silent": silent,
        "whole": pl.col("started_at").is_not_null() & pl.col("hung_at").is_not_null() & ~lacking,
    }


def _extension() -> pl.Expr:
    """Name the extension a leg is of; where no event says so, its SubCallID begins with it."""
    outgoing = pl.coalesce(pl.col("dialed"), pl.lit("dial-") + pl.col("callflow").str.to_lowercase())
    told = (
        pl.when(outgoing == "dial-out")
        .then(pl.col("callerextensionid"))
        .otherwise(pl.col("calledextensionid"))
    )
    return pl.coalesce(told, pl.col("sub").str.extract(r"^(\d+)-", 1))


def _ends_outside() -> dict[str, pl.Expr]:
    """Name the numbers outside that a call is between, whichever of its events says so."""
    incoming = pl.col("direction") != "out"
    caller = pl.when(incoming).then(pl.coalesce("remotenumber", "calleridnum"))
    return {
        "outside": caller.drop_nulls().first().over(CALL),
        "did": pl.col("calleddid").drop_nulls().first().over(CALL),
    }


def _grouped(settings: Rules) -> pl.Expr:
    """Say whether a leg is that of an IVR or a queue: its hangup tells, or one like it, or the settings."""
    tells = pl.col("bridged").is_not_null()
    known = pl.col("extension").is_in([*settings.ivr_extensions, *settings.queue_extensions])
    return (tells | known.fill_null(False)).any().over(CALL, "extension") | tells


# --- legs -----------------------------------------------------------------------------------------------
def _phones(parts: pl.DataFrame, queued: pl.DataFrame) -> pl.DataFrame:
    """Make the legs of phones; those of a call from a queue are in that queue."""
    phones = parts.filter(~pl.col("grouped")).join(
        queued.select(CALL, "queue_id", through=pl.lit(True)), on=CALL, how="left"
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
        _outcome(through).alias("outcome"),
        *_numbers(),
        pl.col("recid").alias("recording_id"),
        _linked().alias("linked_call_id"),
        "whole",
        pl.lit(True).alias("phone"),
        _odd().alias("odd"),
    )


def _outcome(through: pl.Expr) -> pl.Expr:
    """Say how a leg ended. A queue withdraws what it offers; that one phone did not answer is no caller lost."""
    status = pl.col("status")
    word = status.replace_strict(OUTCOMES, default=status.str.to_lowercase())
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
        .otherwise(pl.coalesce(word, guess))
    )


def _numbers() -> tuple[pl.Expr, pl.Expr]:
    caller, called = (
        _short(pl.coalesce(f"{who}extension", f"{who}extensionid")) for who in ("caller", "called")
    )
    incoming = pl.col("direction").is_in(["in", "unknown"])
    outside = pl.coalesce("remotenumber", "calleridnum")
    from_ = pl.when(incoming).then(outside).otherwise(pl.coalesce(caller, _short(pl.col("calleridnum"))))
    to = pl.when(incoming).then(pl.coalesce("calleddid", "callednumber", called)).otherwise("callednumber")
    return from_.alias("from_number"), _short(to).alias("to_number")


def _short(extension: pl.Expr) -> pl.Expr:
    """Write an extension as people dial it: 0042*101@pbx.example is 101."""
    return extension.str.replace(r"@.*$", "").str.replace(r"^\d+\*(\d+)$", "$1")


def _linked() -> pl.Expr:
    """Name the call that a leg belongs to: of a call-back, its order; of a leg made by a transfer, the call itself."""
    moved = pl.col("transfered").str.to_lowercase() == "yes"
    return pl.coalesce("callbackid", pl.when(moved).then(CALL))


def _odd() -> pl.Expr:
    """Say where Duration fits neither the talk nor the whole leg: then its unit is probably wrong."""
    end, leeway = pl.col("hung_at"), pl.duration(milliseconds=int(LEEWAY_S * 1000))
    fits = [
        ((end - pl.col(since)) - pl.col("lasted")).abs() <= leeway for since in ("started_at", "answered_at")
    ]
    unfit = ~pl.any_horizontal(*fits, pl.col("lasted").is_null(), ~pl.col("whole")).fill_null(False)
    text = worded("Duration {} of {} is neither its talk nor all of it", "duration", "leg_id")
    return pl.when(unfit).then(text)


# --- the call's part in a queue -------------------------------------------------------------------------
def _queued(parts: pl.DataFrame, settings: Rules) -> pl.DataFrame:
    """Make one leg per call of what its IVRs and queues say: the one entered last is the queue.

    Of an IVR that is known to be one there is no queue, but the caller who gave up in it is missed all the same.
    """
    entered = pl.coalesce("started_at", pl.col("hung_at") - pl.col("lasted"))
    ivr = pl.col("extension").is_in(list(settings.ivr_extensions)).fill_null(False)
    groups = parts.filter("grouped").with_columns(entered=entered, ivr=ivr)
    last = groups.sort(
        CALL, "ivr", "entered", "leg_id", descending=[False, True, False, False], nulls_last=False
    )
    calls = last.group_by(CALL, maintain_order=True).agg(
        pl.col("extension", "ivr", "direction", "entered").last(),
        pl.col("voicemail", "leg").any(),
        pl.col("open").any(),
        pl.col("silent", "hung").all(),
        pl.col("ended_at").last(),
        bridged=(pl.col("bridged").str.to_lowercase() == "yes").any(),
        tells=pl.col("bridged").is_not_null().any(),
        from_number=pl.col("outside").first(),
        to_number=pl.coalesce(pl.col("did").first(), _short(pl.col("callednumber")).drop_nulls().first()),
    )
    outcome = (
        pl.when("bridged")
        .then(pl.lit(WAITED))
        .when(~pl.col("tells") & pl.col("open"))
        .then(None)
        .when(~pl.col("tells"))
        .then(pl.lit(INCOMPLETE))
        .when("voicemail")
        .then(pl.lit("voicemail"))
        .otherwise(pl.lit("abandoned"))
    )
    nothing = pl.lit(None, pl.String)
    return calls.with_columns(
        leg_id=worded("{}:queue", CALL),
        login=nothing,
        queue_id=pl.when(~pl.col("ivr")).then("extension"),
        started_at="entered",
        answered_at=pl.lit(None, pl.Datetime("us", "UTC")),
        outcome=outcome,
        recording_id=nothing,
        linked_call_id=nothing,
        whole=pl.col("tells") & pl.col("entered").is_not_null(),
        phone=pl.lit(False),
        odd=nothing,
    )


# --- events and history ---------------------------------------------------------------------------------
def _summary(parts: pl.DataFrame) -> pl.DataFrame:
    """Sum up calls: how many phones, how many answered, seconds of talk, end."""
    phone, answered = pl.col("phone"), pl.col("outcome") == "answered"
    talk = (pl.col("ended_at") - pl.col("answered_at")).dt.total_microseconds() / 1_000_000
    return parts.group_by(CALL).agg(
        phones=phone.sum(),
        groups=(~phone).sum(),
        answered=(phone & answered).sum(),
        talk_s=talk.filter(phone).sum(),
        ended_at=pl.col("ended_at").max(),
        whole=pl.col("whole").all(),
    )


def _chosen(told: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Take the legs of events, but where they lack something those of the history.

    The history may not say through which queue a call came: then what its hangup said stands.
    """
    filled = _filled(told, logged)
    queued = told.filter(~pl.col("phone")).join(filled, on=CALL, how="semi")
    queued = queued.join(logged.filter(~pl.col("phone")), on=CALL, how="anti")
    through = pl.when(pl.col("direction") != "out").then("queue_of_event")
    history = (
        logged.join(filled, on=CALL, how="semi")
        .join(queued.select(CALL, queue_of_event="queue_id"), on=CALL, how="left")
        .with_columns(queue_id=pl.coalesce("queue_id", through))
        .drop("queue_of_event")
    )
    return pl.concat([told.join(filled, on=CALL, how="anti"), history, queued])


def _filled(told: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Find the calls whose legs the history gives: no event of them came, or not all."""
    both = _summary(logged).join(_summary(told), on=CALL, how="left", suffix="_told")
    lacks = pl.any_horizontal(
        ~pl.col("whole_told"), *(pl.col(n) > pl.col(f"{n}_told") for n in ("phones", "groups"))
    )
    return both.filter(lacks.fill_null(True)).select(CALL)


def _differences(told: pl.DataFrame, logged: pl.DataFrame) -> pl.DataFrame:
    """Say where the history of a call differs from its events: call_id, alarm."""
    both = _summary(told).filter("whole").join(_summary(logged), on=CALL, suffix="_logged")
    later = (pl.col("ended_at_logged") - pl.col("ended_at")).dt.total_microseconds() / 1_000_000
    texts = [
        pl.when(pl.col("answered") != pl.col("answered_logged")).then(
            worded("{} answered legs, {} in the history", "answered", "answered_logged")
        ),
        pl.when(
            (pl.col("talk_s") - pl.col("talk_s_logged")).abs() > LEEWAY_S * pl.max_horizontal("answered", 1)
        ).then(
            worded(
                "{} s of talk, {} s in the history",
                pl.col("talk_s").round(1),
                pl.col("talk_s_logged").round(1),
            )
        ),
        pl.when(later.abs() > LEEWAY_S).then(worded("ended {} s later in the history", later.round(1))),
    ]
    odd = told.group_by(CALL).agg(odd=pl.col("odd").drop_nulls().first())
    found = both.select(CALL, differs=pl.concat_str(texts, separator=", ", ignore_nulls=True))
    named = pl.when(pl.col("differs") != "").then(worded("call {}: {}", CALL, "differs"))
    return (
        odd.join(found, on=CALL, how="left")
        .select(CALL, alarm=pl.concat_str([named, "odd"], separator="; ", ignore_nulls=True))
        .filter(pl.col("alarm") != "")
    )
