"""What must hold on any day, however awkward: drawn by chance, scored by the public `wfm.score`."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days
from helpers.examples import slow_examples
from helpers.scored_days import AFTER, build_inputs, find_window, score_day
from wfm.core.glossary import CLASSES
from wfm.engine.adherence.classify import ADHERENCE_SUMS, CLASS_SUMS
from wfm.engine.adherence.scoring import GROUPINGS

RATIOS = ["adherence", "adherence_adjusted", "adherence_low", "adherence_high", "coverage"]
OUT = ["approved", "call_driven", "system", "controllable"]
SECONDS = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1_000_000


def same(one: Any, other: Any) -> None:
    """Insist that two scores say the same, down to the finest view."""
    assert one.adherence(GROUPINGS).equals(other.adherence(GROUPINGS))
    assert one.exceptions().equals(other.exceptions())
    assert one.slices().equals(other.slices())


def summed(frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return frame.group_by(by).agg(pl.col(ADHERENCE_SUMS).sum()).sort(by, nulls_last=True)


# --- one score agrees with itself -----------------------------------------------------------------------
@pytest.mark.slow
@slow_examples(18)
@given(days(), st.lists(st.sampled_from(GROUPINGS), max_size=3, unique=True))
def test_every_roll_up_conserves_seconds_and_divides_last(day: Day, by: list[str]) -> None:
    scored = score_day(day)
    finest = scored.adherence(GROUPINGS)
    for groups in (by, [], ["agent_id"], ["team"], ["agent_id", "workday"]):
        figures = scored.adherence(groups)
        parts = figures.select(split=pl.sum_horizontal(CLASS_SUMS), whole="scheduled_s")
        assert parts["split"].to_list() == parts["whole"].to_list()
        if groups:
            assert figures.select(*groups, *ADHERENCE_SUMS).equals(summed(finest, groups))
        else:
            assert figures.select(ADHERENCE_SUMS).equals(finest.select(pl.col(ADHERENCE_SUMS).sum()))
        for name in RATIOS:
            assert figures[name].is_between(0, 1).all()
        seen = pl.col("scheduled_s") - pl.col("unknown_s")
        for name, above, below in (
            ("adherence", pl.col("in_s"), seen),
            ("adherence_adjusted", seen - pl.col("controllable_s"), seen),
            ("coverage", seen, pl.col("scheduled_s")),
            ("conformance", pl.col("worked_s"), pl.col("scheduled_work_s")),
        ):
            wanted = figures.select(pl.when(below > 0).then(above / below).alias(name))[name]
            gap = (figures[name] - wanted).abs().max()
            assert gap is None or gap < 1e-12
            assert figures[name].is_null().to_list() == wanted.is_null().to_list()
        ordered = figures.filter(pl.col("adherence").is_not_null())
        assert (ordered["adherence_low"] <= ordered["adherence"]).all()
        assert (ordered["adherence"] <= ordered["adherence_high"]).all()
        assert (ordered["adherence"] <= ordered["adherence_adjusted"]).all()


@pytest.mark.slow
@slow_examples(18)
@given(days())
def test_slices_tile_and_every_view_adds_up(day: Day) -> None:
    scored = score_day(day)
    first, past = find_window(day)
    slices, found = scored.slices(), scored.exceptions()
    for _, mine in slices.group_by("agent_id", maintain_order=True):
        assert mine["start_at"][0] == first
        assert mine["end_at"][-1] == past
        assert mine["start_at"][1:].to_list() == mine["end_at"][:-1].to_list()
        assert (mine["start_at"] < mine["end_at"]).all()
    total = scored.adherence([]).to_dicts()[0]
    lasted = dict(slices.group_by("class").agg(SECONDS.sum()).rows())
    for name in CLASSES:
        assert lasted.get(name, 0) == total[f"{name}_s"]
    told = dict(found.group_by("class").agg(pl.col("seconds").sum()).rows())
    for name in OUT:
        assert told.get(name, 0) == total[f"{name}_s"]
    assert set(told) <= {*OUT, None}
    assert found["seconds"].to_list() == found.select(SECONDS.alias("s"))["s"].to_list()
    outside = slices.filter(pl.col("reason") == "unscheduled_work", pl.col("activity").is_null())
    assert told.get(None, 0) == outside.select(SECONDS.sum()).item()
    # every exception is what its slices say, and no two of them overlap
    assert (
        (found["start_at"].shift(-1) >= found["end_at"])
        .filter(found["agent_id"].shift(-1) == found["agent_id"])
        .all()
    )
    by_reason = ["agent_id", "class", "reason"]
    out = slices.filter(pl.col("reason").is_not_null())
    found = found.cast({"reason": pl.String})
    assert (
        out.group_by(by_reason)
        .agg(SECONDS.sum().alias("seconds"))
        .sort(by_reason)
        .equals(found.group_by(by_reason).agg(pl.col("seconds").sum()).sort(by_reason))
    )


@pytest.mark.slow
@slow_examples(18)
@given(days(), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["approved", "system"]), st.booleans())
def test_no_exemption_lowers_a_score(day: Day, one: float, other: float, kind: str, of_all: bool) -> None:
    first, past = find_window(day)
    start, end = (first + (past - AFTER - first) * part for part in sorted((one, other)))
    before = score_day(day)
    agents = [None] if of_all else before.adherence(["agent_id"])["agent_id"].to_list()
    row = {"start_at": start, "end_at": end, "kind": kind}
    given_before = build_inputs(day).get("exemption")
    rows = pl.DataFrame(
        [row | {"agent_id": agent} for agent in agents if start < end],
        schema_overrides={
            "start_at": pl.Datetime("us", "UTC"),
            "end_at": pl.Datetime("us", "UTC"),
            "agent_id": pl.String,
        },
    )
    if rows.is_empty():
        return
    every = rows if given_before is None else pl.concat([given_before, rows], how="diagonal")
    after = score_day(day, exemption=every)
    keys = ["agent_id", "workday", "activity"]
    joined = before.adherence(keys).join(after.adherence(keys), on=keys, nulls_equal=True, suffix="_after")
    assert (joined["controllable_s_after"] <= joined["controllable_s"]).all()
    assert (joined["in_s_after"] == joined["in_s"]).all()
    assert joined.height == before.adherence(keys).height


@pytest.mark.slow
@slow_examples(13)
@given(days(), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_split_of_the_window_changes_no_total(day: Day, cuts: list[float]) -> None:
    first, past = find_window(day)
    span = (past - AFTER - first) // timedelta(microseconds=1)
    edges = [
        first,
        *sorted({first + timedelta(microseconds=round(cut * span)) for cut in cuts} - {first}),
        past,
    ]
    whole = score_day(day)
    parts = [score_day(day, window=window) for window in pairwise(edges)]
    keys = ["agent_id", "workday", "activity", "shift_start_at"]
    micro = (pl.col(ADHERENCE_SUMS) * 1_000_000).round().cast(pl.Int64)
    pieces = pl.concat([part.adherence(keys) for part in parts]).with_columns(micro)
    joined = pieces.group_by(keys).agg(pl.col(ADHERENCE_SUMS).sum()).sort(keys, nulls_last=True)
    assert joined.equals(whole.adherence(keys).select(*keys, *ADHERENCE_SUMS).with_columns(micro))
    lasted = ["agent_id", "workday", "class", "reason", "impact"]
    wanted = whole.exceptions().group_by(lasted).agg(pl.col("seconds").sum().round(6)).sort(lasted)
    listed = pl.concat([part.exceptions() for part in parts])
    assert listed.group_by(lasted).agg(pl.col("seconds").sum().round(6)).sort(lasted).equals(wanted)
    assert (
        pl.concat([part.slices() for part in parts])
        .select(SECONDS.sum().round(6))
        .equals(whole.slices().select(SECONDS.sum().round(6)))
    )


@pytest.mark.slow
@slow_examples(11)
@given(days(), st.integers(-1, 2), st.integers(1, 3))
def test_a_window_in_dates_is_a_filter(day: Day, skip: int, length: int) -> None:
    whole = score_day(day)
    keys = list(GROUPINGS)
    everything = whole.adherence(keys)
    listed = whole.exceptions()
    middle = listed["workday"].min() or everything["workday"].min() or date(2026, 3, 2)
    start = middle + timedelta(days=skip)
    end = start + timedelta(days=length)
    inside = pl.col("workday").is_between(start, end, closed="left")
    asked = score_day(day, window=(start, end))
    assert asked.adherence(keys).equals(everything.filter(inside))
    assert asked.exceptions().equals(listed.filter(inside))
    parts = [score_day(day, window=(start + timedelta(d), start + timedelta(d + 1))) for d in range(length)]
    together = pl.concat([part.exceptions() for part in parts]).sort("agent_id", "start_at")
    assert together.equals(asked.exceptions())
    told = (
        pl.col("activity").is_not_null() | pl.col("reason").is_not_null()
    )  # what is idle ends with the axis
    cut = pl.concat([part.slices().filter(told) for part in parts]).sort("agent_id", "start_at")
    assert cut.equals(asked.slices().filter(told))
    outside = asked.slices().filter(told, pl.col("activity").is_null())
    listed = asked.exceptions().filter(pl.col("activity").is_null())
    assert outside.select(SECONDS.sum()).item() == listed["seconds"].sum()


# --- what came first does not matter --------------------------------------------------------------------
def shuffled(day: Day, random: Any) -> dict[str, pl.DataFrame]:
    """Reorder every table; of agent states only instants, for of one instant the last counts."""

    def reordered(frame: pl.DataFrame) -> pl.DataFrame:
        rows = list(range(frame.height))
        random.shuffle(rows)
        return frame[rows]

    made = {
        name: reordered(day.tables[name])
        for name in ("schedule", "call_leg", "exemption", "coverage", "agent", "login")
        if name in day.tables
    }
    states = day.tables["agent_state"].with_row_index("arrival")
    order = pl.DataFrame({"at": states["at"].unique().to_list()}, schema={"at": states.schema["at"]})
    places = reordered(order).with_row_index("place")
    moved = states.join(places, on="at").sort("place", "arrival").drop("place", "arrival")
    return made | {"agent_state": moved}


def untied(day: Day) -> Day:
    """Drop schedule rows that say something else of the same span: there the later one counts."""
    keys = ["agent_id", "start_at", "end_at", "published_at"]
    day.tables["schedule"] = day.tables["schedule"].unique(keys, keep="last", maintain_order=True)
    return day


@pytest.mark.slow
@slow_examples(13)
@given(days().map(untied), st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_matters(day: Day, random: Any) -> None:
    same(score_day(day), score_day(day, **shuffled(day, random)))


@pytest.mark.slow
@slow_examples(11)
@given(days())
def test_bringing_everything_twice_changes_nothing(day: Day) -> None:
    inputs = build_inputs(day)
    twice = {name: pl.concat([rows, rows]) for name, rows in inputs.items() if isinstance(rows, pl.DataFrame)}
    same(score_day(day), score_day(day, **twice))


@pytest.mark.slow
@slow_examples(6)
@given(days())
def test_lazy_frames_are_frames(day: Day) -> None:
    lazy = {name: rows.lazy() for name, rows in build_inputs(day).items() if isinstance(rows, pl.DataFrame)}
    same(score_day(day), score_day(day, **lazy))


@pytest.mark.slow
@slow_examples(5)
@given(days())
def test_scoring_again_gives_the_same(day: Day) -> None:
    same(score_day(day), score_day(day))


# --- people ---------------------------------------------------------------------------------------------
@pytest.mark.slow
@slow_examples(11)
@given(days(sources=False))
def test_agents_do_not_touch_each_other(day: Day) -> None:
    inputs = build_inputs(day)
    crowd = score_day(day)
    agents = crowd.slices()["agent_id"].unique(maintain_order=True)
    alone = [
        score_day(
            day,
            schedule=inputs["schedule"].filter(pl.col("agent_id") == agent),
            agent_state=inputs["agent_state"].filter(pl.col("login") == agent),
        )
        for agent in agents
    ]
    if alone:
        for view in ("exceptions", "slices"):
            together = pl.concat([getattr(one, view)() for one in alone])
            assert together.equals(getattr(crowd, view)())
        assert pl.concat([one.adherence() for one in alone]).equals(crowd.adherence())


@pytest.mark.slow
@slow_examples(11)
@given(days())
def test_a_team_is_the_sum_of_its_agents(day: Day) -> None:
    scored = score_day(day)
    teams = scored.adherence(["team", "workday"])
    assert teams.select("team", "workday", *ADHERENCE_SUMS).equals(
        summed(scored.adherence(["team", "agent_id", "workday"]), ["team", "workday"])
    )
    assert (
        scored.adherence([])
        .select(ADHERENCE_SUMS)
        .equals(scored.adherence(["team"]).select(pl.col(ADHERENCE_SUMS).sum()))
    )


# --- what was seen --------------------------------------------------------------------------------------
@pytest.mark.slow
@slow_examples(18)
@given(days(several_logins=False), st.integers(0, 360), st.integers(1, 240))
def test_more_coverage_never_widens_the_range(day: Day, start: int, length: int) -> None:
    """With one login: a second one can bring to light that nobody knows, where the first said "in"."""
    inputs = build_inputs(day)
    states, coverage = inputs["agent_state"], inputs.get("coverage")
    if coverage is None or states.is_empty():
        return
    begin = states["at"].min() + timedelta(seconds=start * day.step_s)
    sources = coverage.select("source").unique() if "source" in coverage.columns else pl.DataFrame({"": [0]})
    more = sources.select(
        pl.exclude(""),
        start_at=pl.lit(begin, coverage.schema["start_at"]),
        end_at=pl.lit(begin + timedelta(seconds=length * day.step_s), coverage.schema["end_at"]),
    )
    for by in (["agent_id"], ["agent_id", "workday"], []):
        before = score_day(day).adherence(by)
        after = score_day(day, coverage=pl.concat([coverage, more.select(coverage.columns)])).adherence(by)
        both = pl.concat([before, after.select(pl.all().name.suffix("_after"))], how="horizontal")
        both = both.filter(pl.col("scheduled_s") > 0)
        assert (both["adherence_low_after"] >= both["adherence_low"]).all()
        assert (both["adherence_high_after"] <= both["adherence_high"]).all()
        assert (both["coverage_after"] >= both["coverage"]).all()


@pytest.mark.slow
@slow_examples(9)
@given(days())
def test_full_coverage_is_no_coverage_table(day: Day) -> None:
    first, past = find_window(day)
    inputs = build_inputs(day)
    sources = {
        source
        for name in ("agent_state", "call_leg", "login")
        if "source" in inputs.get(name, pl.DataFrame()).columns
        for source in inputs[name]["source"]
    }
    rows = [{"source": source} for source in sorted(sources)] or [{}]
    everything = pl.DataFrame(
        [row | {"start_at": first - AFTER * 3, "end_at": past + AFTER * 3} for row in rows]
    )
    seen = wfm.score(**{**inputs, "window": (first, past), "coverage": everything})
    assert (seen.adherence([])["coverage"].fill_null(1) <= 1).all()
    inputs.pop("coverage", None)
    same(seen, wfm.score(**{**inputs, "window": (first, past)}))
