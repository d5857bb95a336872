"""The stored rows behind stretches of an agent's time: where each came from, and what the vendor said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm import schema
from wfm.core.time import INSTANT
from wfm.engine.grounds import ROWS
from wfm.jobs.clocks import say_shifts
from wfm.jobs.evidence import FOUND, Search, behind_legs
from wfm.jobs.scoring import PLACE
from wfm.jobs.sources import readable
from wfm.settings import Settings
from wfm.storage.reader import Reader, Span
from wfm.vendors import CALL_EVENT
from wfm.words import worded

SAID: Final[dict[str, tuple[str | None, str | None, tuple[str, ...]]]] = {
    "schedule": ("start_at", "end_at", ("activity",)),
    "agent_state": ("at", None, ("vendor_state", "vendor_reason")),
    "call_leg": ("started_at", "ended_at", ("leg_id", "queue_id", "outcome")),
    "exemption": ("start_at", "end_at", ("kind", "code", "note", "by")),
    CALL_EVENT: ("at", None, ("call_id", "kind")),
    "coverage": ("start_at", "end_at", ()),
    "login": ("from_at", "to_at", ("login", "agent_id")),
    "activity": (None, None, ("activity", "category")),
    "state_map": (None, None, ("vendor_state", "vendor_reason", "state")),
    "rule": (None, None, ("category", "state", "in_adherence")),
}
"""The tables behind an explained day: from when, until when, and what a row says."""
TABLE_OF: Final = {name: name.removesuffix("_row") for name in ROWS} | {
    "state_row": "agent_state",
    "map_row": "state_map",
}
"""Which table a column of ids is about."""
LONGEST_SHIFT: Final = timedelta(days=1)
"""No clock is put right by more."""
ASKED: Final = ("activity_row", "state_row", "map_row", "login_row", "rule_row")
"""Ids of rows that need not be about the agent's day."""


def row_ids(rows: pl.DataFrame, table: str) -> pl.Series:
    """Name stored rows: table/collection/row; those that come with wfm have no collection but ``default``."""
    collection = pl.col("collection_id").cast(pl.String).fill_null("default")
    made: pl.Series = rows.select(worded("{}/{}/{}", pl.lit(table), collection, "row_no").alias("row"))["row"]
    return made


