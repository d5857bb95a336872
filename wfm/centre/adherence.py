"""The methods of `Centre` on adherence: scores, exceptions, bridges between definitions, shrinkage, live scores."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm.analysis.live import LiveFollower
from wfm.analysis.load import list_names
from wfm.analysis.time_args import TimeArgument
from wfm.centre.base import CentreBase
from wfm.core import glossary
from wfm.core.errors import UsageError
from wfm.engine.adherence.definitions import select_definitions


class CentreAdherence(CentreBase):
    """Adherence, exceptions, bridges between definitions, shrinkage and live scores of a contact centre."""

    def live(self, from_: TimeArgument, to: TimeArgument) -> LiveFollower:
        """Score a window that is still in progress.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.

        Returns:
            A live score: ``refresh()`` adds what was stored since the last time; ``live`` has the views, such as
            ``live.board(now)`` and ``live.adherence(by)``.

        Raises:
            UsageError: the window is wrong.
            NoDataError: there is no database.
            DatabaseBusyError, StoreError: the database cannot be read.
        """
        return LiveFollower(
            self.database, self.parse_window(from_, to), self.settings.timezone, self.scoring_options()
        )

    def adherence(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        definitions: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Compute adherence per group.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            by: any of agent_id name team site queue_id workday week month interval_start activity category
                shift_start_at; empty: one row for everything.
            definitions: other products' definitions to add, by name, or ``all``.
            agents: one or several agent_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The columns of ``by``, then scheduled_s in_s approved_s call_driven_s system_s unknown_s controllable_s
            scheduled_work_s worked_s (seconds), adherence adherence_adjusted adherence_low adherence_high coverage
            conformance (0..1; conformance can exceed 1; null where nothing was scheduled), with tolerances also
            tolerated_s adherence_tolerant adherence_adjusted_tolerant, and one column (0..1) per definition. In order
            of ``by``.

        Raises:
            UsageError: the window, or a name in ``by`` or definitions, is wrong.
            NoDataError: nothing is known about the window, or an agent does not exist.
        """
        select_definitions(definitions)
        return self.score(from_, to, agents=agents, as_of=as_of).adherence(by, definitions)

    def bridge(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        definitions: tuple[str, str],
        by: str | Sequence[str] = (),
        stretches: bool = False,
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Explain the difference between two definitions of adherence by the seconds that cause it.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            definitions: the two scores: adherence, adherence_adjusted, their tolerant variants, or a definition.
            by: as for `adherence`; a group without a difference has no row.
            stretches: list every stretch of time that counts differently, instead of sums.
            agents: one or several agent_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The columns of ``by``; kind activity state reason (of the seconds); seconds; from_numerator_s
            from_denominator_s to_numerator_s to_denominator_s; points (0..1; they sum to score_to - score_from)
            score_from score_to.

            With ``stretches``: agent_id workday start_at end_at seconds kind activity state reason, and the weight
            (-1, 0, 1) of a second in each score: from_numerator from_denominator to_numerator to_denominator.

        Raises:
            UsageError: the window, or a name in ``by`` or definitions, is wrong.
            NoDataError: nothing is known about the window, or an agent does not exist.
        """
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.bridge_stretches(*definitions) if stretches else scored.bridge(*definitions, by)

    def shrinkage(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
        utilisation: str = "of_paid",
    ) -> pl.DataFrame:
        """Compute shrinkage, occupancy and utilisation per group.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            by: as for `adherence`.
            agents: one or several agent_ids; None: all.
            as_of: use only what was known at this instant; None: everything.
            utilisation: which formula of utilisation; of_paid is handling within paid time / paid time.

        Returns:
            The columns of ``by``; paid_s productive_s planned_s unplanned_s unknown_s scheduled_shrinkage_s logged_in_s
            staffed_s handling_s handling_paid_s (seconds); shrinkage_scheduled shrinkage_planned shrinkage_unplanned
            shrinkage shrinkage_high (0..1 of paid time; high: with unknown time) occupancy (handling / staffed)
            utilisation (0..1; null for 0/0) utilisation_variant. A group without paid or logged-in time has no row.

        Raises:
            UsageError: the window, or a name in ``by`` or utilisation, is wrong.
            NoDataError: nothing is known about the window, or an agent does not exist.
        """
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage(by, agents=list_names(agents), utilisation=utilisation)

    def shrinkage_causes(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        by: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Break shrinkage down by cause.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            by: as for `adherence`.
            agents: one or several agent_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The columns of ``by``; part (planned, unplanned) cause (an activity, a reason, or an exemption's code)
            seconds, paid_s of the group, shrinkage (seconds / paid_s); the longest first within a part.

        Raises:
            UsageError: the window, or a name in ``by``, is wrong.
            NoDataError: nothing is known about the window, or an agent does not exist.
        """
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage_causes(by, agents=list_names(agents))

    def exceptions(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        agents: str | Sequence[str] | None = None,
        classes: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """List adherence exceptions and unscheduled work.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            agents: one or several agent_ids; None: all.
            classes: only these classes, such as controllable; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            agent_id workday start_at end_at seconds activity state vendor_state class reason evidence evidence_kind
            impact (0..1, of the workday's adherence); class is null for unscheduled work. In order of agent and time.

        Raises:
            UsageError: the window or a class is wrong.
            NoDataError: nothing is known about the window, or an agent does not exist.
        """
        class_names = list_names(classes)
        for name in class_names or ():
            if name not in glossary.CLASSES:
                raise UsageError(f"There is no class {name!r}: choose from {', '.join(glossary.CLASSES)}.")
        found = self.score(from_, to, agents=agents, as_of=as_of).exceptions()
        if chosen := list_names(agents):
            found = found.filter(pl.col("agent_id").is_in(chosen))
        return found if not class_names else found.filter(pl.col("class").cast(pl.String).is_in(class_names))
