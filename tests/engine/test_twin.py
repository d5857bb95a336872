"""The engine against its slow twin, which walks every second, on random awkward days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from days import Day, days
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from slow import SUMS, slow_score

from wfm import defaults
from wfm.core.time import EPOCH
from wfm.engine.adherence.scoring import Score, ScoreOptions, score
from wfm.engine.inputs.frames import InputFrames

slowly = settings(max_examples=70, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


def fast(day: Day, **more: Any) -> Score:
    inputs = day.inputs()
    about = {name: inputs.pop(name) for name in ("timezone", "as_of")}
    rules = inputs.pop("rules", None)
    for table in ("state_map", "activity"):
        own = inputs.pop(table, None)
        both = [defaults.read_default_table(table)] + ([] if own is None else [own])
        if table == "state_map" and own is not None:
            source = pl.col("source").fill_null("*") if "source" in own.columns else pl.lit("*")
            both[1] = own.with_columns(source.alias("source"))
        inputs[table] = pl.concat(both, how="diagonal_relaxed")
    rule = defaults.read_default_table("rule")
    if rules is not None:
        rule = pl.concat([rule, rules.select(rule.columns)]).unique(["category", "state"], keep="last")
    return score(InputFrames(**inputs, rule=rule), **about, **more)


@slowly
@given(
    day=days(),
    wrapup=st.sampled_from([2, 0, 9]),
    delay=st.integers(0, 3),
    by_state=st.booleans(),
    renewal=st.sampled_from([None, None, 5, 30, 90]),
)
def test_the_engine_agrees_with_the_walk_over_every_second(
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
    ours = fast(day, options=options)
    assume(
        ours.axis.end_us - ours.axis.origin_us >= day.step_s * 1_000_000
    )  # one instant alone is not a day to walk
    known = tuple(EPOCH + timedelta(microseconds=at) for at in (ours.axis.origin_us, ours.axis.end_us))
    theirs = slow_score(
        **day.inputs(),
        step_s=day.step_s,
        window=known,
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
