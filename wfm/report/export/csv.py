"""The report's rows as csv: scores per agent and workday in one file, exceptions in another."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from wfm.core.atomic_files import replace_files
from wfm.report.exceptions import EXCEPTION_COLUMNS
from wfm.report.model import Report
from wfm.report.scores import RATIO_COLUMNS, SECONDS_COLUMNS


def to_csv(report: Report, path: str | Path) -> tuple[Path, Path]:
    """Write scores per agent and workday to ``path``, and exceptions to ``<name>-exceptions<ending>`` next to it.

    The columns are those of ``wfm adherence`` and ``wfm exceptions``; instants are ISO 8601 with Z, evidence is joined
    by spaces. Returns both paths.

    Raises:
        OutputError: one of them cannot be written; earlier files are unchanged.
    """
    path = Path(path)
    exceptions_path = path.with_name(f"{path.stem}-exceptions{path.suffix}")
    people = report.by_agent.select("agent_id", "name", "team")
    scores = report.by_agent_day.join(people, on="agent_id", how="left", maintain_order="left").select(
        "workday", "agent_id", "name", "team", *SECONDS_COLUMNS, *RATIO_COLUMNS
    )
    exceptions = report.exceptions.select(list(EXCEPTION_COLUMNS)).with_columns(
        pl.col("evidence").list.join(" "),
        pl.col("start_at", "end_at").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ"),
    )
    replace_files({path: scores.write_csv, exceptions_path: exceptions.write_csv})
    return path, exceptions_path
