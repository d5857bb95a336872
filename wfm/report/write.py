"""Write a report to a file, as web page, workbook or csv by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wfm.core.atomic_files import replace_file
from wfm.core.errors import UsageError
from wfm.report.export.csv import to_csv
from wfm.report.export.xlsx import to_xlsx
from wfm.report.html.document import to_html
from wfm.report.model import Report

REPORT_ENDINGS: Final = (".html", ".xlsx", ".csv")


def write_report(report: Report, path: str | Path) -> tuple[Path, ...]:
    """Write html, xlsx or csv by the ending of ``path``, and return the files written.

    Raises:
        UsageError: another ending.
        OutputError: it cannot be written; an earlier file is unchanged.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        return to_csv(report, path)
    if ending == ".xlsx":
        to_xlsx(report, path)
    elif ending in (".html", ".htm"):
        write_html(report, path)
    else:
        raise UsageError(f"{path.name}: a report ends in {', '.join(REPORT_ENDINGS)}.")
    return (path,)


def write_html(report: Report, path: str | Path) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written; an earlier file is unchanged.
    """
    page = to_html(report).encode()
    replace_file(Path(path), lambda file: file.write(page))
