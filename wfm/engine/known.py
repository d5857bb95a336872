"""All facts received so far for a live window, indexed by agent, so that single agents can be scored again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from wfm import schema
from wfm.engine import inputs
from wfm.engine.facts import LOGIN, Facts
from wfm.engine.inputs import Frame, Window
from wfm.engine.pile import NUMBER, Names, Pile
from wfm.engine.spans import Axis
from wfm.engine.timeline import map_states

COLUMNS = {
    "schedule": (*schema.table("schedule").own, "counted"),
    "agent_state": (*schema.table("agent_state").own, "code"),
    "call_leg": (*LOGIN, "leg_id", "queue_id", "answered_at", "ended_at"),
    "exemption": tuple(schema.table("exemption").own),
}
"""Columns stored of every table that updates may change."""
VERSIONED = ("call_leg", "exemption")
"""Tables in which a row may be replaced by another with the same key."""


@dataclass(frozen=True)
class News:
    """Checked rows by table, and the keys of deleted rows by table."""

    rows: Mapping[str, pl.DataFrame]
    gone: Mapping[str, pl.DataFrame]


class Known:
    """The facts of a window, updated as they arrive; agents and logins are numbered as they first appear.

    Agents, logins, activities and mappings do not change during its life.

    Args:
        fixed: what does not change.
        activity: activity and whether its time is counted.
        window: the window that is scored.
    """

    def __init__(self, fixed: Facts, activity: pl.DataFrame, window: Window) -> None:
        self._fixed, self._activity, self._window = fixed, activity, window
        self._agents, self._logins = Names(["agent_id"]), Names(LOGIN)
        self._owned = pl.DataFrame(schema={"login": NUMBER, "agent": NUMBER})
        self._piles = {name: _pile(name) for name in COLUMNS}
        self._sources: dict[str, set[str]] = {"agent_state": set(), "call_leg": set()}
        self._present: set[int] = set()
        self.people = pl.DataFrame(schema={"agent": NUMBER, "agent_id": pl.String})
        self.rank = pl.Series(dtype=pl.Int64)
        self.axis = fixed.axis(window)

    @property
    def everybody(self) -> set[int]:
        """Return the numbers of all agents with a schedule or with a transaction of one of their logins."""
        return self._present

    # --- updates --------------------------------------------------------------------------------------------
    def check(self, rows: Mapping[str, Frame | None], gone: Mapping[str, pl.DataFrame] | None) -> News:
        """Check frames as `wfm.score` does.

        Args:
            rows: new rows by table.
            gone: keys of deleted rows by table.

        Raises:
            InputError: a frame does not have the columns or values its table needs.
        """
        taken = {name: inputs.take(frame, name) for name, frame in rows.items() if frame is not None}
        for name in {"schedule", "exemption"} & set(taken):
            inputs.check_spans(taken[name], name)
        if "schedule" in taken:
            taken["schedule"] = inputs.activities(self._activity, taken["schedule"])[1]
        if "exemption" in taken:
            inputs.kinds(taken["exemption"])
        if "agent_state" in taken:
            states = taken["agent_state"]
            taken["agent_state"] = states.with_columns(code=map_states(states, self._fixed.state_map))
        return News(taken, gone or {})

    def file(self, news: News) -> set[int]:
        """Store an update; return the numbers of the agents whose score it may change."""
        touched: set[int] = set()
        for name in COLUMNS:
            rows, gone = news.rows.get(name), news.gone.get(name)
            if gone is not None:
                touched |= self._drop(name, gone)
            if rows is not None and not rows.is_empty():
                touched |= self._excuse(rows) if name == "exemption" else self._add(name, rows)
        return touched & self._present

    def _add(self, name: str, rows: pl.DataFrame) -> set[int]:
        planned = name == "schedule"
        who = self._agents.number(rows) if planned else self._logins.number(rows)
        self._own()
        about = self._piles[name].add(rows.with_columns(who=who))
        agents = set(about if planned else self._owners(about))
        if name != "call_leg" and not agents <= self._present:
            self._appear(self._present | agents)
        everybody = self._measure() if planned else self._tell(name, set(rows["source"].unique()))
        return agents | everybody

    def _excuse(self, rows: pl.DataFrame) -> set[int]:
        """Store exemptions; return the agents they apply to."""
        changed = self._piles["exemption"].add(rows.with_columns(who=pl.lit(0, NUMBER))).len()
        return self._excused(rows) if changed else set()

    def _excused(self, rows: pl.DataFrame) -> set[int]:
        """Return the agents to whom exemptions (or keys of exemptions) apply."""
        one, team = pl.col("agent_id").is_not_null(), pl.col("team").is_not_null()
        if rows.filter(~one, ~team).height:
            return self._present
        teams = self._fixed.agent.join(rows.filter(~one).select("team"), on="team", how="semi")
        named = pl.concat([rows.filter(one).select("agent_id"), teams.select("agent_id")])
        return set(self.people.join(named, on="agent_id", how="semi")["agent"])

    def _drop(self, name: str, gone: pl.DataFrame) -> set[int]:
        """Delete rows, and agents who have no other rows; return the agents whose score may change."""
        about = self._piles[name].drop(gone)
        if about.is_empty() or name == "exemption":
            return self._excused(gone) if about.len() else set()
        if name == "call_leg":
            before, self._sources[name] = self._sources[name], set(self._piles[name].rows["source"].unique())
            return set(self._owners(about)) if before == self._sources[name] else self._present
        # an agent who is gone moves every later one on the axis, so everybody is scored again
        planned, states = self._piles["schedule"].rows["who"], self._piles["agent_state"].rows
        self._appear({*planned.unique(), *self._owners(states["who"].unique())})
        self._sources["agent_state"] = set(states["source"].unique())
        self._measure()
        return self._present

    def _tell(self, name: str, sources: set[str]) -> set[int]:
        """Record which sources send states or calls; a new source may change the score of every agent."""
        new = not sources <= self._sources[name]
        self._sources[name] |= sources
        return self._present if new else set()

    def _own(self) -> None:
        """Look up the agents of logins that appear for the first time."""
        new = self._logins.known.slice(self._owned["login"].n_unique())
        if new.height:
            owners = self._fixed.owners(new).join(new, on=LOGIN)
            pairs = {"login": owners["number"], "agent": self._agents.number(owners)}
            self._owned = pl.concat([self._owned, pl.DataFrame(pairs).unique()], rechunk=True)

    def _owners(self, logins: pl.Series) -> pl.Series:
        return self._owned.filter(pl.col("login").is_in(logins.implode()))["agent"].unique()

    def _appear(self, present: set[int]) -> None:
        """Set which agents are present, and their order on the axis."""
        self._present = present
        numbers = pl.DataFrame({"agent": pl.Series(sorted(present), dtype=NUMBER)})
        named = self._agents.known.rename({"number": "agent"})
        self.people = numbers.join(named, on="agent").sort("agent_id").select("agent", "agent_id")
        ranked = pl.repeat(0, self._agents.known.height, dtype=pl.Int64, eager=True)
        self.rank = ranked.scatter(self.people["agent"], pl.int_range(len(present), eager=True))
        self.axis = Axis(pl.Enum(self.people["agent_id"]), self.axis.origin, self.axis.end)

    def _measure(self) -> set[int]:
        """Fit the axis to the schedules; return all agents if it changed."""
        planned = self._piles["schedule"].rows
        extent = Facts(**{**vars(self._fixed), "schedule": planned}).axis(self._window)
        moved = (extent.origin, extent.end) != (self.axis.origin, self.axis.end)
        self.axis = Axis(self.axis.agents, extent.origin, extent.end)
        return self._present if moved else set()

    # --- input for scoring ----------------------------------------------------------------------------------
    def mask(self, agents: set[int]) -> pl.Series:
        """Return a flag for each agent number: whether it is among these."""
        return self._agents.mask(pl.Series(sorted(agents), dtype=NUMBER))

    def facts(self, agents: set[int], coverage: pl.DataFrame | None) -> tuple[Facts, Axis, pl.Series]:
        """Return the facts about some agents, their axis, and their numbers in the order of the axis."""
        mine = self.mask(agents)
        chosen = self.people.filter(mine.gather(self.people["agent"]))
        logins = self._logins.mask(self._owned.filter(mine.gather(self._owned["agent"]))["login"])
        ids = chosen["agent_id"].implode()
        facts = Facts(
            schedule=self._piles["schedule"].of(mine),
            agent_state=self._piles["agent_state"].of(logins),
            state_map=self._fixed.state_map,
            activity=self._fixed.activity,
            call_leg=self._piles["call_leg"].of(logins),
            exemption=self._piles["exemption"].rows.drop("who"),
            coverage=coverage,
            agent=self._fixed.agent.filter(pl.col("agent_id").is_in(ids)),
            login=self._fixed.login.filter(pl.col("agent_id").is_in(ids)),
            sources=pl.Series(sorted(self._sources["agent_state"]), dtype=pl.String),
            logs=pl.Series(sorted(self._sources["call_leg"]), dtype=pl.String),
        )
        return facts, Axis(pl.Enum(chosen["agent_id"]), self.axis.origin, self.axis.end), chosen["agent"]


def _pile(name: str) -> Pile:
    made: dict[str, pl.DataType] = {"counted": pl.Boolean(), "code": pl.UInt8(), "who": NUMBER()}
    kinds = {**made, **schema.table(name).own}
    columns = {column: kinds[column] for column in (*COLUMNS[name], "who")}
    return Pile(
        pl.DataFrame(schema=columns),
        schema.table(name).key,
        versioned=name in VERSIONED,
        may_change_agent=name == "call_leg",  # a call log may correct the login of a leg
    )
