"""Writing a frame as an Excel workbook: typed cells, a bold and frozen header, no formulas."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import polars as pl
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from wfm.core.errors import OutputError

MAX_ROWS = 1_048_575
MAX_COLUMNS = 16_384
MAX_CELL_CHARACTERS = 32_767
# Excel stores 15 digits; a longer number is written as text, so that no digit is lost
_MAX_EXACT_NUMBER = 10**15
_MS_PER_DAY = 86_400_000
_EXCEL_EPOCH_DAYS = 25_569
_MAX_COLUMN_WIDTH = 60


def build_workbook(frame: pl.DataFrame) -> bytes:
    """Build an xlsx file of a frame.

    Raises:
        OutputError: the frame is larger than Excel allows.
    """
    if frame.height > MAX_ROWS or frame.width > MAX_COLUMNS:
        raise OutputError(
            f"{frame.height:,} rows and {frame.width:,} columns are more than an Excel sheet holds "
            f"({MAX_ROWS:,} and {MAX_COLUMNS:,}). Write csv or parquet, or a shorter window."
        )
    buffer = io.BytesIO()
    # text stays text: a name that begins with = must not become a formula
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(buffer, options) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for i, series in enumerate(frame):
            zoned = isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None
            title = f"{series.name} (UTC)" if zoned else series.name
            sheet.write_string(0, i, title, bold)
            width = _write_column(sheet, i, series, book.add_format)
            sheet.set_column(i, i, min(_MAX_COLUMN_WIDTH, max(width, len(title)) + 2))
    return buffer.getvalue()


def _write_column(
    sheet: Worksheet, i: int, series: pl.Series, add_format: Callable[[dict[str, Any]], Format]
) -> int:
    """Write one column and return its width in characters."""
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC") if dtype.time_zone else series
        days = utc.dt.epoch("ms") / _MS_PER_DAY + _EXCEL_EPOCH_DAYS
        cell_format = add_format(
            {"num_format": "yyyy-mm-dd hh:mm:ss.000" if _has_fraction(utc) else "yyyy-mm-dd hh:mm:ss"}
        )
        _write_cells(sheet.write_number, i, days, cell_format)
        return 23
    if dtype == pl.Date:
        _write_cells(
            sheet.write_number,
            i,
            series.cast(pl.Int64) + _EXCEL_EPOCH_DAYS,
            add_format({"num_format": "yyyy-mm-dd"}),
        )
        return 10
    if dtype == pl.Boolean:
        _write_cells(sheet.write_boolean, i, series)
        return 5
    if dtype.is_numeric() and _fits_excel(series):
        _write_cells(sheet.write_number, i, series.set(series.is_nan(), None) if dtype.is_float() else series)
        return int(series.cast(pl.String).str.len_chars().max() or 0)  # type: ignore[arg-type]
    return _write_text_column(sheet, i, series.cast(pl.String))


def _write_text_column(sheet: Worksheet, i: int, text: pl.Series) -> int:
    length = int(text.str.len_chars().max() or 0)  # type: ignore[arg-type]
    if length > MAX_CELL_CHARACTERS:
        raise OutputError(
            f"column {text.name} has a text of {length:,} characters; an Excel cell holds "
            f"{MAX_CELL_CHARACTERS:,}. Write csv or parquet."
        )
    _write_cells(sheet.write_string, i, text)
    return length


def _write_cells(
    write: Callable[..., int], i: int, series: pl.Series, cell_format: Format | None = None
) -> None:
    for row, value in enumerate(series.to_list(), 1):
        if value is not None:
            write(row, i, value, cell_format)


def _fits_excel(series: pl.Series) -> bool:
    """Return whether Excel can store these numbers as numbers."""
    if series.dtype.is_float():
        return not series.is_infinite().any()
    largest = series.cast(pl.Float64).abs().max()
    return largest is None or float(largest) < _MAX_EXACT_NUMBER  # type: ignore[arg-type]


def _has_fraction(instants: pl.Series) -> bool:
    return bool((instants.dt.millisecond() != 0).any())
