"""Parsing Xima's lists: agents, skills (which are queues) and recordings of calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.values import (
    Row,
    add_notes,
    build_table,
    decode_json,
    encode_json,
    read_amount,
    read_instant,
    read_text,
)
from wfm.vendors.xima.values import read_agent

DIRECTIONS: Final = {"inbound": "in", "outbound": "out", "internal": "internal"}
MAX_CALL_S: Final = 86_400.0
LEG_COLUMNS: Final = (
    "leg_id",
    "call_id",
    "login",
    "queue_id",
    "direction",
    "started_at",
    "answered_at",
    "ended_at",
    "talk_s",
    "outcome",
    "from_number",
    "to_number",
    "recording_id",
    "alarm",
    "payload",
)


def parse_agent(payload: Payload) -> pl.DataFrame:
    """Parse the agents; the extension is the agent_id."""
    read = [read_agent(row.get("agent")) for row in _find_list(payload, "agents")]
    agents = {one[0]: one for one in read if one}
    table = build_table("agent", ("agent_id", "name"), list(agents.values()))
    return add_notes(table, _describe_left_out(read, "an agent"))


def parse_queue(payload: Payload) -> pl.DataFrame:
    """Parse the skills, which only have a name."""
    read = [read_text(row.get("name")) for row in _find_list(payload, "skills")]
    rows = [(name, name) for name in dict.fromkeys(filter(None, read))]
    return add_notes(build_table("queue", ("queue_id", "name"), rows), _describe_left_out(read, "a skill"))


def parse_call_leg(payload: Payload) -> pl.DataFrame:
    """Parse recordings: each is that of an answered leg; calls without a recording are not listed."""
    read = [_parse_recording(row) for row in _find_list(payload, "recordings")]
    table = build_table("call_leg", LEG_COLUMNS, [row for row in read if row])
    return add_notes(table, _describe_left_out(read, "a recording with key and time"))


def _parse_recording(row: Row) -> tuple[Any, ...] | None:
    key, start = read_text(row.get("recordingKey")), read_instant(row.get("startTime"), "ms")
    if key is None or start is None:
        return None
    ms = read_amount(row.get("duration"))
    talk = ms / 1000 if ms is not None and ms <= MAX_CALL_S * 1000 else None
    agent = read_agent(row.get("agent"))
    alarm = None if talk is not None else f"duration is {row.get('duration')!r:.40}; no end"
    return (
        key,
        read_text(row.get("callKey")),
        agent[0] if agent else None,
        read_text(row.get("skill")),
        DIRECTIONS.get((read_text(row.get("callDirection")) or "").lower(), "unknown"),
        start,
        start,
        None if talk is None else start + timedelta(seconds=talk),
        talk,
        "answered",
        read_text(row.get("callingParty")),
        read_text(row.get("receivingParty")),
        key,
        read_text(alarm),
        encode_json(row, spaced=True),
    )


def _find_list(payload: Payload, name: str) -> list[Row]:
    """Return the list, which is under its name or, as in one of the vendor's samples, the whole reply."""
    document = decode_json(payload.body)
    found = document.get(name) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise BadReplyError(f"no list of {name} in the reply{_describe_error(document)}")
    return [row if isinstance(row, dict) else {} for row in found]


def _describe_error(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    message = read_text(document.get("message") or document.get("error"))
    return f": {message:.200}" if message else ""


def _describe_left_out(read: list[Any], what: str) -> list[str]:
    n = sum(not one for one in read)
    return [f"{n:,} of {len(read):,} entries are not {what}; left out"] if n else []
