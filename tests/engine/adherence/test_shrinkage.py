"""Where paid time went, by hand: the golden day, flags, excuses, what nobody saw, and one definition of occupancy."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given

import wfm
from helpers.drawn_days import draw, golden
from helpers.examples import slow_examples
from helpers.scored_days import build_inputs, days_with_queues
from wfm import defaults
from wfm.core import glossary
from wfm.core.errors import InputError, UsageError
from wfm.engine.adherence.shrinkage import SHRINKAGE_FORMULAS, SHRINKAGE_SUMS
from wfm.engine.volume import occupancy

DAY = date(2026, 3, 2)
PARTS = ("paid_s", "productive_s", "planned_s", "unplanned_s", "unknown_s")


def minutes(inputs: dict[str, Any], *names: str, **more: Any) -> tuple[float, ...]:
    """Score and give sums of everything together, in minutes."""
    row = wfm.score(**inputs, **more).shrinkage([]).row(0, named=True)
    return tuple(row[name] / 60 for name in names or PARTS)


def flagged(**flags: tuple[str, str, bool]) -> pl.DataFrame:
    rows = [
        {"activity": name, "category": category, "shrinkage": flag, "paid": paid}
        for name, (category, flag, paid) in flags.items()
    ]
    return pl.DataFrame(rows)


# --- the golden day -------------------------------------------------------------------------------------
def test_every_figure_of_the_golden_day() -> None:
    """30 minutes of break were planned and taken, 6 of them late because of the call; 3 minutes came late."""
    (row,) = wfm.score(**golden()).shrinkage().to_dicts()
    assert row == {
        "agent_id": "a",
        "workday": DAY,
        "paid_s": 450 * 60,
        "productive_s": 417 * 60,
        "planned_s": 30 * 60,
        "unplanned_s": 3 * 60,
        "unknown_s": 0,
        "scheduled_shrinkage_s": 30 * 60,
        "logged_in_s": 487 * 60,
        "staffed_s": 427 * 60,
        "handling_s": 11 * 60,
        "handling_paid_s": 11 * 60,
        "shrinkage_scheduled": 30 / 450,
        "shrinkage_planned": 30 / 450,
        "shrinkage_unplanned": 3 / 450,
        "shrinkage": 33 / 450,
        "shrinkage_high": 33 / 450,
        "occupancy": 11 / 427,
        "utilisation": 11 / 450,
        "utilisation_variant": "of_paid",
    }


def test_what_the_golden_day_lost_by_cause() -> None:
    assert wfm.score(**golden()).shrinkage_causes().rows() == [
        ("planned", "break", 24 * 60, 450 * 60, 24 / 450),
        ("planned", "shifted_break", 6 * 60, 450 * 60, 6 / 450),
        ("unplanned", "late_start", 3 * 60, 450 * 60, 3 / 450),
    ]


def test_utilisation_is_the_variant_that_was_asked_for() -> None:
    scored = wfm.score(**golden())
    assert scored.shrinkage([], utilisation="of_logged_in").select("utilisation", "utilisation_variant").row(
        0
    ) == (
        11 / 487,
        "of_logged_in",
    )
    with pytest.raises(UsageError, match="No utilisation 'of_shift'; choose from: of_paid, of_logged_in"):
        scored.shrinkage([], utilisation="of_shift")


def test_every_formula_is_told() -> None:
    assert set(SHRINKAGE_FORMULAS) == {
        "paid",
        "planned",
        "unplanned",
        "shrinkage",
        "shrinkage scheduled",
        "occupancy",
    }


# --- what is planned, what is not -----------------------------------------------------------------------
def test_time_off_is_paid_and_planned() -> None:
    inputs = draw("sched  QQQQOOOO", "state  AAAAoooo")
    assert minutes(inputs) == (8, 4, 4, 0, 0)
    assert wfm.score(**inputs).adherence([])["scheduled_s"].item() == 240


def test_serving_a_queue_in_breaks_is_productive() -> None:
    assert minutes(draw("sched  QQBBOO", "state  AAAABA")) == (6, 6, 0, 0, 0)


def test_email_is_planned_shrinkage_unless_configured_as_workload() -> None:
    inputs = draw("sched  QQEEEE", "state  AAKKbb")
    assert minutes(inputs) == (6, 2, 4, 0, 0)
    own = flagged(email=("off_queue_work", "none", True))
    assert minutes(inputs, activity=own) == (6, 4, 0, 2, 0)


def test_activity_flagged_unplanned_is_lost_whatever_agent_does() -> None:
    own = flagged(sick=("time_off", "unplanned", True))
    inputs = draw("sched  QQXX", "state  AAoo", letters={"X": "sick"})
    assert minutes(inputs, activity=own) == (4, 2, 0, 2, 0)
    assert wfm.score(**inputs, activity=own).shrinkage_causes().rows() == [
        ("unplanned", "sick", 120, 240, 0.5)
    ]


def test_an_empty_flag_is_that_of_the_category() -> None:
    own = pl.DataFrame({"activity": ["huddle", "siesta"], "category": ["meeting", "meal"]})
    inputs = draw("sched  QXY", "state  Abb", letters={"X": "huddle", "Y": "siesta"})
    assert minutes(inputs, activity=own) == (2, 1, 1, 0, 0)
    shipped = defaults.read_default_table("activity").filter(pl.col("activity") == pl.col("category"))
    for row in shipped.to_dicts():
        assert row["paid"] == (row["category"] in glossary.PAID_CATEGORIES)
        assert row["shrinkage"] == (
            "planned" if row["category"] in glossary.PLANNED_SHRINKAGE_CATEGORIES else "none"
        )


def test_unpaid_time_is_nowhere_unless_it_is_paid() -> None:
    inputs = draw("sched  QQMMUU", "state  AAmmoo")
    assert minutes(inputs) == (2, 2, 0, 0, 0)
    assert minutes(inputs, activity=flagged(meal=("meal", "planned", True))) == (4, 2, 2, 0, 0)


def test_state_that_a_rule_excludes_is_lost() -> None:
    inputs = draw("sched  QQQQ", "state  AAKK")
    assert minutes(inputs) == (4, 4, 0, 0, 0)
    rule = pl.DataFrame({"category": ["on_queue"], "state": ["working"], "in_adherence": [False]})
    assert minutes(inputs, rule=rule) == (4, 2, 0, 2, 0)


@pytest.mark.parametrize("kind", ["approved", "system"])
def test_excused_time_is_unplanned_under_its_code(kind: str) -> None:
    inputs = draw("sched  QQQQBB", "state  AAoooo", f"{kind}  ..xx..")
    coded = inputs["exemption"].with_columns(code=pl.lit("sick"))
    scored = wfm.score(**inputs | {"exemption": coded})
    assert scored.shrinkage([]).select(PARTS).row(0) == (360, 120, 120, 120, 0)
    assert scored.shrinkage_causes()["cause"].to_list() == ["break", "sick"]


def test_absent_agent_has_planned_breaks_and_lost_work() -> None:
    inputs = draw("sched  QQQBQQ", "state  oooooo")
    assert minutes(inputs) == (6, 0, 1, 5, 0)
    assert wfm.score(**inputs).shrinkage_causes()["cause"].to_list() == [
        "break",
        "absent",
    ]


def test_what_nobody_saw_makes_range_but_no_loss() -> None:
    inputs = draw("sched  QQQQBQQQ", "state  AAAAbAAo", "cover  xx...xxx")
    row = wfm.score(**inputs).shrinkage([]).row(0, named=True)
    assert [row[name] / 60 for name in PARTS] == [8, 4, 1, 1, 2]
    assert (row["shrinkage"], row["shrinkage_high"]) == (2 / 8, 4 / 8)


# --- all time, scheduled or not -------------------------------------------------------------------------
def test_unscheduled_work_counts_for_occupancy_and_logged_in() -> None:
    row = wfm.score(**draw("sched  QQ......", "state  AABBbbAo")).shrinkage([]).row(0, named=True)
    assert [row[name] / 60 for name in PARTS] == [2, 2, 0, 0, 0]
    assert [row[f"{name}_s"] / 60 for name in ("logged_in", "staffed", "handling", "handling_paid")] == [
        7,
        5,
        2,
        0,
    ]


def test_unscheduled_rest_belongs_to_one_workday_despite_renewals() -> None:
    """From 22:30 to 02:00, told again at 01:30, when the shift that ended at 22:00 is more than three hours ago."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-{text}+00:00")

    said = [
        ("02T14:00", "available"),
        ("02T22:30", "break"),
        ("03T01:30", "break"),
        ("03T02:00", "logged out"),
    ]
    scored = wfm.score(
        schedule=pl.DataFrame(
            {
                "agent_id": ["a"],
                "start_at": [at("02T14:00")],
                "end_at": [at("02T22:00")],
                "activity": ["phone"],
            }
        ),
        agent_state=pl.DataFrame(
            {
                "login": ["a"] * 4,
                "at": [at(when) for when, _ in said],
                "vendor_state": [word for _, word in said],
            }
        ),
    )
    assert scored.shrinkage(["workday"]).select("workday", "logged_in_s").rows() == [(DAY, 12 * 3600)]


