"""The sample, read from its files and scored, holds every stretch that labels.csv says it must."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import wfm
from helpers.paths import ROOT
from wfm import files
from wfm.core import glossary
from wfm.engine.adherence.scoring import Score

SAMPLE = ROOT / "data" / "sample"
ENDINGS = {"agent_state": "parquet", "call_leg": "parquet"}
TABLES = ("schedule", "agent_state", "call_leg", "exemption", "agent", "login")
WINDOW = ("1999-06-20", "1999-07-04")
COMPLETE = ("no_answer", "absent")
"""Reasons of which labels.csv lists every stretch (see data/README.md)."""
STRETCH = ["agent_id", "workday", "start_at", "end_at"]


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    made = {}
    for table in TABLES:
        path = SAMPLE / f"{table}.{ENDINGS.get(table, 'csv')}"
        sourced = {} if table in ("schedule", "exemption", "agent") else {"source": "bank"}
        reading = files.read_table(path, table, defaults=sourced)
        assert reading.bad.is_empty()
        made[table] = reading.frame
    return made


@pytest.fixture(scope="module")
def scored(tables: dict[str, pl.DataFrame]) -> Score:
    return wfm.score(**tables, window=WINDOW, timezone="Asia/Jerusalem")


@pytest.fixture(scope="module")
def labels() -> pl.DataFrame:
    instant = pl.col("start_at", "end_at").str.to_datetime(
        "%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"
    )
    return pl.read_csv(SAMPLE / "labels.csv", infer_schema=False).with_columns(
        instant, pl.col("workday").str.to_date()
    )


@pytest.fixture(scope="module")
def found(scored: Score) -> pl.DataFrame:
    return scored.exceptions().cast({"class": pl.String, "reason": pl.String})


@pytest.mark.slow
def test_every_labelled_exception_is_found_to_the_second(labels: pl.DataFrame, found: pl.DataFrame) -> None:
    asked = labels.filter(pl.col("class").ne_missing("unknown"))
    assert asked.height == 63
    by_stretch = {
        tuple(row[:4]): (row[4], row[5]) for row in found.select(*STRETCH, "class", "reason").rows()
    }
    missed = []
    for *stretch, wanted_class, wanted_reason in asked.select(*STRETCH, "class", "reason").rows():
        got_class, got_reason = by_stretch.get(tuple(stretch), ("nothing", "nothing"))
        right = got_class == wanted_class and wanted_reason in (None, got_reason)
        if not right:
            missed.append((*stretch, wanted_class, wanted_reason, got_class, got_reason))
    assert missed == []


def test_every_labelled_stretch_nobody_knows_is_found(labels: pl.DataFrame, scored: Score) -> None:
    asked = labels.filter(pl.col("class") == "unknown").select("agent_id", "start_at", "end_at", "class")
    told = scored.slices().cast({"class": pl.String}).filter(pl.col("class") == "unknown")
    assert asked.height == 4
    assert sorted(told.select(asked.columns).rows()) == sorted(asked.rows())
    assert set(told["state"]) == {"unmapped"}
    assert set(told["vendor_state"]) == {"Quality review"}


@pytest.mark.parametrize("reason", COMPLETE)
def test_no_more_is_found_than_is_there(labels: pl.DataFrame, found: pl.DataFrame, reason: str) -> None:
    wanted = set(labels.filter(pl.col("reason") == reason).select(STRETCH).rows())
    got = set(found.filter(pl.col("reason") == reason).select(STRETCH).rows())
    hits = len(wanted & got)
    assert (hits / len(got), hits / len(wanted)) == (1, 1), f"precision, recall of {reason}"


def test_every_reason_and_class_occurs(labels: pl.DataFrame, found: pl.DataFrame) -> None:
    assert set(found["reason"]) == set(glossary.REASONS)
    least = labels.group_by("reason").len().filter(pl.col("len") < 3)
    assert least.is_empty()
    assert set(found["class"]) == {"controllable", "call_driven", "approved", "system", None}


@pytest.mark.slow
def test_a_restated_schedule_leaves_no_trace_now(tables: dict[str, pl.DataFrame]) -> None:
    """agent-008 came an hour late to a shift that was later published an hour later."""

    def late(as_of: datetime | None) -> list[tuple[Any, ...]]:
        scored = wfm.score(**tables, window=WINDOW, timezone="Asia/Jerusalem", as_of=as_of)
        rows = scored.exceptions().filter(
            pl.col("agent_id") == "agent-008",
            pl.col("workday") == datetime(1999, 6, 23, tzinfo=UTC).date(),
            pl.col("reason") == "late_start",
        )
        return [
            (f"{start:%H:%M}", seconds >= 3000)
            for start, seconds in rows.select("start_at", "seconds").rows()
        ]

    restated = datetime(1999, 6, 24, 12, tzinfo=UTC)
    assert late(datetime(1999, 6, 24, 11, 59, tzinfo=UTC)) == [("04:00", True)]
    assert late(restated) == late(None)
    assert not any(long for _, long in late(restated))


def test_the_figures_that_data_readme_states(scored: Score) -> None:
    whole = scored.adherence([]).to_dicts()[0]
    assert round(whole["adherence"], 3) == 0.889
    assert round(whole["adherence_adjusted"], 3) == 0.898
    assert round(whole["conformance"], 2) == 0.95
    agents = scored.adherence(["agent_id"])["adherence"].drop_nulls()
    assert (round(agents.min(), 2), round(agents.max(), 2), round(agents.median(), 2)) == (0.77, 0.94, 0.91)
    teams = scored.adherence(["team"])["adherence"].drop_nulls()
    assert (round(teams.min(), 2), round(teams.max(), 2)) == (0.87, 0.90)
