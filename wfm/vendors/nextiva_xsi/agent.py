"""Parse the directory into agents."""

from __future__ import annotations

import polars as pl

from wfm.vendors.contract import Payload
from wfm.vendors.nextiva_xsi.entries import parse_directory
from wfm.vendors.nextiva_xsi.nodes import get_child, get_text
from wfm.vendors.nextiva_xsi.settings import Settings
from wfm.vendors.values import list_own_columns


def parse_agent(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a page of the directory: agent_id name team; only the configured users, if any are."""
    people, _ = parse_directory(payload.body, payload.context.get("charset", ""))
    wanted = None if settings.users is None else {user.lower(): user for user in settings.users}
    rows = []
    for person in people:
        user = get_text(get_child(person, "userId"))
        if user is None or (wanted is not None and user.lower() not in wanted):
            continue
        names = (get_text(get_child(person, part)) for part in ("firstName", "lastName"))
        details = get_child(person, "additionalDetails")
        team = get_text(get_child(person, "department")) or get_text(get_child(details, "department"))
        # the agent is spelt as its login: as in USERS, else as in the directory
        id_ = wanted[user.lower()] if wanted else user
        rows.append({"agent_id": id_, "name": " ".join(filter(None, names)) or None, "team": team})
    return pl.DataFrame(rows, schema=list_own_columns("agent"), infer_schema_length=None)
