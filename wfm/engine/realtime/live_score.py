"""Score a day while it goes on, at the cost of the agents that an update is about, not of the whole centre.

What is found for one agent depends on no other (`wfm.engine.adherence.scoring.score_dataset`). So facts are stored by
agent, an update marks the agents it is about, and the next read of a view scores these again and replaces their rows.
Coverage grows for every agent, every few seconds; but for nearly all of them only the last slice gets longer, which is
one column of a cached frame (`wfm.engine.realtime.validity`)::

    update ──► facts by agent ──► agents it is about ──────────────────┐
    coverage ► edge ──► agents for whom something begins or ends there ┴► score_dataset() ► their rows ─┐
                 └────► the last slice of the others gets longer ───────────────────────────────────────┴► views
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
from wfm.engine.adherence.exceptions import EXCEPTION_COLUMNS
from wfm.engine.adherence.scoring import Score, ScoreOptions, score_dataset
from wfm.engine.inputs.dataset import Dataset
from wfm.engine.inputs.frames import (
    Frame,
    InputFrames,
    Window,
    check_adherence_rules,
    check_span_order,
    check_window,
    check_zone_name,
    read_frame,
)
from wfm.engine.realtime import view_cache
from wfm.engine.realtime.agent_board import build_agent_board, build_board_spans
from wfm.engine.realtime.coverage import SourceCoverage
from wfm.engine.realtime.fact_store import FactStore
from wfm.engine.realtime.validity import compute_validity
from wfm.engine.realtime.view_cache import CachedView
from wfm.engine.time.units import us_to_seconds

VIEW_BUILDERS: Final[dict[str, Callable[[Score, pl.DataFrame], pl.DataFrame]]] = {
    "sums": view_cache.build_sums_view,
    "exceptions": view_cache.build_exceptions_view,
    "slices": view_cache.build_slices_view,
    "stretches": lambda scored, _: build_board_spans(scored),
}
"""The function that builds each view from a score and its validity: rows with agent_id, begin and end, among others."""


@dataclass(frozen=True)
class _ScoredAgents:
    """Some agents that were scored together: their numbers, in the order of the axis, and the validity of the score."""

    agents: frozenset[int]
    numbers: pl.Series
    score: Score
    validity: pl.DataFrame


class Live:
    """A scored window that can be updated; every view equals that of `score` on all facts so far.

    A row that is sent again changes nothing; a leg or an exemption with the key of an earlier one and other values
    replaces it. Agents, logins, mappings, activities, rules and options do not change: start again when they do.
    """

    def __init__(
        self,
        frames: InputFrames,
        *,
        window: Window,
        timezone: str = "UTC",
        options: ScoreOptions | None = None,
    ) -> None:
        """Score frames as `wfm.engine.adherence.scoring.score` does; a window must be given.

        Raises:
            InputError: a frame lacks a column or has a wrong value.
            UsageError: the window or the zone is invalid.
        """
        checked = check_window(window)
        if checked is None:
            raise UsageError("window: a live day needs one: two dates (workdays) or two instants.")
        self.window: Window = checked
        self._timezone = check_zone_name(timezone, "timezone")
        self._options = options or ScoreOptions()
        self._rules = classify.build_rule_table(check_adherence_rules(read_frame(frames.rule, "rule")))
        empty = {name: schema.create_empty_frame(name) for name in ("schedule", "agent_state")}
        fixed = Dataset.from_frames(replace(frames, **empty, call_leg=None, exemption=None, coverage=None))
        self._facts = FactStore(fixed, read_frame(frames.activity, "activity"), checked)
        self._coverage: SourceCoverage | None = None
        self._validity: pl.DataFrame | None = None
        self._views = {name: CachedView() for name in VIEW_BUILDERS}
        self._last: _ScoredAgents | None = None
        self._edges_by_agent: dict[str, pl.Series] = {}
        self.take(
            schedule=frames.schedule,
            agent_state=frames.agent_state,
            call_leg=frames.call_leg,
            exemption=frames.exemption,
            coverage=frames.coverage,
        )

    @property
    def agents(self) -> int:
        """Return how many agents there are: those with a schedule, or with a transaction of one of their logins."""
        return len(self._facts.all_agents)

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
        """Take an update: new, late or corrected rows, in any order.

        Args:
            schedule, agent_state, call_leg, exemption, coverage: rows, with the columns that `score` takes.
            gone: table (not coverage) → keys of deleted rows.

        Returns:
            How many agents are scored again before the next read of each view.

        Raises:
            InputError: a frame lacks a column or has a wrong value; nothing was taken.
        """
        rows = {
            "schedule": schedule,
            "agent_state": agent_state,
            "call_leg": call_leg,
            "exemption": exemption,
        }
        # everything is checked before anything is stored, so that an error leaves the score as it was
        update = self._facts.check_update(rows, gone)
        covered = None if coverage is None else check_span_order(read_frame(coverage, "coverage"), "coverage")
        self._edges_by_agent = {}
        touched = self._facts.apply_update(update)
        if covered is not None:
            touched = touched | self._extend_coverage(covered)
        if touched or covered is not None:
            self._last = None
        if touched:
            for view in self._views.values():
                view.stale_agents |= touched
        return len(touched)

    def _extend_coverage(self, coverage: pl.DataFrame) -> set[int]:
        """Extend the coverage; return the agents for whom more than the length of the last slice changes."""
        earlier = self._coverage
        self._coverage = SourceCoverage(coverage) if earlier is None else earlier.extend_with(coverage)
        if earlier is None or not self._coverage.is_extension_of(earlier):
            return self._facts.all_agents
        moved = self._coverage.edges.join(earlier.edges, on=["source", "edge"], how="anti", nulls_equal=True)
        if moved.is_empty() or self._validity is None:
            return set()
        due = self._validity.join(moved, on="source", how="left", nulls_equal=True, suffix="_now").filter(
            pl.col("restless") | (pl.col("until") <= pl.col("edge_now"))
        )
        return set(due["agent"]) & self._facts.all_agents

    # --- views ----------------------------------------------------------------------------------------------
    def adherence(self, by: Sequence[str] = ("agent_id", "workday")) -> pl.DataFrame:
        """Return adherence as `Score.adherence` does, by groupings that do not cut segments, without tolerance.

        Raises:
            UsageError: there is no such grouping, or it cuts segments (queue_id, interval_start).
        """
        by = rollup.parse_groupings(by)
        if cut := [name for name in by if name in rollup.CUTTING_GROUPINGS]:
            raise UsageError(f"A live day cannot be grouped by {' or '.join(cut)}; score the window instead.")
        return classify.compute_ratios(
            rollup.aggregate_sums(self._read_view("sums"), by, classify.ADHERENCE_SUMS)
        )

    def exceptions(self) -> pl.DataFrame:
        """List adherence exceptions and unscheduled work: see `Score.exceptions`."""
        seconds = us_to_seconds(pl.col("end") - pl.col("begin"))
        return view_cache.restore_instants(
            self._read_view("exceptions").with_columns(seconds=seconds)
        ).select(EXCEPTION_COLUMNS)

    def slices(self) -> pl.DataFrame:
        """Return the finest view: see `Score.slices`."""
        return view_cache.restore_instants(self._read_view("slices")).select(
            "agent_id", "start_at", "end_at", "activity", "state", "vendor_state", "class", "reason", "leg_id"
        )

    def board(self, now: datetime) -> pl.DataFrame:
        """Return the state of every agent now, or at the edge of their sources' coverage if that is earlier.

        Args:
            now: an instant; later facts are not shown.

        Returns:
            agent_id, state (wfm.core.glossary.STATES), vendor_state, since_at (when that state began; null: unknown),
            activity (scheduled now), class (of now; null: nothing scheduled that counts), out_since_at (null: not
            out), out_s and controllable_s (seconds out of adherence in the window so far, and those of them that
            nothing excuses), seen_at (the instant that the row describes). In order of agent_id.

        Raises:
            UsageError: ``now`` has no zone.
        """
        if now.tzinfo is None:
            raise UsageError(
                f"now: {now.isoformat()} has no zone; give an instant like {now.isoformat()}+00:00."
            )
        rows, people = self._read_view("stretches"), self._facts.present_agents
        instant = pl.lit((now - EPOCH) // MICROSECOND, pl.Int64)
        edge = pl.lit(self._get_edges("seen").gather(people["agent"]))
        people = people.with_columns(
            seen=pl.min_horizontal(instant, edge),
            # at the edge itself the state is unknown already, so the last covered microsecond is shown
            at=pl.when(edge <= instant).then(edge - 1).otherwise(instant),
        )
        return build_agent_board(rows, people, self._facts.axis, self.window)

    def _read_view(self, name: str) -> pl.DataFrame:
        """Return a view's rows, up to date with everything that was taken."""
        view = self._views[name]
        if view.frame is not None and name == "exceptions":
            view.stale_agents |= view.find_relabelled_agents(self._get_edges("edge"))
        if view.stale_agents or view.frame is None:
            scored = self._score_agents(view.stale_agents)
            rows = VIEW_BUILDERS[name](scored.score, scored.validity)
            position = rows["agent_id"].cast(scored.score.axis.agents).to_physical()
            rows = rows.with_columns(
                agent=scored.numbers.gather(position), edge=scored.validity["edge"].gather(position)
            )
            view.replace_stale_rows(self._facts, rows)
        view.extend_to_edges(self._get_edges("edge"))
        assert view.frame is not None
        return view.frame

    def _score_agents(self, agents: set[int]) -> _ScoredAgents:
        # usually every view is stale for the same agents: they are scored once for all views
        if self._last is None or self._last.agents != agents:
            coverage = self._coverage
            facts, axis, numbers = self._facts.select_facts(
                agents, None if coverage is None else coverage.spans
            )
            score = score_dataset(facts, axis, self._rules, self.window, None, self._timezone, self._options)
            validity = compute_validity(score, None if coverage is None else coverage.edges).with_columns(
                agent=numbers
            )
            self._last = _ScoredAgents(frozenset(agents), numbers, score, validity)
            if self._validity is not None:
                is_scored = self._facts.build_agent_mask(agents)
                others = self._validity.filter(~is_scored.gather(self._validity["agent"]))
                validity = pl.concat([others, validity])
            self._validity, self._edges_by_agent = validity, {}
        return self._last

    def _get_edges(self, name: str) -> pl.Series:
        """Return the coverage edge (µs) by agent number; ``seen`` is also given for agents of several sources."""
        if not self._edges_by_agent:
            self._edges_by_agent = self._compute_edges()
        return self._edges_by_agent[name]

    def _compute_edges(self) -> dict[str, pl.Series]:
        unknown = pl.repeat(None, self._facts.agent_ranks.len(), dtype=pl.Int64, eager=True)
        if self._coverage is None or self._validity is None:
            return {"edge": unknown, "seen": unknown}
        current = self._validity.join(
            self._coverage.edges,
            on="source",
            how="left",
            nulls_equal=True,
            maintain_order="left",
            suffix="_now",
        ).select("agent", "seen", edge=pl.when(pl.col("edge").is_not_null()).then("edge_now"))
        edges = {"edge": current["edge"], "seen": current.select(pl.coalesce("edge", "seen")).to_series()}
        return {name: unknown.clone().scatter(current["agent"], edge) for name, edge in edges.items()}
