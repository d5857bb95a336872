"""Frames, windows and zones that cannot be scored: each is refused by name, with what to do about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import wfm
from helpers.drawn_days import frame, golden
from wfm.core.errors import InputError, UsageError, WfmError

GOLDEN = golden()
SCHEDULE, STATES, CALLS = GOLDEN["schedule"], GOLDEN["agent_state"], GOLDEN["call_leg"]
EIGHT, NINE = datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 9, tzinfo=UTC)
EXEMPTION = frame("exemption", [{"start_at": EIGHT, "end_at": NINE, "kind": "approved"}])
COVERAGE = pl.DataFrame({"start_at": [EIGHT], "end_at": [NINE]})
AGENT = pl.DataFrame({"agent_id": ["a"], "timezone": ["UTC"]})


def naive(name: str) -> pl.Expr:
    return pl.col(name).dt.replace_time_zone(None)


def backwards(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(end_at=pl.col("start_at") - timedelta(seconds=1))


def one(**values: Any) -> pl.DataFrame:
    return pl.DataFrame({name: [value] for name, value in values.items()})


def refusal(**inputs: Any) -> WfmError:
    with pytest.raises(WfmError) as caught:
        wfm.score(**{**GOLDEN, **inputs})
    return caught.value


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        # a column is missing: which, of which frame, what is there, what is needed
        (
            {"schedule": SCHEDULE.drop("activity")},
            ("schedule", "no column activity", "it has agent_id", "needs"),
        ),
        ({"schedule": SCHEDULE.select("agent_id")}, ("no column start_at, end_at, activity",)),
        ({"schedule": pl.DataFrame()}, ("schedule", "no column", "it has none")),
        (
            {"agent_state": STATES.drop("at")},
            ("agent_state", "no column at", "needs login, at, vendor_state"),
        ),
        ({"call_leg": CALLS.drop("leg_id")}, ("call_leg", "no column leg_id")),
        ({"exemption": EXEMPTION.drop("kind")}, ("exemption", "no column kind")),
        ({"coverage": COVERAGE.drop("end_at")}, ("coverage", "no column end_at")),
        ({"agent": AGENT.drop("agent_id")}, ("agent", "no column agent_id")),
        ({"login": one(login="a")}, ("login", "no column agent_id")),
        ({"activity": one(activity="x")}, ("activity", "no column category")),
        ({"state_map": one(vendor_state="x")}, ("state_map", "no column state")),
        ({"rule": one(category="break")}, ("rule", "no column state, in_adherence")),
        # another kind of value
        (
            {"schedule": SCHEDULE.with_columns(start_at=pl.lit("2026-03-02T08:00:00Z"))},
            ("schedule.start_at", "String", "Datetime", "str.to_datetime"),
        ),
        ({"schedule": SCHEDULE.with_columns(end_at=pl.lit(8))}, ("schedule.end_at", "Int", "Datetime")),
        (
            {"agent_state": STATES.with_columns(at=pl.lit(date(2026, 3, 2)))},
            ("agent_state.at", "Date", "convert"),
        ),
        (
            {"rule": one(category="break", state="meal", in_adherence="x")},
            ("rule.in_adherence", "Boolean", "cast"),
        ),
        # instants that say no zone
        (
            {"schedule": SCHEDULE.with_columns(naive("start_at"))},
            ("schedule.start_at", "zone", "replace_time_zone"),
        ),
        ({"agent_state": STATES.with_columns(naive("at"))}, ("agent_state.at", "zone", "replace_time_zone")),
        ({"call_leg": CALLS.with_columns(naive("ended_at"))}, ("call_leg.ended_at", "replace_time_zone")),
        ({"coverage": COVERAGE.with_columns(naive("end_at"))}, ("coverage.end_at", "replace_time_zone")),
        (
            {"exemption": EXEMPTION.with_columns(naive("start_at"))},
            ("exemption.start_at", "replace_time_zone"),
        ),
        # empty where a value is needed
        (
            {
                "agent_state": STATES.with_columns(
                    login=pl.when(pl.col("login").cum_count() != 3).then("login")
                )
            },
            ("agent_state.login", "empty in row 2"),
        ),
        ({"schedule": SCHEDULE.with_columns(end_at=pl.lit(None))}, ("schedule.end_at", "empty in row 0")),
        ({"exemption": EXEMPTION.with_columns(kind=pl.lit(None))}, ("exemption.kind", "empty in row 0")),
        # spans
        (
            {"schedule": pl.concat([SCHEDULE, backwards(SCHEDULE)])},
            ("schedule", "4 row(s) end before they start", "first row 4", "2026-03-02T08:00:00+00:00"),
        ),
        ({"exemption": backwards(EXEMPTION)}, ("exemption", "end before they start")),
        ({"coverage": backwards(COVERAGE)}, ("coverage", "end before they start")),
        # words
        (
            {"schedule": SCHEDULE.with_columns(activity=pl.lit("siesta"))},
            (
                "schedule",
                "unknown activity 'siesta'",
                "known are break, coaching",
                "Add it to the table activity",
            ),
        ),
        ({"activity": one(activity="x", category="fun")}, ("activity 'x'", "'fun'", "choose from on_queue")),
        (
            {"state_map": one(vendor_state="x", state="Fun")},
            ("state_map", "'x'", "'Fun'", "choose from busy"),
        ),
        ({"state_map": one(vendor_state="x", state="unknown")}, ("state_map", "'unknown'", "choose from")),
        (
            {"rule": one(category="brek", state="meal", in_adherence=True)},
            ("rule.category", "'brek'", "choose from on_queue"),
        ),
        (
            {"rule": one(category="break", state="Meal", in_adherence=True)},
            ("rule.state", "'Meal'", "choose from busy"),
        ),
        (
            {"exemption": EXEMPTION.with_columns(kind=pl.lit("vacation"))},
            ("exemption.kind", "'vacation'", "choose from approved, system"),
        ),
        # not a frame at all
        ({"schedule": [{"agent_id": "a"}]}, ("schedule", "expected a polars frame", "list")),
        ({"agent_state": SCHEDULE.to_dict()}, ("agent_state", "expected a polars frame", "dict")),
        ({"rule": SCHEDULE["agent_id"]}, ("rule", "expected a polars frame", "Series")),
    ],
)
def test_frames_that_are_refused(inputs: dict[str, Any], words: tuple[str, ...]) -> None:
    error = refusal(**inputs)
    assert isinstance(error, InputError)
    for word in words:
        assert word in str(error)
    lazy = {name: data.lazy() for name, data in inputs.items() if isinstance(data, pl.DataFrame)}
    if lazy:
        assert str(refusal(**lazy)) == str(error)


MIDNIGHT = datetime(2026, 3, 2)  # noqa: DTZ001
DAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"window": ("2026-03-03", "2026-03-02")}, ("window", "is not after", "the end is not included")),
        ({"window": (DAY, DAY)}, ("window", "is not after")),
        ({"window": (NINE, EIGHT)}, ("window", "is not after")),
        ({"window": (DAY, NINE)}, ("window", "two dates (workdays) or two instants")),
        ({"window": (EIGHT, "2026-03-03")}, ("window", "two dates (workdays) or two instants")),
        ({"window": (MIDNIGHT, MIDNIGHT + timedelta(1))}, ("window", "offset", "2026-03-02T00:00:00+00:00")),
        ({"window": (EIGHT, MIDNIGHT + timedelta(1))}, ("window", "offset", "2026-03-03T00:00:00+00:00")),
        ({"window": ("2026-03-02T08:00", "2026-03-02T09:00")}, ("window", "offset", "T08:00:00+00:00")),
        ({"window": ("monday", "tuesday")}, ("window", "'monday'", "2026-03-02")),
        ({"as_of": MIDNIGHT}, ("as_of", "zone", "+00:00")),
        ({"as_of": DAY}, ("as_of", "2026-03-02", "+00:00")),
        ({"as_of": "yesterday"}, ("as_of", "yesterday", "+00:00")),
        ({"timezone": "Mars/Olympus"}, ("timezone", "'Mars/Olympus'", "Asia/Jerusalem")),
        ({"agent": one(agent_id="a", timezone="GMT+25")}, ("agent.timezone", "'GMT+25'", "Asia/Jerusalem")),
    ],
)
def test_windows_instants_and_zones_that_are_refused(inputs: dict[str, Any], words: tuple[str, ...]) -> None:
    error = refusal(**inputs)
    assert isinstance(error, UsageError)
    for word in words:
        assert word in str(error)


def test_what_scores_cannot_be_grouped_by() -> None:
    with pytest.raises(UsageError, match=r"'shoe'.*choose from: agent_id"):
        wfm.score(**GOLDEN).adherence(["agent_id", "shoe"])


# --- what is fine ---------------------------------------------------------------------------------------
WANTED = wfm.score(**GOLDEN).adherence()


@pytest.mark.parametrize(
    "inputs",
    [
        {"schedule": SCHEDULE.with_columns(more=1)},
        {"schedule": SCHEDULE.drop("published_at")},
        {"schedule": SCHEDULE.with_columns(pl.col("start_at").dt.convert_time_zone("Asia/Tokyo"))},
        {"schedule": SCHEDULE.with_columns(pl.col("start_at").dt.cast_time_unit("ms"))},
        {"schedule": SCHEDULE.with_columns(pl.col("activity").str.to_uppercase().str.replace("_", " "))},
        {"schedule": SCHEDULE.with_columns(pl.col("activity").cast(pl.Categorical))},
        {
            "agent_state": STATES.with_columns(source=pl.lit("-")),
            "call_leg": CALLS.with_columns(source=pl.lit("-")),
        },
        {
            "agent_state": STATES.with_columns(source=pl.lit("n")),
            "call_leg": CALLS.with_columns(source=pl.lit("n")),
        },
        {"exemption": EXEMPTION.clear()},
        {"rule": one(category="break", state="meal", in_adherence=True)},
        {"state_map": one(vendor_state="x", state="busy")},
        {name: data.lazy() for name, data in GOLDEN.items()},
    ],
)
def test_frames_that_are_fine(inputs: dict[str, Any]) -> None:
    assert wfm.score(**{**GOLDEN, **inputs}).adherence().equals(WANTED)


def test_the_frames_given_are_not_touched() -> None:
    before = {name: data.clone() for name, data in GOLDEN.items()}
    scored = wfm.score(**GOLDEN)
    scored.exceptions(), scored.slices(), scored.adherence()
    assert all(data.equals(before[name]) for name, data in GOLDEN.items())


def test_nothing_is_an_answer_too() -> None:
    empty = wfm.score(schedule=SCHEDULE.clear(), agent_state=STATES.clear())
    assert (empty.adherence().height, empty.exceptions().height, empty.slices().height) == (0, 0, 0)
    assert empty.adherence([])["adherence"].to_list() == [None]
    nobody = wfm.score(schedule=SCHEDULE, agent_state=STATES.clear())
    assert nobody.adherence()["controllable_s"].to_list() == [420 * 60]
    assert set(nobody.exceptions()["reason"]) == {"absent"}
    unplanned = wfm.score(schedule=SCHEDULE.clear(), agent_state=STATES)
    assert unplanned.adherence().height == 0
    assert set(unplanned.exceptions()["reason"]) == {"unscheduled_work"}
