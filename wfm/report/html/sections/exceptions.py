"""The longest exceptions of all agents, for a reader to filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from wfm.report.model import Report

MAX_EXCEPTIONS: Final = 50


@dataclass(frozen=True)
class LongestExceptions:
    """What ``sections/exceptions.html`` shows: rows of `Report.exceptions`, and how many more there are."""

    rows: list[dict[str, Any]]
    n_more: int


def build_longest_exceptions(report: Report) -> LongestExceptions:
    """Choose the longest exceptions."""
    order = report.exceptions.sort("seconds", "agent_id", "start_at", descending=[True, False, False])
    rows = order.head(MAX_EXCEPTIONS).to_dicts()
    return LongestExceptions(rows, report.exceptions.height - len(rows))
