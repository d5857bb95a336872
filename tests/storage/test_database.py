"""What the database promises: nothing is overwritten, nothing is half there, nobody holds it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from wfm.core import schema
from wfm.core.errors import DatabaseBusyError, NewerDatabaseError, NoDataError, NotADatabaseError, StoreError
from wfm.storage import merge
from wfm.storage.database import Database, WriteResult

INSTANT = pl.Datetime("us", "UTC")
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def agents(**team_of: str | None) -> pl.DataFrame:
    rows = [{"agent_id": who, "team": team} for who, team in team_of.items()]
    return pl.concat([schema.create_empty_frame("agent"), pl.DataFrame(rows)], how="diagonal_relaxed")


def mapping(*rows: tuple[str, str | None, str]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["vendor_state", "vendor_reason", "state"], orient="row")
    return frame.cast(pl.String).with_columns(source=pl.lit("*"))


def states(source: str, *at: datetime, word: str = "Busy") -> pl.DataFrame:
    frame = pl.DataFrame({"at": at}, schema={"at": INSTANT})
    return frame.with_columns(
        source=pl.lit(source),
        login=pl.lit("1"),
        vendor_state=pl.lit(word),
        vendor_reason=pl.lit(None, pl.String),
    )


def volumes(entered: int, *at: datetime) -> pl.DataFrame:
    frame = pl.DataFrame({"interval_start": at}, schema={"interval_start": INSTANT})
    return frame.with_columns(
        source=pl.lit("pbx"),
        queue_id=pl.lit("q"),
        entered=pl.lit(entered, pl.Int64),
        abandoned=pl.lit(0, pl.Int64),
        sum_handle_time_s=pl.lit(1.5),
    )


def put(door: Database, table: str, frame: pl.DataFrame, **more: object) -> WriteResult:
    return door.write_table(table, frame, source="pbx", origin="import", **more)


def teams(door: Database, as_of: datetime | None = None) -> dict[str, str | None]:
    with door.open_reader(as_of) as known:
        return dict(known.read_table("agent").select("agent_id", "team").iter_rows())


def column(door: Database, sql: str) -> list[object]:
    with door.open_transaction() as con:
        return con.sql(sql).pl().to_series().to_list()


@pytest.fixture
def door(place: Path) -> Database:
    return Database(place / "wfm.duckdb", wait_s=0.1)


# --- what is written ------------------------------------------------------------------------------------
def test_a_new_database_has_every_table_and_says_what_each_column_is(door):
    put(door, "agent", agents(ann="red"))
    with door.open_transaction() as con:
        found = con.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        versions = con.execute("SELECT version, name FROM migration ORDER BY version").fetchall()
    assert {(table, name) for table, name, _ in found} == {
        (name, each) for name, table in schema.read_tables().items() for each in table.columns
    }
    comments = {(table, name): comment for table, name, comment in found if comment}
    assert comments == {
        (name, each): words
        for name, table in schema.read_tables().items()
        for each, words in table.comments.items()
    }
    assert versions == [(m.version, m.name) for m in schema.read_migrations()]


def test_the_same_again_changes_nothing(door):
    first = put(door, "agent", agents(ann="red", bob=None))
    again = put(door, "agent", agents(ann="red", bob=None))
    assert (first.read_count, first.added_count, first.replaced_count, first.unchanged_count) == (2, 2, 0, 0)
    assert (again.read_count, again.added_count, again.replaced_count, again.unchanged_count) == (2, 0, 0, 2)
    assert column(door, "SELECT count(*) FROM agent") == [2]


def test_a_correction_replaces_and_the_old_can_be_read_as_of_then(door):
    put(door, "agent", agents(ann="red", bob="red"))
    between = datetime.now(UTC)
    done = put(door, "agent", agents(ann="blue", cid="blue"))
    assert (done.read_count, done.added_count, done.replaced_count, done.unchanged_count) == (2, 1, 1, 0)
    assert teams(door) == {"ann": "blue", "bob": "red", "cid": "blue"}
    assert teams(door, as_of=between) == {"ann": "red", "bob": "red"}
    back = put(door, "agent", agents(ann="red"))
    assert (back.added_count, back.replaced_count) == (0, 1)
    assert teams(door)["ann"] == "red"
    assert column(door, "SELECT team FROM agent WHERE agent_id = 'ann' ORDER BY recorded_at") == [
        "red",
        "blue",
        "red",
    ]


def test_a_value_can_become_empty_and_be_filled_again(door):
    put(door, "agent", agents(ann="red"))
    assert put(door, "agent", agents(ann=None)).replaced_count == 1
    assert teams(door) == {"ann": None}
    assert put(door, "agent", agents(ann="red")).replaced_count == 1


def test_empty_equals_empty_in_a_key(door):
    put(door, "state_map", mapping(("Aux", None, "away"), ("Aux", "lunch", "meal")))
    done = put(door, "state_map", mapping(("Aux", None, "break"), ("Aux", "lunch", "meal")))
    assert (done.added_count, done.replaced_count, done.unchanged_count) == (0, 1, 1)
    with door.open_reader() as known:
        assert known.table("state_map").select("vendor_reason", "state").rows() == [
            ("lunch", "meal"),
            (None, "break"),
        ]


def test_of_two_rows_with_one_key_the_later_counts(door):
    put(door, "agent", pl.concat([agents(ann="red"), agents(ann="blue")]))
    assert teams(door) == {"ann": "blue"}
    assert column(door, "SELECT row_no FROM agent") == [2]


def test_rows_remember_their_place_and_come_back_in_order_of_arrival(door):
    put(door, "agent", agents(zoe="red", ann="red").with_columns(row_no=pl.Series([7, 5])))
    put(door, "agent", agents(bob="red"))
    with door.open_reader() as known:
        rows = known.table("agent", columns=["agent_id", "row_no"])
    assert rows.rows() == [("ann", 5), ("zoe", 7), ("bob", 1)]


def test_the_ledger_tells_every_batch(door):
    span = (MONDAY, MONDAY + HOUR)
    put(door, "agent", agents(ann="red"), file_name="a.csv", window=span, skipped=2, note=("one", "two"))
    put(door, "agent", agents(ann="blue", bob="blue"))
    with door.open_reader() as known:
        one, two = known.table("collection").to_dicts()
    made = one.pop("made_at")
    assert one == {
        "collection_id": 1,
        "source": "pbx",
        "feed": "agent",
        "origin": "import",
        "from_at": span[0],
        "to_at": span[1],
        "result": "complete",
        "file_name": "a.csv",
        "read_n": 1,
        "added_n": 1,
        "replaced_n": 0,
        "skipped_n": 2,
        "note": "one; two",
    }
    assert (two["collection_id"], two["read_n"], two["added_n"], two["replaced_n"]) == (2, 2, 1, 1)
    assert two["note"] is None
    assert made < two["made_at"]


def test_what_was_watched_is_stored_with_the_batch(door):
    watched = pl.DataFrame({"source": ["pbx"], "start_at": [MONDAY], "end_at": [MONDAY + HOUR]}).cast(
        {"start_at": INSTANT, "end_at": INSTANT}
    )
    for _ in range(2):
        put(door, "agent_state", states("pbx", MONDAY), coverage=watched)
    with door.open_reader() as known:
        assert known.table("coverage").equals(watched)


def test_a_batch_is_revised_against_what_is_in_force(door):
    put(door, "agent", agents(ann="red"))
    seen = []

    def revise(known, frame, now):
        seen.append((known.table("agent")["agent_id"].to_list(), now))
        return frame.filter(pl.col("agent_id") != "ann"), ("ann is left alone",)

    done = put(door, "agent", agents(ann="blue", bob="blue"), revise=revise)
    assert (done.read_count, done.added_count, done.notes) == (2, 1, ("ann is left alone",))
    assert teams(door) == {"ann": "red", "bob": "blue"}
    assert seen[0][0] == ["ann"]
    assert seen[0][1] == column(door, "SELECT recorded_at FROM agent WHERE agent_id = 'bob'")[0]


def test_rows_are_appended_to_tables_without_versions(door):
    row = {
        "queue_id": "sales",
        "interval_start": MONDAY,
        "volume": 1.0,
        "volume_p10": 0.5,
        "volume_p50": 1.0,
        "volume_p90": 2.0,
        "aht_s": None,
        "aht_p10": None,
        "aht_p90": None,
        "model": "m",
        "origin": MONDAY,
        "made_at": MONDAY,
    }
    frame = pl.DataFrame([row], schema=schema.get_table("forecast").columns)
    door.append("forecast", frame)
    door.append("forecast", frame)
    with door.open_reader() as known:
        assert known.table("forecast").equals(pl.concat([frame, frame]))
        assert known.table("forecast", span=(MONDAY + HOUR, MONDAY + 2 * HOUR)).is_empty()


def test_an_error_in_a_unit_of_work_takes_everything_back(door):
    put(door, "agent", agents(ann="red"))

    def work(then):
        with door.open_transaction() as con:
            con.execute("DELETE FROM agent")
            then(con)

    with pytest.raises(ZeroDivisionError):
        work(lambda _: 1 / 0)
    assert teams(door) == {"ann": "red"}
    with pytest.raises(StoreError, match="no_such_table"):
        work(lambda con: con.execute("DELETE FROM no_such_table"))
    assert teams(door) == {"ann": "red"}


def test_ctrl_c_in_a_query_is_ctrl_c(door):
    put(door, "agent", agents(ann="red"))

    def work(error):
        with door.open_transaction() as con:
            con.execute("DELETE FROM agent")
            raise error

    with pytest.raises(KeyboardInterrupt):
        work(RuntimeError("Query interrupted"))  # which is how DuckDB passes it on
    with pytest.raises(RuntimeError, match="something else"):
        work(RuntimeError("something else"))
    assert teams(door) == {"ann": "red"}


# --- as of ----------------------------------------------------------------------------------------------
def test_a_log_that_is_left_is_read_by_all_and_worked_in_by_the_next(door):
    log = door.path.with_name(door.path.name + ".wal")
    put(door, "agent", agents(ann="red"))
    assert not log.exists()
    with door.open_transaction(leave_log=True) as con:
        merge.merge_rows(con, "agent", agents(ann="blue", bob="red"), 2, datetime.now(UTC))
    assert log.stat().st_size > 0
    assert teams(door) == {"ann": "blue", "bob": "red"}
    assert log.exists()
    put(door, "agent", agents(cid="red"))
    assert not log.exists()
    assert teams(door) == {"ann": "blue", "bob": "red", "cid": "red"}


def test_a_log_that_is_left_does_not_grow_for_ever(door):
    sizes = []
    log = door.path.with_name(door.path.name + ".wal")
    for k in range(40):
        many = [MONDAY + timedelta(minutes=k, microseconds=i) for i in range(500)]
        with door.open_transaction(leave_log=True) as con:
            assert merge.merge_rows(con, "agent_state", states("pbx", *many), k, datetime.now(UTC)) == (
                500,
                0,
            )
        sizes.append(log.stat().st_size if log.exists() else 0)
    assert sizes != sorted(sizes)  # it was worked in
    assert max(sizes) < 600_000
    assert column(door, "SELECT count(*) FROM agent_state") == [40 * 500]


def test_a_batch_far_from_what_is_known_replaces_by_key_and_by_nothing_else(door):
    near, far = MONDAY, MONDAY + timedelta(days=400)
    put(door, "interval_volume", volumes(3, near, far))
    done = put(door, "interval_volume", volumes(4, far, far + HOUR))
    assert (done.added_count, done.replaced_count) == (1, 1)
    with door.open_reader() as known:
        rows = known.table("interval_volume").sort("interval_start")
    assert rows["entered"].to_list() == [3, 4, 4]


def test_before_the_database_began_there_is_nothing_to_replay(door):
    put(door, "agent", agents(ann="red"))
    assert teams(door, as_of=MONDAY) == {"ann": "red"}
    began = column(door, "SELECT min(applied_at) FROM migration")[0]
    assert teams(door, as_of=began) == {}


def test_tables_without_versions_are_known_since_their_own_time(door):
    put(door, "agent", agents(ann="red"))
    between = datetime.now(UTC)
    put(door, "agent", agents(ann="blue"))
    with door.open_reader(between) as known:
        assert known.table("collection")["collection_id"].to_list() == [1]
        assert all(known.table(name) is not None for name in schema.read_tables())


def test_as_of_replays_even_if_the_clock_is_put_back(door, monkeypatch):
    class Any(type):
        def __instancecheck__(cls, value):
            return isinstance(value, datetime)

    class Clock(datetime, metaclass=Any):
        shows = MONDAY + 5 * HOUR

        @classmethod
        def now(cls, tz=None):
            return cls.shows.astimezone(tz)

    monkeypatch.setattr(merge, "datetime", Clock)
    put(door, "agent", agents(ann="red"))
    Clock.shows = MONDAY - 24 * HOUR
    put(door, "agent", agents(ann="blue"))
    put(door, "agent", agents(ann="green"))
    red, blue, green = column(door, "SELECT recorded_at FROM agent ORDER BY collection_id")
    assert MONDAY + 5 * HOUR < red < blue < green
    assert [teams(door, as_of=at)["ann"] for at in (red, blue, green)] == ["red", "blue", "green"]


# --- reading --------------------------------------------------------------------------------------------
def test_there_is_nothing_to_read_before_the_first_write(door):
    with pytest.raises(NoDataError, match=r"No database at .*: import something first"), door.open_reader():
        pass
    assert not door.path.exists()


def test_spans_are_half_open(door):
    put(door, "agent_state", states("pbx", MONDAY, MONDAY + HOUR))
    with door.open_reader() as known:
        assert known.table("agent_state", span=(MONDAY, MONDAY + HOUR))["at"].to_list() == [MONDAY]
        assert known.table("agent_state", span=(MONDAY - HOUR, MONDAY)).is_empty()


def test_the_state_before_a_span_is_part_of_it(door):
    put(door, "agent_state", states("pbx", *(MONDAY + i * HOUR for i in range(5))))
    put(door, "agent_state", states("later", MONDAY + 9 * HOUR))
    with door.open_reader() as known:
        found = known.states((MONDAY + 2 * HOUR + HOUR / 2, MONDAY + 4 * HOUR))
        assert found.select("source", "at").rows() == [
            ("pbx", MONDAY + 2 * HOUR),
            ("pbx", MONDAY + 3 * HOUR),
            ("later", MONDAY + 9 * HOUR),
        ]
        assert known.states((MONDAY, MONDAY + HOUR), logins=["2"]).is_empty()
        more = known.states((MONDAY, MONDAY + HOUR), ["1"], ["source", "login", "row_no", "at"])
        assert more["row_no"].to_list() == [1, 1]


def test_of_the_states_before_a_span_the_last_to_arrive_counts_with_all_it_says(door):
    put(door, "agent_state", states("pbx", MONDAY).with_columns(vendor_reason=pl.lit("lunch")))
    put(door, "agent_state", states("pbx", MONDAY + HOUR).with_columns(vendor_reason=pl.lit("tea")))
    put(door, "agent_state", states("pbx", MONDAY + HOUR, word="Available"))
    with door.open_reader() as known:
        found = known.states((MONDAY + 2 * HOUR, MONDAY + 3 * HOUR))
    assert found.select("at", "vendor_state", "vendor_reason").rows()[-1] == (
        MONDAY + HOUR,
        "Available",
        None,
    )


def test_legs_reach_from_their_first_to_their_last_known_instant(door):
    legs = pl.DataFrame(
        {
            "source": "pbx",
            "leg_id": ["whole", "no start", "no end"],
            "started_at": [MONDAY, None, MONDAY],
            "answered_at": [MONDAY + HOUR, MONDAY + HOUR, None],
            "ended_at": [MONDAY + 2 * HOUR, MONDAY + 2 * HOUR, None],
        }
    )
    put(door, "call_leg", pl.concat([schema.create_empty_frame("call_leg"), legs], how="diagonal_relaxed"))

    def ids(start: float, end: float) -> list[str]:
        with door.open_reader() as known:
            span = (MONDAY + start * HOUR, MONDAY + end * HOUR)
            return known.table("call_leg", span=span)["leg_id"].to_list()

    assert ids(0, 0.5) == ["whole", "no end"]
    assert ids(0.5, 1.5) == ["whole", "no start"]
    assert ids(2.5, 3) == []


def test_legs_for_scoring_are_the_answered_ones_and_one_per_log(door):
    legs = pl.DataFrame(
        {
            "source": ["a", "a", "b"],
            "leg_id": ["a1", "a2", "b1"],
            "started_at": [MONDAY, MONDAY, MONDAY - 90 * HOUR],
            "answered_at": [MONDAY, None, None],
            "ended_at": [MONDAY + HOUR] * 2 + [MONDAY - 89 * HOUR],
        }
    )
    put(door, "call_leg", pl.concat([schema.create_empty_frame("call_leg"), legs], how="diagonal_relaxed"))
    with door.open_reader() as known:
        assert known.legs((MONDAY, MONDAY + HOUR)).select("source", "leg_id").rows() == [
            ("a", "a1"),
            ("b", "b1"),
        ]


def test_names_are_found_wherever_they_are_written(door):
    put(door, "agent", agents(ann=None))
    put(door, "agent_state", states("pbx", MONDAY))
    with door.open_reader() as known:
        assert known.names("agent") == ["1", "ann"]
        assert known.names("queue") == []


# --- migrations -----------------------------------------------------------------------------------------
@pytest.fixture
def older(door) -> Database:
    """Give a database as the first wfm left it."""
    first = schema.read_migrations()[0]
    with duckdb.connect(str(door.path)) as con:
        con.execute(first.sql)
        con.execute("INSERT INTO migration VALUES (?, ?, ?)", [first.version, first.name, MONDAY])
        con.execute("INSERT INTO agent (agent_id, team, recorded_at) VALUES ('ann', 'red', ?)", [MONDAY])
    return door


@pytest.fixture
def later(monkeypatch) -> int:
    """Let this wfm know a section more, of two statements."""
    sql = "ALTER TABLE agent ADD COLUMN pet VARCHAR; CREATE TABLE toy (pet VARCHAR); INSERT INTO toy VALUES ('cat');"
    return add_section(monkeypatch, sql)


def add_section(monkeypatch, sql: str) -> int:
    known = schema.read_migrations()
    version = known[-1].version + 1
    monkeypatch.setattr(schema, "read_migrations", lambda: (*known, schema.Migration(version, "pets", sql)))
    return version


def versions(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as con:
        return [row[0] for row in con.execute("SELECT version FROM migration ORDER BY version").fetchall()]


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


def test_a_newer_database_is_refused_and_left_alone(door):
    put(door, "agent", agents(ann="red"))
    with duckdb.connect(str(door.path)) as con:
        con.execute("INSERT INTO migration VALUES (999, 'the future', ?)", [MONDAY])
    before = door.path.read_bytes()
    for act in (teams, lambda it: put(it, "agent", agents(ann="blue"))):
        with pytest.raises(NewerDatabaseError, match=r"written by a newer wfm .schema 999.*: upgrade wfm"):
            act(door)
    assert door.path.read_bytes() == before


# --- files that are none of ours ------------------------------------------------------------------------
def random_bytes(path: Path) -> None:
    path.write_bytes(bytes(i * 7919 % 251 for i in range(20_000)))


def somebody_elses(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE orders (id INTEGER)")


def somebody_elses_with_migrations(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE migration (id INTEGER)")


def of_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE agent (id INTEGER)")
    con.close()


def cut_off(path: Path) -> None:
    somebody_elses(path)
    path.write_bytes(path.read_bytes()[:9_000])


def scratched(path: Path) -> None:
    somebody_elses(path)
    content = bytearray(path.read_bytes())
    content[5_000] ^= 255
    path.write_bytes(content)


def of_a_newer_duckdb(path: Path) -> None:
    """Write a database whose header names a storage version of the future, with the checksum that belongs to it."""
    somebody_elses(path)
    content = bytearray(path.read_bytes())
    content[12] = 200
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", content[8:4096]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & 0xFFFF_FFFF_FFFF_FFFF
    content[:8] = struct.pack("<Q", checksum)
    path.write_bytes(content)


FOREIGN = {
    "text": (
        lambda p: p.write_text("hello"),
        NotADatabaseError,
        "is not a database: name another with WFM_DATABASE",
    ),
    "random bytes": (random_bytes, NotADatabaseError, "is not a database"),
    "nothing": (lambda p: p.touch(), NotADatabaseError, "is not a database"),
    "a directory": (lambda p: p.mkdir(), NotADatabaseError, "is not a database"),
    "sqlite": (of_sqlite, NotADatabaseError, "is not a database"),
    "somebody else's": (somebody_elses, NotADatabaseError, "not one of wfm's: name another database"),
    "with migrations": (somebody_elses_with_migrations, NotADatabaseError, "not one of wfm's"),
    "cut off": (cut_off, NotADatabaseError, "is damaged: restore a backup"),
    "scratched": (scratched, NotADatabaseError, "is damaged"),
    "newer duckdb": (of_a_newer_duckdb, NewerDatabaseError, "written by a newer DuckDB: upgrade duckdb"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_ours_is_refused_and_left_alone(door, case):
    make, error, words = FOREIGN[case]
    make(door.path)
    before = door.path.read_bytes() if door.path.is_file() else None
    for act in (teams, lambda it: put(it, "agent", agents(ann="red"))):
        with pytest.raises(error, match=words) as caught:
            act(door)
        assert str(door.path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [p.name for p in door.path.parent.iterdir()] == ["wfm.duckdb"]
    assert before == (door.path.read_bytes() if door.path.is_file() else None)


# --- places where nothing can be written ----------------------------------------------------------------
def test_a_directory_that_is_not_there(place):
    with pytest.raises(StoreError, match=r"cannot be opened: check that the directory .*no exists"):
        put(Database(place / "no" / "wfm.duckdb"), "agent", agents(ann="red"))


def test_a_file_where_a_directory_should_be(place):
    (place / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be opened: check that the directory .*file exists"):
        put(Database(place / "file" / "wfm.duckdb"), "agent", agents(ann="red"))


def test_a_directory_in_which_nobody_may_write():
    with pytest.raises(StoreError, match=r"cannot be (written|opened): check"):
        put(Database("/sys/wfm.duckdb"), "agent", agents(ann="red"))


def test_a_file_system_without_links_gets_its_database_too(door, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    put(door, "agent", agents(ann="red"))
    assert teams(door) == {"ann": "red"}
    assert [p.name for p in door.path.parent.iterdir()] == ["wfm.duckdb"]


def test_of_two_that_create_it_the_slower_takes_the_others(door, monkeypatch):
    real = os.link

    def slow(beside, path):
        monkeypatch.setattr(os, "link", real)
        put(Database(path.with_name("quick.duckdb")), "agent", agents(ann="red"))
        os.rename(path.with_name("quick.duckdb"), path)
        real(beside, path)

    monkeypatch.setattr(os, "link", slow)
    put(door, "agent", agents(bob="blue"))
    assert teams(door) == {"ann": "red", "bob": "blue"}


# --- a full disk ----------------------------------------------------------------------------------------
def child(script: str, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


FILL = """
    import resource, sys
    import polars as pl
    from wfm import schema
    from wfm.core.errors import StoreError
    from wfm.storage.database import Store
    long = pl.DataFrame({"agent_id": pl.int_range(60_000, eager=True).cast(pl.String).str.pad_start(40, "x")})
    long = pl.concat([schema.empty("agent"), long], how="diagonal")
    told = []
    for room in map(int, sys.argv[2:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            Store(sys.argv[1]).write("agent", long, source="pbx", origin="import")
        except StoreError as error:
            told.append("the disk is full, nothing was stored; free some space" in str(error))
        else:
            told.append("stored")
    print(*told)
"""


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(door):
    put(door, "agent", agents(ann="red"))
    size = door.path.stat().st_size
    done = child(FILL, door.path, 0, 100, 60_000, size + 1, size + 300_000)
    assert (done.stdout.split(), done.stderr) == (["True"] * 5, "")
    assert teams(door) == {"ann": "red"}
    assert column(door, "SELECT count(*) FROM collection") == [1]
    assert child(FILL, door.path, 1 << 40).stdout.split() == ["stored"]
    assert len(teams(door)) == 60_001


def test_a_full_disk_leaves_no_half_made_database(door):
    done = child(FILL, door.path, 0, 5_000, 20_000)
    assert (done.stdout.split(), done.stderr) == (["True"] * 3, "")
    assert list(door.path.parent.iterdir()) == []


# --- many processes and threads -------------------------------------------------------------------------
HOLD = """
    import sys
    import duckdb
    with duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read"):
        print("held", flush=True)
        sys.stdin.readline()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold(door):
    """Let another process hold the database until its stdin gets a line."""
    put(door, "agent", agents(ann="red"))
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLD), str(door.path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.communicate("\n\n")


def release(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"


def test_a_database_that_another_process_holds_is_waited_for_and_then_given_up(door, hold):
    other = hold("write")
    for act in (teams, lambda it: put(it, "agent", agents(ann="blue"))):
        with pytest.raises(
            DatabaseBusyError, match=rf"in use by another process .{other.pid}.: try again when it is done"
        ) as caught:
            act(door)
        assert caught.value.transient
    release(other)
    assert teams(door) == {"ann": "red"}


@pytest.mark.parametrize(("how", "act"), [("write", "read"), ("write", "write"), ("read", "write")])
def test_whoever_waits_gets_its_turn(door, hold, monkeypatch, how, act):
    other, pauses = hold(how), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            release(other)

    monkeypatch.setattr(time, "sleep", sleep)
    patient = Database(door.path, wait_s=60)
    if act == "write":
        put(patient, "agent", agents(ann="blue"))
    assert teams(patient) == {"ann": "blue" if act == "write" else "red"}
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_readers_read_side_by_side(door, hold):
    hold("read")
    assert teams(door) == {"ann": "red"}


def test_somebody_in_the_same_process_may_look_with_duckdb_itself(door):
    put(door, "agent", agents(ann="red"))
    with duckdb.connect(str(door.path), read_only=True):
        assert teams(door) == {"ann": "red"}


def test_two_processes_write_by_turns(door):
    script = """
        import sys
        import polars as pl
        from wfm import schema
        from wfm.storage.database import Store
        door = Store(sys.argv[1], wait_s=60)
        print("ready", flush=True)
        sys.stdin.readline()
        for i in range(10):
            rows = pl.DataFrame({"agent_id": [f"{sys.argv[2]}-{i}"]})
            door.write("agent", pl.concat([schema.empty("agent"), rows], how="diagonal"), source="x", origin="import")
            with door.reading() as known:
                assert f"{sys.argv[2]}-{i}" in known.table("agent")["agent_id"]
    """
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(door.path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for each in pair:
        assert each.stdout.readline() == "ready\n"
    for each in pair:
        each.stdin.write("\n")
        each.stdin.flush()
    for each in pair:
        each.communicate()
        assert each.returncode == 0
    patient = Database(door.path, wait_s=10)
    assert set(teams(patient)) == {f"{name}-{i}" for name in "ab" for i in range(10)}
    assert column(patient, "SELECT collection_id FROM collection ORDER BY 1") == list(range(1, 21))


def test_threads_write_and_read_by_turns(door):
    patient, failed = Database(door.path, wait_s=60), []

    def work(name: str) -> None:
        try:
            for i in range(5):
                put(patient, "agent", agents(**{f"{name}{i}": None}))
                assert f"{name}{i}" in teams(patient)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(teams(patient)) == 20


def test_a_thread_that_holds_on_is_waited_for_and_then_given_up(door):
    put(door, "agent", agents(ann="red"))
    told = []

    def other() -> None:
        with pytest.raises(DatabaseBusyError, match="in use by another thread: try again") as caught:
            teams(door)
        told.append(caught.value)

    with door.open_transaction():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(told) == 1
    assert teams(door) == {"ann": "red"}


def test_a_store_follows_links_and_moves(door, place):
    put(door, "agent", agents(ann="red"))
    (place / "link.duckdb").symlink_to(door.path)
    put(Database(place / "link.duckdb"), "agent", agents(bob="red"))
    shutil.move(door.path, place / "moved.duckdb")
    assert set(teams(Database(place / "moved.duckdb"))) == {"ann", "bob"}
