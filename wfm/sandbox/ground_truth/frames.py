"""Build polars frames of the ground truth, named as in `schema.sql` where a table exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import polars as pl

from wfm.sandbox.centre.intentions import IntendedDeviation, PlannedExemption
from wfm.sandbox.centre.people import FIRST_PHONE_ID, SimulatedAgent, SimulatedQueue
from wfm.sandbox.centre.roster import SimulatedShift


def build_instants(name: str, seconds: Iterable[int | None]) -> pl.Series:
    """Return seconds since 1970 as a series of UTC times."""
    return (pl.Series(name, list(seconds), pl.Int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def build_agent_frame(agents: Sequence[SimulatedAgent], zone: str) -> pl.DataFrame:
    """Build table agent."""
    rows = [(one.agent_id, one.name, one.team, zone) for one in agents]
    return pl.DataFrame(rows, schema=["agent_id", "name", "team", "timezone"], orient="row")


def build_queue_frame(queues: Sequence[SimulatedQueue], zone: str) -> pl.DataFrame:
    """Build table queue."""
    rows = [(one.queue_id, one.name, one.number, zone) for one in queues]
    return pl.DataFrame(rows, schema=["queue_id", "name", "number", "timezone"], orient="row")


def build_login_frame(agents: Sequence[SimulatedAgent]) -> pl.DataFrame:
    """Build table login: every agent has a login at each of the five vendors."""
    rows = [
        (source, login, one.agent_id)
        for place, one in enumerate(agents)
        for source, login in (
            ("ncc", one.ncc),
            ("xsi", one.xsi),
            ("xima", one.extension),
            ("voicenter", one.extension),
            ("telphin", str(FIRST_PHONE_ID + place)),
        )
    ]
    return pl.DataFrame(rows, schema=["source", "login", "agent_id"], orient="row")


def build_schedule_frame(
    shifts: Sequence[SimulatedShift], agents: Sequence[SimulatedAgent], start: date
) -> pl.DataFrame:
    """Build table schedule: a row per shift, and the nested ones; published ten days before the first day."""
    rows = [
        (agents[shift.agent].agent_id, *row)
        for shift in shifts
        for row in (
            (shift.start, shift.end, shift.activity),
            *((p.start, p.end, p.activity) for p in shift.parts),
        )
    ]
    published = pl.lit(start - timedelta(days=10)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "agent_id": pl.Series([row[0] for row in rows], dtype=pl.String),
            "start_at": build_instants("start_at", (row[1] for row in rows)),
            "end_at": build_instants("end_at", (row[2] for row in rows)),
            "activity": pl.Series([row[3] for row in rows], dtype=pl.String),
        }
    ).with_columns(published_at=published)


def keep_state_changes(rows: Sequence[tuple[int, int, str]]) -> pl.DataFrame:
    """Sort transactions, and keep the last of several at one time and those that change the state."""
    frame = pl.DataFrame(
        rows, schema={"agent": pl.Int64, "at": pl.Int64, "vendor_state": pl.String}, orient="row"
    )
    frame = frame.sort("agent", "at", maintain_order=True).unique(
        ["agent", "at"], keep="last", maintain_order=True
    )
    same = (pl.col("agent") == pl.col("agent").shift(1)) & (
        pl.col("vendor_state") == pl.col("vendor_state").shift(1)
    )
    return frame.filter(~same.fill_null(False))


def build_agent_state_frame(rows: pl.DataFrame, agents: Sequence[SimulatedAgent]) -> pl.DataFrame:
    """Build table agent_state, with agent_id."""
    names = pl.Series([one.agent_id for one in agents]).gather(rows["agent"])
    logins = pl.Series([one.ncc for one in agents]).gather(rows["agent"])
    return pl.DataFrame(
        {
            "agent_id": names,
            "login": logins,
            "at": build_instants("at", rows["at"]),
            "vendor_state": rows["vendor_state"],
        }
    )


def build_exemption_frame(
    excuses: Sequence[PlannedExemption], agents: Sequence[SimulatedAgent]
) -> pl.DataFrame:
    """Build table exemption; each was recorded when it was over."""
    return pl.DataFrame(
        {
            "start_at": build_instants("", (one.start for one in excuses)),
            "end_at": build_instants("", (one.end for one in excuses)),
            "kind": [one.kind for one in excuses],
            "agent_id": pl.Series(
                [None if one.agent is None else agents[one.agent].agent_id for one in excuses],
                dtype=pl.String,
            ),
            "team": pl.Series([one.team for one in excuses], dtype=pl.String),
            "code": [one.code for one in excuses],
            "note": [
                "agreed with the team leader" if one.kind == "approved" else "calls were lost"
                for one in excuses
            ],
            "by": ["team leader" if one.kind == "approved" else "operations" for one in excuses],
            "made_at": build_instants("", (one.end for one in excuses)),
        }
    )


def build_deviation_frame(
    intents: Sequence[IntendedDeviation], agents: Sequence[SimulatedAgent]
) -> pl.DataFrame:
    """Build the frame of intended deviations."""
    return pl.DataFrame(
        {
            "agent_id": [agents[one.agent].agent_id for one in intents],
            "at": build_instants("", (one.at for one in intents)),
            "kind": [one.kind for one in intents],
            "seconds": pl.Series([one.seconds for one in intents], dtype=pl.Int64),
        }
    ).sort("agent_id", "at")
