"""Why a stretch of time is what it is, in words: the rule that decided, what was planned, and who said what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm import defaults, terms
from wfm.engine.score import Options
from wfm.jobs.snapshots import NOT_THERE

Row = Mapping[str, Any]
WON: Final = {
    "fits": "its state is in adherence, or is work that nobody scheduled",
    "unmapped": "no state is in adherence, and what is not known goes before what is out",
    "unknown": "no state is in adherence, and what is not known goes before what is out",
    "order": "no state is in adherence, and this one comes first in the order of states",
    "nobody": "no login of theirs speaks",
    "rests": "it comes first in the order of states, and no login works",
}
"""Why one of several logins spoke (`wfm.engine.grounds.WON_BY`)."""


@dataclass(frozen=True)
class Words:
    """Says things of an agent's day in words.

    frames: what was scored, with the place of every row (`wfm.jobs.scoring.stored`). files: collection → file.
    """

    agent_id: str
    day: date
    zone: ZoneInfo
    frames: Mapping[str, pl.DataFrame]
    files: Mapping[int, str]
    options: Options
    as_of: datetime | None

    # --- what a row is called -----------------------------------------------------------------------------
    def row(self, table: str, at: int) -> dict[str, Any]:
        """Return a row of what was scored."""
        return self.frames[table].row(at, named=True)

    def place(self, table: str, at: int) -> str:
        """Say where a row stands: in which file, or in what was collected."""
        row = self.row(table, at)
        if row["collection_id"] is None and table in defaults.TABLES:
            return f"{table} row {row['row_no']}, which comes with wfm"
        file = self.files.get(row["collection_id"])
        return f"{file} row {row['row_no']}" if file else f"{table}/{row['collection_id']}/{row['row_no']}"

    def clock(self, at: datetime | None) -> str:
        """Write an instant in the agent's time; with its date where that is another."""
        if at is None:
            return "an open end"
        local = at.astimezone(self.zone)
        whole = local.microsecond == 0
        time = f"{local:%H:%M:%S}" if whole else f"{local:%H:%M:%S.%f}"
        return time if local.date() == self.day else f"{local:%Y-%m-%d} {time}"

    # --- one slice ----------------------------------------------------------------------------------------
    def plan(self, row: Row) -> str | None:
        """Say which row of the schedule holds, which publication that is, and what its activity is."""
        if row["schedule_row"] is None:
            return None
        planned = self.row("schedule", row["schedule_row"])
        since = planned["published_at"]
        published = f", published {self.stamp(since)}" if since else ""
        kind = "" if row["activity"] == row["category"] else f", which is {row['category']}"
        known = self.place("activity", row["activity_row"])
        return (
            f"{row['activity']} from {self.clock(planned['start_at'])} to {self.clock(planned['end_at'])} by "
            f"{self.place('schedule', row['schedule_row'])}{published}{kind} ({known})"
        )

    def told(self, row: Row, others: Sequence[Row]) -> str:
        """Say who said the state, when, and which row of the state map says what that is."""
        text = self._heard(row)
        if not others:
            return text
        spoken = ", ".join(f"{o['source']} {o['login']} says {o['state']}" for o in others if not o["won"])
        return f"{text}; of {len(others)} logins this one counts: {WON[row['won_by']]} ({spoken})"

    def _heard(self, row: Row) -> str:
        who = f"{row['source']} {row['login']}"
        if row["heard"] == "nobody":
            return "no login is theirs then: logged_out where every source was watched"
        if row["heard"] == "before_first":
            first = row["state_row"]
            if first is None:
                return f"{who} never said anything: logged_out"
            until = f"{self.clock(row['said_at'])} ({self.place('agent_state', first)})"
            return f"{who} said nothing before {until}: logged_out until then"
        said = self.row("agent_state", row["state_row"])
        reason = f" ({said['vendor_reason']})" if said["vendor_reason"] else ""
        by = self.place("agent_state", row["state_row"])
        what = f"{who} said {said['vendor_state']}{reason} at {self.clock(said['at'])} ({by})"
        if said["vendor_reason"] == NOT_THERE:
            what = f"{who} was in no snapshot from {self.clock(said['at'])} on ({by})"
        if row["map_row"] is None:
            return f"{what}: no row of state_map knows that word"
        meaning = self.row("state_map", row["map_row"])["state"]
        return f"{what}: {meaning} by {self.place('state_map', row['map_row'])}"

    def rule(self, row: Row) -> str:
        """Say which rule decided a slice."""
        text: str = getattr(self, f"_{row['why']}")(row)
        return text

    def _not_scheduled(self, row: Row) -> str:
        if row["reason"] is None:
            return "nothing is scheduled"
        return f"nothing is scheduled: {row['state']} is {terms.REASON_MEANING[row['reason']]}"

    def _not_counted(self, row: Row) -> str:
        by = self.place("activity", row["activity_row"])
        return f"not counted: seconds of {row['activity']} are not in the denominator ({by})"

    def _unmapped(self, row: Row) -> str:
        return f"unknown: no row of state_map maps {row['vendor_state']!r} of {row['source']}"

    def _expired(self, row: Row) -> str:
        hours = _span(self.options.state_renewal)
        return (
            f"unknown: {row['source']} {row['login']} said nothing for {hours} (WFM_STATE_RENEWAL_S): a lost logout "
            "is not a night of work"
        )

    def _not_watched(self, row: Row) -> str:
        start, end = (row["unseen_from_at"], row["unseen_to_at"])
        around = [f"after {self.clock(start)}" if start else "", f"before {self.clock(end)}" if end else ""]
        when = " and ".join(filter(None, around)) or "then"
        return f"unknown: no row of coverage says that {row['source']} was watched {when}"

    def _nowhere_watched(self, _: Row) -> str:
        return f"unknown: no login is {self.agent_id}'s then, and not every source was watched"

    def _fits(self, row: Row) -> str:
        return f"in: {self.matched(row)}"

    def matched(self, row: Row) -> str:
        """Say which row of rule says whether the state is in adherence with what is scheduled."""
        pair = f"{row['category']} × {row['state']}"
        if row["rule_row"] is None:
            return f"no row of rule has {pair}, so it is out of adherence"
        held = self.row("rule", row["rule_row"])["in_adherence"]
        return f"{pair} is {'in' if held else 'out of'} adherence by {self.place('rule', row['rule_row'])}"

    def _system(self, row: Row) -> str:
        return self._excused(row, "system", "the outage")

    def _approved(self, row: Row) -> str:
        return self._excused(row, "approved", "the exemption")

    def _excused(self, row: Row, kind: str, what: str) -> str:
        return f"{kind}: {self.matched(row)}, and {what} {self.exemption(row['exemption_row'])} excuses it"

    def exemption(self, at: int) -> str:
        """Say what an exemption is: where it stands, from when to when, for whom, why and by whom."""
        row = self.row("exemption", at)
        whom = row["agent_id"] or (f"team {row['team']}" if row["team"] else "everybody")
        why = ", ".join(filter(None, (row["code"], row["note"])))
        by = f", by {row['by']}" if row["by"] else ""
        return (
            f"{self.place('exemption', at)} ({self.clock(row['start_at'])} to {self.clock(row['end_at'])} for "
            f"{whom}{': ' + why if why else ''}{by})"
        )

    def _call_overrun(self, row: Row) -> str:
        until = self.clock(row["stop_at"])
        return f"call_driven: {self.matched(row)}, but {self._reach(row)}, so it is excused until {until}"

    def _shifted_break(self, row: Row) -> str:
        return (
            f"call_driven: {self.matched(row)}, but {self._reach(row)}, which took "
            f"{in_seconds(row['credit_s'])} of the break before; the same rest is excused for as long, until "
            f"{self.clock(row['stop_at'])}"
        )

    def _reach(self, row: Row) -> str:
        begun, end = self.clock(row["begun_at"]), self.clock(row["call_end_at"])
        if row["evidence_kind"] == "state":
            alone = "by the state alone (no call log; WFM_STATE_EVIDENCE)"
            text = f"the agent was busy across {begun}, {alone}, until {end}"
        else:
            text = f"{' '.join(row['leg_ids'])} was under way at {begun}, where the activity began, and ended {end}"
        if row["late_end_at"] > row["call_end_at"]:
            late = _span(self.options.state_delay)
            text += f", told at {self.clock(row['late_end_at'])} (at most {late} late, WFM_STATE_DELAY_S)"
        if row["until_at"] > row["late_end_at"]:
            grace = _span(self.options.wrapup_grace)
            text += (
                f", with wrap-up until {self.clock(row['until_at'])} (at most {grace}, WFM_WRAPUP_GRACE_S)"
            )
        return text

    def _out(self, row: Row) -> str:
        reason = f"{row['reason']}, {terms.REASON_MEANING[row['reason']]}"
        return f"controllable: {self.matched(row)}; no outage, exemption or call excuses it ({reason})"

    def stamp(self, at: datetime) -> str:
        """Write a day and a time of it in the agent's time."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"


def in_seconds(seconds: float) -> str:
    """Write seconds, with a fraction only where there is one."""
    return f"{seconds:,.6f}".rstrip("0").rstrip(".") + " s"


def _span(length: timedelta) -> str:
    hours, rest = divmod(length.total_seconds(), 3600)
    return f"{hours:.0f} h" if hours and not rest else in_seconds(length.total_seconds())
