"""What happened → polars frames, named like the tables of `schema.sql` where those exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import polars as pl

from wfm.sandbox.people import PHONE_IDS, Agent, Queue
from wfm.sandbox.roster import Shift
from wfm.sandbox.wishes import Excuse, Intent


def instants(name: str, seconds: Iterable[int | None]) -> pl.Series:
    """Turn seconds since 1970 into instants."""
    return (pl.Series(name, list(seconds), pl.Int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def agent(agents: Sequence[Agent], zone: str) -> pl.DataFrame:
    """Build table agent."""
    rows = [(one.agent_id, one.name, one.team, zone) for one in agents]
    return pl.DataFrame(rows, schema=["agent_id", "name", "team", "timezone"], orient="row")


def queue(queues: Sequence[Queue], zone: str) -> pl.DataFrame:
    """Build table queue."""
    rows = [(one.queue_id, one.name, one.number, zone) for one in queues]
    return pl.DataFrame(rows, schema=["queue_id", "name", "number", "timezone"], orient="row")


def login(agents: Sequence[Agent]) -> pl.DataFrame:
    """Build table login: five vendors, five logins of everybody."""
    rows = [
        (source, login, one.agent_id)
        for place, one in enumerate(agents)
        for source, login in (
            ("ncc", one.ncc),
            ("xsi", one.xsi),
            ("xima", one.extension),
            ("voicenter", one.extension),
            ("telphin", str(PHONE_IDS + place)),
        )
    ]
    return pl.DataFrame(rows, schema=["source", "login", "agent_id"], orient="row")


def schedule(shifts: Sequence[Shift], agents: Sequence[Agent], start: date) -> pl.DataFrame:
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
            "start_at": instants("start_at", (row[1] for row in rows)),
            "end_at": instants("end_at", (row[2] for row in rows)),
            "activity": pl.Series([row[3] for row in rows], dtype=pl.String),
        }
    ).with_columns(published_at=published)


def state_rows(rows: Sequence[tuple[int, int, str]]) -> pl.DataFrame:
    """Sort transactions; keep the last of an instant, and those that change something."""
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


def agent_state(rows: pl.DataFrame, agents: Sequence[Agent]) -> pl.DataFrame:
    """Build table agent_state, with agent_id."""
    names = pl.Series([one.agent_id for one in agents]).gather(rows["agent"])
    logins = pl.Series([one.ncc for one in agents]).gather(rows["agent"])
    return pl.DataFrame(
        {
            "agent_id": names,
            "login": logins,
            "at": instants("at", rows["at"]),
            "vendor_state": rows["vendor_state"],
        }
    )


def exemption(excuses: Sequence[Excuse], agents: Sequence[Agent]) -> pl.DataFrame:
    """Build table exemption; each was written down when it was over."""
    return pl.DataFrame(
        {
            "start_at": instants("", (one.start for one in excuses)),
            "end_at": instants("", (one.end for one in excuses)),
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
            "made_at": instants("", (one.end for one in excuses)),
        }
    )


def intent(intents: Sequence[Intent], agents: Sequence[Agent]) -> pl.DataFrame:
    """Build frame intent."""
    return pl.DataFrame(
        {
            "agent_id": [agents[one.agent].agent_id for one in intents],
            "at": instants("", (one.at for one in intents)),
            "kind": [one.kind for one in intents],
            "seconds": pl.Series([one.seconds for one in intents], dtype=pl.Int64),
        }
    ).sort("agent_id", "at")
