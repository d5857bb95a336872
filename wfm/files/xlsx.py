"""Reading xlsx: choosing the sheet, finding the header, filling merged cells."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import fastexcel
import polars as pl

from wfm.core.errors import InputError
from wfm.files.raw import RawTable, format_count
from wfm.files.xlsx_package import SheetFacts, XlsxPackage, open_package, scan_sheet

MAX_HEADER_ROWS = 20
"""The header is searched for in this many rows."""

logging.getLogger("calamine").addHandler(logging.NullHandler())  # its warnings about charts are not for users


@dataclass(frozen=True)
class _SheetHeader:
    sheet: str
    frame: pl.DataFrame
    row: int  # its position in frame
    matched: int  # how many of the table's columns it has
    is_complete: bool


def read_xlsx(
    data: bytes,
    path: str,
    sheet: str | None,
    fits: Callable[[list[str]], int],
    is_complete: Callable[[list[str]], bool],
) -> RawTable:
    """Read one sheet as text cells.

    Args:
        data: the content of the file.
        path: the file, for messages.
        sheet: its name; None: the first sheet with a complete header.
        fits: counts how many columns of the table a header has.
        is_complete: whether a header has all required columns.

    Raises:
        InputError: the file is not a workbook, damaged or empty, or has no such sheet.
    """
    package = open_package(data, path)
    try:
        book = fastexcel.read_excel(data)
        names = book.sheet_names
    except fastexcel.FastExcelError as error:
        raise InputError(f"{path} is not an xlsx workbook, or is damaged. Save it again as .xlsx.") from error
    if sheet is not None and sheet not in names:
        raise InputError(f"{path} has no sheet {sheet!r}. It has: {', '.join(map(repr, names))}.")
    best: _SheetHeader | None = None
    for name in [sheet] if sheet is not None else names:
        header = _find_header(book, name, fits, is_complete)
        if header and (
            best is None or (header.is_complete, header.matched) > (best.is_complete, best.matched)
        ):
            best = header
        if best and best.is_complete:
            break
    if best is None:
        raise InputError(f"{path} is empty: no sheet has a header. Its first row must name the columns.")
    return _build_raw_table(best, package, len(names) > 1)


def _find_header(
    book: fastexcel.ExcelReader,
    name: str,
    fits: Callable[[list[str]], int],
    is_complete: Callable[[list[str]], bool],
) -> _SheetHeader | None:
    """Find the header in a sheet's first rows: the first complete one, else the one with most columns."""
    try:
        # skip_rows=0 makes rows count from the top of the sheet, not from the first that is filled
        frame = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
    except fastexcel.FastExcelError:
        return None  # a chart, or damaged; another sheet may have the rows
    rows = [[cell or "" for cell in row] for row in frame.head(MAX_HEADER_ROWS).iter_rows()]
    filled = [i for i, row in enumerate(rows) if any(cell.strip() for cell in row)]
    if not filled:
        return None
    best = max(filled, key=lambda i: (is_complete(rows[i]), fits(rows[i]), -i))
    return _SheetHeader(name, frame, best, fits(rows[best]), is_complete(rows[best]))


def _build_raw_table(header: _SheetHeader, package: XlsxPackage, several: bool) -> RawTable:
    names = tuple((cell or "").strip() for cell in header.frame.row(header.row))
    cells = header.frame.slice(header.row + 1)
    cells = cells.rename(dict(zip(cells.columns, map(str, range(cells.width)), strict=True)))
    first = header.row + 2
    row_no = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64)
    sheet_facts = scan_sheet(package, header.sheet, header.row + 1)
    note = [f"sheet {header.sheet!r} read"] if several else []
    if any(cell is not None for row in header.frame.head(header.row).iter_rows() for cell in row):
        note.append(f"header found in row {header.row + 1}")
    shift = next(i for i, name in enumerate(names) if name) - sheet_facts.first_column
    cells, errors = _restore_error_text(cells, sheet_facts, first, shift)
    cells, filled = _fill_merged_down(cells, sheet_facts, first, shift)
    if filled:
        note.append(f"{format_count(filled, 'empty cell')} filled from the merged cell they belong to")
    return RawTable(names, cells, row_no, tuple(note), date_system=package.date_system, error_rows=errors)


def _restore_error_text(
    cells: pl.DataFrame, sheet_facts: SheetFacts, first: int, shift: int
) -> tuple[pl.DataFrame, dict[str, list[int]]]:
    """Restore the text of error cells, which the reader leaves empty; also return their rows by column."""
    rows: dict[str, list[int]] = {}
    texts: dict[str, list[str]] = {}
    for (row, column), text in sheet_facts.errors.items():
        name = str(column + shift)
        if sheet_facts.first_column and name in cells.columns and first <= row < first + cells.height:
            rows.setdefault(name, []).append(row)
            texts.setdefault(name, []).append(text)
    for name in rows:
        positions = [row - first for row in rows[name]]
        cells = cells.with_columns(cells[name].scatter(positions, texts[name]))
    return cells, rows


def _fill_merged_down(
    cells: pl.DataFrame, sheet_facts: SheetFacts, first: int, shift: int
) -> tuple[pl.DataFrame, int]:
    """Repeat the value of a merged cell in the rows it covers; rows that are empty otherwise stay empty."""
    if not sheet_facts.merged_down or not sheet_facts.first_column:
        return cells, 0
    has_values = cells.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    total = 0
    for column in {c for c, _, _ in sheet_facts.merged_down}:
        name = str(column + shift)
        if name not in cells.columns:
            continue
        top_row: list[int | None] = [None] * cells.height
        for _, begin, end in sorted(m for m in sheet_facts.merged_down if m[0] == column):
            if begin >= first and begin < first + cells.height:
                stop = min(end, first + cells.height - 1) - first + 1
                top_row[begin - first : stop] = [begin - first] * (stop - begin + first)
        merged = cells[name].gather(pl.Series(top_row, dtype=pl.Int64))
        is_filled = has_values & cells[name].is_null() & merged.is_not_null()
        total += int(is_filled.sum())
        cells = cells.with_columns(merged.zip_with(is_filled, cells[name]).alias(name))
    return cells, total
