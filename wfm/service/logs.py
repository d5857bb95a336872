"""The log: one JSON object, or one text, a line on stderr, without a secret and without a whole telephone number."""

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
"""So many last digits of a number stay: enough to find a call, too few to ring it."""
SHORTEST: Final = 7
_NUMBER: Final = re.compile(
    r"(?:(?<=%2B)|(?<=%2b)|(?<![\w.])(?<!\d:))\+?\(?\d(?:[ ()./-]{0,2}\d){6,18}(?!\w|:\d)"
)
_FRACTION: Final = re.compile(r"0\.\d+")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


def masked(text: str) -> str:
    """Hide telephone numbers but for their last digits; dates and addresses of machines are none."""
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
    """Write records.

    Args:
        shape: JSON objects (at level logger message, what the record has beside, exception) or text.
        secrets: are hidden wherever they are.
        numbers: whether whole telephone numbers are shown.
    """

    def __init__(self, shape: LogFormat, secrets: Collection[str] = (), *, numbers: bool = False) -> None:
        super().__init__()
        self._shape, self._secrets, self._numbers = shape, frozenset(secrets), numbers

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = self._clean(record.getMessage())
        trace = self._clean(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._shape is LogFormat.text:
            line = f"{at} {record.levelname:<7} {record.name}: {message}"
            return f"{line} | {trace}".replace("\n", " | ") if trace else line.replace("\n", " | ")
        said: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **{name: self._told(value) for name, value in vars(record).items() if name not in _OWN},
        }
        if trace:
            said["exception"] = trace
        return json.dumps(said, ensure_ascii=False)

    def _clean(self, text: str) -> str:
        text = redact(text, self._secrets)
        return text if self._numbers else masked(text)

    def _told(self, value: object) -> object:
        return value if isinstance(value, bool | int | float | None) else self._clean(str(value))


def begin(shape: LogFormat, secrets: Collection[str], *, numbers: bool = False) -> None:
    """Send the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(shape, secrets, numbers=numbers))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("uvicorn", "apscheduler"):  # the one tells every start and end, the other every run
        logging.getLogger(chatty).setLevel(logging.ERROR)
