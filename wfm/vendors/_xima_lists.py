"""Xima's lists: agents, skills (its word for queues) and recordings of calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import polars as pl

from wfm.errors import BadReplyError
from wfm.vendors import Payload
from wfm.vendors._json import document
from wfm.vendors._xima_cells import Row, agent, frame, instant, noted, number, text

DIRECTIONS: Final = {"inbound": "in", "outbound": "out", "internal": "internal"}
LONGEST_CALL_S: Final = 86_400.0
LEG: Final = (
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
    """Read the agents: each is called by the extension."""
    told = [agent(row.get("agent")) for row in _rows(payload, "agents")]
    rows = {one[0]: one for one in told if one}
    return noted(frame("agent", ("agent_id", "name"), list(rows.values())), _left_out(told, "an agent"))


def parse_queue(payload: Payload) -> pl.DataFrame:
    """Read the skills; they have nothing but a name."""
    told = [text(row.get("name")) for row in _rows(payload, "skills")]
    rows = [(name, name) for name in dict.fromkeys(filter(None, told))]
    return noted(frame("queue", ("queue_id", "name"), rows), _left_out(told, "a skill"))


def parse_call_leg(payload: Payload) -> pl.DataFrame:
    """Read recordings: each is of a leg that somebody had answered; what was not recorded is not told."""
    told = [_leg(row) for row in _rows(payload, "recordings")]
    rows = [row for row in told if row]
    return noted(frame("call_leg", LEG, rows), _left_out(told, "a recording with key and time"))


def _leg(row: Row) -> tuple[Any, ...] | None:
    key, start = text(row.get("recordingKey")), instant(row.get("startTime"))
    if key is None or start is None:
        return None
    ms = number(row.get("duration"))
    talk = ms / 1000 if ms is not None and 0 <= ms <= LONGEST_CALL_S * 1000 else None
    who = agent(row.get("agent"))
    alarm = None if talk is not None else f"duration is {row.get('duration')!r:.40}; no end"
    return (
        key,
        text(row.get("callKey")),
        who[0] if who else None,
        text(row.get("skill")),
        DIRECTIONS.get((text(row.get("callDirection")) or "").lower(), "unknown"),
        start,
        start,
        None if talk is None else start + timedelta(seconds=talk),
        talk,
        "answered",
        text(row.get("callingParty")),
        text(row.get("receivingParty")),
        key,
        _storable(alarm),
        text(row),
    )


def _storable(alarm: str | None) -> str | None:
    return text(alarm) if alarm else None


def _rows(payload: Payload, name: str) -> list[Row]:
    """Find the list: below its name, or bare, as one of the vendor's samples is."""
    said = document(payload.body)
    found = said.get(name) if isinstance(said, dict) else said
    if not isinstance(found, list):
        raise BadReplyError(f"no list of {name} in the reply{_message(said)}")
    return [row if isinstance(row, dict) else {} for row in found]


def _message(said: Any) -> str:
    told = text(said.get("message") or said.get("error")) if isinstance(said, dict) else None
    return f": {told:.200}" if told else ""


def _left_out(told: list[Any], what: str) -> list[str]:
    n = sum(not one for one in told)
    return [f"{n:,} of {len(told):,} entries are not {what}; left out"] if n else []
