"""Paging through one list of a call log while calls are added and dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wfm.vendors.nextiva_xsi.call_leg import read_start_us
from wfm.vendors.nextiva_xsi.nodes import get_child, get_text

MAX_IDLE_PAGES = 3
"""After this many full pages in a row without a new row the server is taken to return the same page for ever."""
TYPICAL_LOG_LENGTH = 50
"""Where the longest log is not known, a log of a multiple of this length may be cut."""


@dataclass
class LogWalk:
    """Progress through one list.

    size: rows requested per page. overlap: rows requested twice. since_us: start of the window. start: number of the
    first row of the next page. seen: keys of rows → when they started (µs). largest: rows of the longest page. idle:
    full pages in a row without a new key. nameless: rows without a key. short: the last page was shorter than another.
    lapped: the next page should begin with a row that was seen. slipped: it did not, so rows may have been missed.
    """

    size: int
    overlap: int
    since_us: int
    start: int = 1
    seen: dict[str, int | None] = field(default_factory=dict)
    largest: int = 0
    idle: int = 0
    nameless: int = 0
    short: bool = False
    lapped: bool = False
    slipped: bool = False
    ended: bool = False

    def add_page(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Record a page; return whether it has any new row in or after the window."""
        keys = [get_text(get_child(row, "callLogId")) for row in rows]
        page = {key: read_start_us(row) for key, row in zip(keys, rows, strict=True) if key is not None}
        nameless = keys.count(None)
        new = [key for key in page if key not in self.seen]
        n = len(page) + nameless  # a row that comes twice in a page is one
        self.nameless += nameless
        self.slipped |= self.lapped and len(new) == n > 0
        self.seen.update(page)
        self.largest = max(self.largest, n)
        self.short = len(rows) < self.largest
        self.idle = 0 if new or self.short else self.idle + 1
        starts = [at for at in page.values() if at is not None]
        older = bool(starts) and len(starts) == n and max(starts) < self.since_us
        self.ended = (
            not rows
            or older
            or n > self.size  # the server does not page: this was everything
            or (self.short and not new)
            or self.idle >= MAX_IDLE_PAGES
        )
        again = min(self.overlap, n // 2) if new else 0
        self.lapped = again > 0
        self.start += max(n - again, 1)
        return bool(new or self.nameless) and not older

    def is_suspiciously_full(self, max_logged_calls: int | None) -> bool:
        """Return whether the list has the most rows that a log can have; if that is unknown, a round number."""
        rows = len(self.seen)
        if max_logged_calls is not None:
            return rows >= max_logged_calls
        return rows > 0 and rows % TYPICAL_LOG_LENGTH == 0

    @property
    def is_stuck(self) -> bool:
        """Whether the server returns the same page again and again."""
        return self.idle >= MAX_IDLE_PAGES

    @property
    def oldest_us(self) -> int | None:
        """When the oldest row started."""
        return min((at for at in self.seen.values() if at is not None), default=None)


class LogMemory:
    """The newest row of every list, which shows in the next cycle whether the log has lost rows since."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, str]] = {}

    def has_lost_rows(
        self, user: str, name: str, walk: LogWalk, until_us: int, max_logged_calls: int | None
    ) -> bool:
        """Return whether the log may have dropped calls of the window, and remember its newest row.

        It has if the newest row of the previous cycle is gone, because a full log drops its oldest rows. It may have if
        the log is full, or stuck at one page, and nothing in it is older than the window.
        """
        key = (user.lower(), name)
        before = self._newest.get(key)
        gone = before is not None and walk.since_us <= before[0] < until_us and before[1] not in walk.seen
        starts = [(at, id_) for id_, at in walk.seen.items() if at is not None]
        if starts:
            self._newest[key] = max(starts) if before is None or gone else max(before, *starts)
        oldest = walk.oldest_us
        cut = walk.is_suspiciously_full(max_logged_calls) or walk.is_stuck
        return gone or (oldest is not None and oldest > walk.since_us and cut)
