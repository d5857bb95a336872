"""Telphin's events and call history → rows of call_event: what was said, folded, and nothing concluded.

::

    delivery   GET ?EventType=dial-in&CallID=…   or the same as a form     → one event
    history    {"call_history": [{…, "cdr": [{…}]}]}                       → one event of kind history per call

``said`` is a JSON object of texts under folded names (lower case, no space, _ or -), so that a delivery repeated in
another order or spelling is the same event. Names that were misprinted or changed are told by one name (`ALIASES`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import polars as pl

from wfm import schema
from wfm.errors import BadReplyError
from wfm.vendors import Delivery, Payload, pack, unpack
from wfm.vendors._json import document

HISTORY: Final = "history"
OF_CALLS: Final = ("dial-in", "dial-out", "answer", "hangup", "voicemail")
OF_AGENTS: Final = ("agent-login", "agent-logout")
ALIASES: Final = {"transferred": "transfered", "status": "callstatus", "recordid": "recid"}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BANDS: Final = ((1e8, 1e11, 1_000_000), (1e11, 1e14, 1000), (1e14, 1e17, 1))
"""Instants in s, ms and µs, of which each band covers 1973 to 5138; and microseconds in one."""
MOST_FIELDS: Final = 100
COLUMNS: Final = ("event_id", "call_id", "at", "kind", "said")
AGENT_KEYS: Final = (
    "agentextensionid",
    "agentid",
    "extensionid",
    "callerextensionid",
    "calledextensionid",
)
QUEUE_KEYS: Final = ("queueextensionid", "queueid", "queue")

Said = dict[str, str]


@dataclass
class Reading:
    """Rows read so far, and why other entries were left out."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def frame(self, table: str, columns: tuple[str, ...]) -> pl.DataFrame:
        """Return the table's own columns and ``alarm``; the first row also tells what was left out.

        Raises:
            BadReplyError: of what came nothing could be read.
        """
        aside = self._aside()
        if aside and not self.rows:
            raise BadReplyError(f"telphin: {aside}")
        types = schema.table(table).own
        given = {name: types[name] for name in columns} | {"alarm": pl.String()}
        read = pl.DataFrame(self.rows, schema=given, orient="row")
        others = [pl.lit(None, dtype).alias(c) for c, dtype in types.items() if c not in (*columns, "source")]
        first = pl.int_range(pl.len()) == 0
        told = pl.concat_str([pl.col("alarm"), pl.lit(aside or None)], separator="; ", ignore_nulls=True)
        alarm = pl.when(first & pl.lit(bool(aside))).then(told).otherwise("alarm")
        order = [name for name in types if name != "source"]
        return read.with_columns(*others, alarm=alarm).select(*order, "alarm")

    def _aside(self) -> str:
        if not self.left_out:
            return ""
        return f"{len(self.left_out):,} left out ({'; '.join(dict.fromkeys(self.left_out[:3]))})"


# --- what a delivery says -------------------------------------------------------------------------------
def said(delivery: Delivery) -> Said:
    """Read the parameters of a delivery, of its query and of its form; empty ones are as good as none."""
    body = delivery.body.decode("utf-8", "replace")
    try:
        pairs = [
            pair
            for text in (delivery.query, body)
            for pair in parse_qsl(text.strip(), max_num_fields=MOST_FIELDS)
        ]
    except ValueError:  # more fields than any event has
        return {}
    return {
        name: text for key, value in pairs if (name := folded(key)) and (text := clean(_with_plus(value)))
    }


def _with_plus(value: str) -> str:
    """Restore the plus of a number that was not escaped: in a form it means a space."""
    return f"+{value.strip()}" if re.fullmatch(r" \d{5,}", value, re.ASCII) else value


def folded(name: str) -> str:
    """Spell a parameter's name the way all are compared."""
    bare = re.sub(r"[\s_\-]", "", name).lower()
    return ALIASES.get(bare, bare)


def clean(value: Any) -> str:
    """Write a scalar as text a database can hold; nothing for anything else."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\x00", "").strip()


def instant(text: str | None) -> datetime | None:
    """Read an instant in s, ms or µs since 1970, by its size; None: it is none."""
    if not text or not re.fullmatch(r"\d{9,17}(\.\d{1,9})?", text, re.ASCII):
        return None
    number = float(text)
    for low, high, micros in BANDS:
        if low <= number < high:
            whole, _, part = text.partition(".")
            return _at(int(whole) * micros + (round(float(f"0.{part}") * micros) if part else 0))
    return None


def _at(micros: int) -> datetime | None:
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None


# --- deliveries -----------------------------------------------------------------------------------------
def pushed_events(payload: Payload) -> pl.DataFrame:
    """Read deliveries into call_event; those about messages, agents and call-interactive questions are not of calls."""
    read = Reading()
    for delivery in unpack(payload):
        fields = said(delivery)
        kind, call = fields.get("eventtype", "").lower(), fields.get("callid", "").lower()
        if kind.startswith("message") or kind in OF_AGENTS or (call and not kind):
            continue
        if not kind or not call:
            read.left_out.append(f"a delivery without {'CallID' if kind else 'EventType'}")
            continue
        read.rows.append(_event(kind, call, fields))
    return read.frame("call_event", COLUMNS)


def _event(kind: str, call: str, fields: Said) -> tuple[Any, ...]:
    sub, time = fields.get("subcallid", "").lower(), fields.get("eventtime", "")
    at = instant(time)
    alarm = None if at else f"EventTime {time[:40]!r} of a {kind} is no instant"
    return "|".join((kind, call, sub, time)), call, at, kind, told(fields), alarm


def told(fields: Mapping[str, Any]) -> str:
    """Write what was said so that the same is always written the same."""
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def agent_states(payload: Payload) -> pl.DataFrame:
    """Read agent-login and agent-logout of queues into agent_state; the queue is the reason."""
    read = Reading()
    for delivery in unpack(payload):
        fields = said(delivery)
        kind = fields.get("eventtype", "").lower()
        if kind not in OF_AGENTS:
            continue
        login = next((fields[key] for key in AGENT_KEYS if key in fields), None)
        at = instant(fields.get("eventtime"))
        if login is None or at is None:
            read.left_out.append(f"an {kind} without {'agent' if login is None else 'EventTime'}")
            continue
        reason = next((fields[key] for key in QUEUE_KEYS if key in fields), None)
        read.rows.append((login, at, kind, reason, None))
    return read.frame("agent_state", ("login", "at", "vendor_state", "vendor_reason"))


def no_states() -> pl.DataFrame:
    """Return that nothing is said of agents' states, as in the history."""
    return Reading().frame("agent_state", ("login", "at", "vendor_state", "vendor_reason"))


