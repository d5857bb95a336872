"""A batch is stored once and whole, and retires what a new reading no longer has."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from helpers.stored_batches import INSTANT, START, keep, said
from wfm.core import schema
from wfm.core.errors import StoreError
from wfm.storage.batches import retire_missing_rows
from wfm.storage.database import Database
from wfm.storage.ledger import read_feed_ledger


def legs(*ids: str, talk: float = 60.0) -> pl.DataFrame:
    rows = pl.DataFrame({"leg_id": list(ids)}).with_columns(
        source=pl.lit("xsi"), started_at=pl.lit(START, INSTANT), talk_s=pl.lit(talk)
    )
    own = schema.get_table("call_leg").own_columns
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in rows.columns]
    return rows.with_columns(lacking).select(list(own))


def test_a_batch_is_stored_once(database: Database) -> None:
    first = keep(
        database, "one", tables={"call_leg": legs("a", "b")}, payloads=[(START, {"user": "u"}, b"body")]
    )
    assert (first.read_count, first.added_count) == (2, 2)  # type: ignore[attr-defined]
    assert keep(database, "one", tables={"call_leg": legs("a", "b", "c")}) is None
    with database.open_reader() as reader:
        assert reader.read_table("call_leg").height == 2
        assert read_feed_ledger(reader, "xsi", "call_leg").height == 1


def test_a_batch_that_cannot_be_stored_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(database, "one")

    def breaks(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("wfm.storage.batches.insert_payloads", breaks)
    with pytest.raises(StoreError, match="disk is full"):
        keep(
            database,
            "two",
            tables={"call_leg": legs("a")},
            audit=said(("a", "x")),
            payloads=[(START, {}, b"x")],
        )
    with database.open_reader() as reader:
        assert reader.read_table("call_leg").is_empty()
        assert reader.read_table("call_audit").is_empty()
        assert read_feed_ledger(reader, "xsi", "call_leg").height == 1


def test_retiring_marks_what_new_reading_no_longer_has(database: Database) -> None:
    first = keep(database, "1", tables={"call_leg": legs("a", "b")})
    gone = retire_missing_rows(database, "call_leg", "xsi", [first.collection_id], legs("a"))  # type: ignore[attr-defined]
    assert gone == 1
    with database.open_reader() as reader:
        assert reader.read_table("call_leg")["leg_id"].to_list() == ["a"]


def test_vendor_list_leaves_unknown_columns_alone(database: Database) -> None:
    columns = schema.get_table("agent").own_columns
    full = pl.DataFrame([("u", "Ada", "Sales", "Haifa", "Asia/Jerusalem")], schema=columns, orient="row")
    database.write_table("agent", full, source="import", origin="import")
    bare = pl.DataFrame([("u", "Ada F.", None, None, None)], schema=columns, orient="row")
    keep(database, "1", feed="agent", tables={"agent": bare})
    with database.open_reader() as reader:
        assert reader.read_table("agent").rows() == [("u", "Ada F.", "Sales", "Haifa", "Asia/Jerusalem")]
