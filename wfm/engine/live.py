"""A day that is scored while it goes on: news costs as much as the agents it is about, not as much as the centre.

What is found of one agent depends on no other (`wfm.engine.score.compare`). So facts are kept by whom they are about,
news marks agents, and the next look at a view scores these anew and puts their rows in place of the old. That a feed
is watched for longer is news of everybody, every few seconds; but almost everybody's last slice only gets longer by
it, which is one column of a kept frame (`wfm.engine.standing`)::

    news ────► facts by agent ──► who is touched ──────────────┐
    coverage ► edge ──► for whom something begins or ends then ┴► compare() ► their rows ─┐
                 └────► the others' last slice reaches further ───────────────────────────┴► views
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from wfm import schema
from wfm.core.time import EPOCH, MICROSECOND
from wfm.engine import adherence, inputs, kept, rollup
from wfm.engine.board import board, stretches
from wfm.engine.facts import Facts
from wfm.engine.inputs import Frame, InputFrames, Window
from wfm.engine.kept import Kept
from wfm.engine.known import Known
from wfm.engine.score import Options, Score, compare
from wfm.engine.standing import standing
from wfm.engine.units import in_seconds
from wfm.engine.watch import Watch
from wfm.errors import UsageError

ROWS: Final[dict[str, Callable[[Score, pl.DataFrame], pl.DataFrame]]] = {
    "sums": kept.sums,
    "exceptions": kept.exceptions,
    "slices": kept.slices,
    "stretches": lambda scored, _: stretches(scored),
}
"""What is kept of a score, per view: rows with agent_id, begin and end, from a score and how it stands."""


@dataclass(frozen=True)
class _Scored:
    """Some agents, by number, scored together."""

    agents: frozenset[int]
    numbers: pl.Series
    score: Score
    standing: pl.DataFrame


class Live:
    """A scored window that takes news; every view equals that of `wfm.engine.score.score` on all facts so far.

    "All facts" is what a store keeps of them: a row that is said again changes nothing; a leg or an exemption with the
    key of an earlier one and other values takes its place. Who exists, what words mean (agent, login, activity,
    state_map, rule) and the options do not change: begin anew when they do.
    """

    def __init__(
        self,
        frames: InputFrames,
        *,
        window: Window,
        timezone: str = "UTC",
        options: Options | None = None,
    ) -> None:
        """Begin with frames as for `wfm.engine.score.score`; a window must be given.

        Raises:
            InputError: a frame is not what it should be.
            UsageError: the window or the zone is not.
        """
        checked = inputs.window_of(window)
        if checked is None:
            raise UsageError("window: a live day needs one: two dates (workdays) or two instants.")
        self.window: Window = checked
        self._timezone = inputs.zone(timezone, "timezone")
        self._options = options or Options()
        self._rules = adherence.rule_table(inputs.rules(inputs.take(frames.rule, "rule")))
        empty = {name: schema.empty(name) for name in ("schedule", "agent_state")}
        fixed = Facts.read(replace(frames, **empty, call_leg=None, exemption=None, coverage=None))
        self._known = Known(fixed, inputs.take(frames.activity, "activity"), checked)
        self._watch: Watch | None = None
        self._standing: pl.DataFrame | None = None
        self._views = {name: Kept() for name in ROWS}
        self._last: _Scored | None = None
        self._ends: dict[str, pl.Series] = {}
        self.take(
            schedule=frames.schedule,
            agent_state=frames.agent_state,
            call_leg=frames.call_leg,
            exemption=frames.exemption,
            coverage=frames.coverage,
        )

    @property
    def agents(self) -> int:
        """How many agents there are: who has a schedule or a login that said something."""
        return len(self._known.everybody)

    def take(
        self,
        *,
        schedule: Frame | None = None,
        agent_state: Frame | None = None,
        call_leg: Frame | None = None,
        exemption: Frame | None = None,
        coverage: Frame | None = None,
        gone: Mapping[str, pl.DataFrame] | None = None,
    ) -> int:
        """Take news: new, late or corrected rows, in any order.

        Args:
            schedule, agent_state, call_leg, exemption, coverage: rows, columns as for `wfm.engine.score.score`.
            gone: table (not coverage) → keys of rows that are no more.

        Returns:
            How many agents the next look at each view scores anew.

        Raises:
            InputError: a frame is not what it should be; nothing was taken.
        """
        rows = {
            "schedule": schedule,
            "agent_state": agent_state,
            "call_leg": call_leg,
            "exemption": exemption,
        }
        news = self._known.check(rows, gone)
        watched = (
            None if coverage is None else inputs.check_spans(inputs.take(coverage, "coverage"), "coverage")
        )
        self._ends = {}
        touched = self._known.file(news)
        if watched is not None:
            touched = touched | self._reached(watched)
        if touched or watched is not None:
            self._last = None
        if touched:
            for view in self._views.values():
                view.stale |= touched
        return len(touched)

    def _reached(self, coverage: pl.DataFrame) -> set[int]:
        """Note what was watched; return for whom more than the length of the last slice changes."""
        earlier, self._watch = (
            self._watch,
            Watch(coverage) if self._watch is None else self._watch.with_more(coverage),
        )
        if earlier is None or not self._watch.is_grown_from(earlier):
            return self._known.everybody
        moved = self._watch.edges.join(earlier.edges, on=["source", "edge"], how="anti", nulls_equal=True)
        if moved.is_empty() or self._standing is None:
            return set()
        due = self._standing.join(moved, on="source", how="left", nulls_equal=True, suffix="_now").filter(
            pl.col("restless") | (pl.col("until") <= pl.col("edge_now"))
        )
        return set(due["agent"]) & self._known.everybody

    # --- views ----------------------------------------------------------------------------------------------
    def adherence(self, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
        """Roll up by whatever does not cut: see `wfm.engine.score.Score.adherence`; nothing is tolerated.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.groups(by)
        if cut := [name for name in by if name in rollup.CUTS]:
            raise UsageError(f"A live day cannot be grouped by {' or '.join(cut)}; score the window instead.")
        return adherence.ratios(rollup.roll(self._rows("sums"), by, adherence.SUMS))

    def exceptions(self) -> pl.DataFrame:
        """List adherence exceptions and unscheduled work: see `wfm.engine.score.Score.exceptions`."""
        seconds = in_seconds(pl.col("end") - pl.col("begin"))
        return kept.spoken(self._rows("exceptions").with_columns(seconds=seconds)).select(
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
        """Return the finest view: see `wfm.engine.score.Score.slices`."""
        return kept.spoken(self._rows("slices")).select(
            "agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason", "leg_id"
        )

    def board(self, now: datetime) -> pl.DataFrame:
        """Look at every agent now, or where their sources were last watched if that is earlier.

        Args:
            now: an instant; what happened since is not shown.

        Returns:
            agent_id, state (wfm.terms.STATES), vendor_state, since_at (when that state began; null: not known),
            activity (scheduled now), class (of now; null: nothing scheduled that counts), out_since_at (null: not
            out), out_s and controllable_s (seconds out of adherence in the window so far, and those of them that
            nothing excuses), seen_at (which instant the row is about). In order of agent_id.

        Raises:
            UsageError: ``now`` has no zone.
        """
        if now.tzinfo is None:
            raise UsageError(
                f"now: {now.isoformat()} has no zone; give an instant like {now.isoformat()}+00:00."
            )
        rows, people = self._rows("stretches"), self._known.people
        instant = pl.lit((now - EPOCH) // MICROSECOND, pl.Int64)
        edge = pl.lit(self._edges("seen").gather(people["agent"]))
        people = people.with_columns(
            seen=pl.min_horizontal(instant, edge),
            at=pl.when(edge <= instant).then(edge - 1).otherwise(instant),
        )
        return board(rows, people, self._known.axis, self.window)

    def _rows(self, name: str) -> pl.DataFrame:
        """Return a view's rows as of everything that was taken."""
        view = self._views[name]
        if view.frame is not None and name == "exceptions":
            view.stale |= view.turning(self._edges("edge"))
        if view.stale or view.frame is None:
            scored = self._score(view.stale)
            rows = ROWS[name](scored.score, scored.standing)
            place = rows["agent_id"].cast(scored.score.axis.agents).to_physical()
            rows = rows.with_columns(
                agent=scored.numbers.gather(place), edge=scored.standing["edge"].gather(place)
            )
            view.put(self._known, rows)
        view.reach(self._edges("edge"))
        assert view.frame is not None
        return view.frame

    def _score(self, agents: set[int]) -> _Scored:
        if self._last is None or self._last.agents != agents:
            watch = self._watch
            facts, axis, numbers = self._known.facts(agents, None if watch is None else watch.spans)
            score = compare(facts, axis, self._rules, self.window, None, self._timezone, self._options)
            stands = standing(score, None if watch is None else watch.edges).with_columns(agent=numbers)
            self._last = _Scored(frozenset(agents), numbers, score, stands)
            if self._standing is not None:
                mine = self._known.mask(agents)
                stands = pl.concat([self._standing.filter(~mine.gather(self._standing["agent"])), stands])
            self._standing, self._ends = stands, {}
        return self._last

    def _edges(self, name: str) -> pl.Series:
        """Give by number up to where an agent is watched now (µs): ``edge``, or ``seen`` for several sources, too."""
        if not self._ends:
            self._ends = self._measured()
        return self._ends[name]

    def _measured(self) -> dict[str, pl.Series]:
        everyone = pl.repeat(None, self._known.rank.len(), dtype=pl.Int64, eager=True)
        if self._watch is None or self._standing is None:
            return {"edge": everyone, "seen": everyone}
        now = self._standing.join(
            self._watch.edges, on="source", how="left", nulls_equal=True, maintain_order="left", suffix="_now"
        ).select("agent", "seen", edge=pl.when(pl.col("edge").is_not_null()).then("edge_now"))
        ends = {"edge": now["edge"], "seen": now.select(pl.coalesce("edge", "seen")).to_series()}
        return {name: everyone.clone().scatter(now["agent"], end) for name, end in ends.items()}
