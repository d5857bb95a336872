"""What tests of several commands share: the golden day as options, a file to import, an answer read back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl

from helpers.golden_day import DAY, NEXT, rows

WINDOW = ("--from", DAY, "--to", NEXT)
HEAVY_MODULES = (
    "polars",
    "duckdb",
    "numpy",
    "pyarrow",
    "pydantic",
    "rich",
    "holidays",
    "httpx",
    "phonenumbers",
    "xlsxwriter",
    "jinja2",
    "fastapi",
)
"""Libraries that help, version and completion do without."""


def read_answer(form: str, content: bytes) -> pl.DataFrame:
    """Read what a command wrote in a format; csv as text."""
    if form == "csv":
        return pl.read_csv(content, infer_schema=False)
    if form == "json":
        return pl.DataFrame(json.loads(content))
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(content))
    return pl.read_excel(io.BytesIO(content))


def write_csv(*lines: str, name: str = "new.csv") -> Path:
    """Write a file to import into the working directory."""
    path = Path(name)
    path.write_text(rows(*lines), encoding="utf-8")
    return path
