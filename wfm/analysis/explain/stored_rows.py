"""Read the stored rows behind slices of an agent's day, with the file or payload each was read from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm.analysis import row_text
from wfm.analysis.clock_skew import append_clock_offsets
from wfm.analysis.explain.payloads import PAYLOAD_COLUMNS, PayloadSearch, read_leg_payloads
from wfm.analysis.load import ROW_ORIGIN_COLUMNS
from wfm.collect.sources import split_valid_sources
from wfm.core import schema
from wfm.core.text import fill_sentence
from wfm.core.time import INSTANT
from wfm.engine.explain.decisions import ROW_COLUMNS
from wfm.settings import Settings
from wfm.storage.reader import DatabaseReader, TimeSpan
from wfm.vendors import CALL_EVENT

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
TABLE_OF_ID_COLUMN: Final = {name: name.removesuffix("_row") for name in ROW_COLUMNS} | {
    "state_row": "agent_state",
    "map_row": "state_map",
}
"""Column of row ids in the slices → the table whose rows they name."""
MAX_CLOCK_OFFSET: Final = timedelta(days=1)
"""The largest clock correction that table clock accepts."""
UNDATED_ID_COLUMNS: Final = ("activity_row", "state_row", "map_row", "login_row", "rule_row")
"""Columns of ids of rows that may lie outside the agent's day, so they are found by id rather than by time."""


def format_row_ids(rows: pl.DataFrame, table: str) -> pl.Series:
    """Return the ids of stored rows: table/collection/row; for rows that come with wfm, table/default/row."""
    collection = pl.col("collection_id").cast(pl.String).fill_null("default")
    ids: pl.Series = rows.select(fill_sentence("{}/{}/{}", pl.lit(table), collection, "row_no").alias("row"))[
        "row"
    ]
    return ids


def read_stored_rows(
    reader: DatabaseReader,
    settings: Settings,
    agent: str,
    frames: Mapping[str, pl.DataFrame],
    slices: pl.DataFrame,
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
    found = _read_agent_rows(reader, agent, span)
    found["call_leg"] = legs = _add_named_legs(reader, found["call_leg"], frames["call_leg"], slices)
    leg_payloads = read_leg_payloads(reader, legs)
    # A leg without a payload of its own was built from call events, so these are the evidence.
    found[CALL_EVENT] = _read_call_events(
        reader, legs.join(leg_payloads, on=["source", "leg_id"], how="anti")
    )
    for name in UNDATED_ID_COLUMNS:
        table = TABLE_OF_ID_COLUMN[name]
        used = frames[table].filter(
            format_row_ids(frames[table], table).is_in(slices[name].drop_nulls().implode())
        )
        found[table] = pl.concat([found[table], used], how="diagonal") if table in found else used
    found["coverage"] = frames["coverage"].filter(
        pl.col("source").is_in(slices["source"].drop_nulls().implode()),
        pl.col("start_at") < span[1],
        pl.col("end_at") > span[0],
    )
    ledger = reader.read_table("collection", columns=["collection_id", "file_name", "source", "origin"])
    rows = pl.concat([_describe_rows(found[table], table) for table in EXPLAINED_TABLES]).unique(
        "row", keep="first", maintain_order=True
    )
    rows = rows.join(ledger.rename({"source": "via"}), on="collection_id", how="left", maintain_order="left")
    searched = _find_payloads(reader, settings, found, rows)
    payloads = pl.concat([_select_leg_payloads(legs, leg_payloads), searched]).unique("row", keep="first")
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
            *PAYLOAD_COLUMNS,
        )
    )
    return append_clock_offsets(described, reader.read_table("clock"))


