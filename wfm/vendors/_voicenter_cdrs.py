"""Voicenter's CDRs and its notifications → call legs."""

from __future__ import annotations

import codecs
import json
import math
import re
import xmlrpc.client
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.parsers.expat import ExpatError
from zoneinfo import ZoneInfo

import polars as pl

from wfm import schema
from wfm.errors import BadReplyError
from wfm.vendors import Delivery
from wfm.vendors._voicenter_words import CdrType, folded, outcome_of, type_of

Row = dict[str, Any]
LONGEST_S: Final = 7 * 86_400.0
_EARLIEST, _LATEST = 10**8, 10**11
"""Seconds since 1970 that can be meant: from 1973 to 5138."""
_DATE: Final = re.compile(
    r"(\d{4})-0?(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?"
)
LEG: Final = tuple(name for name in schema.table("call_leg").own if name != "source")
_NONE: Final = dict.fromkeys(LEG)


# --- values ---------------------------------------------------------------------------------------------
def document(body: bytes) -> Any:
    """Read JSON; NaN and Infinity are nothing.

    Raises:
        BadReplyError: it is none.
    """
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise BadReplyError(f"the reply is not JSON: {str(error)[:80]}") from None


def text(value: Any) -> str | None:
    """Return a value as text that can be stored; None: there is nothing."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        except (ValueError, RecursionError):
            return None
    value = value.strip()
    return value if value.isascii() else value.encode("utf-8", "replace").decode() or None


def seconds(value: Any) -> float | None:
    """Return a duration; None: it is none, or cannot be."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LONGEST_S else None


