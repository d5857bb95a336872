"""Schema migrations: applying the sections of `schema.sql` that a database lacks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from wfm.core import schema
from wfm.core.errors import NewerDatabaseError, NotADatabaseError
from wfm.storage.connection import query_integer, quote_name, roll_back


def apply_migrations(con: duckdb.DuckDBPyConnection) -> None:
    """Apply the sections of `schema.sql` that a database lacks, each in a transaction of its own."""
    applied = _read_applied_version(con)
    pending = [migration for migration in schema.read_migrations() if migration.version > applied]
    for migration in pending:
        con.execute("BEGIN")
        try:
            con.execute(migration.sql)
            values = [migration.version, migration.name, datetime.now(UTC)]
            con.execute("INSERT INTO migration VALUES (?, ?, ?)", values)
            if migration is pending[-1]:
                _store_column_comments(con)
            con.execute("COMMIT")
        except BaseException:
            roll_back(con)
            raise


def check_schema_version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the last applied section of `schema.sql`; 0 for an empty file.

    Raises:
        NotADatabaseError: the file has tables, but not those of wfm.
        NewerDatabaseError: it has sections that this version of wfm does not know.
    """
    try:
        # asking two tables for one column each is ten times quicker than listing the catalogue
        applied = query_integer(
            con,
            "SELECT coalesce(max(version), 0), (SELECT made_at::DATE FROM collection LIMIT 1) FROM migration",
        )
    except (duckdb.CatalogException, duckdb.BinderException):
        if con.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall():
            raise NotADatabaseError(
                f"{path} is a DuckDB file, but not one of wfm's: name another database."
            ) from None
        applied = 0
    newest = schema.read_migrations()[-1].version
    if applied > newest:
        raise NewerDatabaseError(
            f"{path} was written by a newer wfm (schema {applied}, this one knows {newest}): upgrade wfm, or "
            "name another database."
        )
    return applied


def _read_applied_version(con: duckdb.DuckDBPyConnection) -> int:
    exists = query_integer(con, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migration'")
    return query_integer(con, "SELECT coalesce(max(version), 0) FROM migration") if exists else 0


def _store_column_comments(con: duckdb.DuckDBPyConnection) -> None:
    """Store the column comments of `schema.sql` in the database, for people who open it with another tool."""
    for table in schema.read_tables().values():
        for column, comment in table.comments.items():
            text = comment.replace("'", "''")
            con.execute(f"COMMENT ON COLUMN {quote_name(table.name)}.{quote_name(column)} IS '{text}'")
