"""Live scores of a window still in progress, kept up to date from a database or from frames."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm import defaults
from wfm.engine.clocks import put_right
from wfm.engine.facts import MARGIN
from wfm.engine.inputs import Frame, InputFrames, take
from wfm.engine.live import Live
from wfm.engine.score import Options
from wfm.jobs import when
from wfm.jobs.scoring import stored, with_defaults
from wfm.jobs.when import When, parse
from wfm.storage.database import Store
from wfm.storage.reader import Reader

NEWS: Final = ("schedule", "agent_state", "call_leg", "exemption", "coverage")
"""Tables whose new rows are added to a live score."""
FIXED: Final = ("agent", "login", "clock", *defaults.TABLES)
"""Tables whose changes restart it: agents, logins, clocks and mappings affect everything scored so far."""
BOUNDED: Final = ("schedule", "exemption", "coverage")
"""Tables of which only the rows that overlap the window are read; of states and legs, every new row."""
LEG: Final = ("source", "leg_id", "login", "queue_id", "answered_at", "ended_at")
SHIFTED: Final = {"agent_state": ["at"], "call_leg": ["answered_at", "ended_at"]}
"""The columns that table clock corrects."""


class Following:
    """A live score that follows a database; it holds no lock between calls.

    live: the score: its methods ``adherence``, ``exceptions``, ``slices`` and ``board`` return frames as of the last
        `refresh`.
    """

    def __init__(self, store: Store, window: when.Window, timezone: str, options: Options) -> None:
        """Read everything that decides the scores of a window.

        Raises:
            NoDataError: there is no database.
            DatabaseBusyError: another program is writing to it and does not finish in time.
            StoreError: it cannot be read.
        """
        self._store, self._window, self._timezone, self._options = store, window, timezone, options
        low, high = (when.midnight(at, "UTC") for at in window)
        self._span = (low - MARGIN, high + MARGIN)
        with store.reading() as reader:
            self.live, self._seen = self._begin(reader), reader.newest()

    def refresh(self) -> int:
        """Add what was stored since the last time to the score, and return how many agents it concerns.

        Raises:
            NoDataError, DatabaseBusyError, StoreError: the database cannot be read; the score stays as it was.
        """
        with self._store.reading() as reader:
            newest = reader.newest()
            gone = {
                name: _right(reader, name, keys)
                for name in NEWS
                if (keys := reader.gone(name, *self._seen)).height
            }
            # Withdrawn coverage cannot be subtracted from a running score, so it too restarts from the database.
            if "coverage" in gone or self._is_other(reader):
                self.live, self._seen = self._begin(reader), newest
                return self.live.agents
            rows = {name: self._arrived(reader, name) for name in NEWS} if newest != self._seen else {}
        touched = self.live.take(**{name: of for name, of in rows.items() if of.height}, gone=gone)
        self._seen = newest
        return touched

    def _begin(self, reader: Reader) -> Live:
        frames = stored(reader, self._span, None)
        frames["exemption"] = reader.table("exemption", span=self._span)
        return Live(
            InputFrames(**frames), window=self._window, timezone=self._timezone, options=self._options
        )

    def _is_other(self, reader: Reader) -> bool:
        """Return whether a table changed that requires a restart."""
        number, ended = self._seen
        return any(
            reader.arrived(name, number).height or reader.gone(name, number, ended).height for name in FIXED
        )

    def _arrived(self, reader: Reader, name: str) -> pl.DataFrame:
        rows = reader.arrived(
            name,
            self._seen[0],
            self._span if name in BOUNDED else None,
            LEG if name == "call_leg" else None,
        )
        return _right(reader, name, rows)


def _right(reader: Reader, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    instants = [column for column in SHIFTED.get(name, ()) if column in rows.columns]
    return put_right(rows, reader.table("clock"), instants) if instants else rows


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
    """Start a live score from frames, without a database.

    Args:
        schedule: agent_id start_at end_at activity [published_at].
        agent_state: [source] login at vendor_state [vendor_reason].
        window: two days (workdays), or two instants with an offset; the second is not included.
        call_leg: [source] leg_id login answered_at ended_at.
        exemption: start_at end_at kind [agent_id team code made_at revoked_at].
        activity: activity category [counted].
        state_map: [source] vendor_state state [vendor_reason].
        rule: category state in_adherence.
        coverage: [source] start_at end_at; None: the window is covered.
        agent: agent_id [name team site timezone].
        login: [source] login agent_id [from_at to_at]; a login without a row is its own agent_id.
        timezone: zone of agents that have none of their own.
        options: how to score; None: the defaults.

    ``activity``, ``state_map`` and ``rule`` are added to the tables that come with wfm; a later row wins. Instants are
    ``Datetime("us", "UTC")``.

    Returns:
        The live score: ``take`` adds new rows; ``adherence``, ``exceptions``, ``slices`` and ``board`` return frames.

    Raises:
        InputError: a frame lacks a column, or a value is wrong.
        UsageError: the window or the time zone is wrong.
    """
    tables = {"activity": activity, "state_map": state_map, "rule": rule}
    frames = InputFrames(
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
        **{name: with_defaults(name, take(own, name)) for name, own in tables.items()},
    )
    return Live(
        frames,
        window=(parse(window[0], "window"), parse(window[1], "window")),
        timezone=timezone,
        options=options,
    )
