"""Other products' definitions: by hand, against a walk over every second, and what must hold for any of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, assume, given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days, draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import divide, score_by_engine, walk_workdays
from helpers.slow_definitions import DEFINITIONS, OWN, workdays
from helpers.slow_twin import slow_score
from wfm.core.errors import UsageError
from wfm.core.time import EPOCH
from wfm.engine.adherence import definitions
from wfm.engine.adherence.scoring import _weight_sum_names

GOLDEN = {
    "genesys": (465, 480),
    "genesys_outside_shift": (465, 490),
    "genesys_threshold": (468, 480),
    "amazon": (465, 480),
    "calabrio_rta": (465, 474),
    "calabrio_ready_1": (411, 420),
    "calabrio_ready_2": (455, 480),
    "assembled_productive": (411, 420),
    "salesforce": (477, 480),
}


def figures(*lines: str, **more: Any) -> dict[str, float | None]:
    """Score a drawing; the figures of everything together, in per mille, rounded."""
    row = wfm.score(**draw(*lines, **more)).adherence([], definitions="all").row(0, named=True)
    return {name: row[name] if row[name] is None else round(1000 * row[name]) for name in DEFINITIONS}


def test_states_that_rules_count_in_are_not_neutral() -> None:
    day = draw("sched QQBB", "state AAAA")
    rule = pl.DataFrame({"category": ["break"], "state": ["available"], "in_adherence": [True]})
    for more, wanted in (({}, 2 / 2), ({"rule": rule}, 4 / 4)):
        scored = wfm.score(**day, **more)
        (found,) = scored.adherence([], definitions="calabrio_rta")["calabrio_rta"]
        assert found == wanted
    assert scored.bridge("adherence", "calabrio_rta").is_empty()


def test_the_golden_day_is_exact() -> None:
    rows = wfm.score(**golden()).adherence(definitions="all")
    assert rows.columns[-9:] == list(GOLDEN)
    assert rows.select(*GOLDEN).row(0, named=True) == {name: divide(ratio) for name, ratio in GOLDEN.items()}


def test_the_walk_gives_the_golden_day_too() -> None:
    (day,) = workdays(slow_score(**golden(), step_s=60)).values()
    assert {name: define(day) for name, define in DEFINITIONS.items()} == {
        name: (60 * above, 60 * below) for name, (above, below) in GOLDEN.items()
    }


def test_every_definition_has_a_walk() -> None:
    assert list(DEFINITIONS) == list(definitions.DEFINITIONS)
    assert list(OWN) == list(definitions.OWN_DEFINITIONS)


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), threshold_s=st.sampled_from((60, 20, 120, 300, 900, 1)))
def test_each_agrees_with_the_walk_over_every_second(day: Day, threshold_s: int) -> None:
    ours = score_by_engine(day)
    wanted = walk_workdays(day, ours)
    names = [*DEFINITIONS, f"genesys_threshold({threshold_s})"]
    for row in ours.adherence(definitions=names).iter_rows(named=True):
        theirs = wanted[row["agent_id"], row["workday"]]
        assert {name: row[name] for name in DEFINITIONS} == {
            name: divide(define(theirs)) for name, define in DEFINITIONS.items()
        }
        assert row[names[-1]] == divide(DEFINITIONS["genesys_threshold"](theirs, threshold_s))


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days())
def test_roll_up_is_sum_of_workdays_divided_once(day: Day) -> None:
    ours = score_by_engine(day)
    theirs = walk_workdays(day, ours)
    for name, define in (DEFINITIONS | OWN).items():
        above, below = (sum(column) for column in zip((0, 0), *map(define, theirs.values()), strict=True))
        sums = ours._sum_weights(ours._find_definition(name), name, []).select(
            pl.col(_weight_sum_names(name)).sum()
        )
        assert sums.row(0) == (above * 1_000_000, below * 1_000_000)
        if name in DEFINITIONS:
            together = ours.adherence([], definitions=name)
            assert together[name].to_list() == [divide((above, below))]


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(), cut=st.integers(0, 360), names=st.permutations(list(DEFINITIONS)))
def test_where_a_window_is_split_changes_no_sum(day: Day, cut: int, names: list[str]) -> None:
    whole = score_by_engine(day)
    assume(whole.axis.end_us - whole.axis.origin_us >= day.step_s * 1_000_000)
    start, end = (EPOCH + timedelta(microseconds=at) for at in (whole.axis.origin_us, whole.axis.end_us))
    middle = start + timedelta(seconds=cut * day.step_s)
    assume(start < middle < end)
    whole, *parts = (
        score_by_engine(day, window=window) for window in ((start, end), (start, middle), (middle, end))
    )
    for name in names[:3]:
        sums = [
            one._sum_weights(one._find_definition(name), name, [])
            .select(pl.col(_weight_sum_names(name)).sum())
            .row(0)
            for one in (whole, *parts)
        ]
        assert sums[0] == tuple(left + right for left, right in zip(*sums[1:], strict=True))


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days())
def test_split_between_workdays_changes_no_row(day: Day) -> None:
    workdays = score_by_engine(day).adherence()["workday"]
    first, last = workdays.min(), workdays.max()
    assume(isinstance(first, date) and isinstance(last, date) and first < last)
    ends = first, last, last + timedelta(days=1)  # type: ignore[operator]
    whole, *parts = (
        score_by_engine(day, window=window).adherence(definitions="all")
        for window in ((ends[0], ends[2]), ends[:2], ends[1:])
    )
    assert pl.concat(parts).sort("agent_id", "workday").equals(whole)


@pytest.mark.slow
@slow_examples(12, phases=[Phase.generate])
@given(day=days(own_rules=False))
def test_what_holds_between_them(day: Day) -> None:
    rows = score_by_engine(day).adherence(
        definitions=["all", "genesys_threshold(0)", "genesys_threshold(99999)"]
    )
    never_negative = [name for name in DEFINITIONS if name != "calabrio_ready_2"]
    for row in rows.iter_rows(named=True):
        assert all(row[name] is None or 0 <= row[name] <= 1 for name in never_negative)
        assert row["calabrio_ready_2"] is None or row["calabrio_ready_2"] <= 1
        assert row["genesys"] in (None, row["adherence"])
        assert row["genesys_threshold(0)"] == row["genesys"]
        assert row["genesys_threshold(99999)"] in (None, 1)
        if row["genesys"] is not None:
            assert row["genesys_outside_shift"] <= row["genesys"] <= row["genesys_threshold"]
        if row["adherence"] is not None and row["calabrio_rta"] is not None:
            assert row["adherence"] <= row["calabrio_rta"]


def test_definitions_change_no_other_column() -> None:
    scored = wfm.score(**golden())
    assert scored.adherence(definitions="all").drop(*GOLDEN).equals(scored.adherence())


def test_absent_day_is_undefined_to_genesys_alone() -> None:
    found = figures("sched QQQQQQ", "sched:b QQQQQQ", "state:b AAAooA")
    assert found["genesys"] == found["genesys_outside_shift"] == round(1000 * 4 / 6)
    assert found["amazon"] == found["salesforce"] == round(1000 * 4 / 12)
    alone = wfm.score(**draw("sched QQQ", "state:b A")).adherence(definitions="all")
    names = ("genesys", "genesys_outside_shift", "genesys_threshold", "amazon")
    assert alone.filter(agent_id="a").select(names).rows() == [(None, None, None, 0.0)]


def test_a_day_of_training_alone_is_defined() -> None:
    found = figures("sched TTTT", "state ttoo")
    assert found["genesys"] == 500
    assert found["calabrio_ready_1"] is None
    assert found["assembled_productive"] is None


def test_work_on_a_day_off_counts_nowhere() -> None:
    found = figures("sched ....................", "state AAAA")
    assert set(found.values()) == {None}


def test_nothing_known_is_no_score() -> None:
    found = figures("sched QQQQQQ", "state AAAAAA", "cover .......x")
    assert set(found.values()) == {None}


def test_ready_time_in_break_counts_within_its_quarter() -> None:
    same = figures("sched QQQQQBBBBBQQQQQ", "state AAAaaAAbbbAAAAA")
    assert same["calabrio_ready_1"] == 1000
    assert same["calabrio_ready_2"] == 1000
    assert same["assembled_productive"] == 800
    later = figures("sched QQQQQQQQQQQQQQQBBBBB", "state AAAAAAAAAAAAAaaAAbbb")
    assert later["calabrio_ready_1"] == round(1000 * 13 / 15)
    assert later["calabrio_ready_2"] == round(1000 * 16 / 20)


def test_ready_time_outside_the_shift_reaches_two_hours() -> None:
    state = "state " + "A" * 10  # hours: the shift is 08–12, work goes on until 18
    found = figures("sched QQQQ", state, step_s=3600)
    assert found["calabrio_ready_2"] == 500  # 4 h, less 2 h of the 6
    assert found["genesys_outside_shift"] == round(1000 * 4 / 10)
    much = figures("sched QB", "state AAAA", step_s=3600)
    assert much["calabrio_ready_2"] == -500  # 2 h, less 1 h in the break and 2 h outside


@pytest.mark.slow
def test_logged_out_break_differs_between_amazon_and_salesforce() -> None:
    found = figures("sched QQBBMM", "state AAobom")
    assert found["amazon"] == round(1000 * 4 / 6)
    assert found["salesforce"] == 1000
    assert figures("sched QTTQ", "state AotA")["salesforce"] == 750


def test_call_in_a_break_is_neutral_to_calabrio() -> None:
    assert figures("sched QQBBMMTT", "state AABbmAtt")["calabrio_rta"] == 1000
    assert figures("sched QQTT", "state AAAt")["calabrio_rta"] == 750


def test_exception_shorter_than_the_threshold_is_not_counted() -> None:
    scored = wfm.score(**draw("sched QQQQQQQQQQ", "state AaAAAaaAAA"))
    names = [f"genesys_threshold({s})" for s in (60, 61, 120, 121)]
    assert scored.adherence(definitions=names).select(names).row(0) == (0.7, 0.8, 0.8, 1.0)


def test_outside_work_belongs_to_segment_before_or_first() -> None:
    scored = wfm.score(**draw("sched ..QQBB", "state AAAAbbAAA"))
    rows = scored.adherence(["activity"], definitions=["genesys_outside_shift"])
    assert rows.select("activity", "genesys_outside_shift").rows() == [("break", 2 / 5), ("on_queue", 2 / 4)]


def test_window_after_the_shift_has_its_work_outside() -> None:
    after = (datetime(2026, 3, 2, 16, 5, tzinfo=UTC), datetime(2026, 3, 2, 17, tzinfo=UTC))
    scored = wfm.score(**golden(), window=after)
    assert scored.adherence().height == 0
    rows = scored.adherence(definitions=["genesys", "genesys_outside_shift"])
    assert rows.select("scheduled_s", "adherence", "genesys", "genesys_outside_shift").rows() == [
        (0, None, None, 0)
    ]


@pytest.mark.parametrize(
    "name", ["nice", "", "genesys_threshold(x)", "genesys_threshold()", "amazon(3)", "ALL"]
)
def test_another_name_is_refused_and_names_are_told(name: str) -> None:
    with pytest.raises(UsageError, match=r"no definition '.*'; choose from: genesys, .*salesforce"):
        wfm.score(**golden()).adherence(definitions=[name])


def test_a_definition_is_shown_once() -> None:
    rows = wfm.score(**golden()).adherence(definitions=["amazon", "all", "amazon"])
    assert rows.columns[-9:] == ["amazon", *(name for name in GOLDEN if name != "amazon")]


def test_no_schedule_at_all() -> None:
    rows = wfm.score(**draw("state AAA")).adherence(definitions="all")
    assert rows.height == 0
    assert rows.columns[-9:] == list(GOLDEN)
