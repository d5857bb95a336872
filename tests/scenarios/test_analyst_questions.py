"""What an analyst meets while defending a number: broken sources, logins and unsigned approvals."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import wfm
from helpers.golden_day import DAY, NEXT, rows
from wfm.core.errors import BadRowsError, InputError, NoDataError

BROKEN = {"WFM_SOURCES__NCC__VENDOR": "nextiva_ncc"}
"""An account without address and password."""
POLLED = {
    "WFM_SOURCES__GOOD__VENDOR": "nextiva_ncc",
    "WFM_SOURCES__GOOD__BASE_URL": "https://login.example.com",
    "WFM_SOURCES__GOOD__USERNAME": "wfm@example.com",
    "WFM_SOURCES__GOOD__PASSWORD": "x",
    "WFM_SOURCES__GOOD__POLL_SECONDS": "45",
}


def configure(monkeypatch, *settings: dict[str, str]) -> None:
    for one in settings:
        for name, value in one.items():
            monkeypatch.setenv(name, value)


# --- sources whose settings are broken --------------------------------------------------------------------
@pytest.mark.slow
def test_broken_source_stops_no_score_and_warns_once(tiny, monkeypatch):
    configure(monkeypatch, BROKEN, POLLED)
    told: list[str] = []
    centre = wfm.open(tiny / "wfm.duckdb", warn=told.append)
    assert centre.scoring_options().state_delay.total_seconds() == 45
    assert centre.adherence(DAY, NEXT)["in_s"].to_list() == [465 * 60]
    assert centre.explain("ann", DAY).totals["in_s"].to_list() == [465 * 60]
    assert len(told) == 1
    assert "source ncc cannot be read (WFM_SOURCES__NCC__" in told[0]
    assert "at most 45 s late" in told[0]


def test_who_says_the_delay_hears_nothing_of_sources(tiny, monkeypatch):
    configure(monkeypatch, BROKEN, {"WFM_STATE_DELAY_S": "20"})
    told: list[str] = []
    assert wfm.open(tiny / "wfm.duckdb", warn=told.append).scoring_options().state_delay.total_seconds() == 20
    assert told == []


def test_in_python_a_broken_source_is_logged(tiny, monkeypatch, caplog):
    configure(monkeypatch, BROKEN)
    wfm.open(tiny / "wfm.duckdb").adherence(DAY, NEXT)
    assert "source ncc cannot be read" in caplog.text


@pytest.mark.usefixtures("tiny")
def test_commands_note_a_broken_source_beside_the_answer(run, monkeypatch):
    configure(monkeypatch, BROKEN)
    done = run("adherence", "--from", DAY, "--to", NEXT, "--format", "csv")
    assert done.code == 0
    assert done.err.startswith("note: the settings of source ncc cannot be read")
    assert "465" not in done.err
    assert done.out.startswith("agent_id,workday,scheduled_s")


# --- logins are not agents ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "ask",
    [
        lambda centre: centre.explain("2001", DAY),
        lambda centre: centre.adherence(DAY, NEXT, agents="2001"),
        lambda centre: centre.exempt(f"{DAY}T08:00Z", f"{DAY}T08:30Z", agents="2001", by="D", reason="x"),
    ],
)
def test_asking_for_a_login_names_its_agent(centre, ask):
    with pytest.raises(NoDataError, match="'2001' is not an agent but a login of ann: ask for that agent"):
        ask(centre)


def test_names_that_are_suggested_are_agents(centre):
    with pytest.raises(NoDataError, match=r"there are: ann\.$"):
        centre.adherence(DAY, NEXT, agents="nobody")


def test_agent_named_like_another_login_can_be_queried(centre, tiny):
    path = tiny / "more.csv"
    path.write_text(rows("agent_id,start_at,end_at,activity", f"2001,{DAY}T08:00:00Z,{DAY}T09:00:00Z,phone"))
    centre.import_file("schedule", path)
    assert centre.adherence(DAY, NEXT, agents="2001")["scheduled_s"].to_list() == [3600]


# --- what a centre says itself outweighs what comes with wfm ----------------------------------------------
OWN = {
    "activity": (
        "activity,category,paid,counted,shrinkage",
        "phone,on_queue,true,true,none",
        "break,break,true,true,planned",
        "lunch,meal,false,true,planned",
    ),
    "state_map": (
        "source,vendor_state,vendor_reason,state",
        "*,Available,,available",
        "*,Busy,,busy",
        "*,Break,,break",
        "*,Aux,lunch,meal",
        "*,Logged out,,logged_out",
    ),
    "rule": (
        "category,state,in_adherence",
        "on_queue,available,true",
        "on_queue,busy,true",
        "break,break,true",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("tables", [("activity",), ("state_map",), ("rule",), tuple(OWN)])
def test_day_scored_by_own_tables_is_explained(centre, tiny, tables):
    for table in tables:
        (tiny / "own.csv").write_text(rows(*OWN[table]))
        centre.import_file(table, tiny / "own.csv")
    told = centre.explain("ann", DAY).rows.filter(pl.col("collection_id").is_not_null())
    assert set(tables) <= set(told["table"])
    assert told.filter(pl.col("table").is_in(tables)).height > len(tables)


# --- no rows have a reason --------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_before_publication_its_date_is_reported(run, tiny):
    lines = (f"bob,{DAY}T08:00:00Z,{DAY}T16:00:00Z,phone,2026-02-20T10:30:00Z",)
    (tiny / "published.csv").write_text(rows("agent_id,start_at,end_at,activity,published_at", *lines))
    assert run("import", "schedule", tiny / "published.csv").code == 0
    asked = ("adherence", "--from", DAY, "--to", NEXT, "--agent", "bob", "--format", "csv", "--as-of")
    early = run(*asked, "2026-02-20")
    assert (early.code, early.out.count("\n")) == (0, 1)
    assert early.err == (
        f"note: as of 2026-02-20 no schedule from {DAY} to {NEXT} was published yet; "
        "the first was at 2026-02-20 10:30:00Z.\n"
    )
    later = run(*asked, "2026-02-21")
    assert (later.out.count("\n"), later.err) == (2, "")


# --- approvals have a name --------------------------------------------------------------------------------
HEADER = "start_at,end_at,kind,agent_id,by"
SPAN = f"{DAY}T08:00Z,{DAY}T08:30Z,approved,ann"


def exemptions(tiny: Path, *lines: str, header: str = HEADER) -> Path:
    path = tiny / "unsigned.csv"
    path.write_text(rows(header, *lines))
    return path


@pytest.mark.parametrize("by", ["", " "])
def test_unsigned_imported_exemption_is_kept_and_reported(centre, tiny, by):
    done = centre.import_file(
        "exemption", exemptions(tiny, f"{SPAN},{by}", SPAN.replace("08:", "09:") + ",Dana")
    )
    assert done.note == ("exemptions that do not say who approved them (column by): 1",)
    assert centre.exemptions(agents="ann")["by"].to_list().count(None) == 1


def test_file_without_column_can_be_signed_as_whole(centre, tiny):
    path = exemptions(tiny, SPAN, header="start_at,end_at,kind,agent_id")
    assert centre.import_file("exemption", path, values={"by": "Dana"}).note == ()
    assert "Dana" in centre.exemptions(agents="ann")["by"].to_list()


@pytest.mark.slow
def test_who_signs_file_signs_rows_that_nobody_signed(centre, tiny):
    path = exemptions(tiny, f"{SPAN},", f"{DAY}T09:00Z,{DAY}T09:30Z,approved,ann,Eve", header=HEADER)
    made = centre.exempt_file(path, by="Dana", reason="as agreed")
    assert made.rows["by"].to_list() == ["Dana", "Eve"]
    assert made.rows["note"].to_list() == ["as agreed", "as agreed"]


def test_advice_on_exemption_files_names_real_options(centre, tiny):
    with pytest.raises(InputError) as refused:
        centre.exempt_file(exemptions(tiny, f"{SPAN},"), reason="x")
    assert "--skip-bad" not in str(refused.value)
    assert "--by" in str(refused.value)


def test_invalid_quarter_is_named_among_good_rows(centre, tiny):
    path = tiny / "volume.csv"
    lines = [f"sales,{DAY}T{at}Z,1,0,60" for at in ("09:45:00", "10:07:00", "10:15:00")]
    path.write_text(rows("queue_id,interval_start,entered,abandoned,sum_handle_time_s", *lines))
    with pytest.raises(
        BadRowsError, match=r"row 3, interval_start: .* expected the start of a quarter of an hour"
    ):
        centre.import_file("interval_volume", path)
