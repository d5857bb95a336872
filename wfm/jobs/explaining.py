"""One agent's day, down to the stored rows behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from wfm import schema
from wfm.engine.inputs import INSTANT
from wfm.jobs.clocks import say_shifts
from wfm.store import Reader, Span

KEPT: Final = ("collection_id", "row_no", "recorded_at")
BEHIND: Final[tuple[tuple[str, str, str | None, tuple[str, ...]], ...]] = (
    ("schedule", "start_at", "end_at", ("activity",)),
    ("agent_state", "at", None, ("vendor_state", "vendor_reason")),
    ("call_leg", "started_at", "ended_at", ("leg_id", "queue_id", "outcome")),
    ("exemption", "start_at", "end_at", ("kind", "code", "note", "by")),
)
"""The tables behind an explained day: from when, until when, and what a row says."""


@dataclass(frozen=True)
class Explanation:
    """One agent's day: what was planned, said and called, and the rule that decided each stretch.

    slices: start_at end_at seconds activity state vendor_state class reason leg_id.
    exceptions: as from `Score.exceptions`.
    totals: one row, as from `Score.adherence`.
    rows: the raw rows behind it: table, at, until, what, source, file_name, row_no, recorded_at.
    """

    agent_id: str
    day: date
    timezone: str
    slices: pl.DataFrame
    exceptions: pl.DataFrame
    totals: pl.DataFrame
    rows: pl.DataFrame


def shown(slices: pl.DataFrame) -> pl.DataFrame:
    """Keep an agent's slices from the first with a schedule or a reason to the last, with their seconds."""
    told = slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1_000_000
    if told.height:
        first, last = told["start_at"].min(), told["end_at"].max()
        told = slices.filter(pl.col("end_at") > first, pl.col("start_at") < last)
    return told.select(
        "start_at", "end_at", length.alias("seconds"), "activity", "state", "vendor_state", "class", "reason",
        "leg_id",
    )  # fmt: skip


def without_slivers(slices: pl.DataFrame) -> pl.DataFrame:
    """Join slices below a second to a neighbour that differs in the call alone; for reading, not for sums.

    ::

        call    | .3 s without |   66 s of leg 7   |      two clocks never tell the same instant
        state   | busy                             |
        read    | busy, leg 7, 66.3 s              |
    """
    names = ["activity", "state", "vendor_state", "class", "reason"]
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in names)
    real = (pl.col("seconds") >= 1).cum_sum().over("run").clip(lower_bound=1)
    return (
        slices.with_columns(run=changed.cum_sum())
        .with_columns(part=real)
        .group_by("run", "part", maintain_order=True)
        .agg(
            pl.col("start_at").first(),
            pl.col("end_at").last(),
            pl.col("leg_id").get(pl.col("seconds").arg_max()),
            pl.col("seconds").sum(),
            *(pl.col(name).first() for name in names),
        )
        .select(slices.columns)
    )


def zone_of(known: Reader, agent: str, default: str) -> str:
    """Return an agent's time zone."""
    own = known.table("agent", among={"agent_id": [agent]}, columns=["timezone"])["timezone"].drop_nulls()
    return str(own[0]) if own.len() else default


def raw_rows(known: Reader, agent: str, span: Span) -> pl.DataFrame:
    """Return the stored rows behind a span of an agent's time, with the file and the row each came from."""
    brought = known.table("collection", columns=["collection_id", "file_name", "source"])
    found = _behind(known, agent, span)
    rows = pl.concat([_told(found[table], table, at, until, what) for table, at, until, what in BEHIND])
    told = (
        rows.join(brought.rename({"source": "via"}), on="collection_id", how="left", maintain_order="left")
        .with_columns(source=pl.coalesce("source", "via"))
        .sort("at", "until", maintain_order=True)
        .select("table", "at", "until", "what", "source", "file_name", "row_no", "recorded_at")
    )
    return say_shifts(told, known.table("clock"))


def _behind(known: Reader, agent: str, span: Span) -> dict[str, pl.DataFrame]:
    """Read an agent's rows of every table; of the states the one before too, of exemptions the team's."""
    login = known.table("login", among={"agent_id": [agent]}, columns=["login"])
    team = known.table("agent", among={"agent_id": [agent]}, columns=["team"])["team"].to_list()
    logins = [agent, *login["login"]]
    columns = {table: list(dict.fromkeys([*schema.table(table).own, *KEPT])) for table, *_ in BEHIND}
    states = known.states(span, logins, columns["agent_state"])
    excused = known.table("exemption", span=span, columns=columns["exemption"])
    whom, which = pl.col("agent_id"), pl.col("team")
    return {
        "schedule": known.table(
            "schedule", span=span, among={"agent_id": [agent]}, columns=columns["schedule"]
        ),
        "agent_state": states.filter(pl.col("at") < span[1]),
        "call_leg": known.table("call_leg", span=span, among={"login": logins}, columns=columns["call_leg"]),
        "exemption": excused.filter(
            (whom == agent) | (whom.is_null() & (which.is_null() | which.is_in(team)))
        ),
    }


def _told(rows: pl.DataFrame, table: str, at: str, until: str | None, what: tuple[str, ...]) -> pl.DataFrame:
    """Say rows of any table in the same columns."""
    source = pl.col("source") if "source" in rows.columns else pl.lit(None, pl.String)
    return rows.select(
        pl.lit(table).alias("table"),
        pl.col(at).alias("at"),
        (pl.col(until) if until else pl.lit(None, INSTANT)).alias("until"),
        pl.concat_str(pl.col(what).cast(pl.String), separator=" ", ignore_nulls=True).alias("what"),
        source.alias("source"),
        *KEPT,
    )
