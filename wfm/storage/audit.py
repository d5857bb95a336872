"""The audit chain: every version of what vendors reported about a call leg, chained by hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb
import polars as pl

from wfm.core import schema
from wfm.core.time import to_epoch_us
from wfm.storage.connection import query_frame
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader

FIRST_HASH: Final = ""
"""The previous hash of the first row of a source's chain."""


@dataclass(frozen=True)
class ChainCheck:
    """The outcome of recomputing the audit chains.

    row_count: rows checked. first_mismatch: the first (source, leg_id) whose hash does not match; None: all do.
    last_hashes: the last hash of every source. missing_hashes: hashes noted earlier that no row has any more.
    """

    row_count: int
    first_mismatch: tuple[str, str] | None
    last_hashes: dict[str, str]
    missing_hashes: tuple[str, ...] = ()


def append_audit_rows(con: duckdb.DuckDBPyConnection, source: str, audit: pl.DataFrame) -> None:
    """Append what a vendor reported about legs (leg_id seen_at payload) where it differs from the last version."""
    con.register("reported", audit.select("leg_id").unique())
    stored = query_frame(
        con,
        "SELECT leg_id, arg_max(payload, rowid) AS last FROM call_audit "
        "WHERE source = ? AND leg_id IN (SELECT leg_id FROM reported) GROUP BY leg_id",
        [source],
    )
    con.unregister("reported")
    last = con.execute(
        "SELECT hash FROM call_audit WHERE source = ? ORDER BY rowid DESC LIMIT 1", [source]
    ).fetchall()
    hashes = _compute_hashes(source, audit, dict(stored.iter_rows()), last[0][0] if last else FIRST_HASH)
    changed = audit.with_columns(pl.lit(source).alias("source"), hashes).drop_nulls("hash")
    if changed.height:
        con.register("links", changed.select(list(schema.get_table("call_audit").columns)))
        con.execute("INSERT INTO call_audit SELECT * FROM links")
        con.unregister("links")


def read_audit_records(reader: DatabaseReader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return the last version of what a vendor reported about some legs.

    Args:
        reader: of the database.
        legs: source leg_id.

    Returns:
        source leg_id seen_at payload hash versions (how many) payload_in (the raw payload it came in, as
        collection/position; null where none is stored, or where several were received at that instant).
    """
    in_force, values = reader.build_in_force_sql("call_audit")
    payload_in_force, more = reader.build_in_force_sql("payload")
    return reader.run_query(
        "SELECT a.*, p.payload_in FROM (SELECT source, leg_id, max_by(seen_at, rowid) AS seen_at, "
        "max_by(payload, rowid) AS payload, max_by(hash, rowid) AS hash, count(*) AS versions FROM call_audit "
        f"WHERE {in_force} AND list_contains(?::VARCHAR[], leg_id) AND list_contains(?::VARCHAR[], source) "
        "GROUP BY source, leg_id) AS a LEFT JOIN (SELECT source, received_at, "
        "any_value(collection_id || '/' || position) AS payload_in FROM payload "
        f"WHERE {payload_in_force} AND feed = 'call_leg' GROUP BY source, received_at HAVING count(*) = 1) AS p "
        "ON p.source = a.source AND p.received_at = a.seen_at",
        [*values, legs["leg_id"].to_list(), legs["source"].unique().to_list(), *more],
    )


def verify_audit_chains(database: Database, noted: Collection[str] = ()) -> ChainCheck:
    """Recompute the chain of every source and compare it with the stored hashes.

    Args:
        database: the database.
        noted: hashes noted at an earlier time, which rows must still have. Only this detects that the last rows were
            removed, or that the whole chain was rewritten: the chain itself would still be consistent.
    """
    missing = set(noted)
    with database.open_reader() as reader:
        last_hashes: dict[str, str] = {}
        checked = 0
        for rows in reader.stream_query(
            "SELECT source, leg_id, seen_at, payload, hash FROM call_audit ORDER BY rowid"
        ):
            for source, leg_id, seen_at, payload, stored in rows.iter_rows():
                previous = last_hashes.get(source, FIRST_HASH)
                last_hashes[source] = compute_link_hash(previous, source, leg_id, seen_at, payload)
                checked += 1
                if last_hashes[source] != stored:
                    return ChainCheck(checked, (source, leg_id), last_hashes)
                missing.discard(stored)
    return ChainCheck(checked, None, last_hashes, tuple(sorted(missing)))


def compute_link_hash(previous: str, source: str, leg_id: str, seen_at: datetime, payload: str) -> str:
    """Compute the hash of a row: SHA-256 over the previous hash and the row's values.

    Each value is preceded by its length, so that moving text from one value to the next changes the hash.
    """
    parts = [part.encode() for part in (previous, source, leg_id, str(to_epoch_us(seen_at)), payload)]
    content = b"".join([piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)])
    return hashlib.sha256(content).hexdigest()


def _compute_hashes(
    source: str, audit: pl.DataFrame, last_payloads: dict[str, str], previous: str
) -> pl.Series:
    """Return the hash of each row that differs from the leg's previous version; null for the others."""
    hashes: list[str | None] = []
    for leg_id, seen_at, payload in zip(
        *(audit[name] for name in ("leg_id", "seen_at", "payload")), strict=True
    ):
        if last_payloads.get(leg_id) == payload:
            hashes.append(None)
            continue
        last_payloads[leg_id] = payload
        previous = compute_link_hash(previous, source, leg_id, seen_at, payload)
        hashes.append(previous)
    return pl.Series("hash", hashes, dtype=pl.String)