def _add_named_legs(
    reader: DatabaseReader, near: pl.DataFrame, scored: pl.DataFrame, slices: pl.DataFrame
) -> pl.DataFrame:
    """Add the legs that the call rules named for the slices: they may have ended before them."""
    named = slices["leg_rows"].explode().drop_nulls()
    missing = scored.filter(format_row_ids(scored, "call_leg").is_in(named.implode())).join(
        near, on=["source", "leg_id"], how="anti"
    )
    first, last = missing["answered_at"].min(), missing["ended_at"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return near
    among = {"leg_id": missing["leg_id"].to_list()}
    # The scored instants are corrected for clock offsets, the stored ones are not: read a correction's width more.
    span = (first - MAX_CLOCK_OFFSET, last + MAX_CLOCK_OFFSET)
    more = reader.read_table("call_leg", span=span, among=among, columns=near.columns)
    return pl.concat([near, more.join(missing, on=["source", "leg_id"], how="semi")])


def _select_leg_payloads(legs: pl.DataFrame, payloads: pl.DataFrame) -> pl.DataFrame:
    """Return the payloads of legs by row id: row, and `PAYLOAD_COLUMNS`."""
    ids = legs.select("source", "leg_id", row=format_row_ids(legs, "call_leg"))
    return ids.join(payloads, on=["source", "leg_id"]).select("row", *PAYLOAD_COLUMNS)


def _find_payloads(
    reader: DatabaseReader, settings: Settings, found: dict[str, pl.DataFrame], rows: pl.DataFrame
) -> pl.DataFrame:
    """Find collected states and events in the raw payloads: row, and `PAYLOAD_COLUMNS`."""
    search = PayloadSearch(reader, split_valid_sources(settings.sources, settings.country)[0])
    collected = set(rows.filter(pl.col("origin") != "import")["row"])
    matches: list[dict[str, str | None]] = []
    for table in ("agent_state", CALL_EVENT):
        stored_rows = found[table]
        for name, row in zip(
            format_row_ids(stored_rows, table), stored_rows.iter_rows(named=True), strict=True
        ):
            if name in collected:
                collected.remove(name)
                matches.append({"row": name, **search.find_payload(table, row)})
    return pl.DataFrame(matches, schema={"row": pl.String(), **PAYLOAD_COLUMNS})


def _read_call_events(reader: DatabaseReader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return every call event of the calls that legs belong to."""
    calls = legs.select("source", "call_id").drop_nulls().unique()
    columns = [*schema.get_table(CALL_EVENT).own_columns, *ROW_ORIGIN_COLUMNS]
    if calls.is_empty():
        return pl.DataFrame(schema={name: schema.get_table(CALL_EVENT).columns[name] for name in columns})
    events = reader.read_table(CALL_EVENT, among={"call_id": calls["call_id"].to_list()}, columns=columns)
    return events.join(calls, on=["source", "call_id"], how="semi", maintain_order="left")


def _read_agent_rows(reader: DatabaseReader, agent: str, span: TimeSpan) -> dict[str, pl.DataFrame]:
    """Read an agent's rows in a span by table, with the last state before it and the exemptions of their team."""
    login = reader.read_table("login", among={"agent_id": [agent]}, columns=["login"])
    team = reader.read_table("agent", among={"agent_id": [agent]}, columns=["team"])["team"].to_list()
    logins = [agent, *login["login"]]
    tables = ("schedule", "agent_state", "call_leg", "exemption")
    columns = {
        table: list(dict.fromkeys([*schema.get_table(table).own_columns, *ROW_ORIGIN_COLUMNS]))
        for table in tables
    }
    states = reader.read_states(span, logins, columns["agent_state"])
    exemptions = reader.read_table("exemption", span=span, columns=columns["exemption"])
    agent_id, team_name = pl.col("agent_id"), pl.col("team")
    return {
        "schedule": reader.read_table(
            "schedule", span=span, among={"agent_id": [agent]}, columns=columns["schedule"]
        ),
        "agent_state": states.filter(pl.col("at") < span[1]),
        "call_leg": reader.read_table(
            "call_leg", span=span, among={"login": logins}, columns=columns["call_leg"]
        ),
        "exemption": exemptions.filter(
            (agent_id == agent) | (agent_id.is_null() & (team_name.is_null() | team_name.is_in(team)))
        ),
    }


def _describe_rows(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows of any table in common columns: row table at until what source, and their origin."""
    start, end = row_text.find_time_columns(table)
    null = pl.lit(None, INSTANT)
    source = pl.col("source") if "source" in rows.columns else pl.lit(None, pl.String)
    return rows.select(
        format_row_ids(rows, table),
        pl.lit(table).alias("table"),
        (pl.col(start) if start else null).alias("at"),
        (pl.col(end) if end else null).alias("until"),
        row_text.build_row_text(table, IMPLIED_COLUMNS.get(table, ())).alias("what"),
        source.alias("source"),
        *ROW_ORIGIN_COLUMNS,
    )
