"""The scheduler: runs each job on a grid of times, never twice at the same time.

::

    grid      |-----------|-----------|-----------|     start + n * every: no drift, however long a run takes
    runs        x            x             x            each up to `compute_jitter_s` late: not all feeds at once
    missed                |  (asleep)             |x    one run makes up for all that were missed

No schedule is stored. After a restart a feed runs when it would have run, by its last success in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from wfm.vendors import Feed

log = logging.getLogger("wfm.service")
MAX_JITTER_S: Final = 30.0
RETRY_AFTER: Final = timedelta(minutes=5)
"""When a failed job runs again, unless it is due earlier."""

JobFunction = Callable[[], Awaitable[bool]]
"""The work of a job; returns whether it succeeded."""


class GridTrigger(BaseTrigger):  # type: ignore[misc]
    """A trigger that fires on a grid of times, each time up to ``jitter_s`` seconds late."""

    def __init__(self, start: datetime, every_s: float, jitter_s: float = 0.0) -> None:
        self.start, self.every, self.jitter_s = start, timedelta(seconds=every_s), jitter_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next time of the grid that is neither past nor the previous one."""
        steps = max(ceil((now - self.start) / self.every), 0)
        at = self.start + steps * self.every
        if previous_fire_time is not None and at <= previous_fire_time:
            at += self.every
        with_jitter: datetime = self._apply_jitter(at, self.jitter_s, now)
        return with_jitter


def compute_first_run(feed: Feed, last_success_at: datetime | None, now: datetime) -> datetime:
    """Compute when a feed is first polled after a start: when it is due, or at once if that is past."""
    # a last success in the future comes from a clock that was wrong: ignored, or the feed would pause until then
    if feed.kind == "snapshot" or last_success_at is None or last_success_at > now:
        return now
    return max(now, last_success_at + timedelta(seconds=feed.every_s))


def compute_jitter_s(feed: Feed) -> float:
    """Compute by how many seconds a feed may be polled late, so that not all run at once; snapshots never are."""
    return 0.0 if feed.kind == "snapshot" else min(feed.every_s / 10, MAX_JITTER_S)


class JobScheduler:
    """A scheduler of jobs, each on its grid and never twice at the same time.

    Args:
        clock: the current time (UTC).
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[object]] = set()
        self._stopping = False
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def add_job(
        self,
        name: str,
        work: JobFunction,
        every_s: float,
        start: datetime | None = None,
        jitter_s: float = 0.0,
    ) -> None:
        """Add a job that runs every ``every_s`` seconds, from ``start`` on (None: now)."""
        start = start or self._clock()
        self._scheduler.add_job(
            self._run_job,
            GridTrigger(start, every_s, jitter_s),
            args=(name, work),
            id=name,
            next_run_time=start,
        )

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.start()

    def get_next_run(self, name: str) -> datetime | None:
        """Return when a job runs next; None if there is none of that name."""
        job: Job | None = self._scheduler.get_job(name)
        return job.next_run_time if job is not None else None

    async def stop(self, within_s: float) -> None:
        """Start no more jobs, and cancel those still running after ``within_s`` seconds."""
        self._stopping = True
        self._scheduler.pause()
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # apscheduler shuts down in a callback of the event loop

    async def _run_job(self, name: str, work: JobFunction) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            succeeded = await work()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            log.info("%s was still running; the next start continues it", name)
            return
        except Exception:  # one failed job must not stop the others
            log.exception("%s failed", name)
            succeeded = False
        finally:
            self._running.discard(task)
        if not succeeded:
            self._retry_soon(name)

    def _retry_soon(self, name: str) -> None:
        soon, planned = self._clock() + RETRY_AFTER, self.get_next_run(name)
        if planned is not None and soon < planned:
            with suppress(LookupError):
                self._scheduler.modify_job(name, next_run_time=soon)