def epoch(value: Any) -> int | None:
    """Return seconds since 1970; None: it is none, or cannot be."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value.strip()[:20])
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if _EARLIEST <= value < _LATEST else None


def instant(row: Row) -> int | None:
    """Return when a CDR began, in seconds since 1970: DateEpoch, else Date, which is UTC unless it says otherwise."""
    at = epoch(row.get("dateepoch"))
    if at is not None:
        return at
    said = _DATE.fullmatch(str(row.get("date") or "").strip())
    if said is None:
        return None
    offset = said[7] or "Z"
    try:
        zone = UTC if offset == "Z" else datetime.strptime(offset.replace(":", ""), "%z").tzinfo
        at = int(datetime(*map(int, said.groups()[:6]), tzinfo=zone).timestamp())  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None
    return at if _EARLIEST <= at < _LATEST else None


def linked(custom: Any) -> str | None:
    """Find the call that a leg was transferred from; CustomData is an object, text that holds one, or neither."""
    if isinstance(custom, str) and "riginal" in custom:
        try:
            custom = json.loads(custom)
        except (ValueError, RecursionError):
            return None
    if not isinstance(custom, dict) or not custom:
        return None
    return next((text(value) for key, value in custom.items() if folded(key) == "originallvruniqueid"), None)


# --- CDRs -----------------------------------------------------------------------------------------------
def fold_rows(rows: Sequence[Any]) -> Iterator[Row]:
    """Give rows with folded keys; what is no object is left out."""
    known: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        keys = tuple(row)
        names = known.get(keys)
        if names is None:
            names = known[keys] = [folded(key) for key in keys]
        yield dict(zip(names, row.values(), strict=True))


def envelope(body: bytes) -> Row:
    """Read what every reply has: folded keys, errornumber among them.

    Raises:
        BadReplyError: it has not.
    """
    said = document(body)
    folded_rows = list(fold_rows([said]))
    if not folded_rows or not {"errornumber", "cdrlist"} & set(folded_rows[0]):
        raise BadReplyError(f"the reply is no CDR list: {str(said)[:80]!r}")
    return folded_rows[0]


def head(body: bytes) -> Row:
    """Read what a reply says of itself; without its rows, where that stands before them. See `envelope`."""
    before = body[: body.find(b"[")] if b"[" in body else b""
    said = {folded(key.decode()): int(value) for key, value in _HEAD.findall(before)}
    if len(said) == 3 and not said["errornumber"]:
        return said
    whole = envelope(body)
    listed = whole.get("cdrlist")
    return {"returnhits": len(listed) if isinstance(listed, list) else 0, **whole}


_HEAD: Final = re.compile(rb'"(ERROR[ _]NUMBER|TOTAL[ _]HITS|RETURN[ _]HITS)"\s*:\s*"?(\d{1,12})"?\s*,')


def count(said: Row, key: str) -> int:
    """Return a count of the head; an ERROR_NUMBER that is none is -1."""
    value = said.get(key)
    try:
        return max(0, int(value)) if not isinstance(value, bool) and value is not None else 0
    except (ValueError, TypeError, OverflowError):
        return -1 if key == "errornumber" else 0


def cdrs(body: bytes) -> list[Row]:
    """Read the rows of a reply, keys folded."""
    rows = envelope(body).get("cdrlist")
    return list(fold_rows(rows)) if isinstance(rows, list) else []


def legs(rows: Sequence[Row]) -> pl.DataFrame:
    """Turn CDRs into legs: the own columns of call_leg but source, payload and alarm; the later of two with one key."""
    made = {leg["leg_id"]: leg for row in rows if (leg := _leg(row)) is not None}
    lost = len(rows) - sum(1 for row in rows if text(row.get("callid")) and instant(row) is not None)
    frame = _frame(list(made.values()))
    if lost and frame.height:
        alarm = pl.when(pl.int_range(pl.len()) == 0).then(
            pl.lit(f"{lost} CDRs without CallID or time were left out")
        )
        frame = frame.with_columns(alarm=pl.coalesce("alarm", alarm))
    elif lost:
        raise BadReplyError(f"none of {lost} CDRs has a CallID and a time: {sorted(map(str, rows[0]))[:12]}")
    return frame


def _leg(row: Row) -> Row | None:
    call, at = text(row.get("callid")), instant(row)
    if call is None or at is None:
        return None
    said = row.get("cdrtype")
    kind = type_of(said if said not in (None, "") else row.get("type"))
    extension = text(row.get("targetextension"))
    ring, talk = seconds(row.get("ringtime")), seconds(row.get("duration"))
    status = text(row.get("dialstatus"))
    timed = _timed(at, ring, talk, (status or "").upper() == "ANSWER")
    custom, direction = row.get("customdata"), _direction(row, kind)
    side = "callerextension" if direction == "out" else "targetextension"
    return {
        **_NONE, **timed,
        "leg_id": f"{call}|{text(said) or kind.number}|{at}|{extension or ''}",
        "call_id": call,
        "login": text(row.get("representativecode")) or text(row.get(side)),
        "queue_id": text(row.get("queuename")) if kind.queue else None,
        "direction": direction,
        "outcome": outcome_of(status),
        "from_number": text(row.get("callernumber")),
        "to_number": text(row.get("targetnumber")) or text(row.get("did")),
        "recording_id": text(row.get("recordurl")),
        "linked_call_id": linked(custom) if custom else None,
        "payload": text(row),
        "alarm": None if kind.number else f"CDR type {text(said)!r:.40} is unknown; kept",
    }  # fmt: skip


def _direction(row: Row, kind: CdrType) -> str:
    said = str(row.get("direction") or "").lower()
    if said.startswith(("in", "out")):
        return "in" if said.startswith("in") else "out"
    if kind.by_did:
        return "in" if text(row.get("did")) else "unknown"
    return kind.direction


def _timed(at: int, ring: float | None, talk: float | None, answered: bool) -> Row:
    """Derive a leg's instants: it rings from ``at`` on, then talks. [The vendor says neither instant.]"""
    start = _EPOCH + timedelta(seconds=at)
    answer = start + timedelta(seconds=ring or 0.0)
    end = answer + timedelta(seconds=talk or 0.0) if answered else answer
    return {
        "started_at": start, "answered_at": answer if answered else None,
        "ended_at": end if (talk is not None or not answered) else None,
        "ring_s": ring, "talk_s": talk if answered else None,
    }  # fmt: skip


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _frame(rows: list[Row]) -> pl.DataFrame:
    kinds = {name: kind for name, kind in schema.table("call_leg").own.items() if name != "source"}
    kinds |= {"payload": pl.String(), "alarm": pl.String()}
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in kinds}, schema=kinds)


