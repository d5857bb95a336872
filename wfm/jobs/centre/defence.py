"""The part of `Centre` that defends a score: explanations, exemptions, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from wfm import files
from wfm.jobs import changes, evidence, exempting, explaining, importing, when
from wfm.jobs.centre.place import Place
from wfm.jobs.changes import Changes
from wfm.jobs.exempting import Decision
from wfm.jobs.explaining import Explanation, Instant
from wfm.jobs.scoring import names
from wfm.jobs.when import When


class Defence(Place):
    """Explanations of scores, exemptions, and what changed between two knowledge times."""

    def explain(self, agent: str, day: When, *, as_of: When | None = None) -> Explanation:
        """Explain one agent's workday down to the stored rows.

        Args:
            agent: an agent_id.
            day: the workday, a date like 2026-03-02.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The explanation: ``slices`` (start_at end_at seconds activity state vendor_state class reason leg_id, the
            texts rule told plan, source login, and ids of rows), ``exceptions``, ``totals`` (one row of `adherence`)
            and ``rows`` (the stored rows behind the day).

        Raises:
            UsageError: the day is not a date.
            NoDataError: the agent does not exist, or nothing is known of the day.
        """
        on, instant = self._workday(day), self._instant(as_of)
        return explaining.explain(self.store, self.settings, self.options(), agent, on, instant)

    def explain_instant(self, agent: str, day: When, at: When, *, as_of: When | None = None) -> Instant:
        """Explain one instant of a workday: the result of every rule, and what a rule lacked to apply.

        Args:
            agent: an agent_id.
            day: the workday, a date like 2026-03-02.
            at: an instant with an offset, or a local time of the workday, like 10:16.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The explanation: ``slice`` (one row, as in `explain`), ``rule_results``, ``login_states`` and ``rows``.

        Raises:
            UsageError: the day is not a date, or the instant is outside the workday.
            NoDataError: the agent does not exist, or nothing is known of the day.
        """
        on, instant = self._workday(day), self._instant(as_of)
        return explaining.explain_instant(self.store, self.settings, self.options(), agent, on, at, instant)

    def payload(self, where: str, *, as_of: When | None = None) -> bytes:
        """Return a vendor's raw payload unchanged.

        Args:
            where: the payload's id (collection/position), from the column payload_in of an explanation's ``rows``.
            as_of: use only what was known at this instant; None: everything.

        Raises:
            UsageError: that is not a payload id.
            NoDataError: no payload is stored under that id, or no longer (WFM_PAYLOAD_DAYS).
        """
        with self.store.reading(self._instant(as_of)) as reader:
            return evidence.whole(reader, where)

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
        """Exempt agents, teams or everybody, and return the effect on the scores.

        Args:
            from_, to: two days, or two instants with an offset; ``to`` is not included.
            by, reason: who approves it, and why.
            agents, teams, everybody: for whom: agent_ids and teams, or everybody.
            kind: approved (an approved absence) or system (an outage).
            code: a short reason code.
            dry_run: store nothing; ``save()`` of the returned decision does so later.

        Returns:
            The decision: ``rows`` (the exemptions, with ids), ``figures`` (scores before and after per agent and
            workday), ``team_figures``, ``moves`` (which seconds change class) and ``notes``.

        Raises:
            UsageError: it does not say when, for whom, by whom or why.
            NoDataError: an agent or a team does not exist.
            InputError: an exemption in force already says the same.
            DatabaseBusyError, StoreError: the database cannot be written.
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
        decision = exempting.plan(self.store, self.basis, rows, by=by, reason=reason)
        return decision if dry_run else decision.save()

    def exempt_file(
        self,
        path: Path | str,
        *,
        by: str | None = None,
        reason: str | None = None,
        timezone: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Store the exemptions of a file, all or nothing, and return the effect on the scores.

        Args:
            path: a csv, parquet or xlsx file with start_at end_at [kind agent_id team code note by].
            by, reason: for rows that do not say by whom (by) or why (note).
            timezone: the zone of times without an offset.
            dry_run: store nothing; ``save()`` of the returned decision does so later.

        Returns:
            The decision, as for `exempt`.

        Raises:
            InputError, BadRowsError: the file, or a row of it, is wrong; nothing is stored.
            NoDataError: an agent or a team does not exist.
            DatabaseBusyError, StoreError: the database cannot be written.
        """
        path = Path(path)
        given = {"by": (by or "").strip(), "note": (reason or "").strip()}
        reading = files.read(
            path,
            "exemption",
            timezone=timezone,
            defaults={"kind": "approved"},
            filling={name: text for name, text in given.items() if text},
        )
        importing.set_aside(
            reading, path, None, "Correct them; --by and --reason are for rows without by and note."
        )
        rows = exempting.checked(reading.frame, where=str(path))
        approver = by or ", ".join(rows["by"].unique(maintain_order=True))
        decision = exempting.plan(
            self.store, self.basis, rows, by=approver, reason=reason, file_name=path.name
        )
        return decision if dry_run else decision.save()

    def revoke(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Revoke exemptions, all or none; scores as of an earlier knowledge time still count them.

        Args:
            ids: one or several ids, or at least their first 4 characters.
            by: who decides.
            reason: why.
            dry_run: store nothing; ``save()`` of the returned decision does so later.

        Returns:
            The decision, as for `exempt`.

        Raises:
            UsageError: no id is given, or not by whom.
            NoDataError: there is no exemption with that id.
            InputError: one is already revoked, or an id matches several.
            DatabaseBusyError, StoreError: the database cannot be written.
        """
        return self._again("revoke", ids, by, reason, dry_run)

    def restore(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Put revoked exemptions in force again; arguments, return value and errors as for `revoke`."""
        return self._again("restore", ids, by, reason, dry_run)

    def _again(
        self, action: str, ids: str | Sequence[str], by: str, reason: str | None, dry_run: bool
    ) -> Decision:
        decision = exempting.plan_again(
            self.store, self.basis, names(ids) or (), action, by=by, reason=reason
        )
        return decision if dry_run else decision.save()

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
        """List exemptions in order of time.

        Args:
            from_, to: only those that overlap this window; None is an open end.
            agents: only those that apply to one of these: their own, their team's and everybody's.
            teams: only those of these teams.
            revoked: include revoked ones.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            id state (in_force or revoked) start_at end_at kind agent_id team code note by made_at revoked_at revoked_by
            decision (the last one: by whom and why).

        Raises:
            UsageError: the window is wrong.
            NoDataError: an agent or a team does not exist.
        """
        if from_ is not None and to is not None:
            self.window(from_, to)
        zone, instant = self.settings.timezone, self._instant(as_of)
        span = (when.instant(from_, zone, "--from"), when.instant(to, zone, "--to"))
        with self.store.reading(instant) as reader:
            return exempting.listed(
                reader,
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
        """Compare the scores of a window as of two knowledge times, and find the rows that changed them.

        Args:
            from_, to: the window, as for `score`.
            then, now: the two knowledge times; ``now`` None: everything known today.
            by: what to group the figures by, as for `adherence`.
            agents: one or several agent_ids; None: all.

        Returns:
            The changes: ``figures`` (scores before and after), ``stretches`` (time that differs), ``moves`` (seconds
            by class before and after), ``causes`` (the rows added, corrected or retired) and ``unexplained``.

        Raises:
            UsageError: ``now`` is not after ``then``, or the database did not exist at ``then``.
            NoDataError: nothing is known of the window today.
        """
        return changes.what_changed(self, (from_, to), (then, now), names(by) or [], names(agents))
