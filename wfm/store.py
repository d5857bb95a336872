"""One DuckDB file, and nobody holds it: every unit of work opens it, works, and closes it.

DuckDB lets one process write or several read. A unit therefore waits, with a bound, while another process has
the file, and says so when the bound is reached. Nothing is overwritten: a row whose key comes again with
other values is marked as replaced at that instant and the new row is added beside it, so that any past answer
can be read again.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

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
SPANS: Final = {
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
"""From where to where a row of a table reaches, in SQL."""

KNOWN_SINCE: Final = {
    "migration": "applied_at",
    "collection": "made_at",
    "forecast": "made_at",
    "call_audit": "seen_at",
    "payload": "received_at",
    "batch": "(SELECT made_at FROM collection AS c WHERE c.collection_id = batch.collection_id)",
}
"""Since when a row of a table without versions is known, in SQL."""

NAMED_IN: Final = {
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
"""Every table and column in which an agent, a queue or a team is named."""

RUNS: Final = {"report_row": ("execution_id",)}
"""Columns that name the run a row came from: a row that says the same in the next run stays, with its first."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
TICK = timedelta(microseconds=1)
LOG_SIZE: Final = "500kB"
"""So much may wait in the log beside the file (.wal) when a unit of work leaves it there."""
OFFLINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Without it DuckDB takes a file of SQLite for an invitation to download an extension."""

_one_at_a_time: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


@dataclass(frozen=True)
class Written:
    """What became of a batch: rows read, new, and in place of an earlier one; and what was decided."""

    collection_id: int
    read: int
    added: int
    replaced: int
    note: tuple[str, ...] = ()

    @property
    def same(self) -> int:
        """Return how many rows said nothing new."""
        return self.read - self.added - self.replaced


Revise = Callable[["Reader", pl.DataFrame, datetime], tuple[pl.DataFrame, tuple[str, ...]]]
"""What is in force, the rows of a batch, the instant of the write → the rows to store, what was decided."""


class Store:
    """The door to the database at ``path``; cheap to make, holds nothing between calls.

    Args:
        path: the DuckDB file; created by the first write.
        wait_s: how long a unit of work waits while another process or thread has the file.
    """

    def __init__(self, path: Path | str, *, wait_s: float = 10.0) -> None:
        self.path = Path(path)
        self.wait_s = wait_s

    # --- units of work ----------------------------------------------------------------------------------
    @contextmanager
    def writing(self, *, leave_log: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for one transaction: everything in it is stored, or, on any error, nothing.

        Args:
            leave_log: do not work the log into the file when done, unless it is long. What is committed is as safe in
                the log, and every unit reads both; for a small one, every few seconds, the file would be most of the
                time: 20 ms, and 90 with 20 million states. The next unit that does not say so works it in.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        with self._open(read_only=False) as con:
            if leave_log:
                con.execute(f"PRAGMA disable_checkpoint_on_shutdown; SET wal_autocheckpoint = '{LOG_SIZE}'")
            con.execute("BEGIN")
            try:
                yield con
                con.execute("COMMIT")
            except BaseException:
                _roll_back(con)
                raise

    @contextmanager
    def reading(self, as_of: datetime | None = None) -> Iterator[Reader]:
        """Open for reading beside other readers.

        Args:
            as_of: read what this database knew at that instant. Before it knew anything there is nothing to
                replay: then everything is read, and only the times that rows themselves state (publication,
                approval, revocation) can tell what held.

        Raises:
            NoDataError: there is no database yet.
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        if not self.path.exists():
            raise NoDataError(
                f"No database at {self.path}: import something first (wfm import TABLE FILE) or name another."
            )
        with self._open(read_only=True) as con:
            began = _one(con, "SELECT min(applied_at) FROM migration")
            assert isinstance(began, datetime)
            yield Reader(con, as_of if as_of is not None and as_of >= began else None)

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        deadline = time.monotonic() + self.wait_s
        with self._turn():
            if not self.path.exists():
                self._create()
            con = self._connect(read_only, deadline)
            try:
                if _version(con, self.path) < schema.migrations()[-1].version:
                    if read_only:
                        con.close()
                        con = self._connect(False, deadline)
                    _migrate(con)
                yield con
            except duckdb.Error as error:
                raise _translate(error, self.path) from error
            except RuntimeError as error:
                if "interrupted" in str(error):  # which is how DuckDB passes Ctrl-C on
                    raise KeyboardInterrupt from error
                raise
            finally:
                con.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other threads of this process."""
        mine = _one_at_a_time[os.path.realpath(self.path)]
        if not mine.acquire(timeout=self.wait_s):
            raise DatabaseBusyError(f"{self.path} is in use by another thread: try again when it is done.")
        try:
            yield
        finally:
            mine.release()

    def _connect(self, read_only: bool, deadline: float) -> duckdb.DuckDBPyConnection:
        pause = FIRST_PAUSE_S
        while True:
            try:
                con = _connect(self.path, read_only)
                con.execute("SET TimeZone = 'UTC'")
                return con
            except duckdb.Error as error:
                wrong = _translate(error, self.path)
                if not wrong.transient or time.monotonic() + pause > deadline:
                    raise wrong from error
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _create(self) -> None:
        """Make an empty database beside the path and name it when it is whole: it is never half there."""
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
        try:
            with _connect(beside, read_only=False) as con:
                _migrate(con)
            _appear(beside, self.path)
        except duckdb.Error as error:
            raise _translate(error, self.path) from error
        except OSError as error:
            raise StoreError(f"{self.path} cannot be created: {error.strerror}.") from error
        finally:
            for left in (beside, beside.with_name(f"{beside.name}.wal")):
                with contextlib.suppress(OSError):
                    left.unlink()

    # --- writing ----------------------------------------------------------------------------------------
    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        source: str,
        origin: str,
        file_name: str | None = None,
        window: Span | None = None,
        skipped: int = 0,
        note: Sequence[str] = (),
        coverage: pl.DataFrame | None = None,
        revise: Revise | None = None,
    ) -> Written:
        """Store a batch: new rows are added, changed ones replace, and those already known change nothing.

        Args:
            table: the table's name.
            frame: its own columns, perhaps row_no; of two rows with one key the later counts.
            source, origin, file_name, window, skipped, note: for the ledger of collections.
            coverage: what the batch says was watched (source start_at end_at); stored with it.
            revise: decides, in the same transaction, what of the batch is stored given what is in force.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
        """
        read = frame.height
        with self.writing() as con:
            number, now = turn_of(con)
            if revise is not None:
                frame, said = revise(Reader(con, None), frame, now)
                note = (*note, *said)
            added, replaced = merge(con, table, frame, number, now)
            if coverage is not None:
                merge(con, "coverage", coverage, number, now)
            con.execute(
                "INSERT INTO collection VALUES (?, ?, ?, ?, ?, ?, 'complete', ?, ?, ?, ?, ?, ?, ?)",
                [
                    number,
                    source,
                    table,
                    origin,
                    *(window or (None, None)),
                    file_name,
                    read,
                    added,
                    replaced,
                    skipped,
                    "; ".join(note) or None,
                    now,
                ],
            )
        return Written(number, read, added, replaced, tuple(note))

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Add rows to a table that has no versions, such as forecast.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
        """
        with self.writing() as con:
            columns = ", ".join(_quoted(schema.table(table).columns))
            con.register("incoming", frame.select(list(schema.table(table).columns)))
            con.execute(f"INSERT INTO {_name(table)} ({columns}) SELECT {columns} FROM incoming")


