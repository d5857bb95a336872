"""The log on stderr: one JSON object or text per line, without secrets and complete telephone numbers."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from wfm.http import redact_secrets
from wfm.service import LogFormat

VISIBLE_DIGITS: Final = 3
"""How many digits of a number, its last, are shown: enough to find a call, too few to dial it."""
_PHONE_NUMBER: Final = re.compile(
    r"(?:(?<=%2B)|(?<=%2b)|(?<![\w.])(?<!\d:))\+?\(?\d(?:[ ()./-]{0,2}\d){6,18}(?!\w|:\d)"
)
_DECIMAL_FRACTION: Final = re.compile(r"0\.\d+")
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}


def mask_phone_numbers(text: str) -> str:
    """Mask telephone numbers except their last digits; dates and IP addresses are left alone."""
    return _PHONE_NUMBER.sub(_mask_match, text)


def _mask_match(match: re.Match[str]) -> str:
    text = match.group()
    if _ISO_DATE.match(text) or _DECIMAL_FRACTION.fullmatch(text) or _is_ip_address(text):
        return text
    last = [at for at, char in enumerate(text) if char.isdigit()][-VISIBLE_DIGITS]
    return re.sub(r"\d", "*", text[:last]) + text[last:]


def _is_ip_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


class LogLineFormatter(logging.Formatter):
    """A formatter of log records.

    Args:
        log_format: JSON objects (at level logger message, the record's extra fields, exception) or text.
        secrets: redacted everywhere.
        numbers: whether complete telephone numbers are shown.
    """

    def __init__(
        self, log_format: LogFormat, secrets: Collection[str] = (), *, numbers: bool = False
    ) -> None:
        super().__init__()
        self._log_format, self._secrets, self._numbers = log_format, frozenset(secrets), numbers

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = self._redact_text(record.getMessage())
        trace = self._redact_text(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._log_format is LogFormat.text:
            line = f"{at} {record.levelname:<7} {record.name}: {message}"
            return f"{line} | {trace}".replace("\n", " | ") if trace else line.replace("\n", " | ")
        fields: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **{
                name: self._redact_value(value)
                for name, value in vars(record).items()
                if name not in _STANDARD_FIELDS
            },
        }
        if trace:
            fields["exception"] = trace
        return json.dumps(fields, ensure_ascii=False)

    def _redact_text(self, text: str) -> str:
        text = redact_secrets(text, self._secrets)
        return text if self._numbers else mask_phone_numbers(text)

    def _redact_value(self, value: object) -> object:
        return value if isinstance(value, bool | int | float | None) else self._redact_text(str(value))


def configure_logging(log_format: LogFormat, secrets: Collection[str], *, numbers: bool = False) -> None:
    """Configure the log of this process, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLineFormatter(log_format, secrets, numbers=numbers))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for logger_name in ("uvicorn", "apscheduler"):  # uvicorn logs every start and end, apscheduler every run
        logging.getLogger(logger_name).setLevel(logging.ERROR)
