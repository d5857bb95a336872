"""Roll-ups by anything: against the walk over every second, finer against coarser, and awkward clocks by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import wfm
from helpers import slow_rollup
from helpers.drawn_days import Day, draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import AFTER, build_inputs, days_with_queues, find_window
from helpers.slow_twin import SUMS as TOLD
from helpers.slow_twin import slow_score
from wfm import defaults
from wfm.core import glossary
from wfm.core.errors import UsageError
from wfm.engine.adherence import shrinkage
from wfm.engine.adherence.classify import ADHERENCE_SUMS, CLASS_SUMS
from wfm.engine.adherence.rollup import GROUPINGS

lists = st.lists(st.sampled_from(GROUPINGS), max_size=5, unique=True)


def flags_of(day: Day) -> slow_rollup.Flags:
    """Say whether each activity is paid and what shrinkage it is."""
    found = {}
    for row in [*defaults.read_default_table("activity").to_dicts(), *day.tables["activity"].to_dicts()]:
        category, paid, flag = row["category"], row.get("paid"), row.get("shrinkage")
        found[row["activity"]] = (
            category in glossary.PAID_CATEGORIES if paid is None else paid,
            flag or ("planned" if category in glossary.PLANNED_SHRINKAGE_CATEGORIES else "none"),
        )
    return found


def whole(frame: pl.DataFrame, by: list[str], sums: Any) -> dict[tuple[Any, ...], list[float]]:
    """Give sums by group."""
    names = [name for name in sums if name in frame.columns]
    return {row[: len(by)]: list(row[len(by) :]) for row in frame.select(*by, *names).iter_rows()}


# --- against the walk -----------------------------------------------------------------------------------
WALKED = [name for name in GROUPINGS if name not in ("name", "site")]


@pytest.mark.slow
@slow_examples(60)
@given(days_with_queues(), st.lists(st.sampled_from(WALKED), min_size=1, max_size=4, unique=True))
def test_every_roll_up_agrees_with_the_walk(day: Day, by: list[str]) -> None:
    scored = wfm.score(**build_inputs(day))
    first, past = (edge // 1_000_000 for edge in (scored.axis.origin_us, scored.axis.end_us))
    assume(past - first >= day.step_s)
    legs = day.tables.get("call_leg")
    queues = {} if legs is None else dict(legs.select("leg_id", "queue_id").iter_rows())
    window = tuple(datetime.fromtimestamp(at, UTC) for at in (first, past))
    found = slow_score(**day.inputs(), step_s=day.step_s, window=window)  # type: ignore[arg-type]
    told = slow_rollup.walk(found, queues, flags_of(day), first, past)
    for groups in (by, WALKED):
        assert whole(scored.adherence(groups), groups, TOLD) == slow_rollup.adherence(
            told, groups, day.step_s
        )
        figures = whole(scored.shrinkage(groups), groups, slow_rollup.SUMS)
        assert figures == slow_rollup.shrinkage(told, groups, day.step_s)
        causes = scored.shrinkage_causes(groups)
        for part in ("planned", "unplanned"):
            mine = causes.filter(pl.col("part") == part).group_by(groups).agg(pl.col("seconds").sum())
            place = slow_rollup.SUMS.index(f"{part}_s")
            wanted = {key: row[place] for key, row in figures.items() if row[place]}
            assert {row[:-1]: row[-1] for row in mine.iter_rows()} == wanted


# --- finer and coarser ----------------------------------------------------------------------------------
@pytest.mark.slow
@slow_examples(25)
@given(days_with_queues(), lists, lists)
def test_finer_roll_up_adds_up_to_coarser_exactly(day: Day, coarse: list[str], more: list[str]) -> None:
    scored = wfm.score(**build_inputs(day), window=find_window(day))
    fine = list(dict.fromkeys([*coarse, *more]))
    for view, sums in (
        (scored.adherence, ADHERENCE_SUMS),
        (scored.shrinkage, list(shrinkage.SHRINKAGE_SUMS)),
    ):
        finer = view(fine)
        added = (
            finer.group_by(coarse).agg(pl.col(sums).sum()).sort(coarse, nulls_last=True)
            if coarse
            else finer.select(pl.col(sums).sum())
        )
        assert view(coarse).select(*coarse, *sums).equals(added)
    figures = scored.adherence(fine)
    parts = figures.select(pl.sum_horizontal(CLASS_SUMS)).to_series()
    assert parts.to_list() == figures["scheduled_s"].to_list()
    paid = scored.shrinkage(fine)
    split = paid.select(pl.sum_horizontal(f"{part}_s" for part in shrinkage.SHRINKAGE_PARTS)).to_series()
    assert split.to_list() == paid["paid_s"].to_list()
    for name in ("shrinkage", "shrinkage_high", "shrinkage_planned", "occupancy", "utilisation"):
        assert paid[name].is_between(0, 1).all()
    assert (paid["shrinkage"] <= paid["shrinkage_high"]).all()


@pytest.mark.slow
@slow_examples(15)
@given(days_with_queues(), st.lists(st.floats(0, 1), min_size=1, max_size=3), lists.filter(bool))
def test_window_split_changes_no_total(day: Day, cuts: list[float], by: list[str]) -> None:
    first, past = find_window(day)
    span = (past - AFTER - first) // timedelta(microseconds=1)
    inner = sorted({first + timedelta(microseconds=round(cut * span)) for cut in cuts} - {first})
    inputs = build_inputs(day)
    edges = [first, *inner, past]
    parts = [wfm.score(**inputs, window=window) for window in pairwise(edges)]
    all_ = wfm.score(**inputs, window=(first, past))
    for name, sums in (("adherence", ADHERENCE_SUMS), ("shrinkage", list(shrinkage.SHRINKAGE_SUMS))):
        micro = (pl.col(sums) * 1_000_000).round().cast(pl.Int64)
        pieces = pl.concat([getattr(part, name)(by) for part in parts]).with_columns(micro)
        joined = pieces.group_by(by).agg(pl.col(sums).sum()).sort(by, nulls_last=True)
        assert joined.equals(getattr(all_, name)(by).select(*by, *sums).with_columns(micro))


@pytest.mark.slow
@slow_examples(10)
@given(days_with_queues(), st.integers(-1, 2))
def test_window_in_dates_filters_every_roll_up(day: Day, skip: int) -> None:
    inputs, by = build_inputs(day), ["agent_id", "workday", "interval_start", "queue_id", "activity"]
    everything = wfm.score(**inputs, window=find_window(day))
    days_ = everything.adherence(["workday"])["workday"]
    start = (days_.min() or date(2026, 3, 2)) + timedelta(days=skip)
    asked = wfm.score(**inputs, window=(start, start + timedelta(days=1)))
    inside = pl.col("workday") == start
    assert asked.adherence(by).equals(everything.adherence(by).filter(inside))
    # what lies outside shifts ends with the axis, so only its scheduled part can be compared
    planned = inside & pl.col("activity").is_not_null()
    assert asked.shrinkage(by).filter(planned).equals(everything.shrinkage(by).filter(planned))


# --- quarters of an hour --------------------------------------------------------------------------------
def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def one_shift(start: str, end: str, zone: str) -> Any:
    return wfm.score(
        schedule=pl.DataFrame(
            {"agent_id": ["a"], "start_at": [at(start)], "end_at": [at(end)], "activity": ["phone"]}
        ),
        agent_state=pl.DataFrame({"login": ["a"], "at": [at(start)], "vendor_state": ["Available"]}),
        timezone=zone,
    )


def test_quarters_cut_what_crosses_them_and_nothing_else() -> None:
    scored = one_shift("2026-03-02T08:07", "2026-03-02T08:45", "UTC")
    assert scored.adherence("interval").select("interval_start", "in_s").rows() == [
        (at("2026-03-02T08:00"), 8 * 60),
        (at("2026-03-02T08:15"), 15 * 60),
        (at("2026-03-02T08:30"), 15 * 60),
    ]


@pytest.mark.parametrize(
    ("zone", "start", "end", "quarters"),
    [
        ("Asia/Jerusalem", "2026-10-24T22:00", "2026-10-25T01:00", 12),  # 01:00 to 03:00 on the wall
        ("Asia/Jerusalem", "2026-03-26T23:00", "2026-03-27T01:00", 8),  # 01:00 to 04:00 on the wall
        ("Australia/Lord_Howe", "2026-04-04T14:00", "2026-04-04T16:00", 8),
        ("Asia/Kathmandu", "2026-03-02T03:00", "2026-03-02T05:00", 8),
    ],
)
def test_quarters_are_local_and_never_merged(zone: str, start: str, end: str, quarters: int) -> None:
    rows = one_shift(start, end, zone).adherence(["interval"])
    assert rows["scheduled_s"].to_list() == [900.0] * quarters
    local = rows["interval_start"].dt.convert_time_zone(zone)
    assert (local.dt.minute() % 15 == 0).all()


def test_shift_over_midnight_keeps_workday_in_every_quarter() -> None:
    rows = one_shift("2026-03-02T23:30", "2026-03-03T00:30", "UTC").adherence(["workday", "interval"])
    assert rows["workday"].to_list() == [date(2026, 3, 2)] * 4


# --- queues ---------------------------------------------------------------------------------------------
def with_queues(inputs: dict[str, Any], **queues: str | None) -> dict[str, Any]:
    legs = inputs["call_leg"].with_columns(
        queue_id=pl.col("leg_id").replace_strict(queues, return_dtype=pl.String)
    )
    return inputs | {"call_leg": legs}


def test_second_belongs_to_its_call_before_main_queue() -> None:
    drawn = draw(
        "sched  QQQQQQQQQQQQQQBB",
        "state  AABBBWAABWAABAbb",
        "calls  ..111...2...3...",
    )
    scored = wfm.score(**with_queues(drawn, **{"1": "sales", "2": "billing", "3": None}))
    assert scored.adherence("queue").select("queue_id", "scheduled_s", "worked_s").rows() == [
        ("billing", 120, 120),
        ("sales", 14 * 60, 12 * 60),
    ]


def test_main_queue_of_equals_is_first_by_name() -> None:
    drawn = draw("sched  QQQQQQQQ", "state  ABABAAAA", "calls  .1.2....")
    scored = wfm.score(**with_queues(drawn, **{"1": "sales", "2": "billing"}))
    assert scored.adherence("queue").select("queue_id", "scheduled_s").rows() == [
        ("billing", 420),
        ("sales", 60),
    ]


def test_wrap_up_belongs_to_the_same_agents_call() -> None:
    drawn = draw("sched:a  QQ", "state:a  AB>", "calls:a  .1", "sched:b  QQ", "state:b  WA")
    rows = wfm.score(**with_queues(drawn, **{"1": "sales"})).adherence(["agent", "queue"])
    assert rows.select("agent_id", "queue_id", "scheduled_s").rows() == [
        ("a", "sales", 120),
        ("b", None, 120),
    ]


def test_without_queues_or_calls_queue_is_empty() -> None:
    day = golden()
    for inputs in (day, {name: rows for name, rows in day.items() if name != "call_leg"}):
        assert wfm.score(**inputs).adherence("queue")["queue_id"].to_list() == [None]


# --- the slices behind ----------------------------------------------------------------------------------
def test_scheduled_slices_keep_their_segments_kind() -> None:
    scored = wfm.score(**with_queues(golden(), **{"leg-1": "sales"}))
    rows = scored.scheduled(["queue", "workday", "shift_start_at", "week"])
    kinds = {name: rows.schema[name] for name in ("queue_id", "workday", "shift_start_at", "week")}
    instant = pl.Datetime("us", "UTC")
    assert kinds == {"queue_id": pl.String, "workday": pl.Date, "shift_start_at": instant, "week": pl.Date}
    monday, start = date(2026, 3, 2), at("2026-03-02T08:00")
    assert rows.select(list(kinds)).unique().rows() == [("sales", monday, start, monday)]


# --- names ----------------------------------------------------------------------------------------------
def test_short_and_repeated_names_count_once() -> None:
    scored = wfm.score(**golden())
    assert scored.adherence(["agent", "interval", "agent_id", "queue"]).equals(
        scored.adherence(["agent_id", "interval_start", "queue_id"])
    )


@pytest.mark.parametrize("view", ["adherence", "shrinkage", "shrinkage_causes"])
def test_an_unknown_name_is_refused_with_the_choices(view: str) -> None:
    with pytest.raises(UsageError, match=r"Cannot group by 'hour'; choose from: agent_id, name.*interval"):
        getattr(wfm.score(**golden()), view)(["team", "hour"])


def test_nothing_rolls_up_to_nothing() -> None:
    empty = wfm.score(**golden(), window=("2026-03-01", "2026-03-02"))
    for view in (empty.adherence, empty.shrinkage):
        assert view(["queue", "interval", "team"]).height == 0
        assert view(["queue", "interval"]).columns[:2] == ["queue_id", "interval_start"]
        assert view([]).height == 1
    assert empty.shrinkage([]).select("paid_s", "shrinkage", "occupancy").row(0) == (0, None, None)
    assert empty.shrinkage_causes(["queue"]).height == 0
