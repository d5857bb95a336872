"""Drawn days, scored: by the public `wfm.score`, by the engine itself, and by the walk over every second."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import assume
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days
from helpers.slow_definitions import Ratio, Workday, workdays
from helpers.slow_twin import slow_score
from wfm import defaults
from wfm.core.time import EPOCH
from wfm.engine.adherence.scoring import Score
from wfm.engine.adherence.scoring import score as score_frames
from wfm.engine.inputs.frames import InputFrames

AFTER = timedelta(days=2)
QUEUES = ("sales", "billing", None)
FLAGS = (
    ("break", "planned", False),
    ("meeting", "unplanned", True),
    ("on_queue", "none", True),
    ("email", "none", True),
)


def build_inputs(day: Day) -> dict[str, Any]:
    """Build the arguments of `wfm.score` for a day."""
    inputs = day.inputs()
    if "rules" in inputs:
        inputs["rule"] = inputs.pop("rules")
    if "state_map" in inputs:
        inputs["state_map"] = inputs["state_map"].with_columns(pl.col("source").fill_null("*"))
    return inputs


def find_window(day: Day) -> tuple[datetime, datetime]:
    """Return a window around all that happens on a day, and `AFTER` on top of it."""
    instants = [
        at
        for frame in day.tables.values()
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime) and name not in ("published_at", "made_at", "revoked_at")
        for at in (frame[name].min(), frame[name].max())
        if isinstance(at, datetime)
    ]
    first = min(instants, default=datetime.fromisoformat("2026-03-02T08:00+00:00"))
    return first, max(instants, default=first) + AFTER


def score_day(day: Day, **more: Any) -> Any:
    """Score a day, and what surrounds it, with the public function."""
    return wfm.score(**{"window": find_window(day), **build_inputs(day), **more})


def score_by_engine(day: Day, **more: Any) -> Score:
    """Score a day with the engine, which takes whole tables: wfm's own rows first, those of the day after them."""
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
    return score_frames(InputFrames(**inputs, rule=rule), **about, **more)


def find_walked_window(day: Day, score: Score) -> tuple[datetime, datetime]:
    """Return the instants between which the engine scored a day; discard a day of one instant alone."""
    assume(score.axis.end_us - score.axis.origin_us >= day.step_s * 1_000_000)
    first, past = (EPOCH + timedelta(microseconds=at) for at in (score.axis.origin_us, score.axis.end_us))
    return first, past


def walk_workdays(day: Day, score: Score) -> dict[tuple[str, Any], Workday]:
    """Walk over every second that the engine scored; the workdays found, by agent and date."""
    window = find_walked_window(day, score)
    return workdays(slow_score(**day.inputs(), step_s=day.step_s, window=window))  # type: ignore[arg-type]


def divide(ratio: Ratio) -> float | None:
    """Divide a ratio; nothing by nothing is no score."""
    return ratio[0] / ratio[1] if ratio[1] else None


@st.composite
def days_with_queues(draw: Any, **more: Any) -> Day:
    """Draw a day whose legs have queues and whose activities are flagged in unusual ways."""
    day = draw(days(**more))
    if "call_leg" in day.tables:
        legs = day.tables["call_leg"]
        queues = draw(st.lists(st.sampled_from(QUEUES), min_size=legs.height, max_size=legs.height))
        day.tables["call_leg"] = legs.with_columns(queue_id=pl.Series(queues, dtype=pl.String))
    own = day.tables.get("activity", pl.DataFrame(schema={"activity": pl.String, "category": pl.String}))
    categories = dict(defaults.read_default_table("activity").select("activity", "category").rows())
    flagged = draw(st.lists(st.sampled_from(FLAGS), unique=True))
    rows = [
        {"activity": name, "category": categories[name], "paid": paid, "shrinkage": flag}
        for name, flag, paid in flagged
        if name not in own["activity"]
    ]
    columns = {"activity": pl.String, "category": pl.String, "paid": pl.Boolean, "shrinkage": pl.String}
    day.tables["activity"] = pl.concat([own, pl.DataFrame(rows, schema=columns)], how="diagonal")
    return day