class Reader:
    """What one unit of work can read: rows in force, now or as of an instant; in order of arrival."""

    def __init__(self, con: duckdb.DuckDBPyConnection, as_of: datetime | None) -> None:
        self._con = con
        self._as_of = as_of

    def table(
        self,
        name: str,
        *,
        span: Span | None = None,
        among: Mapping[str, Sequence[str]] | None = None,
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

    @property
    def replays(self) -> bool:
        """Whether what was recorded by an instant is read, and so nothing but that decides what held then."""
        return self._as_of is not None

    def changed(self, name: str, since: datetime, *, span: Span | None = None) -> pl.DataFrame:
        """Return the rows of a table that came in force since an instant, or went: all columns, and ``gone``.

        What came and went in between is not there: it is in force at neither end.

        Args:
            name: a table with versions.
            since: an instant before that of the reader.
            span: only rows that overlap [start, end).
        """
        (now,), values = self._known(name)
        went = "replaced_at IS NOT NULL" if self._as_of is None else "replaced_at <= ?"
        change = f"(recorded_at > ? AND {now} OR recorded_at <= ? AND replaced_at > ? AND {went})"
        values = [since, *values, since, since, *([] if self._as_of is None else [self._as_of])]
        where = [change]
        if span is not None:
            first, last = SPANS[name]
            where.append(f"{last} > ? AND {first} < ?")
            values += span
        columns = list(schema.table(name).columns)
        return self._select(name, where, values, columns).with_columns(gone=pl.col("recorded_at") <= since)

    def states(
        self, span: Span, logins: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the agent states of a span and, of every login, the last one before it, however old.

        A login first heard of later is there too, with its first state: it exists.

        Args:
            span: [start, end).
            logins: only these; None: all.
            columns: which columns; None: the table's own.
        """
        where, values = self._known("agent_state")
        if logins is not None:
            where.append("list_contains(?::VARCHAR[], login)")
            values.append(list(logins))
        inside = self._select("agent_state", [*where, '"at" >= ? AND "at" < ?'], [*values, *span], columns)
        chosen = inside.columns
        newest = '{a: "at", c: collection_id, r: row_no, i: rowid}'
        edges = []
        for which, side in (("arg_max_null", '"at" < ?'), ("arg_min_null", '"at" >= ?')):
            picked = ", ".join(f"{which}({c}, {newest}) AS {c}" for c in _quoted(chosen))
            sql = f"SELECT {picked} FROM agent_state WHERE {' AND '.join([*where, side])} GROUP BY source, login"
            edges.append(frame(self._con, sql, [*values, span[which == "arg_min_null"]]).cast(inside.schema))
        before, after = edges
        heard = pl.concat([before, inside]).select("source", "login").unique()
        return pl.concat([before, inside, after.join(heard, on=["source", "login"], how="anti")])

    def legs(self, span: Span, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the answered legs that overlap a span, and one of every source that has a call log."""
        where, values = self._known("call_leg")
        sql = (
            f"SELECT source, min(leg_id) AS leg_id FROM call_leg WHERE {' AND '.join(where)} GROUP BY source"
        )
        logs = frame(self._con, sql, values).cast(pl.String)
        inside = self._select(
            "call_leg", [*where, "ended_at > ? AND answered_at < ?"], [*values, *span], columns
        )
        missing = logs.join(inside, on="source", how="anti")
        return pl.concat([inside, missing], how="diagonal")

    def newest(self) -> tuple[int, datetime]:
        """Return the number of the last import or collection, and when it ended."""
        number, ended = frame(
            self._con,
            "SELECT coalesce(max(collection_id), 0), "
            "greatest(max(made_at), (SELECT max(applied_at) FROM migration)) FROM collection",
        ).row(0)
        return int(number), ended

    def arrived(
        self, name: str, after: int, span: Span | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the rows in force that imports and collections after a number brought; of a span, if one is given."""
        where, values = self._known(name)
        where.append("collection_id > ?")
        values.append(after)
        if span is not None:
            first, last = SPANS[name]
            where.append(f"{last} > ? AND {first} < ?")
            values += span
        return self._select(name, where, values, columns)

    def gone(self, name: str, after: int, since: datetime) -> pl.DataFrame:
        """Return the keys of rows that no longer hold and nothing took their place: key columns.

        Args:
            name: the table.
            after: rows that were brought by this import or collection, or one before it.
            since: those that were still in force at this instant.
        """
        keys = schema.table(name).key
        same = " AND ".join(f"n.{c} IS NOT DISTINCT FROM t.{c}" for c in _quoted(keys))
        return frame(
            self._con,
            f"SELECT DISTINCT {', '.join(_quoted(keys))} FROM {_name(name)} AS t WHERE replaced_at > ? "
            f"AND collection_id <= ? AND NOT EXISTS (SELECT 1 FROM {_name(name)} AS n WHERE n.replaced_at IS NULL "
            f"AND {same})",
            [since, after],
        ).cast({c: schema.table(name).columns[c] for c in keys})

    def names(self, kind: str) -> list[str]:
        """Return every agent, queue, team or person that is named anywhere, in order; a key of `NAMED_IN`."""
        parts, values = [], []
        for table, column in NAMED_IN[kind]:
            where, given = self._known(table)
            parts.append(f"SELECT {column} AS name FROM {_name(table)} WHERE {' AND '.join(where)}")
            values += given
        sql = f"SELECT DISTINCT name FROM ({' UNION ALL '.join(parts)}) WHERE name IS NOT NULL ORDER BY name"
        return [name for (name,) in self._con.execute(sql, values).fetchall()]

    def _known(self, name: str) -> tuple[list[str], list[object]]:
        """Return the condition under which a row is in force, or was, and its parameters."""
        if not schema.table(name).versioned:
            return (["true"], []) if self._as_of is None else ([f"{KNOWN_SINCE[name]} <= ?"], [self._as_of])
        if self._as_of is None:
            return ["replaced_at IS NULL"], []
        return ["recorded_at <= ? AND (replaced_at IS NULL OR replaced_at > ?)"], [self._as_of, self._as_of]

    def _select(
        self, name: str, where: list[str], values: list[object], columns: Sequence[str] | None
    ) -> pl.DataFrame:
        known = schema.table(name)
        chosen = list(columns or known.own)
        order = ["collection_id", "row_no"] if known.versioned else []
        wanted = list(dict.fromkeys([*chosen, *(column for column in order if column in known.columns)]))
        picked = f"SELECT {', '.join(_quoted(wanted))}, rowid AS arrival FROM {_name(name)}"
        rows = frame(self._con, f"{picked} WHERE {' AND '.join(where)}", values)
        # rows mostly lie in the order in which they came: to look is much cheaper than to sort
        by = [column for column in [*order, "arrival"] if column in rows.columns]
        if not _in_order(rows, by):
            rows = rows.sort(by)
        return rows.select(chosen).cast({c: known.columns[c] for c in chosen})

    def in_force(self, name: str) -> tuple[str, list[object]]:
        """Return the condition under which a row of a table is in force, or was, and its parameters, in SQL."""
        where, values = self._known(name)
        return " AND ".join(where), values

    def query(self, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
        """Run a query of another module of the store."""
        return frame(self._con, sql, list(values))

    def stream(self, sql: str, rows: int = 100_000) -> Iterator[pl.DataFrame]:
        """Run a query whose answer may not fit into memory, part by part."""
        found = self._con.execute(sql).to_arrow_reader(rows)
        for part in found:
            yield pl.DataFrame(pl.from_arrow(part))


def _in_order(rows: pl.DataFrame, by: Sequence[str]) -> bool:
    """Say whether rows are in the order of some whole numbers, the first of them counting most."""
    holds: pl.Expr = pl.lit(True)
    for column in reversed(by):
        step = pl.col(column).fill_null(0).diff()
        holds = (step > 0) | ((step == 0) & holds)
    return bool(rows.select(holds.fill_null(True).all()).item())


# --- merging ----------------------------------------------------------------------------------------------
def turn_of(con: duckdb.DuckDBPyConnection) -> tuple[int, datetime]:
    """Return the number of a write and its instant: later than every one before it, even if the clock was put back."""
    number, last = frame(
        con,
        "SELECT coalesce(max(collection_id), 0) + 1, "
        "greatest(max(made_at), (SELECT max(applied_at) FROM migration)) FROM collection",
    ).row(0)
    return number, max(datetime.now(UTC), last + TICK)


def merge(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, number: int, now: datetime
) -> tuple[int, int]:
    """Merge a batch into a versioned table; return how many rows were added and how many replaced another."""
    batch = _last_of_each(schema.table(table), frame)
    if batch.is_empty():
        return 0, 0
    with _lent(con, batch=batch):
        met = _met(con, table, batch)
        same, changed = met.filter(~pl.col("differs")), met.filter("differs")
        columns = _quoted([name for name in batch.columns if name != "place"])
        with _lent(con, same=same, changed=changed):
            if changed.height:
                stored = "SELECT stored FROM changed"
                con.execute(f"UPDATE {_name(table)} SET replaced_at = ? WHERE rowid IN ({stored})", [now])
            con.execute(
                f"INSERT INTO {_name(table)} ({', '.join(columns)}, collection_id, recorded_at) "
                f"SELECT {', '.join(columns)}, ?, ? FROM batch"
                + (" WHERE place NOT IN (SELECT place FROM same)" if same.height else ""),
                [number, now],
            )
    return batch.height - met["place"].n_unique(), changed.height


@contextmanager
def _lent(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Let queries read frames by name; an empty one is not worth the millisecond that this takes."""
    lent = {name: frame for name, frame in frames.items() if frame.height}
    for name, frame in lent.items():
        con.register(name, frame)
    try:
        yield
    finally:
        for name in lent:
            con.unregister(name)


def _last_of_each(known: schema.Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the last row of each key, with row_no and its place in the batch."""
    row_no = pl.col("row_no") if "row_no" in frame.columns else pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return (
        frame.with_columns(row_no=row_no)
        .select(*dict.fromkeys([*known.own, "row_no"]))
        .unique(list(known.key), keep="last", maintain_order=True)
        .with_row_index("place")
    )


def _met(con: duckdb.DuckDBPyConnection, table: str, batch: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in force that have keys of a batch: place (in the batch), stored (rowid), differs.

    The instants of the keys bound what is read: rows mostly lie in the order of time, so that of 20 million hardly any
    is looked at.
    """
    known = schema.table(table)
    where, values = ["t.replaced_at IS NULL"], []
    for key in known.key:
        column = batch[key]
        if column.dtype.is_temporal() and not column.null_count():
            where.append(f"t.{_name(key)} BETWEEN ? AND ?")
            values += [column.min(), column.max()]
    same_key = " AND ".join(f"t.{c} IS NOT DISTINCT FROM b.{c}" for c in _quoted(known.key))
    told = [name for name in known.values if name not in RUNS.get(table, ())]
    differs = " OR ".join(f"t.{c} IS DISTINCT FROM b.{c}" for c in _quoted(told)) or "false"
    return frame(
        con,
        f"SELECT b.place, t.rowid AS stored, ({differs}) AS differs FROM {_name(table)} AS t JOIN batch AS b "
        f"ON {same_key} WHERE {' AND '.join(where)}",
        values,
    )


# --- migrating --------------------------------------------------------------------------------------------
def _migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Apply the sections of schema.sql this database has not seen, each in a transaction."""
    done = _version_of(con)
    pending = [migration for migration in schema.migrations() if migration.version > done]
    for migration in pending:
        con.execute("BEGIN")
        try:
            con.execute(migration.sql)
            values = [migration.version, migration.name, datetime.now(UTC)]
            con.execute("INSERT INTO migration VALUES (?, ?, ?)", values)
            if migration is pending[-1]:
                _comment(con)
            con.execute("COMMIT")
        except BaseException:
            _roll_back(con)
            raise


def _comment(con: duckdb.DuckDBPyConnection) -> None:
    for table in schema.tables().values():
        for column, comment in table.comments.items():
            text = comment.replace("'", "''")
            con.execute(f"COMMENT ON COLUMN {_name(table.name)}.{_name(column)} IS '{text}'")


def _version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the last applied section; 0 for an empty file.

    Raises:
        NotADatabaseError: the file has tables, but not ours.
        NewerDatabaseError: it has sections we do not know.
    """
    try:
        # to name one column of each of two tables is ten times quicker than to list the catalogue
        done = _count(
            con,
            "SELECT coalesce(max(version), 0), (SELECT made_at::DATE FROM collection LIMIT 1) FROM migration",
        )
    except (duckdb.CatalogException, duckdb.BinderException):
        if con.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall():
            raise NotADatabaseError(
                f"{path} is a DuckDB file, but not one of wfm's: name another database."
            ) from None
        done = 0
    ours = schema.migrations()[-1].version
    if done > ours:
        raise NewerDatabaseError(
            f"{path} was written by a newer wfm (schema {done}, this one knows {ours}): upgrade wfm, or name "
            "another database."
        )
    return done


def _version_of(con: duckdb.DuckDBPyConnection) -> int:
    exists = _count(con, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migration'")
    return _count(con, "SELECT coalesce(max(version), 0) FROM migration") if exists else 0


# --- DuckDB's ways ----------------------------------------------------------------------------------------
def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=OFFLINE)
    except duckdb.ConnectionException:  # this process has it open already, with the options of somebody else
        return duckdb.connect(str(path), read_only=read_only)


def _appear(beside: Path, path: Path) -> None:
    """Give a whole file its name, unless another process was quicker: theirs is as good."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            os.rename(beside, path)


def _translate(error: duckdb.Error, path: Path) -> StoreError:
    """Say in our words what DuckDB's error means."""
    said = str(error)

    def any_of(*words: str) -> bool:
        return any(word in said.lower() for word in words)

    if any_of("could not set lock", "different configuration", "being used by another process"):
        holder = re.search(r"PID (\d+)", said)
        who = f"another process ({holder[1]})" if holder else "another process"
        return DatabaseBusyError(f"{path} is in use by {who}: try again when it is done.")
    if path.is_dir() or any_of("not a valid duckdb database", "extension"):
        return NotADatabaseError(f"{path} is not a database: name another with WFM_DATABASE or --database.")
    if any_of("corrupt", "could not read enough bytes", "failure while replaying wal"):
        return NotADatabaseError(
            f"{path} is damaged: put a copy of it back, or import into another database."
        )
    if any_of("database file with version number"):
        other = "a newer" if any_of("newer") else "another"
        return NewerDatabaseError(
            f"{path} was written by {other} DuckDB: upgrade duckdb, or name another database."
        )
    if any_of("no space left", "file too large", "disk full", "quota", "could not write"):
        return StoreError(f"{path}: the disk is full, nothing was stored; make room and do it again.")
    if any_of("permission denied", "read-only", "not permitted"):
        return StoreError(f"{path} cannot be written: check the permissions of {path.parent}.")
    if any_of("cannot open file", "no such file or directory"):
        return StoreError(
            f"{path} cannot be opened: check that the directory {path.parent} exists and can be written."
        )
    first = said.strip().splitlines()[0] if said.strip() else type(error).__name__
    return StoreError(f"{path}: {first}")


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    # the connection is closed right after, and what was not committed is gone with it
    with contextlib.suppress(duckdb.Error):
        con.execute("ROLLBACK")


def frame(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
    """Run a query; the answer as a frame.

    DuckDB 1 makes a relation with parameters row by row, 20 times slower than this; DuckDB 2 has no other way.
    """
    if hasattr(con, "pl"):
        return con.execute(sql, list(values)).pl()
    return con.sql(sql, params=list(values)).pl()


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    value: object = frame(con, sql).item()  # fetchall of an instant would need pytz
    return value


def _count(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> int:
    """Run a statement that answers with one number."""
    return int(con.execute(sql, list(values)).fetchall()[0][0])


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(names: Sequence[str] | Mapping[str, pl.DataType]) -> list[str]:
    return [_name(name) for name in names]
