"""DuckDB connections: opening a file, running queries, and translating DuckDB's errors into those of wfm."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from wfm.core.errors import DatabaseBusyError, NewerDatabaseError, NotADatabaseError, StoreError

OFFLINE_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Without these options DuckDB answers a SQLite file by downloading an extension for it."""


def open_connection(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file without extensions from the network.

    Raises:
        duckdb.Error: see `translate_error`.
    """
    try:
        return duckdb.connect(str(path), read_only=read_only, config=OFFLINE_CONFIG)
    except duckdb.ConnectionException:
        # in one process DuckDB allows only one set of options per file: use that of the connection already open
        return duckdb.connect(str(path), read_only=read_only)


def roll_back(con: duckdb.DuckDBPyConnection) -> None:
    """Roll back a transaction; errors do not matter, because the connection is closed right after."""
    with contextlib.suppress(duckdb.Error):
        con.execute("ROLLBACK")


# --- queries ----------------------------------------------------------------------------------------------
def query_frame(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
    """Run a query and return its rows as a frame."""
    # DuckDB 1 fetches a relation with parameters row by row, 20 times slower than this; DuckDB 2 has only the relation
    if hasattr(con, "pl"):
        return con.execute(sql, list(values)).pl()
    return con.sql(sql, params=list(values)).pl()


def query_value(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    """Run a query and return its single value."""
    value: object = query_frame(con, sql).item()  # `fetchall` of an instant would need pytz
    return value


def query_integer(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> int:
    """Run a statement that returns one number, such as a count or the number of rows changed."""
    return int(con.execute(sql, list(values)).fetchall()[0][0])


def quote_name(name: str) -> str:
    """Return the name of a table or column as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_names(names: Sequence[str] | Mapping[str, pl.DataType]) -> list[str]:
    """Return names as quoted SQL identifiers."""
    return [quote_name(name) for name in names]


@contextmanager
def registered_frames(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Make frames available to queries by name; empty ones are left out, because each takes a millisecond."""
    registered = {name: frame for name, frame in frames.items() if frame.height}
    for name, frame in registered.items():
        con.register(name, frame)
    try:
        yield
    finally:
        for name in registered:
            con.unregister(name)


# --- errors -----------------------------------------------------------------------------------------------
def translate_error(error: duckdb.Error, path: Path) -> StoreError:
    """Translate an error of DuckDB into one of wfm, which says what to do."""
    message = str(error)

    def mentions(*phrases: str) -> bool:
        return any(phrase in message.lower() for phrase in phrases)

    if mentions("could not set lock", "different configuration", "being used by another process"):
        holder = re.search(r"PID (\d+)", message)
        who = f"another process ({holder[1]})" if holder else "another process"
        return DatabaseBusyError(f"{path} is in use by {who}: try again when it is done.")
    if path.is_dir() or mentions("not a valid duckdb database", "extension"):
        return NotADatabaseError(f"{path} is not a database: name another with WFM_DATABASE or --database.")
    if mentions("corrupt", "could not read enough bytes", "failure while replaying wal"):
        return NotADatabaseError(f"{path} is damaged: restore a backup, or import into another database.")
    if mentions("database file with version number"):
        other = "a newer" if mentions("newer") else "another"
        return NewerDatabaseError(
            f"{path} was written by {other} DuckDB: upgrade duckdb, or name another database."
        )
    if mentions("no space left", "file too large", "disk full", "quota", "could not write"):
        return StoreError(f"{path}: the disk is full, nothing was stored; free some space and try again.")
    if mentions("permission denied", "read-only", "not permitted"):
        return StoreError(f"{path} cannot be written: check the permissions of {path.parent}.")
    if mentions("cannot open file", "no such file or directory"):
        return StoreError(
            f"{path} cannot be opened: check that the directory {path.parent} exists and can be written."
        )
    first_line = message.strip().splitlines()[0] if message.strip() else type(error).__name__
    return StoreError(f"{path}: {first_line}")
