"""Turn agent-state transactions into a gap-free state timeline for every login of every agent.

::

    transactions   08:00 Available   09:55 Busy  10:06 Break          (vendor states, as stored)
    timeline       ..logged_out|available|busy|break..........
    coverage                  |######### ... ####|                     (outside of it: unknown)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.time.axis import Axis, build_layer, merge_spans, spans_to_steps
from wfm.engine.time.codes import (
    EMPTY_SLOT_CODE,
    LOGGED_OUT_CODE,
    NO_LOGIN_CODE,
    STATE_ENUM,
    UNKNOWN_CODE,
    UNMAPPED_CODE,
    fold_vendor_text,
)

EVERY_SOURCE = "*"
MAX_LOOKUP_TABLE_SIZE = 10_000_000
NO_ENTRY, EXPIRED_ENTRY, BEFORE_FIRST_ENTRY, NO_LOGIN_ENTRY = 0, 1, 2, 3
"""The first entries of `StateTimelines.entries`: no login in this slot; a state that no transaction renewed in time; no
transaction yet; an agent without any login."""


@dataclass(frozen=True)
class StateTimelines:
    """The state timelines of all agents, one slot for each of an agent's logins.

    entries: code (UInt8), vendor_state, vendor_reason, row (of the transaction, null for the first four).
    layers: per slot a layer ``entry_<slot>`` of indices into ``entries`` and, where coverage is given, a layer
        ``covered_<slot>``.
    slot_count: logins of the agent who has most.
    """

    entries: pl.DataFrame
    layers: list[pl.DataFrame]
    slot_count: int


def number_distinct_rows(frame: pl.DataFrame, columns: list[str]) -> tuple[pl.Series, int]:
    """Return a number for every row, equal where all ``columns`` are equal, and a bound that all numbers are below.

    Null counts as a value of its own. This is much faster than hashing rows of several strings.
    """
    numbers, size = pl.Series([0], dtype=pl.Int64).new_from_index(0, frame.height), 1
    for name in columns:
        column = frame[name]
        if column.null_count() == frame.height:
            continue
        kinds = pl.Enum(column.unique().drop_nulls().sort())
        code = (column.cast(kinds).to_physical().cast(pl.Int64) + 1).fill_null(0)
        numbers, size = numbers * (len(kinds.categories) + 1) + code, size * (len(kinds.categories) + 1)
    return numbers, size


def map_states(agent_state: pl.DataFrame, state_map: pl.DataFrame) -> pl.Series:
    """Return the code of the state that each vendor state is mapped to; the most specific mapping wins.

    A mapping with the vendor's reason beats one without; then one for the source beats one for every source (``*``).

    Args:
        agent_state: source, vendor_state, vendor_reason.
        state_map: source, vendor_state, vendor_reason, state; a later row beats an earlier one.
    """
    distinct, numbers, size = _list_vendor_states(agent_state)
    best = _select_mappings(distinct, state_map)
    codes = (
        distinct.select("number").join(best.select("number", "code"), on="number", how="left").sort("number")
    )
    # a gather from a table is faster than a join of millions of transactions
    if size <= MAX_LOOKUP_TABLE_SIZE:
        every_number = pl.DataFrame({"number": pl.int_range(size, eager=True)})
        code_by_number = every_number.join(codes, on="number", how="left", maintain_order="left")["code"]
        return code_by_number.gather(numbers).fill_null(UNMAPPED_CODE)
    return (
        pl.DataFrame({"number": numbers}).join(codes, on="number", how="left", maintain_order="left")["code"]
    ).fill_null(UNMAPPED_CODE)


def find_mapping_rows(agent_state: pl.DataFrame, state_map: pl.DataFrame) -> pl.Series:
    """Return the row of the state map that applies to each vendor state, counted from 0; null where none does.

    Arguments as for `map_states`.
    """
    distinct, numbers, _ = _list_vendor_states(agent_state)
    best = _select_mappings(distinct, state_map).select("number", pl.col("rank").cast(pl.Int64))
    asked = pl.DataFrame({"number": numbers})
    return asked.join(best, on="number", how="left", maintain_order="left")["rank"]


def _list_vendor_states(agent_state: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, int]:
    """Return the distinct vendor states with their number, the number of every row, and a bound of the numbers.

    Distinct by source, vendor_state and vendor_reason; the latter two folded.
    """
    columns = ["source", "vendor_state", "vendor_reason"]
    numbers, size = number_distinct_rows(agent_state, columns)
    distinct = (
        agent_state.select(*columns, number=numbers)
        .unique("number", keep="any")
        .with_columns(fold_vendor_text(pl.col("vendor_state")), fold_vendor_text(pl.col("vendor_reason")))
    )
    return distinct, numbers, size


def _select_mappings(distinct: pl.DataFrame, state_map: pl.DataFrame) -> pl.DataFrame:
    """Return the mapping that applies to each distinct vendor state: number, code, rank (its row).

    States without a mapping are left out.
    """
    mappings = state_map.with_row_index("rank").with_columns(
        fold_vendor_text(pl.col("vendor_state")),
        fold_vendor_text(pl.col("vendor_reason")),
        code=pl.col("state").cast(STATE_ENUM).to_physical().cast(pl.UInt8),
    )
    any_source, any_reason = pl.col("source_map") == EVERY_SOURCE, pl.col("vendor_reason_map").is_null()
    fits = (any_source | (pl.col("source_map") == pl.col("source"))) & (
        any_reason | (pl.col("vendor_reason_map") == pl.col("vendor_reason"))
    )
    return (
        distinct.join(mappings, on="vendor_state", suffix="_map")
        .filter(fits)
        .sort(~any_reason, ~any_source, "rank")
        .group_by("number", maintain_order=True)
        .last()
    )


def build_state_timelines(
    agent_state: pl.DataFrame,
    logins: pl.DataFrame,
    coverage: pl.DataFrame | None,
    axis: Axis,
    *,
    renewal: timedelta,
) -> StateTimelines:
    """Build the state timeline of every login, and its coverage.

    Args:
        agent_state: source, login, at, vendor_state, vendor_reason, code, row; in order of arrival.
        logins: agent (Enum), slot, source, login, from_at, to_at (null: open): the agents who held them, and when.
        coverage: source, start_at, end_at; None: everything is covered.
        axis: the axis of the keys.
        renewal: a state other than logged_out is unknown once no transaction has renewed it for so long.
    """
    origin, end = _list_axis_bounds(axis)
    # a login without any transaction counts as logged out all the time
    without = logins.join(agent_state, on=["source", "login"], how="anti", nulls_equal=True).with_columns(
        at=origin,
        until=end,
        entry=pl.when(pl.col("login").is_null())
        .then(NO_LOGIN_ENTRY)
        .otherwise(BEFORE_FIRST_ENTRY)
        .cast(pl.Int32),
    )
    with_states = _build_login_spans(agent_state, axis, renewal).join(logins, on=["source", "login"])
    spans = pl.concat([without, with_states], how="diagonal").select(
        "slot",
        "entry",
        key=axis.encode_key(pl.col("agent"), pl.max_horizontal("at", "from_at")),
        key_end=axis.encode_key(pl.col("agent"), pl.min_horizontal("until", "to_at")),
    )
    slots = 1 + max(logins["slot"].to_list(), default=0)
    layers = []
    for slot in range(slots):
        name = f"entry_{slot}"
        of_slot = spans.filter(pl.col("slot") == slot).select("key", "key_end", pl.col("entry").alias(name))
        layers.append(build_layer(spans_to_steps(of_slot, name, NO_ENTRY), name, axis, NO_ENTRY))
    if coverage is not None:
        layers += _build_coverage_layers(logins, coverage, axis, slots)
    return StateTimelines(_list_entries(agent_state), layers, slots)


def _list_axis_bounds(axis: Axis) -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(axis.origin_us, pl.Int64).cast(INSTANT), pl.lit(axis.end_us, pl.Int64).cast(INSTANT)


def _build_coverage_layers(
    logins: pl.DataFrame, coverage: pl.DataFrame, axis: Axis, slots: int
) -> list[pl.DataFrame]:
    """Build the layers ``covered_<slot>``: 1 where the login's source is covered.

    An agent without any login is covered where every source is: elsewhere they may have worked without a record of it.
    """
    columns = ["source", "start_at", "end_at"]
    covered = coverage.select(columns)
    if logins["source"].null_count():
        covered = pl.concat([covered, intersect_coverage(covered)])
    layers = []
    for slot in range(slots):
        name = f"covered_{slot}"
        spans = (
            logins.filter(pl.col("slot") == slot)
            .select("agent", "source")
            .join(covered, on="source", nulls_equal=True)
            .select(
                key=axis.encode_key(pl.col("agent"), pl.col("start_at")),
                key_end=axis.encode_key(pl.col("agent"), pl.col("end_at")),
            )
        )
        ones = merge_spans(spans).with_columns(pl.lit(1, pl.Int8).alias(name))
        layers.append(build_layer(spans_to_steps(ones, name, 0), name, axis, 0))
    return layers


def intersect_coverage(coverage: pl.DataFrame) -> pl.DataFrame:
    """Return the time in which every source is covered; ``source`` is null."""
    sources = coverage["source"].n_unique()
    merged = [
        merge_spans(
            part.select(key=pl.col("start_at").dt.epoch("us"), key_end=pl.col("end_at").dt.epoch("us"))
        )
        for part in coverage.partition_by("source")
    ]
    if not merged:
        return coverage
    spans = pl.concat(merged)
    change = pl.concat([spans.select(key="key", n=pl.lit(1)), spans.select(key="key_end", n=pl.lit(-1))])
    return (
        change.group_by("key")
        .agg(pl.col("n").sum())
        .sort("key")
        .select(
            source=pl.lit(None, pl.String),
            start_at=pl.col("key").cast(INSTANT),
            end_at=pl.col("key").shift(-1).cast(INSTANT),
            n=pl.col("n").cum_sum(),
        )
        .filter(pl.col("n") == sources)
        .drop("n")
    )


def _list_entries(agent_state: pl.DataFrame) -> pl.DataFrame:
    reported = agent_state.select("code", "vendor_state", "vendor_reason", "row")
    special = pl.DataFrame(
        {"code": [EMPTY_SLOT_CODE, UNKNOWN_CODE, LOGGED_OUT_CODE, NO_LOGIN_CODE]}, schema={"code": pl.UInt8}
    )
    return pl.concat([special, reported], how="diagonal")


def _build_login_spans(agent_state: pl.DataFrame, axis: Axis, renewal: timedelta) -> pl.DataFrame:
    """Return the states of every login as spans, from the axis' start to its end: source, login, at, until, entry."""
    origin, end = _list_axis_bounds(axis)
    login_number, _ = number_distinct_rows(agent_state, ["source", "login"])
    rows = agent_state.select(
        "at", "code", login_number=login_number, entry=pl.int_range(4, pl.len() + 4, dtype=pl.Int32)
    )
    names = agent_state.select("source", "login", login_number=login_number).unique(
        "login_number", keep="any"
    )
    new = pl.col("login_number") != pl.col("login_number").shift(1)
    # vendors report in order of login and time nearly always: checking that is cheaper than sorting
    if not rows.select(
        (new | (pl.col("at") >= pl.col("at").shift(1))).all() & (new.sum() < names.height)
    ).item():
        rows = rows.sort("login_number", "at", maintain_order=True)
    same = pl.col("login_number") == pl.col("login_number").shift(-1)
    rows = (
        # of several transactions at one instant the last one counts
        rows.filter(~(same & (pl.col("at") == pl.col("at").shift(-1))).fill_null(False))
        .with_columns(until=pl.when(same).then(pl.col("at").shift(-1)).otherwise(end))
        .with_columns(
            expires=(pl.col("code") != LOGGED_OUT_CODE) & (pl.col("until") - pl.col("at") > renewal)
        )
    )
    expired_at = pl.col("at") + renewal
    expired = rows.filter("expires").select(
        "login_number", at=expired_at, until="until", entry=pl.lit(EXPIRED_ENTRY, pl.Int32)
    )
    rows = rows.with_columns(until=pl.when("expires").then(expired_at).otherwise("until"))
    # before the first transaction the login is taken to be logged out
    first = rows.filter((pl.col("login_number") != pl.col("login_number").shift(1)).fill_null(True)).select(
        "login_number", at=origin, until="at", entry=pl.lit(BEFORE_FIRST_ENTRY, pl.Int32)
    )
    columns = ["login_number", "at", "until", "entry"]
    spans = pl.concat([first.select(columns), rows.select(columns), expired.select(columns)])
    return spans.join(names, on="login_number")