# --- history --------------------------------------------------------------------------------------------
def history_events(payload: Payload) -> pl.DataFrame:
    """Read a page of call_history: one event of kind history per call, with all its legs.

    Raises:
        BadReplyError: it is not a page of call_history.
    """
    read = Reading()
    for entry in history_entries(payload.body):
        call = clean(entry.get("call_uuid")).lower() if isinstance(entry, dict) else ""
        if not call:
            read.left_out.append("an entry without call_uuid")
            continue
        fields: dict[str, Any] = dict(_texts(entry))
        cdr = entry.get("cdr")
        legs = [one for one in cdr if isinstance(one, dict)] if isinstance(cdr, list) else []
        fields["cdr"] = [_texts(leg) for leg in legs]
        at = utc(fields.get("inittimegmt")) or utc(fields.get("starttimegmt"))
        alarm = None if at else f"call {call[:60]} of the history has no time"
        read.rows.append((f"{HISTORY}|{call}", call, at, HISTORY, told(fields), alarm))
    return read.frame("call_event", COLUMNS)


def history_entries(body: bytes) -> list[Any]:
    """Return the calls of a page.

    Raises:
        BadReplyError: it is not a page of call_history.
    """
    page = document(body)
    entries = page.get("call_history") if isinstance(page, dict) else None
    if isinstance(entries, list):
        return entries
    message = clean(page.get("message")) if isinstance(page, dict) else ""
    raise BadReplyError(f"telphin: no call_history in the reply{': ' + message[:200] if message else ''}.")


def _texts(entry: Mapping[str, Any]) -> Said:
    return {
        name: text for key, value in entry.items() if (name := folded(clean(key))) and (text := clean(value))
    }


def utc(text: str | None) -> datetime | None:
    """Read a ``_gmt`` time, with or without a fraction: it is UTC, though it does not say so."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "T"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- what is about one row ------------------------------------------------------------------------------
def delivered(payload: Payload, table: str, row: Mapping[str, Any]) -> str | None:
    """Return the delivery that a row of agent_state or call_event was read from: its query, and its body if any."""
    reads, keys = {
        "agent_state": (agent_states, ("login", "at", "vendor_state")),
        "call_event": (pushed_events, ("event_id",)),
    }[table]
    for delivery in unpack(payload):
        try:
            read = reads(replace(payload, body=pack([delivery])))
        except BadReplyError:
            continue
        if read.filter(pl.col(key) == row[key] for key in keys).height:
            body = delivery.body.decode("utf-8", "replace")
            return "\n".join(filter(None, (f"{delivery.method} ?{delivery.query}", body)))
    return None


def logged(payload: Payload, row: Mapping[str, Any]) -> str | None:
    """Return the entry of the history that a call_event was read from."""
    mine = [
        entry
        for entry in history_entries(payload.body)
        if isinstance(entry, dict) and clean(entry.get("call_uuid")).lower() == row["call_id"]
    ]
    return json.dumps(mine[-1], ensure_ascii=False) if mine else None


# --- lists ----------------------------------------------------------------------------------------------
def extensions(body: bytes) -> list[dict[str, Any]]:
    """Return the extensions of a page of the extension list, which comes bare or under a name.

    Raises:
        BadReplyError: it is not such a page.
    """
    page = document(body)
    if isinstance(page, dict):
        inner = [value for value in page.values() if isinstance(value, list)]
        page = inner[0] if len(inner) == 1 else None
    if not isinstance(page, list):
        raise BadReplyError("telphin: no list of extensions in the reply.")
    return [one for one in page if isinstance(one, dict)]


def of_type(entries: Iterable[Mapping[str, Any]], kind: str | None) -> list[Said]:
    """Choose the extensions that have an id and are of a type (phone, queue, ivr); None: of any."""
    texts = [_texts(entry) for entry in entries]
    return [
        one
        for one in texts
        if one.get("id") and kind in (None, one.get("type", one.get("extensiontype", "")).lower())
    ]
