"""What every part of `Centre` needs: the database, the settings, and how windows are parsed and scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from wfm.engine.score import Options, Score
from wfm.engine.tolerance import Threshold, Tolerance
from wfm.errors import UsageError
from wfm.jobs import sources, when
from wfm.jobs.scoring import Basis, names, read_basis, unpublished
from wfm.jobs.when import When, Window
from wfm.settings import AUTO, PREFIX, Settings
from wfm.storage.database import Store
from wfm.storage.reader import Span


class Place:
    """The database and settings of a contact centre, and the scoring of a window."""

    def __init__(self, configured: Settings, warn: Callable[[str], None] | None = None) -> None:
        self.settings = configured
        self._tell, self._told = warn or logging.getLogger("wfm").warning, set[str]()
        self.store = Store(configured.database, wait_s=configured.database_wait_s)

    def window(self, from_: When, to: When, *, names: tuple[str, str] = ("--from", "--to")) -> Window:
        """Parse a window: two days (workdays) or two instants; next to an instant, a day means its local midnight.

        Raises:
            UsageError: it is neither, or the end is not after the start.
        """
        return when.window(from_, to, self.settings.timezone, names)

    def bounds(self, window: Window) -> Span:
        """Return the instants at which a window starts and ends; a day starts at its local midnight."""
        return when.bounds(window, self.settings.timezone)

    def _instant(self, as_of: When | None) -> datetime | None:
        return when.instant(as_of, self.settings.timezone, "--as-of")

    def _workday(self, day: When) -> date:
        on = when.parse(day, "day")
        if isinstance(on, datetime):
            raise UsageError(f"{day}: explain takes a day, like 2026-03-02.")
        return on

    def options(self) -> Options:
        """Return the scoring options of the settings.

        Unless WFM_STATE_DELAY_S is set, the longest time by which states can be late is derived from the sources with
        valid settings; a warning names the others once.
        """
        own = self.settings
        delay = self._delay_s() if own.state_delay_s == AUTO else int(own.state_delay_s)
        return Options(
            state_renewal=own.state_renewal,
            wrapup_grace=own.wrapup_grace,
            state_delay=timedelta(seconds=delay),
            state_evidence=own.state_evidence,
            threshold=Threshold(timedelta(seconds=own.threshold_s), own.threshold_smooth),
            tolerances=tuple(
                Tolerance(name, timedelta(seconds=each.start_s), timedelta(seconds=each.end_s), each.smooth)
                for name, each in own.tolerance.items()
            ),
        )

    def _delay_s(self) -> int:
        valid, invalid = sources.readable(self.settings.sources, self.settings.country)
        delay = sources.longest_delay_s(valid)
        for name, error in invalid.items():
            text = (
                f"the settings of source {name} cannot be read ({error}); scored as if its states were at most "
                f"{delay} s late, like those of the others: set {PREFIX}STATE_DELAY_S if {name} polls more slowly."
            )
            self._tell_once(text)
        return delay

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def basis(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Basis:
        """Read everything that decides the scores of a window; arguments and errors as for `Centre.score`."""
        window, instant = self.window(from_, to), self._instant(as_of)
        with self.store.reading(instant) as reader:
            basis = read_basis(
                reader, window, instant, self.settings.timezone, self.options(), agents=names(agents)
            )
        first = unpublished(basis)
        if first is not None:
            self._tell_once(
                f"as of {as_of} no schedule from {from_} to {to} was published yet; "
                f"the first was at {first:%Y-%m-%d %H:%M:%SZ}."
            )
        return basis

    def score(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
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
        return self.basis(from_, to, agents=agents, as_of=as_of).score()
