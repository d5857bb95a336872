"""`wfm demo --bank`, the part that needs no server: what it writes, prints and refuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest


@pytest.fixture
def quick(monkeypatch, place) -> Path:
    """Let the bank's demo import a sample of one agent and three days."""
    from wfm import defaults

    real = defaults.find_data_folder()
    monkeypatch.setattr(defaults, "find_data_folder", lambda: place / "data")
    target = place / "data" / "sample"
    target.mkdir(parents=True)
    for file in real.glob("**/*.csv"):
        (place / "data" / file.relative_to(real)).write_bytes(file.read_bytes())
    small = {"agent_state": "at", "call_leg": "started_at", "interval_volume": "interval_start"}
    for table, at in small.items():
        frame = pl.read_parquet(real / "sample" / f"{table}.parquet")
        until = datetime(1999, 6, 22, tzinfo=UTC)
        frame.filter(pl.col(at) < until).tail(2_000).write_parquet(target / f"{table}.parquet")
    return place


@pytest.mark.slow
def test_demo_runs_twice_and_its_next_step_works(quick, run, monkeypatch, tmp_path):
    monkeypatch.setenv("WFM_DATABASE", str(quick / "mine.duckdb"))
    folder = quick / "dem o #1"
    for _ in range(2):
        done = run("demo", "--bank", "--directory", folder)
        assert done.code == 0
        assert "Adherence" in done.out
        assert {p.name for p in folder.iterdir()} == {"wfm.duckdb", "settings.env", "report.html"}
        assert not (quick / "mine.duckdb").exists()
        with open(folder / "settings.env", "a") as stale:
            stale.write("# of an older wfm\n")
    monkeypatch.delenv("WFM_DATABASE")
    monkeypatch.chdir(tmp_path)
    following = re.search(r"Next: +wfm (.+)", done.out)[1].replace("'", "").split(" explain ")
    settings = following[0].removeprefix("--settings ")
    assert run("--settings", settings, "explain", *following[1].split()).code == 0


@pytest.mark.slow
def test_the_demo_refuses_a_directory_of_others(tiny, run):
    (tiny / "settings.env").write_text("WFM_TIMEZONE=Asia/Tokyo\n")
    before = (tiny / "wfm.duckdb").read_bytes()
    for _ in range(2):
        done = run("demo", "--directory", tiny)
        assert done.code == 1
        assert "was not made by wfm demo: name another directory with --directory" in done.err
        assert (tiny / "wfm.duckdb").read_bytes() == before
        (tiny / "settings.env").unlink(missing_ok=True)


@pytest.mark.slow
def test_an_unwritable_directory_is_reported(run, place):
    (place / "file").touch()
    for folder in (place / "file" / "demo", place / "file", "/proc/demo"):
        done = run("demo", "--directory", folder)
        assert (done.code, "cannot be written" in done.err) == (1, True)


@pytest.mark.slow
def test_the_demo_ignores_settings_nearby(quick, run):
    (quick / "settings.env").write_text("WFM_DATABASE=mine.duckdb\nWFM_TIMEZONE=Asia/Tokyo\nWFM_OLD=1\n")
    assert run("demo", "--bank", "--directory", "there").code == 0
    assert not (quick / "mine.duckdb").exists()
