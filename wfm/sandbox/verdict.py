"""Judge everybody by `wfm.sandbox.causes` and put the outcome into frames."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from wfm.core import glossary
from wfm.sandbox.causes import judge
from wfm.sandbox.frames import instants
from wfm.sandbox.lines import Line
from wfm.sandbox.outside import outside
from wfm.sandbox.reasons import Planted
from wfm.sandbox.roster import Shift
from wfm.sandbox.wishes import Excuse

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

Found = tuple[str, date, Planted]


def verdict(truth: Truth) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return frames planted and seconds."""
    lines, legs, shifts = _lines(truth), _legs(truth), defaultdict(list)
    for shift in truth.shifts:
        shifts[shift.agent].append(shift)
    rows: list[Found] = []
    sums: list[tuple[str, date, *tuple[int, ...]]] = []
    nobody = Line([], [])
    for number, agent in enumerate(truth.agents):
        line, mine = lines.get(number, nobody), shifts[number]
        excuses = [one for one in truth.plan.excuses if one.agent == number or one.team == agent.team]
        for shift in mine:
            if shift.activity == "on_queue":
                near = _near(legs[number], shift)
                planted, seconds = judge(shift, line, near, _during(excuses, shift))
                rows += [(agent.agent_id, shift.workday, one) for one in planted]
                sums.append((agent.agent_id, shift.workday, *seconds.values()))
        for one in outside(line, mine):
            rows.append((agent.agent_id, _workday(one, mine, truth.zone), one))
    return _planted(rows), _seconds(sums)


def _lines(truth: Truth) -> dict[int, Line]:
    rows = truth.state_rows
    found = {}
    for (number,), part in rows.partition_by("agent", as_dict=True, maintain_order=True).items():
        found[int(number)] = Line(part["at"].to_list(), part["vendor_state"].to_list())
    return found


def _legs(truth: Truth) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for leg in truth.floor.legs:
        if leg.answered is not None:
            found[leg.agent].append((leg.answered, leg.ended))
    return found


def _near(legs: list[tuple[int, int]], shift: Shift) -> list[tuple[int, int]]:
    low = bisect_left(legs, (shift.start - 86400, 0))
    return legs[low : bisect_left(legs, (shift.end, 0))]


def _during(excuses: list[Excuse], shift: Shift) -> list[Excuse]:
    return [one for one in excuses if one.start < shift.end and shift.start < one.end]


def _workday(one: Planted, shifts: list[Shift], zone: str) -> date:
    """Say to which workday work outside belongs: that of a shift within 3 h before or after, else its own."""
    for shift in shifts:
        if 0 <= one.start - shift.end <= glossary.SHIFT_GAP_S:
            return shift.workday
    for shift in shifts:
        if 0 <= shift.start - one.end <= glossary.SHIFT_GAP_S:
            return shift.workday
    return datetime.fromtimestamp(one.start, UTC).astimezone(ZoneInfo(zone)).date()


def _planted(rows: list[Found]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "agent_id": pl.Series([row[0] for row in rows], dtype=pl.String),
            "workday": pl.Series([row[1] for row in rows], dtype=pl.Date),
            "start_at": instants("", (row[2].start for row in rows)),
            "end_at": instants("", (row[2].end for row in rows)),
            "class": pl.Series([row[2].cls for row in rows], dtype=pl.String),
            "reason": pl.Series([row[2].reason for row in rows], dtype=pl.String),
        }
    ).sort("agent_id", "start_at")


def _seconds(sums: list[tuple[str, date, *tuple[int, ...]]]) -> pl.DataFrame:
    names = [f"{name}_s" for name in glossary.CLASSES]
    schema = {"agent_id": pl.String(), "workday": pl.Date(), **dict.fromkeys(names, pl.Int64())}
    return pl.DataFrame(sums, schema=schema, orient="row").sort("agent_id", "workday")
