"""Turn `schema.sql` into polars schemas, keys and column comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import duckdb
import polars as pl

POLARS: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "INTEGER": pl.Int32(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "BLOB": pl.Binary(),
    "DATE": pl.Date(),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC"),
}
KNOWLEDGE = ("collection_id", "row_no", "recorded_at", "replaced_at")
"""Columns every versioned table carries beside its own."""

_SECTION = re.compile(r"^-- migration (\d+): (.+)$", re.MULTILINE)
_TABLE = re.compile(r"CREATE TABLE (\w+) \(\s*-- key: (.+?)\n(.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r'^\s+"?(\w+)"?\s+[A-Z]+.*?,?\s*-- (.+)$', re.MULTILINE)
_ADDED = re.compile(r'^ALTER TABLE (\w+) ADD COLUMN "?(\w+)"? .*?; *-- (.+)$', re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One numbered section of `schema.sql`."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True)
class Table:
    """What `schema.sql` says of one table."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, pl.DataType]
    required: frozenset[str]
    comments: dict[str, str]

    @property
    def versioned(self) -> bool:
        """Whether a later row takes the place of an earlier one without erasing it."""
        return "replaced_at" in self.columns

    @property
    def own(self) -> dict[str, pl.DataType]:
        """The columns without those that only say where a row came from."""
        drop = set(KNOWLEDGE) - set(self.key)
        return {name: dtype for name, dtype in self.columns.items() if name not in drop}

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that may differ between two rows of one key."""
        return tuple(name for name in self.own if name not in self.key)


def _text() -> str:
    return files("wfm").joinpath("schema.sql").read_text(encoding="utf-8")


@cache
def migrations() -> tuple[Migration, ...]:
    """Split `schema.sql` into its numbered sections, in order."""
    parts = _SECTION.split(_text())[1:]
    return tuple(Migration(int(parts[i]), parts[i + 1], parts[i + 2]) for i in range(0, len(parts), 3))


@cache
def tables() -> dict[str, Table]:
    """Read every table by creating it in an empty database and asking what came out."""
    declared = {m[1]: m for m in _TABLE.finditer(_text())}
    added = [(m[1], m[2], m[3]) for m in _ADDED.finditer(_text())]
    with duckdb.connect(":memory:") as con:
        for migration in migrations():
            con.execute(migration.sql)
        rows = con.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    out = {}
    for name, match in declared.items():
        mine = [row for row in rows if row[0] == name]
        out[name] = Table(
            name=name,
            key=tuple(match[2].replace(" ", "").split(",")),
            columns={column: POLARS[kind] for _, column, kind, _ in mine},
            required=frozenset(column for _, column, _, nullable in mine if not nullable) - set(KNOWLEDGE),
            comments=dict(_COLUMN.findall(match[3])) | {c: text for t, c, text in added if t == name},
        )
    return out


def table(name: str) -> Table:
    """Return one table's schema; KeyError if there is none of that name."""
    return tables()[name]


def empty(name: str) -> pl.DataFrame:
    """Return an empty frame with the table's own columns."""
    return pl.DataFrame(schema=table(name).own)
