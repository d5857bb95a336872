"""Parsing Voicenter's notifications into events, and assembling legs from them."""

from __future__ import annotations

import codecs
import json
import xmlrpc.client
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.parsers.expat import ExpatError
from zoneinfo import ZoneInfo

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Delivery
from wfm.vendors.values import (
    EPOCH,
    Row,
    decode_json,
    encode_json,
    iterate_objects,
    list_own_columns,
    read_text,
)
from wfm.vendors.voicenter.cdrs import LEG_COLUMNS, compute_times
from wfm.vendors.voicenter.settings import Settings
from wfm.vendors.voicenter.values import (
    LINK_KEY,
    find_linked_call,
    fold_field,
    read_duration_s,
    read_local_epoch_s,
)
from wfm.vendors.voicenter.vocabulary import classify_direction, classify_outcome, find_cdr_type

CLOCK_TOLERANCE: Final = timedelta(minutes=1)
"""By so much may the vendor's clock and ours differ."""
MAX_FIELDS: Final = 200
"""A body with more fields is not taken for a form."""


# --- deliveries -----------------------------------------------------------------------------------------
def read_notifications(delivery: Delivery) -> Iterator[Row]:
    """Return the notifications in a delivery (JSON, a form or XML-RPC), with folded keys; none if unreadable."""
    body = delivery.body.removeprefix(codecs.BOM_UTF8).strip()
    if body[:1] in (b"{", b"["):
        document = _decode_json(body)
    elif body[:1] == b"<":
        document = _decode_xml_rpc(body)
    else:
        document = _decode_form(body.decode("utf-8", "replace") or delivery.query)
    return iterate_objects(document if isinstance(document, list) else [document], fold_field)


def _decode_json(body: bytes) -> Any:
    with suppress(BadReplyError):
        # a name in another code page loses some letters, but the call is not lost
        return decode_json(body.decode("utf-8", "replace").encode())
    return None


def _decode_form(text: str) -> Row | None:
    try:
        return dict(parse_qsl(text, max_num_fields=MAX_FIELDS))
    except ValueError:
        return None


def _decode_xml_rpc(body: bytes) -> Any:
    try:
        params, _ = xmlrpc.client.loads(body)
    except (ExpatError, ValueError, TypeError, LookupError, xmlrpc.client.Error, OverflowError):
        return None
    return params[0] if params else None


# --- events ---------------------------------------------------------------------------------------------
def parse_call_event(deliveries: Iterator[Delivery], zone: ZoneInfo) -> pl.DataFrame:
    """Parse notifications: one event per call and type, however often it is delivered."""
    found = ((delivery.received_at, one) for delivery in deliveries for one in read_notifications(delivery))
    rows = [event for at, one in found if (event := _parse_event(one, zone, at)) is not None]
    columns = list_own_columns("call_event")
    return pl.DataFrame({name: [row[name] for row in rows] for name in columns}, schema=columns)


def _parse_event(fields: Row, zone: ZoneInfo, received_at: datetime) -> Row | None:
    call = read_text(fields.get("ivruniqueid"))
    if call is None:
        return None
    kind = read_text(fields.get("type")) or "cdr"
    lasted = timedelta(seconds=read_duration_s(fields.get("duration")) or 0.0)
    at = read_local_epoch_s(fields.get("time"), zone, received_at - lasted + CLOCK_TOLERANCE)
    return {
        "event_id": f"{call}|{kind}",
        "call_id": call,
        "kind": kind,
        "said": encode_json(fields) or "{}",
        "at": None if at is None else EPOCH + timedelta(seconds=at),
    }


# --- legs -----------------------------------------------------------------------------------------------
def assemble_legs(events: pl.DataFrame, now: datetime, settings: Settings) -> pl.DataFrame:  # noqa: ARG001
    """Assemble a leg from every event that has a time: notifications are sent when a leg has ended.

    See `wfm.vendors.LegAssembler`.
    """
    timed = events.filter(pl.col("at").is_not_null())
    rows = [
        _build_leg(call, kind, json.loads(fields))
        for call, kind, fields in timed.select("call_id", "kind", "said").iter_rows()
    ]
    columns = {**LEG_COLUMNS, "answered": pl.Boolean()}
    legs = pl.DataFrame({name: [row.get(name) for row in rows] for name in columns}, schema=columns)
    return legs.with_columns(at=timed["at"].dt.epoch("s")).with_columns(compute_times()).select(*LEG_COLUMNS)


def _build_leg(call: str, name: str, fields: Row) -> Row:
    kind = find_cdr_type(name)
    status = read_text(fields.get("status"))
    answered = str(fields.get("isanswer")) in ("1", "True", "true") or (status or "").upper() == "ANSWER"
    waited = read_duration_s(fields.get("secondswaitinginqueue")) if kind.queue else None
    dialled = read_duration_s(fields.get("actualcalldialtime") or fields.get("dialtime"))
    talk = read_duration_s(fields.get("actualcallduration"))
    if talk is None and (whole := read_duration_s(fields.get("duration"))) is not None:
        talk = max(0.0, whole - (waited or 0.0))  # duration includes the wait
    has_did = read_text(fields.get("did")) is not None
    direction = classify_direction(read_text(fields.get("direction")), kind, has_did)
    side = "callerextension" if direction == "out" else "targetextension"
    return {
        "leg_id": f"{call}|{kind.number or name}|told",  # stored as a key, so it must never change
        "call_id": call,
        "answered": answered,
        "ring_s": dialled if waited is None else waited,
        "talk_s": talk,
        "login": read_text(fields.get("representativecode")) or read_text(fields.get(side)),
        "queue_id": read_text(fields.get("queuename")) if kind.queue else None,
        "direction": direction,
        "outcome": classify_outcome(status),
        "from_number": read_text(fields.get("caller")),
        "to_number": read_text(fields.get("target")) or read_text(fields.get("did")),
        "recording_id": read_text(fields.get("record")),
        "linked_call_id": read_text(fields.get(LINK_KEY)) or find_linked_call(fields.get("customdata")),
    }
