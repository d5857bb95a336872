"""An event loop that sleeps through nothing: its time is what its timers wait for, and threads run in line."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import apscheduler.executors.base
import apscheduler.schedulers.base
import pytest

import wfm.storage.merge
import wfm.storage.migrations

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class _Skipping(selectors.DefaultSelector):
    """Wait for no time at all, and say that all of it has passed."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing would ever happen again"
            self.passed_s += max(timeout, 0.0)
        return ready


class Hurried(asyncio.SelectorEventLoop):
    """Run timers at once, in their order."""

    def __init__(self, begins: datetime = NOON) -> None:
        self.begins, self._skipping = begins, _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed_s

    def now(self) -> datetime:
        """Return what time it is in this loop."""
        return self.begins + timedelta(seconds=self.time())

    def sleep_through(self, seconds: float) -> None:
        """Let time pass without doing anything, as a suspended machine does."""
        self._skipping.passed_s += seconds

    def run_in_executor(self, _executor: object, func: Callable[..., Any], *args: Any) -> Any:
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def hurry(monkeypatch: pytest.MonkeyPatch, begins: datetime = NOON) -> Hurried:
    """Make a loop, whose time the scheduler and the store take for the real one."""
    loop = Hurried(begins)

    class AnyDatetime(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime)

    class Clock(datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return loop.now().astimezone(tz)

    for module in (
        apscheduler.schedulers.base,
        apscheduler.executors.base,
        wfm.storage.merge,
        wfm.storage.migrations,
    ):
        monkeypatch.setattr(module, "datetime", Clock)
    return loop
