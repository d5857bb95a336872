"""Score a window in progress and keep the score up to date, from a database or from frames."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm import defaults
from wfm.analysis import time_args
from wfm.analysis.load import build_input_frames, read_scoring_tables
from wfm.analysis.time_args import TimeArgument, parse_time
from wfm.engine.adherence.scoring import ScoreOptions
from wfm.engine.inputs.clock_offsets import correct_clock_offsets
from wfm.engine.inputs.dataset import WINDOW_MARGIN
from wfm.engine.inputs.frames import Frame, InputFrames
from wfm.engine.realtime.live_score import Live
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader

INCREMENTAL_TABLES: Final = ("schedule", "agent_state", "call_leg", "exemption", "coverage")
"""Tables whose new rows are added to a live score."""
RESTART_TABLES: Final = ("agent", "login", "clock", *defaults.DEFAULT_TABLES)
"""Tables whose changes restart it: agents, logins, clocks and mappings affect everything scored so far."""
WINDOWED_TABLES: Final = ("schedule", "exemption", "coverage")
"""Tables of which only rows that overlap the window are read; of states and call legs every new row is."""
CALL_LEG_COLUMNS: Final = ("source", "leg_id", "login", "queue_id", "answered_at", "ended_at")
CLOCK_COLUMNS: Final = {"agent_state": ["at"], "call_leg": ["answered_at", "ended_at"]}
"""The columns that table clock corrects."""


class LiveFollower:
    """A live score that follows a database; it holds no lock between calls.

    live: the score: its methods ``adherence``, ``exceptions``, ``slices`` and ``board`` return frames as of the last
        `refresh`.
    """

    def __init__(
        self, database: Database, window: time_args.TimeWindow, timezone: str, options: ScoreOptions
    ) -> None:
        """Read everything that decides the scores of a window.

        Raises:
            NoDataError: there is no database.
            DatabaseBusyError: another program is writing to it and does not finish in time.
            StoreError: it cannot be read.
        """
        self._database, self._window, self._timezone, self._options = database, window, timezone, options
        low, high = (time_args.resolve_local_midnight(at, "UTC") for at in window)
        self._span = (low - WINDOW_MARGIN, high + WINDOW_MARGIN)
        with database.open_reader() as reader:
            self.live, self._last_position = self._read_live_score(reader), reader.read_last_collection()

    def refresh(self) -> int:
        """Add what was stored since the last time to the score, and return how many agents it concerns.

        Raises:
            NoDataError, DatabaseBusyError, StoreError: the database cannot be read; the score stays as it was.
        """
        with self._database.open_reader() as reader:
            last_position = reader.read_last_collection()
            gone = {
                name: _correct_clocks(reader, name, keys)
                for name in INCREMENTAL_TABLES
                if (keys := reader.read_withdrawn_keys(name, *self._last_position)).height
            }
            # Withdrawn coverage cannot be subtracted from a running score, so it too restarts from the database.
            if "coverage" in gone or self._has_restart_change(reader):
                self.live, self._last_position = self._read_live_score(reader), last_position
                return self.live.agents
            # With nothing new stored, the tables need not be read again.
            rows = (
                {name: self._read_new_rows(reader, name) for name in INCREMENTAL_TABLES}
                if last_position != self._last_position
                else {}
            )
        new_rows = {name: frame for name, frame in rows.items() if frame.height}
        changed_agents = self.live.take(**new_rows, gone=gone)
        self._last_position = last_position
        return changed_agents

    def _read_live_score(self, reader: DatabaseReader) -> Live:
        frames = read_scoring_tables(reader, self._span, None)
        frames["exemption"] = reader.read_table("exemption", span=self._span)
        return Live(
            InputFrames(**frames), window=self._window, timezone=self._timezone, options=self._options
        )

    def _has_restart_change(self, reader: DatabaseReader) -> bool:
        """Return whether a table changed that requires a restart."""
        number, ended = self._last_position
        return any(
            reader.read_arrivals(name, number).height
            or reader.read_withdrawn_keys(name, number, ended).height
            for name in RESTART_TABLES
        )

    def _read_new_rows(self, reader: DatabaseReader, name: str) -> pl.DataFrame:
        rows = reader.read_arrivals(
            name,
            self._last_position[0],
            self._span if name in WINDOWED_TABLES else None,
            CALL_LEG_COLUMNS if name == "call_leg" else None,
        )
        return _correct_clocks(reader, name, rows)


def _correct_clocks(reader: DatabaseReader, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    instants = [column for column in CLOCK_COLUMNS.get(name, ()) if column in rows.columns]
    return correct_clock_offsets(rows, reader.read_table("clock"), instants) if instants else rows


def live_frames(
    *,
    schedule: Frame,
    agent_state: Frame,
    window: tuple[TimeArgument, TimeArgument],
    call_leg: Frame | None = None,
    exemption: Frame | None = None,
    activity: Frame | None = None,
    state_map: Frame | None = None,
    rule: Frame | None = None,
    coverage: Frame | None = None,
    agent: Frame | None = None,
    login: Frame | None = None,
    timezone: str = "UTC",
    options: ScoreOptions | None = None,
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
    frames = build_input_frames(
        activity=activity,
        state_map=state_map,
        rule=rule,
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
    )
    return Live(
        frames,
        window=(parse_time(window[0], "window"), parse_time(window[1], "window")),
        timezone=timezone,
        options=options,
    )
