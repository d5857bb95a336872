"""Retries: whether a request is sent again, and after which backoff."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from wfm.core.errors import CollectError, ThrottledError

MAX_RETRY_AFTER_S: Final = 900.0
"""The longest Retry-After that is obeyed: a vendor's mistake must not stop collection."""


class TruncatedBodyError(CollectError):
    """A body that ended early or cannot be decompressed; after all attempts it becomes a `BadReplyError`."""

    transient = True


@dataclass(frozen=True)
class RetryPolicy:
    """The rules by which one request is retried.

    attempts: including the first. first_wait_s: doubles with every attempt, up to longest_wait_s; jitter shortens each
    wait by up to a half. total_s: no attempt starts later than this, not counting waits for the rate limit.
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    total_s: float = 120.0

    def compute_wait_s(self, error: CollectError, attempt: int, spent_s: float) -> float | None:
        """Compute the wait before the next attempt, in seconds; None: give up."""
        if not error.transient or attempt >= self.attempts:
            return None
        wait = min(self.longest_wait_s, self.first_wait_s * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
        if isinstance(error, ThrottledError) and error.retry_after_s is not None:
            # with jitter: requests that got the same answer must not all be sent again at the same instant
            wait = max(wait, error.retry_after_s + random.uniform(0.0, self.first_wait_s))
        return wait if spent_s + wait <= self.total_s else None


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Parse Retry-After, which is seconds or a date; None: missing or unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:  # "-0000": a date in UTC that says nothing about local time
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - (now or datetime.now(UTC))).total_seconds()), MAX_RETRY_AFTER_S)
