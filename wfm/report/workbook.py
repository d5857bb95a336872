"""The report as a workbook with typed cells: for analysts and for what the page had no room for."""

from __future__ import annotations

import io
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from wfm.core.atomic_files import replace_file
from wfm.errors import OutputError
from wfm.report.report import Report
from wfm.report.sheets import Sheet, sheets

if TYPE_CHECKING:
    from xlsxwriter.format import Format  # type: ignore[import-untyped]
    from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

ROWS: Final = 1_048_575
"""Rows below the header that a sheet can hold."""
FORMATS: Final = {
    "percent": "0.0%",
    "seconds": "#,##0",
    "number": "#,##0",
    "decimal": "#,##0.0",
    "date": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "text": "@",
}

OPTIONS: Final = {
    "constant_memory": True,
    "in_memory": True,  # xlsxwriter leaves its own files lying about when the disk is full
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": True,
}
"""Text stays text: an agent called =1+1 is no formula."""


def to_xlsx(report: Report, path: str | Path) -> None:
    """Write all of `sheets` to one file; OutputError if it cannot be, and then what was there still is."""
    replace_file(Path(path), lambda file: _write(report, Path(path), file))


def _write(report: Report, path: Path, file: BinaryIO) -> None:
    # Slow to import, and most commands write no workbook.
    import xlsxwriter  # type: ignore[import-untyped]
    from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]

    made = io.BytesIO()
    try:
        with xlsxwriter.Workbook(made, OPTIONS) as book:
            book.set_properties({"title": report.title, "created": report.made_at.astimezone(UTC)})
            bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
            kinds = {name: book.add_format({"num_format": code}) for name, code in FORMATS.items()}
            for sheet in sheets(report):
                _fill(book.add_worksheet(sheet.name), sheet, bold, kinds)
    except XlsxWriterException as error:
        raise OutputError(f"Cannot write {path}: {error}.") from error
    file.write(made.getbuffer())


def _fill(page: Worksheet, sheet: Sheet, bold: Format, kinds: dict[str, Format]) -> None:
    cut = sheet.rows.height > ROWS
    rows = sheet.rows.head(ROWS - 1) if cut else sheet.rows
    for i, (head, kind) in enumerate(sheet.columns):
        wide = {"text": 24, "instant": 20}.get(kind, 13)
        page.set_column(i, i, 60 if head in ("Meaning", "Value") else wide, kinds[kind])
    page.freeze_panes(1, 1)
    page.autofilter(0, 0, max(rows.height, 1), len(sheet.columns) - 1)
    for i, (head, _) in enumerate(sheet.columns):
        page.write_string(0, i, head, bold)
    for at, row in enumerate(rows.iter_rows(), start=1):
        for i, value in enumerate(row):
            if value is not None:
                _cell(page, at, i, value, kinds[sheet.columns[i][1]])
    if cut:
        page.write_string(
            ROWS, 0, f"{sheet.rows.height - rows.height:,} more rows do not fit a sheet; write csv for all."
        )


def _cell(page: Worksheet, row: int, column: int, value: Any, kind: Format) -> None:
    if isinstance(value, str):
        page.write_string(row, column, value[:32_767], kind)
    elif isinstance(value, int | float):
        page.write_number(row, column, value, kind)
    else:
        page.write_datetime(row, column, value, kind)
