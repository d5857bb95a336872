"""Write a report in the form its file's ending asks for."""

from __future__ import annotations

from pathlib import Path

from wfm.core.atomic_files import replace_file
from wfm.errors import UsageError
from wfm.report.flat import to_csv
from wfm.report.page.document import to_html
from wfm.report.report import Report
from wfm.report.workbook import to_xlsx

ENDINGS = (".html", ".xlsx", ".csv")


def write(report: Report, path: str | Path) -> tuple[Path, ...]:
    """Write html, xlsx or csv by the ending of ``path``; return the files written.

    Raises:
        UsageError: another ending.
        OutputError: it cannot be written; what was there is still there.
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
        raise UsageError(f"{path.name}: a report ends in {', '.join(ENDINGS)}.")
    return (path,)


def write_html(report: Report, path: str | Path) -> None:
    """Write the page; OutputError if it cannot be, and then what was there is still there."""
    page = to_html(report).encode()
    replace_file(Path(path), lambda file: file.write(page))
