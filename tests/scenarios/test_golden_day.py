"""The golden day of the specification through the public `wfm.score`: every figure to the second."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

import wfm
from helpers.drawn_days import golden

DAY = date(2026, 3, 2)


def clock(at: datetime) -> str:
    return f"{at:%H:%M}"


@pytest.fixture(scope="module")
def scored() -> Any:
    return wfm.score(**golden())


def test_every_figure(scored: Any) -> None:
    assert scored.adherence().to_dicts() == [
        {
            "agent_id": "a",
            "workday": DAY,
            "scheduled_s": 480 * 60,
            "in_s": 465 * 60,
            "approved_s": 0,
            "call_driven_s": 12 * 60,
            "system_s": 0,
            "unknown_s": 0,
            "controllable_s": 3 * 60,
            "scheduled_work_s": 420 * 60,
            "worked_s": 417 * 60,
            "adherence": 465 / 480,
            "adherence_adjusted": 477 / 480,
            "adherence_low": 465 / 480,
            "adherence_high": 465 / 480,
            "coverage": 1.0,
            "conformance": 417 / 420,
        }
    ]
    assert (465 / 480, 477 / 480) == (0.96875, 0.99375)


def test_every_exception(scored: Any) -> None:
    found = scored.exceptions()
    assert found.columns == [
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
    ]
    assert found["start_at"].dtype == found["end_at"].dtype == pl.Datetime("us", "UTC")
    assert found["agent_id"].unique().to_list() == ["a"]
    assert found["workday"].unique().to_list() == [DAY]
    told = [(clock(row[2]), clock(row[3]), *row[4:]) for row in found.rows()]
    assert told == [
        (
            "08:00",
            "08:03",
            180,
            "on_queue",
            "logged_out",
            None,
            "controllable",
            "late_start",
            [],
            None,
            "negative",
        ),
        (
            "10:00",
            "10:06",
            360,
            "break",
            "busy",
            "busy",
            "call_driven",
            "call_overrun",
            ["leg-1"],
            "call",
            "positive",
        ),
        (
            "10:15",
            "10:21",
            360,
            "on_queue",
            "break",
            "break",
            "call_driven",
            "shifted_break",
            ["leg-1"],
            "call",
            "negative",
        ),
        (
            "16:00",
            "16:10",
            600,
            None,
            "available",
            "available",
            None,
            "unscheduled_work",
            [],
            None,
            "positive",
        ),
    ]


def test_every_slice(scored: Any) -> None:
    columns = ("activity", "state", "class", "reason", "leg_id")
    rows = scored.slices().select("start_at", "end_at", *columns).rows()
    queue, rest = "on_queue", "break"
    assert [(clock(row[0]), clock(row[1]), *row[2:]) for row in rows] == [
        ("08:00", "08:03", queue, "logged_out", "controllable", "late_start", None),
        ("08:03", "09:55", queue, "available", "in", None, None),
        ("09:55", "10:00", queue, "busy", "in", None, "leg-1"),
        ("10:00", "10:06", rest, "busy", "call_driven", "call_overrun", "leg-1"),
        ("10:06", "10:15", rest, "break", "in", None, None),
        ("10:15", "10:21", queue, "break", "call_driven", "shifted_break", None),
        ("10:21", "12:00", queue, "available", "in", None, None),
        ("12:00", "12:30", "meal", "meal", "in", None, None),
        ("12:30", "14:00", queue, "available", "in", None, None),
        ("14:00", "14:15", rest, "break", "in", None, None),
        ("14:15", "16:00", queue, "available", "in", None, None),
        ("16:00", "16:10", None, "available", None, "unscheduled_work", None),
    ]


@pytest.mark.parametrize(
    "window",
    [
        ("2026-03-02", "2026-03-03"),
        (DAY, date(2026, 3, 3)),
        (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)),
        ("2026-03-02T01:00:00+01:00", "2026-03-03T00:00:00+00:00"),
    ],
)
def test_the_day_asked_for_is_the_day(scored: Any, window: tuple[Any, Any]) -> None:
    asked = wfm.score(**golden(), window=window)
    assert asked.adherence().equals(scored.adherence())
    assert asked.exceptions().equals(scored.exceptions())


def test_the_slices_tile_the_day() -> None:
    day = wfm.score(**golden(), window=(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)))
    rows = day.slices()
    assert rows["start_at"][0] == datetime(2026, 3, 2, tzinfo=UTC)
    assert rows["end_at"][-1] == datetime(2026, 3, 3, tzinfo=UTC)
    assert rows["start_at"][1:].to_list() == rows["end_at"][:-1].to_list()


@pytest.mark.parametrize(
    "by", [[], ["agent_id"], ["workday"], ["week"], ["month"], ["team"], ["shift_start_at"]]
)
def test_every_roll_up_of_one_day_is_day(scored: Any, by: list[str]) -> None:
    figures = scored.adherence().drop("agent_id", "workday")
    assert scored.adherence(by).drop(by).equals(figures)


def test_by_activity(scored: Any) -> None:
    rows = scored.adherence(["activity"]).select(
        "activity", "scheduled_s", "in_s", "call_driven_s", "controllable_s"
    )
    assert rows.rows() == [
        ("break", 1800, 1440, 360, 0),
        ("meal", 1800, 1800, 0, 0),
        ("on_queue", 25200, 24660, 360, 180),
    ]


def test_the_day_before_was_not_scheduled(scored: Any) -> None:
    empty = wfm.score(**golden(), window=("2026-03-01", "2026-03-02"))
    assert empty.adherence().height == 0
    assert empty.adherence().columns == scored.adherence().columns
    assert empty.exceptions().height == 0
    total = empty.adherence([]).to_dicts()[0]
    assert total["scheduled_s"] == 0
    assert total["adherence"] is None
