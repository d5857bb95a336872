"""The stored rows behind slices of an agent's day, with the file or payload each was read from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm import schema
from wfm.core.time import INSTANT
from wfm.engine.grounds import ROWS
from wfm.jobs import row_text
from wfm.jobs.clocks import say_shifts
from wfm.jobs.evidence import FOUND, Search, behind_legs
from wfm.jobs.scoring import PLACE
from wfm.jobs.sources import readable
from wfm.settings import Settings
from wfm.storage.reader import Reader, Span
from wfm.vendors import CALL_EVENT
from wfm.words import worded

EXPLAINED_TABLES: Final = (
    "schedule",
    "agent_state",
    "call_leg",
    "exemption",
    CALL_EVENT,
    "coverage",
    "login",
    "activity",
    "state_map",
    "rule",
)
IMPLIED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "agent_state": ("login",),
    "exemption": ("agent_id", "team"),
    "coverage": ("source",),
    "login": ("source",),
    "activity": ("counted",),
    "state_map": ("source",),
}
"""Columns left out of a row's text: the day is one agent's, and the source has a column of its own."""
TABLE_OF: Final = {name: name.removesuffix("_row") for name in ROWS} | {
    "state_row": "agent_state",
    "map_row": "state_map",
}
"""Column of row ids in the slices → the table whose rows they name."""
LONGEST_SHIFT: Final = timedelta(days=1)
"""The largest clock correction that table clock accepts."""
ASKED: Final = ("activity_row", "state_row", "map_row", "login_row", "rule_row")
"""Columns of ids of rows that may lie outside the agent's day, so they are looked up by id rather than by time."""


def row_ids(rows: pl.DataFrame, table: str) -> pl.Series:
    """Return the ids of stored rows: table/collection/row; for rows that come with wfm, table/default/row."""
    collection = pl.col("collection_id").cast(pl.String).fill_null("default")
    ids: pl.Series = rows.select(worded("{}/{}/{}", pl.lit(table), collection, "row_no").alias("row"))["row"]
    return ids


def raw_rows(
    reader: Reader, settings: Settings, agent: str, frames: Mapping[str, pl.DataFrame], slices: pl.DataFrame
) -> pl.DataFrame:
    """Return the stored rows behind slices, with the file and row each came from and the vendor's payload.

    Args:
        reader: the database.
        settings: of the installation; the sources' settings say how their payloads are parsed.
        agent: the agent_id whose slices they are.
        frames: the tables that were scored, with the origin of every row.
        slices: start_at end_at and ids of rows, as in `DayExplanation.slices`.

    Returns:
        row (the id) table at until (from when to when it applies) what (its text) source file_name collection_id row_no
        recorded_at, and `PAYLOAD_COLUMNS`; in order of time.
    """
    span = (slices["start_at"][0], slices["end_at"][-1])
    found = _behind(reader, agent, span)
    found["call_leg"] = legs = _legs(reader, found["call_leg"], frames["call_leg"], slices)
    leg_payloads = behind_legs(reader, legs)
    # A leg without a payload of its own was put together from call events: those are the evidence then.
    found[CALL_EVENT] = _events(reader, legs.join(leg_payloads, on=["source", "leg_id"], how="anti"))
    for name in ASKED:
        table = TABLE_OF[name]
        used = frames[table].filter(row_ids(frames[table], table).is_in(slices[name].drop_nulls().implode()))
        found[table] = pl.concat([found[table], used], how="diagonal") if table in found else used
    found["coverage"] = frames["coverage"].filter(
        pl.col("source").is_in(slices["source"].drop_nulls().implode()),
        pl.col("start_at") < span[1],
        pl.col("end_at") > span[0],
    )
    ledger = reader.table("collection", columns=["collection_id", "file_name", "source", "origin"])
    rows = pl.concat([_told(found[table], table) for table in EXPLAINED_TABLES]).unique(
        "row", keep="first", maintain_order=True
    )
    rows = rows.join(ledger.rename({"source": "via"}), on="collection_id", how="left", maintain_order="left")
    searched = _searched(reader, settings, found, rows)
    payloads = pl.concat([_of_legs(legs, leg_payloads), searched]).unique("row", keep="first")
    described = (
        rows.with_columns(source=pl.coalesce("source", "via"))
        .join(payloads, on="row", how="left", maintain_order="left")
        .sort("at", "until", nulls_last=True, maintain_order=True)
        .select(
            "row",
            "table",
            "at",
            "until",
            "what",
            "source",
            "file_name",
            "collection_id",
            "row_no",
            "recorded_at",
            *FOUND,
        )
    )
    return say_shifts(described, reader.table("clock"))


