"""Parsing Xima's reports: their cells, and whether their columns still are as the mapping expects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import Payload
from wfm.vendors.values import Row, add_notes, build_table, decode_json, read_instant, read_number, read_text
from wfm.vendors.xima.templates import LAST_INSTANT, ColumnMapping
from wfm.vendors.xima.values import read_cell

SUMMARY_ROW: Final = -1
"""The row of a report's summary items."""
OTHER_TIMEFRAME: Final = "it is about"
"""The beginning of the warning that a report is about other times than were requested."""
CELL_COLUMNS: Final = (
    "report_id",
    "execution_id",
    "from_at",
    "to_at",
    "row_no",
    "column_key",
    "column_title",
    "column_format",
    "value",
    "number",
    "unit",
)
_CLOCK: Final = re.compile(r"[0-9]+:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True)
class ReportColumn:
    """A column as the report has it."""

    key: str
    title: str
    format: str


@dataclass(frozen=True)
class ReportResult:
    """A report as received; rows: dicts from a column's key to its value; [start, end): the requested window."""

    report_id: str
    execution_id: str | None
    start: datetime
    end: datetime
    columns: tuple[ReportColumn, ...]
    rows: tuple[Row, ...]
    summary: tuple[Row, ...]
    warnings: tuple[str, ...]

    def list_values(self, title: str) -> list[Any]:
        """Return the values of a column by its title; None where a cell or the column is missing."""
        keys = [one.key for one in self.columns if one.title == title]
        return [row.get(keys[0]) if title and keys else None for row in self.rows]


def read_report(payload: Payload) -> ReportResult:
    """Read a reply; cells are joined to columns by key, because their order has no meaning.

    Raises:
        BadReplyError: it is not a report.
    """
    document = decode_json(payload.body)
    if not isinstance(document, dict) or not (
        isinstance(document.get("columns"), list) and isinstance(document.get("rows"), list)
    ):
        raise BadReplyError("the reply is not a report: no columns and rows")
    warnings: list[str] = []
    start, end = _read_timeframe(payload, document.get("timeframe"), warnings)
    columns = [one for one in map(_read_column, document["columns"]) if one]
    rows = [_read_row(row) for row in document["rows"]]
    if len(columns) < len(document["columns"]) or len({one.key for one in columns}) < len(columns):
        warnings.append("columns without a key and title of their own")
    if None in rows:
        warnings.append(f"{rows.count(None):,} rows without values")
    if document.get("dataFlag") not in (None, "INCLUDED"):
        warnings.append(f"dataFlag is {read_text(document['dataFlag'])!r:.40}")
    summary = document.get("summaryItems")
    return ReportResult(
        payload.context.get("key") or read_text(document.get("reportId")) or "report",
        read_text(document.get("executionId")),
        start,
        end,
        tuple({one.key: one for one in columns}.values()),
        tuple(row or {} for row in rows),
        tuple(item for item in summary if isinstance(item, dict)) if isinstance(summary, list) else (),
        tuple(warnings),
    )


def _read_timeframe(payload: Payload, echo: Any, warnings: list[str]) -> tuple[datetime, datetime]:
    """Return the requested window; warn if that in the reply differs by a second or more."""
    reported = [
        read_instant(echo.get(name), "ms") if isinstance(echo, dict) else None for name in ("start", "end")
    ]
    asked = [read_instant(payload.context.get(name), "ms") for name in ("from", "to")]
    if asked[0] is None or asked[1] is None:
        if reported[0] is None or reported[1] is None:
            raise BadReplyError("the report does not say which timeframe it is about")
        return reported[0], reported[1].replace(microsecond=0) + timedelta(seconds=1)
    for at, wanted in zip(reported, (asked[0], asked[1] - LAST_INSTANT), strict=True):
        if at is not None and abs(at - wanted) >= timedelta(seconds=1):
            warnings.append(f"{OTHER_TIMEFRAME} {at.isoformat()} instead of {wanted.isoformat()}")
    return asked[0], asked[1]


def _read_column(column: Any) -> ReportColumn | None:
    if not isinstance(column, dict):
        return None
    key, title = (read_text(column.get(name)) for name in ("key", "title"))
    return ReportColumn(key, title, read_text(column.get("format")) or "") if key and title else None


def _read_row(row: Any) -> Row | None:
    values = row.get("values") if isinstance(row, dict) else None
    if not isinstance(values, dict):
        return None
    return {
        key: cell.get("value") if isinstance(cell, dict) else cell
        for key, cell in values.items()
        if cell is not None
    }


def check_report(report: ReportResult, mapping: ColumnMapping) -> list[str]:
    """Return how a report differs from what its mapping expects; a report that differs is not mapped."""
    titles = [one.title for one in report.columns]
    formats = {one.title: one.format for one in report.columns}
    changes = [warning for warning in report.warnings if warning.startswith(OTHER_TIMEFRAME)]
    for title, wanted in mapping.expected_formats.items():
        if title not in formats:
            changes.append(f"no column {title!r} among {', '.join(titles)[:200]}")
        elif titles.count(title) > 1:
            changes.append(f"several columns {title!r}")
        elif formats[title] != wanted:
            changes.append(f"column {title!r} is {formats[title]} instead of {wanted}")
    return changes


def build_mapped_table(
    table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]], wrong: list[str], n: int
) -> pl.DataFrame:
    """Build a table from the parsed rows of a report, with a note on why others could not be parsed.

    Args:
        table: the table's name.
        names: the columns of ``rows``.
        rows: the parsed rows.
        wrong: why each of the others could not be parsed.
        n: rows of the report.

    Raises:
        BadReplyError: none of its rows could be parsed.
    """
    notes = [f"{len(wrong):,} of {n:,} rows left out: {wrong[0]}"] if wrong else []
    if wrong and not rows and len(wrong) < n:
        notes = []  # some were parsed, and belong to another window: the report is readable
    return add_notes(build_table(table, names, rows), notes)


