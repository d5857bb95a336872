"""Explain why every slice has its class: the rule that decided, and the input rows that the rules used.

A row is identified by its position in the frame that was given to `wfm.score`, counted from 0::

    slice        10:15 on_queue × break, call_driven
    schedule_row the row of the schedule that applies then      state_row, map_row  the transaction and its mapping
    rule_row     on_queue × break                               exemption_row       the exemption, if one applies
    leg_rows     the calls in progress, and those that the rule on overrunning calls used
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.time import INSTANT
from wfm.engine.adherence.classify import RULE_REACH_COLUMNS, build_rule_table, merge_logins
from wfm.engine.adherence.scoring import Score
from wfm.engine.inputs.dataset import LOGIN_KEY, Dataset
from wfm.engine.inputs.frames import Frame, InputFrames, read_frame
from wfm.engine.inputs.schedule import select_rows_in_force
from wfm.engine.inputs.state_timeline import (
    BEFORE_FIRST_ENTRY,
    EXPIRED_ENTRY,
    NO_LOGIN_ENTRY,
    find_mapping_rows,
)
from wfm.engine.time.axis import Axis, build_layer, overlay_layers, resolve_overlaps, spans_to_steps
from wfm.engine.time.codes import (
    CATEGORY_ENUM,
    NO_LOGIN_CODE,
    STATE_ENUM,
    UNKNOWN_CODE,
    UNMAPPED_CODE,
    fold_vendor_text,
)
from wfm.engine.time.units import us_to_seconds

DECISIONS: Final = (
    "not_scheduled",
    "not_counted",
    "unmapped",
    "expired",
    "not_covered",
    "covered_nowhere",
    "fits",
    "system",
    "approved",
    "call_overrun",
    "shifted_break",
    "out",
)
"""What decided a slice; the four before ``fits`` say why a state is unknown, ``out`` is what no rule excused."""

LOGIN_CHOICE_REASONS: Final = ("fits", "unmapped", "unknown", "order", "nobody", "rests")
"""Why the state of one of several logins was used: it is in adherence (or is unscheduled work); none is, and an unknown
or unmapped state goes before one that is out; none is, and it comes first in the order of the states in the glossary;
the agent held no login then; all other logins are at rest or were not the agent's then."""

STATE_ORIGINS: Final = ("said", "expired", "before_first", "nobody")
"""Where a state comes from: a transaction; one that expired unrenewed; none yet; no login at all."""

ROW_COLUMNS: Final = (
    "schedule_row",
    "activity_row",
    "state_row",
    "map_row",
    "login_row",
    "coverage_row",
    "rule_row",
    "exemption_row",
)


@dataclass(frozen=True)
class SliceDecisions:
    """The decision on every slice of an agent.

    slices: as `Score.slices`, also cut where another schedule row applies; then why (`DECISIONS`), `ROW_COLUMNS`,
        leg_rows (a list), source login (whose state was used), state_origin (`STATE_ORIGINS`), said_at (of state_row),
        won_by (`LOGIN_CHOICE_REASONS`; null where there is one login), counted, category, segment_start_at
        segment_end_at, uncovered_from_at uncovered_to_at (the bounds of a gap in coverage), and for the rules on
        overrunning calls and shifted breaks evidence_kind leg_ids begun_at call_end_at late_end_at until_at stop_at
        credit_s.
    login_states: the state of each of several logins: slice (counted from 0), source login state state_row said_at won.
    """

    slices: pl.DataFrame
    login_states: pl.DataFrame


def explain_slices(scored: Score, frames: Mapping[str, Frame | None], agent_id: str) -> SliceDecisions:
    """Explain why every slice of an agent has its class.

    Args:
        scored: the scored window.
        frames: the frames it was scored from, by the argument names of `wfm.score`.
        agent_id: the agent.

    Raises:
        InputError: a frame does not have the columns or values its table needs.
    """
    checked = {name: read_frame(frame, name) for name, frame in frames.items() if frame is not None}
    facts = Dataset.from_frames(InputFrames(**checked))
    cut = _cut_slices(scored, facts, build_rule_table(checked["rule"]), agent_id)
    cut = cut.pipe(_add_winning_login, scored, facts).pipe(_add_decision, scored)
    cut = (
        cut.pipe(_add_table_rows, checked, facts)
        .pipe(_add_call_rows, scored)
        .pipe(_add_coverage_row, facts, scored.axis)
    )
    return SliceDecisions(_select_output_columns(cut, scored.axis), _list_login_states(cut, facts, scored))


