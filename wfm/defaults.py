"""The default tables that come with wfm: state mappings, activities and adherence rules."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import polars as pl

from wfm.core import schema

DEFAULT_TABLES = ("state_map", "activity", "rule")
"""The tables that have rows before anything is imported; imported rows take precedence over them."""


@cache
def find_data_folder() -> Path:
    """Return the folder `data`: inside the installed package, or next to it in a checkout."""
    package = Path(str(files("wfm")))
    inside = package / "data"
    return inside if inside.is_dir() else package.parent / "data"


@cache
def read_default_table(table: str) -> pl.DataFrame:
    """Return the rows of one of `DEFAULT_TABLES`, with the table's own columns."""
    wanted = schema.get_table(table).own_columns
    text = pl.read_csv(find_data_folder() / f"{table}.csv", infer_schema=False)
    columns = [
        (pl.col(name) == "true") if dtype == pl.Boolean else pl.col(name).cast(dtype)
        for name, dtype in wanted.items()
    ]
    return text.select(columns)
