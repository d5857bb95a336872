"""The database: one DuckDB file, which every unit of work opens and closes.

DuckDB lets one process write or several read. A unit of work therefore waits, with a limit, while another process has
the file open, and raises `DatabaseBusyError` when the limit is reached. Nothing is overwritten: a row whose key is
written again with other values is marked as replaced at that instant and the new row is inserted, so that the database
can be read as of any instant in the past.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from wfm.core import schema
from wfm.core.errors import DatabaseBusyError, NoDataError, StoreError
from wfm.storage.connection import (
    open_connection,
    query_value,
    quote_name,
    quote_names,
    roll_back,
    translate_error,
)
from wfm.storage.merge import allocate_collection, merge_rows
from wfm.storage.migrations import apply_migrations, check_schema_version
from wfm.storage.reader import DatabaseReader, TimeSpan

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
WAL_LIMIT: Final = "500kB"
"""The size at which DuckDB's write-ahead log (.wal) is checkpointed even if a transaction would leave it."""

_thread_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
"""One lock per database file, because DuckDB's own lock only excludes other processes."""


@dataclass(frozen=True)
class WriteResult:
    """The outcome of a write: how many rows were read, added and replaced, and notes on what was decided."""

    collection_id: int
    read_count: int
    added_count: int
    replaced_count: int
    notes: tuple[str, ...] = ()

    @property
    def unchanged_count(self) -> int:
        """Return how many rows were already stored with the same values."""
        return self.read_count - self.added_count - self.replaced_count


ReviseBatch = Callable[[DatabaseReader, pl.DataFrame, datetime], tuple[pl.DataFrame, tuple[str, ...]]]
"""A reader of the rows in force, the rows of a batch, the instant of the write → the rows to store, notes."""


