"""The last states that a database knows."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from helpers.stored_batches import START, keep
from wfm.core import schema
from wfm.storage.database import Database
from wfm.storage.recent_activity import read_last_states


def test_last_states_are_those_of_the_last_instant(database: Database) -> None:
    columns = schema.get_table("agent_state").own_columns
    rows = [
        ("ncc", "u", START, "A", None),
        ("ncc", "u", START + timedelta(hours=1), "B", None),
        ("ncc", "v", START, "C", None),
    ]
    keep(
        database, "1", source="ncc", tables={"agent_state": pl.DataFrame(rows, schema=columns, orient="row")}
    )
    with database.open_reader() as reader:
        states, seen = read_last_states(reader, "ncc")
        assert states.select("login", "vendor_state").rows() == [("u", "B"), ("v", "C")]
        assert seen is None
        before, _ = read_last_states(reader, "ncc", before=START + timedelta(minutes=1))
        assert before["vendor_state"].to_list() == ["A", "C"]
