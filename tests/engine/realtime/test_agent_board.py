"""The board: who is where, since when, and how long they were out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from helpers.drawn_days import Day, days
from helpers.drawn_days import draw as drawing
from helpers.examples import examples
from helpers.live_days import (
    DATES,
    NEWS,
    START,
    STEP,
    Facts,
    completed,
    fixed,
    score,
    start_live,
    watched,
)
from wfm.engine.adherence import scoring as scoring
from wfm.engine.adherence.classify import ADHERENCE_SUMS


# --- the board ------------------------------------------------------------------------------------------
def test_board_shows_state_since_and_time_out() -> None:
    tables = drawing(
        "sched:a  QQQQQQQQQQBBBBQQQQQQ",
        "state:a  AAAAAAbbbbbbbbbbAAAA",
        "sched:b  QQQQQQQQQQQQQQQQQQQQ",
        "state:b  ....AAAAAAAAAAAAAAAA",
        "state:c  AAAAAAAAAAAAAAAAAAAA",
    )
    live = start_live(**tables, **fixed(tables), window=DATES)

    def seen(minute: float) -> list[tuple[Any, ...]]:
        shown = live.board(START + minute * STEP).with_columns(
            (pl.col("since_at", "out_since_at") - START).dt.total_minutes(fractional=True)
        )
        return shown.select(
            "agent_id", "state", "since_at", "activity", "class", "out_since_at", "out_s", "controllable_s"
        ).rows()

    assert seen(2) == [
        ("a", "available", 0, "on_queue", "in", None, 0, 0),
        ("b", "logged_out", None, "on_queue", "controllable", 0, 120, 120),
        ("c", "available", 0, None, None, None, 0, 0),
    ]
    assert seen(7.5)[0] == ("a", "break", 6, "on_queue", "controllable", 6, 90, 90)
    assert seen(12)[0] == ("a", "break", 6, "break", "in", None, 240, 240)
    assert seen(15)[0] == ("a", "break", 6, "on_queue", "controllable", 14, 300, 300)
    assert seen(15)[1] == ("b", "available", 4, "on_queue", "in", None, 240, 240)


def test_board_shows_last_covered_state_and_its_instant() -> None:
    tables = drawing("sched QQQQQQQQQQQQQQQQ", "state AAAAAAbbbbbbbbbb>")
    live = start_live(**tables, **fixed(tables), window=DATES, coverage=watched(START + 7 * STEP))
    (row,) = live.board(START + 12 * STEP).iter_rows(named=True)
    assert (row["state"], row["out_s"], row["seen_at"]) == ("break", 60.0, START + 7 * STEP)
    live.take(coverage=watched(START + 9 * STEP))
    (row,) = live.board(START + 12 * STEP).iter_rows(named=True)
    assert (row["state"], row["out_s"], row["seen_at"]) == ("break", 180.0, START + 9 * STEP)
    assert live.board(START + 9 * STEP).equals(live.board(START + 12 * STEP))
    (row,) = live.board(START + 5 * STEP).iter_rows(named=True)
    assert (row["state"], row["out_s"], row["seen_at"]) == ("available", 0.0, START + 5 * STEP)


def by_agent(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["agent_id"]: row for row in frame.iter_rows(named=True)}


@pytest.mark.slow
@examples(10, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(day=days(), part=st.floats(0, 1), hours=st.integers(1, 40))
def test_board_agrees_with_slices_and_sums(day: Day, part: float, hours: int) -> None:
    facts = Facts()
    facts.take({name: completed(name, day.tables[name]) for name in NEWS[:-1] if name in day.tables})
    frames = facts.frames()
    whole = [*frames["agent_state"]["at"], *frames["schedule"]["start_at"]]
    low, high = (
        min(whole, default=START) - timedelta(hours=1),
        max(whole, default=START) + timedelta(hours=hours),
    )
    now = low + timedelta(seconds=1 + int((high - low).total_seconds() * part))
    about = {**fixed(day.tables), "timezone": day.timezone}
    shown = by_agent(start_live(**frames, **about, window=(low, high)).board(now))
    sums = by_agent(score(**frames, **about, window=(low, now)).adherence(["agent_id"]))
    after = score(**frames, **about, window=(now, now + STEP)).slices()
    last = by_agent(after.unique("agent_id", keep="first", maintain_order=True))
    nothing = dict.fromkeys(ADHERENCE_SUMS, 0)
    for agent, row in shown.items():
        known = sums.get(agent, nothing)
        out = [known[f"{name}_s"] for name in ("approved", "call_driven", "system", "controllable")]
        assert row["out_s"] == pytest.approx(sum(out))
        assert row["controllable_s"] == pytest.approx(known["controllable_s"])
        for name in ("state", "vendor_state", "activity", "class"):
            assert row[name] == last[agent][name]
