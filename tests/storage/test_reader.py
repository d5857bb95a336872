"""What is read: as of an instant, within a span, and by name."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from helpers.stored_tables import (
    HOUR,
    MONDAY,
    agents,
    column,
    put,
    states,
    teams,
)
from wfm.core import schema
from wfm.core.errors import NoDataError
from wfm.storage import merge


def test_before_database_began_there_is_nothing_to_replay(database):
    put(database, "agent", agents(ann="red"))
    assert teams(database, as_of=MONDAY) == {"ann": "red"}
    began = column(database, "SELECT min(applied_at) FROM migration")[0]
    assert teams(database, as_of=began) == {}


@pytest.mark.slow
def test_tables_without_versions_use_their_own_time(database):
    put(database, "agent", agents(ann="red"))
    between = datetime.now(UTC)
    put(database, "agent", agents(ann="blue"))
    with database.open_reader(between) as known:
        assert known.read_table("collection")["collection_id"].to_list() == [1]
        assert all(known.read_table(name) is not None for name in schema.read_tables())


@pytest.mark.slow
def test_as_of_replays_even_if_clock_goes_back(database, monkeypatch):
    class Any(type):
        def __instancecheck__(cls, value):
            return isinstance(value, datetime)

    class Clock(datetime, metaclass=Any):
        shows = MONDAY + 5 * HOUR

        @classmethod
        def now(cls, tz=None):
            return cls.shows.astimezone(tz)

    monkeypatch.setattr(merge, "datetime", Clock)
    put(database, "agent", agents(ann="red"))
    Clock.shows = MONDAY - 24 * HOUR
    put(database, "agent", agents(ann="blue"))
    put(database, "agent", agents(ann="green"))
    red, blue, green = column(database, "SELECT recorded_at FROM agent ORDER BY collection_id")
    assert MONDAY + 5 * HOUR < red < blue < green
    assert [teams(database, as_of=at)["ann"] for at in (red, blue, green)] == ["red", "blue", "green"]


# --- reading --------------------------------------------------------------------------------------------
def test_there_is_nothing_to_read_before_first_write(database):
    with (
        pytest.raises(NoDataError, match=r"No database at .*: import something first"),
        database.open_reader(),
    ):
        pass
    assert not database.path.exists()


def test_spans_are_half_open(database):
    put(database, "agent_state", states("pbx", MONDAY, MONDAY + HOUR))
    with database.open_reader() as known:
        assert known.read_table("agent_state", span=(MONDAY, MONDAY + HOUR))["at"].to_list() == [MONDAY]
        assert known.read_table("agent_state", span=(MONDAY - HOUR, MONDAY)).is_empty()


def test_state_before_a_span_is_part_of_it(database):
    put(database, "agent_state", states("pbx", *(MONDAY + i * HOUR for i in range(5))))
    put(database, "agent_state", states("later", MONDAY + 9 * HOUR))
    with database.open_reader() as known:
        found = known.read_states((MONDAY + 2 * HOUR + HOUR / 2, MONDAY + 4 * HOUR))
        assert found.select("source", "at").rows() == [
            ("pbx", MONDAY + 2 * HOUR),
            ("pbx", MONDAY + 3 * HOUR),
            ("later", MONDAY + 9 * HOUR),
        ]
        assert known.read_states((MONDAY, MONDAY + HOUR), logins=["2"]).is_empty()
        more = known.read_states((MONDAY, MONDAY + HOUR), ["1"], ["source", "login", "row_no", "at"])
        assert more["row_no"].to_list() == [1, 1]


@pytest.mark.slow
def test_last_arriving_state_before_a_span_counts_whole(database):
    put(database, "agent_state", states("pbx", MONDAY).with_columns(vendor_reason=pl.lit("lunch")))
    put(database, "agent_state", states("pbx", MONDAY + HOUR).with_columns(vendor_reason=pl.lit("tea")))
    put(database, "agent_state", states("pbx", MONDAY + HOUR, word="Available"))
    with database.open_reader() as known:
        found = known.read_states((MONDAY + 2 * HOUR, MONDAY + 3 * HOUR))
    assert found.select("at", "vendor_state", "vendor_reason").rows()[-1] == (
        MONDAY + HOUR,
        "Available",
        None,
    )


def test_legs_span_their_first_to_last_instant(database):
    legs = pl.DataFrame(
        {
            "source": "pbx",
            "leg_id": ["whole", "no start", "no end"],
            "started_at": [MONDAY, None, MONDAY],
            "answered_at": [MONDAY + HOUR, MONDAY + HOUR, None],
            "ended_at": [MONDAY + 2 * HOUR, MONDAY + 2 * HOUR, None],
        }
    )
    put(
        database, "call_leg", pl.concat([schema.create_empty_frame("call_leg"), legs], how="diagonal_relaxed")
    )

    def ids(start: float, end: float) -> list[str]:
        with database.open_reader() as known:
            span = (MONDAY + start * HOUR, MONDAY + end * HOUR)
            return known.read_table("call_leg", span=span)["leg_id"].to_list()

    assert ids(0, 0.5) == ["whole", "no end"]
    assert ids(0.5, 1.5) == ["whole", "no start"]
    assert ids(2.5, 3) == []


def test_scoring_reads_answered_legs_one_per_log(database):
    legs = pl.DataFrame(
        {
            "source": ["a", "a", "b"],
            "leg_id": ["a1", "a2", "b1"],
            "started_at": [MONDAY, MONDAY, MONDAY - 90 * HOUR],
            "answered_at": [MONDAY, None, None],
            "ended_at": [MONDAY + HOUR] * 2 + [MONDAY - 89 * HOUR],
        }
    )
    put(
        database, "call_leg", pl.concat([schema.create_empty_frame("call_leg"), legs], how="diagonal_relaxed")
    )
    with database.open_reader() as known:
        assert known.read_answered_legs((MONDAY, MONDAY + HOUR)).select("source", "leg_id").rows() == [
            ("a", "a1"),
            ("b", "b1"),
        ]


def test_names_are_found_wherever_they_are_written(database):
    put(database, "agent", agents(ann=None))
    put(database, "agent_state", states("pbx", MONDAY))
    with database.open_reader() as known:
        assert known.list_names("agent") == ["1", "ann"]
        assert known.list_names("queue") == []
