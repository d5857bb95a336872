"""Frames in, scores out: the engine as one pure function of what was scheduled, said, called and excused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from wfm import terms
from wfm.engine import adherence, deviations, inputs
from wfm.engine.codes import is_queue
from wfm.engine.facts import Facts
from wfm.engine.inputs import EPOCH, Frame, Window
from wfm.engine.schedule import in_force, segments
from wfm.engine.spans import Axis, layer, overlay, resolve, run_end, run_start, steps
from wfm.engine.timeline import Lines, state_lines
from wfm.errors import UsageError

OUTSIDE_NAME = "outside"
MICROSECOND = timedelta(microseconds=1)
PEOPLE = ("name", "team", "site")
BY = ("agent_id", *PEOPLE, "workday", "week", "month", "activity", "category", "shift_start_at")
"""What scores can be grouped by; a week is named by its Monday, a month by its first day."""


@dataclass(frozen=True)
class Options:
    """What an analyst may set about scoring; none of it changes what was recorded.

    state_renewal: a state other than logged_out that nothing renewed for so long is unknown.
    wrapup_grace: wrap-up after a call that overran counts as call driven for at most so long.
    state_delay: states are told up to so late (they are polled): an agent who is still busy then, after a call that
        overran has ended, is taken to be in it.
    state_evidence: apply the rules on calls to states alone where an agent has no call log.
    """

    state_renewal: timedelta = timedelta(hours=16)
    wrapup_grace: timedelta = timedelta(seconds=120)
    state_delay: timedelta = timedelta(0)
    state_evidence: bool = True


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

    def adherence(self, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
        """Score by any of `BY`; an empty ``by`` gives one row for everything.

        Returns:
            The columns of ``by``, then scheduled_s in_s approved_s call_driven_s system_s unknown_s controllable_s
            scheduled_work_s worked_s (seconds), adherence adherence_adjusted adherence_low adherence_high coverage
            conformance (0..1, conformance may exceed 1; null where nothing was scheduled). Rows in order of ``by``.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = [by] if isinstance(by, str) else list(by)
        for name in by:
            if name not in BY:
                raise UsageError(f"Cannot group by {name!r}; choose from: {', '.join(BY)}.")
        if not by:
            return adherence.ratios(self._sums.select(pl.col(adherence.SUMS).sum()))
        summed = self._sums.group_by(by).agg(pl.col(adherence.SUMS).sum()).sort(by, nulls_last=True)
        return adherence.ratios(summed)

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
            pl.col("evidence_kind").cast(pl.String), seconds=(pl.col("key_end") - pl.col("key")) / 1_000_000
        )
        return rows.select(
            "agent_id", "workday", "start_at", "end_at", "seconds", "activity", "state", "vendor_state", "class",
            "reason", "evidence", "evidence_kind", "impact",
        )  # fmt: skip

    def slices(self) -> pl.DataFrame:
        """Return the finest view: within a row nothing changes, and the rows of an agent leave no gap.

        Returns:
            agent_id start_at end_at activity state vendor_state class reason leg_id (the call leg then under way; the
            latest answered if there are several). Activity and class are null where nothing is scheduled.
        """
        spans = self._legs.select("key", "key_end", leg=pl.int_range(pl.len(), dtype=pl.Int32))
        calls = layer(steps(resolve(spans, "leg"), "leg", -1), "leg", self.axis, -1)
        numbers = self._reasoned.select("key", row=pl.int_range(pl.len(), dtype=pl.Int32))
        cut = overlay([layer(numbers, "row", self.axis, -1), calls], self.axis).filter(pl.col("row") >= 0)
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
            leg_id=self._legs["leg_id"].gather(
                pl.select(pl.when(cut["leg"] >= 0).then(cut["leg"])).to_series()
            ),
        )
        return self._spoken(self._clip(named)).select(
            "agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason", "leg_id"
        )

    @cached_property
    def _reasoned(self) -> pl.DataFrame:
        return deviations.give_reasons(self._slices, self._segments)

    @cached_property
    def _sums(self) -> pl.DataFrame:
        """Sum per segment, in microseconds, with everything one can group by."""
        scheduled = self._slices.filter(pl.col("segment") > 0)
        if self.window is not None:
            places = self._segments_of(scheduled["segment"]).select("workday")
            scheduled = self._clip(pl.concat([scheduled, places], how="horizontal"))
        summed = adherence.sums(scheduled, ["segment"])
        return (
            summed.join(self._segments, on="segment", maintain_order="left")
            .join(self._people.drop("timezone"), on="agent", how="left", maintain_order="left")
            .with_columns(
                pl.col("activity", "category").cast(pl.String),
                week=pl.col("workday").dt.truncate("1w"),
                month=pl.col("workday").dt.truncate("1mo"),
                shift_start_at=self.axis.at(pl.col("shift_key")),
            )
        )

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
    axis = facts.axis(window)
    zone_of = facts.zones(axis, timezone)
    rules = adherence.rule_table(inputs.rules(inputs.take(rule, "rule")))

    placed = facts.schedule.with_columns(agent=pl.col("agent_id").cast(axis.agents))
    held = in_force(placed, zone_of, as_of)
    segs = segments(held, facts.activity, zone_of, axis)
    lines = state_lines(
        facts.coded_states(), facts.slots(axis), facts.coverage, axis, renewal=options.state_renewal
    )
    excused, labels = _exemptions(facts, axis, as_of)
    planned = layer(steps(segs.select("key", "key_end", "segment"), "segment", 0), "segment", axis, 0)
    slices = overlay([planned, *lines.layers, *excused], axis)
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
    return Score(axis, window, slices, segs, evidence, labels, zone_of, facts.people(axis), legs, lines)


def _at(values: pl.Series, segment: pl.Series, outside: object) -> pl.Series:
    """Look up a value per segment; ``outside`` where nothing is scheduled."""
    first = pl.Series(values.name, [outside], dtype=values.dtype)
    return pl.concat([first, values]).gather(segment)


def _exemptions(facts: Facts, axis: Axis, as_of: datetime | None) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Make the layers ``approved`` and ``system``: the number of the exemption in force; and the numbers' labels."""
    rows = facts.exemption.with_row_index("number", offset=1).with_columns(pl.col("number").cast(pl.Int32))
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
    labels = rows.select("number", label=pl.coalesce("code", "note", "kind"))
    return layers, labels
