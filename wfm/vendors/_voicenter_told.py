"""Voicenter's notifications → events, and the legs of these."""

from __future__ import annotations

import codecs
import json
import xmlrpc.client
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.parsers.expat import ExpatError
from zoneinfo import ZoneInfo

import polars as pl

from wfm import schema
from wfm.vendors import Delivery
from wfm.vendors._voicenter_cdrs import LEG, timed
from wfm.vendors._voicenter_values import EPOCH, Row, fold_rows, linked, local, seconds, text
from wfm.vendors._voicenter_words import direction_of, outcome_of, type_of

EVENT: Final = ("event_id", "call_id", "at", "kind", "said")
CLOCKS_DIFFER: Final = timedelta(minutes=1)
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
    said = ((delivery.received_at, one) for delivery in deliveries for one in notified(delivery))
    rows = [event for came_at, one in said if (event := _event(one, zone, came_at)) is not None]
    kinds = {name: kind for name, kind in schema.table("call_event").own.items() if name != "source"}
    return pl.DataFrame({name: [row[name] for row in rows] for name in kinds}, schema=kinds)


def _event(said: Row, zone: ZoneInfo, came_at: datetime) -> Row | None:
    call = text(said.get("ivruniqueid"))
    if call is None:
        return None
    kind = text(said.get("type")) or "cdr"
    lasted = timedelta(seconds=seconds(said.get("duration")) or 0.0)
    at = local(said.get("time"), zone, came_at - lasted + CLOCKS_DIFFER)
    return {
        "event_id": f"{call}|{kind}",
        "call_id": call,
        "kind": kind,
        "said": text(said) or "{}",
        "at": None if at is None else EPOCH + timedelta(seconds=at),
    }


def told(found: pl.DataFrame) -> pl.DataFrame:
    """Make the leg of every event that has a time: the own columns of call_leg but source."""
    known = found.filter(pl.col("at").is_not_null())
    rows = [
        _told(call, kind, json.loads(said))
        for call, kind, said in known.select("call_id", "kind", "said").iter_rows()
    ]
    kinds = {**LEG, "answered": pl.Boolean()}
    told = pl.DataFrame({name: [row.get(name) for row in rows] for name in kinds}, schema=kinds)
    return told.with_columns(at=known["at"].dt.epoch("s")).with_columns(timed()).select(*LEG)


def _told(call: str, name: str, said: Row) -> Row:
    kind = type_of(name)
    status = text(said.get("status"))
    answered = str(said.get("isanswer")) in ("1", "True", "true") or (status or "").upper() == "ANSWER"
    waited = seconds(said.get("secondswaitinginqueue")) if kind.queue else None
    ring = waited if waited is not None else seconds(said.get("actualcalldialtime") or said.get("dialtime"))
    talk = seconds(said.get("actualcallduration"))
    if talk is None and (whole := seconds(said.get("duration"))) is not None:
        talk = max(0.0, whole - (waited or 0.0))  # duration has the wait in it
    direction = direction_of(text(said.get("direction")), kind, text(said.get("did")) is not None)
    side = "callerextension" if direction == "out" else "targetextension"
    return {
        "leg_id": f"{call}|{kind.number or name}|told",
        "call_id": call,
        "answered": answered,
        "ring_s": ring,
        "talk_s": talk,
        "login": text(said.get("representativecode")) or text(said.get(side)),
        "queue_id": text(said.get("queuename")) if kind.queue else None,
        "direction": direction,
        "outcome": outcome_of(status),
        "from_number": text(said.get("caller")),
        "to_number": text(said.get("target")) or text(said.get("did")),
        "recording_id": text(said.get("record")),
        "linked_call_id": text(said.get("originallvruniqueid")) or linked(said.get("customdata")),
    }
