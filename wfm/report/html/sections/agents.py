"""Figures by agent: the table, and for each agent the workdays and exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import polars as pl

from wfm.report.html.day_strip import DayStrip, build_day_strip
from wfm.report.model import Report

MAX_EXCEPTIONS: Final = 3000
"""At most so many exceptions on the page; the workbook has all."""
MAX_EXCEPTIONS_PER_AGENT: Final = 40
MAX_WORKDAYS: Final = 3000
MAX_AGENTS: Final = 1500


@dataclass(frozen=True)
class AgentDetail:
    """The days and exceptions of one agent; ``score`` is the agent's row of `AgentFigures.rows`.

    ``n_exceptions`` counts all, ``exceptions`` has those on the page; ``zone`` is the one of their local times.
    """

    score: dict[str, Any]
    strips: list[tuple[date, DayStrip]]
    workdays: list[dict[str, Any]]
    exceptions: list[dict[str, Any]]
    n_exceptions: int
    zone: str | None


@dataclass(frozen=True)
class AgentFigures:
    """What ``sections/agents.html`` shows.

    ``rows``: rows of `Report.by_agent`, with anchor, the id of the agent's details; None where there is no room for
    them. The agents with details are the first of the table.
    """

    rows: list[dict[str, Any]]
    n_unlisted: int
    details: list[AgentDetail]
    n_without_details: int


def build_agents(report: Report) -> AgentFigures:
    """Choose the agents and exceptions for which the page has room, and gather their rows."""
    n_details = _count_details(report)
    scores = [
        {**row, "anchor": f"agent-{i}" if i < n_details else None}
        for i, row in enumerate(report.by_agent.head(MAX_AGENTS).iter_rows(named=True))
    ]
    detailed = [score["agent_id"] for score in scores[:n_details]]
    exceptions = _group_by_agent(report.exceptions, detailed)
    workdays = _group_by_agent(report.by_agent_day, detailed)
    slices = _group_by_agent(report.day_slices, detailed)
    is_cut = report.exceptions.height > MAX_EXCEPTIONS
    return AgentFigures(
        rows=scores,
        n_unlisted=max(0, report.by_agent.height - MAX_AGENTS),
        details=[
            _build_detail(
                score,
                exceptions[score["agent_id"]],
                workdays[score["agent_id"]],
                slices[score["agent_id"]],
                is_cut,
            )
            for score in scores[:n_details]
        ],
        n_without_details=report.by_agent.height - n_details,
    )


def _count_details(report: Report) -> int:
    """Return how many agents' days and exceptions fit on the page."""
    n_agents, n_workdays = report.by_agent.height, report.by_agent_day.height
    if not n_agents or (report.exceptions.height <= MAX_EXCEPTIONS and n_workdays <= MAX_WORKDAYS):
        return n_agents
    workdays_each = max(1.0, n_workdays / n_agents)
    return min(
        n_agents, max(1, min(MAX_EXCEPTIONS // MAX_EXCEPTIONS_PER_AGENT, int(MAX_WORKDAYS / workdays_each)))
    )


def _group_by_agent(rows: pl.DataFrame, agent_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each agent, in their order; none is an empty list."""
    # One pass over the rows; a filter per agent would be as many passes as agents.
    grouped: dict[str, list[dict[str, Any]]] = {agent_id: [] for agent_id in agent_ids}
    for row in rows.filter(pl.col("agent_id").is_in(agent_ids)).iter_rows(named=True):
        grouped[row["agent_id"]].append(row)
    return grouped


def _build_detail(
    score: dict[str, Any],
    exceptions: list[dict[str, Any]],
    workdays: list[dict[str, Any]],
    slices: list[dict[str, Any]],
    is_cut: bool,
) -> AgentDetail:
    shown = exceptions
    if is_cut and len(exceptions) > MAX_EXCEPTIONS_PER_AGENT:
        longest = sorted(exceptions, key=lambda row: -row["seconds"])[:MAX_EXCEPTIONS_PER_AGENT]
        shown = sorted(longest, key=lambda row: row["start_at"])
    days = groupby(slices, key=lambda row: row["workday"])
    return AgentDetail(
        score=score,
        strips=[(on, build_day_strip(list(rows))) for on, rows in days],
        workdays=workdays,
        exceptions=shown,
        n_exceptions=len(exceptions),
        zone=shown[0]["zone"] if shown else None,
    )
