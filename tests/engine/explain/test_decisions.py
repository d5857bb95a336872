"""Why a second is what it is: on random days every slice names its rule and its rows, and these say what it says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from helpers.drawn_days import START, Day, days, draw
from helpers.examples import slow_examples
from wfm import defaults
from wfm.core import glossary
from wfm.engine.adherence.classify import build_rule_table
from wfm.engine.adherence.scoring import Score, ScoreOptions, score
from wfm.engine.explain.decisions import (
    DECISIONS,
    LOGIN_CHOICE_REASONS,
    STATE_ORIGINS,
    SliceDecisions,
    explain_slices,
)
from wfm.engine.explain.instant import InstantFindings, examine_instant
from wfm.engine.inputs.frames import InputFrames, read_frame
from wfm.engine.time.codes import fold_vendor_text

slowly = slow_examples(20, phases=[Phase.generate])
CLASS_OF = {
    "not_scheduled": None,
    "not_counted": None,
    "unmapped": "unknown",
    "expired": "unknown",
    "not_covered": "unknown",
    "covered_nowhere": "unknown",
    "fits": "in",
    "system": "system",
    "approved": "approved",
    "call_overrun": "call_driven",
    "shifted_break": "call_driven",
    "out": "controllable",
}


def frames_of(day: Day) -> dict[str, pl.DataFrame]:
    """Give the frames to score, the tables that wfm brings before the day's own."""
    own = dict(day.tables)
    own["rule"] = own.pop("rules", pl.DataFrame(schema=defaults.read_default_table("rule").schema))
    for table in defaults.DEFAULT_TABLES:
        mine = own.get(table)
        if mine is not None and "source" in mine.columns:
            mine = mine.with_columns(pl.col("source").fill_null("*"))
        own[table] = pl.concat([defaults.read_default_table(table), read_frame(mine, table)])
    return own


def asked(day: Day, options: ScoreOptions) -> tuple[Score, dict[str, pl.DataFrame]]:
    frames = frames_of(day)
    return score(InputFrames(**frames), timezone=day.timezone, as_of=day.as_of, options=options), frames


OPTIONS = st.builds(
    ScoreOptions,
    wrapup_grace=st.sampled_from([timedelta(0), timedelta(seconds=120)]),
    state_delay=st.sampled_from([timedelta(0), timedelta(seconds=60)]),
    state_evidence=st.booleans(),
)


def pick(frame: pl.DataFrame, row: int | None) -> dict[str, Any]:
    assert row is not None
    return frame.row(row, named=True)


def same(one: str | None, other: str | None) -> bool:
    folded = pl.DataFrame({"a": [one], "b": [other]}, schema={"a": pl.String, "b": pl.String})
    return bool(folded.select(fold_vendor_text(pl.col("a")).eq_missing(fold_vendor_text(pl.col("b")))).item())


def holds(row: dict[str, Any], at: datetime, first: str = "start_at", last: str = "end_at") -> bool:
    return (row[first] is None or row[first] <= at) and (row[last] is None or at < row[last])


def check(told: SliceDecisions, scored: Score, frames: dict[str, pl.DataFrame], agent: str) -> None:
    """Check every slice of an agent against the rows it names."""
    plain = scored.slices().filter(pl.col("agent_id") == agent)
    columns = ["activity", "state", "vendor_state", "class", "reason", "leg_id"]
    joined = told.slices.join(plain, on=["agent_id", "start_at"], how="left", suffix="_plain")
    same_start = joined.filter(pl.col("activity_plain").is_not_null() | pl.col("state_plain").is_not_null())
    for name in columns:
        assert same_start[name].to_list() == same_start[f"{name}_plain"].to_list()
    assert set(plain["start_at"]) <= set(told.slices["start_at"])
    assert told.slices["end_at"][:-1].to_list() == told.slices["start_at"][1:].to_list()
    assert (told.slices["start_at"][0], told.slices["end_at"][-1]) == (
        plain["start_at"][0],
        plain["end_at"][-1],
    )
    taken = {name: read_frame(frame, name) for name, frame in frames.items()}
    for row in told.slices.iter_rows(named=True):
        check_slice(row, taken, agent)


