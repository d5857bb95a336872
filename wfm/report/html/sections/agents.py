"""Figures by agent: the table, and for each agent the days and exceptions behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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
    # One pass over each frame; a filter per agent would be as many passes as agents.
    exceptions = _split_by_agent(report.exceptions)
    workdays = _split_by_agent(report.by_agent_day)
    slices = _split_by_agent(report.day_slices)
    is_cut = report.exceptions.height > MAX_EXCEPTIONS
    return AgentFigures(
        rows=scores,
        n_unlisted=max(0, report.by_agent.height - MAX_AGENTS),
        details=[
            _build_detail(
                score,
                exceptions.get(score["agent_id"], report.exceptions.clear()),
                workdays.get(score["agent_id"], report.by_agent_day.clear()),
                slices.get(score["agent_id"], report.day_slices.clear()),
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


def _split_by_agent(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = rows.partition_by("agent_id", as_dict=True, maintain_order=True)
    return {str(agent_id): part for (agent_id,), part in parts.items()}


def _build_detail(
    score: dict[str, Any],
    exceptions: pl.DataFrame,
    workdays: pl.DataFrame,
    slices: pl.DataFrame,
    is_cut: bool,
) -> AgentDetail:
    shown = exceptions
    if is_cut and exceptions.height > MAX_EXCEPTIONS_PER_AGENT:
        longest = exceptions.sort("seconds", descending=True, maintain_order=True)
        shown = longest.head(MAX_EXCEPTIONS_PER_AGENT).sort("start_at", maintain_order=True)
    return AgentDetail(
        score=score,
        strips=[
            (on, build_day_strip(part))
            for (on,), part in slices.partition_by("workday", as_dict=True, maintain_order=True).items()
        ],
        workdays=workdays.to_dicts(),
        exceptions=shown.to_dicts(),
        n_exceptions=exceptions.height,
        zone=None if shown.is_empty() else shown["zone"][0],
    )