def raw_rows(
    known: Reader, settings: Settings, agent: str, frames: Mapping[str, pl.DataFrame], slices: pl.DataFrame
) -> pl.DataFrame:
    """Return the stored rows behind slices, with the file and the row each came from and what the vendor said.

    Args:
        known, settings: whence.
        agent: whose slices.
        frames: what they were scored from, with the place of every row.
        slices: start_at end_at and ids of rows, as of `wfm.jobs.explaining.Explanation`.

    Returns:
        row (the id) table at until what source file_name collection_id row_no recorded_at, and `FOUND`.
    """
    span = (slices["start_at"][0], slices["end_at"][-1])
    found = _behind(known, agent, span)
    found["call_leg"] = legs = _legs(known, found["call_leg"], frames["call_leg"], slices)
    said = behind_legs(known, legs)
    found[CALL_EVENT] = _events(known, legs.join(said, on=["source", "leg_id"], how="anti"))
    for name in ASKED:
        table = TABLE_OF[name]
        used = frames[table].filter(row_ids(frames[table], table).is_in(slices[name].drop_nulls().implode()))
        found[table] = pl.concat([found[table], used], how="diagonal") if table in found else used
    found["coverage"] = frames["coverage"].filter(
        pl.col("source").is_in(slices["source"].drop_nulls().implode()),
        pl.col("start_at") < span[1],
        pl.col("end_at") > span[0],
    )
    brought = known.table("collection", columns=["collection_id", "file_name", "source", "origin"])
    rows = pl.concat([_told(found[table], table) for table in SAID]).unique(
        "row", keep="first", maintain_order=True
    )
    rows = rows.join(brought.rename({"source": "via"}), on="collection_id", how="left", maintain_order="left")
    searched = _searched(known, settings, found, rows)
    texts = pl.concat([_of_legs(legs, said), searched]).unique("row", keep="first")
    told = (
        rows.with_columns(source=pl.coalesce("source", "via"))
        .join(texts, on="row", how="left", maintain_order="left")
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
    return say_shifts(told, known.table("clock"))


def _legs(known: Reader, near: pl.DataFrame, scored: pl.DataFrame, slices: pl.DataFrame) -> pl.DataFrame:
    """Add to the legs near slices those that a rule on calls named for them, which may have ended before."""
    named = slices["leg_rows"].explode().drop_nulls()
    lacking = scored.filter(row_ids(scored, "call_leg").is_in(named.implode())).join(
        near, on=["source", "leg_id"], how="anti"
    )
    first, last = lacking["answered_at"].min(), lacking["ended_at"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return near
    among = {"leg_id": lacking["leg_id"].to_list()}
    span = (first - LONGEST_SHIFT, last + LONGEST_SHIFT)
    more = known.table("call_leg", span=span, among=among, columns=near.columns)
    return pl.concat([near, more.join(lacking, on=["source", "leg_id"], how="semi")])


def _of_legs(legs: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    ids = legs.select("source", "leg_id", row=row_ids(legs, "call_leg"))
    return ids.join(said, on=["source", "leg_id"]).select("row", *FOUND)


def _searched(
    known: Reader, settings: Settings, found: dict[str, pl.DataFrame], rows: pl.DataFrame
) -> pl.DataFrame:
    """Look up in the raw payloads what was collected of states and events: row, and `FOUND`."""
    search = Search(known, readable(settings.sources, settings.country)[0])
    collected = set(rows.filter(pl.col("origin") != "import")["row"])
    told: list[dict[str, str | None]] = []
    for table in ("agent_state", CALL_EVENT):
        stored_rows = found[table]
        for name, row in zip(row_ids(stored_rows, table), stored_rows.iter_rows(named=True), strict=True):
            if name in collected:
                collected.remove(name)
                told.append({"row": name, **search.find(table, row)})
    return pl.DataFrame(told, schema={"row": pl.String(), **FOUND})


def _events(known: Reader, legs: pl.DataFrame) -> pl.DataFrame:
    """Return everything that was said of the calls of legs that were put together from it."""
    calls = legs.select("source", "call_id").drop_nulls().unique()
    columns = [*schema.table(CALL_EVENT).own, *PLACE]
    if calls.is_empty():
        return pl.DataFrame(schema={name: schema.table(CALL_EVENT).columns[name] for name in columns})
    said = known.table(CALL_EVENT, among={"call_id": calls["call_id"].to_list()}, columns=columns)
    return said.join(calls, on=["source", "call_id"], how="semi", maintain_order="left")


def _behind(known: Reader, agent: str, span: Span) -> dict[str, pl.DataFrame]:
    """Read an agent's rows of every table; of the states the one before too, of exemptions the team's."""
    login = known.table("login", among={"agent_id": [agent]}, columns=["login"])
    team = known.table("agent", among={"agent_id": [agent]}, columns=["team"])["team"].to_list()
    logins = [agent, *login["login"]]
    tables = ("schedule", "agent_state", "call_leg", "exemption")
    columns = {table: list(dict.fromkeys([*schema.table(table).own, *PLACE])) for table in tables}
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


def _told(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Say rows of any table in the same columns."""
    at, until, what = SAID[table]
    none = pl.lit(None, INSTANT)
    source = pl.col("source") if "source" in rows.columns else pl.lit(None, pl.String)
    words = (
        pl.concat_str(pl.col(what).cast(pl.String), separator=" ", ignore_nulls=True) if what else pl.lit("")
    )
    return rows.select(
        row_ids(rows, table),
        pl.lit(table).alias("table"),
        (pl.col(at) if at else none).alias("at"),
        (pl.col(until) if until else none).alias("until"),
        words.alias("what"),
        source.alias("source"),
        *PLACE,
    )
