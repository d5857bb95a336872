"""What vendors themselves said: the raw bytes, or the part of them, that stored rows were read from.

::

    call_leg     the last version in the audit chain, with its hash      (put together from events: their rows)
    call_event   everything that was said
    agent_state  of the payloads that came at or after it, the first that says so; if the vendor can point at the
                 element that is about the login, that element
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from wfm.errors import BadReplyError, NoDataError, UsageError
from wfm.jobs.snapshots import NOT_THERE
from wfm.jobs.sources import Source
from wfm.storage.audit import read_audit_records
from wfm.storage.payloads import find_payloads_near, read_payload
from wfm.storage.reader import Reader
from wfm.vendors import CALL_EVENT, Payload

FOUND: Final = {"payload": pl.String(), "payload_in": pl.String(), "hash": pl.String()}
"""What is added to a row: the part of a payload that is about it (null: none is kept, or nobody can point at it), where
the whole payload stands (collection/position), and the hash of the audit chain."""
MOST_LOOKED_AT: Final = 200
MOST_SNAPSHOTS: Final = 40
"""So many payloads are read to find a row in; mostly the first has it."""
SAME: Final = {
    "agent_state": ("login", "at", "vendor_state", "vendor_reason"),
    CALL_EVENT: ("event_id",),
}
"""By which columns a row that is read from a payload again is known."""

Found = dict[str, str | None]
Place = tuple[int, int]


def behind_legs(known: Reader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return source leg_id and `FOUND` of call legs (source leg_id) of which the vendor's words were kept."""
    return read_audit_records(known, legs).select("source", "leg_id", *FOUND)


@dataclass
class Search:
    """Looks rows up in the raw payloads of their sources; each payload is read once.

    sources: those that are configured: their settings say how their payloads are read.
    """

    known: Reader
    sources: Mapping[str, Source]
    _read: dict[tuple[Place, str], tuple[Payload, pl.DataFrame] | None] = field(default_factory=dict)

    def find(self, table: str, row: Mapping[str, Any]) -> Found:
        """Return `FOUND` for a stored row that was collected, of agent_state or call_event; all its columns."""
        found: Found = dict.fromkeys(FOUND)
        if table == CALL_EVENT:
            found["payload"] = row["said"]
        source = self.sources.get(row["source"])
        if source is None:
            return found
        feed = source.feeds.get(table)
        snapshot = feed is not None and feed.kind == "snapshot"
        for place in self._places(source, table, row, snapshot):
            read = self._parsed(source, table, place)
            if read is None or not _says(table, read[1], row, snapshot):
                continue
            part = _element(source, table, read[0], row)
            return found | {"payload_in": f"{place[0]}/{place[1]}"} | ({"payload": part} if part else {})
        return found

    def _places(self, source: Source, table: str, row: Mapping[str, Any], snapshot: bool) -> list[Place]:
        """Return where the row may have been read from; of snapshots, the collection tells less than the instant."""
        feeds = [feed.name for feed in source.feeds.values() if table in (feed.name, *feed.fills)]
        own, most = (None, MOST_SNAPSHOTS) if snapshot else (row["collection_id"], MOST_LOOKED_AT)
        since = row["at"] or row["recorded_at"]
        return find_payloads_near(self.known, source.name, feeds, own, since, most)

    def _parsed(self, source: Source, table: str, place: Place) -> tuple[Payload, pl.DataFrame] | None:
        if (place, table) not in self._read:
            self._read[place, table] = self._parse(source, table, place)
        return self._read[place, table]

    def _parse(self, source: Source, table: str, place: Place) -> tuple[Payload, pl.DataFrame] | None:
        found = read_payload(self.known, *place)
        if found is None:
            return None
        kept = found[1]
        payload = Payload(kept.feed, kept.received_at, kept.body, kept.context)
        try:
            return payload, source.vendor.parse(table, payload, source.settings)
        except BadReplyError:
            return None


def _says(table: str, rows: pl.DataFrame, row: Mapping[str, Any], snapshot: bool) -> bool:
    """Say whether rows read from a payload hold a stored row; of a snapshot the state alone, for not all know since."""
    if snapshot and row["vendor_reason"] == NOT_THERE:
        return row["login"] not in rows["login"]
    names = ("login", "vendor_state") if snapshot else SAME[table]
    return (
        rows.filter(pl.col(name).eq_missing(pl.lit(row[name], rows.schema[name])) for name in names).height
        > 0
    )


def _element(source: Source, table: str, payload: Payload, row: Mapping[str, Any]) -> str | None:
    point = getattr(source.vendor, "element", None)
    if point is None:
        return None
    part: str | None = point(table, payload, row, source.settings)
    return part


def whole(known: Reader, where: str) -> bytes:
    """Return a raw payload as it came, by collection/position.

    Raises:
        UsageError: that is no such place.
        NoDataError: nothing is kept there, or no longer.
    """
    parts = re.fullmatch(r"(\d{1,18})/(\d{1,18})", where, re.ASCII)
    if parts is None:
        raise UsageError(
            f"--payload {where!r}: give a place like 6/17, which wfm explain names beside its rows."
        )
    found = read_payload(known, int(parts[1]), int(parts[2]))
    if found is None:
        raise NoDataError(
            f"No payload is kept at {where}: none came there, or it is older than WFM_PAYLOAD_DAYS."
        )
    return found[1].body
