"""A window that is scored while it goes on: from a database, in which others go on storing, or from frames alone."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm import defaults
from wfm.engine.clocks import put_right
from wfm.engine.facts import MARGIN
from wfm.engine.inputs import Frame, take
from wfm.engine.live import Live
from wfm.engine.score import Options
from wfm.jobs import when
from wfm.jobs.scoring import stored, with_defaults
from wfm.jobs.when import When, parse
from wfm.storage.database import Store
from wfm.storage.reader import Reader

NEWS: Final = ("schedule", "agent_state", "call_leg", "exemption", "coverage")
"""What a live day takes as it comes."""
FIXED: Final = ("agent", "login", "clock", *defaults.TABLES)
"""What makes it begin anew: who exists, what words mean, and whose clock is wrong."""
BOUNDED: Final = ("schedule", "exemption", "coverage")
"""Of these only the rows that reach into the window are read; of states and legs whatever comes."""
LEG: Final = ("source", "leg_id", "login", "queue_id", "answered_at", "ended_at")
SHIFTED: Final = {"agent_state": ["at"], "call_leg": ["answered_at", "ended_at"]}
"""What is read by the right time where a clock is wrong."""


class Following:
    """A live day that follows a database; between calls it holds no lock.

    Use ``live`` to look at it (see `wfm.engine.live.Live`) and `refresh` to let it know what was stored since.
    """

    def __init__(self, store: Store, window: when.Window, timezone: str, options: Options) -> None:
        """Read everything that decides the scores of a window.

        Raises:
            NoDataError, DatabaseBusyError, StoreError.
        """
        self._store, self._window, self._timezone, self._options = store, window, timezone, options
        low, high = (when.midnight(at, "UTC") for at in window)
        self._span = (low - MARGIN, high + MARGIN)
        with store.reading() as known:
            self.live, self._seen = self._begin(known), known.newest()

    def refresh(self) -> int:
        """Take what was stored since the last time; return how many agents that touches.

        Raises:
            NoDataError, DatabaseBusyError, StoreError: nothing was taken.
        """
        with self._store.reading() as known:
            newest = known.newest()
            gone = {
                name: _right(known, name, keys)
                for name in NEWS
                if (keys := known.gone(name, *self._seen)).height
            }
            if "coverage" in gone or self._is_other(known):
                self.live, self._seen = self._begin(known), newest
                return self.live.agents
            rows = {name: self._arrived(known, name) for name in NEWS} if newest != self._seen else {}
        touched = self.live.take(**{name: of for name, of in rows.items() if of.height}, gone=gone)
        self._seen = newest
        return touched

    def _begin(self, known: Reader) -> Live:
        frames = stored(known, self._span, None)
        frames["exemption"] = known.table("exemption", span=self._span)
        return Live(**frames, window=self._window, timezone=self._timezone, options=self._options)

    def _is_other(self, known: Reader) -> bool:
        """Say whether a table changed with which the day must begin anew."""
        number, ended = self._seen
        return any(
            known.arrived(name, number).height or known.gone(name, number, ended).height for name in FIXED
        )

    def _arrived(self, known: Reader, name: str) -> pl.DataFrame:
        rows = known.arrived(
            name,
            self._seen[0],
            self._span if name in BOUNDED else None,
            LEG if name == "call_leg" else None,
        )
        return _right(known, name, rows)


def _right(known: Reader, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    instants = [column for column in SHIFTED.get(name, ()) if column in rows.columns]
    return put_right(rows, known.table("clock"), instants) if instants else rows


def live_frames(
    *,
    schedule: Frame,
    agent_state: Frame,
    window: tuple[When, When],
    call_leg: Frame | None = None,
    exemption: Frame | None = None,
    activity: Frame | None = None,
    state_map: Frame | None = None,
    rule: Frame | None = None,
    coverage: Frame | None = None,
    agent: Frame | None = None,
    login: Frame | None = None,
    timezone: str = "UTC",
    options: Options | None = None,
) -> Live:
    """Begin a live day with frames, without a database: see `wfm.engine.live.Live`.

    ``activity``, ``state_map`` and ``rule`` add to the tables that come with wfm; a later row wins.

    Raises:
        InputError: a frame is not what it should be.
        UsageError: the window or the zone is not.
    """
    tables = {"activity": activity, "state_map": state_map, "rule": rule}
    return Live(
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
        window=(parse(window[0], "window"), parse(window[1], "window")),
        timezone=timezone,
        options=options,
        **{name: with_defaults(name, take(own, name)) for name, own in tables.items()},
    )