def _cut_slices(scored: Score, facts: Dataset, rules: pl.Series, agent_id: str) -> pl.DataFrame:
    """Cut the agent's slices at every change of schedule row, and add the state of every login."""
    axis, lines = scored.axis, scored.timelines
    slices = scored.slices().filter(pl.col("agent_id") == agent_id).drop("agent_id")
    agent = pl.lit(agent_id, axis.agents)
    spans = slices.select(
        key=axis.encode_key(agent, pl.col("start_at")),
        key_end=axis.encode_key(agent, pl.col("end_at")),
        slice=pl.int_range(pl.len(), dtype=pl.Int32),
    )
    decided = scored.slices_with_reasons.drop("key_end", "reason", "class")
    numbers = decided.select("key", decided=pl.int_range(pl.len(), dtype=pl.Int32))
    layers = [
        build_layer(spans_to_steps(spans, "slice", -1), "slice", axis, -1),
        build_layer(numbers, "decided", axis, -1),
        _build_schedule_layer(scored, facts),
        *lines.layers,
    ]
    cut = overlay_layers(layers, axis).filter(pl.col("slice") >= 0)
    facts_of_slice = decided.select("segment", "category", "counted", "approved", "system", "rule")[
        cut["decided"]
    ]
    cut = pl.concat([cut, facts_of_slice], how="horizontal")
    login_entries = cut.select(
        **{f"login_entry_{slot}": pl.col(f"entry_{slot}") for slot in range(lines.slot_count)}
    )
    if lines.slot_count == 1:
        cut = cut.with_columns(winner=pl.lit(0), rank_0=pl.lit(None, pl.Int32))
    merged = merge_logins(cut, lines.entries["code"], rules, lines.slot_count)
    return pl.concat([merged, login_entries, slices[cut["slice"]].drop("state")], how="horizontal")


def _build_schedule_layer(scored: Score, facts: Dataset) -> pl.DataFrame:
    """Build the layer ``schedule_row``: the schedule row that applies."""
    axis = scored.axis
    numbered = facts.schedule.with_columns(
        agent=pl.col("agent_id").cast(axis.agents), schedule_row=pl.int_range(pl.len(), dtype=pl.Int32)
    )
    spans = select_rows_in_force(numbered, scored.agent_zones, scored.as_of).select(
        "schedule_row",
        key=axis.encode_key(pl.col("agent"), pl.col("start_at")),
        key_end=axis.encode_key(pl.col("agent"), pl.col("end_at")),
    )
    return build_layer(
        spans_to_steps(resolve_overlaps(spans, "schedule_row"), "schedule_row", -1), "schedule_row", axis, -1
    )


def _add_winning_login(cut: pl.DataFrame, scored: Score, facts: Dataset) -> pl.DataFrame:
    """Add the login whose state was used: source login login_entry covered state_row said_at won_by."""
    slots, axis = scored.timelines.slot_count, scored.axis

    def of_winner(name: str) -> pl.Expr:
        columns = [f"{name}_{slot}" for slot in range(slots) if f"{name}_{slot}" in cut.columns]
        parts = [pl.when(pl.col("winner") == int(one.rpartition("_")[2])).then(one) for one in columns]
        return pl.coalesce(*parts, pl.lit(None, pl.Int32)) if parts else pl.lit(None, pl.Int32)

    # the thousands of the rank say why a login was used: see `merge_logins`
    rank = of_winner("rank") // pl.lit(slots)
    whose = (
        facts.number_logins(axis)
        .select("agent", *LOGIN_KEY, winner="slot")
        .unique(["agent", "winner"], keep="any")
    )
    cut = cut.with_columns(
        agent=axis.decode_agent(pl.col("key")),
        login_entry=of_winner("login_entry"),
        covered=of_winner("covered"),
        winner=pl.col("winner").cast(pl.Int32),
        won_by=pl.when(rank < 1000)
        .then(pl.lit("fits"))
        .when(rank == 1000)
        .then(pl.lit("unmapped"))
        .when(rank == 1001)
        .then(pl.lit("unknown"))
        .when(rank < 3000)
        .then(pl.lit("order"))
        .when(rank < 4000)
        .then(pl.lit("nobody"))
        .when(rank >= 4000)
        .then(pl.lit("rests")),
    ).join(whose, on=["agent", "winner"], how="left", maintain_order="left")
    return _add_state_row(cut, scored, facts)


