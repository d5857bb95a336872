"""Explain a slice as text: the rule that decided its class, the scheduled segment, and where its state came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm import defaults
from wfm.collect.snapshots import INFERRED_LOGOUT_REASON
from wfm.core import glossary
from wfm.engine.adherence.scoring import ScoreOptions

SliceRow = Mapping[str, Any]
LOGIN_CHOICE_TEXTS: Final = {
    "fits": "its state is in adherence, or is unscheduled work",
    "unmapped": "no state is in adherence, and an unknown state takes precedence over one out of adherence",
    "unknown": "no state is in adherence, and an unknown state takes precedence over one out of adherence",
    "order": "no state is in adherence, and this one comes first in the order of states",
    "nobody": "no login of theirs has a state",
    "rests": "it comes first in the order of states, and no login is working",
}
"""Why the state of one of several logins counts."""


@dataclass(frozen=True)
class DecisionTexts:
    """The texts about one agent's workday.

    agent_id, day, zone: whose workday, and the time zone in which times are written.
    frames: the tables that were scored, with the origin of every row.
    files: collection_id → the imported file.
    options: how it was scored.
    as_of: the knowledge time of the score; None: everything known.
    """

    agent_id: str
    day: date
    zone: ZoneInfo
    frames: Mapping[str, pl.DataFrame]
    files: Mapping[int, str]
    options: ScoreOptions
    as_of: datetime | None

    # --- names of rows and times --------------------------------------------------------------------------
    def get_row(self, table: str, at: int) -> dict[str, Any]:
        """Return a row of a scored table by its position."""
        return self.frames[table].row(at, named=True)

    def describe_row_origin(self, table: str, at: int) -> str:
        """Return the origin of a row: the file and its row number there, or its id."""
        row = self.get_row(table, at)
        if row["collection_id"] is None and table in defaults.DEFAULT_TABLES:
            return f"{table} row {row['row_no']}, which comes with wfm"
        file = self.files.get(row["collection_id"])
        return f"{file} row {row['row_no']}" if file else f"{table}/{row['collection_id']}/{row['row_no']}"

    def format_time(self, at: datetime | None) -> str:
        """Format an instant in the agent's time zone; with its date if it is on another day."""
        if at is None:
            return "an open end"
        local = at.astimezone(self.zone)
        whole = local.microsecond == 0
        time = f"{local:%H:%M:%S}" if whole else f"{local:%H:%M:%S.%f}"
        return time if local.date() == self.day else f"{local:%Y-%m-%d} {time}"

    # --- one slice ----------------------------------------------------------------------------------------
    def describe_segment(self, row: SliceRow) -> str | None:
        """Describe the scheduled segment: which schedule row applies, its publication, and its activity's category."""
        if row["schedule_row"] is None:
            return None
        segment = self.get_row("schedule", row["schedule_row"])
        since = segment["published_at"]
        published = f", published {self.format_date_time(since)}" if since else ""
        category = "" if row["activity"] == row["category"] else f", which is {row['category']}"
        by = self.describe_row_origin("activity", row["activity_row"])
        return (
            f"{row['activity']} from {self.format_time(segment['start_at'])} to "
            f"{self.format_time(segment['end_at'])} by "
            f"{self.describe_row_origin('schedule', row['schedule_row'])}{published}{category} ({by})"
        )

    def describe_state(self, row: SliceRow, others: Sequence[SliceRow]) -> str:
        """Describe the state: which login reported it, when, its mapping, and why it counts among several logins."""
        text = self._describe_state_source(row)
        if not others:
            return text
        losing = ", ".join(
            f"{other['source']} {other['login']} is {other['state']}" for other in others if not other["won"]
        )
        return (
            f"{text}; of {len(others)} logins this one counts: {LOGIN_CHOICE_TEXTS[row['won_by']]} ({losing})"
        )

    def _describe_state_source(self, row: SliceRow) -> str:
        login = f"{row['source']} {row['login']}"
        if row["state_origin"] == "nobody":
            return "no login is assigned to the agent then: logged_out, as every source is covered"
        if row["state_origin"] == "before_first":
            first = row["state_row"]
            if first is None:
                return f"{login} never reported a state: logged_out"
            until = f"{self.format_time(row['said_at'])} ({self.describe_row_origin('agent_state', first)})"
            return f"{login} reported no state before {until}: logged_out until then"
        transaction = self.get_row("agent_state", row["state_row"])
        reason = f" ({transaction['vendor_reason']})" if transaction["vendor_reason"] else ""
        by, at = (
            self.describe_row_origin("agent_state", row["state_row"]),
            self.format_time(transaction["at"]),
        )
        # A login missing from a snapshot is stored as a transaction with a reason of its own.
        text = (
            f"{login} is missing from the snapshots from {at} on ({by})"
            if transaction["vendor_reason"] == INFERRED_LOGOUT_REASON
            else f"{login} entered {transaction['vendor_state']}{reason} at {at} ({by})"
        )
        if row["map_row"] is None:
            return f"{text}: no row of state_map maps that state"
        state = self.get_row("state_map", row["map_row"])["state"]
        return f"{text}: {state} by {self.describe_row_origin('state_map', row['map_row'])}"

    # --- the rule -----------------------------------------------------------------------------------------
    def describe_rule(self, row: SliceRow) -> str:
        """Describe the rule that decided the class of a slice: ``why`` names one of the methods below."""
        text: str = getattr(self, f"_describe_{row['why']}")(row)
        return text

    def _describe_not_scheduled(self, row: SliceRow) -> str:
        if row["reason"] is None:
            return "nothing is scheduled"
        return f"nothing is scheduled: {row['state']} is {glossary.REASON_MEANING[row['reason']]}"

    def _describe_not_counted(self, row: SliceRow) -> str:
        by = self.describe_row_origin("activity", row["activity_row"])
        return f"not counted: seconds of {row['activity']} are not in the denominator ({by})"

    def _describe_unmapped(self, row: SliceRow) -> str:
        return f"unknown: no row of state_map maps {row['vendor_state']!r} of {row['source']}"

    def _describe_expired(self, row: SliceRow) -> str:
        hours = _format_duration(self.options.state_renewal)
        return (
            f"unknown: {row['source']} {row['login']} reported nothing for {hours} (WFM_STATE_RENEWAL_S), so the state "
            "has expired: a lost logout must not count as hours of work"
        )

    def _describe_not_covered(self, row: SliceRow) -> str:
        start, end = (row["uncovered_from_at"], row["uncovered_to_at"])
        limits = [
            f"after {self.format_time(start)}" if start else "",
            f"before {self.format_time(end)}" if end else "",
        ]
        when = " and ".join(filter(None, limits)) or "then"
        return f"unknown: {row['source']} has no coverage {when}"

    def _describe_covered_nowhere(self, _: SliceRow) -> str:
        return f"unknown: {self.agent_id} has no login then, and not every source is covered"

    def _describe_fits(self, row: SliceRow) -> str:
        return f"in: {self.describe_adherence_rule(row)}"

    def describe_adherence_rule(self, row: SliceRow) -> str:
        """Describe the row of rule that decides whether the state is in adherence with the scheduled category."""
        pair = f"{row['category']} × {row['state']}"
        if row["rule_row"] is None:
            return f"no row of rule has {pair}, so it is out of adherence"
        result = "in" if self.get_row("rule", row["rule_row"])["in_adherence"] else "out of"
        return f"{pair} is {result} adherence by {self.describe_row_origin('rule', row['rule_row'])}"

    def _describe_system(self, row: SliceRow) -> str:
        return self._describe_excuse(row, "system", "the outage")

    def _describe_approved(self, row: SliceRow) -> str:
        return self._describe_excuse(row, "approved", "the exemption")

    def _describe_excuse(self, row: SliceRow, kind: str, what: str) -> str:
        exemption = self.describe_exemption(row["exemption_row"])
        return f"{kind}: {self.describe_adherence_rule(row)}, and {what} {exemption} excuses it"

    def describe_exemption(self, at: int) -> str:
        """Describe an exemption: its origin, from when to when, for whom, why and by whom."""
        row = self.get_row("exemption", at)
        scope = row["agent_id"] or (f"team {row['team']}" if row["team"] else "everybody")
        why = ", ".join(filter(None, (row["code"], row["note"])))
        by = f", by {row['by']}" if row["by"] else ""
        span = f"{self.format_time(row['start_at'])} to {self.format_time(row['end_at'])}"
        origin = self.describe_row_origin("exemption", at)
        return f"{origin} ({span} for {scope}{': ' + why if why else ''}{by})"

    def _describe_call_overrun(self, row: SliceRow) -> str:
        until = self.format_time(row["stop_at"])
        return (
            f"call_driven: {self.describe_adherence_rule(row)}, but {self._describe_call_reach(row)}, so it is excused "
            f"until {until}"
        )

    def _describe_shifted_break(self, row: SliceRow) -> str:
        return (
            f"call_driven: {self.describe_adherence_rule(row)}, but {self._describe_call_reach(row)}, which took "
            f"{format_seconds(row['credit_s'])} of the break before it; a break that continues into this activity is "
            f"excused for as long, until {self.format_time(row['stop_at'])}"
        )

    def _describe_call_reach(self, row: SliceRow) -> str:
        start, end = self.format_time(row["begun_at"]), self.format_time(row["call_end_at"])
        if row["evidence_kind"] == "state":
            basis = "by the state alone (no call log; WFM_STATE_EVIDENCE)"
            text = f"the agent was busy across {start}, {basis}, until {end}"
        else:
            legs = " ".join(row["leg_ids"])
            text = f"{legs} was in progress at {start}, when the activity started, and ended at {end}"
        if row["late_end_at"] > row["call_end_at"]:
            late = _format_duration(self.options.state_delay)
            text += f", reported at {self.format_time(row['late_end_at'])} (at most {late} late, WFM_STATE_DELAY_S)"
        if row["until_at"] > row["late_end_at"]:
            grace = _format_duration(self.options.wrapup_grace)
            text += f", with wrap-up until {self.format_time(row['until_at'])} (at most {grace}, WFM_WRAPUP_GRACE_S)"
        return text

    def _describe_out(self, row: SliceRow) -> str:
        reason = f"{row['reason']}, {glossary.REASON_MEANING[row['reason']]}"
        return f"controllable: {self.describe_adherence_rule(row)}; no outage, exemption or call excuses it ({reason})"

    def format_date_time(self, at: datetime) -> str:
        """Format an instant as date and time in the agent's time zone."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"


def format_seconds(seconds: float) -> str:
    """Format seconds, with a fraction only where there is one."""
    return f"{seconds:,.6f}".rstrip("0").rstrip(".") + " s"


def _format_duration(length: timedelta) -> str:
    hours, rest = divmod(length.total_seconds(), 3600)
    return f"{hours:.0f} h" if hours and not rest else format_seconds(length.total_seconds())
