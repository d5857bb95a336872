"""`wfm adherence`: the golden day, other products' definitions, tolerances, and answers as of an earlier time."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import wfm
from helpers.cli_answers import WINDOW, read_answer, write_csv
from helpers.golden_day import DAY, NEXT
from wfm.core.errors import SettingsError, UsageError
from wfm.engine.adherence.definitions import DEFINITIONS
from wfm.engine.adherence.tolerance import ExceptionThreshold, SegmentTolerance
from wfm.settings import load_settings

pytestmark = pytest.mark.usefixtures("tiny")
CSV = ("--format", "csv")
EDGES = '{"phone": {"start_s": 180}, "break": {"end_s": 60, "smooth": true}}'


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_golden_day_on_screen_and_in_file(run):
    shown = run("adherence", *WINDOW)
    assert "96.9 %" in shown.out
    assert "8 h 00 min" in shown.out
    (row,) = read_answer("csv", run("adherence", *WINDOW, "--format", "csv").raw).to_dicts()
    assert row == {
        "agent_id": "ann",
        "workday": DAY,
        "scheduled_s": "28800",
        "in_s": "27900",
        "approved_s": "0",
        "call_driven_s": "720",
        "system_s": "0",
        "unknown_s": "0",
        "controllable_s": "180",
        "scheduled_work_s": "25200",
        "worked_s": "25020",
        "adherence": "0.96875",
        "adherence_adjusted": "0.99375",
        "adherence_low": "0.96875",
        "adherence_high": "0.96875",
        "coverage": "1.0",
        "conformance": row["conformance"],
    }
    assert float(row["conformance"]) == 417 / 420
    reasons = read_answer("csv", run("exceptions", *WINDOW, "--format", "csv").raw)["reason"].to_list()
    assert reasons == ["late_start", "call_overrun", "shifted_break", "unscheduled_work"]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_as_of_gives_the_same_bytes_later(run):
    questions = [
        ("adherence", *WINDOW),
        ("exceptions", *WINDOW),
        ("explain", "ann", DAY),
        ("export", "agent_state"),
        ("export", "collection"),
        ("export", "schedule"),
        ("intervals", *WINDOW),
        ("shrinkage", *WINDOW),
        ("adherence", *WINDOW, "--definition", "all"),
        ("bridge", *WINDOW, "--definition", "adherence", "--definition", "salesforce"),
    ]
    before = datetime.now(UTC).isoformat()
    first = [run(*words, "--format", "csv").raw for words in questions]
    run(
        "import",
        "agent_state",
        write_csv("login,at,vendor_state", f"2001,{DAY}T09:00:00Z,Meeting"),
        "--source",
        "pbx",
    )
    run(
        "import",
        "schedule",
        write_csv("agent_id,start_at,end_at,activity", f"ann,{DAY}T07:00Z,{DAY}T11:00Z,phone"),
    )
    run(
        "import",
        "exemption",
        write_csv("start_at,end_at,kind,agent_id", f"{DAY}T08:00Z,{DAY}T08:03Z,approved,ann"),
    )
    run("import", "state_map", write_csv("source,vendor_state,state", "pbx,Available,meeting"))
    run("import", "login", write_csv("source,login,agent_id", "pbx,2001,bob"))
    run("import", "rule", write_csv("category,state,in_adherence", "on_queue,busy,false"))
    run("import", "activity", write_csv("activity,category", "phone,meeting"))
    run("import", "agent", write_csv("agent_id,team,timezone", "ann,other,Asia/Tokyo"))
    run(
        "import",
        "call_leg",
        write_csv("leg_id,login,answered_at,ended_at", f"leg-1,2001,{DAY}T09:55Z,{DAY}T09:56Z"),
        "--source",
        "pbx",
    )
    assert [run(*words, "--format", "csv", "--as-of", before).raw for words in questions] == first
    now = [run(*words, "--format", "csv") for words in questions]
    assert all(a != b.raw for a, b in zip(first, now, strict=True))
    told = run("explain", "ann", DAY, "--as-of", before)
    assert "recorded" in told.out


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_as_of_before_the_database_existed(run):
    head, span = "agent_id,start_at,end_at,activity,published_at", f"ann,{NEXT}T08:00Z,{NEXT}T"
    run(
        "import",
        "schedule",
        write_csv(head, f"{span}12:00Z,phone,2026-02-01T00:00Z", f"{span}10:00Z,phone,2026-02-05T00:00Z"),
    )
    run(
        "import",
        "agent_state",
        write_csv("login,at,vendor_state", f"2001,{NEXT}T06:00Z,Available"),
        "--source",
        "pbx",
    )

    def scheduled(*words: str) -> str | None:
        done = run("adherence", "--from", NEXT, "--to", "2026-03-04", "--format", "csv", *words)
        return dict(read_answer("csv", done.raw).select("agent_id", "scheduled_s").iter_rows()).get("ann")

    assert scheduled() == str(2 * 3600)
    assert scheduled("--as-of", "2026-02-06") == str(2 * 3600)
    assert scheduled("--as-of", "2026-02-04") == str(4 * 3600)
    assert scheduled("--as-of", "2026-01-04") is None


def table(text: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(text))


@pytest.mark.slow
def test_each_definition_is_a_column(run):
    done = run("adherence", *WINDOW, "--definition", "amazon", "--definition", "genesys_threshold(60)", *CSV)
    assert done.code == 0
    rows = table(done.raw)
    assert rows.columns[-2:] == ["amazon", "genesys_threshold(60)"]
    assert rows.select("amazon", "genesys_threshold(60)").row(0) == (0.96875, 0.96875)
    every = table(run("adherence", *WINDOW, "--definition", "all", *CSV).raw)
    assert every.columns[-9:] == list(DEFINITIONS)


def test_a_screen_shows_percentages(run):
    words = run("adherence", *WINDOW, "--by", "", "--definition", "genesys_threshold(300)").out
    assert "97.5 %" in words


def test_an_unknown_definition_is_refused_before_scoring(run):
    done = run("adherence", *WINDOW, "--definition", "nice")
    assert done.code == 2
    assert "There is no definition 'nice'; choose from: genesys," in done.err
    with pytest.raises(UsageError):
        wfm.open().adherence(DAY, NEXT, definitions="nice")


def test_settings_become_tolerances(monkeypatch):
    assert wfm.open().scoring_options().has_tolerance is False
    monkeypatch.setenv("WFM_TOLERANCE", EDGES)
    monkeypatch.setenv("WFM_THRESHOLD_S", "30")
    options = wfm.open().scoring_options()
    assert options.threshold == ExceptionThreshold(timedelta(seconds=30))
    assert options.tolerances == (
        SegmentTolerance("phone", start=timedelta(seconds=180)),
        SegmentTolerance("break", end=timedelta(seconds=60), smooth=True),
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", "5", '{"break": 5}', '{"break": {"end_s": -1}}', '{"break": {"ende_s": 1}}']
)
def test_an_unreadable_tolerance_is_refused(monkeypatch, text):
    monkeypatch.setenv("WFM_TOLERANCE", text)
    with pytest.raises(SettingsError, match=r"WFM_TOLERANCE(=|, break)"):
        load_settings()


def test_a_tolerance_for_an_unknown_activity_is_refused(run, monkeypatch):
    monkeypatch.setenv("WFM_TOLERANCE", '{"brake": {}}')
    done = run("adherence", *WINDOW)
    assert done.code == 2
    assert "tolerance: no activity 'brake'; choose from: break, chat" in done.err
