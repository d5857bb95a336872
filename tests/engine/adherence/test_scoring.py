"""The engine against its slow twin, which walks every second, on random awkward days."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from helpers.drawn_days import Day, days
from helpers.examples import slow_examples
from helpers.scored_days import find_walked_window, score_by_engine
from helpers.slow_twin import SUMS, slow_score
from wfm.engine.adherence.scoring import ScoreOptions


@pytest.mark.slow
@slow_examples(70, phases=[Phase.generate])
@given(
    day=days(),
    wrapup=st.sampled_from([2, 0, 9]),
    delay=st.integers(0, 3),
    by_state=st.booleans(),
    renewal=st.sampled_from([None, None, 5, 30, 90]),
)
def test_engine_agrees_with_the_walk_over_every_second(
    day: Day, wrapup: int, delay: int, by_state: bool, renewal: int | None
) -> None:
    wrapup_s, delay_s = wrapup * 60, delay * day.step_s
    stale_s = 16 * 3600 if renewal is None else renewal * day.step_s
    options = ScoreOptions(
        state_renewal=timedelta(seconds=stale_s),
        wrapup_grace=timedelta(seconds=wrapup_s),
        state_delay=timedelta(seconds=delay_s),
        state_evidence=by_state,
    )
    ours = score_by_engine(day, options=options)
    theirs = slow_score(
        **day.inputs(),
        step_s=day.step_s,
        window=find_walked_window(day, ours),
        wrapup_s=wrapup_s,
        delay_s=delay_s,
        stale_s=stale_s,
        state_evidence=by_state,
    )  # type: ignore[arg-type]
    wanted = {
        (agent, workday): tuple(float(sums[name]) for name in SUMS)
        for (agent, workday), sums in theirs.totals(("agent_id", "workday")).items()
    }
    got = {
        (row["agent_id"], row["workday"]): tuple(row[name] for name in SUMS)
        for row in ours.adherence().iter_rows(named=True)
    }
    assert got == wanted
    columns = ["agent_id", "workday", "start_at", "end_at", "activity", "class", "reason", "impact"]
    found = ours.exceptions()
    assert found.select(columns).rows() == [
        (
            one["agent_id"],
            one["workday"],
            one["start"],
            one["end"],
            one["activity"],
            one["class"],
            one["reason"],
            one["impact"],
        )
        for one in theirs.exceptions()
    ]
    driven = [one for one in theirs.exceptions() if one["class"] == "call_driven"]
    called = found.filter(pl.col("class") == "call_driven")
    assert [sorted(legs) for legs in called["evidence"]] == [sorted(one["evidence"]) for one in driven]
    assert called["evidence_kind"].to_list() == [one["evidence_kind"] for one in driven]