# --- report_row -----------------------------------------------------------------------------------------
def parse_report_row(report: ReportResult, mapping: ColumnMapping | None) -> pl.DataFrame:
    """Parse every cell and summary item; durations are milliseconds, and seconds in ``number``."""
    about = (report.report_id, report.execution_id, report.start, report.end)
    rows = [
        (
            *about,
            at,
            one.key,
            one.title,
            one.format,
            read_cell(row[one.key]),
            *_read_typed(row[one.key], one.format),
        )
        for at, row in enumerate(report.rows)
        for one in report.columns
        if one.key in row
    ]
    durations = {one.title for one in report.columns if one.format == "DURATION"}
    rows += [(*about, *_parse_summary(at, item, durations)) for at, item in enumerate(report.summary)]
    changes = check_report(report, mapping) if mapping else []
    notes = [
        *(one for one in report.warnings if one not in changes),
        *(f"not mapped: {one}" for one in changes),
    ]
    table = build_table("report_row", CELL_COLUMNS, rows)
    return add_notes(table, [f"report {report.report_id}: {one}" for one in notes])


def _read_typed(value: Any, kind: str) -> tuple[float | None, str | None]:
    """Return the number in a cell, and its unit."""
    number = None if kind == "STRING" else read_number(value)
    if kind == "DURATION":
        return (None if number is None else number / 1000), "s"
    return number, None


def _parse_summary(at: int, item: Row, durations: set[str]) -> tuple[Any, ...]:
    """Parse a summary item; the vendor calls sums of durations numbers, so the title or a clock format decides."""
    title, kind = read_text(item.get("title")), read_text(item.get("format"))
    clock = _CLOCK.fullmatch(read_text(item.get("formattedValue")) or "")
    real_kind = "DURATION" if clock or title in durations else kind or ""
    value = item.get("value")
    return (SUMMARY_ROW, f"summary-{at}", title, kind, read_cell(value), *_read_typed(value, real_kind))
