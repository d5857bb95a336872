"""Agent-state transactions → one gap-free line of states for every login of every agent.

::

    transactions   08:00 Available   09:55 Busy  10:06 Break          (a vendor's words, stored as they came)
    line of login  ..logged_out|available|busy|break..........
    coverage                  |######### ... ####|                     (what was watched; elsewhere: unknown)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.engine.codes import LOGGED_OUT, NO_LOGIN, NOBODY, STATE, UNKNOWN, UNMAPPED, fold
from wfm.engine.spans import Axis, layer, steps, union

EVERY_SOURCE = "*"
MOST_LOOKED_UP = 10_000_000
NONE, EXPIRED, BEFORE_FIRST, NO_LOGIN_SPEAKS = 0, 1, 2, 3
"""The first entries of `Lines.entries`: no such login, a lost logout, nothing said yet, nobody to say anything."""


@dataclass(frozen=True)
class Lines:
    """The state lines of all agents, one slot for each of an agent's logins.

    entries: code (UInt8), vendor_state, vendor_reason, row (of the transaction, null for the first four).
    layers: per slot a layer ``entry_<slot>`` of indices into ``entries`` and, where anything was not watched, a layer
        ``watched_<slot>``.
    """

    entries: pl.DataFrame
    layers: list[pl.DataFrame]
    slots: int


def number(frame: pl.DataFrame, words: list[str]) -> tuple[pl.Series, int]:
    """Give rows with the same words the same whole number below the returned size; empty words count as words."""
    numbers, size = pl.Series([0], dtype=pl.Int64).new_from_index(0, frame.height), 1
    for word in words:
        column = frame[word]
        if column.null_count() == frame.height:
            continue
        known = pl.Enum(column.unique().drop_nulls().sort())
        code = (column.cast(known).to_physical().cast(pl.Int64) + 1).fill_null(0)
        numbers, size = numbers * (len(known.categories) + 1) + code, size * (len(known.categories) + 1)
    return numbers, size


def map_states(agent_state: pl.DataFrame, state_map: pl.DataFrame) -> pl.Series:
    """Say what each vendor state means, as codes; the most particular mapping wins.

    A row for the source beats one for every source (``*``); a row with the vendor's reason beats one without.

    Args:
        agent_state: source, vendor_state, vendor_reason.
        state_map: source, vendor_state, vendor_reason, state; a later row beats an earlier one.
    """
    said, numbers, size = _said(agent_state)
    best = _best(said, state_map)
    codes = said.select("number").join(best.select("number", "code"), on="number", how="left").sort("number")
    if size <= MOST_LOOKED_UP:
        everything = pl.DataFrame({"number": pl.int_range(size, eager=True)})
        meaning = everything.join(codes, on="number", how="left", maintain_order="left")["code"]
        return meaning.gather(numbers).fill_null(UNMAPPED)
    return (
        pl.DataFrame({"number": numbers}).join(codes, on="number", how="left", maintain_order="left")["code"]
    ).fill_null(UNMAPPED)


def mapped_by(agent_state: pl.DataFrame, state_map: pl.DataFrame) -> pl.Series:
    """Name the row of the state map that decides each vendor state, counted from 0; null where none does.

    Arguments as for `map_states`.
    """
    said, numbers, _ = _said(agent_state)
    best = _best(said, state_map).select("number", pl.col("rank").cast(pl.Int64))
    asked = pl.DataFrame({"number": numbers})
    return asked.join(best, on="number", how="left", maintain_order="left")["rank"]


def _said(agent_state: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, int]:
    """Give every different thing said (source vendor_state vendor_reason, folded) its number; and each row's number."""
    words = ["source", "vendor_state", "vendor_reason"]
    numbers, size = number(agent_state, words)
    said = (
        agent_state.select(*words, number=numbers)
        .unique("number", keep="any")
        .with_columns(fold(pl.col("vendor_state")), fold(pl.col("vendor_reason")))
    )
    return said, numbers, size


def _best(said: pl.DataFrame, state_map: pl.DataFrame) -> pl.DataFrame:
    """Find for each thing said the row that maps it: number, code, rank (where the row stands); unmapped ones lack."""
    known = state_map.with_row_index("rank").with_columns(
        fold(pl.col("vendor_state")),
        fold(pl.col("vendor_reason")),
        code=pl.col("state").cast(STATE).to_physical().cast(pl.UInt8),
    )
    any_source, any_reason = pl.col("source_map") == EVERY_SOURCE, pl.col("vendor_reason_map").is_null()
    fits = (any_source | (pl.col("source_map") == pl.col("source"))) & (
        any_reason | (pl.col("vendor_reason_map") == pl.col("vendor_reason"))
    )
    return (
        said.join(known, on="vendor_state", suffix="_map")
        .filter(fits)
        .sort(~any_reason, ~any_source, "rank")
        .group_by("number", maintain_order=True)
        .last()
    )


