"""Casting columns of cells to the types of a table, and explaining what is wrong with cells that do not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import polars as pl

from wfm.core.errors import InputError
from wfm.core.time import INSTANT
from wfm.files import timestamps
from wfm.files.timestamps import FIRST_YEAR, LAST_YEAR, Fold

_NUMBER_PATTERN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_TRUE_WORDS, _FALSE_WORDS = ("true", "yes", "1"), ("false", "no", "0")
_EXPECTED_COUNT = "a whole number, 0 or more"
_EXPECTED_SECONDS = "a number of seconds, 0 or more"
_EXPECTED_OFFSET = "a number of seconds between -86400 and 86400"
SIGNED_COLUMNS = ("offset_s",)
"""Columns of seconds that may be negative; at most a day in either direction."""
_EXPECTED_BOOLEAN = "true, false, yes, no, 1 or 0"
_EXPECTED_DAY = f"a day such as 2026-03-02, from {FIRST_YEAR} to {LAST_YEAR}"
_MAX_EXACT_INTEGER = 2**53  # a float is exact only up to here


@dataclass(frozen=True)
class CellOptions:
    """The options with which the cells of a file are read; see `wfm.files.read.read_table`.

    excel: the date system in which numbers are dates.
    """

    path: str
    timezone: str | None = None
    fold: Fold | None = None
    decimal_comma: bool = False
    excel: Literal["1900", "1904"] | None = None


class CastColumn(NamedTuple):
    """Values in the table's type, the cells as text, and what was expected where a cell does not fit."""

    values: pl.Series
    text: pl.Series
    expected: pl.Series | None


def cast_column(cells: pl.Series, column: str, dtype: pl.DataType, options: CellOptions) -> CastColumn:
    """Cast a column of a file to ``dtype``.

    Raises:
        InputError: the column has a type of its own that cannot be cast to ``dtype``.
    """
    if cells.dtype == pl.Null or cells.dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    if cells.dtype != pl.String:
        return _cast_typed(cells, column, dtype, options)
    text = strip_blanks(cells)
    if dtype == pl.String:
        return CastColumn(text, text, None)
    values, expected = (_parse_offsets if column in SIGNED_COLUMNS else _TEXT_PARSERS[type(dtype)])(
        text, options
    )
    return CastColumn(values, text, expected if expected.null_count() < expected.len() else None)


def strip_blanks(cells: pl.Series) -> pl.Series:
    """Strip blanks; empty text becomes null."""
    text = cells.str.strip_chars()
    empty = (text == "").fill_null(False)
    return text.set(empty, None) if empty.any() else text


def format_as_text(cells: pl.Series) -> pl.Series:
    """Format any cells as text, whole floats without a point, instants as ISO 8601."""
    dtype = cells.dtype
    if dtype.is_float():
        whole = (cells == cells.floor()) & (cells.abs() < _MAX_EXACT_INTEGER)
        return (
            cells.cast(pl.Int64, strict=False)
            .cast(pl.String)
            .zip_with(whole.fill_null(False), cells.cast(pl.String))
        )
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone:
            return cells.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")
        return cells.dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    if dtype == pl.Binary or dtype.is_nested() or dtype == pl.Object:
        return pl.Series([f"({dtype})"]).new_from_index(0, cells.len())
    return cells.cast(pl.String)


def _cast_typed(cells: pl.Series, column: str, dtype: pl.DataType, options: CellOptions) -> CastColumn:
    """Cast a column that has a type of its own, as in parquet."""
    source = cells.dtype
    found = f"{options.path}: column {column} holds {source}"
    if source == pl.Binary or source.is_nested() or source == pl.Object:
        raise InputError(f"{found}; one plain value a row is needed.")
    if dtype == INSTANT:
        return _cast_typed_instants(cells, found, options)
    if source == dtype and dtype == pl.Boolean:
        return CastColumn(cells, cells.cast(pl.String), None)
    if source == pl.Date and dtype == pl.Date:
        text = cells.cast(pl.String)
        return CastColumn(cells, text, _explain_year_range(cells.dt.year(), text))
    if source.is_integer() and dtype.is_integer():
        text = cells.cast(pl.String)
        values = cells.cast(dtype, strict=False)
        fits = cells.is_null() | (values >= 0).fill_null(False)
        return CastColumn(values, text, None if fits.all() else _expect_unless(fits, _EXPECTED_COUNT))
    if source.is_float() and dtype.is_float():
        values = cells.cast(dtype)
        low, high, expected = (
            (-86_400, 86_400, _EXPECTED_OFFSET)
            if column in SIGNED_COLUMNS
            else (0, float("inf"), _EXPECTED_SECONDS)
        )
        fits = cells.is_null() | (values.is_finite() & values.is_between(low, high)).fill_null(False)
        return CastColumn(
            values.set(~fits, None),
            format_as_text(cells),
            None if fits.all() else _expect_unless(fits, expected),
        )
    return cast_column(format_as_text(cells), column, dtype, options)


