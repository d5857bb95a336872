"""The slow twin itself: the golden day to the second, and one small hand-computed case per rule."""

from __future__ import annotations

from datetime import date

from days import golden
from slow import slow_score


def test_golden_day_figures() -> None:
    score = slow_score(**golden())
    assert len(score.seconds) == 480 * 60
    assert score.totals("agent_id") == {
        ("a",): {
            "scheduled_s": 480 * 60,
            "in_s": 465 * 60,
            "approved_s": 0,
            "call_driven_s": 12 * 60,
            "system_s": 0,
            "unknown_s": 0,
            "controllable_s": 3 * 60,
            "scheduled_work_s": 420 * 60,
            "worked_s": 417 * 60,
            "adherence": 0.96875,
            "adherence_adjusted": 0.99375,
            "adherence_low": 0.96875,
            "adherence_high": 0.96875,
            "coverage": 1.0,
            "conformance": 417 / 420,
        }
    }


def test_golden_day_exceptions() -> None:
    found = slow_score(**golden()).exceptions()
    names = ("seconds", "activity", "state", "class", "reason", "impact", "evidence")
    told = [(f"{one['start']:%H:%M}", f"{one['end']:%H:%M}", *(one[n] for n in names)) for one in found]
    assert told == [
        ("08:00", "08:03", 180, "on_queue", "logged_out", "controllable", "late_start", "negative", []),
        ("10:00", "10:06", 360, "break", "busy", "call_driven", "call_overrun", "positive", ["leg-1"]),
        ("10:15", "10:21", 360, "on_queue", "break", "call_driven", "shifted_break", "negative", ["leg-1"]),
        ("16:00", "16:10", 600, None, "available", None, "unscheduled_work", "positive", []),
    ]
    assert [one["evidence_kind"] for one in found] == [None, "call", "call", None]
    assert {one["workday"] for one in found} == {date(2026, 3, 2)}
    assert {one["agent_id"] for one in found} == {"a"}
