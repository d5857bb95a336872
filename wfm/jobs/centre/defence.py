"""A chapter of `Centre`: why a score is as it is, who excused what, and what has changed since."""

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
    """Why a score is as it is, who excused what, and what has changed since."""

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
        said = {"by": (by or "").strip(), "note": (reason or "").strip()}
        reading = files.read(
            path,
            "exemption",
            timezone=timezone,
            defaults={"kind": "approved"},
            filling={name: text for name, text in said.items() if text},
        )
        importing.set_aside(
            reading, path, None, "Correct them; --by and --reason are for rows without by and note."
        )
        rows = exempting.checked(reading.frame, where=str(path))
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
