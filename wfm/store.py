"""One DuckDB file, and nobody holds it: every unit of work opens it, works, and closes it.

DuckDB lets one process write or several read. A unit therefore waits, with a bound, while another process has the
file, and says so when the bound is reached. Nothing is overwritten: a row whose key comes again with other values is
marked as replaced at that instant and the new row is added beside it, so that any past answer can be read again.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from wfm import schema
from wfm.errors import (
    DatabaseBusyError,
    NewerDatabaseError,
    NoDataError,
    NotADatabaseError,
    StoreError,
)

Span = tuple[datetime, datetime]
SPANS = {
    "schedule": ("start_at", "end_at"),
    "coverage": ("start_at", "end_at"),
    "exemption": ("start_at", "end_at"),
    "call_leg": ("started_at", "coalesce(ended_at, started_at) + INTERVAL 1 MICROSECOND"),
    "agent_state": ('"at"', '"at" + INTERVAL 1 MICROSECOND'),
    "interval_volume": ("interval_start", "interval_start + INTERVAL 15 MINUTE"),
    "forecast": ("interval_start", "interval_start + INTERVAL 15 MINUTE"),
}
"""From where to where a row of a table reaches, in SQL."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
_one_at_a_time: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


@dataclass(frozen=True)
class Written:
    """What became of a batch: rows read, new, in place of an earlier one, and known already."""

    collection_id: int
    read: int
    added: int
    replaced: int

    @property
    def same(self) -> int:
        """Return how many rows said nothing new."""
        return self.read - self.added - self.replaced


class Store:
    """The door to the database at ``path``; cheap to make, holds nothing between calls.

    Args:
        path: the DuckDB file; created by the first write.
        wait_s: how long a unit of work waits while another process has the file.
    """

    def __init__(self, path: Path | str, *, wait_s: float = 10.0) -> None:
        self.path = Path(path)
        self.wait_s = wait_s

    # --- units of work ----------------------------------------------------------------------------------
    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for one transaction: everything in it is stored, or, on any error, nothing.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        with self._open(read_only=False) as con:
            con.execute("BEGIN")
            try:
                yield con
                con.execute("COMMIT")
            except BaseException:
                _quietly(con, "ROLLBACK")
                raise

    @contextmanager
    def reading(self, as_of: datetime | None = None) -> Iterator[Reader]:
        """Open for reading beside other readers.

        Args:
            as_of: read what this database knew at that instant. Before it knew anything there is nothing to replay:
                then everything is read, and only the times that rows themselves state (publication, approval,
                revocation) can tell what held.

        Raises:
            NoDataError: there is no database yet.
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        if not self.path.exists():
            raise NoDataError(
                f"No database at {self.path}: import something first (wfm import TABLE FILE), or name another."
            )
        with self._open(read_only=True) as con:
            began = _one(con, "SELECT min(applied_at) FROM migration")
            assert isinstance(began, datetime)
            yield Reader(con, as_of if as_of is not None and as_of >= began else None)

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with _one_at_a_time[self.path.absolute()]:
            con = self._connect(read_only)
            try:
                if _version(con, self.path) < schema.migrations()[-1].version:
                    if read_only:
                        con.close()
                        con = self._connect(read_only=False)
                    _migrate(con)
                yield con
            except duckdb.Error as error:
                raise _translate(error, self.path) from error
            finally:
                con.close()

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self.wait_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                con = duckdb.connect(str(self.path), read_only=read_only)
                con.execute("SET TimeZone = 'UTC'")
                return con
            except duckdb.Error as error:
                wrong = _translate(error, self.path)
                if not wrong.transient or time.monotonic() + pause > deadline:
                    raise wrong from error
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    # --- writing ----------------------------------------------------------------------------------------
    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        source: str,
        origin: str,
        file_name: str | None = None,
        window: tuple[datetime, datetime] | None = None,
        skipped: int = 0,
        note: str | None = None,
        known: int = 0,
        coverage: pl.DataFrame | None = None,
    ) -> Written:
        """Store a batch: new rows are added, rows that say something else replace, rows already known change nothing.

        Args:
            table: the table's name.
            frame: its own columns, perhaps row_no; of two rows with one key the later counts.
            source, origin, file_name, window, skipped, note: for the ledger of collections.
            known: how many rows more were read and found to be in force already.
            coverage: what the batch says was watched (source start_at end_at); stored with it.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
        """
        now = datetime.now(UTC)
        with self.writing() as con:
            number = _one(con, "SELECT coalesce(max(collection_id), 0) + 1 FROM collection")
            added, replaced = _put(con, table, frame, number, now)
            if coverage is not None:
                _put(con, "coverage", coverage, number, now)
            start, end = window or (None, None)
            con.execute(
                "INSERT INTO collection VALUES (?, ?, ?, ?, ?, ?, 'complete', ?, ?, ?, ?, ?, ?, ?)",
                [number, source, table, origin, start, end, file_name, frame.height + known, added, replaced, skipped, note, now],
            )
        return Written(number, frame.height + known, added, replaced)

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Add rows to a table that has no versions, such as forecast."""
        with self.writing() as con:
            columns = ", ".join(_quoted(schema.table(table).columns))
            con.register("incoming", frame.select(list(schema.table(table).columns)))
            con.execute(f"INSERT INTO {_name(table)} ({columns}) SELECT {columns} FROM incoming")


