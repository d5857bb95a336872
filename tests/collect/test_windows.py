"""Which windows are due: against an obvious twin that looks at every quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wfm.collect.windows import (
    find_collection_start,
    floor_to_grid,
    halve_window,
    merge_windows,
    plan_due_windows,
    put_failed_last,
    slice_window,
    subtract_windows,
)
from wfm.vendors import Feed, Window

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def at(quarter: int) -> datetime:
    return START + quarter * QUARTER


def window(a: int, b: int) -> Window:
    return Window(at(a), at(b))


def quarters(windows: list[Window]) -> set[int]:
    return {q for w in windows for q in range((w.start - START) // QUARTER, (w.end - START) // QUARTER)}


spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda p: window(p[0], p[0] + p[1])), max_size=8
)


@given(done=spans, overlap=st.integers(0, 12), slice_=st.integers(1, 20), now=st.integers(0, 60))
def test_what_is_due_is_every_gap_and_overlap(
    done: list[Window], overlap: int, slice_: int, now: int
) -> None:
    feed = Feed("call_leg", "window", 900, overlap_s=overlap * 900, slice_s=slice_ * 900)
    wanted = plan_due_windows(feed, done, START, at(now) + timedelta(minutes=7))
    have = quarters(done)
    newest = min(max(have, default=-1) + 1, now)
    expected = (set(range(now)) - have) | set(range(max(0, newest - overlap), now))
    assert quarters(wanted) == expected
    assert all(w.end - w.start <= slice_ * QUARTER for w in wanted)
    assert wanted == sorted(wanted, key=lambda w: w.start)
    assert sum((w.end - w.start for w in wanted), timedelta()) == len(expected) * QUARTER  # none twice


@given(done=spans, a=st.integers(0, 40), n=st.integers(1, 20))
def test_without_and_union_are_set_operations(done: list[Window], a: int, n: int) -> None:
    whole = window(a, a + n)
    assert quarters(subtract_windows(whole, merge_windows(done))) == quarters([whole]) - quarters(done)
    joined = merge_windows(done)
    assert quarters(joined) == quarters(done)
    assert all(left.end < right.start for left, right in pairwise(joined))


def test_open_interval_waits_until_it_has_settled() -> None:
    feed = Feed("interval_volume", "window", 900, settle_s=300)
    assert plan_due_windows(feed, [window(0, 3)], START, at(4) + timedelta(seconds=299)) == []
    assert plan_due_windows(feed, [window(0, 3)], START, at(4) + timedelta(seconds=300)) == [window(3, 4)]


def test_long_outage_is_caught_up_oldest_first() -> None:
    feed = Feed("call_leg", "window", 900, overlap_s=3600, slice_s=6 * 3600)
    pieces = plan_due_windows(feed, [window(0, 4)], START, at(100))
    assert pieces[0].start == at(0)
    assert pieces[-1].end == at(100)
    assert max(piece.end - piece.start for piece in pieces) == timedelta(hours=6)


def test_floor_and_slices() -> None:
    assert floor_to_grid(at(3) + timedelta(minutes=14, seconds=59)) == at(3)
    assert slice_window(window(0, 5), 2 * QUARTER) == [window(0, 2), window(2, 4), window(4, 5)]


@given(a=st.integers(0, 40), n=st.integers(1, 700), odd=st.integers(0, 14))
def test_halving_ends_at_a_quarter_and_loses_nothing(a: int, n: int, odd: int) -> None:
    todo, whole, cuts = [window(a, a + n)], [], 0
    todo[0] = Window(todo[0].start + timedelta(minutes=odd), todo[0].end)
    first = todo[0]
    while todo:
        piece = todo.pop()
        parts = halve_window(piece)
        cuts += bool(parts)
        todo += parts
        whole += [] if parts else [piece]
    assert merge_windows(whole) == [first]
    assert max(piece.end - piece.start for piece in whole) <= QUARTER
    assert len(whole) == cuts + 1


@given(pieces=spans, failed=spans)
def test_turns_are_fair(pieces: list[Window], failed: list[Window]) -> None:
    def last(piece: Window) -> int:
        return max(
            (turn for turn, one in enumerate(failed) if quarters([one]) & quarters([piece])), default=-1
        )

    got = put_failed_last(pieces, failed)
    assert [last(piece) for piece in got] == sorted(map(last, pieces))
    assert sorted(map(id, got)) == sorted(map(id, pieces))


def test_what_failed_just_before_oldest_stored_is_wanted() -> None:
    stored, first = [window(8, 12), window(20, 24)], at(4)
    assert find_collection_start(stored, [], first) == at(8)
    assert find_collection_start(stored, [window(6, 8), window(2, 6)], first) == at(2)
    assert find_collection_start(stored, [window(0, 6)], first) == at(8)  # a backfill of long ago, given up
    assert find_collection_start([], [], first) == first
    assert find_collection_start([], [window(0, 6)], first) == at(0)
