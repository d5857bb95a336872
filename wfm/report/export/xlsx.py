"""The report as a workbook with typed cells: for analysts, and for what the page has no room for."""

from __future__ import annotations

import io
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from wfm.core.atomic_files import replace_file
from wfm.core.errors import OutputError
from wfm.report.export.xlsx_sheets import ReportSheet, build_sheets
from wfm.report.model import Report

if TYPE_CHECKING:
    from xlsxwriter.format import Format  # type: ignore[import-untyped]
    from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

MAX_ROWS: Final = 1_048_575
"""Rows below the header that a sheet can hold."""
MAX_TEXT_LENGTH: Final = 32_767
"""Characters that a cell can hold."""
NUMBER_FORMATS: Final = {
    "percent": "0.0%",
    "seconds": "#,##0",
    "number": "#,##0",
    "decimal": "#,##0.0",
    "date": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "text": "@",
}
COLUMN_WIDTHS: Final = {"text": 24, "instant": 20}
DEFAULT_WIDTH: Final = 13
LONG_TEXT_WIDTH: Final = 60
LONG_TEXT_COLUMNS: Final = ("Meaning", "Value")

WORKBOOK_OPTIONS: Final = {
    "constant_memory": True,
    # xlsxwriter leaves its temporary files behind when the disk is full.
    "in_memory": True,
    # Text stays text: an agent called =1+1 is not a formula.
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": True,
}


def to_xlsx(report: Report, path: str | Path) -> None:
    """Write all of `build_sheets` to one file.

    Raises:
        OutputError: it cannot be written; an earlier file is unchanged.
    """
    replace_file(Path(path), lambda file: _write_workbook(report, Path(path), file))


def _write_workbook(report: Report, path: Path, file: BinaryIO) -> None:
    # Slow to import, and most commands write no workbook.
    import xlsxwriter  # type: ignore[import-untyped]
    from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]

    content = io.BytesIO()
    try:
        with xlsxwriter.Workbook(content, WORKBOOK_OPTIONS) as book:
            book.set_properties({"title": report.title, "created": report.made_at.astimezone(UTC)})
            head_format = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
            formats = {name: book.add_format({"num_format": code}) for name, code in NUMBER_FORMATS.items()}
            for sheet in build_sheets(report):
                _fill_worksheet(book.add_worksheet(sheet.name), sheet, head_format, formats)
    except XlsxWriterException as error:
        raise OutputError(f"Cannot write {path}: {error}.") from error
    file.write(content.getbuffer())


def _fill_worksheet(
    worksheet: Worksheet, sheet: ReportSheet, head_format: Format, formats: dict[str, Format]
) -> None:
    is_cut = sheet.rows.height > MAX_ROWS
    # The last row then says how many are missing.
    rows = sheet.rows.head(MAX_ROWS - 1) if is_cut else sheet.rows
    for i, (head, kind) in enumerate(sheet.columns):
        width = LONG_TEXT_WIDTH if head in LONG_TEXT_COLUMNS else COLUMN_WIDTHS.get(kind, DEFAULT_WIDTH)
        worksheet.set_column(i, i, width, formats[kind])
    worksheet.freeze_panes(1, 1)
    worksheet.autofilter(0, 0, max(rows.height, 1), len(sheet.columns) - 1)
    for i, (head, _) in enumerate(sheet.columns):
        worksheet.write_string(0, i, head, head_format)
    for number, row in enumerate(rows.iter_rows(), start=1):
        for i, value in enumerate(row):
            if value is not None:
                _write_cell(worksheet, number, i, value, formats[sheet.columns[i][1]])
    if is_cut:
        n_missing = sheet.rows.height - rows.height
        worksheet.write_string(MAX_ROWS, 0, f"{n_missing:,} more rows do not fit a sheet; write csv for all.")


def _write_cell(worksheet: Worksheet, row: int, column: int, value: Any, cell_format: Format) -> None:
    if isinstance(value, str):
        worksheet.write_string(row, column, value[:MAX_TEXT_LENGTH], cell_format)
    elif isinstance(value, int | float):
        worksheet.write_number(row, column, value, cell_format)
    else:
        worksheet.write_datetime(row, column, value, cell_format)