def _add_state_row(cut: pl.DataFrame, scored: Score, facts: Dataset) -> pl.DataFrame:
    """Add state_row and said_at: the last transaction of the login; before its first one, that first one."""
    transactions = facts.agent_state.select(
        *LOGIN_KEY, said_at="at", state_row=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    transactions = transactions.sort("said_at", maintain_order=True)
    row = scored.timelines.entries["row"].cast(pl.Int64).gather(cut["login_entry"])
    at = scored.axis.decode_instant(pl.col("key")).alias("at")
    asked = cut.with_columns(at, current=row).with_row_index("position")
    # an asof join needs order of time; the position leads back to the order of the slices
    last = asked.select("position", "at", *LOGIN_KEY).sort("at", maintain_order=True)
    before = last.join_asof(
        transactions,
        left_on="at",
        right_on="said_at",
        by=LOGIN_KEY,
        strategy="backward",
        check_sortedness=False,
    )
    after = last.join_asof(
        transactions,
        left_on="at",
        right_on="said_at",
        by=LOGIN_KEY,
        strategy="forward",
        check_sortedness=False,
    )
    expired, first = pl.col("login_entry") == EXPIRED_ENTRY, pl.col("login_entry") == BEFORE_FIRST_ENTRY
    instants = facts.agent_state["at"]
    found = (
        asked.join(
            before.select("position", before="state_row"), on="position", how="left", maintain_order="left"
        )
        .join(after.select("position", after="state_row"), on="position", how="left", maintain_order="left")
        .with_columns(
            state_row=pl.when(expired).then("before").when(first).then("after").otherwise("current")
        )
    )
    return found.with_columns(said_at=instants.gather(found["state_row"])).drop(
        "position", "current", "before", "after"
    )


def _add_decision(cut: pl.DataFrame, scored: Score) -> pl.DataFrame:
    """Add why (`DECISIONS`) and state_origin (`STATE_ORIGINS`)."""
    code = scored.timelines.entries["code"].gather(cut["login_entry"])
    unknown = pl.col("state") == UNKNOWN_CODE
    why = (
        pl.when(pl.col("segment") == 0)
        .then(pl.lit("not_scheduled"))
        .when(~pl.col("counted"))
        .then(pl.lit("not_counted"))
        .when(pl.col("state") == UNMAPPED_CODE)
        .then(pl.lit("unmapped"))
        .when(unknown & (code == NO_LOGIN_CODE))
        .then(pl.lit("covered_nowhere"))
        .when(unknown & (pl.col("covered") == 0))
        .then(pl.lit("not_covered"))
        .when(unknown)
        .then(pl.lit("expired"))
        .when(pl.col("class") == "in")
        .then(pl.lit("fits"))
        .when(pl.col("rule").is_not_null())
        .then("rule")
        .when(pl.col("class").is_in(["system", "approved"]))
        .then(pl.col("class").cast(pl.String))
        .otherwise(pl.lit("out"))
    )
    state_origin = pl.col("login_entry").replace_strict(
        {EXPIRED_ENTRY: "expired", BEFORE_FIRST_ENTRY: "before_first", NO_LOGIN_ENTRY: "nobody"},
        default="said",
    )
    return cut.with_columns(why=why, state_origin=state_origin)


def _add_table_rows(cut: pl.DataFrame, checked: Mapping[str, pl.DataFrame], facts: Dataset) -> pl.DataFrame:
    """Add the rows of the tables that were consulted: activity, state map, login, rule, exemption."""
    row_number = pl.int_range(pl.len(), dtype=pl.Int64)
    activity = checked["activity"].select(
        folded=fold_vendor_text(pl.col("activity")), activity_row=row_number
    )
    rule = checked["rule"].select("category", "state", rule_row=row_number)
    mapped = find_mapping_rows(facts.agent_state, facts.state_map)
    number = (
        pl.when(pl.col("why") == "system").then("system").when(pl.col("why") == "approved").then("approved")
    )
    scheduled = pl.col("segment") > 0
    cut = cut.with_columns(
        pl.when(pl.col("schedule_row") >= 0).then("schedule_row").alias("schedule_row"),
        pl.col("state").cat.to(STATE_ENUM).cast(pl.String).alias("state"),
        pl.when(scheduled).then(pl.col("category").cast(CATEGORY_ENUM).cast(pl.String)).alias("category"),
        map_row=pl.when(pl.col("state_origin").is_in(["said", "expired"])).then(
            mapped.gather(cut["state_row"])
        ),
        exemption_row=number.cast(pl.Int64) - 1,
        folded=fold_vendor_text(pl.col("activity")),
    )
    kinds = activity.unique("folded", keep="last", maintain_order=True)
    rules = rule.unique(["category", "state"], keep="last", maintain_order=True)
    return (
        cut.join(kinds, on="folded", how="left", maintain_order="left")
        .join(rules, on=["category", "state"], how="left", maintain_order="left")
        .pipe(_add_login_row, facts)
    )


def _add_login_row(cut: pl.DataFrame, facts: Dataset) -> pl.DataFrame:
    """Add login_row: the row of table login that gave the login to the agent then."""
    holders = facts.login.select(
        *LOGIN_KEY, "from_at", "to_at", agent_id="agent_id", login_row=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    asked = cut.select(
        *LOGIN_KEY, "at", agent_id=pl.col("agent").cast(pl.String), position=pl.int_range(pl.len())
    )
    found = (
        asked.join(holders, on=[*LOGIN_KEY, "agent_id"])
        .filter(
            pl.col("from_at").is_null() | (pl.col("from_at") <= pl.col("at")),
            pl.col("to_at").is_null() | (pl.col("to_at") > pl.col("at")),
        )
        .group_by("position")
        .agg(pl.col("login_row").last())
    )
    return cut.with_columns(position=pl.int_range(pl.len())).join(
        found, on="position", how="left", maintain_order="left"
    )


def _add_call_rows(cut: pl.DataFrame, scored: Score) -> pl.DataFrame:
    """Add leg_rows, the bounds of the segment, and the evidence of the rules on calls."""
    bounds = scored.segments.select("segment", segment_key="key", segment_end="key_end")
    cut = cut.join(bounds, on="segment", how="left", maintain_order="left").join(
        scored.call_evidence.with_columns(driven=True), on="segment", how="left", maintain_order="left"
    )
    is_call_driven = pl.col("why").is_in(["call_overrun", "shifted_break"])
    cut = cut.with_columns(
        pl.when(is_call_driven).then(pl.col(name)).alias(name)
        for name in (*RULE_REACH_COLUMNS, "leg_ids", "evidence_kind")
    )
    legs = scored.call_legs.select("row", "leg_id", leg_key="key", leg_end="key_end")
    now = cut.select("position", "key", begun=pl.coalesce("begun", "key"))
    # a leg that ended before the slice still counts if the call rule used it
    overlaps = (pl.col("leg_key") < pl.col("begun")) & (pl.col("leg_end") > pl.col("begun"))
    found = now.join_where(
        legs, pl.col("leg_key") <= pl.col("key"), pl.col("leg_end") > pl.col("begun")
    ).filter(overlaps | (pl.col("leg_end") > pl.col("key")))
    rows = (
        found.sort("position", "leg_key")
        .group_by("position")
        .agg(leg_rows=pl.col("row").cast(pl.Int64).unique(maintain_order=True))
    )
    return cut.join(rows, on="position", how="left", maintain_order="left").with_columns(
        pl.col("leg_rows").fill_null(pl.lit([], pl.List(pl.Int64)))
    )


def _add_coverage_row(cut: pl.DataFrame, facts: Dataset, axis: Axis) -> pl.DataFrame:
    """Add coverage_row; without coverage uncovered_from_at and uncovered_to_at, the bounds of the gap."""
    if facts.coverage is None:
        none = pl.lit(None, INSTANT)
        return cut.with_columns(
            coverage_row=pl.lit(None, pl.Int64), uncovered_from_at=none, uncovered_to_at=none
        )
    covered = facts.coverage.select(
        "source", "start_at", "end_at", coverage_row=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    asked = cut.select("position", "source", "at", ends=axis.decode_instant(pl.col("key_end")))
    pairs = asked.join(covered, on="source")
    covers = (pl.col("start_at") <= pl.col("at")) & (pl.col("end_at") >= pl.col("ends"))
    reaches = (pl.col("start_at") <= pl.col("at")) & (pl.col("end_at") > pl.col("at"))
    found = pairs.group_by("position").agg(
        coverage_row=pl.coalesce(
            pl.col("coverage_row").filter(covers).first(), pl.col("coverage_row").filter(reaches).first()
        ),
        uncovered_from_at=pl.col("end_at").filter(pl.col("end_at") <= pl.col("at")).max(),
        uncovered_to_at=pl.col("start_at").filter(pl.col("start_at") >= pl.col("ends")).min(),
    )
    cut = cut.join(found, on="position", how="left", maintain_order="left")
    is_uncovered = pl.col("why") == "not_covered"
    return cut.with_columns(
        pl.when(is_uncovered).then(pl.col(name)).alias(name)
        for name in ("uncovered_from_at", "uncovered_to_at")
    )


def _select_output_columns(cut: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """Select the columns of `SliceDecisions.slices`, with instants and seconds for keys and microseconds."""
    instants = {
        f"{name}_at": axis.decode_instant(pl.col(name)) for name in RULE_REACH_COLUMNS if name != "credit"
    }
    return cut.select(
        pl.col("agent").cast(pl.String).alias("agent_id"),
        axis.decode_instant(pl.col("key")).alias("start_at"),
        axis.decode_instant(pl.col("key_end")).alias("end_at"),
        "activity",
        "state",
        "vendor_state",
        "class",
        "reason",
        "leg_id",
        "why",
        *(pl.col(name).cast(pl.Int64) for name in ROW_COLUMNS),
        "leg_rows",
        *LOGIN_KEY,
        "state_origin",
        "said_at",
        "won_by",
        "counted",
        "category",
        "evidence_kind",
        "leg_ids",
        "uncovered_from_at",
        "uncovered_to_at",
        segment_start_at=axis.decode_instant(pl.col("segment_key")),
        segment_end_at=axis.decode_instant(pl.col("segment_end")),
        **instants,
        credit_s=us_to_seconds(pl.col("credit")),
    )


def _list_login_states(cut: pl.DataFrame, facts: Dataset, scored: Score) -> pl.DataFrame:
    """List the state of each login of an agent with several, slice by slice."""
    slots = scored.timelines.slot_count
    whose = (
        facts.number_logins(scored.axis)
        .select("agent", *LOGIN_KEY, "slot")
        .unique(["agent", "slot"], keep="any")
    )
    parts = []
    for slot in range(slots if slots > 1 else 0):
        of_login = cut.select(
            "agent",
            "key",
            slice="position",
            login_entry=f"login_entry_{slot}",
            code=f"state_{slot}",
            won=pl.col("winner") == slot,
            slot=pl.lit(slot, pl.Int32),
        )
        of_login = of_login.filter(pl.col("code") < len(glossary.STATES)).join(
            whose, on=["agent", "slot"], maintain_order="left"
        )
        parts.append(_add_state_row(of_login, scored, facts))
    if not parts:
        return pl.DataFrame(schema=LOGIN_STATE_DTYPES)
    states = pl.concat(parts).with_columns(state=pl.col("code").cat.to(STATE_ENUM).cast(pl.String))
    in_order = states.sort("slice", "won", descending=[False, True], maintain_order=True)
    return in_order.select(pl.col(name).cast(dtype) for name, dtype in LOGIN_STATE_DTYPES.items())


LOGIN_STATE_DTYPES: Final = {
    "slice": pl.Int64(),
    "source": pl.String(),
    "login": pl.String(),
    "state": pl.String(),
    "state_row": pl.Int64(),
    "said_at": INSTANT,
    "won": pl.Boolean(),
}
