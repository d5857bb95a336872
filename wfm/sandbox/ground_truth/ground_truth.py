"""The ground truth of a simulated contact centre as frames."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import polars as pl

from wfm.sandbox.centre import demand, roster
from wfm.sandbox.centre.agent_behaviour import AgentBehaviour
from wfm.sandbox.centre.call_distribution import CallDistribution
from wfm.sandbox.centre.people import SimulatedAgent, SimulatedQueue
from wfm.sandbox.ground_truth import call_frames, exceptions, frames

GROUND_TRUTH_TABLES = (
    "agent",
    "queue",
    "login",
    "schedule",
    "agent_state",
    "call",
    "leg",
    "interval",
    "exemption",
    "planted",
    "seconds",
    "intent",
)


@dataclass(frozen=True)
class GroundTruth:
    """Everything that happened; the frames of `GROUND_TRUTH_TABLES`are built on first use.

    ::

        agent        agent_id name team timezone; queue: queue_id name number timezone
        login        source (ncc or xsi) login agent_id
        schedule     agent_id start_at end_at activity published_at
        agent_state  agent_id login (NCC's) at vendor_state: every true transaction
        call         call_id queue_id arrived_at answered_at ended_at abandoned_at agent_id wrap_s: customers' calls
        leg          leg_id call_id agent_id login (XSI's) queue_id direction started_at answered_at ended_at ring_s
                     talk_s wrap_s outcome: every agent's part of every call, offered calls and internal ones, too
        interval     queue_id interval_start entered abandoned handled sum_handle_ms, handle time booked where the
                     call ended, all else where it came in
        exemption    start_at end_at kind agent_id team code note by made_at
        planted      agent_id workday start_at end_at class reason: every stretch not in adherence and all
                     unscheduled work (no class); no reason where the state has no meaning (class unknown)
        seconds      agent_id workday and one column per class: scheduled seconds by class
        intent       agent_id at kind seconds: deviations as drawn, before calls delayed them
    """

    seed: int
    start: date
    days: int
    zone: str
    agents: tuple[SimulatedAgent, ...]
    queues: tuple[SimulatedQueue, ...]
    shifts: tuple[roster.SimulatedShift, ...]
    behaviour: AgentBehaviour
    distribution: CallDistribution

    @property
    def begins(self) -> int:
        """Return the first local midnight, in seconds since 1970."""
        return demand.compute_instant(self.start, 0, ZoneInfo(self.zone))

    @property
    def ends(self) -> int:
        """Return a time by which everything has happened, in seconds since 1970."""
        last = demand.compute_instant(self.start + timedelta(days=self.days), 12, ZoneInfo(self.zone))
        return max(last, int(self.state_rows["at"].max()) + 1 if self.distribution.rows else last)  # type: ignore[arg-type]

    @cached_property
    def state_rows(self) -> pl.DataFrame:
        """Return the state changes in order: agent (position), at (seconds), vendor_state."""
        return frames.keep_state_changes(self.distribution.rows)

    @cached_property
    def agent(self) -> pl.DataFrame:
        """Return table agent."""
        return frames.build_agent_frame(self.agents, self.zone)

    @cached_property
    def queue(self) -> pl.DataFrame:
        """Return table queue."""
        return frames.build_queue_frame(self.queues, self.zone)

    @cached_property
    def login(self) -> pl.DataFrame:
        """Return table login."""
        return frames.build_login_frame(self.agents)

    @cached_property
    def schedule(self) -> pl.DataFrame:
        """Return table schedule, with nested rows."""
        return frames.build_schedule_frame(self.shifts, self.agents, self.start)

    @cached_property
    def agent_state(self) -> pl.DataFrame:
        """Return table agent_state: every transaction."""
        return frames.build_agent_state_frame(self.state_rows, self.agents)

    @cached_property
    def call(self) -> pl.DataFrame:
        """Return every customer call."""
        return call_frames.build_call_frame(self.distribution, self.agents, self.queues)

    @cached_property
    def leg(self) -> pl.DataFrame:
        """Return every leg of every call."""
        return call_frames.build_leg_frame(self.distribution.legs, self.agents, self.queues)

    @cached_property
    def interval(self) -> pl.DataFrame:
        """Return every quarter-hour with calls."""
        return call_frames.count_intervals(self.call)

    @cached_property
    def exemption(self) -> pl.DataFrame:
        """Return table exemption."""
        return frames.build_exemption_frame(self.behaviour.exemptions, self.agents)

    @cached_property
    def intent(self) -> pl.DataFrame:
        """Return the deviations as they were drawn."""
        return frames.build_deviation_frame(self.behaviour.deviations, self.agents)

    @cached_property
    def _exceptions_and_seconds(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return exceptions.find_exceptions(self)

    @property
    def planted(self) -> pl.DataFrame:
        """Return the exceptions that an engine must find."""
        return self._exceptions_and_seconds[0]

    @property
    def seconds(self) -> pl.DataFrame:
        """Return the scheduled seconds of every agent and workday by class."""
        return self._exceptions_and_seconds[1]
