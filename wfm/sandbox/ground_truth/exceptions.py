"""Classify every shift by `wfm.sandbox.ground_truth.classify` and return the result as frames."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from wfm.core import glossary
from wfm.sandbox.centre.intentions import PlannedExemption
from wfm.sandbox.centre.roster import SimulatedShift
from wfm.sandbox.ground_truth.classify import classify_shift
from wfm.sandbox.ground_truth.frames import build_instants
from wfm.sandbox.ground_truth.reasons import TrueException
from wfm.sandbox.ground_truth.timeline import AgentTimeline
from wfm.sandbox.ground_truth.unscheduled_work import find_unscheduled_work

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

FoundException = tuple[str, date, TrueException]


def find_exceptions(truth: GroundTruth) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return frames planted and seconds."""
    lines, legs, shifts = _build_timelines(truth), _list_answered_legs(truth), defaultdict(list)
    for shift in truth.shifts:
        shifts[shift.agent].append(shift)
    rows: list[FoundException] = []
    sums: list[tuple[str, date, *tuple[int, ...]]] = []
    nobody = AgentTimeline([], [])
    for number, agent in enumerate(truth.agents):
        line, mine = lines.get(number, nobody), shifts[number]
        excuses = [one for one in truth.behaviour.exemptions if one.agent == number or one.team == agent.team]
        for shift in mine:
            if shift.activity == "on_queue":
                near = _select_legs(legs[number], shift)
                planted, seconds = classify_shift(shift, line, near, _select_exemptions(excuses, shift))
                rows += [(agent.agent_id, shift.workday, one) for one in planted]
                sums.append((agent.agent_id, shift.workday, *seconds.values()))
        for one in find_unscheduled_work(line, mine):
            rows.append((agent.agent_id, _find_workday(one, mine, truth.zone), one))
    return _build_exception_frame(rows), _build_seconds_frame(sums)


def _build_timelines(truth: GroundTruth) -> dict[int, AgentTimeline]:
    rows = truth.state_rows
    found = {}
    for (number,), part in rows.partition_by("agent", as_dict=True, maintain_order=True).items():
        found[int(number)] = AgentTimeline(part["at"].to_list(), part["vendor_state"].to_list())
    return found


def _list_answered_legs(truth: GroundTruth) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for leg in truth.distribution.legs:
        if leg.answered is not None:
            found[leg.agent].append((leg.answered, leg.ended))
    return found


def _select_legs(legs: list[tuple[int, int]], shift: SimulatedShift) -> list[tuple[int, int]]:
    low = bisect_left(legs, (shift.start - 86400, 0))
    return legs[low : bisect_left(legs, (shift.end, 0))]


def _select_exemptions(excuses: list[PlannedExemption], shift: SimulatedShift) -> list[PlannedExemption]:
    return [one for one in excuses if one.start < shift.end and shift.start < one.end]


def _find_workday(one: TrueException, shifts: list[SimulatedShift], zone: str) -> date:
    """Return the workday of unscheduled work: that of a shift within 3 h before or after it, else its own date."""
    for shift in shifts:
        if 0 <= one.start - shift.end <= glossary.SHIFT_GAP_S:
            return shift.workday
    for shift in shifts:
        if 0 <= shift.start - one.end <= glossary.SHIFT_GAP_S:
            return shift.workday
    return datetime.fromtimestamp(one.start, UTC).astimezone(ZoneInfo(zone)).date()


def _build_exception_frame(rows: list[FoundException]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "agent_id": pl.Series([row[0] for row in rows], dtype=pl.String),
            "workday": pl.Series([row[1] for row in rows], dtype=pl.Date),
            "start_at": build_instants("", (row[2].start for row in rows)),
            "end_at": build_instants("", (row[2].end for row in rows)),
            "class": pl.Series([row[2].cls for row in rows], dtype=pl.String),
            "reason": pl.Series([row[2].reason for row in rows], dtype=pl.String),
        }
    ).sort("agent_id", "start_at")


def _build_seconds_frame(sums: list[tuple[str, date, *tuple[int, ...]]]) -> pl.DataFrame:
    names = [f"{name}_s" for name in glossary.CLASSES]
    schema = {"agent_id": pl.String(), "workday": pl.Date(), **dict.fromkeys(names, pl.Int64())}
    return pl.DataFrame(sums, schema=schema, orient="row").sort("agent_id", "workday")