def check_slice(row: dict[str, Any], frames: dict[str, pl.DataFrame], agent: str) -> None:
    at = row["start_at"]
    assert row["why"] in DECISIONS
    assert row["state_origin"] in STATE_ORIGINS
    assert row["won_by"] in (*LOGIN_CHOICE_REASONS, None)
    assert row["class"] == CLASS_OF[row["why"]]
    if row["activity"] is None:
        assert row["schedule_row"] is row["activity_row"] is None
    else:
        planned = pick(frames["schedule"], row["schedule_row"])
        assert planned["agent_id"] == agent
        assert holds(planned, at)
        assert holds(planned, row["end_at"] - timedelta(microseconds=1))
        assert same(planned["activity"], row["activity"])
        kind = pick(frames["activity"], row["activity_row"])
        assert kind["category"] == row["category"]
        assert same(kind["activity"], row["activity"])
    if row["state_origin"] == "said":
        said = pick(frames["agent_state"], row["state_row"])
        assert (said["source"], said["login"], said["vendor_state"]) == (
            row["source"],
            row["login"],
            row["vendor_state"],
        )
        assert said["at"] == row["said_at"] <= at
        if row["map_row"] is None:
            assert row["state"] in (glossary.UNMAPPED, glossary.UNKNOWN)
        else:
            meaning = pick(frames["state_map"], row["map_row"])
            assert same(meaning["vendor_state"], said["vendor_state"])
            assert meaning["source"] in ("*", said["source"])
            assert row["state"] in (meaning["state"], glossary.UNKNOWN)
    elif row["state_origin"] == "before_first":
        assert row["map_row"] is None
        assert row["state"] in ("logged_out", glossary.UNKNOWN)
        assert row["said_at"] is None or row["said_at"] > at
    elif row["state_origin"] == "expired":
        assert row["said_at"] + timedelta(hours=16) <= at
        assert row["state"] == glossary.UNKNOWN
    if row["login_row"] is not None:
        owner = pick(frames["login"], row["login_row"])
        assert (owner["source"], owner["login"], owner["agent_id"]) == (row["source"], row["login"], agent)
        assert holds(owner, at, "from_at", "to_at")
    check_decision(row, frames, at)


def check_decision(row: dict[str, Any], frames: dict[str, pl.DataFrame], at: datetime) -> None:
    why = row["why"]
    if row["class"] in ("in", "controllable", "call_driven", "system", "approved"):
        allowed = row["rule_row"] is not None and pick(frames["rule"], row["rule_row"])["in_adherence"]
        assert bool(allowed) == (why == "fits")
    if why in ("system", "approved"):
        excuse = pick(frames["exemption"], row["exemption_row"])
        assert excuse["kind"] == why
        assert holds(excuse, at)
    else:
        assert row["exemption_row"] is None
    if why in ("call_overrun", "shifted_break"):
        assert row["end_at"] <= row["stop_at"]
        assert row["evidence_kind"] in ("call", "state")
        named = (
            {pick(frames["call_leg"], leg)["leg_id"] for leg in row["leg_rows"]} if row["leg_rows"] else set()
        )
        assert set(row["leg_ids"]) <= named
        assert (row["credit_s"] is not None) == (why == "shifted_break")
        assert bool(row["leg_ids"]) == (row["evidence_kind"] == "call")
    if row["leg_id"] is not None:
        assert row["leg_id"] in {pick(frames["call_leg"], leg)["leg_id"] for leg in row["leg_rows"]}
    if row["coverage_row"] is not None:
        seen = pick(frames["coverage"], row["coverage_row"])
        assert seen["source"] == row["source"]
        assert holds(seen, at)
        assert why != "not_covered"
    elif "coverage" in frames and row["source"] is not None:
        assert row["state"] == glossary.UNKNOWN


@pytest.mark.slow
@slowly
@given(day=days(), options=OPTIONS)
def test_every_slice_names_the_rows_that_say_so(day: Day, options: ScoreOptions) -> None:
    scored, frames = asked(day, options)
    for agent in scored.slices()["agent_id"].unique():
        check(explain_slices(scored, frames, agent), scored, frames, agent)


@pytest.mark.slow
@slowly
@given(day=days(), options=OPTIONS, choice=st.randoms(use_true_random=False))
def test_the_first_test_that_holds_is_the_class(day: Day, options: ScoreOptions, choice: Any) -> None:
    scored, frames = asked(day, options)
    rules = build_rule_table(read_frame(frames["rule"], "rule"))
    slices = scored.slices()
    for row in choice.sample(list(slices.iter_rows(named=True)), min(30, slices.height)):
        at = row["start_at"] + choice.choice((timedelta(0), (row["end_at"] - row["start_at"]) / 2))
        one = examine_instant(scored, rules, row["agent_id"], at)
        assert one is not None
        assert (one.state, one.class_name) == (row["state"], row["class"])
        if not one.is_counted:
            assert row["class"] is None
            continue
        first = next(kind for kind, found in one.test_results.items() if found)
        assert first == row["class"]
        assert tuple(one.test_results) == glossary.CLASSES
        lacks_nothing(one, options)