class Database:
    """The database at ``path``; cheap to create, and not open between calls.

    Args:
        path: the DuckDB file; created by the first write.
        wait_s: how long a unit of work waits while another process or thread uses the file.
    """

    def __init__(self, path: Path | str, *, wait_s: float = 10.0) -> None:
        self.path = Path(path)
        self.wait_s = wait_s

    # --- units of work ----------------------------------------------------------------------------------
    @contextmanager
    def open_transaction(self, *, leave_log: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for one transaction: everything in it is stored, or, on any error, nothing.

        Args:
            leave_log: do not checkpoint the write-ahead log on closing, unless it is long. What is committed is as safe
                in the log as in the file, and readers read both. A checkpoint takes 20 ms (90 ms with 20 million
                states), which is most of the time of small writes. The next write without this option does it.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        with self._connected(read_only=False) as con:
            if leave_log:
                con.execute(f"PRAGMA disable_checkpoint_on_shutdown; SET wal_autocheckpoint = '{WAL_LIMIT}'")
            con.execute("BEGIN")
            try:
                yield con
                con.execute("COMMIT")
            except BaseException:
                roll_back(con)
                raise

    @contextmanager
    def open_reader(self, as_of: datetime | None = None) -> Iterator[DatabaseReader]:
        """Open for reading, at the same time as other readers.

        Args:
            as_of: read what was recorded by that instant. Before the database existed nothing was recorded: then
                everything is read, and only the instants in the rows (publication, approval, revocation) decide what
                was valid.

        Raises:
            NoDataError: there is no database yet.
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError.
        """
        if not self.path.exists():
            raise NoDataError(
                f"No database at {self.path}: import something first (wfm import TABLE FILE) or name another."
            )
        with self._connected(read_only=True) as con:
            created = query_value(con, "SELECT min(applied_at) FROM migration")
            assert isinstance(created, datetime)
            yield DatabaseReader(con, as_of if as_of is not None and as_of >= created else None)

    # --- writing ----------------------------------------------------------------------------------------
    def write_table(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        source: str,
        origin: str,
        file_name: str | None = None,
        window: TimeSpan | None = None,
        skipped: int = 0,
        note: Sequence[str] = (),
        coverage: pl.DataFrame | None = None,
        revise: ReviseBatch | None = None,
    ) -> WriteResult:
        """Store a batch: new rows are added, changed rows replace stored ones, unchanged rows are left alone.

        Args:
            table: the table's name.
            frame: its own columns, perhaps row_no; of two rows with one key the later counts.
            source, origin, file_name, window, skipped, note: for the ledger (table collection).
            coverage: the spans that the batch covers (source start_at end_at); stored with it.
            revise: decides, in the same transaction, which rows are stored, given the rows in force.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
        """
        read = frame.height
        with self.open_transaction() as con:
            number, now = allocate_collection(con)
            if revise is not None:
                frame, decisions = revise(DatabaseReader(con, None), frame, now)
                note = (*note, *decisions)
            added, replaced = merge_rows(con, table, frame, number, now)
            if coverage is not None:
                merge_rows(con, "coverage", coverage, number, now)
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
        return WriteResult(number, read, added, replaced, tuple(note))

    def append_rows(self, table: str, frame: pl.DataFrame) -> None:
        """Insert rows into a table without versions, such as forecast.

        Raises:
            DatabaseBusyError, NotADatabaseError, NewerDatabaseError, StoreError: nothing was stored.
        """
        with self.open_transaction() as con:
            names = list(schema.get_table(table).columns)
            columns = ", ".join(quote_names(names))
            con.register("incoming", frame.select(names))
            con.execute(f"INSERT INTO {quote_name(table)} ({columns}) SELECT {columns} FROM incoming")

    # --- opening and creating ---------------------------------------------------------------------------
    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, create or migrate it where needed, and close it afterwards."""
        deadline = time.monotonic() + self.wait_s
        with self._thread_lock():
            if not self.path.exists():
                self._create_file()
            con = self._connect_before(deadline, read_only)
            try:
                if check_schema_version(con, self.path) < schema.read_migrations()[-1].version:
                    if read_only:
                        con.close()
                        con = self._connect_before(deadline, read_only=False)
                    apply_migrations(con)
                yield con
            except duckdb.Error as error:
                raise translate_error(error, self.path) from error
            except RuntimeError as error:
                if "interrupted" in str(error):  # DuckDB's form of Ctrl-C
                    raise KeyboardInterrupt from error
                raise
            finally:
                con.close()

    @contextmanager
    def _thread_lock(self) -> Iterator[None]:
        """Wait for the other threads of this process."""
        lock = _thread_locks[os.path.realpath(self.path)]
        if not lock.acquire(timeout=self.wait_s):
            raise DatabaseBusyError(f"{self.path} is in use by another thread: try again when it is done.")
        try:
            yield
        finally:
            lock.release()

    def _connect_before(self, deadline: float, read_only: bool) -> duckdb.DuckDBPyConnection:
        """Connect, and retry with growing pauses while another process uses the file."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                con = open_connection(self.path, read_only)
                con.execute("SET TimeZone = 'UTC'")
                return con
            except duckdb.Error as error:
                translated = translate_error(error, self.path)
                if not translated.transient or time.monotonic() + pause > deadline:
                    raise translated from error
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _create_file(self) -> None:
        """Create an empty database under a temporary name and rename it, so that nobody sees half a database."""
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
        try:
            with open_connection(temporary, read_only=False) as con:
                apply_migrations(con)
            _publish_file(temporary, self.path)
        except duckdb.Error as error:
            raise translate_error(error, self.path) from error
        except OSError as error:
            raise StoreError(f"{self.path} cannot be created: {error.strerror}.") from error
        finally:
            for path in (temporary, temporary.with_name(f"{temporary.name}.wal")):
                with contextlib.suppress(OSError):
                    path.unlink()


def _publish_file(temporary: Path, path: Path) -> None:
    """Give a complete file its final name, unless another process was quicker: its empty database is as good."""
    try:
        os.link(temporary, path)  # unlike a rename, it fails if the name exists
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            os.rename(temporary, path)
