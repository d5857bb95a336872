"""`wfm bridge`: from one score to another, by kind, group and stretch."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest

import wfm
from helpers.cli_answers import WINDOW
from helpers.golden_day import DAY, NEXT
from wfm.engine.adherence.definitions import DEFINITIONS

pytestmark = pytest.mark.usefixtures("tiny")
BRIDGE = ("bridge", *WINDOW, "--definition", "adherence", "--definition")
CSV = ("--format", "csv")
EDGES = '{"phone": {"start_s": 180}, "break": {"end_s": 60, "smooth": true}}'


def table(text: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(text))


@pytest.mark.slow
def test_python_gives_the_same():
    rows = wfm.open().adherence(DAY, NEXT, definitions="all")
    assert rows.select(DEFINITIONS.keys()).row(0)[1] == 465 / 490
    bridge = wfm.open().bridge(DAY, NEXT, definitions=("adherence", "salesforce"))
    assert bridge["points"].sum() == pytest.approx(12 / 480)
    stretches = wfm.open().bridge(DAY, NEXT, definitions=("adherence", "salesforce"), stretches=True)
    assert stretches["seconds"].sum() == 720


def test_a_bridge_starts_with_both_scores(run):
    lines = run(*BRIDGE, "genesys_outside_shift").out.splitlines()
    assert lines[0] == "adherence 96.9 %, genesys_outside_shift 94.9 %: −1.98 points"
    assert lines[-1].split("  ")[0] == "worked outside the shift"
    assert lines[-1].endswith("−1.98")


@pytest.mark.slow
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


def test_equal_scores_have_nothing_to_bridge(run):
    done = run(*BRIDGE, "genesys")
    assert done.code == 0
    assert "adherence and genesys count every second alike." in done.err


def test_a_kind_without_difference_is_reported(run):
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
        ((*BRIDGE, "adherence_tolerant"), "There is no adherence_tolerant"),
        ((*BRIDGE, "amazon", "--by", "shoe"), "Cannot group by 'shoe'"),
        ((*BRIDGE, "amazon", "--by", "team", "--stretches"), "stretches are not grouped"),
    ],
)
def test_wrong_usage_is_refused(run, words, why):
    done = run(*words)
    assert done.code == 2
    assert why in done.err


@pytest.mark.slow
def test_tolerant_scores_can_be_bridged(run, monkeypatch):
    plain = table(run("adherence", *WINDOW, *CSV).raw)
    monkeypatch.setenv("WFM_TOLERANCE", EDGES)
    monkeypatch.setenv("WFM_THRESHOLD_S", "60")
    monkeypatch.setenv("WFM_THRESHOLD_SMOOTH", "true")
    rows = table(run("adherence", *WINDOW, *CSV).raw)
    assert rows.select("tolerated_s", "adherence_tolerant").row(0) == (300, 470 / 480)
    assert rows.select(plain.columns).equals(plain)
    assert run(*BRIDGE, "adherence_tolerant").out.startswith("adherence 96.9 %, adherence_tolerant 97.9 %")
