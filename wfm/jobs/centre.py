"""A contact centre: its database and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl

from wfm import files, schema, settings, terms
from wfm.engine import volume
from wfm.engine.clocks import put_right
from wfm.engine.definitions import chosen
from wfm.engine.forecast import accuracy as measure
from wfm.engine.forecast import backtest
from wfm.engine.forecast import forecast as forecast_volume
from wfm.engine.inputs import INSTANT
from wfm.engine.reconcile import Reconciliation
from wfm.engine.score import Options, Score
from wfm.engine.tolerance import Threshold, Tolerance
from wfm.errors import BadRowsError, InputError, NoDataError, UsageError
from wfm.jobs import (
    ahead,
    changes,
    clocks,
    evidence,
    exempting,
    explaining,
    importing,
    outages,
    provenance,
    publication,
    reconciling,
    rehearsing,
    sources,
    when,
)  # fmt: skip
from wfm.jobs.changes import Changes
from wfm.jobs.exempting import Decision
from wfm.jobs.explaining import Explanation, Instant
from wfm.jobs.importing import Imported
from wfm.jobs.live import Following
from wfm.jobs.rehearsing import Rehearsal
from wfm.jobs.scoring import Basis, check_names, names, people, read_basis, with_defaults
from wfm.jobs.when import DAY, When, Window
from wfm.report import Report, assemble
from wfm.settings import AUTO, Settings
from wfm.store import Reader, Span, Store, Written

IMPORT_SOURCE = "import"


class Centre:
    """A contact centre: its database and how to read it. Holds no lock between calls."""

    def __init__(self, configured: Settings) -> None:
        self.settings = configured
        self.store = Store(configured.database, wait_s=configured.database_wait_s)

    # --- bringing data in and out -------------------------------------------------------------------------
    def put(
        self,
        table: str,
        path: Path | str,
        *,
        source: str | None = None,
        timezone: str | None = None,
        fold: Literal["earlier", "later"] | None = None,
        renames: Mapping[str, str] | None = None,
        sheet: str | None = None,
        values: Mapping[str, str] | None = None,
        skip_bad: Path | None = None,
        covers: tuple[When, When] | None = None,
    ) -> Imported:
        """Import a file into a table, all or nothing; doing it twice changes nothing.

        Args:
            table: one of `wfm.files.importable()`.
            path: csv, parquet, xlsx, or ics for schedule.
            source: the account the rows are from, where the file does not say.
            timezone: what a time without an offset means.
            fold: which of two equal local times is meant when clocks go back.
            renames: their column → ours.
            sheet: which sheet of a workbook.
            values: a column → its value in every row, for columns the file does not have.
            skip_bad: write the bad rows to this file and import the others.
            covers: for agent_state: the span that was watched; None: the local days the rows touch.

        Raises:
            UsageError: the table, or what was said about it, is wrong.
            InputError, BadRowsError, OutputError, StoreError: nothing was imported.
        """
        path = Path(path)
        _check_import(table, path, skip_bad, covers)
        span = None if covers is None else self._covered(covers)
        given = dict(values or {})
        if "source" in schema.table(table).own:
            given.setdefault("source", source or ("*" if table == "state_map" else IMPORT_SOURCE))
        known = self._activities() if table == "schedule" else None
        reading = files.read(
            path,
            table,
            defaults=given,
            timezone=timezone,
            fold=fold,
            renames=renames or {},
            activities=known,
            sheet=sheet,
        )
        skipped = _set_aside(reading, path, skip_bad)
        written = self.store.write(
            table,
            reading.frame,
            source=given.get("source", "-"),
            origin="import",
            file_name=path.name,
            window=importing.extent(reading.frame),
            skipped=skipped,
            note=reading.note,
            coverage=self._watched(reading.frame, span) if table == "agent_state" else None,
            revise=self._published if table == "schedule" else None,
        )
        return Imported(table, path, written, skipped, written.note)

    def get(self, table: str, *, as_of: When | None = None) -> pl.DataFrame:
        """Return a table as it was stored: its own columns, in the order in which the rows came.

        Raises:
            UsageError: there is no such table.
            NoDataError, StoreError.
        """
        if table not in schema.tables():
            raise UsageError(f"There is no table {table!r}: choose from {', '.join(schema.tables())}.")
        with self.store.reading(self._instant(as_of)) as known:
            frame = known.table(table)
            return frame if table != "call_leg" else _with_agent(frame, known.table("login"))

    # --- scoring ------------------------------------------------------------------------------------------
    def score(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Score:
        """Score a window: whole workdays if given as dates, else to the microsecond; ``to`` is not included.

        With ``agents``, only their schedules; a login they shared may still bring the states of another.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known about it, or about one of the agents.
        """
        return self.basis(from_, to, agents=agents, as_of=as_of).score()

    def basis(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Basis:
        """Read everything that decides the scores of a window; arguments and errors as for `score`."""
        window, instant = self.window(from_, to), self._instant(as_of)
        with self.store.reading(instant) as known:
            return read_basis(
                known, window, instant, self.settings.timezone, self.options(), agents=names(agents)
            )

    def live(self, from_: When, to: When) -> Following:
        """Score a window while it goes on: call ``refresh`` to take what was stored since, look at ``live``.

        Raises:
            UsageError: the window is wrong.
            NoDataError: there is no database.
        """
        return Following(self.store, self.window(from_, to), self.settings.timezone, self.options())

    def options(self) -> Options:
        """Return what the settings say about scoring.

        Raises:
            SettingsError: the settings of a source are wrong, and they decide how late states may be told.
        """
        own = self.settings
        told = own.state_delay_s
        delay = (
            sources.longest_delay_s(sources.configured(own.sources, own.country))
            if told == AUTO
            else int(told)
        )
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

    def adherence(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        definitions: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Score and roll up, perhaps by other products' definitions; columns as in `Score.adherence`."""
        chosen(definitions)
        return self.score(from_, to, agents=agents, as_of=as_of).adherence(by, definitions)

    def bridge(
        self,
        from_: When,
        to: When,
        *,
        definitions: tuple[str, str],
        by: str | Sequence[str] = (),
        stretches: bool = False,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Say which seconds make the difference between two scores; columns as in `Score.bridge`.

        With ``stretches``, list every stretch of them; columns as in `Score.bridge_stretches`.
        """
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.bridge_stretches(*definitions) if stretches else scored.bridge(*definitions, by)

    def shrinkage(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
        utilisation: str = "of_paid",
    ) -> pl.DataFrame:
        """Tell where paid time went and how busy agents were; columns as in `Score.shrinkage`."""
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage(by, agents=names(agents), utilisation=utilisation)

    def shrinkage_causes(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Tell what shrinkage was made of; columns as in `Score.shrinkage_causes`."""
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage_causes(by, agents=names(agents))

    def exceptions(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        classes: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """List adherence exceptions; columns as in `Score.exceptions`."""
        kinds = names(classes)
        for name in kinds or ():
            if name not in terms.CLASSES:
                raise UsageError(f"There is no class {name!r}: choose from {', '.join(terms.CLASSES)}.")
        found = self.score(from_, to, agents=agents, as_of=as_of).exceptions()
        if chosen := names(agents):
            found = found.filter(pl.col("agent_id").is_in(chosen))
        return found if not kinds else found.filter(pl.col("class").cast(pl.String).is_in(kinds))

    def explain(self, agent: str, day: When, *, as_of: When | None = None) -> Explanation:
        """Explain one agent's workday down to the raw rows.

        Raises:
            UsageError: the day is not a date.
            NoDataError: nobody knows the agent, or nothing is known of the day.
        """
        on, instant = self._workday(day), self._instant(as_of)
        return explaining.explain(self.store, self.settings, self.options(), agent, on, instant)

    def explain_instant(self, agent: str, day: When, at: When, *, as_of: When | None = None) -> Instant:
        """Explain one instant of a workday (or a local time, like 10:16): what every rule found, and what it lacked.

        Raises:
            UsageError: the day is not a date, or the instant not in it.
            NoDataError: nobody knows the agent, or nothing is known of the day.
        """
        on, instant = self._workday(day), self._instant(as_of)
        return explaining.explain_instant(self.store, self.settings, self.options(), agent, on, at, instant)

    def payload(self, where: str, *, as_of: When | None = None) -> bytes:
        """Return a raw payload as it came, by where it stands: collection/position.

        Raises:
            UsageError: that is no such place.
            NoDataError: nothing is kept there, or no longer.
        """
        with self.store.reading(self._instant(as_of)) as known:
            return evidence.whole(known, where)

    def _workday(self, day: When) -> date:
        on = when.parse(day, "day")
        if isinstance(on, datetime):
            raise UsageError(f"{day}: explain takes a day, like 2026-03-02.")
        return on

    # --- exemptions, and what changed ---------------------------------------------------------------------
    def exempt(
        self,
        from_: When,
        to: When,
        *,
        by: str,
        reason: str,
        agents: str | Sequence[str] | None = None,
        teams: str | Sequence[str] | None = None,
        everybody: bool = False,
        kind: str = "approved",
        code: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Exempt agents, teams or everybody, and return what that does to the scores.

        Args:
            from_, to: two days or two instants with an offset; ``to`` is not included.
            by, reason: who approves it, and why.
            agents, teams, everybody: for whom.
            kind: approved (somebody excused it) or system (an outage).
            code: a short reason.
            dry_run: store nothing; `Decision.save` does it later.

        Raises:
            UsageError: it is not said when, for whom, by whom or why.
            NoDataError: an agent or a team is not known.
            InputError: the same is exempted already.
        """
        rows = exempting.requested(
            self.bounds(self.window(from_, to)),
            agents=names(agents) or (),
            teams=names(teams) or (),
            everybody=everybody,
            kind=kind,
            code=code,
            by=by,
            reason=reason,
        )
        made = exempting.plan(self.store, self.basis, rows, by=by, reason=reason)
        return made if dry_run else made.save()

    def exempt_file(
        self,
        path: Path | str,
        *,
        by: str | None = None,
        reason: str | None = None,
        timezone: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Exempt what a file (csv, parquet, xlsx) with the columns of table exemption says, all or nothing.

        Args:
            path: the file.
            by, reason: for the rows that do not say.
            timezone: what times without an offset mean.
            dry_run: store nothing; `Decision.save` does it later.

        Raises:
            InputError, BadRowsError: the file, or a row of it, is wrong.
            NoDataError: an agent or a team is not known.
        """
        path = Path(path)
        reading = files.read(path, "exemption", timezone=timezone, defaults={"kind": "approved"})
        _set_aside(reading, path, None)
        rows = exempting.completed(reading.frame, by=by, reason=reason, where=str(path))
        who = by or ", ".join(rows["by"].unique(maintain_order=True))
        made = exempting.plan(self.store, self.basis, rows, by=who, reason=reason, file_name=path.name)
        return made if dry_run else made.save()

    def revoke(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Revoke exemptions by their ids, all or none; ``--as-of`` before still counts them.

        Raises:
            UsageError, NoDataError, InputError: as `wfm.jobs.exempting.plan_again`.
        """
        return self._again("revoke", ids, by, reason, dry_run)

    def restore(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Put revoked exemptions in force again; as `revoke`."""
        return self._again("restore", ids, by, reason, dry_run)

    def _again(
        self, action: str, ids: str | Sequence[str], by: str, reason: str | None, dry_run: bool
    ) -> Decision:
        made = exempting.plan_again(self.store, self.basis, names(ids) or (), action, by=by, reason=reason)
        return made if dry_run else made.save()

    def exemptions(
        self,
        from_: When | None = None,
        to: When | None = None,
        *,
        agents: str | Sequence[str] | None = None,
        teams: str | Sequence[str] | None = None,
        revoked: bool = False,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """List exemptions; columns as in `wfm.jobs.exempting.listed`.

        Raises:
            UsageError: an instant is none.
            NoDataError: an agent or a team is not known.
        """
        if from_ is not None and to is not None:
            self.window(from_, to)
        zone, instant = self.settings.timezone, self._instant(as_of)
        span = (when.instant(from_, zone, "--from"), when.instant(to, zone, "--to"))
        with self.store.reading(instant) as known:
            return exempting.listed(
                known,
                instant,
                span=span,
                agents=names(agents) or (),
                teams=names(teams) or (),
                revoked=revoked,
            )

    def what_changed(
        self,
        from_: When,
        to: When,
        then: When,
        *,
        now: When | None = None,
        by: str | Sequence[str] = ("agent_id", "workday"),
        agents: str | Sequence[str] | None = None,
    ) -> Changes:
        """Say how the answer about a window differs between two instants of knowledge, and because of which rows.

        Args:
            from_, to: the window, as for `score`.
            then, now: the two instants; without the second: with all that is known.
            by: what figures are grouped by.
            agents: only these.

        Raises:
            UsageError: ``now`` is not after ``then``, or nothing was recorded yet then.
            NoDataError: nothing is known of the window at either instant.
        """
        return changes.what_changed(self, (from_, to), (then, now), names(by) or [], names(agents))

    # --- what may be wrong, and what a change would do ----------------------------------------------------
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
        basis = self.basis(window[0] - history, window[1], as_of=as_of)
        with self.store.reading(self._instant(as_of)) as known:
            search = outages.Search(
                window, window[0] - history, datetime.now(UTC), self.settings.timezone, names(teams),
                names(sources), outages.closed_days(known),
            )  # fmt: skip
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

    # --- whether the sources agree --------------------------------------------------------------------------
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

    # --- volume and forecast ------------------------------------------------------------------------------
    def intervals(
        self,
        from_: When,
        to: When,
        *,
        queues: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Return volume, handle time, abandonment, service level and occupancy per queue and 15 minutes.

        Columns as in `wfm.engine.volume.intervals`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known of it, or of the queue.
        """
        window = self.window(from_, to)
        try:
            state = self.score(*self.bounds(window), as_of=as_of).slices()
        except NoDataError:  # calls without states: then nobody knows how occupied agents were
            state = None
        return self._intervals(window, names(queues), as_of, state)

    def _intervals(
        self, window: Window, chosen: Sequence[str] | None, as_of: When | None, state: pl.DataFrame | None
    ) -> pl.DataFrame:
        span = self.bounds(window)
        wide = (span[0] - DAY, span[1] + DAY)  # who staffed a queue is decided by whole local days
        with self.store.reading(self._instant(as_of)) as known:
            check_names(known, "queue", chosen or ())
            buckets, legs = known.table("interval_volume", span=wide), known.table("call_leg", span=wide)
            login, queue = known.table("login"), known.table("queue")
            legs = put_right(legs, known.table("clock"), ["started_at", "answered_at", "ended_at"])
        found = volume.intervals(
            call_leg=legs,
            interval_volume=buckets,
            state=state,
            login=login,
            queue=queue,
            window=span,
            service_level=volume.ServiceLevel(target_s=self.settings.service_level_s),
            timezone=self.settings.timezone,
        )
        found = found if chosen is None else found.filter(pl.col("queue_id").is_in(chosen))
        if found.is_empty():
            of = f" of {', '.join(chosen)}" if chosen else ""
            raise NoDataError(
                f"No interval volume and no calls{of} are known from {window[0]} to {window[1]}."
            )
        return found

    def forecast(
        self,
        *,
        queues: str | Sequence[str] | None = None,
        horizon: timedelta = timedelta(days=14),
        origin: When | None = None,
        as_of: When | None = None,
        keep: bool = True,
    ) -> pl.DataFrame:
        """Forecast volume and handle time from the origin on and keep the snapshot.

        Args:
            queues: which; None: all.
            horizon: how far.
            origin: only intervals that ended by it are used; None: the last interval there is.
            as_of: learn only from what was known then.
            keep: store the snapshot in table forecast.

        Returns:
            queue_id interval_start volume volume_p10 volume_p50 volume_p90 aht_s aht_p10 aht_p90 model origin
            made_at.

        Raises:
            UsageError: the horizon is wrong.
            NoDataError: there is no volume to learn from.
        """
        ahead.check_horizon(horizon)
        start = when.instant(origin, self.settings.timezone, "--origin")
        with self.store.reading(self._instant(as_of)) as known:
            history = ahead.history(known, names(queues))
            first, end = ahead.extent(history)
            start = start or end
            special = ahead.special_days(known, self.settings, first, start + horizon)
        if first + ahead.INTERVAL > start:
            raise NoDataError(f"No interval ended by {start.isoformat()}; the first is {first.isoformat()}.")
        snapshot = self._forecast(history, start, horizon, special)
        if keep:
            self.store.append("forecast", snapshot)
        return snapshot

    def _forecast(
        self, past: pl.DataFrame, origin: datetime, horizon: timedelta, special: pl.DataFrame | None
    ) -> pl.DataFrame:
        made = forecast_volume(
            past, origin=origin, horizon=horizon, timezone=self.settings.timezone, holiday=special
        )
        now = pl.lit(datetime.now(UTC), INSTANT)
        return made.with_columns(made_at=now).select(list(schema.table("forecast").columns))

    def accuracy(
        self,
        *,
        queues: str | Sequence[str] | None = None,
        weeks: int = 8,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Measure the forecast over the last weeks, beside simple rivals and the noise floor.

        Columns as in `wfm.engine.forecast.accuracy`, per queue.

        Raises:
            NoDataError: there is no volume.
            UsageError, InputError: there is too little of it.
        """
        with self.store.reading(self._instant(as_of)) as known:
            history = ahead.history(known, names(queues))
            special = ahead.special_days(known, self.settings, *ahead.extent(history))
        return self._accuracy(history, weeks, special)

    def _accuracy(self, past: pl.DataFrame, weeks: int, special: pl.DataFrame | None) -> pl.DataFrame:
        tested = backtest(past, timezone=self.settings.timezone, weeks=weeks, holiday=special)
        return measure(tested, by=["queue_id"])

    # --- the report ---------------------------------------------------------------------------------------
    def report(
        self,
        from_: When,
        to: When,
        *,
        as_of: When | None = None,
        horizon: timedelta = timedelta(days=14),
        definitions: str | Sequence[str] = (),
    ) -> Report:
        """Assemble every figure of a report: scores, exceptions, volume and, with a history, the forecast.

        ``definitions``: other products' scores to show beside ours, as for `adherence`. Nothing is stored, the
        forecast neither.

        Raises:
            UsageError: the window is not two dates.
            NoDataError: nothing is known of it.
        """
        start, end = self.window(from_, to)
        if isinstance(start, datetime) or isinstance(end, datetime):
            raise UsageError("A report is about whole days: give dates like 2026-03-02.")
        scored = self.score(start, end, as_of=as_of)
        with self.store.reading(self._instant(as_of)) as known:
            agent, queue = people(known), known.table("queue")
        state = replace(scored, window=self.bounds((start, end))).slices()
        outlook, notes = self._outlook(start, end, as_of, horizon, state)
        accounts = {name: str(of.get("vendor", "")) for name, of in self.settings.sources.items()}
        with self.store.reading(self._instant(as_of)) as known:
            figures = provenance.figures(known, self.bounds((start, end)), outlook.get("interval"), accounts)
        return assemble(
            sources=figures,
            overall=scored.adherence([], definitions),
            by_team=scored.adherence(["team"]),
            by_agent=scored.adherence(["agent_id", "name", "team"]),
            by_day=scored.adherence(["workday"]),
            by_agent_day=scored.adherence(["agent_id", "workday"]),
            exceptions=scored.exceptions(),
            slices=scored.slices(),
            agent=agent,
            queue=queue,
            from_on=start,
            to_on=end,
            made_at=datetime.now(UTC),
            timezone=self.settings.timezone,
            as_of=self._instant(as_of),
            notes_before=notes,
            **outlook,
        )

    def _outlook(
        self, start: date, end: date, as_of: When | None, horizon: timedelta, state: pl.DataFrame
    ) -> tuple[dict[str, Any], list[str]]:
        """Return a report's frames about calls (interval history forecast accuracy), and notes."""
        found: dict[str, Any] = {}
        try:
            found["interval"] = self._intervals((start, end), None, as_of, state)
            with self.store.reading(self._instant(as_of)) as known:
                found["history"] = past = ahead.history(known, None)
                first, last = ahead.extent(past)
                special = ahead.special_days(known, self.settings, first, last + horizon)
            found["forecast"] = self._forecast(past, last, horizon, special)
            found["accuracy"] = self._accuracy(past, ahead.origins(first, last), special)
        except NoDataError:
            return found, []
        except (UsageError, InputError) as short:
            what = "The forecast's error is not known" if "forecast" in found else "No forecast"
            return found, [f"{what}: {short}"]
        return found, []

    # --- what callers write as text -----------------------------------------------------------------------
    def window(self, from_: When, to: When, *, names: tuple[str, str] = ("--from", "--to")) -> Window:
        """Read a window: two dates (workdays) or two instants; a date beside an instant is its midnight.

        Raises:
            UsageError: it is neither, or the end is not after the start.
        """
        return when.window(from_, to, self.settings.timezone, names)

    def bounds(self, window: Window) -> Span:
        """Give a window's first and last instant; a day begins at its local midnight."""
        return when.bounds(window, self.settings.timezone)

    def _instant(self, as_of: When | None) -> datetime | None:
        return when.instant(as_of, self.settings.timezone, "--as-of")

    # --- what is known at import --------------------------------------------------------------------------
    def _activities(self) -> list[str]:
        own = self.get("activity") if self.store.path.exists() else schema.empty("activity")
        return with_defaults("activity", own)["activity"].unique(maintain_order=True).to_list()

    def _published(
        self, known: Reader, frame: pl.DataFrame, now: datetime
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        return publication.publish(known, frame, now, self.settings.timezone)

    def _covered(self, covers: tuple[When, When]) -> Span:
        return self.bounds(self.window(*covers, names=("--covers", "its end")))

    def _watched(self, states: pl.DataFrame, span: Span | None) -> pl.DataFrame:
        if span is not None:
            return importing.spanned(states, span)
        return importing.touched(states, self.settings.timezone, datetime.now(UTC))


def _check_import(table: str, path: Path, skip_bad: Path | None, covers: tuple[When, When] | None) -> None:
    if table not in files.importable():
        there = ", ".join(files.importable())
        raise UsageError(f"There is no table {table!r} to import into: choose from {there}.")
    if covers is not None and table != "agent_state":
        raise UsageError("--covers says what was watched of agent states; it goes with agent_state only.")
    if skip_bad is not None and skip_bad.resolve() == path.resolve():
        raise UsageError(f"--skip-bad {skip_bad} is the file to import: name another for its bad rows.")


def _set_aside(reading: files.Reading, path: Path, skip_bad: Path | None) -> int:
    """Refuse a file for its bad rows, or write them to ``skip_bad``; return how many there are."""
    bad = reading.bad["row"].n_unique()
    if bad and skip_bad is None:
        raise BadRowsError(str(path), reading.bad)
    if bad and skip_bad is not None:
        files.write(reading.bad_rows, skip_bad, "csv")
    if reading.frame.is_empty():
        raise InputError(f"{path}: no good row is left, nothing was imported.")
    return bad


def _with_agent(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add ``agent_id``: whose login it was when the call came."""
    at = pl.coalesce("answered_at", "started_at", "ended_at")
    owners = (
        legs.with_row_index("row")
        .select("row", "source", "login", at=at)
        .join(login, on=["source", "login"])
        .filter(
            pl.col("from_at").is_null() | (pl.col("from_at") <= pl.col("at")),
            pl.col("to_at").is_null() | (pl.col("to_at") > pl.col("at")),
        )
        .unique("row", keep="last")
    )
    return (
        legs.with_row_index("row")
        .join(owners.select("row", "agent_id"), on="row", how="left", maintain_order="left")
        .with_columns(agent_id=pl.coalesce("agent_id", "login"))
        .drop("row")
    )


def open_centre(database: Path | str | None = None, *, settings_file: Path | str | None = None) -> Centre:
    """Open the configured database, or another; nothing is held until something is asked.

    Raises:
        SettingsError: the settings are wrong.
    """
    return Centre(settings.load(settings_file, database=database))
