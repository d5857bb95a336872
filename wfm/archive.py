"""What collectors leave in the store: batches, raw payloads, the ledger of windows, and the audit chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa

from wfm import schema
from wfm.store import SPANS, Reader, Span, Store, Written, frame, merge, turn_of

FIRST_HASH: Final = ""
"""What the first row of a source's chain is chained to."""


MOST_ALARMS: Final = 3
Assemble = Callable[[pl.DataFrame], pl.DataFrame]
"""All events of some calls (event_id call_id at kind said) → the legs of these calls, own columns of call_leg.

A column ``alarm`` beside them (null: none) is for what is kept but hardly believed; it goes into the ledger's note.
"""


@dataclass(frozen=True)
class Kept:
    """A raw payload: bytes as they came, with what one must know to read them."""

    collection_id: int
    feed: str
    received_at: datetime
    context: Mapping[str, str]
    body: bytes


def keep(
    store: Store,
    *,
    name: str,
    source: str,
    feed: str,
    window: Span | None,
    result: str,
    note: str,
    payloads: Sequence[tuple[datetime, Mapping[str, str], bytes]],
    tables: Mapping[str, pl.DataFrame],
    audit: pl.DataFrame | None = None,
    legs: Assemble | None = None,
    origin: str = "collect",
) -> Written | None:
    """Store a batch: its rows, its raw payloads, its audit rows and its line in the ledger; all of it or nothing.

    Args:
        store: where.
        name: the batch's own name; a batch stored before is not stored again (None is returned).
        source, feed, window, result, note: for the ledger.
        payloads: received_at, context, body.
        tables: table → rows with the table's own columns.
        audit: leg_id, seen_at, payload: what the vendor said of each leg.
        legs: puts together the legs of calls of which events are stored here.
        origin: collect, or replay: what was kept is read again, and nothing was asked of anybody.

    Raises:
        DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
    """
    with store.writing(leave_log=True) as con:
        if con.execute("SELECT 1 FROM batch WHERE name = ?", [name]).fetchall():
            return None
        number, now = turn_of(con)
        reader = Reader(con, None)
        full = {table: _completed(reader, table, rows) for table, rows in tables.items() if rows.height}
        if "report_row" in full:
            full["report_row"] = _last_runs(full["report_row"])
            _supersede(con, source, full["report_row"], now)
        counts = [merge(con, table, rows, number, now) for table, rows in full.items()]
        added, replaced = (sum(part) for part in zip(*counts, strict=True)) if counts else (0, 0)
        if "call_event" in full and legs is not None:
            _, alarms = _assemble(con, source, full["call_event"]["call_id"].unique(), legs, number, now)
            note = "; ".join(part for part in (note, *alarms) if part)
        if "call_leg" in full:
            _outrank(con, source, full["call_leg"], now)
        read = sum(rows.height for rows in tables.values())
        if audit is not None and audit.height:
            _chain(con, source, audit)
        _put_payloads(con, number, source, feed, payloads)
        con.execute(
            "INSERT INTO collection VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, 0, ?, ?)",
            [
                number,
                source,
                feed,
                origin,
                *(window or (None, None)),
                result,
                read,
                added,
                replaced,
                note or None,
                now,
            ],
        )
        con.execute("INSERT INTO batch VALUES (?, ?)", [name, number])
    return Written(number, read, added, replaced)


def settle(store: Store, source: str, legs: Assemble) -> int:
    """Put together anew the calls of a source that have not ended; returns how many there are.

    Raises:
        DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
    """
    with store.writing() as con:
        calls = frame(
            con,
            f"SELECT DISTINCT call_id FROM call_leg AS t WHERE source = ? AND {_TOLD} AND ended_at IS NULL "
            "AND outcome IS DISTINCT FROM 'incomplete'",
            [source],
        )["call_id"]
        if calls.len():
            number, now = turn_of(con)
            changed, _ = _assemble(con, source, calls, legs, number, now)
            if changed:
                con.execute(
                    "INSERT INTO collection VALUES "
                    "(?, ?, 'call_event', 'settle', NULL, NULL, 'complete', NULL, 0, 0, ?, 0, NULL, ?)",
                    [number, source, changed, now],
                )
    return calls.len()


