"""The timetable: punctual, never beside itself, made up for once, and known after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.virtual_time import NOON, Hurried, hurry
from wfm.service.scheduler import GridTrigger, JobScheduler, compute_first_run, compute_jitter_s
from wfm.vendors import Feed

POLL = Feed("agent_state", "snapshot", 15)
QUARTERS = Feed("interval_volume", "window", 900)
LIST = Feed("queue", "list", 86_400)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hurried]:
    made = hurry(monkeypatch)
    yield made
    made.close()


class Job:
    """A work that takes its time, and notes when it began."""

    def __init__(
        self, loop: Hurried, takes_s: Callable[[int], float] = lambda _: 0, well: bool = True
    ) -> None:
        self.loop, self.takes_s, self.well = loop, takes_s, well
        self.began: list[float] = []
        self.ended, self.under_way, self.most = 0, 0, 0

    async def __call__(self) -> bool:
        self.began.append(round(self.loop.time(), 3))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes_s(len(self.began)))
            self.ended += 1
        finally:
            self.under_way -= 1
        return self.well


def run(
    loop: Hurried,
    jobs: dict[str, tuple[Job, float]],
    for_s: float,
    jitter: float = 0.0,
    within_s: float = 0.0,
) -> None:
    async def go() -> None:
        table = JobScheduler(loop.now)
        for name, (job, every) in jobs.items():
            table.add_job(name, job, every, jitter_s=jitter)
        table.start()
        await asyncio.sleep(for_s)
        await table.stop(within_s)

    loop.run_until_complete(go())


def test_polls_do_not_drift(loop: Hurried) -> None:
    job = Job(loop, lambda n: 3 + n % 7)
    run(loop, {"ncc": (job, 15)}, 15 * 400 + 1)
    assert job.began == [15 * n for n in range(401)]


def test_long_cycle_never_overlaps_itself(loop: Hurried) -> None:
    job = Job(loop, lambda _: 40)
    run(loop, {"ncc": (job, 15)}, 200)
    assert job.most == 1
    assert job.began == [0, 45, 90, 135, 180]


def test_missed_runs_are_made_up_once(loop: Hurried) -> None:
    job = Job(loop)
    loop.call_later(100, loop.sleep_through, 3600)
    run(loop, {"ncc": (job, 15)}, 4000)
    late = [at for at in job.began if 100 < at < 3720]
    assert late[0] >= 3700
    assert len(late) <= 2
    assert job.began[-1] == 3990  # and the grid is what it was


def test_jitter_spreads_and_does_not_add_up(loop: Hurried) -> None:
    job = Job(loop)
    run(loop, {"ncc": (job, 900)}, 900 * 50 + 60, jitter=30)
    late = [at - 900 * n for n, at in enumerate(job.began)]
    assert len(late) == 51
    assert all(0 <= one <= 30 for one in late)
    assert len(set(late)) > 20


def test_failed_job_is_retried_soon_but_not_early(loop: Hurried) -> None:
    daily, often = Job(loop, well=False), Job(loop, well=False)
    run(loop, {"daily": (daily, 86_400), "often": (often, 60)}, 1000)
    assert daily.began == [0, 300, 600, 900]
    assert often.began == [60 * n for n in range(17)]


def test_one_that_raises_stops_neither_itself_nor_others(loop: Hurried) -> None:
    def takes(_: int) -> float:
        raise ValueError("a bug")

    bad, good = Job(loop, takes), Job(loop)
    run(loop, {"bad": (bad, 60), "good": (good, 60)}, 200)
    assert bad.began == good.began == [0, 60, 120, 180]


def test_stop_waits_for_running_jobs_within_bounds(loop: Hurried, caplog: pytest.LogCaptureFixture) -> None:
    short, endless = Job(loop, lambda _: 10), Job(loop, lambda _: 1e6)
    run(loop, {"short": (short, 1000), "endless": (endless, 1000)}, 1, within_s=20)
    assert (short.ended, endless.ended) == (1, 0)
    assert loop.time() == pytest.approx(21)
    assert (short.under_way, endless.under_way) == (0, 0)
    assert [
        record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")
    ] == []


def test_after_a_stop_nothing_begins(loop: Hurried) -> None:
    job = Job(loop)
    run(loop, {"ncc": (job, 15)}, 31)
    loop.run_until_complete(asyncio.sleep(100))
    assert job.began == [0, 15, 30]


@pytest.mark.parametrize(
    ("feed", "last", "want"),
    [
        (QUARTERS, None, NOON),
        (QUARTERS, NOON - timedelta(seconds=100), NOON + timedelta(seconds=800)),
        (QUARTERS, NOON - timedelta(days=3), NOON),  # overdue: at once
        (LIST, NOON - timedelta(hours=23), NOON + timedelta(hours=1)),
        (LIST, NOON + timedelta(days=300), NOON),  # whose clock was wrong
        (POLL, NOON - timedelta(seconds=1), NOON),  # a snapshot not taken is lost
    ],
)
def test_after_restart_the_ledger_says_what_is_due(feed: Feed, last: datetime | None, want: datetime) -> None:
    assert compute_first_run(feed, last, NOON) == want


def test_only_snapshots_are_punctual() -> None:
    assert (
        compute_jitter_s(POLL),
        compute_jitter_s(QUARTERS),
        compute_jitter_s(LIST),
        compute_jitter_s(Feed("x", "list", 60)),
    ) == (
        0,
        30,
        30,
        6,
    )


@given(
    st.floats(0.5, 1e5),
    st.floats(-1e6, 1e6),
    st.none() | st.floats(-1e6, 0),
    st.sampled_from([0.0, 5.0]),
)
def test_next_instant_is_the_nearest_of_the_grid(
    every: float, now_s: float, before_s: float | None, jitter: float
) -> None:
    now = NOON + timedelta(seconds=now_s)
    before = None if before_s is None else now + timedelta(seconds=before_s)
    at = GridTrigger(NOON, every, jitter).get_next_fire_time(before, now)
    assert at >= min(now, NOON) if now < NOON else at >= now - timedelta(microseconds=1)
    assert before is None or at > before
    wait = (at - max(now, NOON)).total_seconds()
    assert wait <= every + jitter + 1e-3
    if not jitter:
        periods = (at - NOON) / timedelta(seconds=every)
        assert abs(periods - round(periods)) < 1e-3
