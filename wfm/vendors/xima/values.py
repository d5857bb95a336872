"""Parsing values that only Xima has: cells as sent, agents' labels, and the local times in reports."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from wfm.vendors.values import encode_json, read_text
from wfm.vendors.xima.templates import ColumnMapping

_AGENT: Final = re.compile(r"(.*)\(([^()]*)\)", re.DOTALL)


def read_cell(value: Any) -> str | None:
    """Return a cell as it was sent, for `report_row`: 14.0 stays 14.0, as a mean need not be a count."""
    return read_text(value) if value is None or isinstance(value, str) else encode_json(value, spaced=True)


def read_agent(label: Any) -> tuple[str, str] | None:
    """Split ``Name(ext)`` into the agent's id and name; names may contain parentheses."""
    text = read_text(label)
    parts = _AGENT.fullmatch(text or "")
    if text is None or parts is None or not parts[2].strip():
        return (text, text) if text else None
    return parts[2].strip(), parts[1].strip() or text


class LabelReader:
    """A reader of the local times of one report, row after row.

    When clocks go back, a local time comes twice; the order of rows decides: a time that would be before that of the
    previous row is the second.
    """

    def __init__(self, mapping: ColumnMapping, zone: ZoneInfo, start: datetime) -> None:
        self._mapping, self._zone = mapping, zone
        self._day = start.astimezone(zone).date()
        self._last: dict[str, datetime] = {}

    def read_label(self, key: str, label: Any) -> datetime | None:
        """Read the label of a row, whose queue or agent is ``key``; None: there is no such local time."""
        text = read_text(label) or ""
        if self._mapping.separator:
            text = text.split(self._mapping.separator)[0].strip()
        try:
            at = self._localise(key, datetime.strptime(text, self._mapping.label))  # noqa: DTZ007
        except (ValueError, OverflowError):
            return None
        if at is not None:
            self._last[key] = at
        return at

    def _localise(self, key: str, local: datetime) -> datetime | None:
        if local.tzinfo:
            return local.astimezone(UTC)
        if not self._mapping.has_dates:
            local = datetime.combine(self._day, local.time())
        first, second = (local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self._zone).replace(tzinfo=None) != local:
            return None  # clocks skip it
        last = self._last.get(key)
        return second if first < second and last is not None and last > first else first
