"""Convert the engine's whole microseconds to the seconds that its results are in."""

from __future__ import annotations

import polars as pl

from wfm.core.time import US_PER_SECOND


def us_to_seconds(microseconds: pl.Expr) -> pl.Expr:
    """Return whole microseconds as the nearest number of seconds."""
    # polars divides by a constant by multiplying by its reciprocal: 43,859,122 ms would be 43859.121999999996 s
    return (microseconds / US_PER_SECOND).round(6)
