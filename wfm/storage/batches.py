"""Storing collected batches: rows, raw payloads, audit rows and the ledger line in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import duckdb
import polars as pl

from wfm.core import schema
from wfm.storage.audit import append_audit_rows
from wfm.storage.connection import query_frame, query_integer, quote_name, quote_names
from wfm.storage.database import Database, WriteResult
from wfm.storage.merge import allocate_collection, merge_rows
from wfm.storage.payloads import insert_payloads
from wfm.storage.reader import DatabaseReader, TimeSpan

MAX_NOTED_ALARMS: Final = 3
"""Of more implausible calls only the first are named in the ledger's note."""
AssembleLegs = Callable[[pl.DataFrame], pl.DataFrame]
"""All events of some calls (event_id call_id at kind said) → the legs of these calls, own columns of call_leg.

An extra column ``alarm`` (null: none) describes implausible values, which are stored all the same.
"""

_FROM_EVENTS: Final = (
    "t.replaced_at IS NULL AND t.collection_id IN "
    "(SELECT collection_id FROM collection AS c WHERE c.feed = 'call_event' AND c.source = t.source)"
)
"""SQL condition for legs that were assembled from events, and not reported in a call log."""


def store_batch(
    database: Database,
    *,
    name: str,
    source: str,
    feed: str,
    window: TimeSpan | None,
    result: str,
    note: str,
    payloads: Sequence[tuple[datetime, Mapping[str, str], bytes]],
    tables: Mapping[str, pl.DataFrame],
    audit: pl.DataFrame | None = None,
    legs: AssembleLegs | None = None,
    origin: str = "collect",
) -> WriteResult | None:
    """Store a batch: its rows, its raw payloads, its audit rows and its line in the ledger; all of it or nothing.

    Args:
        database: the database.
        name: the batch's unique name; a batch that is already stored is not stored again (None is returned).
        source, feed, window, result, note: for the ledger.
        payloads: received_at, context, body.
        tables: table → rows with the table's own columns.
        audit: leg_id seen_at payload: what the vendor reported about each leg.
        legs: assembles the legs of the calls whose events are in the batch.
        origin: collect, or replay (stored payloads were parsed again, and no vendor was asked).

    Raises:
        DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
    """
    with database.open_transaction(leave_log=True) as con:
        if con.execute("SELECT 1 FROM batch WHERE name = ?", [name]).fetchall():
            return None
        number, now = allocate_collection(con)
        reader = DatabaseReader(con, None)
        complete = {
            table: _fill_from_stored(reader, table, rows) for table, rows in tables.items() if rows.height
        }
        if "report_row" in complete:
            complete["report_row"] = _keep_longest_runs(complete["report_row"])
            _retire_earlier_runs(con, source, complete["report_row"], now)
        counts = [merge_rows(con, table, rows, number, now) for table, rows in complete.items()]
        added, replaced = (sum(part) for part in zip(*counts, strict=True)) if counts else (0, 0)
        if "call_event" in complete and legs is not None:
            calls = complete["call_event"]["call_id"].unique()
            _, alarms = _assemble_legs(con, source, calls, legs, number, now)
            note = "; ".join(part for part in (note, *alarms) if part)
        if "call_leg" in complete:
            _retire_assembled_legs(con, source, complete["call_leg"], now)
        read = sum(rows.height for rows in tables.values())
        if audit is not None and audit.height:
            append_audit_rows(con, source, audit)
        insert_payloads(con, number, source, feed, payloads)
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
    return WriteResult(number, read, added, replaced)


def reassemble_open_calls(database: Database, source: str, legs: AssembleLegs) -> int:
    """Assemble the legs of a source's open calls again, and return how many calls there are.

    Raises:
        DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
    """
    with database.open_transaction() as con:
        calls = query_frame(
            con,
            f"SELECT DISTINCT call_id FROM call_leg AS t WHERE source = ? AND {_FROM_EVENTS} AND ended_at IS NULL "
            "AND outcome IS DISTINCT FROM 'incomplete'",
            [source],
        )["call_id"]
        if calls.len():
            number, now = allocate_collection(con)
            changed, _ = _assemble_legs(con, source, calls, legs, number, now)
            if changed:
                con.execute(
                    "INSERT INTO collection VALUES "
                    "(?, ?, 'call_event', 'settle', NULL, NULL, 'complete', NULL, 0, 0, ?, 0, NULL, ?)",
                    [number, source, changed, now],
                )
    return calls.len()