def state_lines(
    agent_state: pl.DataFrame,
    logins: pl.DataFrame,
    coverage: pl.DataFrame | None,
    axis: Axis,
    *,
    renewal: timedelta,
) -> Lines:
    """Draw the state line of every login and say where it was watched.

    Args:
        agent_state: source, login, at, vendor_state, vendor_reason, code, row; in order of arrival.
        logins: agent (Enum), slot, source, login, from_at, to_at (null = open): whose login it is, and when.
        coverage: source, start_at, end_at; None = everything was watched.
        axis: the axis to place them on.
        renewal: a state other than logged_out that no transaction has renewed for so long is unknown from then on.
    """
    origin, end = _edges(axis)
    silent = logins.join(agent_state, on=["source", "login"], how="anti", nulls_equal=True).with_columns(
        at=origin,
        until=end,
        entry=pl.when(pl.col("login").is_null()).then(NO_LOGIN_SPEAKS).otherwise(BEFORE_FIRST).cast(pl.Int32),
    )
    heard = _login_spans(agent_state, axis, renewal).join(logins, on=["source", "login"])
    placed = pl.concat([silent, heard], how="diagonal").select(
        "slot",
        "entry",
        key=axis.key(pl.col("agent"), pl.max_horizontal("at", "from_at")),
        key_end=axis.key(pl.col("agent"), pl.min_horizontal("until", "to_at")),
    )
    slots = 1 + max(logins["slot"].to_list(), default=0)
    layers = []
    for slot in range(slots):
        name = f"entry_{slot}"
        mine = placed.filter(pl.col("slot") == slot).select("key", "key_end", pl.col("entry").alias(name))
        layers.append(layer(steps(mine, name, NONE), name, axis, NONE))
    if coverage is not None:
        layers += _watched(logins, coverage, axis, slots)
    return Lines(_entries(agent_state), layers, slots)


def _edges(axis: Axis) -> tuple[pl.Expr, pl.Expr]:
    instant = pl.Datetime("us", "UTC")
    return pl.lit(axis.origin, pl.Int64).cast(instant), pl.lit(axis.end, pl.Int64).cast(instant)


def _watched(logins: pl.DataFrame, coverage: pl.DataFrame, axis: Axis, slots: int) -> list[pl.DataFrame]:
    """Make the layers ``watched_<slot>``: 1 where the login's source was observed.

    An agent without any login is watched where every source is: anywhere else they may have been at work unseen.
    """
    columns = ["source", "start_at", "end_at"]
    watches = coverage.select(columns)
    if logins["source"].null_count():
        watches = pl.concat([watches, where_all_watch(watches)])
    layers = []
    for slot in range(slots):
        name = f"watched_{slot}"
        spans = (
            logins.filter(pl.col("slot") == slot)
            .select("agent", "source")
            .join(watches, on="source", nulls_equal=True)
            .select(
                key=axis.key(pl.col("agent"), pl.col("start_at")),
                key_end=axis.key(pl.col("agent"), pl.col("end_at")),
            )
        )
        ones = union(spans).with_columns(pl.lit(1, pl.Int8).alias(name))
        layers.append(layer(steps(ones, name, 0), name, axis, 0))
    return layers


def where_all_watch(coverage: pl.DataFrame) -> pl.DataFrame:
    """Intersect the coverage of all sources; the result has no source."""
    sources = coverage["source"].n_unique()
    merged = [
        union(part.select(key=pl.col("start_at").dt.epoch("us"), key_end=pl.col("end_at").dt.epoch("us")))
        for part in coverage.partition_by("source")
    ]
    if not merged:
        return coverage
    spans = pl.concat(merged)
    change = pl.concat([spans.select(key="key", n=pl.lit(1)), spans.select(key="key_end", n=pl.lit(-1))])
    instant = pl.Datetime("us", "UTC")
    return (
        change.group_by("key")
        .agg(pl.col("n").sum())
        .sort("key")
        .select(
            source=pl.lit(None, pl.String),
            start_at=pl.col("key").cast(instant),
            end_at=pl.col("key").shift(-1).cast(instant),
            n=pl.col("n").cum_sum(),
        )
        .filter(pl.col("n") == sources)
        .drop("n")
    )


def _entries(agent_state: pl.DataFrame) -> pl.DataFrame:
    own = agent_state.select("code", "vendor_state", "vendor_reason", "row")
    special = pl.DataFrame({"code": [NO_LOGIN, UNKNOWN, LOGGED_OUT, NOBODY]}, schema={"code": pl.UInt8})
    return pl.concat([special, own], how="diagonal")


def _login_spans(agent_state: pl.DataFrame, axis: Axis, renewal: timedelta) -> pl.DataFrame:
    """Give every login's states as spans: source, login, at, until, entry; from the axis' origin to its end."""
    origin, end = _edges(axis)
    who, _ = number(agent_state, ["source", "login"])
    rows = agent_state.select("at", "code", who=who, entry=pl.int_range(4, pl.len() + 4, dtype=pl.Int32))
    names = agent_state.select("source", "login", who=who).unique("who", keep="any")
    new = pl.col("who") != pl.col("who").shift(1)
    if not rows.select(
        (new | (pl.col("at") >= pl.col("at").shift(1))).all() & (new.sum() < names.height)
    ).item():
        rows = rows.sort("who", "at", maintain_order=True)
    same = pl.col("who") == pl.col("who").shift(-1)
    rows = (
        rows.filter(~(same & (pl.col("at") == pl.col("at").shift(-1))).fill_null(False))
        .with_columns(until=pl.when(same).then(pl.col("at").shift(-1)).otherwise(end))
        .with_columns(lost=(pl.col("code") != LOGGED_OUT) & (pl.col("until") - pl.col("at") > renewal))
    )
    lost_at = pl.col("at") + renewal
    expired = rows.filter("lost").select("who", at=lost_at, until="until", entry=pl.lit(EXPIRED, pl.Int32))
    rows = rows.with_columns(until=pl.when("lost").then(lost_at).otherwise("until"))
    first = rows.filter((pl.col("who") != pl.col("who").shift(1)).fill_null(True)).select(
        "who", at=origin, until="at", entry=pl.lit(BEFORE_FIRST, pl.Int32)
    )
    columns = ["who", "at", "until", "entry"]
    spans = pl.concat([first.select(columns), rows.select(columns), expired.select(columns)])
    return spans.join(names, on="who")