@pytest.mark.slow
@slow_examples(15)
@given(days_with_queues())
def test_occupancy_is_that_of_the_volume_engine(day: Any) -> None:
    scored = wfm.score(**build_inputs(day))
    state = scored.slices()
    for by in ([], ["agent_id"]):
        theirs = occupancy.split_staffed_time(state, by)
        ours = scored.shrinkage([*by, "interval"]).filter(pl.col("staffed_s") > 0)
        handling, staffed = (pl.col(name) / 1_000_000 for name in ("handling_us", "staffed_us"))
        keys = [*by, "interval_start"]
        wanted = theirs.select(*keys, handling_s=handling, staffed_s=staffed, occupancy=handling / staffed)
        assert ours.select(wanted.columns).sort(keys).equals(wanted.sort(keys))


# --- clocks, knowledge, people --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 3, 26, 22, tzinfo=UTC), 23), (datetime(2026, 10, 24, 21, tzinfo=UTC), 25)],
)
def test_days_of_23_and_25_hours(start: datetime, hours: int) -> None:
    end = start + timedelta(hours=hours)
    states = pl.DataFrame(
        {
            "login": ["a"] * 3,
            "at": [start, start + timedelta(hours=12), end],
            "vendor_state": ["busy", "busy", "o"],
        }
    )
    schedule = pl.DataFrame({"agent_id": ["a"], "start_at": [start], "end_at": [end], "activity": ["phone"]})
    scored = wfm.score(schedule=schedule, agent_state=states, timezone="Asia/Jerusalem")
    rows = scored.shrinkage(["workday", "interval"])
    assert rows.height == hours * 4
    assert rows.select("paid_s", "handling_s", "occupancy", "shrinkage").unique().rows() == [(900, 900, 1, 0)]


