"""A database with a week in which things failed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import wfm
from helpers.built_once import build_once
from helpers.outage_week import GAP, OUTAGE, store_week
from helpers.planted_weeks import week


@pytest.fixture(scope="session")
def _outage_week(tmp_path_factory) -> Path:
    """A week with an outage of North, a gap in the feed on Thursday, and a state that nobody mapped."""

    def build(home: Path) -> None:
        frames = week(21, planted=(OUTAGE,)).frames()
        strange = (
            pl.when(pl.col("vendor_state") == "meeting")
            .then(pl.lit("Team, huddle"))
            .otherwise("vendor_state")
        )
        frames["agent_state"] = frames["agent_state"].with_columns(vendor_state=strange)
        coverage = pl.DataFrame(
            {
                "source": ["ncc", "ncc"],
                "start_at": [datetime(2026, 3, 1, tzinfo=UTC), GAP[1]],
                "end_at": [GAP[0], datetime(2026, 3, 9, tzinfo=UTC)],
            }
        )
        store_week(home, frames, coverage)

    return build_once(tmp_path_factory, "week", build) / "wfm.duckdb"


@pytest.fixture
def outage_centre(_outage_week, place, monkeypatch) -> wfm.Centre:
    (place / "wfm.duckdb").write_bytes(_outage_week.read_bytes())
    monkeypatch.setenv("WFM_DATABASE", str(place / "wfm.duckdb"))
    return wfm.open(place / "wfm.duckdb")
