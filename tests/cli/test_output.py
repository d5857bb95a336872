"""Answers in every format, and what a screen shows of them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from helpers.cli_answers import WINDOW, read_answer, write_csv
from helpers.golden_day import DAY
from wfm.files import OUTPUT_FORMATS

ANSWERS = {
    "adherence": ("adherence", *WINDOW),
    "adherence by team": ("adherence", *WINDOW, "--by", "team,week"),
    "adherence of all": ("adherence", *WINDOW, "--by", ""),
    "exceptions": (
        "exceptions",
        *WINDOW,
        "--agent",
        "ann",
        "--class",
        "controllable",
        "--class",
        "call_driven",
    ),
    "explain": ("explain", "ann", DAY),
    "intervals": ("intervals", *WINDOW, "--queue", "sales"),
}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_the_same_in_every_format(run, case):
    words = ANSWERS[case]
    table = run(*words)
    assert (table.code, table.err) == (0, "")
    heights = {}
    for form in OUTPUT_FORMATS:
        piped = run(*words, "--format", form)
        assert (piped.code, piped.err) == (0, "")
        out = Path(f"out.{form}")
        written = run(*words, "--out", out)
        assert (written.code, written.raw) == (0, b"")
        assert re.fullmatch(rf"Wrote \d+ rows to out\.{form}\.\n", written.err)
        if form != "xlsx":  # which holds the time it was made
            assert out.read_bytes() == piped.raw
        heights[form] = read_answer(form, piped.raw).height
        assert f"Wrote {heights[form]} " in written.err
    assert len(set(heights.values())) == 1
    assert heights["csv"] > 0
    assert run(*words, "--format", "json", "--out", "x.csv").code == 0
    json.loads(Path("x.csv").read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_names_are_printed_as_they_were_written(run):
    assert "Änn O'Neill" in run("export", "agent", "--format", "csv").out
    assert read_answer("json", run("export", "agent", "--format", "json").raw)["name"][0] == "Änn O'Neill"
    assert "Bänk" in run("adherence", *WINDOW, "--by", "team").out
    run("import", "agent", write_csv("agent_id,name", "אנה,‎[bold]נועה[/bold]"))
    assert "[bold]נועה" in run("export", "agent").out
    run(
        "import",
        "schedule",
        write_csv("agent_id,start_at,end_at,activity", f"אנה,{DAY}T09:00Z,{DAY}T17:00Z,phone"),
    )
    assert "אנה" in run("adherence", *WINDOW, "--agent", "אנה").out


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_only_a_screen_cuts_a_long_table(run):
    run("import", "agent", write_csv("agent_id", *(f"a{i:04}" for i in range(300))))
    shown = run("export", "agent")
    assert "101 more rows: --format csv or --out FILE gives all 301." in shown.err
    assert "a0250" not in shown.out
    assert read_answer("csv", run("export", "agent", "--format", "csv").raw).height == 301
    assert "No rows." in run("export", "forecast").err


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_file_is_written_whole_or_not(run, monkeypatch):
    Path("x.csv").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    for words in (("adherence", *WINDOW, "--out", "x.csv"), ("report", *WINDOW, "--out", "x.csv")):
        assert run(*words).code == 1
    assert Path("x.csv").read_text() == "old"
    assert {p.name for p in Path().iterdir()} == {"files", "wfm.duckdb", "x.csv"}


@pytest.mark.usefixtures("tiny")
def test_binary_formats_are_not_for_a_screen(run, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for form in ("parquet", "xlsx"):
        done = run("adherence", *WINDOW, "--format", form)
        assert (done.code, "is not for a screen: add --out FILE" in done.err) == (2, True)


# --- a terminal of 80 columns ---------------------------------------------------------------------------
@pytest.fixture
def narrow(monkeypatch, tiny) -> Path:
    """Make the output a terminal of 80 columns."""
    for name, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "80"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    return tiny


def read_screen(text: str) -> list[str]:
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
def test_adherence_comes_first_and_last(run):
    lines = read_screen(run("adherence", *WINDOW, "--by", "agent,interval").out)
    assert max(map(len, lines)) <= 80
    assert "adherence" in "".join(lines[:2])
    assert lines[-4:] == [
        "All 32 rows:",
        "adherence 96.9 %, adjusted 99.4 %, conformance 99.3 %, coverage 100.0 %",
        "scheduled 8 h 00 min = in 7 h 45 min + call driven 12 min 00 s + controllable",
        "3 min 00 s",
    ]


@pytest.mark.usefixtures("narrow")
def test_the_summary_equals_the_score_of_everything(run):
    all_rows = read_screen(run("adherence", *WINDOW, "--by", "").out)
    assert "96.9 %" in all_rows[-1] or "96.9 %" in "".join(all_rows[:6])
    assert not any(line.startswith("All ") for line in all_rows)


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
def test_a_day_starts_and_ends_with_its_score(run):
    lines = read_screen(run("explain", "ann", DAY).out)
    score = "adherence 96.9 %, adjusted 99.4 %, conformance 99.3 %, coverage 100.0 %"
    assert (lines[1], lines[-3]) == (score, score)


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("exceptions", *WINDOW), "4 exceptions: call driven 12 min 00 s, outside the shift 10 min 00 s, "),
        (("shrinkage", *WINDOW, "--by", "interval"), "shrinkage 7.3 % (planned 6.7 %, unplanned 0.7 %), "),
        (("report", *WINDOW), "Wrote report.html."),
    ],
)
def test_long_answers_end_with_their_summary(run, words, last):
    lines = read_screen(run(*words).out)
    assert last in " ".join(lines[-2:])
    if words[0] == "report":
        assert any(re.fullmatch(r"Adherence +96.9 %", line) for line in lines)
