"""Which legs are one customer call: several phone systems, several users, a switchboard, a caller who tries again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.core import schema
from wfm.engine.volume.call_linking import LINK_TOLERANCE, link_legs
from wfm.engine.volume.intervals import measure_intervals

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANN, BOB = "+15550100177", "+15550100188"
Row = tuple[str, str, str | None, str | None, str | None, int, int]


def legs(*rows: Row, direction: str = "in") -> pl.DataFrame:
    """Source, leg, call, login, number, and from when to when, in seconds after noon."""
    told = [
        {
            "source": source,
            "leg_id": leg,
            "call_id": call,
            "login": login,
            "direction": direction,
            "queue_id": "q",
            "started_at": NOON + timedelta(seconds=start),
            "ended_at": NOON + timedelta(seconds=end),
            "from_e164" if direction == "in" else "to_e164": number,
            "outcome": "answered",
        }
        for source, leg, call, login, number, start, end in rows
    ]
    own = schema.get_table("call_leg").own_columns
    return pl.DataFrame([{**dict.fromkeys(own), **row} for row in told], schema=own)


def one_call(*rows: Row, direction: str = "in") -> str:
    """Number the calls from 0 in order of their first leg here; * = another system saw it first."""
    found = link_legs(legs(*rows, direction=direction))
    order = {call: at for at, call in enumerate(found["call"].unique(maintain_order=True))}
    told = found.select("call", "elsewhere").iter_rows()
    return " ".join(f"{order[call]}{'*' * elsewhere}" for call, elsewhere in told)


def row(text: str) -> Row:
    """Read ``source/call login number start-end``; - is nothing."""
    place, login, number, span = text.split()
    source, call = place.split("/")
    start, end = span.split("-")
    known = {"-": None, "ann": ANN, "bob": BOB}
    return source, text, known.get(call, call), known.get(login, login), known[number], int(start), int(end)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("rows", "expected", "why"),
    [
        (["a/1 - ann 0-90", "b/1 - ann 2-60"], "0 0*", "two systems"),
        (["a/1 - ann 0-90", "b/1 - bob 2-60"], "0 1", "two callers"),
        (["a/1 - ann 0-90", "b/1 - ann 95-160"], "0 1", "one after the other"),
        (["a/1 - ann 0-90", "b/1 - ann 60-160"], "0 0*", "handed over"),
        (["a/1 - ann 0-9", "a/1 - ann 9-60"], "0 0", "legs of a call"),
        (["a/1 - ann 0-60", "a/2 - ann 3-60"], "0 1", "a switchboard"),
        (
            ["a/1 - ann 0-60", "a/2 - ann 3-60", "b/1 - ann 1-50", "b/2 - ann 4-50"],
            "0 1 0* 1*",
            "a switchboard, twice",
        ),
        (["a/- u ann 0-20", "a/- v ann 20-90"], "0 0", "offered to the next"),
        (["a/- u ann 0-20", "a/- u ann 90-99"], "0 1", "called again"),
        (["a/- u - 0-20", "a/- v - 0-20"], "0 1", "no number"),
    ],
)
def test_what_is_one_call(rows: list[str], expected: str, why: str) -> None:
    assert one_call(*map(row, rows)) == expected, why


def test_outgoing_call_is_known_by_who_was_called() -> None:
    assert one_call(row("a/x - ann 0-60"), row("b/y - ann 1-60"), direction="out") == "0 0*"


def test_a_call_that_two_systems_saw_counts_once() -> None:
    seen = legs(
        ("a", "1", "a1", None, ANN, 0, 90),
        ("b", "2", "b1", None, ANN, 2, 60),
        ("b", "3", "b2", None, BOB, 2, 60),
    )
    counted = measure_intervals(call_leg=seen)
    assert counted.select("source", "entered").rows() == [("a", 1), ("b", 1)]


def test_queue_counted_by_one_system_is_not_recounted() -> None:
    own = {"source": "acd", "queue_id": "q", "interval_start": NOON, "entered": 5, "abandoned": 1}
    buckets = pl.DataFrame([{**own, "sum_handle_time_s": 300.0}])
    logged = legs(("log", "1", "x", "u", ANN, 0, 90), ("log", "2", "y", "u", BOB, 5, 60)).with_columns(
        answered_at=pl.col("started_at") + pl.duration(seconds=4)
    )
    (row,) = measure_intervals(call_leg=logged, interval_volume=buckets).to_dicts()
    assert (row["source"], row["origin"], row["entered"]) == ("acd", "vendor", 5)
    assert (row["calls"], row["service_level"], row["service_level_origin"]) == (2, 1.0, "calls")
    other = buckets.with_columns(source=pl.lit("acd2"))
    both = measure_intervals(call_leg=logged, interval_volume=pl.concat([buckets, other]))
    assert both.select("source", "origin", "entered").rows() == [
        ("acd", "vendor", 5),
        ("acd2", "vendor", 5),
        ("log", "calls", 2),
    ]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["x", "y", None]),
            st.sampled_from(["u", "v"]),
            st.sampled_from([ANN, BOB]),
            st.integers(0, 60),
            st.integers(0, 60),
        ),
        max_size=8,
    )
)
def test_every_leg_has_one_call_whatever_the_order(
    rows: list[tuple[str, str | None, str, str, int, int]],
) -> None:
    told: list[Row] = [
        (source, str(at), call and f"{call}{number}", login, number, start, start + length)
        for at, (source, call, login, number, start, length) in enumerate(rows)
    ]
    forth = link_legs(legs(*told))
    back = link_legs(legs(*told[::-1])).reverse()
    assert forth["leg_id"].to_list() == [leg for _, leg, *_ in told]
    assert not forth["call"].has_nulls()
    by_call = forth.group_by("source", "call_id").agg(pl.col("call").n_unique()).drop_nulls("call_id")
    assert (by_call["call"] == 1).all()
    assert (
        forth.select("leg_id", "call", "elsewhere").rows()
        == back.select("leg_id", "call", "elsewhere").rows()
    )
    for _, group in forth.group_by("call"):
        assert group["from_e164"].n_unique() == 1
        assert not group["elsewhere"].all()
        spread = group["started_at"].max() - group["started_at"].min()  # type: ignore[operator]
        assert spread <= timedelta(seconds=120) * group.height + LINK_TOLERANCE
