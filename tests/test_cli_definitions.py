"""`wfm adherence --definition`, `wfm bridge` and the settings of what is tolerated, from end to end."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import polars as pl
import pytest
from tiny_centre import DAY, NEXT

import wfm
from wfm.engine.definitions import DEFINITIONS
from wfm.engine.tolerance import Threshold, Tolerance
from wfm.errors import SettingsError, UsageError
from wfm.settings import load

pytestmark = pytest.mark.usefixtures("tiny")
WINDOW = ("--from", DAY, "--to", NEXT)
BRIDGE = ("bridge", *WINDOW, "--definition", "adherence", "--definition")
CSV = ("--format", "csv")
EDGES = '{"phone": {"start_s": 180}, "break": {"end_s": 60, "smooth": true}}'


def table(text: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(text))


def test_each_definition_is_a_column(run):
    done = run("adherence", *WINDOW, "--definition", "amazon", "--definition", "genesys_threshold(60)", *CSV)
    assert done.code == 0
    rows = table(done.raw)
    assert rows.columns[-2:] == ["amazon", "genesys_threshold(60)"]
    assert rows.select("amazon", "genesys_threshold(60)").row(0) == (0.96875, 0.96875)
    every = table(run("adherence", *WINDOW, "--definition", "all", *CSV).raw)
    assert every.columns[-9:] == list(DEFINITIONS)


def test_a_screen_has_percents(run):
    words = run("adherence", *WINDOW, "--by", "", "--definition", "genesys_threshold(300)").out
    assert "97.5 %" in words


def test_python_gives_the_same():
    rows = wfm.open().adherence(DAY, NEXT, definitions="all")
    assert rows.select(DEFINITIONS.keys()).row(0)[1] == 465 / 490
    bridge = wfm.open().bridge(DAY, NEXT, definitions=("adherence", "salesforce"))
    assert bridge["points"].sum() == pytest.approx(12 / 480)
    stretches = wfm.open().bridge(DAY, NEXT, definitions=("adherence", "salesforce"), stretches=True)
    assert stretches["seconds"].sum() == 720


def test_a_definition_nobody_knows_is_refused_before_anything_is_scored(run):
    done = run("adherence", *WINDOW, "--definition", "nice")
    assert done.code == 2
    assert "There is no definition 'nice'; choose from: genesys," in done.err
    with pytest.raises(UsageError):
        wfm.open().adherence(DAY, NEXT, definitions="nice")


def test_a_bridge_says_from_where_to_where_and_why(run):
    lines = run(*BRIDGE, "genesys_outside_shift").out.splitlines()
    assert lines[0] == "adherence 96.9 %, genesys_outside_shift 94.9 %: −1.98 points"
    assert lines[-1].split("  ")[0] == "worked outside the shift"
    assert lines[-1].endswith("−1.98")


def test_a_bridge_by_group_and_as_a_file(run):
    told = run(*BRIDGE, "salesforce", "--by", "agent,activity", "--format", "json")
    rows = json.loads(told.out)
    assert [(row["agent_id"], row["activity"], row["kind"]) for row in rows] == [
        ("ann", "break", "call overrun"),
        ("ann", "phone", "shifted break"),
    ]
    assert rows[0]["points"] == pytest.approx(rows[0]["score_to"] - rows[0]["score_from"])
    assert "score from" in run(*BRIDGE, "salesforce", "--by", "team").out


def test_the_stretches_of_one_kind(run):
    rows = table(run(*BRIDGE, "salesforce", "--stretches", "--kind", "shifted break", *CSV).raw)
    assert rows.select("agent_id", "start_at", "seconds").rows() == [("ann", "2026-03-02T10:15:00Z", 360)]


def test_scores_that_are_the_same_have_nothing_to_bridge(run):
    done = run(*BRIDGE, "genesys")
    assert done.code == 0
    assert "adherence and genesys count every second alike." in done.err


def test_a_kind_that_makes_no_difference_is_named_beside_those_that_do(run):
    done = run(*BRIDGE, "salesforce", "--kind", "shifted break", "--kind", "long brake", *CSV)
    assert table(done.raw)["kind"].to_list() == ["shifted break"]
    assert "No seconds of kind 'long brake' make a difference; there are: call overrun, shifted" in done.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("bridge", *WINDOW, "--definition", "adherence"), "name two scores"),
        ((*BRIDGE, "amazon", "--definition", "genesys"), "name two scores"),
        (("bridge", *WINDOW), "Missing option '--definition'"),
        ((*BRIDGE, "nice"), "no definition 'nice'"),
        ((*BRIDGE, "adherence_tolerant"), "there is no adherence_tolerant"),
        ((*BRIDGE, "amazon", "--by", "shoe"), "Cannot group by 'shoe'"),
        ((*BRIDGE, "amazon", "--by", "team", "--stretches"), "stretches are not grouped"),
    ],
)
def test_a_bridge_to_nowhere_is_refused(run, words, why):
    done = run(*words)
    assert done.code == 2
    assert why in done.err


def test_what_settings_tolerate_has_scores_of_its_own(run, monkeypatch):
    plain = table(run("adherence", *WINDOW, *CSV).raw)
    monkeypatch.setenv("WFM_TOLERANCE", EDGES)
    monkeypatch.setenv("WFM_THRESHOLD_S", "60")
    monkeypatch.setenv("WFM_THRESHOLD_SMOOTH", "true")
    rows = table(run("adherence", *WINDOW, *CSV).raw)
    assert rows.select("tolerated_s", "adherence_tolerant").row(0) == (300, 470 / 480)
    assert rows.select(plain.columns).equals(plain)
    assert run(*BRIDGE, "adherence_tolerant").out.startswith("adherence 96.9 %, adherence_tolerant 97.9 %")


def test_settings_of_what_is_tolerated(monkeypatch):
    assert wfm.open().options().tolerant is False
    monkeypatch.setenv("WFM_TOLERANCE", EDGES)
    monkeypatch.setenv("WFM_THRESHOLD_S", "30")
    options = wfm.open().options()
    assert options.threshold == Threshold(timedelta(seconds=30))
    assert options.tolerances == (
        Tolerance("phone", start=timedelta(seconds=180)),
        Tolerance("break", end=timedelta(seconds=60), smooth=True),
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", "5", '{"break": 5}', '{"break": {"end_s": -1}}', '{"break": {"ende_s": 1}}']
)
def test_a_tolerance_that_cannot_be_read_is_refused(monkeypatch, text):
    monkeypatch.setenv("WFM_TOLERANCE", text)
    with pytest.raises(SettingsError, match=r"WFM_TOLERANCE(=|, break)"):
        load()


def test_a_tolerance_for_an_activity_nobody_knows_is_refused(run, monkeypatch):
    monkeypatch.setenv("WFM_TOLERANCE", '{"brake": {}}')
    done = run("adherence", *WINDOW)
    assert done.code == 2
    assert "tolerance: no activity 'brake'; choose from: break, chat" in done.err


def test_a_report_shows_the_definitions_that_are_asked_for(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WFM_THRESHOLD_S", "60")
    page = tmp_path / "report.html"
    assert run("report", *WINDOW, "--out", str(page), "--definition", "all").code == 0
    text = page.read_text()
    assert all(f">{name}<" in text for name in (*DEFINITIONS, "adherence_tolerant"))
    assert ">tolerated_s<" not in text
    assert run("report", *WINDOW, "--out", str(page), "--definition", "nice").code == 2