_TOLD: Final = (
    "t.replaced_at IS NULL AND t.collection_id IN "
    "(SELECT collection_id FROM collection AS c WHERE c.feed = 'call_event' AND c.source = t.source)"
)
"""Legs that were put together from events, and not logged whole."""


def _assemble(
    con: duckdb.DuckDBPyConnection, source: str, calls: pl.Series, legs: Assemble, number: int, now: datetime
) -> tuple[int, list[str]]:
    """Replace the legs of some calls by what all events of these calls say; calls the vendor logged whole are left.

    Returns how many legs are new, other than before, or gone; and what to note of them.
    """
    con.register("calls", pl.DataFrame({"call_id": calls}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE told AS SELECT call_id FROM calls WHERE call_id NOT IN ("
        f"SELECT call_id FROM call_leg AS t WHERE t.source = ? AND t.replaced_at IS NULL AND NOT ({_TOLD}) "
        "AND call_id IS NOT NULL)",
        [source],
    )
    events = frame(
        con,
        'SELECT event_id, call_id, "at", kind, said FROM call_event WHERE source = ? AND replaced_at IS NULL '
        'AND call_id IN (SELECT call_id FROM told) ORDER BY "at", collection_id, row_no',
        [source],
    )
    made = legs(events)
    alarms = made["alarm"].drop_nulls() if "alarm" in made.columns else pl.Series(dtype=pl.String)
    made = made.drop("alarm", strict=False)
    changed = sum(merge(con, "call_leg", made, number, now))
    con.register("made", made.select("leg_id"))
    gone = con.execute(
        f"UPDATE call_leg AS t SET replaced_at = ? WHERE t.source = ? AND {_TOLD} "
        "AND t.call_id IN (SELECT call_id FROM told) AND t.leg_id NOT IN (SELECT leg_id FROM made)",
        [now, source],
    ).fetchall()[0][0]
    con.execute("DROP TABLE told")
    for name in ("calls", "made"):
        con.unregister(name)
    first = alarms.head(MOST_ALARMS).to_list()
    told = [f"{alarms.len():,} calls hardly believed", *first] if first else []
    return changed + int(gone), told


def _outrank(con: duckdb.DuckDBPyConnection, source: str, logged: pl.DataFrame, now: datetime) -> None:
    """Retire legs put together from events of calls that the vendor has now logged whole."""
    if not con.execute("SELECT 1 FROM call_event WHERE source = ? LIMIT 1", [source]).fetchall():
        return
    con.register("logged", logged.select("call_id", "leg_id"))
    con.execute(
        f"UPDATE call_leg AS t SET replaced_at = ? WHERE t.source = ? AND {_TOLD} "
        "AND t.call_id IN (SELECT call_id FROM logged) AND t.leg_id NOT IN (SELECT leg_id FROM logged)",
        [now, source],
    )
    con.unregister("logged")


def _completed(reader: Reader, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Let a vendor's list of agents or queues leave alone what it does not know, such as a team that was imported."""
    if table not in ("agent", "queue"):
        return rows
    known = schema.table(table)
    both = rows.join(
        reader.table(table), on=list(known.key), how="left", suffix="_known", maintain_order="left"
    )
    return both.select(*known.key, *(pl.coalesce(name, f"{name}_known") for name in known.values))


def _last_runs(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the run that reaches furthest of every report and beginning; of equals the last."""
    run = ["report_id", "from_at", "to_at", "execution_id"]
    last = rows.select(run).unique(keep="last", maintain_order=True).sort("to_at", maintain_order=True)
    return rows.join(
        last.unique(run[:2], keep="last"), on=run, how="semi", nulls_equal=True, maintain_order="left"
    )


def _supersede(con: duckdb.DuckDBPyConnection, source: str, runs: pl.DataFrame, now: datetime) -> None:
    """Retire what a report said of a beginning before, if it is run again and reaches as far.

    The report of a day that is not over is run every hour: each time its window is another, and so are its keys.
    """
    key = schema.table("report_row").key
    con.register("runs", runs.select(key))
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM t.{name}" for name in key if name != "source")
    con.execute(
        "UPDATE report_row AS t SET replaced_at = ? WHERE t.replaced_at IS NULL AND t.source = ? "
        "AND t.from_at IN (SELECT from_at FROM runs) "
        "AND EXISTS (SELECT 1 FROM (SELECT report_id, from_at, max(to_at) AS to_at FROM runs GROUP BY ALL) AS d "
        "WHERE d.report_id = t.report_id AND d.from_at = t.from_at AND d.to_at >= t.to_at) "
        f"AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE {same})",
        [now, source],
    )
    con.unregister("runs")


# --- payloads -------------------------------------------------------------------------------------------
def _put_payloads(
    con: duckdb.DuckDBPyConnection,
    number: int,
    source: str,
    feed: str,
    payloads: Sequence[tuple[datetime, Mapping[str, str], bytes]],
) -> None:
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
        schema=schema.table("payload").columns,
    )
    con.register("payloads", rows)
    con.execute("INSERT INTO payload SELECT * FROM payloads")
    con.unregister("payloads")


def replayable(store: Store, source: str, feed: str, span: Span | None = None) -> Iterator[Kept]:
    """Return the kept payloads of a feed in the order in which they came; one unit of work per collection."""
    where, values = "source = ? AND feed = ?", [source, feed]
    if span is not None:
        where += " AND received_at >= ? AND received_at < ?"
        values += span  # type: ignore[arg-type]
    with store.reading() as reader:
        numbers = reader.query(
            f"SELECT DISTINCT collection_id FROM payload WHERE {where} ORDER BY collection_id", values
        )["collection_id"]
    for number in numbers:
        with store.reading() as reader:
            rows = reader.query(
                f"SELECT * FROM payload WHERE {where} AND collection_id = ? ORDER BY position",
                [*values, number],
            )
        for row in rows.iter_rows(named=True):
            yield _kept(row)


def payloads_near(
    reader: Reader, source: str, feeds: Sequence[str], collection_id: int | None, since: datetime, most: int
) -> list[tuple[int, int]]:
    """Return where raw payloads stand (collection_id position): those of a collection, then those that came since."""
    known, values = reader.in_force("payload")
    rows = reader.query(
        f"SELECT collection_id, position FROM payload WHERE {known} AND source = ? "
        "AND list_contains(?::VARCHAR[], feed) AND (collection_id = ? OR received_at >= ?) "
        "ORDER BY collection_id IS DISTINCT FROM ?, received_at, collection_id, position LIMIT ?",
        [*values, source, list(feeds), collection_id, since, collection_id, most],
    )
    return list(rows.iter_rows())


def payload_at(reader: Reader, collection_id: int, position: int) -> tuple[str, Kept] | None:
    """Return the source and the raw payload at a place; None where nothing is kept, or no longer."""
    known, values = reader.in_force("payload")
    rows = reader.query(
        f"SELECT * FROM payload WHERE {known} AND collection_id = ? AND position = ?",
        [*values, collection_id, position],
    )
    return next(((row["source"], _kept(row)) for row in rows.iter_rows(named=True)), None)


def _kept(row: Mapping[str, Any]) -> Kept:
    body = pa.decompress(row["body"], row["size"], codec="zstd", asbytes=True) if row["size"] else b""
    return Kept(row["collection_id"], row["feed"], row["received_at"], json.loads(row["context"]), body)


def audited(reader: Reader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return what a vendor said last of some legs (source leg_id): source leg_id payload hash versions payload_in.

    ``payload_in``: where the whole payload stands, as collection/position; null where none is kept, or several came at
    that instant.
    """
    said, values = reader.in_force("call_audit")
    kept, more = reader.in_force("payload")
    return reader.query(
        "SELECT a.*, p.place AS payload_in FROM (SELECT source, leg_id, max_by(seen_at, rowid) AS seen_at, "
        "max_by(payload, rowid) AS payload, max_by(hash, rowid) AS hash, count(*) AS versions FROM call_audit "
        f"WHERE {said} AND list_contains(?::VARCHAR[], leg_id) AND list_contains(?::VARCHAR[], source) "
        "GROUP BY source, leg_id) AS a LEFT JOIN (SELECT source, received_at, "
        "any_value(collection_id || '/' || position) AS place FROM payload "
        f"WHERE {kept} AND feed = 'call_leg' GROUP BY source, received_at HAVING count(*) = 1) AS p "
        "ON p.source = a.source AND p.received_at = a.seen_at",
        [*values, legs["leg_id"].to_list(), legs["source"].unique().to_list(), *more],
    )


def forget_payloads(store: Store, before: datetime) -> int:
    """Drop raw payloads older than an instant; what was read from them stays.

    Those of one collection go together, when the last of them is old: to read a part of them again would look as if the
    vendor had taken the rest back.
    """
    old = "SELECT collection_id FROM payload GROUP BY collection_id HAVING max(received_at) < ?"
    with store.writing() as con:
        gone = con.execute(f"DELETE FROM payload WHERE collection_id IN ({old})", [before]).fetchall()
        return int(gone[0][0])


# --- the ledger -----------------------------------------------------------------------------------------
def ledger(reader: Reader, source: str, feed: str) -> pl.DataFrame:
    """Return what was collected of a feed: from_at to_at result read_n note made_at; in order of making."""
    return reader.query(
        "SELECT from_at, to_at, result, read_n, note, made_at FROM collection "
        "WHERE origin = 'collect' AND source = ? AND feed = ? ORDER BY collection_id",
        [source, feed],
    )


def standing(reader: Reader) -> pl.DataFrame:
    """Return how every feed that was asked for is, by the ledger.

    Columns: source feed; result note (of the last asking); last_success_at; complete_until (from the oldest window that
    is stored on, without a gap), missing_s (in gaps after it, up to the newest window); null where nothing is stored.
    """
    return reader.query(
        "WITH asked AS (SELECT * FROM collection WHERE origin = 'collect'), "
        "last AS (SELECT source, feed, arg_max(result, collection_id) AS result, "
        "arg_max_null(note, collection_id) AS note, max(made_at) FILTER (result = 'complete') AS last_success_at "
        "FROM asked GROUP BY source, feed), "
        "stored AS (SELECT source, feed, from_at, to_at, max(to_at) OVER (PARTITION BY source, feed "
        "ORDER BY from_at, to_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until "
        "FROM asked WHERE result = 'complete' AND from_at IS NOT NULL), "
        "whole AS (SELECT source, feed, coalesce(min(until) FILTER (from_at > until), max(to_at)) AS complete_until, "
        "coalesce(sum(epoch(from_at) - epoch(until)) FILTER (from_at > until), 0.0) AS missing_s "
        "FROM stored GROUP BY source, feed) "
        "SELECT * FROM last LEFT JOIN whole USING (source, feed) ORDER BY source, feed",
    )


def imported(reader: Reader) -> pl.DataFrame:
    """Return what came in files, by source and table: source feed made_at to_at note (of the last file)."""
    return reader.query(
        "SELECT source, feed, max(made_at) AS made_at, max(to_at) AS to_at, "
        "arg_max_null(note, collection_id) AS note FROM collection WHERE origin = 'import' "
        "GROUP BY source, feed ORDER BY min(collection_id)"
    )


def origins(reader: Reader, table: str, span: Span) -> pl.DataFrame:
    """Return whence the rows of a table that overlap a span came: source origin file_name n; in order."""
    whose = "t.source" if "source" in schema.table(table).own else "c.source"
    known, values = reader.in_force(table)
    first, last = SPANS[table]
    return reader.query(
        f"SELECT {whose} AS source, c.origin AS origin, c.file_name AS file_name, count(*) AS n "
        f'FROM (SELECT * FROM "{table}" WHERE {known} AND {last} > ? AND {first} < ?) AS t '
        "JOIN collection AS c ON c.collection_id = t.collection_id GROUP BY ALL ORDER BY ALL",
        [*values, *span],
    )


def last_states(
    reader: Reader, source: str, before: datetime | None = None
) -> tuple[pl.DataFrame, datetime | None]:
    """Return the last state of every login of a source (login, vendor_state, at) and until when it was watched."""
    until = before or datetime.max.replace(tzinfo=UTC)
    rows = reader.query(
        'SELECT login, arg_max(vendor_state, {a: "at", c: collection_id, r: row_no}) AS vendor_state, '
        'max("at") AS "at" '
        'FROM agent_state WHERE source = ? AND "at" < ? AND replaced_at IS NULL GROUP BY login ORDER BY login',
        [source, until],
    )
    seen = reader.query(
        "SELECT max(end_at) AS seen FROM coverage WHERE source = ? AND end_at < ? AND replaced_at IS NULL",
        [source, until],
    )["seen"][0]
    return rows, seen


def talks(reader: Reader, source: str, number: str | None, span: Span) -> pl.DataFrame:
    """Return the last talks with a number outside (E.164): source login ended_at; those that ended in a span."""
    return reader.query(
        "SELECT source, login, ended_at FROM call_leg WHERE replaced_at IS NULL AND source = ? "
        "AND login IS NOT NULL AND answered_at IS NOT NULL AND ended_at > ? AND ended_at <= ? "
        "AND CASE direction WHEN 'in' THEN from_e164 WHEN 'out' THEN to_e164 END = ? ORDER BY ended_at DESC LIMIT 20",
        [source, *span, number],
    )


def calling(reader: Reader, source: str, logins: Sequence[str], span: Span) -> list[str]:
    """Return which of some logins have a call under way that began in a span: one that nothing said the end of."""
    found = reader.query(
        "SELECT DISTINCT login FROM call_leg WHERE replaced_at IS NULL AND source = ? "
        "AND list_contains(?::VARCHAR[], login) AND started_at > ? AND started_at <= ? "
        "AND ended_at IS NULL AND outcome IS NULL",
        [source, list(logins), *span],
    )
    return found["login"].to_list()


def last_heard(reader: Reader, logins: Sequence[str], span: Span) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the last state of some logins in a span, and until when each source was watched by its end.

    Columns: source login vendor_state vendor_reason at; source seen_at.
    """
    newest = '{a: "at", c: collection_id, r: row_no}'
    last = reader.query(
        f"SELECT source, login, arg_max(vendor_state, {newest}) AS vendor_state, "
        f'arg_max_null(vendor_reason, {newest}) AS vendor_reason, max("at") AS "at" FROM agent_state '
        'WHERE replaced_at IS NULL AND "at" > ? AND "at" <= ? AND list_contains(?::VARCHAR[], login) '
        "GROUP BY source, login",
        [*span, list(logins)],
    )
    seen = reader.query(
        "SELECT source, max(end_at) AS seen_at FROM coverage WHERE replaced_at IS NULL AND start_at <= ? "
        "GROUP BY source",
        [span[1]],
    )
    return last, seen


def events_naming(reader: Reader, source: str, word: str, most: int = 50) -> pl.DataFrame:
    """Return the last events (at said) that say a word as a whole value."""
    return reader.query(
        'SELECT "at", said FROM call_event WHERE replaced_at IS NULL AND source = ? AND contains(said, ?) '
        'ORDER BY "at" DESC LIMIT ?',
        [source, json.dumps(word, ensure_ascii=False), most],
    )


def retire(store: Store, table: str, source: str, collections: Sequence[int], kept: pl.DataFrame) -> int:
    """Mark as replaced the rows that some collections brought and that a new reading of their payloads no longer has.

    Args:
        store: where.
        table, source: whose rows.
        collections: what the payloads became.
        kept: the keys of the rows that the new reading has.
    """
    known = schema.table(table)
    whose = "t.source = ?" if "source" in known.own else "? IS NOT NULL"
    with store.writing() as con:
        _, now = turn_of(con)
        con.register("kept", kept.select(known.key))
        same = " AND ".join(f't."{c}" IS NOT DISTINCT FROM k."{c}"' for c in known.key)
        return int(
            con.execute(
                f'UPDATE "{table}" AS t SET replaced_at = ? WHERE t.replaced_at IS NULL AND {whose} '
                "AND list_contains(?::BIGINT[], t.collection_id) "
                f"AND NOT EXISTS (SELECT 1 FROM kept AS k WHERE {same})",
                [now, source, list(collections)],
            ).fetchall()[0][0]
        )


# --- the audit chain ------------------------------------------------------------------------------------
def _chain(con: duckdb.DuckDBPyConnection, source: str, audit: pl.DataFrame) -> None:
    """Append what the vendor said of each leg, if it is not what it said last; each row chained to the one before."""
    con.register("said", audit.select("leg_id").unique())
    known = frame(
        con,
        "SELECT leg_id, arg_max(payload, rowid) AS last FROM call_audit "
        "WHERE source = ? AND leg_id IN (SELECT leg_id FROM said) GROUP BY leg_id",
        [source],
    )
    con.unregister("said")
    link = con.execute(
        "SELECT hash FROM call_audit WHERE source = ? ORDER BY rowid DESC LIMIT 1", [source]
    ).fetchall()
    links = _links(source, audit, dict(known.iter_rows()), link[0][0] if link else FIRST_HASH)
    fresh = audit.with_columns(pl.lit(source).alias("source"), links).drop_nulls("hash")
    if fresh.height:
        con.register("links", fresh.select(list(schema.table("call_audit").columns)))
        con.execute("INSERT INTO call_audit SELECT * FROM links")
        con.unregister("links")


def _links(source: str, audit: pl.DataFrame, told: dict[str, str], before: str) -> pl.Series:
    """Return the hash of each row that says something else of its leg than was told last; null of the others."""
    hashes: list[str | None] = []
    for leg_id, seen_at, payload in zip(
        *(audit[name] for name in ("leg_id", "seen_at", "payload")), strict=True
    ):
        if told.get(leg_id) == payload:
            hashes.append(None)
            continue
        told[leg_id] = payload
        before = link_hash(before, source, leg_id, seen_at, payload)
        hashes.append(before)
    return pl.Series("hash", hashes, dtype=pl.String)


def link_hash(before: str, source: str, leg_id: str, seen_at: datetime, payload: str) -> str:
    """Chain a row to the hash of the one before: SHA-256 over both, the parts told apart by their lengths."""
    micros = (seen_at - _EPOCH) // _MICROSECOND
    parts = [part.encode() for part in (before, source, leg_id, str(micros), payload)]
    told = b"".join([piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)])
    return hashlib.sha256(told).hexdigest()


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class Chain:
    """What the audit record's chains are found to be.

    rows: checked. wrong: the first (source, leg_id) that does not fit; None: all do. ends: the last hash of every
    source. lost: hashes that were asked for and that no row has.
    """

    rows: int
    wrong: tuple[str, str] | None
    ends: dict[str, str]
    lost: tuple[str, ...] = ()


def verify(store: Store, noted: Collection[str] = ()) -> Chain:
    """Recompute the chain of every source.

    ``noted``: ends of an earlier time, which must still be hashes of rows: that the last rows were removed, or all were
    written anew, leaves no other trace.
    """
    lost = set(noted)
    with store.reading() as reader:
        links: dict[str, str] = {}
        checked = 0
        for rows in reader.stream(
            "SELECT source, leg_id, seen_at, payload, hash FROM call_audit ORDER BY rowid"
        ):
            for source, leg_id, seen_at, payload, said in rows.iter_rows():
                links[source] = link_hash(links.get(source, FIRST_HASH), source, leg_id, seen_at, payload)
                checked += 1
                if links[source] != said:
                    return Chain(checked, (source, leg_id), links)
                lost.discard(said)
    return Chain(checked, None, links, tuple(sorted(lost)))