def _legs(reader: Reader, near: pl.DataFrame, scored: pl.DataFrame, slices: pl.DataFrame) -> pl.DataFrame:
    """Add to the legs near slices those that the call rules named for them: they may have ended before the slices."""
    named = slices["leg_rows"].explode().drop_nulls()
    lacking = scored.filter(row_ids(scored, "call_leg").is_in(named.implode())).join(
        near, on=["source", "leg_id"], how="anti"
    )
    first, last = lacking["answered_at"].min(), lacking["ended_at"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return near
    among = {"leg_id": lacking["leg_id"].to_list()}
    # The scored instants are corrected for clock offsets, the stored ones are not: read a correction's width more.
    span = (first - LONGEST_SHIFT, last + LONGEST_SHIFT)
    more = reader.table("call_leg", span=span, among=among, columns=near.columns)
    return pl.concat([near, more.join(lacking, on=["source", "leg_id"], how="semi")])


def _of_legs(legs: pl.DataFrame, payloads: pl.DataFrame) -> pl.DataFrame:
    """Return the payloads of legs by row id: row, and `PAYLOAD_COLUMNS`."""
    ids = legs.select("source", "leg_id", row=row_ids(legs, "call_leg"))
    return ids.join(payloads, on=["source", "leg_id"]).select("row", *FOUND)


def _searched(
    reader: Reader, settings: Settings, found: dict[str, pl.DataFrame], rows: pl.DataFrame
) -> pl.DataFrame:
    """Find collected states and events in the raw payloads: row, and `PAYLOAD_COLUMNS`."""
    search = Search(reader, readable(settings.sources, settings.country)[0])
    collected = set(rows.filter(pl.col("origin") != "import")["row"])
    matches: list[dict[str, str | None]] = []
    for table in ("agent_state", CALL_EVENT):
        stored_rows = found[table]
        for name, row in zip(row_ids(stored_rows, table), stored_rows.iter_rows(named=True), strict=True):
            if name in collected:
                collected.remove(name)
                matches.append({"row": name, **search.find(table, row)})
    return pl.DataFrame(matches, schema={"row": pl.String(), **FOUND})


def _events(reader: Reader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return every call event of the calls that legs belong to."""
    calls = legs.select("source", "call_id").drop_nulls().unique()
    columns = [*schema.table(CALL_EVENT).own, *PLACE]
    if calls.is_empty():
        return pl.DataFrame(schema={name: schema.table(CALL_EVENT).columns[name] for name in columns})
    events = reader.table(CALL_EVENT, among={"call_id": calls["call_id"].to_list()}, columns=columns)
    return events.join(calls, on=["source", "call_id"], how="semi", maintain_order="left")


def _behind(reader: Reader, agent: str, span: Span) -> dict[str, pl.DataFrame]:
    """Read an agent's rows in a span by table, with the last state before it and the exemptions of their team."""
    login = reader.table("login", among={"agent_id": [agent]}, columns=["login"])
    team = reader.table("agent", among={"agent_id": [agent]}, columns=["team"])["team"].to_list()
    logins = [agent, *login["login"]]
    tables = ("schedule", "agent_state", "call_leg", "exemption")
    columns = {table: list(dict.fromkeys([*schema.table(table).own, *PLACE])) for table in tables}
    states = reader.states(span, logins, columns["agent_state"])
    exemptions = reader.table("exemption", span=span, columns=columns["exemption"])
    agent_id, team_name = pl.col("agent_id"), pl.col("team")
    return {
        "schedule": reader.table(
            "schedule", span=span, among={"agent_id": [agent]}, columns=columns["schedule"]
        ),
        "agent_state": states.filter(pl.col("at") < span[1]),
        "call_leg": reader.table("call_leg", span=span, among={"login": logins}, columns=columns["call_leg"]),
        "exemption": exemptions.filter(
            (agent_id == agent) | (agent_id.is_null() & (team_name.is_null() | team_name.is_in(team)))
        ),
    }


def _told(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows of any table in common columns: row table at until what source, and their origin."""
    start, end = row_text.find_time_columns(table)
    null = pl.lit(None, INSTANT)
    source = pl.col("source") if "source" in rows.columns else pl.lit(None, pl.String)
    return rows.select(
        row_ids(rows, table),
        pl.lit(table).alias("table"),
        (pl.col(start) if start else null).alias("at"),
        (pl.col(end) if end else null).alias("until"),
        row_text.build_row_text(table, IMPLIED_COLUMNS.get(table, ())).alias("what"),
        source.alias("source"),
        *PLACE,
    )
