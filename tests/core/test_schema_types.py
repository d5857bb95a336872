"""The types that wfm reads from schema.sql, against those that DuckDB gives the columns."""

from __future__ import annotations

import duckdb

from wfm.core import schema


def test_types_are_those_of_the_database():
    names = {str(dtype): kind for kind, dtype in schema.POLARS_TYPES.items()}
    names[str(schema.POLARS_TYPES["TIMESTAMPTZ"])] = "TIMESTAMP WITH TIME ZONE"
    with duckdb.connect(":memory:") as con:
        for migration in schema.read_migrations():
            con.execute(migration.sql)
        rows = con.execute(
            "SELECT table_name, column_name, data_type, NOT is_nullable FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    parsed = [
        (name, column, names[str(dtype)], column in table.required)
        for name, table in sorted(schema.read_tables().items())
        for column, dtype in table.columns.items()
    ]
    provenance = schema.PROVENANCE_COLUMNS
    assert parsed == [(*row[:3], row[3] and row[1] not in provenance) for row in rows]
