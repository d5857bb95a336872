"""Text made of columns: a sentence with gaps, filled in for every row."""

from __future__ import annotations

import polars as pl

GAP = "{}"


def worded(sentence: str, *parts: str | pl.Expr) -> pl.Expr:
    """Fill the gaps ``{}`` of a sentence, row by row; null wherever a part is.

    polars has `polars.format` for it, which panics on a column whose first chunk is empty (2.1.0; a filter of
    a concatenation leaves such), so nothing in wfm calls it.

    Args:
        sentence: as many gaps as there are parts.
        parts: names of columns, or expressions.

    Raises:
        ValueError: there are more or fewer parts than gaps.
    """
    first, *rest = sentence.split(GAP)
    pairs = [text for part, after in zip(parts, rest, strict=True) for text in (part, pl.lit(after))]
    return pl.concat_str(pl.lit(first), *pairs)
