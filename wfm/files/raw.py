"""The cells of a file as every reader returns them, before types are cast."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

PROBLEM_SCHEMA: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "column": pl.String(),
    "value": pl.String(),
    "expected": pl.String(),
}
"""The columns of a list of problems, one row a problem."""


@dataclass(frozen=True)
class RawTable:
    """The cells of a file, one column of `cells` per column of the file, named "0", "1", … in order.

    ``names`` is the header; ``cells`` is text unless the file has types of its own (parquet); ``row_no`` is
    each row's number in the file. ``broken`` lists problems of rows that could not be split into cells,
    ``broken_rows`` their text; ``errors`` the row numbers, by column, of cells whose formula failed.
    """

    names: tuple[str, ...]
    cells: pl.DataFrame
    row_no: pl.Series
    note: tuple[str, ...] = ()
    broken_problems: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROBLEM_SCHEMA))
    broken_rows: pl.DataFrame | None = None
    decimal_comma: bool = False
    date_system: Literal["1900", "1904"] | None = None
    error_rows: Mapping[str, Collection[int]] = field(default_factory=dict)


def format_count(n: int, thing: str) -> str:
    """Format a number of things: "1 row", "2,000 rows"."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
