"""The tables that `schema.sql` declares: polars types, keys, required columns and column comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from wfm.core.time import INSTANT

POLARS_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "INTEGER": pl.Int32(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "BLOB": pl.Binary(),
    "DATE": pl.Date(),
    "TIMESTAMPTZ": INSTANT,
}
"""SQL type, as `schema.sql` writes it → polars type."""
PROVENANCE_COLUMNS = ("collection_id", "row_no", "recorded_at", "replaced_at")
"""Columns that every versioned table has as well as its own: where a row came from and when it is in force."""

_MIGRATION_PATTERN = re.compile(r"^-- migration (\d+): (.+)$", re.MULTILINE)
_TABLE_PATTERN = re.compile(r"CREATE TABLE (\w+) \(\s*-- key: (.+?)\n(.*?)\n\);", re.DOTALL)
_COLUMN_PATTERN = re.compile(r'^\s+"?(\w+)"?\s+[A-Z]+.*?,?\s*-- (.+)$', re.MULTILINE)
_COMMENT_PATTERN = re.compile(r"--.*$", re.MULTILINE)
_DECLARATION_PATTERN = re.compile(r'\s*"?(\w+)"?\s+([A-Z]+)( NOT NULL)?\s*')
_ADDED_COLUMN_PATTERN = re.compile(
    r'^ALTER TABLE (\w+) ADD COLUMN ("?(\w+)"? [A-Z ]+); *-- (.+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Migration:
    """One numbered section of `schema.sql`."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True)
class Table:
    """One table as `schema.sql` declares it."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, pl.DataType]
    required: frozenset[str]
    comments: dict[str, str]

    @property
    def is_versioned(self) -> bool:
        """Whether a later row replaces an earlier one with the same key, which stays stored."""
        return "replaced_at" in self.columns

    @property
    def own_columns(self) -> dict[str, pl.DataType]:
        """The columns without those of `PROVENANCE_COLUMNS` (unless they belong to the key)."""
        dropped = set(PROVENANCE_COLUMNS) - set(self.key)
        return {name: dtype for name, dtype in self.columns.items() if name not in dropped}

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns that may differ between two rows with the same key."""
        return tuple(name for name in self.own_columns if name not in self.key)


def _read_schema_sql() -> str:
    return files("wfm.core").joinpath("schema.sql").read_text(encoding="utf-8")


@cache
def read_migrations() -> tuple[Migration, ...]:
    """Return the numbered sections of `schema.sql`, in order."""
    parts = _MIGRATION_PATTERN.split(_read_schema_sql())[1:]
    return tuple(Migration(int(parts[i]), parts[i + 1], parts[i + 2]) for i in range(0, len(parts), 3))


@cache
def read_tables() -> dict[str, Table]:
    """Return every table, by name."""
    sql = _read_schema_sql()
    added = [(m[1], m[2], m[3], m[4]) for m in _ADDED_COLUMN_PATTERN.finditer(sql)]
    tables = {}
    for name, key, body in _TABLE_PATTERN.findall(sql):
        declarations = _COMMENT_PATTERN.sub("", body).split(",")
        declarations += [declaration for table, declaration, _, _ in added if table == name]
        parsed = [_parse_declaration(declaration) for declaration in declarations]
        tables[name] = Table(
            name=name,
            key=tuple(key.replace(" ", "").split(",")),
            columns={column: dtype for column, dtype, _ in parsed},
            # wfm fills the columns of provenance itself, so no file has to
            required=frozenset(column for column, _, required in parsed if required)
            - set(PROVENANCE_COLUMNS),
            comments=dict(_COLUMN_PATTERN.findall(body))
            | {column: comment for table, _, column, comment in added if table == name},
        )
    return tables


def _parse_declaration(declaration: str) -> tuple[str, pl.DataType, bool]:
    """Return the name and the type of a column, and whether it is required.

    Parsed here and not by DuckDB, because every command needs the types: loading DuckDB and creating the tables in
    memory takes as long as all the rest of a short command.
    """
    match = _DECLARATION_PATTERN.fullmatch(declaration)
    if match is None:
        raise ValueError(f"schema.sql: {declaration.strip()!r} is not a column that wfm can read")
    return match[1], POLARS_TYPES[match[2]], match[3] is not None


def get_table(name: str) -> Table:
    """Return a table by name.

    Raises:
        KeyError: there is no such table.
    """
    return read_tables()[name]


def create_empty_frame(name: str) -> pl.DataFrame:
    """Return an empty frame with the table's own columns."""
    return pl.DataFrame(schema=get_table(name).own_columns)
