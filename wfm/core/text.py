"""Text expressions: sentences with gaps that are filled in row by row."""

from __future__ import annotations

import polars as pl

GAP_MARK = "{}"


def fill_sentence(sentence: str, *parts: str | pl.Expr) -> pl.Expr:
    """Return an expression that fills the gaps ``{}`` of a sentence; null wherever a part is null.

    Used instead of `polars.format`, which panics on a column whose first chunk is empty (polars 2.1.0); filtering a
    concatenation produces such columns.

    Args:
        sentence: text with one gap for each part.
        parts: names of columns, or expressions.

    Raises:
        ValueError: there are more or fewer parts than gaps.
    """
    first, *rest = sentence.split(GAP_MARK)
    pairs = [text for part, after in zip(parts, rest, strict=True) for text in (part, pl.lit(after))]
    return pl.concat_str(pl.lit(first), *pairs)
