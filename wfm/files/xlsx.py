"""Read xlsx: choose the sheet, find the header, fill down merged cells."""

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
    whole: Callable[[list[str]], bool],
) -> RawTable:
    """Read one sheet as text cells: `sheet`, or else the first with a complete header.

    `fits` counts the table's columns in a row of names, `whole` says whether all required ones are there.

    Raises:
        InputError: no workbook, damaged, empty, or without such a sheet.
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
        header = _find_header(book, name, fits, whole)
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
    whole: Callable[[list[str]], bool],
) -> _SheetHeader | None:
    """Find the header in a sheet's first rows: the first complete one, else the one that fits best."""
    try:
        # skip_rows=0 makes rows count from the top of the sheet, not from the first that is filled
        frame = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
    except fastexcel.FastExcelError:
        return None  # a chart, or damaged: another sheet may do
    tops = [[cell or "" for cell in row] for row in frame.head(MAX_HEADER_ROWS).iter_rows()]
    filled = [i for i, row in enumerate(tops) if any(cell.strip() for cell in row)]
    if not filled:
        return None
    row = max(filled, key=lambda i: (whole(tops[i]), fits(tops[i]), -i))
    return _SheetHeader(name, frame, row, fits(tops[row]), whole(tops[row]))


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
    """Restore the text of error cells, which the reader leaves empty; also return where they are."""
    rows: dict[str, list[int]] = {}
    words: dict[str, list[str]] = {}
    for (row, column), text in sheet_facts.errors.items():
        name = str(column + shift)
        if sheet_facts.first_column and name in cells.columns and first <= row < first + cells.height:
            rows.setdefault(name, []).append(row)
            words.setdefault(name, []).append(text)
    for name in rows:
        at = [row - first for row in rows[name]]
        cells = cells.with_columns(cells[name].scatter(at, words[name]))
    return cells, rows


def _fill_merged_down(
    cells: pl.DataFrame, sheet_facts: SheetFacts, first: int, shift: int
) -> tuple[pl.DataFrame, int]:
    """Repeat the value of a merged cell in the rows that it covers, unless a row is otherwise empty."""
    if not sheet_facts.merged_down or not sheet_facts.first_column:
        return cells, 0
    some = cells.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    total = 0
    for column in {c for c, _, _ in sheet_facts.merged_down}:
        name = str(column + shift)
        if name not in cells.columns:
            continue
        top: list[int | None] = [None] * cells.height
        for _, begin, end in sorted(m for m in sheet_facts.merged_down if m[0] == column):
            if begin >= first and begin < first + cells.height:
                stop = min(end, first + cells.height - 1) - first + 1
                top[begin - first : stop] = [begin - first] * (stop - begin + first)
        source = pl.Series(top, dtype=pl.Int64)
        given = cells[name].gather(source)
        fill = some & cells[name].is_null() & given.is_not_null()
        total += int(fill.sum())
        cells = cells.with_columns(given.zip_with(fill, cells[name]).alias(name))
    return cells, total
