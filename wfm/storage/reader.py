"""Reading the tables: rows in force, now or as of an instant in the past (bitemporal), in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import duckdb
import polars as pl

from wfm.core import schema
from wfm.storage.connection import query_frame, quote_name, quote_names

TimeSpan = tuple[datetime, datetime]
"""A time span [start, end)."""

ROW_BOUNDS_SQL: Final = {
    "schedule": ("start_at", "end_at"),
    "coverage": ("start_at", "end_at"),
    "exemption": ("start_at", "end_at"),
    "call_leg": (
        "coalesce(started_at, answered_at, ended_at)",
        "coalesce(ended_at, answered_at, started_at) + INTERVAL 1 MICROSECOND",
    ),
    "call_event": ('"at"', '"at" + INTERVAL 1 MICROSECOND'),
    "agent_state": ('"at"', '"at" + INTERVAL 1 MICROSECOND'),
    "interval_volume": ("interval_start", "interval_start + INTERVAL 15 MINUTE"),
    "forecast": ("interval_start", "interval_start + INTERVAL 15 MINUTE"),
}
"""SQL expressions for the start and the end of the period that a row is about, by table."""

RECORDED_AT_SQL: Final = {
    "migration": "applied_at",
    "collection": "made_at",
    "forecast": "made_at",
    "call_audit": "seen_at",
    "payload": "received_at",
    "batch": "(SELECT made_at FROM collection AS c WHERE c.collection_id = batch.collection_id)",
}
"""SQL expressions for when a row was recorded, for tables without versions."""

NAME_COLUMNS: Final = {
    "agent": (
        ("agent", "agent_id"),
        ("login", "agent_id"),
        ("schedule", "agent_id"),
        ("agent_state", "login"),
    ),
    "queue": (("queue", "queue_id"), ("interval_volume", "queue_id"), ("call_leg", "queue_id")),
    "team": (("agent", "team"),),
    "person": (("login", "agent_id"), ("schedule", "agent_id")),
}
"""The tables and columns in which agents, queues, teams or persons are named."""


class DatabaseReader:
    """Read access to the tables within one unit of work, now or as of an instant.

    Made by `Database.open_reader`. Rows come in order of arrival.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, as_of: datetime | None) -> None:
        self._con = con
        self._as_of = as_of

    @property
    def is_replay(self) -> bool:
        """Whether this reads as of an instant in the past, so that rows recorded later are left out."""
        return self._as_of is not None

    # --- rows of a table --------------------------------------------------------------------------------
    def read_table(
        self,
        name: str,
        *,
        span: TimeSpan | None = None,
        among: Mapping[str, Sequence[str]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the rows in force of a table.

        Args:
            name: the table.
            span: only rows that overlap [start, end).
            among: column → its accepted values.
            columns: which columns; None: the table's own.
        """
        where, values = self._in_force_terms(name)
        _add_overlap(where, values, name, span)
        for column, accepted in (among or {}).items():
            where.append(f"list_contains(?::VARCHAR[], {quote_name(column)})")
            values.append(list(accepted))
        return self._select_rows(name, where, values, columns)

    def read_changes(self, name: str, since: datetime, *, span: TimeSpan | None = None) -> pl.DataFrame:
        """Return the rows that have come into force or ceased to be in force since an instant.

        Columns: all of the table, and ``gone`` (no longer in force). Rows that came and went in between are left out:
        they are in force at neither end.

        Args:
            name: a table with versions.
            since: an instant before that of the reader.
            span: only rows that overlap [start, end).
        """
        (in_force,), values = self._in_force_terms(name)
        ended = "replaced_at IS NOT NULL" if self._as_of is None else "replaced_at <= ?"
        change = f"(recorded_at > ? AND {in_force} OR recorded_at <= ? AND replaced_at > ? AND {ended})"
        values = [since, *values, since, since, *([] if self._as_of is None else [self._as_of])]
        where = [change]
        _add_overlap(where, values, name, span)
        columns = list(schema.get_table(name).columns)
        rows = self._select_rows(name, where, values, columns)
        return rows.with_columns(gone=pl.col("recorded_at") <= since)

    def read_arrivals(
        self, name: str, after: int, span: TimeSpan | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the rows in force that came with later imports and collections.

        Args:
            name: the table.
            after: collection_id of the last import or collection that is left out.
            span: only rows that overlap [start, end).
            columns: which columns; None: the table's own.
        """
        where, values = self._in_force_terms(name)
        where.append("collection_id > ?")
        values.append(after)
        _add_overlap(where, values, name, span)
        return self._select_rows(name, where, values, columns)

    def read_withdrawn_keys(self, name: str, after: int, since: datetime) -> pl.DataFrame:
        """Return the keys of rows that are no longer in force without a replacement.

        Args:
            name: the table.
            after: only rows that came with this import or collection, or an earlier one (collection_id).
            since: only rows that were still in force at this instant.
        """
        keys = schema.get_table(name).key
        same = " AND ".join(f"n.{c} IS NOT DISTINCT FROM t.{c}" for c in quote_names(keys))
        return query_frame(
            self._con,
            f"SELECT DISTINCT {', '.join(quote_names(keys))} FROM {quote_name(name)} AS t WHERE replaced_at > ? "
            f"AND collection_id <= ? AND NOT EXISTS (SELECT 1 FROM {quote_name(name)} AS n "
            f"WHERE n.replaced_at IS NULL AND {same})",
            [since, after],
        ).cast({c: schema.get_table(name).columns[c] for c in keys})

    # --- rows for scoring -------------------------------------------------------------------------------
    def read_states(
        self, span: TimeSpan, logins: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the agent states of a span and, of every login, the last one before it, however old.

        Of a login that is only reported later, the first state is included, so that the login is not overlooked.

        Args:
            span: [start, end).
            logins: only these; None: all.
            columns: which columns; None: the table's own.
        """
        where, values = self._in_force_terms("agent_state")
        if logins is not None:
            where.append("list_contains(?::VARCHAR[], login)")
            values.append(list(logins))
        inside = self._select_rows(
            "agent_state", [*where, '"at" >= ? AND "at" < ?'], [*values, *span], columns
        )
        chosen = inside.columns
        newest = '{a: "at", c: collection_id, r: row_no, i: rowid}'
        edges = []
        for aggregate, side in (("arg_max_null", '"at" < ?'), ("arg_min_null", '"at" >= ?')):
            picked = ", ".join(f"{aggregate}({c}, {newest}) AS {c}" for c in quote_names(chosen))
            sql = f"SELECT {picked} FROM agent_state WHERE {' AND '.join([*where, side])} GROUP BY source, login"
            bound = span[aggregate == "arg_min_null"]
            edges.append(query_frame(self._con, sql, [*values, bound]).cast(inside.schema))
        before, after = edges
        reported = pl.concat([before, inside]).select("source", "login").unique()
        return pl.concat([before, inside, after.join(reported, on=["source", "login"], how="anti")])

    def read_answered_legs(self, span: TimeSpan, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the answered legs that overlap a span, and at least one leg of every source.

        A source that has any leg has a call log; that decides whether calls or states are the evidence.
        """
        where, values = self._in_force_terms("call_leg")
        sql = (
            f"SELECT source, min(leg_id) AS leg_id FROM call_leg WHERE {' AND '.join(where)} GROUP BY source"
        )
        first_legs = query_frame(self._con, sql, values).cast(pl.String)
        inside = self._select_rows(
            "call_leg", [*where, "ended_at > ? AND answered_at < ?"], [*values, *span], columns
        )
        missing = first_legs.join(inside, on="source", how="anti")
        return pl.concat([inside, missing], how="diagonal")

    # --- about the database -----------------------------------------------------------------------------
    def read_last_collection(self) -> tuple[int, datetime]:
        """Return the number of the last import or collection, and when it ended."""
        number, ended = query_frame(
            self._con,
            "SELECT coalesce(max(collection_id), 0), "
            "greatest(max(made_at), (SELECT max(applied_at) FROM migration)) FROM collection",
        ).row(0)
        return int(number), ended

    def list_names(self, kind: str) -> list[str]:
        """Return, sorted, all agents, queues, teams or persons that a table names; ``kind``: of `NAME_COLUMNS`."""
        parts, values = [], []
        for table, column in NAME_COLUMNS[kind]:
            where, parameters = self._in_force_terms(table)
            parts.append(f"SELECT {column} AS name FROM {quote_name(table)} WHERE {' AND '.join(where)}")
            values += parameters
        sql = f"SELECT DISTINCT name FROM ({' UNION ALL '.join(parts)}) WHERE name IS NOT NULL ORDER BY name"
        return [name for (name,) in self._con.execute(sql, values).fetchall()]

    # --- for the other modules of this package ----------------------------------------------------------
    def build_in_force_sql(self, name: str) -> tuple[str, list[object]]:
        """Return the SQL condition for rows of a table that are in force, and its parameters."""
        where, values = self._in_force_terms(name)
        return " AND ".join(where), values

    def run_query(self, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
        """Run a query and return its rows."""
        return query_frame(self._con, sql, list(values))

    def stream_query(self, sql: str, rows: int = 100_000) -> Iterator[pl.DataFrame]:
        """Run a query whose rows may not fit into memory and yield them ``rows`` at a time."""
        found = self._con.execute(sql).to_arrow_reader(rows)
        for part in found:
            yield pl.DataFrame(pl.from_arrow(part))

    def _in_force_terms(self, name: str) -> tuple[list[str], list[object]]:
        if not schema.get_table(name).is_versioned:
            return (
                (["true"], []) if self._as_of is None else ([f"{RECORDED_AT_SQL[name]} <= ?"], [self._as_of])
            )
        if self._as_of is None:
            return ["replaced_at IS NULL"], []
        return ["recorded_at <= ? AND (replaced_at IS NULL OR replaced_at > ?)"], [self._as_of, self._as_of]

    def _select_rows(
        self, name: str, where: list[str], values: list[object], columns: Sequence[str] | None
    ) -> pl.DataFrame:
        declared = schema.get_table(name)
        chosen = list(columns or declared.own_columns)
        order = ["collection_id", "row_no"] if declared.is_versioned else []
        selected = list(dict.fromkeys([*chosen, *(column for column in order if column in declared.columns)]))
        sql = f"SELECT {', '.join(quote_names(selected))}, rowid AS arrival FROM {quote_name(name)}"
        rows = query_frame(self._con, f"{sql} WHERE {' AND '.join(where)}", values)
        # rows mostly are in order of arrival already: checking that is much cheaper than sorting
        by = [column for column in [*order, "arrival"] if column in rows.columns]
        if not _is_sorted(rows, by):
            rows = rows.sort(by)
        return rows.select(chosen).cast({c: declared.columns[c] for c in chosen})


def _add_overlap(where: list[str], values: list[object], table: str, span: TimeSpan | None) -> None:
    """Add to a condition that rows overlap a span, if one is given."""
    if span is not None:
        start, end = ROW_BOUNDS_SQL[table]
        where.append(f"{end} > ? AND {start} < ?")
        values += span


def _is_sorted(rows: pl.DataFrame, by: Sequence[str]) -> bool:
    """Return whether rows are sorted by some integer columns, the first of them most significant."""
    ordered: pl.Expr = pl.lit(True)
    for column in reversed(by):
        step = pl.col(column).fill_null(0).diff()
        ordered = (step > 0) | ((step == 0) & ordered)
    return bool(rows.select(ordered.fill_null(True).all()).item())
