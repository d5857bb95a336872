"""A chapter of `Centre`: what may be wrong, what a change would do, and whether the sources agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from wfm.engine.reconcile import Reconciliation
from wfm.errors import NoDataError, UsageError
from wfm.jobs import clocks, outages, reconciling, rehearsing
from wfm.jobs.centre.place import Place
from wfm.jobs.rehearsing import Rehearsal
from wfm.jobs.scoring import names, nothing_known, people
from wfm.jobs.when import When, Window
from wfm.storage.database import Written


class Doubts(Place):
    """What may be wrong, what a change would do, and whether the sources agree."""

    def outages(
        self,
        from_: When,
        to: When,
        *,
        teams: str | Sequence[str] | None = None,
        sources: str | Sequence[str] | None = None,
        history: timedelta = outages.HISTORY,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Propose what may have failed: outages nobody declared, feeds that failed, states nobody mapped.

        Nothing is changed; columns as in `wfm.jobs.outages.propose`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known of it, or of a team or source.
        """
        window = self.bounds(self.window(from_, to))
        try:
            basis = self.basis(window[0] - history, window[1], as_of=as_of)
        except NoDataError as nothing:
            raise nothing_known(f" from {from_} to {to}, nor of the {history.days} days before") from nothing
        with self.store.reading(self._instant(as_of)) as known:
            search = outages.Search(
                window,
                window[0] - history,
                datetime.now(UTC),
                self.settings.timezone,
                names(teams),
                names(sources),
                outages.closed_days(known),
            )
            agent = people(known)
        return outages.propose(basis, agent, search)

    def dry_run(
        self,
        from_: When | None = None,
        to: When | None = None,
        *,
        days: int = 90,
        tables: Mapping[str, Path | str | pl.DataFrame] | None = None,
        maps: Sequence[str] = (),
        fits: Sequence[str] = (),
        misfits: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        by: str | Sequence[str] = ("agent_id",),
        target: float | None = None,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Rehearsal:
        """Score a window as is and with new rows or options, and store nothing.

        Args:
            from_, to: the window; None: the last ``days`` of which states are known.
            tables, maps, fits, misfits, options: what to try, as for `wfm.jobs.rehearsing.change`.
            by: what to group by, as for `Score.adherence`.
            target: an adherence of which it is counted who would cross it.
            agents, as_of: as for `score`.

        Raises:
            UsageError, InputError, BadRowsError: the window, or what to try, is wrong.
            NoDataError: nothing is known of the window.
        """
        tried = rehearsing.change(tables or {}, maps=maps, fits=fits, misfits=misfits, options=options or {})
        if (from_ is None) != (to is None):
            raise UsageError("Give both --from and --to, or neither and --days.")
        window: Window
        if from_ is None or to is None:
            with self.store.reading(self._instant(as_of)) as known:
                window = rehearsing.last_days(known, days, self.settings.timezone, datetime.now(UTC))
        else:
            window = self.window(from_, to)
        basis = self.basis(*window, agents=agents, as_of=as_of)
        return rehearsing.rehearse(basis, tried, by=names(by) or [], target=target)

    def reconcile(
        self,
        from_: When,
        to: When,
        *,
        queues: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Reconciliation:
        """Hold vendors' buckets, call logs and agent states against each other; see `wfm.engine.reconcile`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known of it, or of the queue.
        """
        window = self.window(from_, to)
        try:
            state = self.score(*reconciling.around(window, self.settings.timezone), as_of=as_of).slices()
        except NoDataError:  # then two accounts are compared
            state = None
        with self.store.reading(self._instant(as_of)) as known:
            return reconciling.compare(
                known,
                window,
                self.settings.timezone,
                queues=names(queues),
                state=state,
                state_delay=self.options().state_delay,
            )

    def skew(self, from_: When, to: When, *, as_of: When | None = None) -> pl.DataFrame:
        """Estimate how far the clocks of call logs and state logs are apart; columns as in `wfm.engine.skew.skew`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: there are no calls in it, or no states.
        """
        with self.store.reading(self._instant(as_of)) as known:
            return clocks.estimate(known, self.window(from_, to), self.settings.timezone)

    def put_clocks_right(
        self, from_: When, to: When, *, by: str, reference: str | None = None
    ) -> tuple[pl.DataFrame, Written | None]:
        """Store the differences found in table clock: from then on scoring reads those sources by the right time.

        Args:
            from_, to: as for `skew`.
            by: who decides that.
            reference: the source whose clock is right; None: the state logs'.

        Returns:
            The rows (source offset_s from_at to_at by note), and what was new of them; None if no clock differs.

        Raises:
            UsageError: the window or the reference is wrong.
            NoDataError: there are no calls in it, or no states.
        """
        window = self.window(from_, to)
        with self.store.reading() as known:
            found, clock = clocks.estimate(known, window, self.settings.timezone), known.table("clock")
        rows = clocks.to_put_right(found, clock, self.settings.timezone, by, reference)
        if rows.is_empty():
            return rows, None
        span = self.bounds(window)
        return rows, self.store.write("clock", rows, source=reference or "-", origin="import", window=span)
