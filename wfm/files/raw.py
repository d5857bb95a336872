"""What every reader hands on: the cells of a file before anything is made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

BAD: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "column": pl.String(),
    "value": pl.String(),
    "expected": pl.String(),
}
"""The columns of a list of problems, one line a problem."""


@dataclass(frozen=True)
class Raw:
    """Hold a file's cells, one column of `cells` per column of the file, named "0", "1", … in order.

    ``names`` is the header; ``cells`` is text unless the file has types of its own (parquet); ``row_no`` is
    where each row stood. ``broken`` lists rows that could not be cut into cells, ``broken_rows`` their text;
    ``errors`` the row numbers, by column, of cells in which a formula failed.
    """

    names: tuple[str, ...]
    cells: pl.DataFrame
    row_no: pl.Series
    note: tuple[str, ...] = ()
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BAD))
    broken_rows: pl.DataFrame | None = None
    decimal_comma: bool = False
    excel: Literal["1900", "1904"] | None = None
    errors: Mapping[str, Collection[int]] = field(default_factory=dict)


def count(n: int, thing: str) -> str:
    """Say how many there are: "1 row", "2,000 rows"."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
