"""The methods of `Centre` that explain a score and decide on exemptions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from wfm import files
from wfm.analysis import exemptions, imports, time_args, what_changed
from wfm.analysis.exemptions import ExemptionDecision
from wfm.analysis.explain import payloads
from wfm.analysis.explain.day import DayExplanation, InstantExplanation, explain_day, explain_instant
from wfm.analysis.load import list_names
from wfm.analysis.time_args import TimeArgument
from wfm.analysis.what_changed import ScoreChanges
from wfm.centre.base import CentreBase


class CentreExplain(CentreBase):
    """Explanations of scores, exemptions, and what changed between two knowledge times."""

    def explain(self, agent: str, day: TimeArgument, *, as_of: TimeArgument | None = None) -> DayExplanation:
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
        on, instant = self._parse_workday(day), self._parse_as_of(as_of)
        return explain_day(self.database, self.settings, self.scoring_options(), agent, on, instant)

    def explain_instant(
        self, agent: str, day: TimeArgument, at: TimeArgument, *, as_of: TimeArgument | None = None
    ) -> InstantExplanation:
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
        on, instant = self._parse_workday(day), self._parse_as_of(as_of)
        return explain_instant(self.database, self.settings, self.scoring_options(), agent, on, at, instant)

    def read_payload(self, where: str, *, as_of: TimeArgument | None = None) -> bytes:
        """Return a vendor's raw payload unchanged.

        Args:
            where: the payload's id (collection/position), from the column payload_in of an explanation's ``rows``.
            as_of: use only what was known at this instant; None: everything.

        Raises:
            UsageError: that is not a payload id.
            NoDataError: no payload is stored under that id, or no longer (WFM_PAYLOAD_DAYS).
        """
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            return payloads.read_payload_bytes(reader, where)

    def exempt(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        by: str,
        reason: str,
        agents: str | Sequence[str] | None = None,
        teams: str | Sequence[str] | None = None,
        everybody: bool = False,
        kind: str = "approved",
        code: str | None = None,
        dry_run: bool = False,
    ) -> ExemptionDecision:
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
            UsageError: the window is wrong, or for whom, by whom or why is missing.
            NoDataError: an agent or a team does not exist.
            InputError: an exemption in force already says the same.
            DatabaseBusyError, StoreError: the database cannot be written.
        """
        rows = exemptions.build_exemption_rows(
            self.compute_bounds(self.parse_window(from_, to)),
            agents=list_names(agents) or (),
            teams=list_names(teams) or (),
            everybody=everybody,
            kind=kind,
            code=code,
            by=by,
            reason=reason,
        )
        decision = exemptions.preview_exemption(self.database, self.read_inputs, rows, by=by, reason=reason)
        return decision if dry_run else decision.save()

    def exempt_file(
        self,
        path: Path | str,
        *,
        by: str | None = None,
        reason: str | None = None,
        timezone: str | None = None,
        dry_run: bool = False,
    ) -> ExemptionDecision:
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
        reading = files.read_table(
            path,
            "exemption",
            timezone=timezone,
            defaults={"kind": "approved"},
            filling={name: text for name, text in given.items() if text},
        )
        imports.handle_bad_rows(
            reading, path, None, "Correct them; --by and --reason are for rows without by and note."
        )
        rows = exemptions.check_exemption_rows(reading.frame, where=str(path))
        approver = by or ", ".join(rows["by"].unique(maintain_order=True))
        decision = exemptions.preview_exemption(
            self.database, self.read_inputs, rows, by=approver, reason=reason, file_name=path.name
        )
        return decision if dry_run else decision.save()

    def revoke(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> ExemptionDecision:
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
        return self._change_status("revoke", ids, by, reason, dry_run)

    def restore(
        self, ids: str | Sequence[str], *, by: str, reason: str | None = None, dry_run: bool = False
    ) -> ExemptionDecision:
        """Put revoked exemptions in force again; arguments, return value and errors as for `revoke`."""
        return self._change_status("restore", ids, by, reason, dry_run)

    def _change_status(
        self, action: str, ids: str | Sequence[str], by: str, reason: str | None, dry_run: bool
    ) -> ExemptionDecision:
        decision = exemptions.preview_status_change(
            self.database, self.read_inputs, list_names(ids) or (), action, by=by, reason=reason
        )
        return decision if dry_run else decision.save()

    def exemptions(
        self,
        from_: TimeArgument | None = None,
        to: TimeArgument | None = None,
        *,
        agents: str | Sequence[str] | None = None,
        teams: str | Sequence[str] | None = None,
        revoked: bool = False,
        as_of: TimeArgument | None = None,
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
            self.parse_window(from_, to)
        zone, instant = self.settings.timezone, self._parse_as_of(as_of)
        span = (time_args.parse_instant(from_, zone, "--from"), time_args.parse_instant(to, zone, "--to"))
        with self.database.open_reader(instant) as reader:
            return exemptions.list_exemptions(
                reader,
                instant,
                span=span,
                agents=list_names(agents) or (),
                teams=list_names(teams) or (),
                revoked=revoked,
            )

    def what_changed(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        then: TimeArgument,
        *,
        now: TimeArgument | None = None,
        by: str | Sequence[str] = ("agent_id", "workday"),
        agents: str | Sequence[str] | None = None,
    ) -> ScoreChanges:
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
        return what_changed.compare_scores_as_of(
            self.database,
            self.read_inputs,
            (from_, to),
            (then, now),
            by=list_names(by) or [],
            agents=list_names(agents),
            zone=self.settings.timezone,
        )
