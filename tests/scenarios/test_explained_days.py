"""Random days through a real database: every second has a rule that fits its class, and stored rows behind it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

import wfm
from helpers.drawn_days import Day, days
from helpers.examples import slow_examples
from wfm.analysis.explain.day import DayExplanation
from wfm.centre import Centre
from wfm.core import glossary
from wfm.engine.explain.decisions import ROW_COLUMNS
from wfm.engine.inputs.frames import read_frame
from wfm.storage.database import Database

FAR = timedelta(days=5)
SECONDS = [f"{name}_s" for name in glossary.CLASSES]


@contextmanager
def stored(day: Day) -> Iterator[Centre]:
    """Put a day into a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Database(Path(folder) / "wfm.duckdb")
        for name, frame in day.tables.items():
            table = "rule" if name == "rules" else name
            every = pl.col("source").fill_null("*" if table == "state_map" else "-")
            own = frame.with_columns(every) if "source" in frame.columns else frame
            store.write_table(
                table, read_frame(own, table), source="-", origin="import", file_name=f"{table}.csv"
            )
        if "coverage" not in day.tables:
            store.write_table("coverage", everything(day), source="-", origin="import")
        centre = wfm.open(store.path)
        object.__setattr__(centre.settings, "timezone", day.timezone)
        yield centre


def everything(day: Day) -> pl.DataFrame:
    """Give coverage of every source at all times that a day is about."""
    states = read_frame(day.tables["agent_state"], "agent_state")
    ends = [*states["at"], *day.tables["schedule"]["start_at"], *day.tables["schedule"]["end_at"]]
    span = (
        {"start_at": [min(ends) - FAR], "end_at": [max(ends) + FAR]}
        if ends
        else {"start_at": [], "end_at": []}
    )
    sources = pl.DataFrame({"source": ["-", *states["source"]]}).unique()
    return sources.join(pl.DataFrame(span), how="cross")


def explained(centre: Centre) -> Iterator[DayExplanation]:
    """Explain every agent's every workday."""
    for agent, on in centre.adherence("2026-02-20", "2026-11-05").select("agent_id", "workday").iter_rows():
        yield centre.explain(agent, on)


@pytest.mark.slow
@slow_examples(8, phases=[Phase.generate])
@given(day=days(), choice=st.randoms(use_true_random=False))
def test_every_second_has_a_rule_and_rows(day: Day, choice: Any) -> None:
    if day.tables["schedule"].is_empty():
        return
    with stored(day) as centre:
        for told in explained(centre):
            is_explained(told)
            row = choice.choice(told.slices.to_dicts())
            length = (row["end_at"] - row["start_at"]) * choice.random()
            # a length times a hair less than 1 may round to the end, which is the next slice's
            at = min(row["start_at"] + length, row["end_at"] - timedelta(microseconds=1))
            is_judged(centre, told, row, at)


def is_explained(told: DayExplanation) -> None:
    assert told.slices["end_at"][:-1].to_list() == told.slices["start_at"][1:].to_list()
    there = dict(told.rows.select("row", "what").iter_rows())
    assert len(there) == told.rows.height
    for row in told.slices.iter_rows(named=True):
        named = [row[name] for name in ROW_COLUMNS if row[name] is not None] + row["leg_rows"]
        # a pause between two shifts of somebody who has no login then: nothing was planned, and nobody could speak
        assert named or (row["plan"] is None and row["login"] is None)
        assert set(named) <= set(there)
        says_what_it_is(row)
        if row["schedule_row"]:
            assert row["activity_row"].startswith("activity/")
    lengths = (
        told.slices.filter(pl.col("class").is_not_null())
        .group_by(pl.col("class").cast(pl.String))
        .agg(pl.sum("seconds"))
    )
    summed = dict(lengths.iter_rows())
    for kind in glossary.CLASSES:
        assert abs(summed.get(kind, 0.0) - told.totals[f"{kind}_s"].sum()) < 1e-6


def says_what_it_is(row: dict[str, Any]) -> None:
    first = row["rule"].partition(":")[0]
    if row["class"] is not None:
        assert first == row["class"]
    else:
        assert first in ("not counted", "nothing is scheduled")
    assert (row["plan"] is None) == (row["activity"] is None)
    assert row["told"]
    if row["vendor_state"]:
        assert row["vendor_state"] in row["told"]
    if row["class"] in ("in", "controllable"):
        assert f"× {row['state']}" in row["rule"]


def is_judged(centre: Centre, told: DayExplanation, row: dict[str, Any], at: Any) -> None:
    one = centre.explain_instant(told.agent_id, told.day, at)
    (decided,) = [verdict for verdict in one.rule_results if verdict.decides]
    if row["class"] is None:
        assert (decided.name, len(one.rule_results)) == ("not counted", 1)
    else:
        assert decided.name == row["class"]
        assert decided == next(verdict for verdict in one.rule_results if verdict.is_met)
        assert [verdict.name for verdict in one.rule_results] == list(glossary.CLASSES)
    assert decided.text == row["rule"]
    assert one.slice.row(0, named=True) == row
    named = [row[name] for name in ROW_COLUMNS if row[name] is not None] + row["leg_rows"]
    assert set(named) <= set(one.rows["row"])
