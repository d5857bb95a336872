"""The methods of `Centre` on data quality: outages, dry runs, reconciliation and clock skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from wfm.analysis import clock_skew, dry_run, outages, reconcile
from wfm.analysis.dry_run import DryRunResult
from wfm.analysis.load import build_no_data_error, list_names, read_agents
from wfm.analysis.time_args import TimeArgument, TimeWindow
from wfm.centre.base import CentreBase
from wfm.core.errors import NoDataError, UsageError
from wfm.engine.reconcile.reconcile import Reconciliation
from wfm.storage.database import WriteResult


class CentreDataQuality(CentreBase):
    """Outage proposals, dry runs, reconciliation of sources, and clock skew."""

    def outages(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        teams: str | Sequence[str] | None = None,
        sources: str | Sequence[str] | None = None,
        history: timedelta = outages.HISTORY_LENGTH,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Propose undeclared outages, failed feeds and missing mappings; nothing is changed.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            teams, sources: only these; None: all.
            history: how long before the window is scored as well, to learn what is normal.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            kind (outage, joint_absence, feed_gap, silent_feed, unmapped) start_at end_at scope agents seconds
            (concerned) share share_normal (of the group out: then, and usually; 0..1) chance (upper bound of the
            probability that it is a coincidence) evidence examples apply (the command that would record it); the most
            seconds first.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known about it, or a team or source does not exist.
        """
        window = self.compute_bounds(self.parse_window(from_, to))
        try:
            basis = self.read_inputs(window[0] - history, window[1], as_of=as_of)
        except NoDataError as nothing:
            raise build_no_data_error(
                f" from {from_} to {to}, nor of the {history.days} days before it"
            ) from nothing
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            search = outages.OutageSearch(
                window,
                window[0] - history,
                datetime.now(UTC),
                self.settings.timezone,
                list_names(teams),
                list_names(sources),
                outages.read_closed_days(reader),
            )
            agent = read_agents(reader)
        return outages.propose_failures(basis, agent, search)

    def dry_run(
        self,
        from_: TimeArgument | None = None,
        to: TimeArgument | None = None,
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
        as_of: TimeArgument | None = None,
    ) -> DryRunResult:
        """Score a window with and without new mappings, rules, activities or options; store nothing.

        Args:
            from_, to: as for `score`; None: the last ``days`` for which agent states are covered.
            days: how many, if no window is given.
            tables: state_map, rule or activity → a file, or a frame with the table's columns.
            maps: mappings like ``ncc:Coffee=break``; without a source, for every source; ``ncc:Aux|lunch=meal`` with a
                reason.
            fits: rules like ``break:training``: the state is in adherence with the category.
            misfits: rules likewise, but out of adherence.
            options: scoring option → its value: true or false; seconds, or a duration like 2m or 16h.
            by: what to group by, as for `adherence`.
            target: an adherence (0..1): report who would cross it.
            agents: one or several agent_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The effect: ``overall`` and ``groups`` (adherence before and after), ``moves`` (which seconds change class,
            and because of what), ``agents`` (who moves, or crosses the target) and ``notes``.

        Raises:
            UsageError: the window, an option or a rule is wrong, or there is no change to try.
            InputError, BadRowsError: a file, or a row of it, is wrong.
            NoDataError: nothing is known about the window.
        """
        change = dry_run.read_proposed_change(
            tables or {}, maps=maps, fits=fits, misfits=misfits, options=options or {}
        )
        if (from_ is None) != (to is None):
            raise UsageError("Give both --from and --to, or neither and --days.")
        window: TimeWindow
        if from_ is None or to is None:
            with self.database.open_reader(self._parse_as_of(as_of)) as reader:
                window = dry_run.find_last_days(reader, days, self.settings.timezone, datetime.now(UTC))
        else:
            window = self.parse_window(from_, to)
        basis = self.read_inputs(*window, agents=agents, as_of=as_of)
        return dry_run.score_with_change(basis, change, by=list_names(by) or [], target=target)

    def reconcile(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        queues: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> Reconciliation:
        """Compare interval volume, call log and agent states, and find the causes of differences.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            queues: one or several queue_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The reconciliation: ``findings`` has source queue_id figure cause intervals amount (calls or seconds)
            evidence; its methods sum figures, residuals and agreement (0..1) up by group and overall.

        Raises:
            UsageError: the window is wrong.
            NoDataError: there is no volume in it, or a queue does not exist.
        """
        window = self.parse_window(from_, to)
        try:
            state = self.score(*reconcile.widen_window(window, self.settings.timezone), as_of=as_of).slices()
        except NoDataError:  # without states, interval volume and call log are compared
            state = None
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            return reconcile.reconcile_stored_window(
                reader,
                window,
                self.settings.timezone,
                queues=list_names(queues),
                state=state,
                state_delay=self.scoring_options().state_delay,
            )

    def skew(
        self, from_: TimeArgument, to: TimeArgument, *, as_of: TimeArgument | None = None
    ) -> pl.DataFrame:
        """Estimate how far the clocks of call logs and state logs are apart.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            One row per call_source, state_source and day: skew_s (seconds by which the state log's clock is ahead of
            the call log's; negative: behind) low_s high_s (95 % confidence interval) pairs (of events it is estimated
            from) events share (of the events that were paired) method delay_s (by how much states are late at most)
            reason (why there is no estimate); drift_s drift_low_s drift_high_s (change of skew_s per day over all
            days; null with fewer than three).

        Raises:
            UsageError: the window is wrong.
            NoDataError: it has no answered calls, or no agent states.
        """
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            return clock_skew.estimate_stored_skew(
                reader, self.parse_window(from_, to), self.settings.timezone
            )

    def correct_clocks(
        self, from_: TimeArgument, to: TimeArgument, *, by: str, reference: str | None = None
    ) -> tuple[pl.DataFrame, WriteResult | None]:
        """Store the estimated clock skew as corrections in table clock, which scoring then applies.

        Args:
            from_, to: as for `skew`.
            by: who decides it.
            reference: the source whose clock is right; None: the state logs.

        Returns:
            The corrections (source offset_s from_at to_at by note; offset in seconds, positive where the clock is
            ahead), and how many rows were new; the latter None if no clock needs a correction.

        Raises:
            UsageError: the window or the reference is wrong.
            NoDataError: the window has no answered calls, or no agent states.
            DatabaseBusyError, StoreError: the database cannot be written.
        """
        window = self.parse_window(from_, to)
        with self.database.open_reader() as reader:
            estimates = clock_skew.estimate_stored_skew(reader, window, self.settings.timezone)
            clock = reader.read_table("clock")
        rows = clock_skew.build_clock_corrections(estimates, clock, self.settings.timezone, by, reference)
        if rows.is_empty():
            return rows, None
        span = self.compute_bounds(window)
        return rows, self.database.write_table(
            "clock", rows, source=reference or "-", origin="import", window=span
        )
