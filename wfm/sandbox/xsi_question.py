"""What is asked of the call logs: pages, windows and filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

FILTERS = (
    "basicCallType",
    "callCategory",
    "dialedNumber",
    "calledNumber",
    "callingPresentationNumber",
    "serviceInvocationDisposition",
    "subscriberType",
)


class RefusedError(Exception):
    """Answer with an ErrorInfo."""

    def __init__(self, status: int, summary: str) -> None:
        super().__init__(summary)
        self.status, self.summary = status, summary


def page(query: QueryParams, default: int, most: int) -> tuple[int, int]:
    """Return the first row, from 1, and how many; more than ``most`` is cut without a word.

    Raises:
        RefusedError: not a number, or less than 1.
    """
    try:
        start, asked = int(query.get("start", 1)), int(query.get("results", default))
    except ValueError:
        raise RefusedError(400, "start and results are numbers") from None
    if start < 1 or asked < 1:
        raise RefusedError(400, "start and results begin at 1")
    return start, min(asked, most)


def window(query: QueryParams, now: float, zone: ZoneInfo) -> tuple[float, float]:
    """Return the first and last start (ms) that are asked for; by default since the month before began.

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
            raise RefusedError(400, f"{name} is no date and time") from None
        edges.append((edge if edge.tzinfo else edge.replace(tzinfo=zone)).timestamp() * 1000)
    return edges[0], edges[1]


def filters(query: QueryParams) -> dict[str, str]:
    """Return the filters among the parameters; unknown ones are nobody's business."""
    return {name: query[name] for name in FILTERS if name in query}


def passes(entry: dict[str, str], asked: dict[str, str]) -> bool:
    """Say whether an entry is what the filters ask for."""
    for name, wanted in asked.items():
        if wanted in ("ANY", "NONE") and name == "serviceInvocationDisposition":
            if (name in entry) != (wanted == "ANY"):
                return False
        elif entry.get(name) != wanted:
            return False
    return True
