"""The base class of `Centre`: its database and settings, and how a window is parsed, read and scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from wfm.analysis import time_args
from wfm.analysis.load import WindowInputs, find_late_publication, list_names, read_window_inputs
from wfm.analysis.time_args import TimeArgument, TimeWindow
from wfm.collect import sources
from wfm.core.errors import UsageError
from wfm.engine.adherence.scoring import Score, ScoreOptions
from wfm.engine.adherence.tolerance import ExceptionThreshold, SegmentTolerance
from wfm.settings import AUTO_DELAY, VARIABLE_PREFIX, Settings
from wfm.storage.database import Database
from wfm.storage.reader import TimeSpan


class CentreBase:
    """The database and settings of a contact centre, and the scoring of a window."""

    def __init__(self, configured: Settings, warn: Callable[[str], None] | None = None) -> None:
        self.settings = configured
        self._warn, self._warned = warn or logging.getLogger("wfm").warning, set[str]()
        self.database = Database(configured.database, wait_s=configured.database_wait_s)

    def parse_window(
        self, from_: TimeArgument, to: TimeArgument, *, names: tuple[str, str] = ("--from", "--to")
    ) -> TimeWindow:
        """Parse a window: two days (workdays) or two instants; next to an instant, a day means its local midnight.

        Raises:
            UsageError: it is neither, or the end is not after the start.
        """
        return time_args.parse_window(from_, to, self.settings.timezone, names)

    def compute_bounds(self, window: TimeWindow) -> TimeSpan:
        """Return the instants at which a window starts and ends; a day starts at its local midnight."""
        return time_args.compute_window_bounds(window, self.settings.timezone)

    def _parse_as_of(self, as_of: TimeArgument | None) -> datetime | None:
        return time_args.parse_instant(as_of, self.settings.timezone, "--as-of")

    def _parse_workday(self, day: TimeArgument) -> date:
        on = time_args.parse_time(day, "day")
        if isinstance(on, datetime):
            raise UsageError(f"{day}: explain takes a day, like 2026-03-02.")
        return on

    def scoring_options(self) -> ScoreOptions:
        """Return the scoring options of the settings.

        Unless WFM_STATE_DELAY_S is set, the longest time by which states can be late is derived from the sources with
        valid settings; a warning names the others once.
        """
        own = self.settings
        delay = self._find_state_delay_s() if own.state_delay_s == AUTO_DELAY else int(own.state_delay_s)
        return ScoreOptions(
            state_renewal=own.state_renewal,
            wrapup_grace=own.wrapup_grace,
            state_delay=timedelta(seconds=delay),
            state_evidence=own.state_evidence,
            threshold=ExceptionThreshold(timedelta(seconds=own.threshold_s), own.threshold_smooth),
            tolerances=tuple(
                SegmentTolerance(
                    name, timedelta(seconds=each.start_s), timedelta(seconds=each.end_s), each.smooth
                )
                for name, each in own.tolerance.items()
            ),
        )

    def _find_state_delay_s(self) -> int:
        valid, invalid = sources.split_valid_sources(self.settings.sources, self.settings.country)
        delay = sources.find_longest_delay_s(valid)
        for name, error in invalid.items():
            text = (
                f"the settings of source {name} cannot be read ({error}); scored as if its states were at most "
                f"{delay} s late, like those of the others: set {VARIABLE_PREFIX}STATE_DELAY_S if {name} polls "
                "more slowly."
            )
            self._warn_once(text)
        return delay

    def _warn_once(self, text: str) -> None:
        # A report reads inputs several times; the same warning once is enough.
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def read_inputs(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> WindowInputs:
        """Read everything that decides the scores of a window; arguments and errors as for `Centre.score`."""
        window, instant = self.parse_window(from_, to), self._parse_as_of(as_of)
        with self.database.open_reader(instant) as reader:
            basis = read_window_inputs(
                reader,
                window,
                instant,
                self.settings.timezone,
                self.scoring_options(),
                agents=list_names(agents),
            )
        first = find_late_publication(basis)
        if first is not None:
            self._warn_once(
                f"as of {as_of} no schedule from {from_} to {to} was published yet; "
                f"the first was at {first:%Y-%m-%d %H:%M:%SZ}."
            )
        return basis

    def score(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> Score:
        """Score a window.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            agents: one or several agent_ids, whose schedules are scored; None: all. A shared login can still bring in
                the states of other agents.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The score, whose methods ``adherence``, ``exceptions``, ``slices``, ``bridge`` and ``shrinkage`` return
            DataFrames; all views are computed from the same slices.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known about it, or an agent does not exist.
            DatabaseBusyError, StoreError: the database cannot be read.
        """
        return self.read_inputs(from_, to, agents=agents, as_of=as_of).compute_score()
