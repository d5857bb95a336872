"""Parsing the list of extensions into agents."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.values import Row, decode_json, iterate_objects, list_own_columns, read_text
from wfm.vendors.voicenter.cdrs import read_head_count


def list_extensions(body: bytes) -> list[Row]:
    """Return the extensions in a reply, with folded keys.

    Raises:
        BadReplyError: it is not such a list, or an error.
    """
    reply = next(iterate_objects([decode_json(body)]), {})
    rows = reply.get("extensions")
    if not isinstance(rows, list) or read_head_count(reply, "err"):
        raise BadReplyError(f"the reply is no list of extensions: {str(reply.get('desc') or '')[:80]!r}")
    return list(iterate_objects(rows))


def parse_agent(rows: Sequence[Row]) -> pl.DataFrame:
    """Parse extensions: each is an agent; its SIP account is the agent_id."""
    names = {
        login: read_text(row.get("name")) or read_text(row.get("username"))
        for row in rows
        if (login := read_text(row.get("sip")))
    }
    columns = list_own_columns("agent")
    agents = [{**dict.fromkeys(columns), "agent_id": login, "name": name} for login, name in names.items()]
    return pl.DataFrame(agents, schema=columns)
