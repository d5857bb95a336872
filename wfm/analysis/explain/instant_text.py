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
    is_met: whether its conditions are met.
    decides: whether it decided the class: the first rule whose conditions are met does.
    text: why, or what it lacked.
    """

    name: str
    is_met: bool
    decides: bool
    text: str


def describe_rule_results(
    texts: DecisionTexts, row: SliceRow, findings: InstantFindings
) -> tuple[RuleResult, ...]:
    """Return the result of every rule, in the order in which they are tested."""
    if not findings.is_counted:
        return (RuleResult("not counted", True, True, texts.describe_rule(row)),)
    first = next(name for name, is_met in findings.test_results.items() if is_met)
    return tuple(
        RuleResult(
            name,
            is_met,
            name == first,
            texts.describe_rule(row) if name == first else _describe_unmet_rule(texts, row, findings, name),
        )
        for name, is_met in findings.test_results.items()
    )


def _describe_unmet_rule(texts: DecisionTexts, row: SliceRow, findings: InstantFindings, name: str) -> str:
    """Describe what a rule that did not decide lacked, or that an earlier rule decided."""
    if name == "unknown":
        return f"the state is known, {findings.state}"
    if name == "in":
        return _describe_missing_fit(texts, row, findings)
    if name == "controllable":
        return "applies to time out of adherence that nothing excuses; an earlier rule decided"
    if not findings.is_state_known or findings.state in findings.adherent_states:
        return "excuses only time out of adherence"
    if name == "call_driven":
        return _describe_missing_call(texts, findings)
    return _describe_missing_exemption(texts, name, findings.at)


def _describe_missing_fit(texts: DecisionTexts, row: SliceRow, findings: InstantFindings) -> str:
    if not findings.is_state_known:
        return f"it is unknown whether {findings.state} is in adherence with {findings.category}"
    allowed = ", ".join(findings.adherent_states) or "no state at all"
    return f"{texts.describe_adherence_rule(row)}; in adherence with {findings.category} are: {allowed}"


def _find_covering_exemptions(
    texts: DecisionTexts, kind: str, at: datetime
) -> list[tuple[int, dict[str, Any]]]:
    """Return the exemptions of a kind for the agent that cover an instant, in force or not."""
    team = texts.frames["agent"].filter(pl.col("agent_id") == texts.agent_id)["team"].to_list()
    rows = enumerate(texts.frames["exemption"].iter_rows(named=True))
    return [
        (number, row)
        for number, row in rows
        if row["kind"] == kind
        and row["start_at"] <= at < row["end_at"]
        and (row["agent_id"] == texts.agent_id or (row["agent_id"] is None and row["team"] in (None, *team)))
    ]


def _describe_missing_exemption(texts: DecisionTexts, kind: str, at: datetime) -> str:
    what = {"system": "an outage", "approved": "an exemption"}[kind]
    statuses = [
        _describe_exemption_status(texts, number, row)
        for number, row in _find_covering_exemptions(texts, kind, at)
    ]
    status = f"; {'; '.join(statuses)}" if statuses else ""
    time = texts.format_time(at)
    return f"needs {what} that covers {time}, for {texts.agent_id}, their team or everybody{status}"


def _describe_exemption_status(texts: DecisionTexts, number: int, row: Mapping[str, Any]) -> str:
    """Describe whether an exemption is in force, revoked, or not yet made as of the score's knowledge time."""
    as_of, name = texts.as_of, texts.describe_exemption(number)
    if row["revoked_at"] is not None and (as_of is None or row["revoked_at"] <= as_of):
        return f"{name} was revoked {texts.format_date_time(row['revoked_at'])}"
    if as_of is not None and row["made_at"] is not None and row["made_at"] > as_of:
        return f"{name} was made later, {texts.format_date_time(row['made_at'])}"
    return f"there is {name}, but an earlier rule decided"


def _describe_missing_call(texts: DecisionTexts, findings: InstantFindings) -> str:
    assert findings.overrun is not None
    assert findings.shifted is not None
    if findings.test_results["call_driven"]:
        return "a call rule applies, but an earlier rule decided"
    return f"{_describe_missing_overrun(texts, findings.overrun)}; {_describe_missing_shift(texts, findings.shifted)}"


def _describe_missing_overrun(texts: DecisionTexts, over: OverrunFinding) -> str:
    start = texts.format_time(over.begun_at)
    if not over.is_off_queue:
        return "call overrun: needs a counted activity off the queue"
    if over.until_at is not None:
        return f"call overrun: the call in progress at {start} excuses only until {texts.format_time(over.until_at)}"
    lacks = []
    if over.state_then not in ON_CALL_STATES:
        lacks.append(
            f"{', '.join(ON_CALL_STATES[:-1])} or {ON_CALL_STATES[-1]} at {start} (the state was {over.state_then})"
        )
    if not over.leg_ids:
        states = " or, without a call log, busy or hold across it" if not over.talked_across else ""
        lacks.append(f"a call leg answered before and ended after {start} (there is none){states}")
    return f"call overrun: needs {' and '.join(lacks)}"


def _describe_missing_shift(texts: DecisionTexts, shifted: ShiftedBreakFinding) -> str:
    start = texts.format_time(shifted.begun_at)
    if not shifted.is_break:
        earlier = shifted.previous_activity or "nothing"
        return f"shifted break: needs a break or meal right before {start} in the shift (there is {earlier})"
    if not shifted.credit_s:
        return (
            f"shifted break: needs a call that overran into the {shifted.previous_activity} before {start} "
            "(there is none)"
        )
    if not (shifted.rested_before and shifted.rested_at_start):
        return f"shifted break: needs a break that continues across {start} (there is none)"
    if shifted.used_s >= shifted.credit_s:
        taken = format_seconds(shifted.credit_s)
        return f"shifted break: a call took {taken} of the break, and as much has been excused already"
    return f"shifted break: the break across {start} ended at {texts.format_time(shifted.rested_until_at)}"
