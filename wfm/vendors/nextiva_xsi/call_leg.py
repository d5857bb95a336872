"""Parse a page of one user's Placed, Received or Missed calls into legs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.nextiva_xsi.entries import encode_entry, parse_entries
from wfm.vendors.nextiva_xsi.nodes import get_child, get_text
from wfm.vendors.nextiva_xsi.settings import LISTS, Settings
from wfm.vendors.values import list_own_columns, parse_epoch_us, read_epoch_us, read_instant_us

MAX_CALL_S = 86_400
VOICEMAIL_SERVICES = ("voice messaging", "voice mail transfer", "third party voice mail support")
QUEUE_SUBSCRIBERS = ("call center", "hunt group", "route point")
TIME_FIELDS = ("startTime", "answerTime", "releaseTime", "detachedTime", "detachedAnswerTime")
CALLER_FIELDS = ("callingPresentationNumber", "callingPresentationIndicator")
TEXT_FIELDS = (
    "callLogId",
    *TIME_FIELDS,
    "serviceInvocationDisposition",
    *CALLER_FIELDS,
    "calledNumber",
    "connectedNumber",
    "connectedPresentationIndicator",
    "phoneNumber",
)


def parse_call_leg(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a page of one list of one user; rows outside the requested window are left out.

    Raises:
        BadReplyError: it is not a call log, or its context does not say whose.
    """
    user, name = payload.context.get("user"), payload.context.get("list")
    if not user or name not in LISTS:
        raise BadReplyError("The payload does not say whose list it is.")
    entries = parse_entries(payload.body, name, payload.context.get("charset", ""))
    rows = [row for row in entries if get_text(get_child(row, "callLogId"))]
    prefix = f"{settings.account_name}|{user.lower()}|{name}|"
    queues = pl.Series("queue_id", _find_queues(rows, user, settings), dtype=pl.String)
    ids = {"leg_id": pl.lit(prefix) + pl.col("callLogId"), "login": pl.lit(user)}
    return (
        _build_text_columns(rows)
        .lazy()
        .with_columns(pl.when(pl.col(TEXT_FIELDS) != "").then(pl.col(TEXT_FIELDS)).name.keep(), queues, **ids)
        .with_columns(parse_epoch_us(one).alias(f"{one}_us") for one in TIME_FIELDS)
        .select(_build_leg_columns(name))
        .filter(*_build_window_filter(payload.context))
        .collect()
    )


