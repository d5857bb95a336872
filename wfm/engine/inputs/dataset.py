"""The checked data set that scoring starts from, with the agents, logins and call legs of an axis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from wfm.core.time import EPOCH, to_epoch_us, to_instant
from wfm.engine.inputs.frames import (
    Frame,
    InputFrames,
    Window,
    check_exemption_kinds,
    check_span_order,
    check_state_map,
    check_zone_name,
    complete_activities,
    read_frame,
)
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.time.axis import Axis

LOGIN_KEY = ["source", "login"]
WINDOW_MARGIN = timedelta(days=2)
"""How far the axis reaches beyond a window: for shifts that overlap it, and for the largest zone offset."""


@dataclass(frozen=True)
class Dataset:
    """Checked frames with the columns of their tables; schedule also has ``counted``, agent_state may have ``code``.

    state_sources, call_log_sources: every source of agent states, and every source that has a call log, where the data
        set is that of some agents only; None: the sources in the frames are all there are.
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
    state_sources: pl.Series | None = None
    call_log_sources: pl.Series | None = None

    @classmethod
    def from_frames(cls, frames: InputFrames) -> Dataset:
        """Check every frame but that of rules, and return the data set.

        Raises:
            InputError: a frame lacks a column or has a wrong value.
        """
        activity, schedule = complete_activities(
            read_frame(frames.activity, "activity"), _read_spans(frames.schedule, "schedule")
        )
        return cls(
            schedule=schedule,
            agent_state=read_frame(frames.agent_state, "agent_state"),
            state_map=check_state_map(read_frame(frames.state_map, "state_map")),
            activity=activity,
            call_leg=read_frame(frames.call_leg, "call_leg"),
            exemption=check_exemption_kinds(_read_spans(frames.exemption, "exemption")),
            coverage=None if frames.coverage is None else _read_spans(frames.coverage, "coverage"),
            agent=read_frame(frames.agent, "agent").unique("agent_id", keep="last", maintain_order=True),
            login=read_frame(frames.login, "login"),
        )

    def map_logins_to_agents(self, logins: pl.DataFrame) -> pl.DataFrame:
        """Return the agents of logins: source, login, agent_id, from_at, to_at.

        A login without a row in the table of logins is its own agent_id.
        """
        return (
            logins.select(LOGIN_KEY)
            .drop_nulls()
            .unique(maintain_order=True)
            .join(self.login, on=LOGIN_KEY, how="left", maintain_order="left_right")
            .with_columns(pl.coalesce("agent_id", "login").alias("agent_id"))
        )

    def build_axis(self, window: Window | None) -> Axis:
        """Build the axis of all agents with a schedule or states, and of the time around the window.

        Without a window it covers all time of which there are rows.
        """
        agents = pl.concat(
            [self.schedule["agent_id"], self.map_logins_to_agents(self.agent_state)["agent_id"]]
        )
        ends = [self.schedule["start_at"].min(), self.schedule["end_at"].max()]
        if window is None:
            ends += [self.agent_state["at"].min(), self.agent_state["at"].max()]
        else:
            low, high = (to_instant(at, UTC) for at in window)
            ends += [low - WINDOW_MARGIN, high + WINDOW_MARGIN]
        instants = [at for at in ends if isinstance(at, datetime)] or [EPOCH]
        # a call that began before everything else must begin before it on the axis, too: else it would overrun nothing
        if window is None:
            under_way = self.call_leg.filter(pl.col("ended_at") > min(instants))["answered_at"].min()
            instants += [under_way] if isinstance(under_way, datetime) else []
        origin, end = to_epoch_us(min(instants)), to_epoch_us(max(instants))
        return Axis(pl.Enum(agents.unique().sort()), origin, max(end, origin + 1))

    def list_agent_zones(self, axis: Axis, default: str) -> pl.DataFrame:
        """Return every agent's zone: agent, zone.

        Raises:
            UsageError: a zone does not exist.
        """
        check_zone_name(default, "timezone")
        agents = self.list_agents(axis)
        for name in agents["timezone"].drop_nulls().unique():
            check_zone_name(name, "agent.timezone")
        return agents.select("agent", zone=pl.col("timezone").fill_null(default))

    def list_agents(self, axis: Axis) -> pl.DataFrame:
        """Return every agent of the axis: agent, agent_id, name, team, site, timezone."""
        ids = pl.DataFrame({"agent_id": axis.agents.categories})
        return ids.join(self.agent, on="agent_id", how="left", maintain_order="left").with_columns(
            agent=pl.col("agent_id").cast(axis.agents)
        )

    def encode_states(self) -> pl.DataFrame:
        """Return the transactions with ``code``, the state they are mapped to, and ``row``, their index."""
        if "code" in self.agent_state.columns:
            return self.agent_state.with_row_index("row")
        return self.agent_state.with_row_index("row").with_columns(
            code=map_states(self.agent_state, self.state_map)
        )

    def number_logins(self, axis: Axis) -> pl.DataFrame:
        """Number every agent's logins: agent, slot, source, login, from_at, to_at.

        A login without any state counts only for an agent who has no other. An agent without a login that is theirs at
        all times also gets one without a source, which stands for the time in which they have none.
        """
        sources = self.agent_state["source"].unique() if self.state_sources is None else self.state_sources
        with_states = self.map_logins_to_agents(self.agent_state)
        listed = self.login.filter(pl.col("source").is_in(sources.implode()))
        # a login that never sent a state says nothing, unless the agent has no other
        without = listed.join(with_states, on="agent_id", how="anti")
        found = pl.concat([with_states, without.select(with_states.columns)]).filter(
            pl.col("agent_id").is_in(axis.agents.categories.implode())
        )
        # time in which an agent held no login is not time logged out: it needs a slot of its own
        always = found.filter(pl.col("from_at").is_null(), pl.col("to_at").is_null())
        not_always = pl.DataFrame({"agent_id": axis.agents.categories}).join(
            always, on="agent_id", how="anti"
        )
        return (
            pl.concat([found, not_always], how="diagonal")
            .with_columns(
                agent=pl.col("agent_id").cast(axis.agents),
                slot=(pl.struct(LOGIN_KEY).rank("dense").over("agent_id") - 1).cast(pl.Int32),
            )
            .select("agent", "slot", *LOGIN_KEY, "from_at", "to_at")
        )

    def find_answered_legs(self, axis: Axis) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the answered legs (key, key_end, leg_id, queue_id, row) and the agents who have a call log (agent).

        ``row``: index of a leg in ``call_leg``.
        """
        logins = pl.concat(
            [
                self.agent_state.select(LOGIN_KEY),
                self.call_leg.select(LOGIN_KEY),
                self.login.select(LOGIN_KEY),
            ]
        )
        logs = self.call_leg["source"].unique() if self.call_log_sources is None else self.call_log_sources
        on_axis = pl.col("agent_id").is_in(axis.agents.categories.implode())
        # the call log of a source speaks for all of its agents, also for those without any call
        logged = self.map_logins_to_agents(logins).filter(on_axis, pl.col("source").is_in(logs.implode()))
        at = pl.col("answered_at")
        legs = (
            self.call_leg.with_row_index("row")
            .filter(at.is_not_null(), pl.col("ended_at") > at)
            .select(*LOGIN_KEY, "leg_id", "queue_id", "answered_at", "ended_at", "row")
            .join(self.map_logins_to_agents(self.call_leg), on=LOGIN_KEY)
            .filter(
                on_axis,
                pl.col("from_at").is_null() | (pl.col("from_at") <= at),
                pl.col("to_at").is_null() | (pl.col("to_at") > at),
            )
            .with_columns(agent=pl.col("agent_id").cast(axis.agents))
            .select(
                key=axis.encode_key(pl.col("agent"), at),
                key_end=axis.encode_key(pl.col("agent"), pl.col("ended_at")),
                leg_id="leg_id",
                queue_id="queue_id",
                row="row",
            )
            .sort("key", "leg_id")
        )
        return legs, logged.select(pl.col("agent_id").cast(axis.agents).alias("agent")).unique()


def _read_spans(frame: Frame | None, table: str) -> pl.DataFrame:
    return check_span_order(read_frame(frame, table), table)
