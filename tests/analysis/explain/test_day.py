"""A day for reading: what only the clocks of two systems keep apart is one stretch, and no second is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from wfm.analysis.explain.day import merge_short_slices

START = datetime(2026, 3, 1, 7, tzinfo=UTC)


def day(*told: tuple[float, str, str | None]) -> pl.DataFrame:
    """Lay stretches of (seconds, state, leg) end to end."""
    rows, at = [], START
    for seconds, state, leg in told:
        until = at + timedelta(seconds=seconds)
        rows.append((at, until, seconds, "on_queue", state, state.title(), "in", None, leg))
        at = until
    names = [
        "start_at",
        "end_at",
        "seconds",
        "activity",
        "state",
        "vendor_state",
        "class",
        "reason",
        "leg_id",
    ]
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


def read(*told: tuple[float, str, str | None]) -> list[tuple[float, str, str | None]]:
    rows = merge_short_slices(day(*told))
    assert rows["start_at"][0] == START
    assert rows["end_at"][:-1].to_list() == rows["start_at"][1:].to_list()
    return [
        (round(s, 6), state, leg) for s, state, leg in rows.select("seconds", "state", "leg_id").iter_rows()
    ]


def test_sliver_before_or_after_a_call_joins_it() -> None:
    assert read((0.4, "busy", None), (60.0, "busy", "7"), (0.3, "wrapup", "7"), (9.7, "wrapup", None)) == [
        (60.4, "busy", "7"),
        (10.0, "wrapup", None),
    ]


def test_calls_back_to_back_stay_two() -> None:
    told = [(30.0, "busy", "1"), (0.2, "busy", None), (40.0, "busy", "2")]
    assert read(*told) == [(30.2, "busy", "1"), (40.0, "busy", "2")]


def test_a_short_state_of_its_own_stays() -> None:
    told = [(30.0, "available", None), (0.5, "no_answer", None), (30.0, "available", None)]
    assert read(*told) == told
