"""Who may import whom; what an import costs; and that the engine has no clock."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from helpers.paths import ROOT

HEAVY = ("polars", "duckdb", "numpy", "pyarrow", "pydantic", "typer", "rich", "holidays", "httpx")


@pytest.mark.slow
def test_imports_point_down_only():
    # a process of its own: its logging set-up would disable every logger of this one
    script = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(cache_dir=None))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_wfm_loads_nothing_heavy():
    script = f"import sys, wfm; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_command_loads_no_library_that_it_does_without(place):
    """A score is there in a second, of which loading what it needs is half."""
    elsewhere = (
        "httpx",
        "icalendar",
        "recurring_ical_events",
        "holidays",
        "fastexcel",
        "fastapi",
        "uvicorn",
        "apscheduler",
        "wfm.sandbox",
    )
    script = (
        "import sys; from wfm.cli import main;"
        "code = main(['adherence', '--from', '2026-03-02', '--to', '2026-03-03']);"
        f"print([name for name in {elsewhere} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=place)
    assert "No database at" in done.stderr
    assert done.stdout == "[]\n"


def test_public_names_are_there_when_asked_for():
    import wfm

    assert {name: getattr(wfm, name).__name__ for name in wfm.__all__} == {
        "Centre": "Centre",
        "WfmError": "WfmError",
        "live": "live_frames",
        "open": "open_centre",
        "score": "score_frames",
    }
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = wfm.nothing


CLOCKS = {"now", "today", "utcnow", "time", "monotonic", "perf_counter", "environ", "getenv"}


@pytest.mark.parametrize("path", sorted((ROOT / "wfm" / "engine").rglob("*.py")), ids=lambda p: p.stem)
def test_the_engine_asks_no_clock_and_no_environment(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {f"{ast.unparse(node.func)}" for node in ast.walk(tree) if isinstance(node, ast.Call)}
    asked = {
        name
        for name in called
        if name.split(".")[-1] in CLOCKS and name.split(".")[0] in ("datetime", "date", "time", "os")
    }
    assert not asked - {"time"}  # datetime.time() is a time of day, not a clock
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not imported & {"time", "os", "random"}
