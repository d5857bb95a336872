"""All facts received so far for a live window, indexed by agent, so that single agents can be scored again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from wfm.core import schema
from wfm.engine.inputs import frames
from wfm.engine.inputs.dataset import LOGIN_KEY, Dataset
from wfm.engine.inputs.frames import Frame, Window
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.realtime.keyed_rows import NUMBER_DTYPE, KeyedRows, NameNumbers
from wfm.engine.time.axis import Axis

STORED_COLUMNS = {
    "schedule": (*schema.get_table("schedule").own_columns, "counted"),
    "agent_state": (*schema.get_table("agent_state").own_columns, "code"),
    "call_leg": (*LOGIN_KEY, "leg_id", "queue_id", "answered_at", "ended_at"),
    "exemption": tuple(schema.get_table("exemption").own_columns),
}
"""Columns stored of every table that updates may change."""
VERSIONED_TABLES = ("call_leg", "exemption")
"""Tables in which a row may be replaced by another with the same key."""


@dataclass(frozen=True)
class FactUpdate:
    """Checked rows by table, and the keys of deleted rows by table."""

    rows: Mapping[str, pl.DataFrame]
    removed_keys: Mapping[str, pl.DataFrame]


class FactStore:
    """The facts of a window, updated as they arrive; agents and logins are numbered as they first appear.

    Agents, logins, activities and mappings do not change during its life.

    Args:
        fixed: what does not change.
        activity: activity and whether its time is counted.
        window: the window that is scored.
    """

    def __init__(self, fixed: Dataset, activity: pl.DataFrame, window: Window) -> None:
        self._fixed_facts, self._activities, self._window = fixed, activity, window
        self._agent_numbers, self._login_numbers = NameNumbers(["agent_id"]), NameNumbers(LOGIN_KEY)
        self._login_agents = pl.DataFrame(schema={"login": NUMBER_DTYPE, "agent": NUMBER_DTYPE})
        self._tables = {name: _make_keyed_rows(name) for name in STORED_COLUMNS}
        self._seen_sources: dict[str, set[str]] = {"agent_state": set(), "call_leg": set()}
        self._present_agents: set[int] = set()
        self.present_agents = pl.DataFrame(schema={"agent": NUMBER_DTYPE, "agent_id": pl.String})
        self.agent_ranks = pl.Series(dtype=pl.Int64)
        self.axis = fixed.build_axis(window)

    @property
    def all_agents(self) -> set[int]:
        """Return the numbers of all agents with a schedule or with a transaction of one of their logins."""
        return self._present_agents

    # --- updates --------------------------------------------------------------------------------------------
    def check_update(
        self, rows: Mapping[str, Frame | None], removed_keys: Mapping[str, pl.DataFrame] | None
    ) -> FactUpdate:
        """Check frames as `wfm.score` does.

        Args:
            rows: new rows by table.
            removed_keys: keys of deleted rows by table.

        Raises:
            InputError: a frame does not have the columns or values its table needs.
        """
        checked = {name: frames.read_frame(frame, name) for name, frame in rows.items() if frame is not None}
        for name in {"schedule", "exemption"} & set(checked):
            frames.check_span_order(checked[name], name)
        if "schedule" in checked:
            checked["schedule"] = frames.complete_activities(self._activities, checked["schedule"])[1]
        if "exemption" in checked:
            frames.check_exemption_kinds(checked["exemption"])
        if "agent_state" in checked:
            states = checked["agent_state"]
            checked["agent_state"] = states.with_columns(code=map_states(states, self._fixed_facts.state_map))
        return FactUpdate(checked, removed_keys or {})

    def apply_update(self, update: FactUpdate) -> set[int]:
        """Store an update; return the numbers of the agents whose score it may change."""
        touched: set[int] = set()
        for name in STORED_COLUMNS:
            rows, removed = update.rows.get(name), update.removed_keys.get(name)
            if removed is not None:
                touched |= self._delete_rows(name, removed)
            if rows is not None and not rows.is_empty():
                touched |= self._add_exemptions(rows) if name == "exemption" else self._add_rows(name, rows)
        return touched & self._present_agents

    def _add_rows(self, name: str, rows: pl.DataFrame) -> set[int]:
        is_schedule = name == "schedule"
        numbers = self._agent_numbers if is_schedule else self._login_numbers
        who = numbers.assign_numbers(rows)
        # `_find_agents_of` below needs the agents of logins that are new
        self._resolve_new_logins()
        about = self._tables[name].upsert_rows(rows.with_columns(who=who))
        agents = set(about if is_schedule else self._find_agents_of(about))
        # a call alone puts nobody on the axis: `Dataset.build_axis` asks for a schedule or states
        if name != "call_leg" and not agents <= self._present_agents:
            self._set_present_agents(self._present_agents | agents)
        everybody = (
            self._fit_axis() if is_schedule else self._record_sources(name, set(rows["source"].unique()))
        )
        return agents | everybody

    def _add_exemptions(self, rows: pl.DataFrame) -> set[int]:
        """Store exemptions; return the agents they apply to."""
        changed = self._tables["exemption"].upsert_rows(rows.with_columns(who=pl.lit(0, NUMBER_DTYPE))).len()
        return self._find_exempted_agents(rows) if changed else set()

    def _find_exempted_agents(self, rows: pl.DataFrame) -> set[int]:
        """Return the agents to whom exemptions (or keys of exemptions) apply."""
        one, team = pl.col("agent_id").is_not_null(), pl.col("team").is_not_null()
        if rows.filter(~one, ~team).height:
            return self._present_agents
        teams = self._fixed_facts.agent.join(rows.filter(~one).select("team"), on="team", how="semi")
        named = pl.concat([rows.filter(one).select("agent_id"), teams.select("agent_id")])
        return set(self.present_agents.join(named, on="agent_id", how="semi")["agent"])

    def _delete_rows(self, name: str, keys: pl.DataFrame) -> set[int]:
        """Delete rows, and agents who have no other rows; return the agents whose score may change."""
        about = self._tables[name].delete_rows(keys)
        if about.is_empty() or name == "exemption":
            return self._find_exempted_agents(keys) if about.len() else set()
        if name == "call_leg":
            before = self._seen_sources[name]
            self._seen_sources[name] = set(self._tables[name].rows["source"].unique())
            # without its last leg a source has no call log, and its agents are judged by states alone
            same_sources = before == self._seen_sources[name]
            return set(self._find_agents_of(about)) if same_sources else self._present_agents
        # an agent who is gone moves every later one on the axis, so everybody is scored again
        planned, states = self._tables["schedule"].rows["who"], self._tables["agent_state"].rows
        self._set_present_agents({*planned.unique(), *self._find_agents_of(states["who"].unique())})
        self._seen_sources["agent_state"] = set(states["source"].unique())
        self._fit_axis()
        return self._present_agents

    def _record_sources(self, name: str, sources: set[str]) -> set[int]:
        """Record which sources send states or calls; a new source may change the score of every agent."""
        new = not sources <= self._seen_sources[name]
        self._seen_sources[name] |= sources
        return self._present_agents if new else set()

    def _resolve_new_logins(self) -> None:
        """Look up the agents of logins that appear for the first time."""
        new = self._login_numbers.numbered_names.slice(self._login_agents["login"].n_unique())
        if new.height:
            agents = self._fixed_facts.map_logins_to_agents(new).join(new, on=LOGIN_KEY)
            pairs = {"login": agents["number"], "agent": self._agent_numbers.assign_numbers(agents)}
            self._login_agents = pl.concat([self._login_agents, pl.DataFrame(pairs).unique()], rechunk=True)

    def _find_agents_of(self, logins: pl.Series) -> pl.Series:
        return self._login_agents.filter(pl.col("login").is_in(logins.implode()))["agent"].unique()

    def _set_present_agents(self, present: set[int]) -> None:
        """Set which agents are present, and their order on the axis."""
        self._present_agents = present
        numbers = pl.DataFrame({"agent": pl.Series(sorted(present), dtype=NUMBER_DTYPE)})
        named = self._agent_numbers.numbered_names.rename({"number": "agent"})
        self.present_agents = numbers.join(named, on="agent").sort("agent_id").select("agent", "agent_id")
        ranked = pl.repeat(0, self._agent_numbers.numbered_names.height, dtype=pl.Int64, eager=True)
        self.agent_ranks = ranked.scatter(
            self.present_agents["agent"], pl.int_range(len(present), eager=True)
        )
        self.axis = Axis(pl.Enum(self.present_agents["agent_id"]), self.axis.origin_us, self.axis.end_us)

    def _fit_axis(self) -> set[int]:
        """Fit the axis to the schedules; return all agents if it changed."""
        planned = self._tables["schedule"].rows
        extent = Dataset(**{**vars(self._fixed_facts), "schedule": planned}).build_axis(self._window)
        moved = (extent.origin_us, extent.end_us) != (self.axis.origin_us, self.axis.end_us)
        self.axis = Axis(self.axis.agents, extent.origin_us, extent.end_us)
        return self._present_agents if moved else set()

    # --- input for scoring ----------------------------------------------------------------------------------
    def build_agent_mask(self, agents: set[int]) -> pl.Series:
        """Return a flag for each agent number: whether it is among these."""
        return self._agent_numbers.build_mask(pl.Series(sorted(agents), dtype=NUMBER_DTYPE))

    def select_facts(
        self, agents: set[int], coverage: pl.DataFrame | None
    ) -> tuple[Dataset, Axis, pl.Series]:
        """Return the facts about some agents, their axis, and their numbers in the order of the axis."""
        is_chosen = self.build_agent_mask(agents)
        chosen = self.present_agents.filter(is_chosen.gather(self.present_agents["agent"]))
        logins = self._login_numbers.build_mask(
            self._login_agents.filter(is_chosen.gather(self._login_agents["agent"]))["login"]
        )
        ids = chosen["agent_id"].implode()
        facts = Dataset(
            schedule=self._tables["schedule"].select_rows(is_chosen),
            agent_state=self._tables["agent_state"].select_rows(logins),
            state_map=self._fixed_facts.state_map,
            activity=self._fixed_facts.activity,
            call_leg=self._tables["call_leg"].select_rows(logins),
            exemption=self._tables["exemption"].rows.drop("who"),
            coverage=coverage,
            agent=self._fixed_facts.agent.filter(pl.col("agent_id").is_in(ids)),
            login=self._fixed_facts.login.filter(pl.col("agent_id").is_in(ids)),
            state_sources=pl.Series(sorted(self._seen_sources["agent_state"]), dtype=pl.String),
            call_log_sources=pl.Series(sorted(self._seen_sources["call_leg"]), dtype=pl.String),
        )
        return (
            facts,
            Axis(pl.Enum(chosen["agent_id"]), self.axis.origin_us, self.axis.end_us),
            chosen["agent"],
        )


def _make_keyed_rows(name: str) -> KeyedRows:
    added: dict[str, pl.DataType] = {"counted": pl.Boolean(), "code": pl.UInt8(), "who": NUMBER_DTYPE()}
    kinds = {**added, **schema.get_table(name).own_columns}
    columns = {column: kinds[column] for column in (*STORED_COLUMNS[name], "who")}
    return KeyedRows(
        pl.DataFrame(schema=columns),
        schema.get_table(name).key,
        versioned=name in VERSIONED_TABLES,
        may_change_agent=name == "call_leg",  # a call log may correct the login of a leg
    )
