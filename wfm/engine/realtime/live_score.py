"""A day that is scored while it goes on: news costs as much as the agents it is about, not as much as the centre.

What is found of one agent depends on no other (`wfm.engine.adherence.scoring.score_dataset`). So facts are kept by whom they are about,
news marks agents, and the next look at a view scores these anew and puts their rows in place of the old. That a feed
is watched for longer is news of everybody, every few seconds; but almost everybody's last slice only gets longer by
it, which is one column of a kept frame (`wfm.engine.realtime.validity`)::

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

from wfm.core import schema
from wfm.core.errors import UsageError
from wfm.core.time import EPOCH, MICROSECOND
from wfm.engine.adherence import classify, rollup
from wfm.engine.adherence.scoring import Score, ScoreOptions, score_dataset
from wfm.engine.inputs import frames as inputs
from wfm.engine.inputs.dataset import Dataset
from wfm.engine.inputs.frames import Frame, InputFrames, Window
from wfm.engine.realtime import view_cache
from wfm.engine.realtime.agent_board import build_agent_board, build_board_spans
from wfm.engine.realtime.coverage import SourceCoverage
from wfm.engine.realtime.fact_store import FactStore
from wfm.engine.realtime.validity import compute_validity
from wfm.engine.realtime.view_cache import CachedView
from wfm.engine.time.units import us_to_seconds

ROWS: Final[dict[str, Callable[[Score, pl.DataFrame], pl.DataFrame]]] = {
    "sums": view_cache.build_sums_view,
    "exceptions": view_cache.build_exceptions_view,
    "slices": view_cache.build_slices_view,
    "stretches": lambda scored, _: build_board_spans(scored),
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
    """A scored window that takes news; every view equals that of `wfm.engine.adherence.scoring.score` on all facts so far.

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
        options: ScoreOptions | None = None,
    ) -> None:
        """Begin with frames as for `wfm.engine.adherence.scoring.score`; a window must be given.

        Raises:
            InputError: a frame is not what it should be.
            UsageError: the window or the zone is not.
        """
        checked = inputs.check_window(window)
        if checked is None:
            raise UsageError("window: a live day needs one: two dates (workdays) or two instants.")
        self.window: Window = checked
        self._timezone = inputs.check_zone_name(timezone, "timezone")
        self._options = options or ScoreOptions()
        self._rules = classify.build_rule_table(
            inputs.check_adherence_rules(inputs.read_frame(frames.rule, "rule"))
        )
        empty = {name: schema.create_empty_frame(name) for name in ("schedule", "agent_state")}
        fixed = Dataset.from_frames(replace(frames, **empty, call_leg=None, exemption=None, coverage=None))
        self._known = FactStore(fixed, inputs.read_frame(frames.activity, "activity"), checked)
        self._watch: SourceCoverage | None = None
        self._standing: pl.DataFrame | None = None
        self._views = {name: CachedView() for name in ROWS}
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
        return len(self._known.all_agents)

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
            schedule, agent_state, call_leg, exemption, coverage: rows, columns as for `wfm.engine.adherence.scoring.score`.
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
        news = self._known.check_update(rows, gone)
        watched = (
            None
            if coverage is None
            else inputs.check_span_order(inputs.read_frame(coverage, "coverage"), "coverage")
        )
        self._ends = {}
        touched = self._known.apply_update(news)
        if watched is not None:
            touched = touched | self._reached(watched)
        if touched or watched is not None:
            self._last = None
        if touched:
            for view in self._views.values():
                view.stale_agents |= touched
        return len(touched)

    def _reached(self, coverage: pl.DataFrame) -> set[int]:
        """Note what was watched; return for whom more than the length of the last slice changes."""
        earlier, self._watch = (
            self._watch,
            SourceCoverage(coverage) if self._watch is None else self._watch.extend_with(coverage),
        )
        if earlier is None or not self._watch.is_extension_of(earlier):
            return self._known.all_agents
        moved = self._watch.edges.join(earlier.edges, on=["source", "edge"], how="anti", nulls_equal=True)
        if moved.is_empty() or self._standing is None:
            return set()
        due = self._standing.join(moved, on="source", how="left", nulls_equal=True, suffix="_now").filter(
            pl.col("restless") | (pl.col("until") <= pl.col("edge_now"))
        )
        return set(due["agent"]) & self._known.all_agents

    # --- views ----------------------------------------------------------------------------------------------
    def adherence(self, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
        """Roll up by whatever does not cut: see `wfm.engine.adherence.scoring.Score.adherence`; nothing is tolerated.

        Raises:
            UsageError: ``by`` names something else.
        """
        by = rollup.parse_groupings(by)
        if cut := [name for name in by if name in rollup.CUTTING_GROUPINGS]:
            raise UsageError(f"A live day cannot be grouped by {' or '.join(cut)}; score the window instead.")
        return classify.compute_ratios(rollup.aggregate_sums(self._rows("sums"), by, classify.ADHERENCE_SUMS))

    def exceptions(self) -> pl.DataFrame:
        """List adherence exceptions and unscheduled work: see `wfm.engine.adherence.scoring.Score.exceptions`."""
        seconds = us_to_seconds(pl.col("end") - pl.col("begin"))
        return view_cache.restore_instants(self._rows("exceptions").with_columns(seconds=seconds)).select(
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
        """Return the finest view: see `wfm.engine.adherence.scoring.Score.slices`."""
        return view_cache.restore_instants(self._rows("slices")).select(
            "agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason", "leg_id"
        )

    def board(self, now: datetime) -> pl.DataFrame:
        """Look at every agent now, or where their sources were last watched if that is earlier.

        Args:
            now: an instant; what happened since is not shown.

        Returns:
            agent_id, state (wfm.core.glossary.STATES), vendor_state, since_at (when that state began; null: not known),
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
        rows, people = self._rows("stretches"), self._known.present_agents
        instant = pl.lit((now - EPOCH) // MICROSECOND, pl.Int64)
        edge = pl.lit(self._edges("seen").gather(people["agent"]))
        people = people.with_columns(
            seen=pl.min_horizontal(instant, edge),
            at=pl.when(edge <= instant).then(edge - 1).otherwise(instant),
        )
        return build_agent_board(rows, people, self._known.axis, self.window)

    def _rows(self, name: str) -> pl.DataFrame:
        """Return a view's rows as of everything that was taken."""
        view = self._views[name]
        if view.frame is not None and name == "exceptions":
            view.stale_agents |= view.find_relabelled_agents(self._edges("edge"))
        if view.stale_agents or view.frame is None:
            scored = self._score(view.stale_agents)
            rows = ROWS[name](scored.score, scored.standing)
            place = rows["agent_id"].cast(scored.score.axis.agents).to_physical()
            rows = rows.with_columns(
                agent=scored.numbers.gather(place), edge=scored.standing["edge"].gather(place)
            )
            view.replace_stale_rows(self._known, rows)
        view.extend_to_edges(self._edges("edge"))
        assert view.frame is not None
        return view.frame

    def _score(self, agents: set[int]) -> _Scored:
        if self._last is None or self._last.agents != agents:
            watch = self._watch
            facts, axis, numbers = self._known.select_facts(agents, None if watch is None else watch.spans)
            score = score_dataset(facts, axis, self._rules, self.window, None, self._timezone, self._options)
            stands = compute_validity(score, None if watch is None else watch.edges).with_columns(
                agent=numbers
            )
            self._last = _Scored(frozenset(agents), numbers, score, stands)
            if self._standing is not None:
                mine = self._known.build_agent_mask(agents)
                stands = pl.concat([self._standing.filter(~mine.gather(self._standing["agent"])), stands])
            self._standing, self._ends = stands, {}
        return self._last

    def _edges(self, name: str) -> pl.Series:
        """Give by number up to where an agent is watched now (µs): ``edge``, or ``seen`` for several sources, too."""
        if not self._ends:
            self._ends = self._measured()
        return self._ends[name]

    def _measured(self) -> dict[str, pl.Series]:
        everyone = pl.repeat(None, self._known.agent_ranks.len(), dtype=pl.Int64, eager=True)
        if self._watch is None or self._standing is None:
            return {"edge": everyone, "seen": everyone}
        now = self._standing.join(
            self._watch.edges, on="source", how="left", nulls_equal=True, maintain_order="left", suffix="_now"
        ).select("agent", "seen", edge=pl.when(pl.col("edge").is_not_null()).then("edge_now"))
        ends = {"edge": now["edge"], "seen": now.select(pl.coalesce("edge", "seen")).to_series()}
        return {name: everyone.clone().scatter(now["agent"], end) for name, end in ends.items()}
