"""Parsing the list of extensions into agents (phones) and queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.telphin.fields import Fields, RowCollector, read_fields
from wfm.vendors.values import decode_json

TYPE_PER_FEED: Final = {"agent": "phone", "queue": "queue"}


def parse_extensions(feed: str, payload: Payload) -> pl.DataFrame:
    """Parse a page of extensions into agents or queues."""
    collected = RowCollector()
    for one in select_type(list_extensions(payload.body), TYPE_PER_FEED[feed]):
        collected.rows.append((one["id"], one.get("label") or one.get("name"), None))
    return collected.build_table(feed, (f"{feed}_id", "name"))


def list_extensions(body: bytes) -> list[dict[str, Any]]:
    """Return the extensions of a page, which is a list, or an object with the list under some name.

    Raises:
        BadReplyError: it is not such a page.
    """
    page = decode_json(body)
    if isinstance(page, dict):
        inner = [value for value in page.values() if isinstance(value, list)]
        page = inner[0] if len(inner) == 1 else None
    if not isinstance(page, list):
        raise BadReplyError("telphin: no list of extensions in the reply.")
    return [one for one in page if isinstance(one, dict)]


def select_type(entries: Iterable[Mapping[str, Any]], kind: str | None) -> list[Fields]:
    """Return the extensions that have an id and are of a type (phone, queue, ivr); None: of any."""
    extensions = map(read_fields, entries)
    return [
        one
        for one in extensions
        if one.get("id") and kind in (None, one.get("type", one.get("extensiontype", "")).lower())
    ]
