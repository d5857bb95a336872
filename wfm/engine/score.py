"""Frames in, scores out: the engine as one pure function of what was scheduled, said, called and excused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial

import polars as pl

from wfm import terms
from wfm.core.time import EPOCH, MICROSECOND
from wfm.engine import adherence, bridge, deviations, inputs, rollup, shrinkage, tolerance
from wfm.engine.codes import is_queue
from wfm.engine.definitions import DEFINITIONS, OWN, TOLERANT, Definition, chosen, divide, find, tolerant
from wfm.engine.facts import Facts
from wfm.engine.inputs import Frame, Window
from wfm.engine.schedule import in_force, segments
from wfm.engine.spans import Axis, layer, overlay, resolve, run_end, run_start, steps
from wfm.engine.stretches import Stretches, stretches
from wfm.engine.timeline import Lines, state_lines
from wfm.engine.tolerance import NO_THRESHOLD, Threshold, Tolerance
from wfm.engine.units import in_seconds
from wfm.errors import UsageError

OUTSIDE_NAME = "outside"
BY = rollup.BY


@dataclass(frozen=True)
class Options:
    """What an analyst may set about scoring; none of it changes what was recorded.

    state_renewal: a state other than logged_out that nothing renewed for so long is unknown.
    wrapup_grace: wrap-up after a call that overran counts as call driven for at most so long.
    state_delay: states are told up to so late (they are polled): an agent who is still busy then, after a call that
        overran has ended, is taken to be in it.
    state_evidence: apply the rules on calls to states alone where an agent has no call log.
    threshold, tolerances: what is tolerated, in scores of their own beside the others; see `wfm.engine.tolerance`.
    """

    state_renewal: timedelta = timedelta(hours=16)
    wrapup_grace: timedelta = timedelta(seconds=120)
    state_delay: timedelta = timedelta(0)
    state_evidence: bool = True
    threshold: Threshold = NO_THRESHOLD
    tolerances: tuple[Tolerance, ...] = ()

    @property
    def tolerant(self) -> bool:
        """Say whether anything is tolerated."""
        return bool(self.threshold.below or self.tolerances)


@dataclass(frozen=True)
class Score:
    """A scored window: every view of it comes from the same slices, so no two can disagree."""

    axis: Axis
    window: Window | None
    _slices: pl.DataFrame
    _segments: pl.DataFrame
    _evidence: pl.DataFrame
    _exemption: pl.DataFrame
    _zone_of: pl.DataFrame
    _people: pl.DataFrame
    _legs: pl.DataFrame
    _lines: Lines
    _layers: list[pl.DataFrame]
    _logins: pl.DataFrame
    options: Options = Options()
    as_of: datetime | None = None

    def adherence(
        self, by: Sequence[str] = ("agent_id", "workday"), definitions: str | Iterable[str] = ()
    ) -> pl.DataFrame:
        """Score by any of `wfm.engine.rollup.BY`; an empty ``by`` gives one row for everything.

        interval_start cuts at quarters of an hour, queue_id where the call under way changes: see
        `wfm.engine.rollup.queued` for the one queue to which a second belongs.

        Args:
            by: what to group by.
            definitions: names of `wfm.engine.definitions.DEFINITIONS`, or ``all``.

        Returns:
            The columns of ``by``, then scheduled_s in_s approved_s call_driven_s system_s unknown_s controllable_s
            scheduled_work_s worked_s (seconds), adherence adherence_adjusted adherence_low adherence_high coverage
            conformance (0..1, conformance may exceed 1; null where nothing was scheduled). Where the options tolerate
            something, also tolerated_s (after worked_s), adherence_tolerant = (in + tolerated) / D and
            adherence_adjusted_tolerant = (D − controllable that is not tolerated) / D. Then a column per definition,
            named after it (null where 0/0). Rows in order of ``by``.

        Raises:
            UsageError: ``by`` or a definition is something else.
        """
        by, wanted = rollup.groups(by), {**self._tolerant, **chosen(definitions)}
        parts = [self._summed(by), *(self._weighed(define, name, by) for name, define in wanted.items())]
        columns = [*adherence.SUMS, *(column for name in wanted for column in _pair(name))]
        summed = rollup.roll(pl.concat(parts, how="diagonal"), by, columns)
        if TOLERANT in wanted:
            tolerated = in_seconds(pl.col(_pair(TOLERANT)[0]) - pl.col("in_s"))
            summed = summed.with_columns(tolerated_s=tolerated)
        return divide(adherence.ratios(summed), {name: _pair(name) for name in wanted})

    def bridge(self, before: str, after: str, by: Sequence[str] = ()) -> pl.DataFrame:
        """Say which seconds make the difference between two scores, for everything or by any of `BY`.

        Args:
            before, after: adherence, adherence_adjusted, their tolerant ones, or a definition.
            by: what to group by; a group in which no second counts differently has no row.

        Returns:
            ``by``; kind activity state reason (of the seconds; without those that ``by`` has); seconds;
            from_numerator_s from_denominator_s to_numerator_s to_denominator_s; points (0..1, their sum is score_to −
            score_from); score_from score_to. See `wfm.engine.bridge.points`.

        Raises:
            UsageError: ``by`` or a score is something else.
        """
        by = rollup.groups(by)
        parts = [
            self._weighed(self._named(name), name, by).rename(dict(zip(_pair(name), pair, strict=True)))
            for name, pair in zip((before, after), bridge.PAIRS, strict=True)
        ]
        totals = rollup.roll(pl.concat(parts, how="diagonal"), by, bridge.FOUR)
        rows = bridge.weigh(self._pieces(self._difference(before, after), by), by)
        return bridge.points(self._labelled(rows), totals, by)

    def bridge_stretches(self, before: str, after: str) -> pl.DataFrame:
        """List the stretches that count differently in two scores.

        Returns:
            agent_id workday start_at end_at seconds kind activity state reason, and the weights of each second
            (-1, 0, 1): from_numerator from_denominator to_numerator to_denominator. In order of agent and time.

        Raises:
            UsageError: a score is something else.
        """
        return bridge.spoken(self._clip(bridge.listed(self._difference(before, after))), self.axis)

    def shrinkage(
        self,
        by: str | Sequence[str] = ("agent_id", "workday"),
        *,
        agents: Sequence[str] | None = None,
        utilisation: str = "of_paid",
    ) -> pl.DataFrame:
        """Tell where paid time went and how busy agents were, by any of `wfm.engine.rollup.BY`.

        Returns:
            The columns of ``by``, then those of `wfm.engine.shrinkage.ratios`. A group without paid or logged-in
            time has no row. Rows in order of ``by``; an empty ``by`` gives one row for everything.

        Raises:
            UsageError: ``by`` or ``utilisation`` names something else.
        """
        by, variant = rollup.groups(by), shrinkage.variant(utilisation)
        rows = self._timed(by, agents, shrinkage.sums)
        rows = rows.sort(by, nulls_last=True) if by else rows.select(pl.all().sum())
        return shrinkage.ratios(rows, variant)

    def shrinkage_causes(
        self, by: str | Sequence[str] = (), *, agents: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Tell what shrinkage was made of: the same seconds as in `shrinkage`, cause by cause.

        Returns:
            The columns of ``by``, part (planned, unplanned), cause (an activity, a reason, or the code of an
            exemption), seconds, paid_s of the group, shrinkage (seconds / paid_s); in order of ``by`` and part, the
            longest first.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.groups(by)
        parts = self._timed(by, agents, partial(shrinkage.causes, exemption=self._exemption))
        return shrinkage.shares(parts, by)

    def exceptions(self) -> pl.DataFrame:
        """List every adherence exception and every stretch of unscheduled work.

        Returns:
            agent_id workday start_at end_at seconds activity state vendor_state class reason evidence evidence_kind
            impact; class is null for unscheduled work. In order of agent and time.
        """
        found = deviations.exceptions(
            self._reasoned, self._segments, self._evidence, self._exemption, self._zone_of, self.axis
        )
        rows = self._spoken(self._clip(found)).with_columns(
            pl.col("evidence_kind").cast(pl.String), seconds=in_seconds(pl.col("key_end") - pl.col("key"))
        )
        return rows.select(
            "agent_id",
            "workday",
            "start_at",
            "end_at",
            "seconds",
            "activity",
            "state",
            "vendor_state",
            "class",
            "reason",
            "evidence",
            "evidence_kind",
            "impact",
        )

    def slices(self) -> pl.DataFrame:
        """Return the finest view: within a row nothing changes, and the rows of an agent leave no gap.

        Returns:
            agent_id start_at end_at activity state vendor_state class reason leg_id (the call leg then under way; the
            latest answered if there are several). Activity and class are null where nothing is scheduled.
        """
        return self.dated_slices().drop("workday")

    def dated_slices(self) -> pl.DataFrame:
        """Return `slices` with the workday each belongs to: null where nothing is scheduled and no work is done."""
        cut = rollup.under_way(self._reasoned, self._legs, self.axis)
        facts = self._reasoned.select("segment", "state", "entry", "class", pl.col("reason").cast(pl.String))[
            cut["row"]
        ]
        named = pl.concat([cut, facts, self._segments_of(facts["segment"])], how="horizontal")
        work = is_queue() & (pl.col("segment") == 0)
        named = named.with_columns(agent=self.axis.agent(pl.col("key")))
        runs = named.select(
            "agent", key=pl.coalesce(run_start(work), "key"), key_end=pl.coalesce(run_end(work), "key_end")
        )
        outside = deviations.workday_outside(runs, self._segments, self._zone_of, self.axis)
        named = named.with_columns(
            workday=pl.coalesce("workday", outside),
            reason=pl.when(work).then(pl.lit("unscheduled_work")).otherwise("reason"),
            leg_id=self._legs["leg_id"].gather(cut["leg"]),
        )
        return self._spoken(self._clip(named)).select(
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
        """Return the scheduled slices, cut for what one groups by.

        Returns:
            agent_id start_at end_at activity category state vendor_state class and the columns of ``by``; class is
            null where the activity is not counted. In order of agent and time.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.groups(by)
        kept = self._slices.filter(pl.col("segment") > 0)
        rows = kept.select("key", "key_end", "segment", "state", "entry", "class")
        places = self._segments_of(rows["segment"]).select("workday")
        pieces = self._pieces(pl.concat([rows, places], how="horizontal"), by)
        named = self._spoken(self._labelled(pieces)).with_columns(
            pl.col(name).cast(pl.String) for name in by if name == "queue_id"
        )
        own = ("agent_id", "start_at", "end_at", "activity", "category", "state", "vendor_state", "class")
        return named.select(*dict.fromkeys([*own, *by]))

    @cached_property
    def _reasoned(self) -> pl.DataFrame:
        return deviations.give_reasons(self._slices, self._segments)

    @cached_property
    def _sums(self) -> pl.DataFrame:
        """Sum per segment, in microseconds, with everything one can group by but cuts."""
        scheduled = self._slices.filter(pl.col("segment") > 0)
        if self.window is not None:
            places = self._segments_of(scheduled["segment"]).select("workday")
            scheduled = self._clip(pl.concat([scheduled, places], how="horizontal"))
        return self._labelled(adherence.sums(scheduled, ["segment"]))

    def _summed(self, by: list[str]) -> pl.DataFrame:
        """Sum scheduled time per group, in microseconds."""
        if not any(name in rollup.CUTS for name in by):
            return self._sums
        slices = self._queued if "queue_id" in by else self._slices
        columns = [name for name in (*adherence.SUMMED, "queue_id") if name in slices.columns]
        scheduled = slices.filter(pl.col("segment") > 0).select(*columns, label_row=pl.col("segment") - 1)
        return rollup.summed(self._cut(scheduled, self._labels, by), self._labels, by, adherence.sums)

    def _weighed(self, define: Definition, name: str, by: list[str]) -> pl.DataFrame:
        """Sum a definition's two weights per group, in microseconds: the columns `_pair` names."""
        rows = self._pieces(define(self._stretches), by).with_columns(label_row=pl.col("segment") - 1)
        length, (over, under) = pl.col("key_end") - pl.col("key"), _pair(name)

        def weigh(frame: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
            return frame.group_by(groups).agg(
                (pl.col("numerator").cast(pl.Int64) * length).sum().alias(over),
                (pl.col("denominator").cast(pl.Int64) * length).sum().alias(under),
            )

        summed = rollup.summed(rows, self._labels, by, weigh)
        return summed.filter((pl.col(over) != 0) | (pl.col(under) != 0))

    def _pieces(self, rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
        """Keep the window of rows, disjoint and in order of key, and cut them for ``by``."""
        rows = self._clip(rows)
        if "queue_id" in by:
            rows = rollup.with_queue(rows, self._queued, self.axis)
        return rollup.quarters(rows, self.axis) if "interval_start" in by else rows

    @cached_property
    def _stretches(self) -> Stretches:
        return stretches(self._slices, self._segments, self._zone_of, self.axis)

    @cached_property
    def _tolerant(self) -> dict[str, Definition]:
        """Give the scores with what is tolerated, if anything is."""
        told = self.options
        return tolerant(told.threshold, told.tolerances) if told.tolerant else {}

    def _named(self, name: str) -> Definition:
        return find(name, {**OWN, **self._tolerant, **DEFINITIONS})

    def _difference(self, before: str, after: str) -> pl.DataFrame:
        given = stretches(self._reasoned, self._segments, self._zone_of, self.axis)
        return bridge.difference(self._named(before)(given), self._named(after)(given), self.axis)

    @cached_property
    def _labels(self) -> pl.DataFrame:
        return rollup.labels(self._segments, self._people, self.axis)

    def _labelled(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Join what one can group by, but cuts, to rows with ``segment``; a column that they have stays."""
        own = [name for name in rows.columns if name != "segment"]
        return rows.join(self._labels.drop(own, strict=False), on="segment", maintain_order="left")

    @cached_property
    def _places(self) -> tuple[pl.Series, pl.DataFrame]:
        return rollup.places(self._reasoned, self._segments, self._zone_of, self._people, self.axis)

    @cached_property
    def _placed(self) -> pl.DataFrame:
        """All slices, scheduled or not, with ``place``."""
        return self._reasoned.select(
            *adherence.SUMMED, "rule", "reason", "approved", "system", label_row=self._places[0]
        )

    @cached_property
    def _queued(self) -> pl.DataFrame:
        day = rollup.numbers(self._places[1], ["agent_id", "workday"])
        return rollup.queued(self._placed, self._legs, day, self.axis)

    def _cut(self, slices: pl.DataFrame, places: pl.DataFrame, by: list[str]) -> pl.DataFrame:
        """Keep the window of slices with ``place`` and cut them for ``by``."""
        if self.window is not None:
            slices = self._clip(slices.with_columns(workday=places["workday"].gather(slices["label_row"])))
        return rollup.quarters(slices, self.axis) if "interval_start" in by else slices

    def _timed(
        self,
        by: list[str],
        agents: Sequence[str] | None,
        summing: Callable[[pl.DataFrame, list[str]], pl.DataFrame],
    ) -> pl.DataFrame:
        """Sum all time, scheduled or not, per group."""
        places = self._places[1]
        slices = shrinkage.flagged(self._queued if "queue_id" in by else self._placed, places)
        if agents is not None:
            theirs = places["agent_id"].is_in(list(agents))
            slices = slices.filter(theirs.gather(slices["label_row"]))
        return rollup.summed(self._cut(slices, places, by), places, by, summing)

    def _segments_of(self, number: pl.Series) -> pl.DataFrame:
        """Look up activity and workday per segment number; null where nothing is scheduled."""
        index = pl.select(pl.when(number > 0).then(number - 1)).to_series()
        return pl.DataFrame(
            {
                "activity": self._segments["activity"].cast(pl.String).gather(index),
                "workday": self._segments["workday"].gather(index),
            }
        )

    def _spoken(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Put words and instants for codes and keys."""
        return deviations.words(rows, self._lines.entries).with_columns(
            agent_id=pl.col("agent").cast(pl.String),
            start_at=self.axis.at(pl.col("key")),
            end_at=self.axis.at(pl.col("key_end")),
        )

    def _clip(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the window: whole workdays if it is given in dates, else to the microsecond."""
        if self.window is None:
            return rows
        start, end = self.window
        if not (isinstance(start, datetime) and isinstance(end, datetime)):
            return rows.filter(pl.col("workday") >= start, pl.col("workday") < end)
        base = pl.col("key") - pl.col("key") % self.axis.width - self.axis.origin
        return rows.with_columns(
            key=pl.max_horizontal("key", base + (start - EPOCH) // MICROSECOND),
            key_end=pl.min_horizontal("key_end", base + (end - EPOCH) // MICROSECOND),
        ).filter(pl.col("key") < pl.col("key_end"))


def _pair(name: str) -> tuple[str, str]:
    return f"{name} numerator", f"{name} denominator"


def score(
    *,
    schedule: Frame,
    agent_state: Frame,
    state_map: Frame,
    activity: Frame,
    rule: Frame,
    call_leg: Frame | None = None,
    exemption: Frame | None = None,
    coverage: Frame | None = None,
    agent: Frame | None = None,
    login: Frame | None = None,
    window: Window | None = None,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    options: Options | None = None,
) -> Score:
    """Compare what agents did with what they were scheduled to do.

    Args:
        schedule: agent_id start_at end_at activity [published_at].
        agent_state: [source] login at vendor_state [vendor_reason]; of several rows at one instant the last counts.
        state_map: [source] vendor_state state [vendor_reason].
        activity: activity category [counted].
        rule: category state in_adherence.
        call_leg: [source] leg_id login answered_at ended_at.
        exemption: start_at end_at kind [agent_id team code made_at revoked_at].
        coverage: [source] start_at end_at; None: everything was watched.
        agent: agent_id [name team site timezone].
        login: [source] login agent_id [from_at to_at]; a login with no row is its own agent_id.
        window: two dates (workdays) or two instants; None: everything there is.
        as_of: score with the publications, approvals and revocations known at this instant.
        timezone: zone of agents that have none of their own.
        options: see `Options`.

    Raises:
        InputError: a frame is not what it should be.
        UsageError: the window or the zone is not.
    """
    options = options or Options()
    window = inputs.window_of(window)
    if as_of is not None and (not isinstance(as_of, datetime) or as_of.tzinfo is None):
        raise UsageError(
            f"as_of: {as_of} is not an instant with a zone; give one like 2026-03-02T08:00:00+00:00."
        )
    facts = Facts.read(
        schedule, agent_state, state_map, activity, call_leg, exemption, coverage, agent, login
    )
    tolerance.check(options.tolerances, options.threshold, facts.activity["activity"].to_list())
    rules = adherence.rule_table(inputs.rules(inputs.take(rule, "rule")))
    return compare(facts, facts.axis(window), rules, window, as_of, timezone, options)


def compare(
    facts: Facts,
    axis: Axis,
    rules: pl.Series,
    window: Window | None,
    as_of: datetime | None,
    timezone: str,
    options: Options,
) -> Score:
    """Score the agents of an axis from facts that were checked: see `score`.

    Nothing that is found of one agent depends on another: the facts may be those of the axis' agents alone, if
    `Facts.sources` and `Facts.logs` still name every source there is.

    Args:
        facts, axis: who, when, and what is known of them.
        rules: as from `wfm.engine.adherence.rule_table`.
        window, as_of, timezone, options: as for `score`, checked.

    Raises:
        UsageError: an agent's zone does not exist.
    """
    zone_of = facts.zones(axis, timezone)
    placed = facts.schedule.with_columns(agent=pl.col("agent_id").cast(axis.agents))
    held = in_force(placed, zone_of, as_of)
    segs = segments(held, facts.activity, zone_of, axis)
    logins = facts.slots(axis)
    lines = state_lines(facts.coded_states(), logins, facts.coverage, axis, renewal=options.state_renewal)
    excused, labels = _exemptions(facts, axis, as_of)
    planned = layer(steps(segs.select("key", "key_end", "segment"), "segment", 0), "segment", axis, 0)
    layers = [planned, *lines.layers, *excused]
    slices = overlay(layers, axis)
    slices = slices.with_columns(
        category=_at(segs["category"], slices["segment"], OUTSIDE_NAME),
        counted=_at(segs["counted"], slices["segment"], False),
    )
    slices = adherence.merge_logins(slices, lines.entries["code"], rules, lines.slots).select(
        "key", "key_end", "segment", "category", "counted", "state", "entry", "approved", "system"
    )
    legs, logged = facts.legs(axis)
    slices, evidence = adherence.call_driven(
        adherence.classify(slices, rules),
        segs,
        adherence.Legs(legs, logged, options.state_evidence),
        adherence.Leeway(options.wrapup_grace, options.state_delay),
    )
    people = facts.people(axis)
    return Score(
        axis,
        window,
        slices,
        segs,
        evidence,
        labels,
        zone_of,
        people,
        legs,
        lines,
        layers,
        logins,
        options,
        as_of,
    )


def _at(values: pl.Series, segment: pl.Series, outside: object) -> pl.Series:
    """Look up a value per segment; ``outside`` where nothing is scheduled."""
    first = pl.Series(values.name, [outside], dtype=values.dtype)
    return pl.concat([first, values]).gather(segment)


def _exemptions(facts: Facts, axis: Axis, as_of: datetime | None) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Make the layers ``approved`` and ``system``: the number of the exemption in force; and the numbers' labels."""
    rows = facts.exemption.with_row_index("number", offset=1).with_columns(pl.col("number").cast(pl.Int32))
    labels = rows.select("number", label=pl.coalesce("code", "note", "kind"))
    if rows.is_empty():
        nothing = rows.select(key=pl.lit(0, pl.Int64), number="number").clear()
        return [
            layer(nothing.rename({"number": kind}), kind, axis, 0) for kind in terms.EXEMPTION_KINDS
        ], labels
    if as_of is None:
        valid = rows.filter(pl.col("revoked_at").is_null())
    else:
        valid = rows.filter(
            pl.col("made_at").is_null() | (pl.col("made_at") <= as_of),
            pl.col("revoked_at").is_null() | (pl.col("revoked_at") > as_of),
        )
    whose = facts.people(axis).select("agent", "team", owner="agent_id")
    one = valid.filter(pl.col("agent_id").is_not_null()).join(whose, left_on="agent_id", right_on="owner")
    team = valid.filter(pl.col("agent_id").is_null(), pl.col("team").is_not_null()).join(whose, on="team")
    everyone = valid.filter(pl.col("agent_id").is_null(), pl.col("team").is_null()).join(whose, how="cross")
    columns = ["agent", "number", "kind", "start_at", "end_at"]
    spans = (
        pl.concat([part.select(columns) for part in (one, team, everyone)])
        .sort("number")
        .select(
            "number",
            "kind",
            key=axis.key(pl.col("agent"), pl.col("start_at")),
            key_end=axis.key(pl.col("agent"), pl.col("end_at")),
        )
    )
    layers = []
    for kind in terms.EXEMPTION_KINDS:
        mine = spans.filter(pl.col("kind") == kind).select("key", "key_end", pl.col("number").alias(kind))
        layers.append(layer(steps(resolve(mine, kind), kind, 0), kind, axis, 0))
    return layers, labels
