"""Planning which windows to collect from a feed: what is new, what may have changed, and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from wfm.core.time import EPOCH
from wfm.vendors import Feed, Window

GRID_STEP = timedelta(minutes=15)
MAX_SLICES_PER_CYCLE = 400
"""Most slices of one cycle; the others wait for the next."""


def floor_to_grid(at: datetime) -> datetime:
    """Return an instant rounded down to a quarter of an hour."""
    return at - (at - EPOCH) % GRID_STEP


def merge_windows(windows: Iterable[Window]) -> list[Window]:
    """Merge windows that touch or overlap, in order."""
    merged: list[Window] = []
    for window in sorted(windows, key=lambda w: w.start):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def subtract_windows(whole: Window, done: Sequence[Window]) -> list[Window]:
    """Return the parts of a window that are in none of the others, which must be merged and in order."""
    missing, at = [], whole.start
    for window in done:
        if window.end <= at or window.start >= whole.end:
            continue
        if window.start > at:
            missing.append(Window(at, window.start))
        at = max(at, window.end)
    if at < whole.end:
        missing.append(Window(at, whole.end))
    return missing


def find_collection_start(complete: Sequence[Window], failed: Sequence[Window], first: datetime) -> datetime:
    """Return where collection starts: at the oldest stored window, or at failed ones that end where it starts.

    While nothing is stored, it starts at the oldest failed window, at the latest at ``first``.
    """
    if not complete:
        return min([first, *(window.start for window in failed)])
    oldest = min(window.start for window in complete)
    attempted = merge_windows([*complete, *failed])
    return next(window.start for window in attempted if window.start <= oldest <= window.end)


def find_settled_end(feed: Feed, now: datetime) -> datetime:
    """Return the end of what has settled: data after it can still change."""
    return floor_to_grid(now - timedelta(seconds=feed.settle_s))


def plan_due_windows(
    feed: Feed, complete: Sequence[Window], since: datetime, now: datetime, failed: Iterable[Window] = ()
) -> list[Window]:
    """Return the slices to collect in a cycle: gaps since ``since``, and the overlap before the watermark.

    The watermark is the end of the newest complete window; what lies shortly before it may have been corrected since.

    ::

        complete   |=====|     |========|
        overlap                     ....:
        now                                   ^ (less the settling time)
        due               |---|      |--------|

    Args:
        feed: its overlap, settling time and longest slice.
        complete: windows that are stored completely.
        since: start of collection.
        now: the current time.
        failed: windows whose collection failed, oldest attempt first; see `put_failed_last`.
    """
    end = find_settled_end(feed, now)
    if end <= since:
        return []
    done = merge_windows(complete)
    newest = max((window.end for window in done), default=since)
    again = max(since, min(newest, end) - timedelta(seconds=feed.overlap_s))
    wanted = merge_windows(
        [*subtract_windows(Window(since, end), done), *([Window(again, end)] if again < end else [])]
    )
    pieces = [piece for window in wanted for piece in slice_window(window, timedelta(seconds=feed.slice_s))]
    return put_failed_last(pieces, failed)[:MAX_SLICES_PER_CYCLE]


def put_failed_last(pieces: Iterable[Window], failed: Iterable[Window]) -> list[Window]:
    """Sort windows: those that never failed first, the most recent failures last.

    So a window that fails every time cannot prevent others from being collected.
    """
    attempts = {window: number for number, window in enumerate(failed, 1)}

    def last_attempt(piece: Window) -> int:
        overlapping = (n for w, n in attempts.items() if w.start < piece.end and piece.start < w.end)
        return max(overlapping, default=0)

    return sorted(pieces, key=last_attempt)


def halve_window(window: Window) -> list[Window]:
    """Split a window in two on the grid; a quarter of an hour cannot be split and gives an empty list."""
    middle = floor_to_grid(window.start + (window.end - window.start) / 2)
    middle = middle if middle > window.start else middle + GRID_STEP
    return [Window(window.start, middle), Window(middle, window.end)] if middle < window.end else []


def slice_window(window: Window, length: timedelta) -> list[Window]:
    """Split a window, from its start, into slices of at most ``length``."""
    pieces, at = [], window.start
    while at < window.end:
        pieces.append(Window(at, min(at + length, window.end)))
        at = pieces[-1].end
    return pieces
