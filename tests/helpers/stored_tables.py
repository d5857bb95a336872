"""A database to fill, and what is read back from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from wfm.core import schema
from wfm.storage.database import Database, WriteResult

INSTANT = pl.Datetime("us", "UTC")


HOUR = timedelta(hours=1)


MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def agents(**team_of: str | None) -> pl.DataFrame:
    rows = [{"agent_id": who, "team": team} for who, team in team_of.items()]
    return pl.concat([schema.create_empty_frame("agent"), pl.DataFrame(rows)], how="diagonal_relaxed")


def states(source: str, *at: datetime, word: str = "Busy") -> pl.DataFrame:
    frame = pl.DataFrame({"at": at}, schema={"at": INSTANT})
    return frame.with_columns(
        source=pl.lit(source),
        login=pl.lit("1"),
        vendor_state=pl.lit(word),
        vendor_reason=pl.lit(None, pl.String),
    )


def put(database: Database, table: str, frame: pl.DataFrame, **more: object) -> WriteResult:
    return database.write_table(table, frame, source="pbx", origin="import", **more)


def teams(database: Database, as_of: datetime | None = None) -> dict[str, str | None]:
    with database.open_reader(as_of) as known:
        return dict(known.read_table("agent").select("agent_id", "team").iter_rows())


def column(database: Database, sql: str) -> list[object]:
    with database.open_transaction() as con:
        return con.sql(sql).pl().to_series().to_list()


def add_section(monkeypatch, sql: str) -> int:
    known = schema.read_migrations()
    version = known[-1].version + 1
    monkeypatch.setattr(schema, "read_migrations", lambda: (*known, schema.Migration(version, "pets", sql)))
    return version


def versions(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as con:
        return [row[0] for row in con.execute("SELECT version FROM migration ORDER BY version").fetchall()]
