"""Parse the lists of queues and users."""

from __future__ import annotations

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.nextiva_ncc.rows import describe_left_out, find_rows, pick_columns
from wfm.vendors.nextiva_ncc.settings import Settings
from wfm.vendors.values import add_notes, build_table, decode_json, fold_keys, read_text


def parse_directory(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a page of queues or agents; of two entries with one id the later counts.

    Raises:
        BadReplyError: it is not such a page, or none of its entries has an id.
    """
    rows, _ = find_rows(decode_json(payload.body), feed)
    found: dict[str, tuple[str, str | None]] = {}
    nameless = 0
    ids = pick_columns(rows, list_id_keys(feed, settings))[0]
    for value, row in zip(ids, map(fold_keys, rows), strict=True):
        id_ = read_text(value)
        if id_ is None:
            nameless += 1
            continue
        parts = [read_text(row.get("firstname")), read_text(row.get("lastname"))]
        full_name = " ".join(part for part in parts if part)
        found[id_] = (id_, read_text(row.get("name")) or full_name or read_text(row.get("username")))
    if rows and not found:
        raise BadReplyError(f"{feed}: no id in {sorted(map(str, rows[0]))[:20]}")
    table = build_table(feed, (f"{feed}_id", "name"), list(found.values()))
    return add_notes(table, [describe_left_out(["no id"] * nameless)])


def list_id_keys(feed: str, settings: Settings) -> tuple[str, ...]:
    """Return the folded keys that may hold the id of an entry (``_id`` is one of them)."""
    if feed == "queue":
        return ("queueid", "id")
    return ("username",) if settings.agent_key == "username" else ("userid", "id")
