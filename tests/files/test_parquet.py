"""Parquet: types of its own are taken, converted or refused by name."""
# ruff: noqa: DTZ001 - clock times without a zone are what is tested

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from wfm.core.errors import InputError

T8 = datetime(2026, 3, 2, 8)
LOG = {"source": ["s"], "login": ["1"], "at": [T8.replace(tzinfo=UTC)], "vendor_state": ["Busy"]}


@pytest.fixture(autouse=True)
def _no_trial(request, monkeypatch):
    """Skip the trial process where the file is sound; it takes a while."""
    if "whole_file" not in request.node.name:
        monkeypatch.setattr("wfm.files.parquet._is_readable", lambda _: True)


def parquet(columns):
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def test_right_types_pass_through(read):
    got = read(parquet(LOG), "agent_state", "x.parquet")
    assert got.frame.rows() == [("s", "1", T8.replace(tzinfo=UTC), "Busy", None, 2)]


@pytest.mark.parametrize(
    ("login", "text"),
    [
        (pl.Series([2007]), "2007"),
        (pl.Series([2007.0]), "2007"),
        (pl.Series([2007.5]), "2007.5"),
        (pl.Series(["a"], dtype=pl.Categorical), "a"),
        (pl.Series([True]), "true"),
        (pl.Series([Decimal("7")]), "7"),
        (pl.Series([date(2026, 3, 2)]), "2026-03-02"),
    ],
)
def test_other_types_become_text(read, login, text):
    assert read(parquet(LOG | {"login": login}), "agent_state", "x.parquet").frame["login"].to_list() == [
        text
    ]


def test_instants_of_every_kind(read):
    jerusalem = pl.Series([T8]).dt.replace_time_zone("Asia/Jerusalem")
    for at in (
        jerusalem,
        jerusalem.cast(pl.Datetime("ns", "Asia/Jerusalem")),
        jerusalem.dt.cast_time_unit("ms"),
        pl.Series(["2026-03-02T08:00:00+02:00"]),
    ):
        got = read(parquet(LOG | {"at": at}), "agent_state", "x.parquet")
        assert got.frame["at"].to_list() == [datetime(2026, 3, 2, 6, tzinfo=UTC)]
    naive = parquet(LOG | {"at": [T8]})
    assert read(naive, "agent_state", "x.parquet").bad.rows() == [
        (2, "at", "2026-03-02T08:00:00", "an offset or Z at the end: this is a naive time; give --timezone")
    ]
    assert read(naive, "agent_state", "x.parquet", timezone="Asia/Jerusalem").frame["at"].to_list() == [
        datetime(2026, 3, 2, 6, tzinfo=UTC)
    ]
    gap = parquet(LOG | {"at": [datetime(2026, 3, 27, 2, 30)]})
    assert (
        "does not exist"
        in read(gap, "agent_state", "x.parquet", timezone="Asia/Jerusalem").bad["expected"][0]
    )
    old = parquet(LOG | {"at": [datetime(1960, 1, 1, tzinfo=UTC)]})
    assert read(old, "agent_state", "x.parquet").bad["expected"].to_list() == ["a year from 1970 to 2199"]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("at", [1_772_438_400], "column at holds Int64: a bare number does not say its unit or origin"),
        ("at", [date(2026, 3, 2)], "column at holds Date; timestamps or ISO 8601 text"),
        ("login", [["a"]], r"column login holds List\(String\); one plain value a row is needed"),
        ("login", [b"a"], "column login holds Binary"),
    ],
)
def test_types_that_cannot_be_meant(read, column, values, said):
    with pytest.raises(InputError, match=said):
        read(parquet(LOG | {column: values}), "agent_state", "x.parquet")


def test_numbers(read):
    volume = {"source": ["s"] * 4, "queue_id": list("abcd"), "interval_start": [T8.replace(tzinfo=UTC)] * 4}
    volume |= {"entered": pl.Series([3.0, 2.5, -1, 3]), "abandoned": pl.Series([1, 1, 1, -1], dtype=pl.Int8)}
    volume |= {"sum_handle_time_s": pl.Series([1, 2, 3, float("nan")], dtype=pl.Float32)}
    got = read(parquet(volume), "interval_volume", "x.parquet")
    assert got.frame.row(0)[3:6] == (3, 1, 1.0)
    assert got.bad.select("row", "column", "value").rows() == [
        (3, "entered", "2.5"),
        (4, "entered", "-1"),
        (5, "abandoned", "-1"),
        (5, "sum_handle_time_s", "NaN"),
    ]


def test_columns_nobody_wants_may_hold_anything(read):
    got = read(
        parquet(LOG | {"more": [[1, 2]], "bytes": [b"x"], "source": [None]}), "agent_state", "x.parquet"
    )
    assert got.note == ("ignored columns: more, bytes",)
    assert got.bad_rows["more"].to_list() == ["(List(Int64))"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x" * 50, "is not a parquet file, or was cut short"),
        (parquet(LOG)[:-10], "is not a parquet file, or was cut short"),
        (b"PAR1" + b"\xff" * 40 + b"PAR1", "is a damaged parquet file"),
        (parquet({"login": []}), "needs the columns source, at"),
        (parquet({k: v[:0] for k, v in LOG.items()}), "has a header but no rows"),
    ],
)
def test_whole_file_problems(read, data, said):
    with pytest.raises(InputError, match=said):
        read(data, "agent_state", "x.parquet")
