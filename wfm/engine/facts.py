"""What scoring starts from, checked once: who exists, which logins are theirs, what they said, called and were told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import polars as pl

from wfm.core.time import EPOCH
from wfm.engine import inputs
from wfm.engine.inputs import Frame, Window
from wfm.engine.spans import Axis
from wfm.engine.timeline import map_states

LOGIN = ["source", "login"]
MARGIN = timedelta(days=2)
"""How far around a window the axis reaches: the shifts that overlap it, and the longest zone offset."""


FRAMES = (
    "schedule",
    "agent_state",
    "state_map",
    "activity",
    "call_leg",
    "exemption",
    "coverage",
    "agent",
    "login",
)
"""What `Facts.read` reads."""


@dataclass(frozen=True)
class Facts:
    """The checked frames, with the columns of their tables; ``schedule`` also has ``counted``, agent_state may have
    ``code``.

    sources, logs: every source that tells states, and every source that has a call log, where these are the facts of
        some agents only; None: those in the frames are all there are.
    """

    schedule: pl.DataFrame
    agent_state: pl.DataFrame
    state_map: pl.DataFrame
    activity: pl.DataFrame
    call_leg: pl.DataFrame
    exemption: pl.DataFrame
    coverage: pl.DataFrame | None
    agent: pl.DataFrame
    login: pl.DataFrame
    sources: pl.Series | None = None
    logs: pl.Series | None = None

    @classmethod
    def read(
        cls,
        schedule: Frame,
        agent_state: Frame,
        state_map: Frame,
        activity: Frame,
        call_leg: Frame | None,
        exemption: Frame | None,
        coverage: Frame | None,
        agent: Frame | None,
        login: Frame | None,
    ) -> Facts:
        """Check every frame.

        Raises:
            InputError: one is not what its table needs.
        """
        known, planned = inputs.activities(
            inputs.take(activity, "activity"),
            inputs.check_spans(inputs.take(schedule, "schedule"), "schedule"),
        )
        legs = inputs.take(call_leg, "call_leg")
        return cls(
            schedule=planned,
            agent_state=inputs.take(agent_state, "agent_state"),
            state_map=inputs.states(inputs.take(state_map, "state_map")),
            activity=known,
            call_leg=legs,
            exemption=inputs.kinds(inputs.check_spans(inputs.take(exemption, "exemption"), "exemption")),
            coverage=None
            if coverage is None
            else inputs.check_spans(inputs.take(coverage, "coverage"), "coverage"),
            agent=inputs.take(agent, "agent").unique("agent_id", keep="last", maintain_order=True),
            login=inputs.take(login, "login"),
        )

    def owners(self, logins: pl.DataFrame) -> pl.DataFrame:
        """Say whose logins these are: source, login, agent_id, from_at, to_at; without a row its own."""
        return (
            logins.select(LOGIN)
            .drop_nulls()
            .unique(maintain_order=True)
            .join(self.login, on=LOGIN, how="left", maintain_order="left_right")
            .with_columns(pl.coalesce("agent_id", "login").alias("agent_id"))
        )

    def axis(self, window: Window | None) -> Axis:
        """Find the agents and the stretch of time that matter."""
        agents = pl.concat([self.schedule["agent_id"], self.owners(self.agent_state)["agent_id"]])
        ends = [self.schedule["start_at"].min(), self.schedule["end_at"].max()]
        if window is None:
            ends += [self.agent_state["at"].min(), self.agent_state["at"].max()]
        else:
            low, high = (
                at if isinstance(at, datetime) else datetime.combine(at, time(), UTC) for at in window
            )
            ends += [low - MARGIN, high + MARGIN]
        instants = [at for at in ends if isinstance(at, datetime)] or [EPOCH]
        if window is None:  # a call that began before all else must begin before it on the axis, too
            under_way = self.call_leg.filter(pl.col("ended_at") > min(instants))["answered_at"].min()
            instants += [under_way] if isinstance(under_way, datetime) else []
        origin, end = ((at - EPOCH) // timedelta(microseconds=1) for at in (min(instants), max(instants)))
        return Axis(pl.Enum(agents.unique().sort()), origin, max(end, origin + 1))

    def zones(self, axis: Axis, default: str) -> pl.DataFrame:
        """Give every agent's zone: agent, zone.

        Raises:
            UsageError: there is no such zone.
        """
        inputs.zone(default, "timezone")
        people = self.people(axis)
        for name in people["timezone"].drop_nulls().unique():
            inputs.zone(name, "agent.timezone")
        return people.select("agent", zone=pl.col("timezone").fill_null(default))

    def people(self, axis: Axis) -> pl.DataFrame:
        """Give every agent of the axis: agent, agent_id, name, team, site, timezone."""
        everybody = pl.DataFrame({"agent_id": axis.agents.categories})
        return everybody.join(self.agent, on="agent_id", how="left", maintain_order="left").with_columns(
            agent=pl.col("agent_id").cast(axis.agents)
        )

    def coded_states(self) -> pl.DataFrame:
        """Give the transactions with ``code``, what they mean, and ``row``, where they stood."""
        if "code" in self.agent_state.columns:
            return self.agent_state.with_row_index("row")
        return self.agent_state.with_row_index("row").with_columns(
            code=map_states(self.agent_state, self.state_map)
        )

    def slots(self, axis: Axis) -> pl.DataFrame:
        """Number every agent's logins: agent, slot, source, login, from_at, to_at.

        A login that never said anything counts only for an agent who has no other; an agent without one that is
        always theirs gets one without a source, which speaks when no other does.
        """
        sources = self.agent_state["source"].unique() if self.sources is None else self.sources
        heard = self.owners(self.agent_state)
        listed = self.login.filter(pl.col("source").is_in(sources.implode()))
        silent = listed.join(heard, on="agent_id", how="anti")
        found = pl.concat([heard, silent.select(heard.columns)]).filter(
            pl.col("agent_id").is_in(axis.agents.categories.implode())
        )
        always = found.filter(pl.col("from_at").is_null(), pl.col("to_at").is_null())
        nobody = pl.DataFrame({"agent_id": axis.agents.categories}).join(always, on="agent_id", how="anti")
        return (
            pl.concat([found, nobody], how="diagonal")
            .with_columns(
                agent=pl.col("agent_id").cast(axis.agents),
                slot=(pl.struct(LOGIN).rank("dense").over("agent_id") - 1).cast(pl.Int32),
            )
            .select("agent", "slot", *LOGIN, "from_at", "to_at")
        )

    def legs(self, axis: Axis) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the answered legs (key, key_end, leg_id, queue_id, row) and the agents who have a call log (agent).

        ``row``: where a leg stood in ``call_leg``.
        """
        logins = pl.concat(
            [self.agent_state.select(LOGIN), self.call_leg.select(LOGIN), self.login.select(LOGIN)]
        )
        logs = self.call_leg["source"].unique() if self.logs is None else self.logs
        here = pl.col("agent_id").is_in(axis.agents.categories.implode())
        logged = self.owners(logins).filter(here, pl.col("source").is_in(logs.implode()))
        at = pl.col("answered_at")
        legs = (
            self.call_leg.with_row_index("row")
            .filter(at.is_not_null(), pl.col("ended_at") > at)
            .select(*LOGIN, "leg_id", "queue_id", "answered_at", "ended_at", "row")
            .join(self.owners(self.call_leg), on=LOGIN)
            .filter(
                here,
                pl.col("from_at").is_null() | (pl.col("from_at") <= at),
                pl.col("to_at").is_null() | (pl.col("to_at") > at),
            )
            .with_columns(agent=pl.col("agent_id").cast(axis.agents))
            .select(
                key=axis.key(pl.col("agent"), at),
                key_end=axis.key(pl.col("agent"), pl.col("ended_at")),
                leg_id="leg_id",
                queue_id="queue_id",
                row="row",
            )
            .sort("key", "leg_id")
        )
        return legs, logged.select(pl.col("agent_id").cast(axis.agents).alias("agent")).unique()
