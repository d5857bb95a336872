"""The cells of a file as all readers return them, before types are cast."""

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
"""The columns of a list of problems, one row per problem."""


@dataclass(frozen=True)
class RawTable:
    """The cells of a file.

    names: the header. cells: the columns, named "0", "1", … in order; text unless the file has types of its own
    (parquet). row_no: each row's number in the file. note: what a user should know of how it was read. broken_problems:
    problems of rows that could not be split into cells; broken_rows: their text. decimal_comma: numbers are written
    1,5. date_system: of an xlsx, whose dates are numbers. error_rows: by column, the row numbers of cells whose formula
    failed.
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
    """Format a count: "1 row", "2,000 rows"."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
