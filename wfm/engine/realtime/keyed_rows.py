"""Keyed rows of one table in order of arrival, indexed by a whole number per agent or login.

A row that is already stored changes nothing; a row with the key of an earlier one replaces it, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

NUMBER_DTYPE = pl.Int32
MAX_CHUNKS = 32
"""Number of small appends after which the frame is copied into one piece."""


class NameNumbers:
    """Numbers for names (of one or several columns), given in the order in which the names first appear."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._name_columns = list(columns)
        self.numbered_names = pl.DataFrame(
            schema={**dict.fromkeys(columns, pl.String), "number": NUMBER_DTYPE}
        )

    def assign_numbers(self, rows: pl.DataFrame) -> pl.Series:
        """Return the number of each row's name; a new name gets the next number, an empty one null."""
        found = self._look_up_numbers(rows)
        if not found.null_count():
            return found
        new = rows.select(self._name_columns).filter(found.is_null()).drop_nulls().unique(maintain_order=True)
        first = self.numbered_names.height
        numbers = pl.int_range(first, first + pl.len(), dtype=NUMBER_DTYPE).alias("number")
        self.numbered_names = pl.concat([self.numbered_names, new.with_columns(numbers)], rechunk=True)
        return self._look_up_numbers(rows)

    def _look_up_numbers(self, rows: pl.DataFrame) -> pl.Series:
        named = rows.select(self._name_columns).join(
            self.numbered_names, on=self._name_columns, how="left", maintain_order="left"
        )
        return named["number"]

    def build_mask(self, numbers: pl.Series) -> pl.Series:
        """Return a flag for each number given so far: whether it is among these."""
        flags = pl.repeat(False, self.numbered_names.height, eager=True)
        return flags.scatter(numbers, True) if numbers.len() else flags


class KeyedRows:
    """Rows of one table with ``who``, the number of the agent or login they are about.

    Args:
        rows: the first rows.
        key: columns of the key; a later row replaces an earlier one with the same key.
        versioned: whether rows with the same key may differ; otherwise the key determines the whole row.
        may_change_agent: whether a row may have another ``who`` than the row it replaces.
    """

    def __init__(
        self,
        rows: pl.DataFrame,
        key: Sequence[str],
        *,
        versioned: bool = False,
        may_change_agent: bool = False,
    ) -> None:
        self._key_columns = list(key)
        self._output_columns = [name for name in rows.columns if name != "who"]
        self._may_change_agent = may_change_agent
        self._preferred_duplicate: Literal["first", "last"] = "last" if versioned else "first"
        self.rows = rows.clear()
        self.upsert_rows(rows)

    def upsert_rows(self, rows: pl.DataFrame) -> pl.Series:
        """Insert or replace rows by their keys; return the ``who`` of every row that was added or replaced."""
        rows = rows.select(self.rows.columns).unique(
            self._key_columns, keep=self._preferred_duplicate, maintain_order=True
        )
        stored = self._find_stored(rows)
        if stored.height:
            # a row that is stored already must not mark anybody as changed
            rows = rows.join(
                stored, on=self._output_columns, how="anti", nulls_equal=True, maintain_order="left"
            )
            stored = stored.join(rows, on=self._key_columns, how="semi", nulls_equal=True)
        touched = pl.concat([stored["who"], rows["who"]]).unique().drop_nulls()
        self._remove_rows(stored)
        if rows.height:
            self.rows = pl.concat([self.rows, rows])
        # many small appends make every later filter slow; copying at each one would, too
        if self.rows.n_chunks() > MAX_CHUNKS:
            self.rows = self.rows.rechunk()
        return touched

    def delete_rows(self, keys: pl.DataFrame) -> pl.Series:
        """Delete rows by their keys; return the ``who`` of the deleted rows."""
        deleted = self.rows.join(
            keys.select(self._key_columns), on=self._key_columns, how="semi", nulls_equal=True
        )
        self._remove_rows(deleted)
        return deleted["who"].unique().drop_nulls()

    def select_rows(self, mask: pl.Series) -> pl.DataFrame:
        """Return the rows of those whose flag is set, in order of arrival."""
        return self.rows.filter(mask.gather(self.rows["who"])).select(self._output_columns)

    def _find_stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Find the stored rows that have the keys of these."""
        stored = self.rows
        # where ``who`` cannot change, only that agent's rows are searched: much faster than the whole table
        if not (self._may_change_agent or stored.is_empty() or rows.is_empty()):
            stored = stored.filter(pl.col("who").is_in(rows["who"].unique().implode()))
        return stored.join(rows, on=self._key_columns, how="semi", nulls_equal=True)

    def _remove_rows(self, rows: pl.DataFrame) -> None:
        if rows.height:
            self.rows = self.rows.join(
                rows, on=self._key_columns, how="anti", nulls_equal=True, maintain_order="left"
            )