def lacks_nothing(one: InstantFindings, options: ScoreOptions) -> None:
    """Check that where a call reached into a segment all that the rule asks for is there, and else something lacks."""
    over = one.overrun
    assert over is not None
    called = (
        over.is_off_queue and over.state_then in ("busy", "hold", "wrapup", "ringing") and bool(over.leg_ids)
    )
    by_state = over.is_off_queue and over.talked_across and options.state_evidence
    assert (over.until_at is not None) <= (called or by_state)
    assert called <= (over.until_at is not None)
    shifted = one.shifted
    assert shifted is not None
    if shifted.applies:
        assert shifted.is_break
        assert shifted.used_s < shifted.credit_s
        assert shifted.rested_before
        assert shifted.rested_at_start


def test_several_logins_name_deciding_and_silent_rows() -> None:
    frames = draw("sched:a QQQQ", "state:x@one bbAA", "state:y@two BBbb")
    pairs = {"source": ["one", "two"], "login": ["x", "y"], "agent_id": ["a", "a"]}
    frames["login"] = pl.DataFrame(pairs)
    frames |= {table: defaults.read_default_table(table) for table in defaults.DEFAULT_TABLES}
    scored = score(InputFrames(**frames))
    told = explain_slices(scored, frames, "a")
    assert told.slices.select("login", "state", "won_by").rows()[:2] == [
        ("y", "busy", "fits"),
        ("x", "available", "fits"),
    ]
    assert told.login_states.filter(pl.col("slice") == 0).select("login", "state", "won").rows() == [
        ("y", "busy", True),
        ("x", "break", False),
    ]


def brought(frames: dict[str, pl.DataFrame], **own: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Put the tables that wfm brings before the own rows of some."""
    for table in defaults.DEFAULT_TABLES:
        brings = defaults.read_default_table(table)
        frames[table] = pl.concat([brings, own[table]], how="diagonal") if table in own else brings
    return frames


def test_agents_own_row_precedes_the_general_one() -> None:
    rule = pl.DataFrame({"category": ["meeting"], "state": ["available"], "in_adherence": [True]})
    activity = pl.DataFrame({"activity": ["Off-Queue work"], "category": ["meeting"]})
    frames = brought(draw("sched WW", "state AA"), rule=rule, activity=activity)
    (row,) = explain_slices(score(InputFrames(**frames)), frames, "a").slices.to_dicts()
    assert (row["why"], row["category"]) == ("fits", "meeting")
    assert (row["rule_row"], row["activity_row"]) == (
        frames["rule"].height - 1,
        frames["activity"].height - 1,
    )


@pytest.mark.parametrize(
    ("schedule", "states", "calls", "minute", "over", "shifted"),
    [
        ("QQQQBBBB", "AAABBBBb", "...11...", 4, True, False),
        ("QQQQBBBB", "AAABBBBb", "...11...", 5, False, False),
        ("QQQQBBBB", "AAABBBBb", "...1111.", 6, True, False),
        ("QQQQBBBBQQQQ", "AAABBbbbbbbb", "...11.......", 8, False, True),
        ("QQQQBBBBQQQQ", "AAABBbbbbbbb", "...11.......", 9, False, False),
        ("QQQQBBBBQQQQ", "AAABBBBBbbbb", "...11.......", 8, False, False),
        ("QQQQBBBBQQQQ", "AAABBbbbAbbb", "...11.......", 9, False, False),
        ("QQQQBBBBQQQQ", "AAAAbbbbbbbb", "............", 8, False, False),
    ],
)
def test_call_rule_includes_its_end_but_not_beyond(
    schedule: str, states: str, calls: str, minute: int, over: bool, shifted: bool
) -> None:
    frames = brought(draw(f"sched {schedule}", f"state {states}", f"calls {calls}"))
    scored = score(InputFrames(**frames), options=ScoreOptions(state_evidence=False))
    one = examine_instant(scored, build_rule_table(frames["rule"]), "a", START + timedelta(minutes=minute))
    assert one is not None
    assert one.overrun is not None
    assert one.shifted is not None
    assert (one.overrun.applies, one.shifted.applies) == (over, shifted)
    assert (one.class_name == "call_driven") == (over or shifted)


def test_shifted_break_stops_where_its_credit_ends() -> None:
    """Two minutes of credit; then a minute that is in, and one too many."""
    frames = brought(draw("sched QQQQBBBBWWWW", "state AABBBBbbbbab", "calls ..1111......"))
    told = explain_slices(score(InputFrames(**frames)), frames, "a").slices.filter(
        pl.col("why") == "shifted_break"
    )
    assert told.select("start_at", "end_at", "credit_s", "stop_at").rows() == [
        (START + timedelta(minutes=8), START + timedelta(minutes=10), 120.0, START + timedelta(minutes=10))
    ]