# --- notifications --------------------------------------------------------------------------------------
EVENT: Final = ("event_id", "call_id", "at", "kind", "said")
MOST_FIELDS: Final = 200
"""A form that has more is none."""


def notified(delivery: Delivery) -> Iterator[Row]:
    """Read the notifications of a delivery, keys folded: JSON, a form, or XML-RPC; none: it is none of them."""
    body = delivery.body.removeprefix(codecs.BOM_UTF8).strip()
    if body[:1] in (b"{", b"["):
        said = _json(body)
    elif body[:1] == b"<":
        said = _xml_rpc(body)
    else:
        said = _form(body.decode("utf-8", "replace") or delivery.query)
    return fold_rows(said if isinstance(said, list) else [said])


def _json(body: bytes) -> Any:
    try:
        # a name in another code page costs its letters, not the call
        return json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _form(said: str) -> Row | None:
    try:
        return dict(parse_qsl(said, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None


def _xml_rpc(body: bytes) -> Any:
    try:
        params, _ = xmlrpc.client.loads(body)
    except (ExpatError, ValueError, TypeError, LookupError, xmlrpc.client.Error, OverflowError):
        return None
    return params[0] if params else None


def events(deliveries: Iterator[Delivery], zone: ZoneInfo) -> pl.DataFrame:
    """Read notifications into events: one a call and type, however often it is delivered."""
    said = (one for delivery in deliveries for one in notified(delivery))
    rows = [event for one in said if (event := _event(one, zone)) is not None]
    kinds = {name: kind for name, kind in schema.table("call_event").own.items() if name != "source"}
    return pl.DataFrame({name: [row[name] for row in rows] for name in kinds}, schema=kinds)


def _event(said: Row, zone: ZoneInfo) -> Row | None:
    call = text(said.get("ivruniqueid"))
    if call is None:
        return None
    kind = text(said.get("type")) or "cdr"
    at = local(said.get("time"), zone)
    return {
        "event_id": f"{call}|{kind}", "call_id": call, "kind": kind, "said": text(said) or "{}",
        "at": None if at is None else _EPOCH + timedelta(seconds=at),
    }  # fmt: skip


def local(value: Any, zone: ZoneInfo) -> int | None:
    """Read ``time``, which counts the seconds of the account's own clock as if that were UTC.

    Of the hour that clocks go back over, the earlier is taken.
    """
    at = epoch(value)
    if at is None:
        return None
    clock = (_EPOCH + timedelta(seconds=at)).replace(tzinfo=zone)
    return int(clock.timestamp())


def told(found: pl.DataFrame) -> pl.DataFrame:
    """Make the leg of every event; see `legs`."""
    rows = []
    for call, at, kind, said in found.select("call_id", "at", "kind", "said").iter_rows():
        if at is not None:
            rows.append(_told(call, int(at.timestamp()), kind, json.loads(said)))
    return _frame(rows).drop("payload", "alarm")


def _told(call: str, at: int, name: str, said: Row) -> Row:
    kind = type_of(name)
    status = text(said.get("status"))
    answered = str(said.get("isanswer")) in ("1", "True", "true") or (status or "").upper() == "ANSWER"
    waited = seconds(said.get("secondswaitinginqueue")) if kind.queue else None
    ring = waited if waited is not None else seconds(said.get("actualcalldialtime") or said.get("dialtime"))
    talk = seconds(said.get("actualcallduration"))
    if talk is None and (whole := seconds(said.get("duration"))) is not None:
        talk = max(0.0, whole - (waited or 0.0))  # duration has the wait in it
    direction = _direction(said, kind)
    side = "callerextension" if direction == "out" else "targetextension"
    return {
        **_NONE, **_timed(at, ring, talk, answered),
        "leg_id": f"{call}|{kind.number or name}|told", "call_id": call,
        "login": text(said.get("representativecode")) or text(said.get(side)),
        "queue_id": text(said.get("queuename")) if kind.queue else None, "direction": direction,
        "outcome": outcome_of(status), "from_number": text(said.get("caller")),
        "to_number": text(said.get("target")) or text(said.get("did")), "recording_id": text(said.get("record")),
        "linked_call_id": text(said.get("originallvruniqueid")) or linked(said.get("customdata")),
    }  # fmt: skip
