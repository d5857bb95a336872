"""Parse the parameters of call log requests: pages, windows and filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

FILTER_PARAMETERS = (
    "basicCallType",
    "callCategory",
    "dialedNumber",
    "calledNumber",
    "callingPresentationNumber",
    "serviceInvocationDisposition",
    "subscriberType",
)


class XsiRefusedError(Exception):
    """Raised to reply with an ErrorInfo."""

    def __init__(self, status: int, summary: str) -> None:
        super().__init__(summary)
        self.status, self.summary = status, summary


def parse_page(query: QueryParams, default: int, most: int) -> tuple[int, int]:
    """Return the first row, from 1, and how many; more than ``most`` is silently reduced to it.

    Raises:
        RefusedError: not a number, or less than 1.
    """
    try:
        start, asked = int(query.get("start", 1)), int(query.get("results", default))
    except ValueError:
        raise XsiRefusedError(400, "start and results are numbers") from None
    if start < 1 or asked < 1:
        raise XsiRefusedError(400, "start and results begin at 1")
    return start, min(asked, most)


def parse_window(query: QueryParams, now: float, zone: ZoneInfo) -> tuple[float, float]:
    """Return the first and last start (ms) of a request; by default from the start of the previous month.

    Raises:
        RefusedError: no date and time.
    """
    here = datetime.fromtimestamp(now, UTC).astimezone(zone)
    month = (here.replace(day=1) - timedelta(days=1)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    edges = []
    for name, default in (("startTime", month), ("endTime", here)):
        text = query.get(name)
        try:
            edge = datetime.fromisoformat(text) if text else default
        except ValueError:
            raise XsiRefusedError(400, f"{name} is no date and time") from None
        edges.append((edge if edge.tzinfo else edge.replace(tzinfo=zone)).timestamp() * 1000)
    return edges[0], edges[1]


def parse_filters(query: QueryParams) -> dict[str, str]:
    """Return the filters among the parameters; others are ignored."""
    return {name: query[name] for name in FILTER_PARAMETERS if name in query}


def matches_filters(entry: dict[str, str], asked: dict[str, str]) -> bool:
    """Return whether an entry matches the filters."""
    for name, wanted in asked.items():
        if wanted in ("ANY", "NONE") and name == "serviceInvocationDisposition":
            if (name in entry) != (wanted == "ANY"):
                return False
        elif entry.get(name) != wanted:
            return False
    return True
