"""What is tolerated: by hand, against a walk, and that it never touches what was recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days, draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import score_by_engine, walk_workdays
from helpers.slow_definitions import tolerated_s
from wfm.core.errors import UsageError
from wfm.engine.adherence.scoring import ScoreOptions
from wfm.engine.adherence.tolerance import NO_THRESHOLD, ExceptionThreshold, SegmentTolerance

EXTRA = ["tolerated_s", "adherence_tolerant", "adherence_adjusted_tolerant"]
seconds = st.sampled_from((0, 60, 120, 300, 900, 7200))  # whole steps of the walk, whatever they are
activities = ("on_queue", "break", "meal", "phone", "training")


def s(count: int) -> timedelta:
    return timedelta(seconds=count)


def tolerant(threshold: ExceptionThreshold = NO_THRESHOLD, *tolerances: SegmentTolerance) -> ScoreOptions:
    return ScoreOptions(threshold=threshold, tolerances=tolerances)


def found(*lines: str, options: ScoreOptions) -> tuple[float, float]:
    """Give tolerated steps and the tolerant score of a drawing with steps of a minute."""
    row = wfm.score(**draw(*lines), options=options).adherence([]).row(0, named=True)
    return row["tolerated_s"] / 60, row["adherence_tolerant"]


@st.composite
def limits(draw: st.DrawFn) -> tuple[ExceptionThreshold, dict[str, tuple[int, int, bool]]]:
    threshold = ExceptionThreshold(s(draw(seconds)), draw(st.booleans()))
    edges = st.tuples(seconds, seconds, st.booleans())
    return threshold, draw(st.dictionaries(st.sampled_from(activities), edges))


def options_of(threshold: ExceptionThreshold, edges: dict[str, tuple[int, int, bool]]) -> ScoreOptions:
    return tolerant(
        threshold,
        *(SegmentTolerance(name, s(start), s(end), smooth) for name, (start, end, smooth) in edges.items()),
    )


def test_without_any_there_are_no_columns_of_it() -> None:
    assert not set(EXTRA) & set(wfm.score(**golden()).adherence().columns)


@pytest.mark.parametrize(
    ("threshold", "minutes"),
    [
        (ExceptionThreshold(s(180)), 0),
        (ExceptionThreshold(s(181)), 3),
        (ExceptionThreshold(s(360)), 3),
        (ExceptionThreshold(s(361)), 15),
        (ExceptionThreshold(s(60), smooth=True), 3),
        (ExceptionThreshold(s(300), smooth=True), 13),
        (ExceptionThreshold(s(9000), smooth=True), 15),
    ],
)
def test_the_golden_day_with_a_threshold(threshold: ExceptionThreshold, minutes: int) -> None:
    scored = wfm.score(**golden(), options=tolerant(threshold))
    rows = scored.adherence()
    assert rows.columns[10:13] == ["worked_s", "tolerated_s", "adherence"]
    assert rows.columns[-2:] == EXTRA[1:]
    assert rows["tolerated_s"].to_list() == [60 * minutes]
    assert rows["adherence_tolerant"].to_list() == [(465 + minutes) / 480]
    assert rows.drop(EXTRA).equals(wfm.score(**golden()).adherence())


def test_the_adjusted_score_gains_only_what_was_controllable() -> None:
    scored = wfm.score(**golden(), options=tolerant(ExceptionThreshold(s(60), smooth=True)))
    assert scored.adherence()["adherence_adjusted_tolerant"].to_list() == [478 / 480]


def test_edge_is_tolerated_up_to_its_limit() -> None:
    lines = ("sched QQQQQQQQQQ", "state ooAAAaaAoo")  # late by 2, away for 2, gone 2 early
    three, one = s(180), s(60)
    assert found(*lines, options=tolerant(NO_THRESHOLD, SegmentTolerance("on_queue", start=three))) == (
        2,
        0.6,
    )
    assert found(*lines, options=tolerant(NO_THRESHOLD, SegmentTolerance("on_queue", end=three))) == (2, 0.6)
    assert found(*lines, options=tolerant(NO_THRESHOLD, SegmentTolerance("on_queue", one, one))) == (0, 0.4)
    assert found(
        *lines, options=tolerant(NO_THRESHOLD, SegmentTolerance("on_queue", one, one, smooth=True))
    ) == (
        2,
        0.6,
    )
    assert found(*lines, options=tolerant(NO_THRESHOLD, SegmentTolerance("break", three, three))) == (0, 0.4)


def test_the_end_tolerates_the_end() -> None:
    end = tolerant(NO_THRESHOLD, SegmentTolerance("on_queue", end=s(60), smooth=True))
    scored = wfm.score(**draw("sched QQQQQQ", "state AAAooo"), options=end)
    listed = scored.bridge_stretches("adherence", "adherence_tolerant")
    assert [f"{at:%H:%M}" for at in listed["start_at"]] == ["08:05"]


def test_segment_missed_whole_is_tolerated_from_both_edges() -> None:
    both = SegmentTolerance("break", s(60), s(60), smooth=True)
    assert found("sched QQBBBBQQ", "state AAAAAAAA", options=tolerant(NO_THRESHOLD, both)) == (2, 0.75)


def test_unknown_time_is_never_tolerated() -> None:
    lines = ("sched QQQQQQ", "state AAAAAA", "cover xxx...x")
    assert found(*lines, options=tolerant(ExceptionThreshold(s(9999)))) == (0, 1.0)


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), limit=limits())
def test_it_agrees_with_walk_and_touches_nothing_else(day: Day, limit: Any) -> None:
    threshold, edges = limit
    options = options_of(threshold, edges)
    ours = score_by_engine(day, options=options)
    theirs = walk_workdays(day, ours)
    rows = ours.adherence()
    assert rows.drop(EXTRA, strict=False).equals(score_by_engine(day).adherence())
    assert ours.exceptions().equals(score_by_engine(day).exceptions())
    if not options.has_tolerance:
        assert not set(EXTRA) & set(rows.columns)
        return
    below = int(threshold.below.total_seconds())
    for row in rows.iter_rows(named=True):
        mine = theirs[row["agent_id"], row["workday"]]
        assert row["tolerated_s"] == tolerated_s(mine, below, threshold.smooth, edges)
        known = row["scheduled_s"] - row["unknown_s"]
        if known:
            assert row["adherence_tolerant"] == (row["in_s"] + row["tolerated_s"]) / known
            assert row["adherence"] <= row["adherence_tolerant"] <= 1
            assert row["adherence_adjusted"] <= row["adherence_adjusted_tolerant"] <= 1
        else:
            assert row["adherence_tolerant"] is row["adherence_adjusted_tolerant"] is None


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(
    day=days(), limit=limits(), more=st.tuples(seconds, seconds, seconds), grown=st.sampled_from(activities)
)
def test_a_larger_tolerance_never_lowers_a_score(
    day: Day, limit: Any, more: tuple[int, int, int], grown: str
) -> None:
    threshold, edges = limit
    start, end, smooth = edges.get(grown, (0, 0, False))
    larger = edges | {grown: (start + more[1], end + more[2], smooth)}
    wide = options_of(ExceptionThreshold(threshold.below + s(more[0] + 1), threshold.smooth), larger)
    few, many = (
        score_by_engine(day, options=one).adherence() for one in (options_of(threshold, edges), wide)
    )
    for small, large in zip(few.iter_rows(named=True), many.iter_rows(named=True), strict=True):
        if small["adherence"] is not None:
            for name in ("adherence", "adherence_adjusted"):
                assert small.get(f"{name}_tolerant", small[name]) <= large[f"{name}_tolerant"]


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), limit=limits())
def test_smooth_never_tolerates_less_than_cliff(day: Day, limit: Any) -> None:
    threshold, edges = limit
    sums = []
    for smooth in (False, True):
        options = options_of(
            ExceptionThreshold(threshold.below + s(1), smooth),
            {name: (start, end, smooth) for name, (start, end, _) in edges.items()},
        )
        sums.append(score_by_engine(day, options=options).adherence([])["tolerated_s"][0])
    assert sums[0] <= sums[1]


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), below=seconds)
def test_the_threshold_alone_is_that_of_genesys(day: Day, below: int) -> None:
    name = f"genesys_threshold({below})"
    rows = score_by_engine(day, options=tolerant(ExceptionThreshold(s(below + 1)))).adherence(
        definitions=[name, "genesys"]
    )
    other = (
        score_by_engine(day, options=tolerant(ExceptionThreshold(s(below)))).adherence() if below else None
    )
    for number, row in enumerate(rows.iter_rows(named=True)):
        if row["genesys"] is not None and other is not None:
            assert row[name] == other["adherence_tolerant"][number]
        assert row["genesys"] is None or row[name] <= row["adherence_tolerant"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (tolerant(ExceptionThreshold(s(-1))), "0 seconds or more"),
        (tolerant(NO_THRESHOLD, SegmentTolerance("break", end=s(-1))), "0 seconds or more"),
        (tolerant(NO_THRESHOLD, SegmentTolerance("brake")), "no activity 'brake'; choose from: break"),
        (tolerant(NO_THRESHOLD, SegmentTolerance("break"), SegmentTolerance("break")), "'break' has two"),
    ],
)
def test_a_tolerance_that_means_nothing_is_refused(options: ScoreOptions, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        wfm.score(**golden(), options=options)
