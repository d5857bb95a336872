"""The log on stderr: one JSON object or text per line, without secrets and whole telephone numbers."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from wfm.http import redact
from wfm.service import LogFormat

SHOWN: Final = 3
"""So many last digits of a number are shown: enough to find a call, too few to dial it."""
_NUMBER: Final = re.compile(
    r"(?:(?<=%2B)|(?<=%2b)|(?<![\w.])(?<!\d:))\+?\(?\d(?:[ ()./-]{0,2}\d){6,18}(?!\w|:\d)"
)
_FRACTION: Final = re.compile(r"0\.\d+")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


def masked(text: str) -> str:
    """Mask telephone numbers except their last digits; dates and IP addresses are left alone."""
    return _NUMBER.sub(_stars, text)


def _stars(found: re.Match[str]) -> str:
    text = found.group()
    if _DATE.match(text) or _FRACTION.fullmatch(text) or _is_address(text):
        return text
    last = [at for at, char in enumerate(text) if char.isdigit()][-SHOWN]
    return re.sub(r"\d", "*", text[:last]) + text[last:]


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


class Lines(logging.Formatter):
    """A formatter of log records.

    Args:
        log_format: JSON objects (at level logger message, the record's extra fields, exception) or text.
        secrets: redacted everywhere.
        numbers: whether whole telephone numbers are shown.
    """

    def __init__(
        self, log_format: LogFormat, secrets: Collection[str] = (), *, numbers: bool = False
    ) -> None:
        super().__init__()
        self._log_format, self._secrets, self._numbers = log_format, frozenset(secrets), numbers

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = self._clean(record.getMessage())
        trace = self._clean(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._log_format is LogFormat.text:
            line = f"{at} {record.levelname:<7} {record.name}: {message}"
            return f"{line} | {trace}".replace("\n", " | ") if trace else line.replace("\n", " | ")
        fields: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **{name: self._told(value) for name, value in vars(record).items() if name not in _OWN},
        }
        if trace:
            fields["exception"] = trace
        return json.dumps(fields, ensure_ascii=False)

    def _clean(self, text: str) -> str:
        text = redact(text, self._secrets)
        return text if self._numbers else masked(text)

    def _told(self, value: object) -> object:
        return value if isinstance(value, bool | int | float | None) else self._clean(str(value))


def begin(log_format: LogFormat, secrets: Collection[str], *, numbers: bool = False) -> None:
    """Configure the log of this process, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(log_format, secrets, numbers=numbers))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for logger_name in ("uvicorn", "apscheduler"):  # uvicorn logs every start and end, apscheduler every run
        logging.getLogger(logger_name).setLevel(logging.ERROR)