# --- entries → columns ----------------------------------------------------------------------------------
def _build_text_columns(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Build a frame of texts, one row per entry."""
    calendar = [None if _has_start_time(row) else _read_calendar_us(row) for row in rows]
    return pl.DataFrame(
        [
            *(_build_text_column(name, [row.get(name) for row in rows]) for name in TEXT_FIELDS),
            pl.Series("payload", [encode_entry(row) for row in rows], dtype=pl.String),
            pl.Series("calendar_us", calendar, dtype=pl.Int64),
        ]
    )


def _build_text_column(name: str, values: list[Any]) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=pl.String)
    except TypeError:  # a field that comes twice, or has children
        return pl.Series(name, [get_text(value or "") for value in values], dtype=pl.String)


def _has_start_time(row: Mapping[str, Any]) -> bool:
    """Return whether startTime is a plausible number, so that ``time`` is not needed."""
    start = row.get("startTime")
    return isinstance(start, str) and 9 <= len(start) <= 17 and start.isdecimal()


def _read_calendar_us(row: Mapping[str, Any]) -> int | None:
    """Return the ``time`` of a short entry; one without an offset could be in any zone and is not trusted."""
    text = get_text(row.get("time", ""))
    return None if text is None or text.isdecimal() else read_instant_us(text)


def read_start_us(row: Mapping[str, Any]) -> int | None:
    """Return when an entry started, by the same rules as `parse_call_leg`."""
    start = read_epoch_us(get_text(row.get("startTime", "")))
    return _read_calendar_us(row) if start is None else start


def _find_queues(rows: list[dict[str, Any]], user: str, settings: Settings) -> list[str | None]:
    """Return the queue that each call came through.

    That is the user whose log it is, if the user is a queue; such rows have the queue as login, by which they differ
    from those of its agents. Otherwise it is a configured number or name that redirected the call. Which of the two an
    account shows is not documented, hence the setting.
    """
    queues = {_fold_number(number): queue for number, queue in settings.queue_numbers.items()}

    def find_queue(row: dict[str, Any]) -> str | None:
        kind = row.get("subscriberType")
        if isinstance(kind, str) and kind != "User" and " ".join(kind.lower().split()) in QUEUE_SUBSCRIBERS:
            return user
        for part in ("redirectingNumber", "redirectingName") if queues else ():
            text = get_text(get_child(row, part))
            if text and _fold_number(text) in queues:
                return queues[_fold_number(text)]
        return None

    return [find_queue(row) for row in rows]


def _fold_number(text: str) -> str:
    """Return the digits of a number, or a name in folded case."""
    digits = re.sub(r"\D", "", text) if not re.search(r"[A-Za-z]", text.removeprefix("tel:")) else ""
    return digits or text.strip().casefold()


# --- columns → legs -------------------------------------------------------------------------------------
@cache
def _build_leg_columns(name: str) -> list[pl.Expr]:
    """Return the columns of a leg; cached, as building them takes longer than parsing a short page."""
    start = pl.coalesce("startTime_us", "calendar_us")
    answer, release, left = (pl.col(f"{one}_us") for one in TIME_FIELDS[1:4])
    end = pl.coalesce(release, left)
    ring, talk = (pl.coalesce(answer, end) - start) / 1e6, (release - answer) / 1e6
    placed = name == "Placed"
    connected = _hide_number("connectedNumber", "connectedPresentationIndicator")
    other = pl.col("phoneNumber")
    made = {
        "direction": pl.lit("out" if placed else "in"),
        "started_at": start,
        "answered_at": answer,
        "ended_at": end,
        "ring_s": ring.clip(0),
        "talk_s": talk.clip(0),
        "outcome": _classify_outcome(name),
        # a caller may hide the number, but not in the caller's own log
        "from_number": pl.col(CALLER_FIELDS[0])
        if placed
        else pl.coalesce(_hide_number(*CALLER_FIELDS), _hide_number("phoneNumber", CALLER_FIELDS[1])),
        "to_number": pl.coalesce("calledNumber", connected, *([other] if placed else [])),
        "alarm": _describe_warnings(name, start, ring, talk, end),
        **{one: pl.col(one) for one in ("leg_id", "login", "queue_id", "payload")},
    }
    columns = {**list_own_columns("call_leg"), "payload": pl.String(), "alarm": pl.String()}
    return [made.get(one, pl.lit(None)).cast(dtype).alias(one) for one, dtype in columns.items()]


def _hide_number(name: str, indicator: str) -> pl.Expr:
    """Return a number as written; null where its owner hides it."""
    hidden = pl.any_horizontal(
        pl.col(column).str.to_lowercase().str.contains(r"^(anonymous|unavailable)").fill_null(False)
        for column in (name, indicator)
    )
    return pl.when(~hidden).then(pl.col(name))


def _classify_outcome(name: str) -> pl.Expr:
    """Return how a call ended; a missed call that was redirected, or taken by a service, was not lost."""
    if name == "Received":
        return pl.lit("answered")
    if name == "Placed":
        return (
            pl.when(pl.col("answerTime_us").is_not_null())
            .then(pl.lit("answered"))
            .otherwise(pl.lit("no_answer"))
        )
    service = pl.col("serviceInvocationDisposition")
    left = pl.any_horizontal(pl.col("detachedTime_us", "detachedAnswerTime_us").is_not_null())
    return (
        pl.when(service.str.to_lowercase().str.replace_all(r"\s+", " ").is_in(VOICEMAIL_SERVICES))
        .then(pl.lit("voicemail"))
        .when(service.is_not_null() | left)
        .then(pl.lit("redirected"))
        .otherwise(pl.lit("missed"))
    )


def _describe_warnings(name: str, start: pl.Expr, ring: pl.Expr, talk: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return what is implausible about a row."""
    # short entries have only one time, so only in a long one can the answer be missing
    long_entry, unanswered = pl.col("startTime").is_not_null(), pl.col("answerTime_us").is_null()
    warnings = {
        "no startTime, and no time with an offset": start.is_null(),
        "answered or ended before it started": ring < 0,
        "released before it was answered": talk < 0,
        "longer than a day": (end - start) / 1e6 > MAX_CALL_S,
        "received, but no answerTime": pl.lit(name == "Received") & long_entry & unanswered,
    }
    for one in TIME_FIELDS:
        # some servers write 0 where there is no such time
        wrong = pl.col(one).is_not_null() & (pl.col(one) != "0") & pl.col(f"{one}_us").is_null()
        warnings[f"{one} is not an instant"] = wrong
    texts = [pl.when(condition).then(pl.lit(text)) for text, condition in warnings.items()]
    joined = pl.concat_str(texts, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _build_window_filter(context: Mapping[str, str]) -> list[pl.Expr]:
    """Return the filter to [from, to), to which entries without a start belong.

    A server may ignore the window, or include its end.
    """
    bounds = []
    for name in ("from", "to"):
        if context.get(name):
            at = pl.lit(datetime.fromisoformat(context[name]).astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
            inside = pl.col("started_at") >= at if name == "from" else pl.col("started_at") < at
            bounds.append(inside.fill_null(True))
    return bounds