def test_as_of_tells_what_was_known_then() -> None:
    at = datetime(2026, 3, 2, 20, tzinfo=UTC)
    inputs = draw("sched  QQQQ", "state  AAoo")
    inputs["schedule"] = inputs["schedule"].with_columns(published_at=pl.lit(at - timedelta(days=9)))
    changed = inputs["schedule"].with_columns(published_at=pl.lit(at), activity=pl.lit("training"))
    inputs["schedule"] = pl.concat([inputs["schedule"], changed])
    assert minutes(inputs, as_of=at - timedelta(hours=1)) == (4, 2, 0, 2, 0)
    assert minutes(inputs) == (4, 2, 2, 0, 0)


def test_only_the_agents_asked_for() -> None:
    inputs = draw("sched:a QQQQ", "state:a AAAA", "sched:b QQQQ", "state:b BBoo")
    scored = wfm.score(**inputs)
    assert scored.shrinkage([], agents=["b"]).select("paid_s", "handling_s", "unplanned_s").row(0) == (
        240,
        120,
        120,
    )
    assert scored.shrinkage_causes(agents=["a"]).height == 0


def test_a_flag_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="no shrinkage 'perhaps'; choose from planned, unplanned, none"):
        wfm.score(**golden(), activity=flagged(nap=("break", "perhaps", True)))


def test_sums_are_whole_microseconds_internally() -> None:
    rows = wfm.score(**golden()).shrinkage(["interval", "queue", "activity"])
    assert set(rows.select(SHRINKAGE_SUMS).dtypes) == {pl.Float64}
    assert rows.select(SHRINKAGE_SUMS).sum().row(0) == wfm.score(**golden()).shrinkage([]).select(
        SHRINKAGE_SUMS
    ).row(0)


def test_rows_are_ordered_and_idle_agents_have_none() -> None:
    """Of twelve agents; the one of no team comes last."""
    agents = "lkjihgfedcba"
    lines = [line for agent in agents for line in (f"sched:{agent} QQ", f"state:{agent} AA")]
    inputs = draw(*lines, "sched:y MM", "state:y mm", "state:z oo")
    inputs["agent"] = pl.DataFrame(
        {"agent_id": [*agents], "team": [None, *(f"team {agent}" for agent in agents[1:])]}
    )
    scored = wfm.score(**inputs)
    assert scored.shrinkage("agent")["agent_id"].to_list() == [*sorted(agents), "y"]
    assert scored.shrinkage("team")["team"].to_list() == [*(f"team {agent}" for agent in "abcdefghijk"), None]
    assert scored.shrinkage("agent").select("paid_s", "logged_in_s").rows()[-1] == (0, 120)
