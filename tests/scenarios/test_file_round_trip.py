"""Whatever is written is read again as it was, for every table and format."""
# ruff: noqa: DTZ001 - clock times without a zone are what is tested

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from helpers.examples import examples
from wfm import files
from wfm.core import schema
from wfm.files import validation

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip() and text.strip("\ufeff") == text)
AWKWARD = st.sampled_from(
    [
        "=1+1",
        "+x",
        "-1",
        "@a",
        '"',
        '""',
        ",",
        ";",
        "a\nb",
        "007",
        "1e5",
        "2026-03-02",
        "null",
        "NaN",
        "#N/A",
        "'",
        "_x0041_",
    ]
)
INSTANT = st.datetimes(datetime(1971, 1, 1), datetime(2078, 12, 31), timezones=st.just(UTC))
OF_TYPE = {
    pl.String: TEXT | AWKWARD,
    pl.Int64: st.integers(0, 10**12),
    pl.Float64: st.floats(0, 1e12, allow_subnormal=False),
    pl.Boolean: st.booleans(),
    pl.Date: st.dates(date(1970, 1, 1), date(2199, 12, 31)),
}
BY_NAME = {
    "timezone": st.sampled_from(["Asia/Jerusalem", "UTC"]),
    "offset_s": st.floats(-86_400, 86_400, allow_subnormal=False),
}


@pytest.fixture(autouse=True, scope="module")
def _no_trial():
    """Skip the trial process for parquet: these files are sound, and it takes a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wfm.files.parquet._is_readable", lambda _: True)
        yield


@st.composite
def frames(draw, table, whole_ms):
    """Draw rows that keep all the rules of a table."""
    spec = schema.get_table(table)
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        row = {}
        for column, dtype in spec.own_columns.items():
            values = OF_TYPE.get(type(dtype))
            if (words := validation.ALLOWED_VALUES.get((table, column))) is not None:
                values = st.sampled_from(words)
            values = BY_NAME.get(column, values)
            if values is not None:
                row[column] = draw(values if column in spec.required else values | st.none())
        instants = [column for column, dtype in spec.own_columns.items() if isinstance(dtype, pl.Datetime)]
        at = draw(INSTANT)
        if whole_ms:
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        if column_starts := "interval_start" in instants:
            at = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
            row["abandoned"] = min(row["abandoned"], row["entered"])
        assert column_starts or "interval_start" not in spec.own_columns
        for i, column in enumerate(instants):
            there = column in spec.required or draw(st.booleans())
            row[column] = at + timedelta(seconds=i) if there else None
        rows.append(row)
    frame = pl.DataFrame(rows, schema=spec.own_columns)
    return frame.unique(list(spec.key), keep="last", maintain_order=True)


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("table", files.list_importable_tables())
@examples(5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_round_trip(table, form, data):
    frame = data.draw(frames(table, whole_ms=form == "xlsx"))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"x.{form}"
        files.write_table(frame, path, form)
        got = files.read_table(path, table)
    assert got.bad.is_empty(), got.bad.rows()
    # Excel keeps 15 digits of a number
    assert_frame_equal(
        got.frame.drop("row_no"), frame, check_exact=form != "xlsx", rel_tol=1e-14, abs_tol=1e-9
    )
    assert got.frame["row_no"][0] == 2
