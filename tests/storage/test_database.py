"""What the database promises: nothing is overwritten, nothing is half there, nobody holds it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from helpers.stored_tables import (
    HOUR,
    INSTANT,
    MONDAY,
    agents,
    column,
    put,
    states,
    teams,
)
from wfm.core import schema
from wfm.core.errors import NewerDatabaseError, NotADatabaseError, StoreError
from wfm.storage import merge
from wfm.storage.database import Database


def mapping(*rows: tuple[str, str | None, str]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["vendor_state", "vendor_reason", "state"], orient="row")
    return frame.cast(pl.String).with_columns(source=pl.lit("*"))


def volumes(entered: int, *at: datetime) -> pl.DataFrame:
    frame = pl.DataFrame({"interval_start": at}, schema={"interval_start": INSTANT})
    return frame.with_columns(
        source=pl.lit("pbx"),
        queue_id=pl.lit("q"),
        entered=pl.lit(entered, pl.Int64),
        abandoned=pl.lit(0, pl.Int64),
        sum_handle_time_s=pl.lit(1.5),
    )


# --- what is written ------------------------------------------------------------------------------------
def test_new_database_has_every_table_with_column_comments(database):
    put(database, "agent", agents(ann="red"))
    with database.open_transaction() as con:
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


def test_the_same_again_changes_nothing(database):
    first = put(database, "agent", agents(ann="red", bob=None))
    again = put(database, "agent", agents(ann="red", bob=None))
    assert (first.read_count, first.added_count, first.replaced_count, first.unchanged_count) == (2, 2, 0, 0)
    assert (again.read_count, again.added_count, again.replaced_count, again.unchanged_count) == (2, 0, 0, 2)
    assert column(database, "SELECT count(*) FROM agent") == [2]


@pytest.mark.slow
def test_correction_replaces_and_old_is_read_as_of(database):
    put(database, "agent", agents(ann="red", bob="red"))
    between = datetime.now(UTC)
    done = put(database, "agent", agents(ann="blue", cid="blue"))
    assert (done.read_count, done.added_count, done.replaced_count, done.unchanged_count) == (2, 1, 1, 0)
    assert teams(database) == {"ann": "blue", "bob": "red", "cid": "blue"}
    assert teams(database, as_of=between) == {"ann": "red", "bob": "red"}
    back = put(database, "agent", agents(ann="red"))
    assert (back.added_count, back.replaced_count) == (0, 1)
    assert teams(database)["ann"] == "red"
    assert column(database, "SELECT team FROM agent WHERE agent_id = 'ann' ORDER BY recorded_at") == [
        "red",
        "blue",
        "red",
    ]


def test_value_can_become_empty_and_be_filled_again(database):
    put(database, "agent", agents(ann="red"))
    assert put(database, "agent", agents(ann=None)).replaced_count == 1
    assert teams(database) == {"ann": None}
    assert put(database, "agent", agents(ann="red")).replaced_count == 1


def test_empty_equals_empty_in_a_key(database):
    put(database, "state_map", mapping(("Aux", None, "away"), ("Aux", "lunch", "meal")))
    done = put(database, "state_map", mapping(("Aux", None, "break"), ("Aux", "lunch", "meal")))
    assert (done.added_count, done.replaced_count, done.unchanged_count) == (0, 1, 1)
    with database.open_reader() as known:
        assert known.read_table("state_map").select("vendor_reason", "state").rows() == [
            ("lunch", "meal"),
            (None, "break"),
        ]


def test_of_two_rows_with_one_key_later_counts(database):
    put(database, "agent", pl.concat([agents(ann="red"), agents(ann="blue")]))
    assert teams(database) == {"ann": "blue"}
    assert column(database, "SELECT row_no FROM agent") == [2]


def test_rows_return_in_order_of_arrival(database):
    put(database, "agent", agents(zoe="red", ann="red").with_columns(row_no=pl.Series([7, 5])))
    put(database, "agent", agents(bob="red"))
    with database.open_reader() as known:
        rows = known.read_table("agent", columns=["agent_id", "row_no"])
    assert rows.rows() == [("ann", 5), ("zoe", 7), ("bob", 1)]


def test_the_ledger_tells_every_batch(database):
    span = (MONDAY, MONDAY + HOUR)
    put(database, "agent", agents(ann="red"), file_name="a.csv", window=span, skipped=2, note=("one", "two"))
    put(database, "agent", agents(ann="blue", bob="blue"))
    with database.open_reader() as known:
        one, two = known.read_table("collection").to_dicts()
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


def test_what_was_watched_is_stored_with_the_batch(database):
    watched = pl.DataFrame({"source": ["pbx"], "start_at": [MONDAY], "end_at": [MONDAY + HOUR]}).cast(
        {"start_at": INSTANT, "end_at": INSTANT}
    )
    for _ in range(2):
        put(database, "agent_state", states("pbx", MONDAY), coverage=watched)
    with database.open_reader() as known:
        assert known.read_table("coverage").equals(watched)


def test_batch_is_revised_against_what_is_in_force(database):
    put(database, "agent", agents(ann="red"))
    seen = []

    def revise(known, frame, now):
        seen.append((known.read_table("agent")["agent_id"].to_list(), now))
        return frame.filter(pl.col("agent_id") != "ann"), ("ann is left alone",)

    done = put(database, "agent", agents(ann="blue", bob="blue"), revise=revise)
    assert (done.read_count, done.added_count, done.notes) == (2, 1, ("ann is left alone",))
    assert teams(database) == {"ann": "red", "bob": "blue"}
    assert seen[0][0] == ["ann"]
    assert seen[0][1] == column(database, "SELECT recorded_at FROM agent WHERE agent_id = 'bob'")[0]


def test_rows_are_appended_to_tables_without_versions(database):
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
    database.append_rows("forecast", frame)
    database.append_rows("forecast", frame)
    with database.open_reader() as known:
        assert known.read_table("forecast").equals(pl.concat([frame, frame]))
        assert known.read_table("forecast", span=(MONDAY + HOUR, MONDAY + 2 * HOUR)).is_empty()


def test_error_in_unit_of_work_takes_everything_back(database):
    put(database, "agent", agents(ann="red"))

    def work(then):
        with database.open_transaction() as con:
            con.execute("DELETE FROM agent")
            then(con)

    with pytest.raises(ZeroDivisionError):
        work(lambda _: 1 / 0)
    assert teams(database) == {"ann": "red"}
    with pytest.raises(StoreError, match="no_such_table"):
        work(lambda con: con.execute("DELETE FROM no_such_table"))
    assert teams(database) == {"ann": "red"}


def test_ctrl_c_in_a_query_is_ctrl_c(database):
    put(database, "agent", agents(ann="red"))

    def work(error):
        with database.open_transaction() as con:
            con.execute("DELETE FROM agent")
            raise error

    with pytest.raises(KeyboardInterrupt):
        work(RuntimeError("Query interrupted"))  # which is how DuckDB passes it on
    with pytest.raises(RuntimeError, match="something else"):
        work(RuntimeError("something else"))
    assert teams(database) == {"ann": "red"}


# --- as of ----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_leftover_log_is_read_and_continued(database):
    log = database.path.with_name(database.path.name + ".wal")
    put(database, "agent", agents(ann="red"))
    assert not log.exists()
    with database.open_transaction(leave_log=True) as con:
        merge.merge_rows(con, "agent", agents(ann="blue", bob="red"), 2, datetime.now(UTC))
    assert log.stat().st_size > 0
    assert teams(database) == {"ann": "blue", "bob": "red"}
    assert log.exists()
    put(database, "agent", agents(cid="red"))
    assert not log.exists()
    assert teams(database) == {"ann": "blue", "bob": "red", "cid": "red"}


@pytest.mark.slow
def test_log_left_does_not_grow_for_ever(database):
    sizes = []
    log = database.path.with_name(database.path.name + ".wal")
    for k in range(40):
        many = [MONDAY + timedelta(minutes=k, microseconds=i) for i in range(500)]
        with database.open_transaction(leave_log=True) as con:
            assert merge.merge_rows(con, "agent_state", states("pbx", *many), k, datetime.now(UTC)) == (
                500,
                0,
            )
        sizes.append(log.stat().st_size if log.exists() else 0)
    assert sizes != sorted(sizes)  # it was worked in
    assert max(sizes) < 600_000
    assert column(database, "SELECT count(*) FROM agent_state") == [40 * 500]


def test_distant_batch_replaces_by_key_alone(database):
    near, far = MONDAY, MONDAY + timedelta(days=400)
    put(database, "interval_volume", volumes(3, near, far))
    done = put(database, "interval_volume", volumes(4, far, far + HOUR))
    assert (done.added_count, done.replaced_count) == (1, 1)
    with database.open_reader() as known:
        rows = known.read_table("interval_volume").sort("interval_start")
    assert rows["entered"].to_list() == [3, 4, 4]


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
def test_foreign_file_is_refused_and_left_alone(database, case):
    make, error, words = FOREIGN[case]
    make(database.path)
    before = database.path.read_bytes() if database.path.is_file() else None
    for act in (teams, lambda it: put(it, "agent", agents(ann="red"))):
        with pytest.raises(error, match=words) as caught:
            act(database)
        assert str(database.path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [p.name for p in database.path.parent.iterdir()] == ["wfm.duckdb"]
    assert before == (database.path.read_bytes() if database.path.is_file() else None)


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


def test_file_system_without_links_gets_its_database_too(database, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    put(database, "agent", agents(ann="red"))
    assert teams(database) == {"ann": "red"}
    assert [p.name for p in database.path.parent.iterdir()] == ["wfm.duckdb"]


@pytest.mark.slow
def test_of_two_that_create_it_slower_takes_others(database, monkeypatch):
    real = os.link

    def slow(beside, path):
        monkeypatch.setattr(os, "link", real)
        put(Database(path.with_name("quick.duckdb")), "agent", agents(ann="red"))
        os.rename(path.with_name("quick.duckdb"), path)
        real(beside, path)

    monkeypatch.setattr(os, "link", slow)
    put(database, "agent", agents(bob="blue"))
    assert teams(database) == {"ann": "red", "bob": "blue"}


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
    from wfm.core import schema
    from wfm.core.errors import StoreError
    from wfm.storage.database import Database
    long = pl.DataFrame({"agent_id": pl.int_range(60_000, eager=True).cast(pl.String).str.pad_start(40, "x")})
    long = pl.concat([schema.create_empty_frame("agent"), long], how="diagonal")
    told = []
    for room in map(int, sys.argv[2:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            Database(sys.argv[1]).write_table("agent", long, source="pbx", origin="import")
        except StoreError as error:
            told.append("the disk is full, nothing was stored; free some space" in str(error))
        else:
            told.append("stored")
    print(*told)
"""


@pytest.mark.slow
def test_full_disk_leaves_stored_data_and_no_fragments(database):
    put(database, "agent", agents(ann="red"))
    size = database.path.stat().st_size
    done = child(FILL, database.path, 0, 100, 60_000, size + 1, size + 300_000)
    assert (done.stdout.split(), done.stderr) == (["True"] * 5, "")
    assert teams(database) == {"ann": "red"}
    assert column(database, "SELECT count(*) FROM collection") == [1]
    assert child(FILL, database.path, 1 << 40).stdout.split() == ["stored"]
    assert len(teams(database)) == 60_001


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_made_database(database):
    done = child(FILL, database.path, 0, 5_000, 20_000)
    assert (done.stdout.split(), done.stderr) == (["True"] * 3, "")
    assert list(database.path.parent.iterdir()) == []


def test_a_store_follows_links_and_moves(database, place):
    put(database, "agent", agents(ann="red"))
    (place / "link.duckdb").symlink_to(database.path)
    put(Database(place / "link.duckdb"), "agent", agents(bob="red"))
    shutil.move(database.path, place / "moved.duckdb")
    assert set(teams(Database(place / "moved.duckdb"))) == {"ann", "bob"}
