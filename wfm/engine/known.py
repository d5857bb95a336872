"""Everything that is known of a day so far, by whom it is about: what scoring some agents needs is at hand."""

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
"""What is kept of every table that news may be about."""
VERSIONED = ("call_leg", "exemption")


@dataclass(frozen=True)
class News:
    """Checked rows by table, and the keys of rows that are no more."""

    rows: Mapping[str, pl.DataFrame]
    gone: Mapping[str, pl.DataFrame]


class Known:
    """The facts of a window; agents are numbered as they are heard of, and `touch` collects whom news is about.

    Who exists and what words mean does not change.
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
        """The numbers of all agents there are: who has a schedule or a login that said something."""
        return self._present

    # --- news -----------------------------------------------------------------------------------------------
    def check(self, rows: Mapping[str, Frame | None], gone: Mapping[str, pl.DataFrame] | None) -> News:
        """Check frames as `wfm.engine.score.score` does.

        Raises:
            InputError: one is not what it should be.
        """
        taken = {name: inputs.take(frame, name) for name, frame in rows.items() if frame is not None}
        for name in {"schedule", "exemption"} & set(taken):
            inputs.check_spans(taken[name], name)
        if "schedule" in taken:
            taken["schedule"] = inputs.activities(self._activity, taken["schedule"])[1]
        if "exemption" in taken:
            inputs.kinds(taken["exemption"])
        if "agent_state" in taken:
            said = taken["agent_state"]
            taken["agent_state"] = said.with_columns(code=map_states(said, self._fixed.state_map))
        return News(taken, gone or {})

    def file(self, news: News) -> set[int]:
        """File news; return the numbers of the agents it touches."""
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
        """File exemptions; return whom they are about."""
        changed = self._piles["exemption"].add(rows.with_columns(who=pl.lit(0, NUMBER))).len()
        return self._excused(rows) if changed else set()

    def _excused(self, rows: pl.DataFrame) -> set[int]:
        """Say whom exemptions, or keys of exemptions, are about."""
        one, team = pl.col("agent_id").is_not_null(), pl.col("team").is_not_null()
        if rows.filter(~one, ~team).height:
            return self._present
        teams = self._fixed.agent.join(rows.filter(~one).select("team"), on="team", how="semi")
        named = pl.concat([rows.filter(one).select("agent_id"), teams.select("agent_id")])
        return set(self.people.join(named, on="agent_id", how="semi")["agent"])

    def _drop(self, name: str, gone: pl.DataFrame) -> set[int]:
        """Take rows away, and whoever is known by them alone; return whom that may concern."""
        about = self._piles[name].drop(gone)
        if about.is_empty() or name == "exemption":
            return self._excused(gone) if about.len() else set()
        if name == "call_leg":
            before, self._sources[name] = self._sources[name], set(self._piles[name].rows["source"].unique())
            return set(self._owners(about)) if before == self._sources[name] else self._present
        planned, said = self._piles["schedule"].rows["who"], self._piles["agent_state"].rows
        self._appear({*planned.unique(), *self._owners(said["who"].unique())})
        self._sources["agent_state"] = set(said["source"].unique())
        self._measure()
        return self._present

    def _tell(self, name: str, sources: set[str]) -> set[int]:
        """Note who tells states or logs calls; a source that never did so before concerns everybody."""
        new = not sources <= self._sources[name]
        self._sources[name] |= sources
        return self._present if new else set()

    def _own(self) -> None:
        """Find out whose the logins are that were never heard of before."""
        new = self._logins.known.slice(self._owned["login"].n_unique())
        if new.height:
            owners = self._fixed.owners(new).join(new, on=LOGIN)
            pairs = {"login": owners["number"], "agent": self._agents.number(owners)}
            self._owned = pl.concat([self._owned, pl.DataFrame(pairs).unique()], rechunk=True)

    def _owners(self, logins: pl.Series) -> pl.Series:
        return self._owned.filter(pl.col("login").is_in(logins.implode()))["agent"].unique()

    def _appear(self, present: set[int]) -> None:
        """Put those who are there in order."""
        self._present = present
        numbers = pl.DataFrame({"agent": pl.Series(sorted(present), dtype=NUMBER)})
        named = self._agents.known.rename({"number": "agent"})
        self.people = numbers.join(named, on="agent").sort("agent_id").select("agent", "agent_id")
        ranked = pl.repeat(0, self._agents.known.height, dtype=pl.Int64, eager=True)
        self.rank = ranked.scatter(self.people["agent"], pl.int_range(len(present), eager=True))
        self.axis = Axis(pl.Enum(self.people["agent_id"]), self.axis.origin, self.axis.end)

    def _measure(self) -> set[int]:
        """See how far schedules reach; return everybody if that is further than before."""
        planned = self._piles["schedule"].rows
        extent = Facts(**{**vars(self._fixed), "schedule": planned}).axis(self._window)
        moved = (extent.origin, extent.end) != (self.axis.origin, self.axis.end)
        self.axis = Axis(self.axis.agents, extent.origin, extent.end)
        return self._present if moved else set()

    # --- what scoring needs ---------------------------------------------------------------------------------
    def mask(self, agents: set[int]) -> pl.Series:
        """Return a flag for each agent's number: whether it is among these."""
        return self._agents.mask(pl.Series(sorted(agents), dtype=NUMBER))

    def facts(self, agents: set[int], coverage: pl.DataFrame | None) -> tuple[Facts, Axis, pl.Series]:
        """Return what is known of some agents, their axis, and their numbers in its order."""
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
        versions=name in VERSIONED,
        moves=name == "call_leg",
    )
