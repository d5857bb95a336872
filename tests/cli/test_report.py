"""`wfm report`: a file in every form, and the headline on the screen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.cli_answers import WINDOW
from wfm.engine.adherence.definitions import DEFINITIONS

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_report_in_every_form(run):
    for ending in ("html", "xlsx", "csv"):
        done = run("report", *WINDOW, "--out", f"r.{ending}")
        assert done.code == 0
        assert f"Wrote r.{ending}." in done.out or ending == "csv"
        for path in re.findall(r"Wrote (.+)\.\n", done.out):
            assert Path(path).stat().st_size > 0
    assert "Änn" in Path("r.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_report_shows_the_requested_definitions(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WFM_THRESHOLD_S", "60")
    page = tmp_path / "report.html"
    assert run("report", *WINDOW, "--out", str(page), "--definition", "all").code == 0
    text = page.read_text()
    assert all(f">{name}<" in text for name in (*DEFINITIONS, "adherence_tolerant"))
    assert ">tolerated_s<" not in text
    assert run("report", *WINDOW, "--out", str(page), "--definition", "nice").code == 2
