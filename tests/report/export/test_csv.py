"""Scores and exceptions as csv."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from helpers.report_frames import EVIL, report
from wfm.report import to_csv


def test_csv_holds_scores_and_exceptions(tmp_path: Path) -> None:
    scores, found = to_csv(report(), tmp_path / "r.csv")
    assert [scores.name, found.name] == ["r.csv", "r-exceptions.csv"]
    read = pl.read_csv(scores)
    assert read["scheduled_s"].sum() == report().total["scheduled_s"]
    rows = pl.read_csv(found)
    assert rows["start_at"][0] == "2026-03-02T06:00:00Z"
    assert rows["evidence"].to_list()[1] == "leg-7 leg-8"
    assert rows["vendor_state"].to_list()[3] == EVIL
