"""A week with an outage, a gap in the feed and a state without mapping, for `wfm outages` and `wfm dry-run`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import wfm
from helpers.planted_weeks import Planted

WINDOW = ("2026-03-02", "2026-03-07")
OPTIONS = ("--from", WINDOW[0], "--to", WINDOW[1])
OUTAGE = Planted(24 + 11.6, 2400, "North")
GAP = (datetime(2026, 3, 5, 14, 20, tzinfo=UTC), datetime(2026, 3, 5, 15, tzinfo=UTC))
WATCHED = pl.DataFrame(
    {
        "source": ["ncc"],
        "start_at": [datetime(2026, 3, 1, tzinfo=UTC)],
        "end_at": [datetime(2026, 3, 9, tzinfo=UTC)],
    }
)


def store_week(home: Path, frames: dict[str, pl.DataFrame], coverage: pl.DataFrame) -> wfm.Centre:
    centre = wfm.open(home / "wfm.duckdb")
    states = frames["agent_state"].with_columns(source=pl.lit("ncc"), vendor_reason=pl.lit(None, pl.String))
    centre.database.write_table("agent_state", states, source="ncc", origin="collect", coverage=coverage)
    for name in ("schedule", "agent"):
        frames[name].write_parquet(home / f"{name}.parquet")
        centre.import_file(name, home / f"{name}.parquet")
    return centre