def _cast_typed_instants(cells: pl.Series, found: str, options: CellOptions) -> CastColumn:
    source = cells.dtype
    if source.is_numeric():
        raise InputError(
            f"{found}: a bare number does not say its unit or origin. Write instants as timestamps."
        )
    if not isinstance(source, pl.Datetime):
        raise InputError(f"{found}; timestamps or ISO 8601 text such as 2026-03-02T08:00:00Z are needed.")
    if source.time_zone:
        parsed = timestamps.ParsedInstants(
            cells.dt.convert_time_zone("UTC").cast(INSTANT),
            pl.Series([None], dtype=pl.String).new_from_index(0, cells.len()),
        )
    else:
        parsed = timestamps.localise_clock_times(
            cells.cast(pl.Datetime("us")), options.timezone, options.fold
        )
    values, expected = timestamps.check_years(parsed)
    return CastColumn(
        values, format_as_text(cells), expected if expected.null_count() < expected.len() else None
    )


def _parse_instants(text: pl.Series, options: CellOptions) -> tuple[pl.Series, pl.Series]:
    return timestamps.parse_instants(text, options.timezone, options.fold, options.excel)


def _parse_numbers(text: pl.Series, options: CellOptions) -> pl.Series:
    if options.decimal_comma:
        text = text.str.replace(r"^([+-]?[0-9]*),([0-9]+)$", "${1}.${2}")
    numbers = text.str.strip_prefix("+").cast(pl.Float64, strict=False)
    return numbers.set(~(text.str.contains(_NUMBER_PATTERN) & numbers.is_finite()).fill_null(False), None)


def _parse_seconds(text: pl.Series, options: CellOptions) -> tuple[pl.Series, pl.Series]:
    numbers = _parse_numbers(text, options)
    fits = text.is_null() | (numbers >= 0).fill_null(False)
    return numbers.set(~fits, None), _expect_unless(fits, _EXPECTED_SECONDS)


def _parse_offsets(text: pl.Series, options: CellOptions) -> tuple[pl.Series, pl.Series]:
    numbers = _parse_numbers(text, options)
    fits = text.is_null() | (numbers.abs() <= 86_400).fill_null(False)
    return numbers.set(~fits, None), _expect_unless(fits, _EXPECTED_OFFSET)


def _parse_counts(text: pl.Series, options: CellOptions) -> tuple[pl.Series, pl.Series]:
    numbers = _parse_numbers(text, options)
    whole = (numbers >= 0) & (numbers == numbers.floor()) & (numbers <= _MAX_EXACT_INTEGER)
    fits = text.is_null() | whole.fill_null(False)
    return numbers.set(~fits, None).cast(pl.Int64), _expect_unless(fits, _EXPECTED_COUNT)


def _parse_booleans(text: pl.Series, _: CellOptions) -> tuple[pl.Series, pl.Series]:
    words = text.str.to_lowercase()
    true, false = words.is_in(_TRUE_WORDS), words.is_in(_FALSE_WORDS)
    fits = text.is_null() | true | false
    return true.set(~(true | false).fill_null(False), None), _expect_unless(
        fits.fill_null(False), _EXPECTED_BOOLEAN
    )


def _parse_days(text: pl.Series, _: CellOptions) -> tuple[pl.Series, pl.Series]:
    shape = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?$"
    days = text.str.extract(shape, 1).str.to_date("%Y-%m-%d", strict=False)
    days = days.set(~days.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(False), None)
    return days, _expect_unless(text.is_null() | days.is_not_null(), _EXPECTED_DAY)


def _explain_year_range(year: pl.Series, text: pl.Series) -> pl.Series | None:
    fits = text.is_null() | year.is_between(FIRST_YEAR, LAST_YEAR).fill_null(False)
    return None if fits.all() else _expect_unless(fits, _EXPECTED_DAY)


def _expect_unless(fits: pl.Series, expected: str) -> pl.Series:
    return (
        pl.Series([None], dtype=pl.String)
        .new_from_index(0, fits.len())
        .zip_with(fits, pl.Series([expected]).new_from_index(0, fits.len()))
    )


_TEXT_PARSERS = {
    pl.Datetime: _parse_instants,
    pl.Float64: _parse_seconds,
    pl.Int64: _parse_counts,
    pl.Int32: _parse_counts,
    pl.Boolean: _parse_booleans,
    pl.Date: _parse_days,
}
