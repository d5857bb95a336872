"""Which windows to ask a feed for: what is new, what may have changed, what was missed. Spans in, spans out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from wfm.vendors import Feed, Window

GRID = timedelta(minutes=15)
MOST_PER_CYCLE = 400
"""A cycle asks for so many slices at most; the rest waits for the next."""


def floor(at: datetime) -> datetime:
    """Return the last quarter of an hour not after an instant."""
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return at - (at - start) % GRID


def union(windows: Iterable[Window]) -> list[Window]:
    """Join windows that touch or overlap, in order."""
    joined: list[Window] = []
    for window in sorted(windows, key=lambda w: w.start):
        if joined and window.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
        else:
            joined.append(window)
    return joined


def without(whole: Window, done: Sequence[Window]) -> list[Window]:
    """Return what of a window is in none of the (joined) others."""
    left, at = [], whole.start
    for window in done:
        if window.end <= at or window.start >= whole.end:
            continue
        if window.start > at:
            left.append(Window(at, window.start))
        at = max(at, window.end)
    if at < whole.end:
        left.append(Window(at, whole.end))
    return left


def beginning(complete: Sequence[Window], failed: Sequence[Window], first: datetime) -> datetime:
    """Return since when everything is wanted: the oldest that is stored, and what failed right before it.

    As long as nothing is stored it is the oldest that failed, at the latest ``first``.
    """
    if not complete:
        return min([first, *(window.start for window in failed)])
    oldest = min(window.start for window in complete)
    asked = union([*complete, *failed])
    return next(window.start for window in asked if window.start <= oldest <= window.end)


def settled(feed: Feed, now: datetime) -> datetime:
    """Return up to where a feed may be asked: what is later can still change."""
    return floor(now - timedelta(seconds=feed.settle_s))


def due(
    feed: Feed, complete: Sequence[Window], since: datetime, now: datetime, failed: Iterable[Window] = ()
) -> list[Window]:
    """Return the slices a cycle asks for: gaps since ``since``, and the overlap behind the newest end.

    ::

        complete   |=====|     |========|
        overlap                     ....:
        now                                   ^ (less the settling time)
        due               |---|      |--------|

    Args:
        feed: its overlap, settling time and longest slice.
        complete: windows already stored whole.
        since: nothing before it is wanted.
        now: the present.
        failed: windows that were asked for in vain, in the order of asking; see `fairly`.
    """
    end = settled(feed, now)
    if end <= since:
        return []
    done = union(complete)
    newest = max((window.end for window in done), default=since)
    again = max(since, min(newest, end) - timedelta(seconds=feed.overlap_s))
    wanted = union([*without(Window(since, end), done), *([Window(again, end)] if again < end else [])])
    pieces = [piece for window in wanted for piece in slices(window, timedelta(seconds=feed.slice_s))]
    return fairly(pieces, failed)[:MOST_PER_CYCLE]


def fairly(pieces: Iterable[Window], failed: Iterable[Window]) -> list[Window]:
    """Put what was never asked for in vain first, and last what failed last; of equals the first stays first.

    So windows that fail for ever cannot keep any other from its turn.
    """
    last_asked = {window: turn for turn, window in enumerate(failed, 1)}

    def turn(piece: Window) -> int:
        return max(
            (at for w, at in last_asked.items() if w.start < piece.end and piece.start < w.end), default=0
        )

    return sorted(pieces, key=turn)


def halves(window: Window) -> list[Window]:
    """Cut a window in two on the grid; nothing is left to cut of a quarter of an hour."""
    middle = floor(window.start + (window.end - window.start) / 2)
    middle = middle if middle > window.start else middle + GRID
    return [Window(window.start, middle), Window(middle, window.end)] if middle < window.end else []


def slices(window: Window, length: timedelta) -> list[Window]:
    """Cut a window into pieces of at most a length, on the grid of that length where it can be."""
    pieces, at = [], window.start
    while at < window.end:
        pieces.append(Window(at, min(at + length, window.end)))
        at = pieces[-1].end
    return pieces
