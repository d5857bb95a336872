"""Parsing Telphin's webhook deliveries into call_event and agent_state, without any conclusions.

::

    GET ?EventType=dial-in&CallID=…   or the same as a form     → one event

``said`` is a JSON object of texts under folded names (lower case, no space, _ or -), so that a delivery repeated in
another order or spelling is the same event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Delivery, Payload, pack_deliveries, unpack_deliveries
from wfm.vendors.telphin.fields import Fields, RowCollector, encode_fields, fold_field
from wfm.vendors.values import read_instant, read_text

CALL_KINDS: Final = ("dial-in", "dial-out", "answer", "hangup", "voicemail")
AGENT_KINDS: Final = ("agent-login", "agent-logout")
MAX_FIELDS: Final = 100
"""A delivery with more is not an event."""
EVENT_COLUMNS: Final = ("event_id", "call_id", "at", "kind", "said")
STATE_COLUMNS: Final = ("login", "at", "vendor_state", "vendor_reason")
AGENT_KEYS: Final = (
    "agentextensionid",
    "agentid",
    "extensionid",
    "callerextensionid",
    "calledextensionid",
)
QUEUE_KEYS: Final = ("queueextensionid", "queueid", "queue")


def read_delivery(delivery: Delivery) -> Fields:
    """Return the parameters of a delivery, of its query and of its form."""
    body = delivery.body.decode("utf-8", "replace")
    try:
        pairs = [
            pair
            for text in (delivery.query, body)
            for pair in parse_qsl(text.strip(), max_num_fields=MAX_FIELDS)
        ]
    except ValueError:  # more fields than any event has
        return {}
    return {
        name: text
        for key, value in pairs
        if (name := fold_field(key)) and (text := read_text(_restore_plus(value)))
    }


def _restore_plus(value: str) -> str:
    """Return a number with its plus, if that was not escaped: in a form it means a space."""
    return f"+{value.strip()}" if re.fullmatch(r" \d{5,}", value, re.ASCII) else value


def parse_call_events(payload: Payload) -> pl.DataFrame:
    """Parse deliveries into call_event, except those about messages, agents and IVR questions."""
    collected = RowCollector()
    for delivery in unpack_deliveries(payload):
        fields = read_delivery(delivery)
        kind, call = fields.get("eventtype", "").lower(), fields.get("callid", "").lower()
        if kind.startswith("message") or kind in AGENT_KINDS or (call and not kind):
            continue
        if not kind or not call:
            collected.left_out.append(f"a delivery without {'CallID' if kind else 'EventType'}")
            continue
        collected.rows.append(_parse_event(kind, call, fields))
    return collected.build_table("call_event", EVENT_COLUMNS)


def _parse_event(kind: str, call: str, fields: Fields) -> tuple[Any, ...]:
    sub, time = fields.get("subcallid", "").lower(), fields.get("eventtime", "")
    at = read_instant(time)
    alarm = None if at else f"EventTime {time[:40]!r} of a {kind} is no instant"
    return "|".join((kind, call, sub, time)), call, at, kind, encode_fields(fields), alarm


def parse_agent_states(payload: Payload) -> pl.DataFrame:
    """Parse agent-login and agent-logout of queues into agent_state; the queue is the reason."""
    collected = RowCollector()
    for delivery in unpack_deliveries(payload):
        fields = read_delivery(delivery)
        kind = fields.get("eventtype", "").lower()
        if kind not in AGENT_KINDS:
            continue
        login = next((fields[key] for key in AGENT_KEYS if key in fields), None)
        at = read_instant(fields.get("eventtime"))
        if login is None or at is None:
            collected.left_out.append(f"an {kind} without {'agent' if login is None else 'EventTime'}")
            continue
        reason = next((fields[key] for key in QUEUE_KEYS if key in fields), None)
        collected.rows.append((login, at, kind, reason, None))
    return collected.build_table("agent_state", STATE_COLUMNS)


def build_no_states() -> pl.DataFrame:
    """Return an empty table of agent states, for the history, which has none."""
    return RowCollector().build_table("agent_state", STATE_COLUMNS)


def find_delivery(payload: Payload, table: str, row: Mapping[str, Any]) -> str | None:
    """Return the delivery that a row of agent_state or call_event was parsed from: its query, and its body if any."""
    parse, keys = {
        "agent_state": (parse_agent_states, ("login", "at", "vendor_state")),
        "call_event": (parse_call_events, ("event_id",)),
    }[table]
    for delivery in unpack_deliveries(payload):
        try:
            parsed = parse(replace(payload, body=pack_deliveries([delivery])))
        except BadReplyError:
            continue
        if parsed.filter(pl.col(key) == row[key] for key in keys).height:
            body = delivery.body.decode("utf-8", "replace")
            return "\n".join(filter(None, (f"{delivery.method} ?{delivery.query}", body)))
    return None
