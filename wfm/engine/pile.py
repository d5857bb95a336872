"""Rows that pile up in order of arrival, found by a whole number that says whose they are.

A row that was said before is no news; a row with the key of an earlier one takes its place, at the end of the pile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

NUMBER = pl.Int32
MOST_CHUNKS = 32
"""So many small appends are left as they are before the pile is written anew in one piece."""


class Names:
    """Whole numbers for names, in the order in which they were first heard; a name may have several columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self.known = pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), "number": NUMBER})

    def number(self, rows: pl.DataFrame) -> pl.Series:
        """Number rows by their names; a new name gets the next number, an empty one none."""
        found = self._look_up(rows)
        if not found.null_count():
            return found
        new = rows.select(self._columns).filter(found.is_null()).drop_nulls().unique(maintain_order=True)
        first = self.known.height
        numbers = pl.int_range(first, first + pl.len(), dtype=NUMBER).alias("number")
        self.known = pl.concat([self.known, new.with_columns(numbers)], rechunk=True)
        return self._look_up(rows)

    def _look_up(self, rows: pl.DataFrame) -> pl.Series:
        named = rows.select(self._columns).join(
            self.known, on=self._columns, how="left", maintain_order="left"
        )
        return named["number"]

    def mask(self, numbers: pl.Series) -> pl.Series:
        """Return a flag for each number there is: whether it is among these."""
        flags = pl.repeat(False, self.known.height, eager=True)
        return flags.scatter(numbers, True) if numbers.len() else flags


class Pile:
    """Rows of one table with ``who``, the number of whom they are about.

    Args:
        rows: the first ones.
        key: a later row with the same takes an earlier one's place.
        versions: rows of one key may differ; else the key decides all of a row.
        moves: a row may be about another than the row whose place it takes.
    """

    def __init__(
        self, rows: pl.DataFrame, key: Sequence[str], *, versions: bool = False, moves: bool = False
    ) -> None:
        self._key = list(key)
        self._columns = [name for name in rows.columns if name != "who"]
        self._moves = moves
        self._keep: Literal["first", "last"] = "last" if versions else "first"
        self.rows = rows.clear()
        self.add(rows)

    def add(self, rows: pl.DataFrame) -> pl.Series:
        """Add rows of which some may be known; return whom what is new, or no longer there, is about."""
        rows = rows.select(self.rows.columns).unique(self._key, keep=self._keep, maintain_order=True)
        met = self._met(rows)
        if met.height:
            rows = rows.join(met, on=self._columns, how="anti", nulls_equal=True, maintain_order="left")
            met = met.join(rows, on=self._key, how="semi", nulls_equal=True)
        touched = pl.concat([met["who"], rows["who"]]).unique().drop_nulls()
        self._without(met)
        if rows.height:
            self.rows = pl.concat([self.rows, rows])
        if self.rows.n_chunks() > MOST_CHUNKS:
            self.rows = self.rows.rechunk()
        return touched

    def drop(self, keys: pl.DataFrame) -> pl.Series:
        """Take rows away by their keys; return whom they were about."""
        met = self.rows.join(keys.select(self._key), on=self._key, how="semi", nulls_equal=True)
        self._without(met)
        return met["who"].unique().drop_nulls()

    def of(self, mask: pl.Series) -> pl.DataFrame:
        """Return the rows about those whose flag is set, in order of arrival."""
        return self.rows.filter(mask.gather(self.rows["who"])).select(self._columns)

    def _met(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Find the known rows that have the keys of these."""
        known = self.rows
        if not (self._moves or known.is_empty() or rows.is_empty()):
            known = known.filter(pl.col("who").is_in(rows["who"].unique().implode()))
        return known.join(rows, on=self._key, how="semi", nulls_equal=True)

    def _without(self, met: pl.DataFrame) -> None:
        if met.height:
            self.rows = self.rows.join(met, on=self._key, how="anti", nulls_equal=True, maintain_order="left")
