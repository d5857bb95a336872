"""The timetable: when each job is next, and that it is not there twice.

::

    grid      |-----------|-----------|-----------|     start + n * every: no drift, however long a cycle takes
    asked       x            x             x            each up to `jitter_s` late: feeds do not march in step
    missed                |  (asleep)             |x    what was missed is made up for once

Nothing of it is stored. After a restart a feed is next when it would have been, by its last success in the ledger.
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
LONGEST_JITTER_S: Final = 30.0
AGAIN: Final = timedelta(minutes=5)
"""How soon a job is tried again that failed, unless its turn comes earlier."""

Work = Callable[[], Awaitable[bool]]
"""What a job does; says whether it went well."""


class Every(BaseTrigger):  # type: ignore[misc]
    """Fire on a grid of instants, each up to ``jitter_s`` late."""

    def __init__(self, start: datetime, every_s: float, jitter_s: float = 0.0) -> None:
        self.start, self.every, self.jitter_s = start, timedelta(seconds=every_s), jitter_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next instant of the grid that is not past, and after the one before."""
        after = max(ceil((now - self.start) / self.every), 0)
        at = self.start + after * self.every
        if previous_fire_time is not None and at <= previous_fire_time:
            at += self.every
        late: datetime = self._apply_jitter(at, self.jitter_s, now)
        return late


def first(feed: Feed, last_success_at: datetime | None, now: datetime) -> datetime:
    """Return when a feed is asked for the first time after a start: when it is due, at once if that is long ago.

    A success that lies in the future is one of a clock that was wrong.
    """
    if feed.kind == "snapshot" or last_success_at is None or last_success_at > now:
        return now
    return max(now, last_success_at + timedelta(seconds=feed.every_s))


def jitter_s(feed: Feed) -> float:
    """Return how late a feed may be asked for, so that not all are at once; snapshots are punctual."""
    return 0.0 if feed.kind == "snapshot" else min(feed.every_s / 10, LONGEST_JITTER_S)


class Timetable:
    """Run jobs, each on its grid and never beside itself.

    Args:
        clock: what time it is (UTC).
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[object]] = set()
        self._stopping = False
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def add(
        self, name: str, work: Work, every_s: float, start: datetime | None = None, jitter_s: float = 0.0
    ) -> None:
        """Do a work every so often, from an instant on (None: now)."""
        start = start or self._clock()
        self._scheduler.add_job(
            self._run, Every(start, every_s, jitter_s), args=(name, work), id=name, next_run_time=start
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def next_at(self, name: str) -> datetime | None:
        """Return when a job is next; None if there is none of that name."""
        job: Job | None = self._scheduler.get_job(name)
        return job.next_run_time if job is not None else None

    async def stop(self, within_s: float) -> None:
        """Begin nothing any more, and give what is under way some time to end; then it is cancelled."""
        self._stopping = True
        self._scheduler.pause()
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it ends in a callback of the loop

    async def _run(self, name: str, work: Work) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            well = await work()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            log.info("%s was under way; the next start goes on with it", name)
            return
        except Exception:  # a job that fails is no reason to have none
            log.exception("%s failed", name)
            well = False
        finally:
            self._running.discard(task)
        if not well:
            self._again(name)

    def _again(self, name: str) -> None:
        soon, planned = self._clock() + AGAIN, self.next_at(name)
        if planned is not None and soon < planned:
            with suppress(LookupError):
                self._scheduler.modify_job(name, next_run_time=soon)
