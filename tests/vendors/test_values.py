"""Single values of replies read the same whoever sent them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.core.errors import BadReplyError
from wfm.vendors import values
from wfm.vendors.telphin.fields import read_fields
from wfm.vendors.voicenter.values import fold_field, read_epoch_s
from wfm.vendors.xima.values import read_cell

AT_S = 1_709_647_140
AT = datetime(2024, 3, 5, 13, 59, tzinfo=UTC)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" 11 ", "11"),
        (11, "11"),
        (11.0, "11"),
        (8.5, "8.5"),
        (True, "true"),
        (False, "false"),
        ("", None),
        (" \n", None),
        (None, None),
        ([], None),
        ({"$": "x"}, None),
        (math.nan, None),
        (math.inf, None),
        ("half \ud800", "half ?"),
        ("nul\x00", "nul"),
        ("Pause ☕", "Pause ☕"),
    ],
)
def test_text(value: Any, text: str | None) -> None:
    assert values.read_text(value) == text
    assert values.read_texts([value, value]) == [text, text]


@pytest.mark.parametrize(
    ("value", "number", "count"),
    [
        (14, 14.0, 14),
        (14.0, 14.0, 14),
        ("14", 14.0, 14),
        (" 14.0 ", 14.0, 14),
        (14.5, 14.5, None),
        (-1, -1.0, None),
        ("-1.5", -1.5, None),
        (True, None, None),
        ("1e3", None, None),
        ("1_000", None, None),
        ("NaN", None, None),
        (math.nan, None, None),
        (math.inf, None, None),
        (10**400, None, None),
        (2**53 + 1, None, None),
        ("", None, None),
        (None, None, None),
        ([14], None, None),
    ],
)
def test_numbers(value: Any, number: float | None, count: int | None) -> None:
    assert values.read_number(value) == number
    assert values.read_count(value) == count
    assert values.read_amount(value) == (None if number is None or number < 0 else number)


@pytest.mark.parametrize(
    "value",
    [
        AT_S,
        float(AT_S),
        str(AT_S),
        f" {AT_S}.0 ",
        AT_S * 1000,
        str(AT_S * 1000),
        AT_S * 1_000_000,
        str(AT_S * 1_000_000),
        "2024-03-05T13:59:00Z",
        "2024-03-05T15:59:00+02:00",
    ],
)
def test_instants_are_read_by_size_or_iso_8601(value: Any) -> None:
    assert values.read_instant(value) == AT


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        0,
        45,
        10**8 - 1,
        10**17,
        math.nan,
        "20240305",
        "1e12",
        "2024-03-05",
        "2024-03-05T13:59:00",
        "soon",
        "0001-01-01T00:00:00+23:59",
        [AT_S],
    ],
)
def test_what_is_no_instant(value: Any) -> None:
    assert values.read_instant(value) is None


def test_unit_and_zone_decide_ambiguous_instants() -> None:
    assert values.read_instant(AT_S, "ms") is None
    assert values.read_instant(AT_S * 1000, "ms") == AT
    assert values.read_instant("2024-03-05 13:59:00.25", naive=UTC) == AT + timedelta(milliseconds=250)
    assert values.read_epoch_us(f"{AT_S * 1000}.5") == AT_S * 1_000_000 + 500
    assert values.read_epoch_us(AT_S * 1_000_000 + 1) == AT_S * 1_000_000 + 1  # beyond what a float can hold


@given(
    numbers=st.lists(
        st.integers(-5, 2**63) | st.sampled_from([10**8, 10**11, 10**14, 10**17, 45]), min_size=1
    ),
    unit=st.sampled_from(["auto", "s", "ms", "us"]),
)
def test_a_column_reads_as_each_of_its_values(numbers: list[int], unit: values.EpochUnit) -> None:
    each = [values.read_epoch_us(number, unit) for number in numbers]
    assert values.read_epochs_us(numbers, unit).to_list() == each
    if unit == "auto" and all(at is None or at % 1000 == 0 for at in each):
        frame = pl.DataFrame({"digits": [str(number) for number in numbers]})
        assert frame.select(values.parse_epoch_us("digits")).to_series().to_list() == each


@given(value=ANYTHING)
def test_no_value_raises(value: Any) -> None:
    for read in (
        values.read_text,
        values.read_number,
        values.read_amount,
        values.read_count,
        values.read_epoch_us,
        values.read_instant_us,
        values.encode_json,
    ):
        read(value)
    assert values.read_texts([value, "a"]) == [values.read_text(value), "a"]


@pytest.mark.parametrize("key", ["AgentId", "agent-id", "agent_id", "AGENT ID", " agent\tId"])
def test_keys_are_folded(key: str) -> None:
    assert values.fold_key(key) == "agentid"
    assert values.fold_keys({key: 1}) == next(values.iterate_objects([7, {key: 1}])) == {"agentid": 1}


def test_vendors_add_only_what_is_theirs() -> None:
    assert fold_field("OriginalIvrUniqueID") == fold_field("OriginallvrUniqueID")
    assert read_fields({"Transferred": True, "a": [], "Duration": 14.0}) == {
        "transfered": "true",
        "duration": "14",
    }
    assert (read_cell(14.0), read_cell(" x "), read_cell({"a": True})) == ("14.0", "x", '{"a": true}')
    assert read_epoch_s(f"{AT_S}") == AT_S


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[", "character"),
        (b'"\xe9"', "UTF-8"),
        (b"9" * 5000, "too long"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_refused_json_is_not_quoted(body: bytes, why: str) -> None:
    with pytest.raises(BadReplyError, match=why):
        values.decode_json(body)


def test_json_is_decoded_as_a_database_can_hold() -> None:
    assert values.decode_json(b'{"a": NaN, "b": -Infinity}') == {"a": None, "b": None}
    assert values.encode_json({"a": "☕\ud800", "b": [1, 2.0]}) == '{"a":"☕?","b":[1,2.0]}'
    assert values.encode_json({"a": 1, "b": 2}, spaced=True) == '{"a": 1, "b": 2}'
    assert values.encode_json({"a": math.inf}) is None


def test_tables_have_own_columns_and_first_row_notes() -> None:
    table = values.build_table("queue", ("queue_id", "alarm"), [("1", None), ("2", "odd")])
    assert table.columns == ["queue_id", "name", "timezone", "alarm"]
    noted = values.add_notes(table, ["", "one", "two", "three", "four"])
    assert noted["alarm"].to_list() == ["one; two; three; and 1 more", "odd"]
    assert values.add_notes(noted, ["again"])["alarm"][0] == "one; two; three; and 1 more; again"
    empty = values.build_table("queue", (), [])
    assert values.add_notes(empty, [""]) is empty
    with pytest.raises(BadReplyError, match="one"):
        values.add_notes(empty, ["one"])


def test_an_audit_column_stays() -> None:
    legs = values.build_table("call_leg", ("leg_id", "payload"), [("1", json.dumps({}))])
    assert legs.columns == [*values.list_own_columns("call_leg"), "alarm", "payload"]
