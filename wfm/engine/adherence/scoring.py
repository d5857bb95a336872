"""Score frames of schedules, agent states, calls and exemptions, as one pure function that returns a `Score`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial

import polars as pl

from wfm.core import glossary
from wfm.core.errors import UsageError
from wfm.core.time import to_epoch_us
from wfm.engine.adherence import bridge, classify, exceptions, rollup, shrinkage, tolerance
from wfm.engine.adherence.counted_time import CountedTime, build_counted_time
from wfm.engine.adherence.definitions import (
    DEFINITIONS,
    OWN_DEFINITIONS,
    TOLERANT_NAME,
    Definition,
    build_tolerant_definitions,
    divide_weight_sums,
    find_definition,
    select_definitions,
)
from wfm.engine.adherence.tolerance import NO_THRESHOLD, ExceptionThreshold, SegmentTolerance
from wfm.engine.inputs.dataset import Dataset
from wfm.engine.inputs.frames import (
    InputFrames,
    Window,
    check_adherence_rules,
    check_window,
    read_frame,
)
from wfm.engine.inputs.schedule import build_segments, select_rows_in_force
from wfm.engine.inputs.state_timeline import StateTimelines, build_state_timelines
from wfm.engine.time.axis import (
    Axis,
    build_layer,
    find_run_end,
    find_run_start,
    overlay_layers,
    resolve_overlaps,
    spans_to_steps,
)
from wfm.engine.time.codes import OUTSIDE_CATEGORY, is_queue_state
from wfm.engine.time.interval_grid import cut_at_intervals
from wfm.engine.time.units import us_to_seconds

GROUPINGS = rollup.GROUPINGS


@dataclass(frozen=True)
class ScoreOptions:
    """Options of scoring; none of them changes what was recorded.

    state_renewal: a state other than logged_out is unknown once no transaction has renewed it for so long.
    wrapup_grace: wrap-up after a call that overran counts as call driven for at most so long.
    state_delay: states are reported up to so late (they are polled): an agent who is still busy this long after the end
        of a call that overran is taken to be in the call.
    state_evidence: apply the rules on calls by states alone where an agent has no call log.
    threshold, tolerances: tolerated time, which has scores of its own; see `wfm.engine.adherence.tolerance`.
    """

    state_renewal: timedelta = timedelta(hours=16)
    wrapup_grace: timedelta = timedelta(seconds=120)
    state_delay: timedelta = timedelta(0)
    state_evidence: bool = True
    threshold: ExceptionThreshold = NO_THRESHOLD
    tolerances: tuple[SegmentTolerance, ...] = ()

    @property
    def has_tolerance(self) -> bool:
        """Return whether anything is tolerated."""
        return bool(self.threshold.below or self.tolerances)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A scored window: every view of it comes from the same slices, so no two can disagree.

    Its parts cover the whole axis; the views show the window.

    axis: agents and time; see `wfm.engine.time.axis`.
    slice_rows: key key_end segment category counted state entry approved system class out rule; gap-free per agent.
    segments: as from `wfm.engine.inputs.schedule.build_segments`.
    call_evidence: `wfm.engine.adherence.classify.CALL_EVIDENCE_COLUMNS`, of segments to which a rule on calls applies.
    exemption_labels: number label; the columns approved and system of slices are such numbers, 0 for none.
    agent_zones: agent zone.
    agents: agent agent_id name team site timezone.
    call_legs: key (answered) key_end leg_id queue_id row (of the frame call_leg).
    timelines: the states of every login, before they are merged into one state per agent.
    layers: the layers that were overlaid into slices.
    logins: agent slot source login from_at to_at.
    """

    axis: Axis
    window: Window | None
    slice_rows: pl.DataFrame
    segments: pl.DataFrame
    call_evidence: pl.DataFrame
    exemption_labels: pl.DataFrame
    agent_zones: pl.DataFrame
    agents: pl.DataFrame
    call_legs: pl.DataFrame
    timelines: StateTimelines
    layers: list[pl.DataFrame]
    logins: pl.DataFrame
    options: ScoreOptions = ScoreOptions()
    as_of: datetime | None = None

    def adherence(
        self, by: Sequence[str] = ("agent_id", "workday"), definitions: str | Iterable[str] = ()
    ) -> pl.DataFrame:
        """Return adherence by any of `wfm.engine.adherence.rollup.GROUPINGS`; an empty ``by`` gives one row in all.

        interval_start cuts at quarters of an hour, queue_id where the call under way changes: see
        `wfm.engine.adherence.rollup.assign_queues` for the one queue that a second belongs to.

        Args:
            by: what to group by.
            definitions: names of `wfm.engine.adherence.definitions.DEFINITIONS`, or ``all``.

        Returns:
            The columns of ``by``, then scheduled_s in_s approved_s call_driven_s system_s unknown_s controllable_s
            scheduled_work_s worked_s (seconds), adherence adherence_adjusted adherence_low adherence_high coverage
            conformance (0..1, conformance may exceed 1; null where nothing was scheduled). Where the options tolerate
            anything, also tolerated_s (after worked_s), adherence_tolerant = (in + tolerated) / D and
            adherence_adjusted_tolerant = (D − controllable that is not tolerated) / D. Then a column per definition,
            named after it (null where 0/0). Rows in order of ``by``.

        Raises:
            UsageError: there is no such grouping or definition.
        """
        by = rollup.parse_groupings(by)
        wanted = {**self._tolerant_definitions, **select_definitions(definitions)}
        parts = [
            self._sum_scheduled_time(by),
            *(self._sum_weights(define, name, by) for name, define in wanted.items()),
        ]
        columns = [
            *classify.ADHERENCE_SUMS,
            *(column for name in wanted for column in _weight_sum_names(name)),
        ]
        summed = rollup.aggregate_sums(pl.concat(parts, how="diagonal"), by, columns)
        if TOLERANT_NAME in wanted:
            tolerated = us_to_seconds(pl.col(_weight_sum_names(TOLERANT_NAME)[0]) - pl.col("in_s"))
            summed = summed.with_columns(tolerated_s=tolerated)
        return divide_weight_sums(
            classify.compute_ratios(summed), {name: _weight_sum_names(name) for name in wanted}
        )

    def bridge(self, before: str, after: str, by: Sequence[str] = ()) -> pl.DataFrame:
        """Return the bridge between two definitions of the score: the seconds that make the difference.

        Args:
            before, after: adherence, adherence_adjusted, the same with _tolerant, or a definition.
            by: what to group by; a group in which no second counts differently has no row.

        Returns:
            ``by``; kind activity state reason (of the seconds; without those that ``by`` has); seconds;
            from_numerator_s from_denominator_s to_numerator_s to_denominator_s; points (0..1, their sum is score_to −
            score_from); score_from score_to. See `wfm.engine.adherence.bridge.compute_points`.

        Raises:
            UsageError: there is no such grouping or score.
        """
        by = rollup.parse_groupings(by)
        parts = [
            self._sum_weights(self._find_definition(name), name, by).rename(
                dict(zip(_weight_sum_names(name), pair, strict=True))
            )
            for name, pair in zip((before, after), bridge.WEIGHTED_SECOND_PAIRS, strict=True)
        ]
        totals = rollup.aggregate_sums(pl.concat(parts, how="diagonal"), by, bridge.WEIGHTED_SECONDS)
        rows = bridge.weigh_seconds(self._clip_and_cut(self._diff_weights(before, after), by), by)
        return bridge.compute_points(self._join_labels(rows), totals, by)

    def bridge_stretches(self, before: str, after: str) -> pl.DataFrame:
        """List the time that counts differently in two definitions of the score.

        Returns:
            agent_id workday start_at end_at seconds kind activity state reason, and the weights of each second
            (-1, 0, 1): from_numerator from_denominator to_numerator to_denominator. In order of agent and time.

        Raises:
            UsageError: there is no such score.
        """
        return bridge.decode_stretches(
            self._clip_to_window(bridge.join_stretches(self._diff_weights(before, after))), self.axis
        )

    def shrinkage(
        self,
        by: str | Sequence[str] = ("agent_id", "workday"),
        *,
        agents: Sequence[str] | None = None,
        utilisation: str = "of_paid",
    ) -> pl.DataFrame:
        """Return shrinkage, occupancy and utilisation by any of `wfm.engine.adherence.rollup.GROUPINGS`.

        Returns:
            The columns of ``by``, then those of
            `wfm.engine.adherence.shrinkage.compute_shrinkage_ratios`. A group without paid or logged-in
            time has no row. Rows in order of ``by``; an empty ``by`` gives one row for everything.

        Raises:
            UsageError: there is no such grouping or utilisation.
        """
        by, variant = rollup.parse_groupings(by), shrinkage.check_utilisation(utilisation)
        rows = self._sum_all_time(by, agents, shrinkage.sum_shrinkage)
        rows = rows.sort(by, nulls_last=True) if by else rows.select(pl.all().sum())
        return shrinkage.compute_shrinkage_ratios(rows, variant)

    def shrinkage_causes(
        self, by: str | Sequence[str] = (), *, agents: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the causes of shrinkage: the same seconds as in `shrinkage`, by cause.

        Returns:
            The columns of ``by``, part (planned, unplanned), cause (an activity, a reason, or the code of an
            exemption), seconds, paid_s of the group, shrinkage (seconds / paid_s); in order of ``by`` and part, most
            seconds first.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.parse_groupings(by)
        parts = self._sum_all_time(
            by, agents, partial(shrinkage.sum_shrinkage_causes, exemption=self.exemption_labels)
        )
        return shrinkage.compute_cause_shares(parts, by)

    def exceptions(self) -> pl.DataFrame:
        """List every adherence exception, and unscheduled work.

        Returns:
            agent_id workday start_at end_at seconds activity state vendor_state class reason evidence evidence_kind
            impact; class is null for unscheduled work. In order of agent and time.
        """
        found = exceptions.build_exceptions(
            self.slices_with_reasons,
            self.segments,
            self.call_evidence,
            self.exemption_labels,
            self.agent_zones,
            self.axis,
        )
        rows = self._decode_rows(self._clip_to_window(found)).with_columns(
            pl.col("evidence_kind").cast(pl.String), seconds=us_to_seconds(pl.col("key_end") - pl.col("key"))
        )
        return rows.select(exceptions.EXCEPTION_COLUMNS)

    def slices(self) -> pl.DataFrame:
        """Return the finest view: within a row nothing changes, and the rows of an agent leave no gaps.

        Returns:
            agent_id start_at end_at activity state vendor_state class reason leg_id (the call leg then under way; the
            latest answered if there are several). Activity and class are null where nothing is scheduled.
        """
        return self.dated_slices().drop("workday")

    def dated_slices(self) -> pl.DataFrame:
        """Return `slices` with the workday, null where nothing is scheduled and no work is done."""
        cut = rollup.cut_at_call_legs(self.slices_with_reasons, self.call_legs, self.axis)
        facts = self.slices_with_reasons.select(
            "segment", "state", "entry", "class", pl.col("reason").cast(pl.String)
        )[cut["row"]]
        named = pl.concat([cut, facts, self.look_up_segments(facts["segment"])], how="horizontal")
        work = is_queue_state() & (pl.col("segment") == 0)
        named = named.with_columns(agent=self.axis.decode_agent(pl.col("key")))
        runs = named.select(
            "agent",
            key=pl.coalesce(find_run_start(work), "key"),
            key_end=pl.coalesce(find_run_end(work), "key_end"),
        )
        # a run of unscheduled work belongs to one workday as a whole, even across midnight
        outside = exceptions.assign_unscheduled_workdays(runs, self.segments, self.agent_zones, self.axis)
        named = named.with_columns(
            workday=pl.coalesce("workday", outside),
            reason=pl.when(work).then(pl.lit("unscheduled_work")).otherwise("reason"),
            leg_id=self.call_legs["leg_id"].gather(cut["leg"]),
        )
        return self._decode_rows(self._clip_to_window(named)).select(
            "agent_id",
            "workday",
            "start_at",
            "end_at",
            "activity",
            "state",
            "vendor_state",
            "class",
            "reason",
            "leg_id",
        )

    def scheduled(self, by: str | Sequence[str] = ()) -> pl.DataFrame:
        """Return the scheduled slices, cut for groupings.

        Returns:
            agent_id start_at end_at activity category state vendor_state class and the columns of ``by``; class is
            null where the activity is not counted. In order of agent and time.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.parse_groupings(by)
        scheduled = self.slice_rows.filter(pl.col("segment") > 0)
        rows = scheduled.select("key", "key_end", "segment", "state", "entry", "class")
        workday = self.look_up_segments(rows["segment"]).select("workday")
        pieces = self._clip_and_cut(pl.concat([rows, workday], how="horizontal"), by)
        named = self._decode_rows(self._join_labels(pieces)).with_columns(
            pl.col(name).cast(pl.String) for name in by if name == "queue_id"
        )
        own = ("agent_id", "start_at", "end_at", "activity", "category", "state", "vendor_state", "class")
        return named.select(*dict.fromkeys([*own, *by]))

    @cached_property
    def slices_with_reasons(self) -> pl.DataFrame:
        """Return `slice_rows` with ``reason``."""
        return exceptions.assign_reasons(self.slice_rows, self.segments)

    @cached_property
    def segment_sums(self) -> pl.DataFrame:
        """Return the sums of each segment, in microseconds, with every grouping that does not cut segments."""
        scheduled = self.slice_rows.filter(pl.col("segment") > 0)
        if self.window is not None:
            workday = self.look_up_segments(scheduled["segment"]).select("workday")
            scheduled = self._clip_to_window(pl.concat([scheduled, workday], how="horizontal"))
        return self._join_labels(classify.sum_classes(scheduled, ["segment"]))

    def _sum_scheduled_time(self, by: list[str]) -> pl.DataFrame:
        """Sum scheduled time per group, in microseconds."""
        if not any(name in rollup.CUTTING_GROUPINGS for name in by):
            return self.segment_sums
        # finding the queue of every second is costly, so it is done only where it is asked for
        slices = self._queued_slices if "queue_id" in by else self.slice_rows
        columns = [name for name in (*classify.SUMMED_COLUMNS, "queue_id") if name in slices.columns]
        scheduled = slices.filter(pl.col("segment") > 0).select(*columns, label_row=pl.col("segment") - 1)
        return rollup.sum_groups(
            self._clip_and_cut_labelled(scheduled, self._segment_labels, by),
            self._segment_labels,
            by,
            classify.sum_classes,
        )

    def _sum_weights(self, define: Definition, name: str, by: list[str]) -> pl.DataFrame:
        """Sum a definition's two weights per group, in microseconds, into the columns of `_weight_sum_names`."""
        rows = self._clip_and_cut(define(self._counted_time), by).with_columns(
            label_row=pl.col("segment") - 1
        )
        length = pl.col("key_end") - pl.col("key")
        over, under = _weight_sum_names(name)

        def weigh(frame: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
            return frame.group_by(groups).agg(
                (pl.col("numerator").cast(pl.Int64) * length).sum().alias(over),
                (pl.col("denominator").cast(pl.Int64) * length).sum().alias(under),
            )

        summed = rollup.sum_groups(rows, self._segment_labels, by, weigh)
        return summed.filter((pl.col(over) != 0) | (pl.col(under) != 0))

    def _clip_and_cut(self, rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
        """Clip rows, disjoint and in order of key, to the window, and cut them for ``by``."""
        rows = self._clip_to_window(rows)
        if "queue_id" in by:
            rows = rollup.add_queue_id(rows, self._queued_slices, self.axis)
        return cut_at_intervals(rows, self.axis) if "interval_start" in by else rows

    @cached_property
    def _counted_time(self) -> CountedTime:
        return build_counted_time(self.slice_rows, self.segments, self.agent_zones, self.axis)

    @cached_property
    def _tolerant_definitions(self) -> dict[str, Definition]:
        """Return the definitions with tolerance, if anything is tolerated."""
        if not self.options.has_tolerance:
            return {}
        return build_tolerant_definitions(self.options.threshold, self.options.tolerances)

    def _find_definition(self, name: str) -> Definition:
        return find_definition(name, {**OWN_DEFINITIONS, **self._tolerant_definitions, **DEFINITIONS})

    def _diff_weights(self, before: str, after: str) -> pl.DataFrame:
        counted = build_counted_time(self.slices_with_reasons, self.segments, self.agent_zones, self.axis)
        return bridge.diff_weights(
            self._find_definition(before)(counted), self._find_definition(after)(counted), self.axis
        )

    @cached_property
    def _segment_labels(self) -> pl.DataFrame:
        return rollup.build_segment_labels(self.segments, self.agents, self.axis)

    def _join_labels(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Join the groupings that do not cut segments to rows with ``segment``, except those that the rows have."""
        # the rows' own columns are kept: unscheduled work has no activity, though a segment lends it its groups
        own = [name for name in rows.columns if name != "segment"]
        return rows.join(self._segment_labels.drop(own, strict=False), on="segment", maintain_order="left")

    @cached_property
    def _slice_labels(self) -> tuple[pl.Series, pl.DataFrame]:
        """Return the row of labels of every slice, and the labels: see `rollup.assign_label_rows`."""
        return rollup.assign_label_rows(
            self.slices_with_reasons, self.segments, self.agent_zones, self.agents, self.axis
        )

    @cached_property
    def _labelled_slices(self) -> pl.DataFrame:
        """Return all slices, scheduled or not, with ``label_row``."""
        return self.slices_with_reasons.select(
            *classify.SUMMED_COLUMNS, "rule", "reason", "approved", "system", label_row=self._slice_labels[0]
        )

    @cached_property
    def _queued_slices(self) -> pl.DataFrame:
        day = rollup.number_groups(self._slice_labels[1], ["agent_id", "workday"])
        return rollup.assign_queues(self._labelled_slices, self.call_legs, day, self.axis)

    def _clip_and_cut_labelled(
        self, slices: pl.DataFrame, labelled: pl.DataFrame, by: list[str]
    ) -> pl.DataFrame:
        """Clip slices with ``label_row`` to the window and cut them for ``by``."""
        if self.window is not None:
            slices = self._clip_to_window(
                slices.with_columns(workday=labelled["workday"].gather(slices["label_row"]))
            )
        return cut_at_intervals(slices, self.axis) if "interval_start" in by else slices

    def _sum_all_time(
        self,
        by: list[str],
        agents: Sequence[str] | None,
        summing: Callable[[pl.DataFrame, list[str]], pl.DataFrame],
    ) -> pl.DataFrame:
        """Sum all time, scheduled or not, per group."""
        labelled = self._slice_labels[1]
        slices = shrinkage.flag_paid_time(
            self._queued_slices if "queue_id" in by else self._labelled_slices, labelled
        )
        if agents is not None:
            chosen = labelled["agent_id"].is_in(list(agents))
            slices = slices.filter(chosen.gather(slices["label_row"]))
        return rollup.sum_groups(self._clip_and_cut_labelled(slices, labelled, by), labelled, by, summing)

    def look_up_segments(self, number: pl.Series) -> pl.DataFrame:
        """Return activity and workday per segment number; null where nothing is scheduled."""
        index = pl.select(pl.when(number > 0).then(number - 1)).to_series()
        return pl.DataFrame(
            {
                "activity": self.segments["activity"].cast(pl.String).gather(index),
                "workday": self.segments["workday"].gather(index),
            }
        )

    def _decode_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add words and instants for codes and keys."""
        return exceptions.decode_states(rows, self.timelines.entries).with_columns(
            agent_id=pl.col("agent").cast(pl.String),
            start_at=self.axis.decode_instant(pl.col("key")),
            end_at=self.axis.decode_instant(pl.col("key_end")),
        )

    def _clip_to_window(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Clip rows to the window: to whole workdays if it is given in dates, else to the microsecond."""
        if self.window is None:
            return rows
        start, end = self.window
        if not (isinstance(start, datetime) and isinstance(end, datetime)):
            return rows.filter(pl.col("workday") >= start, pl.col("workday") < end)
        # adding this base to epoch microseconds gives the key of the same agent
        base = pl.col("key") - pl.col("key") % self.axis.agent_width - self.axis.origin_us
        return rows.with_columns(
            key=pl.max_horizontal("key", base + to_epoch_us(start)),
            key_end=pl.min_horizontal("key_end", base + to_epoch_us(end)),
        ).filter(pl.col("key") < pl.col("key_end"))


def _weight_sum_names(name: str) -> tuple[str, str]:
    return f"{name} numerator", f"{name} denominator"


def score(
    frames: InputFrames,
    *,
    window: Window | None = None,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    options: ScoreOptions | None = None,
) -> Score:
    """Score what agents did against what they were scheduled to do.

    Args:
        frames: what was scheduled, recorded and excused.
        window: two dates (workdays) or two instants; None: everything there is.
        as_of: score with the publications, approvals and revocations known at this instant.
        timezone: zone of agents that have none of their own.
        options: see `ScoreOptions`.

    Raises:
        InputError: a frame lacks a column or has a wrong value.
        UsageError: the window or the zone is invalid.
    """
    options = options or ScoreOptions()
    window = check_window(window)
    if as_of is not None and (not isinstance(as_of, datetime) or as_of.tzinfo is None):
        raise UsageError(
            f"as_of: {as_of} is not an instant with a zone; give one like 2026-03-02T08:00:00+00:00."
        )
    facts = Dataset.from_frames(frames)
    tolerance.check_tolerances(options.tolerances, options.threshold, facts.activity["activity"].to_list())
    rules = classify.build_rule_table(check_adherence_rules(read_frame(frames.rule, "rule")))
    return score_dataset(facts, facts.build_axis(window), rules, window, as_of, timezone, options)


def score_dataset(
    facts: Dataset,
    axis: Axis,
    rules: pl.Series,
    window: Window | None,
    as_of: datetime | None,
    timezone: str,
    options: ScoreOptions,
) -> Score:
    """Score the agents of an axis from a checked data set: see `score`.

    No result of one agent depends on another: the data set may be that of the axis' agents alone, provided that
    `Dataset.state_sources` and `Dataset.call_log_sources` still list every source.

    Args:
        facts: the data set.
        axis: its agents and the time around the window.
        rules: as from `wfm.engine.adherence.classify.build_rule_table`.
        window, as_of, timezone, options: as for `score`, checked.

    Raises:
        UsageError: an agent's zone does not exist.
    """
    zone_of = facts.list_agent_zones(axis, timezone)
    schedule = facts.schedule.with_columns(agent=pl.col("agent_id").cast(axis.agents))
    in_force_rows = select_rows_in_force(schedule, zone_of, as_of)
    segments = build_segments(in_force_rows, facts.activity, zone_of, axis)
    logins = facts.number_logins(axis)
    timelines = build_state_timelines(
        facts.encode_states(), logins, facts.coverage, axis, renewal=options.state_renewal
    )
    excused, labels = _build_exemption_layers(facts, axis, as_of)
    planned = build_layer(
        spans_to_steps(segments.select("key", "key_end", "segment"), "segment", 0), "segment", axis, 0
    )
    layers = [planned, *timelines.layers, *excused]
    slices = overlay_layers(layers, axis)
    slices = slices.with_columns(
        category=_look_up_by_segment(segments["category"], slices["segment"], OUTSIDE_CATEGORY),
        counted=_look_up_by_segment(segments["counted"], slices["segment"], False),
    )
    slices = classify.merge_logins(slices, timelines.entries["code"], rules, timelines.slot_count).select(
        "key", "key_end", "segment", "category", "counted", "state", "entry", "approved", "system"
    )
    legs, logged = facts.find_answered_legs(axis)
    slices, evidence = classify.apply_call_rules(
        classify.classify_slices(slices, rules),
        segments,
        classify.AnsweredLegs(legs, logged, options.state_evidence),
        classify.CallLeeway(options.wrapup_grace, options.state_delay),
    )
    return Score(
        axis=axis,
        window=window,
        slice_rows=slices,
        segments=segments,
        call_evidence=evidence,
        exemption_labels=labels,
        agent_zones=zone_of,
        agents=facts.list_agents(axis),
        call_legs=legs,
        timelines=timelines,
        layers=layers,
        logins=logins,
        options=options,
        as_of=as_of,
    )


def _look_up_by_segment(values: pl.Series, segment: pl.Series, outside: object) -> pl.Series:
    """Return a value per segment; ``outside`` where nothing is scheduled."""
    first = pl.Series(values.name, [outside], dtype=values.dtype)
    return pl.concat([first, values]).gather(segment)


def _build_exemption_layers(
    facts: Dataset, axis: Axis, as_of: datetime | None
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Build the layers ``approved`` and ``system`` of numbers of the exemption in force; and the numbers' labels."""
    rows = facts.exemption.with_row_index("number", offset=1).with_columns(pl.col("number").cast(pl.Int32))
    labels = rows.select("number", label=pl.coalesce("code", "note", "kind"))
    if rows.is_empty():
        empty = rows.select(key=pl.lit(0, pl.Int64), number="number").clear()
        return [
            build_layer(empty.rename({"number": kind}), kind, axis, 0) for kind in glossary.EXEMPTION_KINDS
        ], labels
    if as_of is None:
        valid = rows.filter(pl.col("revoked_at").is_null())
    else:
        valid = rows.filter(
            pl.col("made_at").is_null() | (pl.col("made_at") <= as_of),
            pl.col("revoked_at").is_null() | (pl.col("revoked_at") > as_of),
        )
    agents = facts.list_agents(axis).select("agent", "team", named="agent_id")
    one = valid.filter(pl.col("agent_id").is_not_null()).join(agents, left_on="agent_id", right_on="named")
    team = valid.filter(pl.col("agent_id").is_null(), pl.col("team").is_not_null()).join(agents, on="team")
    everyone = valid.filter(pl.col("agent_id").is_null(), pl.col("team").is_null()).join(agents, how="cross")
    columns = ["agent", "number", "kind", "start_at", "end_at"]
    spans = (
        pl.concat([part.select(columns) for part in (one, team, everyone)])
        .sort("number")
        .select(
            "number",
            "kind",
            key=axis.encode_key(pl.col("agent"), pl.col("start_at")),
            key_end=axis.encode_key(pl.col("agent"), pl.col("end_at")),
        )
    )
    layers = []
    for kind in glossary.EXEMPTION_KINDS:
        of_kind = spans.filter(pl.col("kind") == kind).select("key", "key_end", pl.col("number").alias(kind))
        layers.append(build_layer(spans_to_steps(resolve_overlaps(of_kind, kind), kind, 0), kind, axis, 0))
    return layers, labels
