"""Write notes on what was not covered, mapped or scheduled, to be read before using the numbers."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.exceptions import SLICE_COLUMNS, select_columns
from wfm.report.formats import format_duration, format_percent, format_percent_range, format_plural
from wfm.report.scores import AnyFrame, collect_frame

MAX_AGENTS_NAMED: Final = 5


def note_unknown_time(total: dict[str, float | None]) -> list[str]:
    """Say how much of the scheduled time is unknown, and between which values adherence then lies."""
    unknown, scheduled = total["unknown_s"] or 0, total["scheduled_s"] or 0
    if not unknown:
        return []
    return [
        f"{format_duration(unknown)} of the scheduled time ({format_percent(unknown / scheduled)}) is unknown: not "
        "covered, or in a state without a mapping. Adherence lies between "
        f"{format_percent_range(total['adherence_low'], total['adherence_high'])}."
    ]


def note_unmapped_states(slices: AnyFrame | None) -> list[str]:
    """Name the vendor states without a mapping, with how often and how long they occurred."""
    if slices is None:
        return []
    unmapped = slices.lazy().filter(pl.col("state").cast(pl.String) == "unmapped")
    rows = select_columns(unmapped, SLICE_COLUMNS, "slices")
    seconds = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1_000_000
    # Slices are cut at every change of anything: neighbours are one time in the state.
    begins = (
        (pl.col("start_at") != pl.col("end_at").shift(1)).fill_null(True).over("agent_id", "vendor_state")
    )
    found = (
        rows.sort("agent_id", "start_at")
        .group_by("vendor_state")
        .agg(begins.sum().alias("n"), seconds.sum().alias("seconds"))
        .sort("seconds", descending=True)
    )
    return [
        f"The vendor state “{row['vendor_state']}” has no mapping: {format_plural(row['n'], 'time')}, "
        f"{format_duration(row['seconds'])}. It counts as unknown until the table state_map maps it."
        for row in found.iter_rows(named=True)
    ]


def note_unscheduled_agents(agent: AnyFrame | None, by_agent: pl.DataFrame) -> list[str]:
    """Name the agents who have nothing scheduled in the window."""
    table = collect_frame(agent)
    if table is None:
        return []
    scheduled = by_agent.filter(pl.col("scheduled_s") > 0)["agent_id"].to_list()
    others = table.filter(~pl.col("agent_id").is_in(scheduled))["agent_id"].unique().sort().to_list()
    if not others:
        return []
    names = ", ".join(others[:MAX_AGENTS_NAMED])
    if len(others) > MAX_AGENTS_NAMED:
        names += f" and {len(others) - MAX_AGENTS_NAMED:,} more"
    have = "has" if len(others) == 1 else "have"
    return [
        f"{format_plural(len(others), 'agent')} {have} nothing scheduled in this window and no score: {names}."
    ]


def note_state_evidence(exceptions: pl.DataFrame) -> list[str]:
    """Say where call-driven time is based on states, because there was no call log."""
    on_states = exceptions.filter(pl.col("class") == "call_driven", pl.col("evidence_kind") == "state")
    if on_states.is_empty():
        return []
    agents = format_plural(on_states["agent_id"].n_unique(), "agent")
    return [
        f"For {agents} without a call log, call-driven time ({format_duration(float(on_states['seconds'].sum()))}) "
        "is based on states alone, not on call legs."
    ]