def retire_missing_rows(
    database: Database, table: str, source: str, collections: Sequence[int], parsed: pl.DataFrame
) -> int:
    """Mark as replaced the rows of some collections that are missing after their payloads were parsed again.

    Args:
        database: the database.
        table, source: of the rows.
        collections: the collections whose payloads were parsed again.
        parsed: the rows that this returned (at least their keys).

    Returns:
        How many rows were marked.
    """
    declared = schema.get_table(table)
    of_source = "t.source = ?" if "source" in declared.own_columns else "? IS NOT NULL"
    with database.open_transaction() as con:
        _, now = allocate_collection(con)
        con.register("parsed", parsed.select(declared.key))
        same_key = " AND ".join(f"t.{c} IS NOT DISTINCT FROM p.{c}" for c in quote_names(declared.key))
        return query_integer(
            con,
            f"UPDATE {quote_name(table)} AS t SET replaced_at = ? WHERE t.replaced_at IS NULL AND {of_source} "
            "AND list_contains(?::BIGINT[], t.collection_id) "
            f"AND NOT EXISTS (SELECT 1 FROM parsed AS p WHERE {same_key})",
            [now, source, list(collections)],
        )


# --- calls assembled from events ------------------------------------------------------------------------
def _assemble_legs(
    con: duckdb.DuckDBPyConnection,
    source: str,
    calls: pl.Series,
    legs: AssembleLegs,
    number: int,
    now: datetime,
) -> tuple[int, list[str]]:
    """Replace the legs of some calls by those assembled from all their events, unless a call log has the call.

    Returns how many legs are new, changed or retired, and notes on implausible values.
    """
    con.register("calls", pl.DataFrame({"call_id": calls}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE open_call AS SELECT call_id FROM calls WHERE call_id NOT IN ("
        "SELECT call_id FROM call_leg AS t "
        f"WHERE t.source = ? AND t.replaced_at IS NULL AND NOT ({_FROM_EVENTS}) "
        "AND call_id IS NOT NULL)",
        [source],
    )
    events = query_frame(
        con,
        'SELECT event_id, call_id, "at", kind, said FROM call_event WHERE source = ? AND replaced_at IS NULL '
        'AND call_id IN (SELECT call_id FROM open_call) ORDER BY "at", collection_id, row_no',
        [source],
    )
    assembled = legs(events)
    alarms = assembled["alarm"].drop_nulls() if "alarm" in assembled.columns else pl.Series(dtype=pl.String)
    assembled = assembled.drop("alarm", strict=False)
    changed = sum(merge_rows(con, "call_leg", assembled, number, now))
    con.register("assembled", assembled.select("leg_id"))
    retired = query_integer(
        con,
        f"UPDATE call_leg AS t SET replaced_at = ? WHERE t.source = ? AND {_FROM_EVENTS} "
        "AND t.call_id IN (SELECT call_id FROM open_call) AND t.leg_id NOT IN (SELECT leg_id FROM assembled)",
        [now, source],
    )
    con.execute("DROP TABLE open_call")
    for name in ("calls", "assembled"):
        con.unregister(name)
    first = alarms.head(MAX_NOTED_ALARMS).to_list()
    notes = [f"{alarms.len():,} implausible calls", *first] if first else []
    return changed + retired, notes


def _retire_assembled_legs(
    con: duckdb.DuckDBPyConnection, source: str, logged: pl.DataFrame, now: datetime
) -> None:
    """Retire legs that were assembled from events, of calls that are now in the vendor's call log."""
    if not con.execute("SELECT 1 FROM call_event WHERE source = ? LIMIT 1", [source]).fetchall():
        return
    con.register("logged", logged.select("call_id", "leg_id"))
    con.execute(
        f"UPDATE call_leg AS t SET replaced_at = ? WHERE t.source = ? AND {_FROM_EVENTS} "
        "AND t.call_id IN (SELECT call_id FROM logged) AND t.leg_id NOT IN (SELECT leg_id FROM logged)",
        [now, source],
    )
    con.unregister("logged")


# --- lists and reports ----------------------------------------------------------------------------------
def _fill_from_stored(reader: DatabaseReader, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Fill empty values of a vendor's agents or queues from the stored rows, such as a team that was imported."""
    if table not in ("agent", "queue"):
        return rows
    declared = schema.get_table(table)
    both = rows.join(
        reader.read_table(table), on=list(declared.key), how="left", suffix="_stored", maintain_order="left"
    )
    return both.select(
        *declared.key, *(pl.coalesce(name, f"{name}_stored") for name in declared.value_columns)
    )


def _keep_longest_runs(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep, of every report and start, the rows of the run whose window ends last; of equal ones the last run."""
    run = ["report_id", "from_at", "to_at", "execution_id"]
    runs = rows.select(run).unique(keep="last", maintain_order=True).sort("to_at", maintain_order=True)
    return rows.join(
        runs.unique(run[:2], keep="last"), on=run, how="semi", nulls_equal=True, maintain_order="left"
    )


def _retire_earlier_runs(
    con: duckdb.DuckDBPyConnection, source: str, runs: pl.DataFrame, now: datetime
) -> None:
    """Retire the rows of earlier runs of a report over a window with the same start and no later end.

    The report of a day that is not over is run every hour, each time over a longer window. That is part of the key, so
    merging by key alone would leave the rows of every run in force.
    """
    key = schema.get_table("report_row").key
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
