"""Raw payloads: the bytes that vendors sent, compressed, as evidence and for parsing them again (replay)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from wfm.core import schema
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader, TimeSpan


@dataclass(frozen=True)
class StoredPayload:
    """A stored raw payload: the bytes as received, and the context that the parser needs."""

    collection_id: int
    feed: str
    received_at: datetime
    context: Mapping[str, str]
    body: bytes


def insert_payloads(
    con: duckdb.DuckDBPyConnection,
    number: int,
    source: str,
    feed: str,
    payloads: Sequence[tuple[datetime, Mapping[str, str], bytes]],
) -> None:
    """Insert payloads (received_at, context, body), compressed; ``number``: of their collection."""
    if not payloads:
        return
    rows = pl.DataFrame(
        {
            "collection_id": [number] * len(payloads),
            "position": range(len(payloads)),
            "source": [source] * len(payloads),
            "feed": [feed] * len(payloads),
            "received_at": [at for at, _, _ in payloads],
            "context": [json.dumps(dict(context), ensure_ascii=False) for _, context, _ in payloads],
            "size": [len(body) for _, _, body in payloads],
            "body": [pa.compress(body, codec="zstd", asbytes=True) for _, _, body in payloads],
        },
        schema=schema.get_table("payload").columns,
    )
    con.register("payloads", rows)
    con.execute("INSERT INTO payload SELECT * FROM payloads")
    con.unregister("payloads")


def iterate_payloads(
    database: Database, source: str, feed: str, span: TimeSpan | None = None
) -> Iterator[StoredPayload]:
    """Yield the stored payloads of a feed in the order in which they were received.

    The database is opened again for each collection, so that nobody waits for the end of a long replay.
    """
    where, values = "source = ? AND feed = ?", [source, feed]
    if span is not None:
        where += " AND received_at >= ? AND received_at < ?"
        values += span  # type: ignore[arg-type]
    with database.open_reader() as reader:
        numbers = reader.run_query(
            f"SELECT DISTINCT collection_id FROM payload WHERE {where} ORDER BY collection_id", values
        )["collection_id"]
    for number in numbers:
        with database.open_reader() as reader:
            rows = reader.run_query(
                f"SELECT * FROM payload WHERE {where} AND collection_id = ? ORDER BY position",
                [*values, number],
            )
        for row in rows.iter_rows(named=True):
            yield _unpack_row(row)


def find_payloads_near(
    reader: DatabaseReader,
    source: str,
    feeds: Sequence[str],
    collection_id: int | None,
    since: datetime,
    limit: int,
) -> list[tuple[int, int]]:
    """Return (collection_id, position) of the payloads of a collection, then of those received since an instant.

    Args:
        reader: of the database.
        source, feeds: only their payloads.
        collection_id: the collection that comes first; None: none does.
        since: the instant.
        limit: the most to return.
    """
    in_force, values = reader.build_in_force_sql("payload")
    rows = reader.run_query(
        f"SELECT collection_id, position FROM payload WHERE {in_force} AND source = ? "
        "AND list_contains(?::VARCHAR[], feed) AND (collection_id = ? OR received_at >= ?) "
        "ORDER BY collection_id IS DISTINCT FROM ?, received_at, collection_id, position LIMIT ?",
        [*values, source, list(feeds), collection_id, since, collection_id, limit],
    )
    return list(rows.iter_rows())


def read_payload(
    reader: DatabaseReader, collection_id: int, position: int
) -> tuple[str, StoredPayload] | None:
    """Return a payload and its source; None if it does not exist or has been deleted."""
    in_force, values = reader.build_in_force_sql("payload")
    rows = reader.run_query(
        f"SELECT * FROM payload WHERE {in_force} AND collection_id = ? AND position = ?",
        [*values, collection_id, position],
    )
    return next(((row["source"], _unpack_row(row)) for row in rows.iter_rows(named=True)), None)


def delete_old_payloads(database: Database, before: datetime) -> int:
    """Delete payloads received before an instant and return how many; the rows parsed from them stay.

    The payloads of one collection are deleted together, once the last of them is old: to a replay of a part of them the
    rows of the others would seem withdrawn.
    """
    old = "SELECT collection_id FROM payload GROUP BY collection_id HAVING max(received_at) < ?"
    with database.open_transaction() as con:
        deleted = con.execute(f"DELETE FROM payload WHERE collection_id IN ({old})", [before]).fetchall()
        return int(deleted[0][0])


def _unpack_row(row: Mapping[str, Any]) -> StoredPayload:
    # zstd cannot decompress into nothing, so an empty body is not decompressed
    body = pa.decompress(row["body"], row["size"], codec="zstd", asbytes=True) if row["size"] else b""
    return StoredPayload(
        row["collection_id"], row["feed"], row["received_at"], json.loads(row["context"]), body
    )
