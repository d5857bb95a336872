"""Examine one instant of one agent: which rule applies, and what the others lacked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wfm.core import glossary
from wfm.core.time import US_PER_SECOND, to_epoch_us
from wfm.engine.adherence.classify import STATES_PER_CATEGORY
from wfm.engine.adherence.scoring import Score
from wfm.engine.time.axis import find_run_end
from wfm.engine.time.codes import STATE_CODES, UNKNOWN_CODE, UNMAPPED_CODE, is_rest_state

ON_CALL_STATES = ("busy", "hold", "wrapup", "ringing")
TALKING_STATES = ("busy", "hold")


@dataclass(frozen=True)
class OverrunFinding:
    """The finding of the rule on calls that overrun into a segment.

    is_off_queue: the segment is counted and not on_queue. begun_at: its start. state_then: the state at its start.
    leg_ids: legs answered before its start and ended after it. talked_across: busy or on hold just before its start and
    at it. until_at: the end of the last leg, of its late-reported states and of the wrap-up; null where no call reached
    into the segment. applies: whether the rule applies at the instant, which then lies before until_at.
    """

    is_off_queue: bool
    begun_at: datetime
    state_then: str
    leg_ids: tuple[str, ...]
    talked_across: bool
    until_at: datetime | None
    applies: bool


@dataclass(frozen=True)
class ShiftedBreakFinding:
    """The finding of the rule on breaks that calls have shifted.

    begun_at: the start of the segment. previous_activity: that of the segment before it in the shift. is_break: whether
    that is a break or meal. credit_s: the seconds of it that calls took. rested_before, rested_at_start: whether the
    agent was at rest just before and at the segment's start. rested_until_at: the end of that rest. used_s: seconds out
    in the segment before the instant. applies: whether the rule applies at the instant.
    """

    begun_at: datetime
    previous_activity: str | None
    is_break: bool
    credit_s: float
    rested_before: bool
    rested_at_start: bool
    rested_until_at: datetime | None
    used_s: float
    applies: bool


@dataclass(frozen=True)
class InstantFindings:
    """The facts at an instant and the finding of each test, in the order in which they are made.

    class_name: the class; None where nothing is counted. adherent_states: the states that would be in adherence.
    overrun, shifted: None where nothing is scheduled.
    """

    at: datetime
    activity: str | None
    category: str
    is_counted: bool
    state: str
    class_name: str | None
    adherent_states: tuple[str, ...]
    has_system_exemption: bool
    has_approved_exemption: bool
    overrun: OverrunFinding | None
    shifted: ShiftedBreakFinding | None

    @property
    def is_state_known(self) -> bool:
        """Return whether the state is known."""
        return self.state not in (glossary.UNKNOWN, glossary.UNMAPPED)

    @property
    def test_results(self) -> dict[str, bool]:
        """Return for every class whether its own test succeeds, in the order of the tests."""
        driven = any(rule is not None and rule.applies for rule in (self.overrun, self.shifted))
        return {
            "unknown": not self.is_state_known,
            "in": self.state in self.adherent_states,
            "system": self.has_system_exemption,
            "approved": self.has_approved_exemption,
            "call_driven": driven,
            "controllable": True,
        }


def examine_instant(scored: Score, rules: pl.Series, agent_id: str, at: datetime) -> InstantFindings | None:
    """Return the finding of every rule for an agent at an instant; None if it lies outside what was scored.

    Args:
        scored: the scored window.
        rules: flags by category and state, as from `build_rule_table`.
        agent_id: the agent.
        at: the instant.
    """
    axis = scored.axis
    base = axis.agents.categories.to_list().index(agent_id) * axis.agent_width
    key = base + to_epoch_us(at) - axis.origin_us
    slices_of_agent = scored.slice_rows.filter(pl.col("key") >= base, pl.col("key") < base + axis.agent_width)
    here = slices_of_agent.filter(pl.col("key") <= key, pl.col("key_end") > key)
    if here.is_empty():
        return None
    row = here.row(0, named=True)
    category = here["category"].to_physical()[0]
    fits = tuple(
        state for state in glossary.STATES if rules[int(category) * STATES_PER_CATEGORY + STATE_CODES[state]]
    )
    segment = scored.segments.filter(pl.col("segment") == row["segment"])
    out = (
        row["counted"]
        and row["state"] not in (UNKNOWN_CODE, UNMAPPED_CODE)
        and glossary.STATES[row["state"]] not in fits
    )
    return InstantFindings(
        at,
        str(segment["activity"][0]) if segment.height else None,
        row["category"],
        row["counted"],
        glossary.STATES[row["state"]],
        row["class"],
        fits,
        row["system"] > 0,
        row["approved"] > 0,
        _examine_overrun(scored, slices_of_agent, segment, key, out) if segment.height else None,
        _examine_shifted_break(scored, slices_of_agent, segment, key, out) if segment.height else None,
    )


def _key_to_instant(scored: Score, key: int) -> datetime:
    at: datetime = pl.select(scored.axis.decode_instant(pl.lit(key, pl.Int64))).item()
    return at


def _find_state_at(slices: pl.DataFrame, key: int) -> str | None:
    found = slices.filter(pl.col("key") <= key, pl.col("key_end") > key)["state"]
    return glossary.STATES[found[0]] if found.len() else None


def _find_call_reach(scored: Score, segment: int) -> pl.DataFrame:
    """Return how far a call reached into a segment: the evidence row of its overrun, if there is one."""
    return scored.call_evidence.filter(pl.col("segment") == segment, pl.col("credit").is_null())


def _examine_overrun(
    scored: Score, slices_of_agent: pl.DataFrame, segment: pl.DataFrame, key: int, out: bool
) -> OverrunFinding:
    begun = int(segment["key"][0])
    off_queue = bool(segment["counted"][0]) and str(segment["category"][0]) != "on_queue"
    legs = scored.call_legs.filter(pl.col("key") < begun, pl.col("key_end") > begun)
    reach = _find_call_reach(scored, int(segment["segment"][0]))
    until = int(reach["until"][0]) if reach.height else None
    # one microsecond earlier is the last instant of the segment before
    then, before = _find_state_at(slices_of_agent, begun), _find_state_at(slices_of_agent, begun - 1)
    return OverrunFinding(
        off_queue,
        _key_to_instant(scored, begun),
        then or "",
        tuple(legs["leg_id"].unique(maintain_order=True)),
        before in TALKING_STATES and then in TALKING_STATES,
        None if until is None else _key_to_instant(scored, until),
        out and until is not None and key < until,
    )


def _examine_shifted_break(
    scored: Score, slices_of_agent: pl.DataFrame, segment: pl.DataFrame, key: int, out: bool
) -> ShiftedBreakFinding:
    begun = int(segment["key"][0])
    before = scored.segments.filter(
        pl.col("segment") == segment["segment"][0] - 1, pl.col("shift") == segment["shift"][0]
    )
    is_break = before.height > 0 and str(before["category"][0]) in ("break", "meal")
    length = pl.col("key_end") - pl.col("key")
    reach = _find_call_reach(scored, int(before["segment"][0]) if before.height else -1)
    taken = slices_of_agent.filter(pl.col("out")).join(reach.select("segment", "stop"), on="segment")
    lost = taken.filter(pl.col("key") < pl.col("stop"))
    # the credit is what the call took of the break, also where an exemption excuses it
    credit = int(lost.select(length.sum()).item()) if is_break else 0
    then = _find_state_at(slices_of_agent, begun) in glossary.REST_STATES
    rested = slices_of_agent.select("key", "key_end", rest_end=find_run_end(is_rest_state())).filter(
        pl.col("key") == begun
    )
    rest_end = int(rested["rest_end"][0]) if then and rested.height else None
    used = slices_of_agent.filter(pl.col("key") >= begun, pl.col("key") < key, pl.col("out")).select(
        (pl.min_horizontal("key_end", pl.lit(key)) - pl.col("key")).sum()
    )
    resting = rest_end is not None and key < rest_end
    used_us = int(used.item()) if resting else 0
    rested_before = _find_state_at(slices_of_agent, begun - 1) in glossary.REST_STATES
    counted = bool(segment["counted"][0])
    return ShiftedBreakFinding(
        _key_to_instant(scored, begun),
        str(before["activity"][0]) if before.height else None,
        is_break,
        credit / US_PER_SECOND,
        rested_before,
        then,
        None if rest_end is None else _key_to_instant(scored, rest_end),
        used_us / US_PER_SECOND,
        out and counted and resting and rested_before and used_us < credit,
    )
