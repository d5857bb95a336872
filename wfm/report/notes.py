"""What one must know before using the numbers: everything the report did not see or could not place."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import between, clock, percent, plural
from wfm.report.happenings import SLICE, typed
from wfm.report.scores import Frame, eager

NAMED = 5


def coverage(total: dict[str, float | None]) -> list[str]:
    """Say how much of the scheduled time nobody can speak for."""
    unknown, scheduled = total["unknown_s"] or 0, total["scheduled_s"] or 0
    if not unknown:
        return []
    found = (
        f"{clock(unknown)} of the scheduled time ({percent(unknown / scheduled)}) is unknown: not "
        "watched, or "
        "in a state without a mapping. Adherence lies between "
        f"{between(total['adherence_low'], total['adherence_high'])}."
    )
    return [found]


def unmapped(slices: Frame | None) -> list[str]:
    """Name the vendor states that no mapping knows, with how often and how long."""
    if slices is None:
        return []
    rows = typed(slices.lazy().filter(pl.col("state").cast(pl.String) == "unmapped"), SLICE, "slices")
    lasted = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1_000_000
    begins = (
        (pl.col("start_at") != pl.col("end_at").shift(1)).fill_null(True).over("agent_id", "vendor_state")
    )
    found = (
        rows.sort("agent_id", "start_at")
        .group_by("vendor_state")
        .agg(begins.sum().alias("n"), lasted.sum().alias("seconds"))
        .sort("seconds", descending=True)
    )
    return [
        f"The vendor state “{row['vendor_state']}” has no mapping: {plural(row['n'], 'time')}, "
        f"{clock(row['seconds'])}. It counts as unknown until the table state_map says what it means."
        for row in found.iter_rows(named=True)
    ]


def unplanned(agent: Frame | None, by_agent: pl.DataFrame) -> list[str]:
    """Name the agents who have nothing scheduled in the window."""
    known = eager(agent)
    if known is None:
        return []
    planned = by_agent.filter(pl.col("scheduled_s") > 0)["agent_id"].to_list()
    idle = known.filter(~pl.col("agent_id").is_in(planned))["agent_id"].unique().sort().to_list()
    if not idle:
        return []
    names = ", ".join(idle[:NAMED]) + (f" and {len(idle) - NAMED:,} more" if len(idle) > NAMED else "")
    have = "has" if len(idle) == 1 else "have"
    return [f"{plural(len(idle), 'agent')} {have} nothing scheduled in this window and no score: {names}."]


def rules_on_states(exceptions: pl.DataFrame) -> list[str]:
    """Say where call-driven time rests on states because there was no call log."""
    on_states = exceptions.filter(pl.col("class") == "call_driven", pl.col("evidence_kind") == "state")
    if on_states.is_empty():
        return []
    n = on_states["agent_id"].n_unique()
    lasted = clock(float(on_states["seconds"].sum()))
    return [
        f"For {plural(n, 'agent')} without a call log, call-driven time ({lasted}) rests on states alone, "
        "not on call leg ids."
    ]
