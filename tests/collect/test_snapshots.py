"""Snapshots to transactions: drawn lines, one letter a poll, and what must be said of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.collect.snapshots import (
    INFERRED_LOGOUT_REASON,
    INSTANT,
    LOGGED_OUT_STATE,
    SnapshotState,
    compare_snapshot,
)

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
POLL = timedelta(seconds=10)
SCHEMA = {"login": pl.String, "at": INSTANT, "vendor_state": pl.String, "vendor_reason": pl.String}


def snapshot(states: dict[str, str], at: datetime) -> pl.DataFrame:
    rows = [(login, at, state, None) for login, state in states.items()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def follow(
    *lines: str, k: int = 3, step: int = 1
) -> tuple[list[tuple[int, str, str]], list[tuple[int, int]]]:
    """Follow drawn lines: a letter is a state, - is not in the snapshot, a blank is a poll that failed."""
    watch, said, covered = SnapshotState.from_last_states(), [], []
    for i in range(0, len(lines[0]), step):
        at = START + i * POLL
        if lines[0][i] == " ":
            continue
        states = {f"u{n}": line[i] for n, line in enumerate(lines) if line[i] != "-"}
        watch, news, span = compare_snapshot(watch, snapshot(states, at), at, absent_after=k, poll=POLL)
        said += [((row[1] - START) // POLL, row[0], row[2]) for row in news.iter_rows()]
        covered += [((span[0] - START) // POLL, (span[1] - START) // POLL)] if span else []
    return said, covered


def test_only_changes_are_said() -> None:
    said, covered = follow("AAABBA")
    assert said == [(0, "u0", "A"), (3, "u0", "B"), (5, "u0", "A")]
    assert covered == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]


def test_absence_means_logout_after_k_complete_snapshots() -> None:
    assert follow("AA--")[0] == [(0, "u0", "A")]
    assert follow("AA---")[0] == [(0, "u0", "A"), (2, "u0", LOGGED_OUT_STATE)]
    assert follow("AA-----")[0] == [(0, "u0", "A"), (2, "u0", LOGGED_OUT_STATE)]
    assert follow("AA--A")[0] == [(0, "u0", "A")]
    assert follow("AA---A")[0] == [(0, "u0", "A"), (2, "u0", LOGGED_OUT_STATE), (5, "u0", "A")]


def test_a_failed_poll_is_no_absence() -> None:
    assert follow("AA  A")[0] == [(0, "u0", "A")]


def test_time_between_distant_polls_is_not_covered() -> None:
    assert follow("A  A")[1] == [(0, 3)]
    assert follow("A   A")[1] == []


def test_a_state_that_goes_on_is_renewed() -> None:
    watch = SnapshotState.from_last_states()
    said = []
    for hours in (0, 5, 9, 12, 18):
        at = START + timedelta(hours=hours)
        watch, news, _ = compare_snapshot(watch, snapshot({"u": "A"}, at), at, absent_after=3, poll=POLL)
        said += news["at"].to_list()
    assert said == [START, START + timedelta(hours=9), START + timedelta(hours=18)]


def test_a_concluded_logout_says_that_nobody_said_it() -> None:
    watch = SnapshotState.from_last_states()
    for i, states in enumerate(({"u": "A"}, {}, {}, {})):
        at = START + i * POLL
        watch, news, _ = compare_snapshot(watch, snapshot(states, at), at, absent_after=3, poll=POLL)
    assert news.rows() == [("u", START + POLL, LOGGED_OUT_STATE, INFERRED_LOGOUT_REASON)]


def test_an_older_snapshot_says_nothing() -> None:
    watch, _, _ = compare_snapshot(
        SnapshotState.from_last_states(), snapshot({"u": "A"}, START), START, absent_after=3, poll=POLL
    )
    same, news, span = compare_snapshot(watch, snapshot({"u": "B"}, START), START, absent_after=3, poll=POLL)
    assert (news.height, span) == (0, None)
    assert same is watch


def test_it_goes_on_from_what_is_stored() -> None:
    last = pl.DataFrame(
        [("u", "A", START), ("v", LOGGED_OUT_STATE, START)],
        schema={"login": pl.String, "vendor_state": pl.String, "at": INSTANT},
        orient="row",
    )
    watch = SnapshotState.from_last_states(last, START)
    at = START + POLL
    watch, news, span = compare_snapshot(
        watch, snapshot({"u": "A", "w": "B"}, at), at, absent_after=3, poll=POLL
    )
    assert news["login"].to_list() == ["w"]
    assert span == (START, at)


@pytest.mark.slow
@given(lines=st.lists(st.text("AB-", min_size=12, max_size=12), min_size=1, max_size=3), k=st.integers(1, 4))
def test_the_states_said_are_the_states_seen(lines: list[str], k: int) -> None:
    said, _ = follow(*lines, k=k)
    for n, line in enumerate(lines):
        mine = [(at, state) for at, login, state in said if login == f"u{n}"]
        for i, letter in enumerate(line):
            # the last word up to then, of what was said in the end: a logout is known late, but holds from the start
            now = [state for at, state in sorted(mine, key=lambda one: one[0]) if at <= i]
            if letter != "-":
                assert now[-1] == letter
            elif now and now[-1] == LOGGED_OUT_STATE:
                run = line[:i].rstrip("-")
                gone = line[len(run) :]
                assert len(gone) - len(gone.lstrip("-")) >= k