class Reader:
    """What one unit of work can read: rows in force, or those in force as of an instant; in order of arrival."""

    def __init__(self, con: duckdb.DuckDBPyConnection, as_of: datetime | None) -> None:
        self._con = con
        self._as_of = as_of

    def table(
        self,
        name: str,
        *,
        span: Span | None = None,
        among: dict[str, Sequence[str]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return a table's own columns, or ``columns``.

        Args:
            name: the table.
            span: only rows that overlap [start, end).
            among: a column → the values wanted.
            columns: which columns.
        """
        where, values = self._known(name)
        if span is not None:
            first, last = SPANS[name]
            where.append(f"{last} > ? AND {first} < ?")
            values += span
        for column, wanted in (among or {}).items():
            where.append(f"list_contains(?::VARCHAR[], {_name(column)})")
            values.append(list(wanted))
        return self._select(name, where, values, columns)

    def states(self, span: Span, logins: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the agent states of a span and, of every login, the last one before it, however old.

        A login first heard of later is there too, with its first state: it exists.
        """
        where, values = self._known("agent_state")
        if logins is not None:
            where.append("list_contains(?::VARCHAR[], login)")
            values.append(list(logins))
        known = f"(SELECT *, rowid AS arrival FROM agent_state WHERE {' AND '.join(where)})"
        edge = (
            f'SELECT source, login, coalesce(max("at") FILTER ("at" < ?), min("at")) AS "at" FROM {known} '
            "GROUP BY source, login"
        )
        columns = ", ".join(f"s.{c}" for c in _quoted(schema.table("agent_state").own))
        sql = (
            f"WITH edge AS ({edge}) SELECT {columns} FROM {known} AS s "
            'LEFT JOIN edge AS e ON s.source = e.source AND s.login = e.login AND s."at" = e."at" '
            'WHERE (s."at" >= ? AND s."at" < ?) OR e.source IS NOT NULL '
            "ORDER BY s.collection_id, s.row_no, s.arrival"
        )
        rows = self._con.sql(sql, params=[span[0], *values, *values, *span]).pl()
        return rows.cast(schema.table("agent_state").own)  # type: ignore[arg-type]

    def legs(self, span: Span) -> pl.DataFrame:
        """Return the answered legs that overlap a span and one of every source, so that its call log is known of."""
        where, values = self._known("call_leg")
        sql = (
            f"SELECT source, min(leg_id) AS leg_id FROM call_leg WHERE {' AND '.join(where)} GROUP BY source"
        )
        logs = self._con.sql(sql, params=values).pl().cast(pl.String)
        inside = self._select("call_leg", [*where, "ended_at > ? AND answered_at < ?"], [*values, *span], None)
        missing = logs.join(inside, on="source", how="anti")
        return pl.concat([inside, missing], how="diagonal")

    def _known(self, name: str) -> tuple[list[str], list[object]]:
        if not schema.table(name).versioned:
            return ["true"], []
        if self._as_of is None:
            return ["replaced_at IS NULL"], []
        return ["recorded_at <= ? AND (replaced_at IS NULL OR replaced_at > ?)"], [self._as_of, self._as_of]

    def _select(
        self, name: str, where: list[str], values: list[object], columns: Sequence[str] | None
    ) -> pl.DataFrame:
        known = schema.table(name)
        chosen = list(columns or known.own)
        order = "collection_id, row_no, rowid" if known.versioned else "rowid"
        sql = f"SELECT {', '.join(_quoted(chosen))} FROM {_name(name)} WHERE {' AND '.join(where)} ORDER BY {order}"
        return self._con.sql(sql, params=values).pl().cast({c: known.columns[c] for c in chosen})  # type: ignore[arg-type]


def _put(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, number: int, now: datetime
) -> tuple[int, int]:
    """Merge a batch into a versioned table; returns how many rows were added and how many replaced another."""
    known = schema.table(table)
    own = list(known.own)
    row_no = pl.col("row_no") if "row_no" in frame.columns else pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    batch = (
        frame.with_columns(row_no=row_no)
        .select(*dict.fromkeys([*own, "row_no"]))
        .unique(list(known.key), keep="last", maintain_order=True)
    )
    con.register("batch", batch)
    same_key = " AND ".join(f"t.{c} IS NOT DISTINCT FROM b.{c}" for c in _quoted(known.key))
    differs = " OR ".join(f"t.{c} IS DISTINCT FROM b.{c}" for c in _quoted(known.values)) or "false"
    name = _name(table)
    try:
        replaced = con.execute(
            f"UPDATE {name} AS t SET replaced_at = ? FROM batch AS b WHERE t.replaced_at IS NULL AND {same_key} AND ({differs})",
            [now],
        ).fetchall()[0][0]
        columns = ", ".join(_quoted([*dict.fromkeys([*own, "row_no"]), "collection_id", "recorded_at"]))
        fresh = con.execute(
            f"INSERT INTO {name} ({columns}) SELECT b.*, ?, ? FROM batch AS b "
            f"WHERE NOT EXISTS (SELECT 1 FROM {name} AS t WHERE t.replaced_at IS NULL AND {same_key})",
            [number, now],
        ).fetchall()[0][0]
    finally:
        con.unregister("batch")
    return fresh - replaced, replaced


def _migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Apply the sections of schema.sql this database has not seen, each in a transaction."""
    done = _version_of(con)
    for migration in schema.migrations():
        if migration.version <= done:
            continue
        con.execute("BEGIN")
        try:
            con.execute(migration.sql)
            con.execute(
                "INSERT INTO migration VALUES (?, ?, ?)", [migration.version, migration.name, datetime.now(UTC)]
            )
            for table in schema.tables().values():
                for column, comment in table.comments.items():
                    text = comment.replace("'", "''")
                    con.execute(f"COMMENT ON COLUMN {_name(table.name)}.{_name(column)} IS '{text}'")
            con.execute("COMMIT")
        except BaseException:
            _quietly(con, "ROLLBACK")
            raise


def _version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the last applied section; 0 for an empty file.

    Raises:
        NotADatabaseError: the file has tables, but not ours.
        NewerDatabaseError: it has sections we do not know.
    """
    tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if tables and "migration" not in tables:
        raise NotADatabaseError(f"{path} is a DuckDB file, but not one of wfm's: name another database.")
    done = _version_of(con) if tables else 0
    ours = schema.migrations()[-1].version
    if done > ours:
        raise NewerDatabaseError(
            f"{path} was written by a newer wfm (schema {done}, this one knows {ours}): upgrade wfm, or name another database."
        )
    return done


def _version_of(con: duckdb.DuckDBPyConnection) -> int:
    exists = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migration'").fetchall()[0][0]
    return int(_one(con, "SELECT coalesce(max(version), 0) FROM migration")) if exists else 0  # type: ignore[call-overload,no-any-return]


def _translate(error: duckdb.Error, path: Path) -> StoreError:
    """Say in our words what DuckDB's error means."""
    said = str(error)
    first = said.strip().splitlines()[0] if said.strip() else type(error).__name__
    if "Could not set lock" in said or "different configuration" in said or "being used by another process" in said:
        return DatabaseBusyError(f"{path} is in use by another process: try again when it is done.")
    if "not a valid DuckDB database" in said or "is not a database" in said or path.is_dir():
        return NotADatabaseError(f"{path} is not a database: name another with WFM_DATABASE or --database.")
    if "database file with version number" in said or "storage version" in said.lower():
        return NewerDatabaseError(f"{path} was written by a newer DuckDB: upgrade duckdb, or name another database.")
    if "No space left" in said or "File too large" in said or "disk full" in said.lower() or "Could not write" in said:
        return StoreError(f"{path}: the disk is full, nothing was stored; make room and do it again.")
    if "Permission denied" in said or "Read-only file system" in said or "read-only" in said.lower():
        return StoreError(f"{path} cannot be written: check the permissions of {path.parent}.")
    if "Cannot open file" in said or "No such file or directory" in said:
        return StoreError(f"{path} cannot be opened: check that the directory {path.parent} exists and can be written.")
    return StoreError(f"{path}: {first}")


def _quietly(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        con.execute(sql)
    except duckdb.Error:
        pass  # the connection is closed right after, and what was not committed is gone with it


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    return con.sql(sql).pl().item()  # fetchall of an instant would need pytz


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(names: Sequence[str] | dict[str, pl.DataType]) -> list[str]:
    return [_name(name) for name in names]
