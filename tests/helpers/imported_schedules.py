"""Files to import into the centre of the golden day, and the schedule that is in force afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

import wfm
from wfm.analysis.imports import ImportResult

HEADER = "agent_id,start_at,end_at,activity"


TUESDAY = datetime(2026, 3, 3, tzinfo=UTC)


def put(centre: wfm.Centre, table: str, text: str, **more: object) -> ImportResult:
    path = centre.database.path.parent / f"new-{table}.csv"
    path.write_text(text)
    return centre.import_file(table, path, **{"source": "pbx"} | more)


# --- what was watched -----------------------------------------------------------------------------------
def coverage(centre: wfm.Centre, source: str) -> list[tuple[datetime, datetime]]:
    return (
        centre.read_table("coverage").filter(pl.col("source") == source).select("start_at", "end_at").rows()
    )
