"""Text made of columns: as polars.format makes it, and on columns that polars.format panics on."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.core.text import fill_sentence

ROWS = st.lists(
    st.tuples(st.none() | st.text(max_size=3), st.none() | st.integers(0, 9), st.none() | st.floats(0, 9)),
    max_size=5,
)
SENTENCES = ["{}/{}/{}", "a {} and {}, {} s", "{}{}{} ", "{} of {}: {}"]


@given(rows=ROWS, sentence=st.sampled_from(SENTENCES))
def test_gaps_are_filled_as_by_polars(rows: list[tuple[str, int, float]], sentence: str) -> None:
    frame = pl.DataFrame(
        rows, schema={"word": pl.String, "count": pl.Int64, "seconds": pl.Float64}, orient="row"
    )
    parts = ("word", pl.col("count"), pl.col("seconds").round(1))
    ours = frame.select(said=fill_sentence(sentence, *parts))
    assert ours.equals(frame.select(said=pl.format(sentence, *parts)))


def test_a_column_whose_first_chunk_is_empty() -> None:
    own = pl.DataFrame({"table": ["rule"] * 2, "row_no": [1, 2]})
    default = pl.DataFrame({"table": ["default"] * 2, "row_no": [3, 4]})
    both = pl.concat([own, default])
    last = both.filter(pl.Series([False, False, True, True]))
    assert last["row_no"].chunk_lengths() == [0, 2], (
        "polars leaves no empty chunk any more: is worded needed?"
    )
    assert last.select(said=fill_sentence("{}/{}", "table", "row_no"))["said"].to_list() == [
        "default/3",
        "default/4",
    ]


@pytest.mark.parametrize("parts", [(), ("a",), ("a", "b", "c")])
def test_as_many_parts_as_gaps(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        fill_sentence("{} and {}", *parts)
