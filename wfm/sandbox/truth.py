"""What happened in a simulated contact centre: the frames others collect, score and are measured by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import polars as pl

from wfm.sandbox import call_frames, demand, frames, roster, verdict
from wfm.sandbox.conduct import Plan
from wfm.sandbox.floor import Floor
from wfm.sandbox.people import Agent, Queue

TABLES = (
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
class Truth:
    """All that happened; the frames of `TABLES`, made when first asked for.

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
        seconds      agent_id workday and one column per class: where the scheduled seconds went
        intent       agent_id at kind seconds: what was drawn, before calls came between
    """

    seed: int
    start: date
    days: int
    zone: str
    agents: tuple[Agent, ...]
    queues: tuple[Queue, ...]
    shifts: tuple[roster.Shift, ...]
    plan: Plan
    floor: Floor

    @property
    def begins(self) -> int:
        """The first local midnight, in seconds since 1970."""
        return demand.instant(self.start, 0, ZoneInfo(self.zone))

    @property
    def ends(self) -> int:
        """An instant by which everything has happened, in seconds since 1970."""
        last = demand.instant(self.start + timedelta(days=self.days), 12, ZoneInfo(self.zone))
        return max(last, int(self.state_rows["at"].max()) + 1 if self.floor.rows else last)  # type: ignore[arg-type]

    @cached_property
    def state_rows(self) -> pl.DataFrame:
        """Agent (position), at (seconds), vendor_state: in order, one row to the instant, each a change."""
        return frames.state_rows(self.floor.rows)

    @cached_property
    def agent(self) -> pl.DataFrame:
        """Who works there."""
        return frames.agent(self.agents, self.zone)

    @cached_property
    def queue(self) -> pl.DataFrame:
        """What calls come for."""
        return frames.queue(self.queues, self.zone)

    @cached_property
    def login(self) -> pl.DataFrame:
        """What the vendors call the agents."""
        return frames.login(self.agents)

    @cached_property
    def schedule(self) -> pl.DataFrame:
        """What was planned, as nested rows."""
        return frames.schedule(self.shifts, self.agents, self.start)

    @cached_property
    def agent_state(self) -> pl.DataFrame:
        """Every transaction."""
        return frames.agent_state(self.state_rows, self.agents)

    @cached_property
    def call(self) -> pl.DataFrame:
        """Every customer's call."""
        return call_frames.call(self.floor, self.agents, self.queues)

    @cached_property
    def leg(self) -> pl.DataFrame:
        """Every agent's part of every call."""
        return call_frames.leg(self.floor.legs, self.agents, self.queues)

    @cached_property
    def interval(self) -> pl.DataFrame:
        """Every quarter-hour with calls."""
        return call_frames.interval(self.call)

    @cached_property
    def exemption(self) -> pl.DataFrame:
        """What was excused."""
        return frames.exemption(self.plan.excuses, self.agents)

    @cached_property
    def intent(self) -> pl.DataFrame:
        """What was drawn."""
        return frames.intent(self.plan.intents, self.agents)

    @cached_property
    def _verdict(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return verdict.verdict(self)

    @property
    def planted(self) -> pl.DataFrame:
        """What an engine must find."""
        return self._verdict[0]

    @property
    def seconds(self) -> pl.DataFrame:
        """Where the scheduled seconds went."""
        return self._verdict[1]
