"""Parsing Telphin's call history into call_event: one event of kind history per call, with all its legs.

::

    {"call_history": [{…, "cdr": [{…}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.telphin.events import EVENT_COLUMNS
from wfm.vendors.telphin.fields import RowCollector, encode_fields, read_fields
from wfm.vendors.values import decode_json, read_instant, read_text

HISTORY_KIND: Final = "history"


def parse_history(payload: Payload) -> pl.DataFrame:
    """Parse a page of call_history into call_event.

    Raises:
        BadReplyError: it is not a page of call_history.
    """
    collected = RowCollector()
    for entry in list_history_entries(payload.body):
        call = _read_call_id(entry)
        if not call:
            collected.left_out.append("an entry without call_uuid")
            continue
        fields: dict[str, Any] = dict(read_fields(entry))
        cdr = entry.get("cdr")
        legs = [one for one in cdr if isinstance(one, dict)] if isinstance(cdr, list) else []
        fields["cdr"] = [read_fields(leg) for leg in legs]
        # a _gmt time is UTC, though it does not say so
        at = read_instant(fields.get("inittimegmt"), naive=UTC) or read_instant(
            fields.get("starttimegmt"), naive=UTC
        )
        alarm = None if at else f"call {call[:60]} of the history has no time"
        event_id = f"{HISTORY_KIND}|{call}"
        collected.rows.append((event_id, call, at, HISTORY_KIND, encode_fields(fields), alarm))
    return collected.build_table("call_event", EVENT_COLUMNS)


def list_history_entries(body: bytes) -> list[Any]:
    """Return the calls of a page.

    Raises:
        BadReplyError: it is not a page of call_history.
    """
    page = decode_json(body)
    entries = page.get("call_history") if isinstance(page, dict) else None
    if isinstance(entries, list):
        return entries
    message = (read_text(page.get("message")) or "") if isinstance(page, dict) else ""
    raise BadReplyError(f"telphin: no call_history in the reply{': ' + message[:200] if message else ''}.")


def find_entry(payload: Payload, row: Mapping[str, Any]) -> str | None:
    """Return the entry of the history that a call_event was parsed from."""
    matches = [one for one in list_history_entries(payload.body) if _read_call_id(one) == row["call_id"]]
    return json.dumps(matches[-1], ensure_ascii=False) if matches else None


def _read_call_id(entry: Any) -> str:
    # REST writes ids in upper case, events in lower case
    return (read_text(entry.get("call_uuid")) or "").lower() if isinstance(entry, dict) else ""
