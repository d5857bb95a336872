"""Databases of older versions are migrated; those of newer ones are refused."""

from __future__ import annotations

import duckdb
import pytest

from helpers.stored_tables import (
    MONDAY,
    add_section,
    agents,
    column,
    put,
    teams,
    versions,
)
from wfm.core import schema
from wfm.core.errors import NewerDatabaseError, StoreError
from wfm.storage.database import Database


# --- migrations -----------------------------------------------------------------------------------------
@pytest.fixture
def older(database) -> Database:
    """Give a database as the first wfm left it."""
    first = schema.read_migrations()[0]
    with duckdb.connect(str(database.path)) as con:
        con.execute(first.sql)
        con.execute("INSERT INTO migration VALUES (?, ?, ?)", [first.version, first.name, MONDAY])
        con.execute("INSERT INTO agent (agent_id, team, recorded_at) VALUES ('ann', 'red', ?)", [MONDAY])
    return database


@pytest.fixture
def later(monkeypatch) -> int:
    """Let this wfm know a section more, of two statements."""
    sql = "ALTER TABLE agent ADD COLUMN pet VARCHAR; CREATE TABLE toy (pet VARCHAR); INSERT INTO toy VALUES ('cat');"
    return add_section(monkeypatch, sql)


def test_the_first_database_there_ever_was_still_opens(older):
    assert teams(older) == {"ann": "red"}
    assert versions(older.path) == [m.version for m in schema.read_migrations()]
    assert put(older, "agent", agents(ann="blue")).replaced_count == 1


def test_an_older_database_is_migrated_by_reading(older, later):
    assert teams(older) == {"ann": "red"}
    assert versions(older.path)[-1] == later
    assert column(older, "SELECT pet FROM toy") == ["cat"]
    assert column(older, "SELECT pet FROM agent") == [None]


def test_an_older_database_is_migrated_by_writing_once(older, later):
    put(older, "agent", agents(bob="blue"))
    put(older, "agent", agents(bob="green"))
    assert teams(older) == {"ann": "red", "bob": "green"}
    assert versions(older.path)[-1] == later
    assert column(older, "SELECT pet FROM toy") == ["cat"]


def test_a_migration_that_fails_leaves_the_old_database(older, monkeypatch):
    with monkeypatch.context() as patch:
        add_section(patch, "CREATE TABLE toy (pet VARCHAR); DROP TABLE agent; SELECT nonsense;")
        for _ in range(2):
            with pytest.raises(StoreError, match="nonsense"):
                teams(older)
            with pytest.raises(StoreError, match="nonsense"):
                put(older, "agent", agents(ann="blue"))
    assert teams(older) == {"ann": "red"}
    assert column(older, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'toy'") == [0]


def test_a_newer_database_is_refused_and_left_alone(database):
    put(database, "agent", agents(ann="red"))
    with duckdb.connect(str(database.path)) as con:
        con.execute("INSERT INTO migration VALUES (999, 'the future', ?)", [MONDAY])
    before = database.path.read_bytes()
    for act in (teams, lambda it: put(it, "agent", agents(ann="blue"))):
        with pytest.raises(NewerDatabaseError, match=r"written by a newer wfm .schema 999.*: upgrade wfm"):
            act(database)
    assert database.path.read_bytes() == before
