"""Adherence exceptions: maximal runs out of adherence with one scheduled activity, one class and one reason."""

from __future__ import annotations

import polars as pl

from wfm.core import glossary
from wfm.core.time import US_PER_SECOND, local_date
from wfm.engine.time.axis import Axis, find_run_end, find_run_start
from wfm.engine.time.codes import (
    IMPACT_ENUM,
    REASON_ENUM,
    STATE_CODES,
    STATE_ENUM,
    is_queue_state,
    is_rest_state,
)

EXCEPTION_COLUMNS = (
    "agent_id",
    "workday",
    "start_at",
    "end_at",
    "seconds",
    "activity",
    "state",
    "vendor_state",
    "class",
    "reason",
    "evidence",
    "evidence_kind",
    "impact",
)
"""The columns of adherence exceptions as users get them, from a score and from a live score alike."""
MAX_GAP_WITHIN_SHIFT_US = glossary.SHIFT_GAP_S * US_PER_SECOND
"""Work outside the schedule belongs to a shift that is no further away."""


def assign_reasons(slices: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """Add ``reason`` to every slice out of adherence; approved and system ones get the reason without the exemption.

    Rests are followed across segments and classes, so that a break with an early start and a late end is one rest::

        schedule   on queue |break| on queue
        state      ....rest.|.rest|.rest|available
        reason     early_break     long_break

    Args:
        slices: gap-free per agent: key, key_end, segment, category, state, class, out, rule.
        segments: as from `wfm.engine.inputs.schedule.build_segments`.
    """
    resting, working = is_rest_state(), is_queue_state()
    off = pl.col("out") & ~working
    new_segment = pl.col("segment") != pl.col("segment").shift(1)
    shifts = _describe_shifts(slices, segments)
    in_break = resting & pl.col("category").is_in(["break", "meal"])
    slices = slices.with_columns(
        rest_from=find_run_start(resting),
        rest_to=find_run_end(resting),
        off_from=find_run_start(off, new_segment),
        off_to=find_run_end(off, new_segment),
        break_end=pl.when(in_break & new_segment.shift(-1).fill_null(True))
        .then(pl.col("key_end"))
        .forward_fill(),
        break_start=pl.when(in_break & new_segment.fill_null(True))
        .then(pl.col("key"))
        .backward_fill()
        .shift(-1),
    ).join(shifts, on="segment", how="left", maintain_order="left")
    # a rest that reaches over the start or end of a shift is judged by its whole length
    start, end = pl.col("shift_key"), pl.col("shift_end")
    # of several reasons that fit, the first of these is given: from the whole shift down to the single second
    reason = (
        pl.when(pl.col("rule").is_not_null())
        .then(pl.col("rule"))
        .when(~pl.col("out"))
        .then(None)
        .when("absent")
        .then(pl.lit("absent"))
        .when(off & ~pl.col("at_work") & ((pl.col("off_from") == start) | (pl.col("rest_from") <= start)))
        .then(pl.lit("late_start"))
        .when(off & ((pl.col("off_to") == end) | (pl.col("rest_to") >= end)))
        .then(pl.lit("early_leave"))
        .when(resting & (pl.col("break_start") < pl.min_horizontal("rest_to", end)))
        .then(pl.lit("early_break"))
        .when(
            resting
            & (pl.col("break_end") <= pl.col("key"))
            & (pl.col("break_end") > pl.max_horizontal("rest_from", start))
        )
        .then(pl.lit("long_break"))
        .when(working & pl.col("category").is_in(["break", "meal"]))
        .then(pl.lit("missed_break"))
        .when(pl.col("state") == STATE_CODES["no_answer"])
        .then(pl.lit("no_answer"))
        .otherwise(pl.lit("wrong_state"))
    )
    return slices.with_columns(reason.cast(REASON_ENUM).alias("reason")).drop(
        "rest_from",
        "rest_to",
        "off_from",
        "off_to",
        "break_end",
        "break_start",
        "shift_key",
        "shift_end",
        "absent",
        "at_work",
    )


def _describe_shifts(slices: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """Return for each segment whether its agent was absent from the shift, and whether at work just before it."""
    served = slices.filter(is_queue_state(), pl.col("segment") > 0).select("segment").unique()
    expected = (pl.col("category") == "on_queue").any()
    per_shift = (
        segments.join(served.with_columns(served=True), on="segment", how="left", maintain_order="left")
        .group_by("shift")
        .agg(absent=expected & ~pl.col("served").fill_null(False).any())
    )
    # an agent who works until the very start of the shift is not late
    begun = slices.filter(is_queue_state()).select(shift_key="key_end", at_work=True)
    return (
        segments.select("segment", "shift", "shift_key", "shift_end")
        .join(per_shift, on="shift", maintain_order="left")
        .join(begun, on="shift_key", how="left", maintain_order="left")
        .with_columns(pl.col("at_work").fill_null(False))
        .drop("shift")
    )


def build_exceptions(
    slices: pl.DataFrame,
    segments: pl.DataFrame,
    evidence: pl.DataFrame,
    exemption: pl.DataFrame,
    zone_of: pl.DataFrame,
    axis: Axis,
) -> pl.DataFrame:
    """Build adherence exceptions from slices with a reason.

    Args:
        slices: as from `assign_reasons`, with ``entry``.
        segments: as from `wfm.engine.inputs.schedule.build_segments`.
        evidence: segment, leg_ids, evidence_kind, as from `wfm.engine.adherence.classify.apply_call_rules`.
        exemption: number, label; the columns approved and system of ``slices`` refer to it. An exception that several
            exemptions excuse one after another lists each of them.
        zone_of: agent, zone.
        axis: the axis of the keys.

    Returns:
        key, key_end, agent, workday, activity, state (the one that lasted longest), entry (its first transaction),
        class, reason, evidence, evidence_kind, impact; in order of agent and time.
    """
    listed = pl.concat(
        [
            _find_exceptions_within_schedule(slices, segments, evidence, exemption),
            _find_unscheduled_work(slices, segments, zone_of, axis),
        ],
        how="diagonal",
    )
    excused = pl.col("labels").list.len() > 0
    return (
        listed.with_columns(
            evidence=pl.when(excused)
            .then("labels")
            .otherwise("leg_ids")
            .fill_null(pl.lit([], pl.List(pl.String))),
            evidence_kind=pl.when(excused).then(pl.lit("exemption")).otherwise("evidence_kind"),
        )
        .drop("labels", "leg_ids")
        .sort("key")
    )


def _find_exceptions_within_schedule(
    slices: pl.DataFrame, segments: pl.DataFrame, evidence: pl.DataFrame, exemption: pl.DataFrame
) -> pl.DataFrame:
    """Find the maximal runs of adjoining slices of one segment, class and reason, with labels of their exemptions."""
    number = pl.coalesce(pl.when(pl.col("class") == kind).then(kind) for kind in glossary.EXEMPTION_KINDS)
    out = (
        slices.filter(pl.col("reason").is_not_null())
        .with_columns(number=number)
        .join(exemption.select("number", "label"), on="number", how="left", maintain_order="left")
    )
    adjoins = pl.col("key_end").shift(1) == pl.col("key")
    same = adjoins & pl.all_horizontal(
        pl.col(name) == pl.col(name).shift(1) for name in ("segment", "class", "reason")
    )
    length = pl.col("key_end") - pl.col("key")
    runs = (
        out.with_columns(run=(~same.fill_null(False)).cum_sum(), length=length)
        .with_columns(in_state=pl.col("length").sum().over("run", "state"))
        .group_by("run")
        .agg(
            pl.col("key").first(),
            pl.col("key_end").last(),
            pl.col("segment", "class", "reason", "category").first(),
            pl.col("state", "entry").sort_by("in_state", descending=True, maintain_order=True).first(),
            labels=pl.col("label").drop_nulls().unique(maintain_order=True),
        )
    )
    working = is_queue_state()
    impact = (
        pl.when((pl.col("category") == "on_queue") & ~working)
        .then(pl.lit("negative"))
        .when((pl.col("category") != "on_queue") & working)
        .then(pl.lit("positive"))
        .otherwise(pl.lit("neutral"))
    )
    named = runs.join(
        segments.select("segment", "agent", "activity", "workday"),
        on="segment",
        how="left",
    ).with_columns(
        pl.col("activity").cast(pl.String),
        impact=impact.cast(IMPACT_ENUM),
        evidence_segment=pl.when(pl.col("class") == "call_driven").then("segment"),
    )
    return named.join(evidence, left_on="evidence_segment", right_on="segment", how="left").select(
        "key",
        "key_end",
        "agent",
        "workday",
        "activity",
        "state",
        "entry",
        "class",
        "reason",
        "labels",
        "leg_ids",
        "evidence_kind",
        "impact",
    )


def _find_unscheduled_work(
    slices: pl.DataFrame, segments: pl.DataFrame, zone_of: pl.DataFrame, axis: Axis
) -> pl.DataFrame:
    """Find work with nothing scheduled, as exceptions without a class."""
    work = is_queue_state() & (pl.col("segment") == 0)
    runs = (
        slices.select("key", "key_end", "state", "entry", run=find_run_start(work))
        .filter(pl.col("run").is_not_null())
        .with_columns(in_state=(pl.col("key_end") - pl.col("key")).sum().over("run", "state"))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("key_end").last(),
            pl.col("state", "entry").sort_by("in_state", descending=True, maintain_order=True).first(),
        )
        .rename({"run": "key"})
        .with_columns(agent=axis.decode_agent(pl.col("key")))
    )
    runs = runs.with_columns(assign_unscheduled_workdays(runs, segments, zone_of, axis))
    return runs.select(
        "key",
        "key_end",
        "agent",
        "workday",
        activity=pl.lit(None, pl.String),
        state="state",
        entry="entry",
        reason=pl.lit("unscheduled_work", REASON_ENUM),
        impact=pl.lit("positive", IMPACT_ENUM),
    )


def assign_unscheduled_workdays(
    runs: pl.DataFrame, segments: pl.DataFrame, zone_of: pl.DataFrame, axis: Axis
) -> pl.Series:
    """Return the workday of time with nothing scheduled: that of the shift it lies in or near, else its local date.

    Args:
        runs: agent, key, key_end; in order of key.
        segments, zone_of, axis: as for `build_exceptions`.
    """
    shifts = segments.select("shift_key", "shift_end", "workday", shift_agent="agent").unique(
        "shift_key", keep="first", maintain_order=True
    )
    same_agent = pl.col("shift_agent") == pl.col("agent")
    near = (
        runs.select("agent", "key", "key_end")
        .join_asof(shifts, left_on="key", right_on="shift_key", strategy="backward", check_sortedness=False)
        .with_columns(
            earlier=pl.when(
                same_agent & (pl.col("key") - pl.col("shift_end") <= MAX_GAP_WITHIN_SHIFT_US)
            ).then("workday")
        )
        .drop("shift_agent", "shift_key", "shift_end", "workday")
        .join_asof(
            shifts, left_on="key_end", right_on="shift_key", strategy="forward", check_sortedness=False
        )
        .with_columns(
            later=pl.when(
                same_agent & (pl.col("shift_key") - pl.col("key_end") <= MAX_GAP_WITHIN_SHIFT_US)
            ).then("workday")
        )
        .join(zone_of, on="agent", how="left", maintain_order="left")
    )
    own = local_date(axis.decode_instant(pl.col("key")), pl.col("zone"), zone_of["zone"].unique().to_list())
    return near.select(workday=pl.coalesce("earlier", "later", own))["workday"]


def decode_states(frame: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Replace state codes by ``state`` and entries by ``vendor_state``, both as words."""
    vendor_state = entries["vendor_state"].gather(frame["entry"])
    return frame.with_columns(pl.col("state").cat.to(STATE_ENUM), vendor_state=vendor_state)
