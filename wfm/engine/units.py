"""Conversion of the engine's whole microseconds to the seconds that its results are in."""

from __future__ import annotations

from typing import Final

import polars as pl

SECOND: Final = 1_000_000
"""In microseconds."""


def in_seconds(microseconds: pl.Expr) -> pl.Expr:
    """Return whole microseconds as the nearest number of seconds."""
    # polars divides by a constant by multiplying by its reciprocal: 43,859,122 ms would be 43859.121999999996 s
    return (microseconds / SECOND).round(6)
