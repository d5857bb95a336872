"""The tables as schema.sql declares them, against what users were promised, and the tables wfm brings along."""

from __future__ import annotations

import polars as pl
import pytest

from wfm import defaults, files
from wfm.core import glossary, schema

PROMISED = {
    "agent": "agent_id! name team site timezone",
    "login": "source! login! agent_id! from_at to_at",
    "queue": "source! queue_id! name timezone",
    "activity": "activity! category! paid counted shrinkage",
    "state_map": "source! vendor_state! state! vendor_reason",
    "schedule": "agent_id! start_at! end_at! activity! published_at",
    "agent_state": "source! login! at! vendor_state! vendor_reason",
    "call_leg": "source! leg_id! call_id login queue_id direction started_at answered_at ended_at ring_s talk_s "
    "wrap_s outcome from_number to_number recording_id linked_call_id",
    "interval_volume": "source! queue_id! interval_start! entered! abandoned! sum_handle_time_s!",
    "exemption": "start_at! end_at! kind! agent_id team code note by",
    "forecast": "queue_id! interval_start! volume! volume_p10! volume_p50! volume_p90! aht_s aht_p10 aht_p90 model! "
    "origin! made_at!",
    "report_row": "source report_id execution_id from_at to_at row_no column_key column_title value number unit",
    "call_audit": "source leg_id seen_at payload hash",
    "collection": "",
    "coverage": "",
}
"""Columns of the public face; ! marks the required ones."""


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_column_is_there(name):
    table = schema.get_table(name)
    words = PROMISED[name].split()
    assert {word.rstrip("!") for word in words} <= set(table.own_columns)
    if required := {word[:-1] for word in words if word.endswith("!")}:
        assert table.required == required


def test_every_table_has_a_key_and_column_meanings():
    for name, table in schema.read_tables().items():
        assert table.key, name
        assert set(table.key) <= set(table.own_columns), name
        assert set(table.value_columns) == set(table.own_columns) - set(table.key), name
        assert set(table.own_columns) <= set(table.comments), name
        assert all(table.comments.values()), name


def test_versioned_tables_say_which_knowledge_each_row_is():
    versioned = {name for name, table in schema.read_tables().items() if table.is_versioned}
    assert set(files.list_importable_tables()) <= versioned
    for name in versioned:
        assert set(schema.PROVENANCE_COLUMNS) <= set(schema.get_table(name).columns)
        assert not (set(schema.PROVENANCE_COLUMNS) - set(schema.get_table(name).key)) & set(
            schema.get_table(name).own_columns
        )


def test_names_of_columns_say_their_kind():
    kinds = {"_at": pl.Datetime("us", "UTC"), "_on": pl.Date(), "_s": pl.Float64(), "_n": pl.Int64()}
    for name, table in schema.read_tables().items():
        for column, dtype in table.columns.items():
            for ending, kind in kinds.items():
                if column.endswith(ending):
                    assert dtype == kind, (name, column)


def test_migrations_are_numbered_from_one():
    assert [m.version for m in schema.read_migrations()] == list(range(1, len(schema.read_migrations()) + 1))
    assert all(m.name and m.sql.strip() for m in schema.read_migrations())


def test_an_empty_frame_has_the_tables_columns():
    for name, table in schema.read_tables().items():
        assert dict(schema.create_empty_frame(name).schema) == table.own_columns


def test_a_table_that_does_not_exist():
    with pytest.raises(KeyError):
        schema.get_table("orders")


# --- the tables wfm brings along ------------------------------------------------------------------------
@pytest.mark.parametrize("name", defaults.DEFAULT_TABLES)
def test_the_tables_wfm_brings_along_are_tables(name):
    frame, table = defaults.read_default_table(name), schema.get_table(name)
    assert dict(frame.schema) == table.own_columns
    assert frame.select(sorted(table.required)).null_count().row(0) == (0,) * len(table.required)
    assert not frame.select(list(table.key)).is_duplicated().any()
    bad = files.read_table(defaults.find_data_folder() / f"{name}.csv", name).bad
    assert bad.is_empty()


def test_the_rules_are_those_of_the_glossary():
    held = defaults.read_default_table("rule").filter("in_adherence").group_by("category").agg("state")
    assert {category: set(states) for category, states in held.iter_rows()} == {
        category: set(states) for category, states in glossary.STATES_IN_ADHERENCE.items()
    }


def test_every_category_is_an_activity_per_glossary():
    activity = defaults.read_default_table("activity")
    assert set(glossary.CATEGORIES) <= set(activity["activity"])
    for row in activity.iter_rows(named=True):
        assert row["counted"] == (row["category"] in glossary.COUNTED_CATEGORIES)
