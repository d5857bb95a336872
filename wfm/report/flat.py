"""The report's rows as csv: scores per agent and workday, and the exceptions beside them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from wfm.core.atomic_files import replace_files
from wfm.report.happenings import EXCEPTION
from wfm.report.report import Report
from wfm.report.scores import RATIOS, SECONDS


def to_csv(report: Report, path: str | Path) -> tuple[Path, Path]:
    """Write scores per agent and workday to ``path``, exceptions to ``<name>-exceptions<ending>`` beside it.

    The columns are those of ``wfm adherence`` and ``wfm exceptions``; instants are ISO 8601 with Z, evidence
    is
    joined by spaces. Returns both paths; OutputError leaves both as they were.
    """
    path = Path(path)
    other = path.with_name(f"{path.stem}-exceptions{path.suffix}")
    people = report.by_agent.select("agent_id", "name", "team")
    scores = report.by_agent_day.join(people, on="agent_id", how="left", maintain_order="left")
    columns = ["workday", "agent_id", "name", "team", *SECONDS, *RATIOS]
    found = report.exceptions.select(list(EXCEPTION)).with_columns(
        pl.col("evidence").list.join(" "),
        pl.col("start_at", "end_at").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ"),
    )
    replace_files({path: scores.select(columns).write_csv, other: found.write_csv})
    return path, other
