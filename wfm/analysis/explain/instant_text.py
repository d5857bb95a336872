"""Explain one instant as text: the result of every rule there, and what a rule lacked to apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from wfm.analysis.explain.decision_text import DecisionTexts, SliceRow, format_seconds
from wfm.engine.explain.instant import ON_CALL_STATES, InstantFindings, OverrunFinding, ShiftedBreakFinding


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule at an instant.

    name: the class that the rule gives.
    holds: whether its conditions are met.
    decides: whether it decided the class: the first rule whose conditions are met does.
    text: why, or what it lacked.
    """

    name: str
    holds: bool
    decides: bool
    text: str


def describe_rule_results(
    words: DecisionTexts, row: SliceRow, moment: InstantFindings
) -> tuple[RuleResult, ...]:
    """Return the result of every rule, in the order in which they are tested."""
    if not moment.is_counted:
        return (RuleResult("not counted", True, True, words.describe_rule(row)),)
    first = next(name for name, holds in moment.test_results.items() if holds)
    return tuple(
        RuleResult(
            name,
            holds,
            name == first,
            words.describe_rule(row) if name == first else _describe_unmet_rule(words, row, moment, name),
        )
        for name, holds in moment.test_results.items()
    )


def _describe_unmet_rule(words: DecisionTexts, row: SliceRow, moment: InstantFindings, name: str) -> str:
    """Describe what a rule that did not decide lacked, or that an earlier rule decided."""
    if name == "unknown":
        return f"the state is known: {moment.state}"
    if name == "in":
        return _describe_missing_fit(words, row, moment)
    if name == "controllable":
        return "applies to time out of adherence that nothing excuses; an earlier rule decided"
    if not moment.is_state_known or moment.state in moment.adherent_states:
        return "excuses only time out of adherence"
    if name == "call_driven":
        return _describe_missing_call(words, moment)
    return _describe_missing_exemption(words, name, moment.at)


def _describe_missing_fit(words: DecisionTexts, row: SliceRow, moment: InstantFindings) -> str:
    if not moment.is_state_known:
        return f"it is unknown whether {moment.state} is in adherence with {moment.category}"
    allowed = ", ".join(moment.adherent_states) or "no state at all"
    return f"{words.describe_adherence_rule(row)}; in adherence with {moment.category}: {allowed}"


def _find_covering_exemptions(
    words: DecisionTexts, kind: str, at: datetime
) -> list[tuple[int, dict[str, Any]]]:
    """Return the exemptions of a kind that cover an instant and apply to the agent, in force or not."""
    team = words.frames["agent"].filter(pl.col("agent_id") == words.agent_id)["team"].to_list()
    rows = enumerate(words.frames["exemption"].iter_rows(named=True))
    return [
        (number, row)
        for number, row in rows
        if row["kind"] == kind
        and row["start_at"] <= at < row["end_at"]
        and (row["agent_id"] == words.agent_id or (row["agent_id"] is None and row["team"] in (None, *team)))
    ]


def _describe_missing_exemption(words: DecisionTexts, kind: str, at: datetime) -> str:
    what = {"system": "an outage", "approved": "an exemption"}[kind]
    statuses = [
        _describe_exemption_status(words, number, row)
        for number, row in _find_covering_exemptions(words, kind, at)
    ]
    status = f"; {'; '.join(statuses)}" if statuses else ""
    return f"needs {what} for {words.agent_id}, their team or everybody that covers {words.format_time(at)}{status}"


def _describe_exemption_status(words: DecisionTexts, number: int, row: Mapping[str, Any]) -> str:
    """Describe whether an exemption is in force, revoked, or not yet made as of the score's knowledge time."""
    as_of, name = words.as_of, words.describe_exemption(number)
    if row["revoked_at"] is not None and (as_of is None or row["revoked_at"] <= as_of):
        return f"{name} was revoked {words.format_date_time(row['revoked_at'])}"
    if as_of is not None and row["made_at"] is not None and row["made_at"] > as_of:
        return f"{name} was made later, {words.format_date_time(row['made_at'])}"
    return f"there is {name}, but an earlier rule decided"


def _describe_missing_call(words: DecisionTexts, moment: InstantFindings) -> str:
    assert moment.overrun is not None
    assert moment.shifted is not None
    if moment.test_results["call_driven"]:
        return "a call rule applies, but an earlier rule decided"
    return f"{_describe_missing_overrun(words, moment.overrun)}; {_describe_missing_shift(words, moment.shifted)}"


def _describe_missing_overrun(words: DecisionTexts, over: OverrunFinding) -> str:
    begun = words.format_time(over.begun_at)
    if not over.is_off_queue:
        return "call overrun: needs a counted activity off the queue"
    if over.until_at is not None:
        return f"call overrun: the call in progress at {begun} excuses only until {words.format_time(over.until_at)}"
    lacks = []
    if over.state_then not in ON_CALL_STATES:
        lacks.append(
            f"{', '.join(ON_CALL_STATES[:-1])} or {ON_CALL_STATES[-1]} at {begun} (the state was {over.state_then})"
        )
    if not over.leg_ids:
        states = " or, without a call log, busy or hold across it" if not over.talked_across else ""
        lacks.append(f"a call leg answered before and ended after {begun} (there is none){states}")
    return f"call overrun: needs {' and '.join(lacks)}"


def _describe_missing_shift(words: DecisionTexts, shifted: ShiftedBreakFinding) -> str:
    begun = words.format_time(shifted.begun_at)
    if not shifted.is_break:
        earlier = shifted.previous_activity or "nothing"
        return f"shifted break: needs a break or meal right before {begun} in the shift (there is {earlier})"
    if not shifted.credit_s:
        return f"shifted break: needs a call that overran into the {shifted.previous_activity} before {begun} (there is none)"
    if not (shifted.rested_before and shifted.rested_at_start):
        return f"shifted break: needs a rest that continues across {begun} (there is none)"
    if shifted.used_s >= shifted.credit_s:
        return (
            f"shifted break: the {format_seconds(shifted.credit_s)} of the break that a call took are used up"
        )
    return f"shifted break: the rest across {begun} ended at {words.format_time(shifted.rested_until_at)}"
