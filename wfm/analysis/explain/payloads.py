"""Find the vendor's payload, or the part of it, that a stored row was read from.

::

    call_leg     the last version in the audit chain, with its hash; for legs built from events, the events
    call_event   the whole event
    agent_state  the first payload received at or after it that contains it; only the element about the login, if the
                 vendor's format allows that
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from wfm.collect.snapshots import INFERRED_LOGOUT_REASON
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import BadReplyError, NoDataError, UsageError
from wfm.storage.audit import read_audit_records
from wfm.storage.payloads import find_payloads_near, read_payload
from wfm.storage.reader import DatabaseReader
from wfm.vendors import CALL_EVENT, EvidenceFinder, Payload

PAYLOAD_COLUMNS: Final = {"payload": pl.String(), "payload_in": pl.String(), "hash": pl.String()}
"""Columns added to a row: the part of a payload that is about it (null: not stored, or it cannot be singled out), the
id of the whole payload (collection/position), and its hash in the audit chain."""
MAX_PAYLOADS_SEARCHED: Final = 200
MAX_SNAPSHOTS_SEARCHED: Final = 40
"""The most payloads to search for one row; usually the first contains it."""
IDENTIFYING_COLUMNS: Final = {
    "agent_state": ("login", "at", "vendor_state", "vendor_reason"),
    CALL_EVENT: ("event_id",),
}
"""The columns by which a stored row is recognised among the rows parsed from a payload."""

FoundPayload = dict[str, str | None]
PayloadPosition = tuple[int, int]


def read_leg_payloads(reader: DatabaseReader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return the audited payloads of call legs (source leg_id): source leg_id, and `PAYLOAD_COLUMNS`."""
    return read_audit_records(reader, legs).select("source", "leg_id", *PAYLOAD_COLUMNS)


@dataclass
class PayloadSearch:
    """A search for stored rows in the raw payloads of their sources; each payload is parsed once.

    reader: the database.
    sources: the configured sources; their settings say how their payloads are parsed.
    """

    reader: DatabaseReader
    sources: Mapping[str, ConfiguredSource]
    _parsed_payloads: dict[tuple[PayloadPosition, str], tuple[Payload, pl.DataFrame] | None] = field(
        default_factory=dict
    )

    def find_payload(self, table: str, row: Mapping[str, Any]) -> FoundPayload:
        """Return the payload of a collected row.

        Args:
            table: agent_state or call_event.
            row: all columns of the stored row.

        Returns:
            `PAYLOAD_COLUMNS`, each None where nothing is found.
        """
        found: FoundPayload = dict.fromkeys(PAYLOAD_COLUMNS)
        if table == CALL_EVENT:
            found["payload"] = row["said"]
        source = self.sources.get(row["source"])
        if source is None:
            return found
        feed = source.feeds.get(table)
        is_snapshot = feed is not None and feed.kind == "snapshot"
        for position in self._find_positions(source, table, row, is_snapshot):
            parsed = self._parse_cached(source, table, position)
            if parsed is None or not _contains_row(table, parsed[1], row, is_snapshot):
                continue
            part = _extract_element(source, table, parsed[0], row)
            return (
                found | {"payload_in": f"{position[0]}/{position[1]}"} | ({"payload": part} if part else {})
            )
        return found

    def _find_positions(
        self, source: ConfiguredSource, table: str, row: Mapping[str, Any], is_snapshot: bool
    ) -> list[PayloadPosition]:
        """Return the payloads that a row may have been read from, the most likely first.

        A state that a snapshot repeats is stored once, with the collection that first saw it; so snapshots are
        searched by time rather than by collection.
        """
        feeds = [feed.name for feed in source.feeds.values() if table in (feed.name, *feed.fills)]
        collection_id, limit = (
            (None, MAX_SNAPSHOTS_SEARCHED) if is_snapshot else (row["collection_id"], MAX_PAYLOADS_SEARCHED)
        )
        since = row["at"] or row["recorded_at"]
        return find_payloads_near(self.reader, source.name, feeds, collection_id, since, limit)

    def _parse_cached(
        self, source: ConfiguredSource, table: str, position: PayloadPosition
    ) -> tuple[Payload, pl.DataFrame] | None:
        if (position, table) not in self._parsed_payloads:
            self._parsed_payloads[position, table] = self._parse_payload(source, table, position)
        return self._parsed_payloads[position, table]

    def _parse_payload(
        self, source: ConfiguredSource, table: str, position: PayloadPosition
    ) -> tuple[Payload, pl.DataFrame] | None:
        found = read_payload(self.reader, *position)
        if found is None:
            return None
        stored = found[1]
        payload = Payload(stored.feed, stored.received_at, stored.body, stored.context)
        try:
            return payload, source.vendor.parse(table, payload, source.settings)
        except BadReplyError:
            return None


def _contains_row(table: str, rows: pl.DataFrame, row: Mapping[str, Any], is_snapshot: bool) -> bool:
    """Return whether rows parsed from a payload include a stored row.

    Of a snapshot only login and state are compared, as not every vendor reports since when a state lasts.
    """
    if is_snapshot and row["vendor_reason"] == INFERRED_LOGOUT_REASON:
        return row["login"] not in rows["login"]
    names = ("login", "vendor_state") if is_snapshot else IDENTIFYING_COLUMNS[table]
    return (
        rows.filter(pl.col(name).eq_missing(pl.lit(row[name], rows.schema[name])) for name in names).height
        > 0
    )


def _extract_element(
    source: ConfiguredSource, table: str, payload: Payload, row: Mapping[str, Any]
) -> str | None:
    if not isinstance(source.vendor, EvidenceFinder):
        return None
    return source.vendor.find_element(table, payload, row, source.settings)


def read_payload_bytes(reader: DatabaseReader, where: str) -> bytes:
    """Return a raw payload unchanged, by its id (collection/position).

    Raises:
        UsageError: that is not a payload id.
        NoDataError: no payload is stored under that id, or no longer.
    """
    parts = re.fullmatch(r"(\d{1,18})/(\d{1,18})", where, re.ASCII)
    if parts is None:
        raise UsageError(
            f"--payload {where!r}: give a payload id like 6/17; wfm explain shows one with each row (payload_in)."
        )
    found = read_payload(reader, int(parts[1]), int(parts[2]))
    if found is None:
        raise NoDataError(
            f"No payload {where} is stored: there never was one, or it is older than WFM_PAYLOAD_DAYS."
        )
    return found[1].body
