"""Walk through one list of a call log, page by page, while calls come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wfm.vendors.nextiva_xsi.call_leg import read_start_us
from wfm.vendors.nextiva_xsi.nodes import get_child, get_text

MOST_IDLE_PAGES = 3
"""So many full pages in a row without a new row: the server gives the same page for ever."""
TYPICAL_LOG_LENGTH = 50
"""Logs are cut at a multiple of this, where the length is not known."""


@dataclass
class LogWalk:
    """Progress through one list.

    seen: keys, with when they started (µs). largest: rows of the longest page. idle: full pages in a row without a new
    key. lapped: the next page is asked for from a row that was seen. slipped: it began after that row all the same, so
    rows between may have been missed.
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
        """Count a page; return whether it has anything new of the window or later."""
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
            or n > self.size  # it does not page: this was everything
            or (self.short and not new)
            or self.idle >= MOST_IDLE_PAGES
        )
        again = min(self.overlap, n // 2) if new else 0
        self.lapped = again > 0
        self.start += max(n - again, 1)
        return bool(new or self.nameless) and not older

    def is_suspiciously_full(self, max_logged_calls: int | None) -> bool:
        """Return whether the list is as long as logs can get (if that is known, else a round number of rows)."""
        rows = len(self.seen)
        if max_logged_calls is not None:
            return rows >= max_logged_calls
        return rows > 0 and rows % TYPICAL_LOG_LENGTH == 0

    @property
    def is_stuck(self) -> bool:
        """Whether the server gave one page and no way to the next."""
        return self.idle >= MOST_IDLE_PAGES

    @property
    def oldest_us(self) -> int | None:
        """When the oldest row started."""
        return min((at for at in self.seen.values() if at is not None), default=None)


class LogMemory:
    """The newest row of every list, by which the next cycle knows whether the log has lost rows since."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, str]] = {}

    def has_lost_rows(
        self, user: str, name: str, walk: LogWalk, until_us: int, max_logged_calls: int | None
    ) -> bool:
        """Return whether the log may have dropped calls of the window, and remember its newest row.

        Surely so if the newest row of the cycle before is gone: a full log drops its oldest first. Without that memory,
        if the log is as long as logs can get, or is stuck at one page, and nothing in it is older than the window.
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
