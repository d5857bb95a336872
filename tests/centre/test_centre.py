"""What a contact centre can be asked, from Python: imports, publication, as_of, names, and frames beside a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import wfm
from helpers.golden_day import DAY, NEXT, rows
from wfm import files
from wfm.analysis import time_args
from wfm.analysis.imports import ImportResult
from wfm.core.errors import BadRowsError, InputError, NoDataError, UsageError

HEADER = "agent_id,start_at,end_at,activity"
DATED = "agent_id,start_at,end_at,activity,published_at"
TUESDAY = datetime(2026, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def centre(tiny) -> wfm.Centre:
    return wfm.open(tiny / "wfm.duckdb")


def put(centre: wfm.Centre, table: str, text: str, **more: object) -> ImportResult:
    path = centre.database.path.parent / f"new-{table}.csv"
    path.write_text(text)
    return centre.import_file(table, path, **{"source": "pbx"} | more)


def plan(centre: wfm.Centre, as_of: datetime | None = None) -> list[tuple[str, str, str]]:
    """Return what is in force, as (from, to, activity)."""
    scored = centre.score(DAY, "2026-03-10", as_of=as_of).slices().filter(pl.col("activity").is_not_null())
    joined = scored.group_by(
        "agent_id", "activity", pl.col("activity").rle_id().alias("run"), maintain_order=True
    )
    spans = joined.agg(pl.col("start_at").min(), pl.col("end_at").max())
    return [(f"{r['start_at']:%d %H:%M}", f"{r['end_at']:%H:%M}", r["activity"]) for r in spans.to_dicts()]


# --- schedules ------------------------------------------------------------------------------------------
def test_a_schedule_that_says_nothing_new_changes_nothing(centre, tiny):
    done = centre.put("schedule", tiny / "files" / "schedule.csv")
    assert (done.written.read, done.written.unchanged_count, done.note) == (4, 4, ())
    shuffled = rows(HEADER, *reversed((tiny / "files" / "schedule.csv").read_text().split()[1:]))
    assert put(centre, "schedule", shuffled).written.unchanged_count == 4


def test_a_changed_workday_is_replaced_whole_and_the_others_stay(centre):
    put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T08:00Z,{NEXT}T12:00Z,phone"))
    between = datetime.now(UTC)
    text = rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone", f"ann,{NEXT}T08:00Z,{NEXT}T12:00Z,phone")
    done = put(centre, "schedule", text)
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert (done.written.read_count, done.written.added_count, done.written.unchanged_count) == (2, 1, 1)
    assert plan(centre) == [("02 09:00", "12:00", "phone")] or plan(centre)[0][0] == "02 09:00"
    stored = centre.get("schedule")
    assert stored["published_at"].null_count() == 5
    assert stored.filter(pl.col("published_at").is_not_null())["start_at"].to_list() == [
        datetime(2026, 3, 2, 9, tzinfo=UTC)
    ]
    assert plan(centre, as_of=between)[0] == ("02 08:00", "10:00", "phone")
    assert put(centre, "schedule", text).written.unchanged_count == 2


def test_going_back_to_what_was_planned_first_is_a_change_too(centre, tiny):
    first = plan(centre)
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert plan(centre) != first
    done = centre.put("schedule", tiny / "files" / "schedule.csv")
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert plan(centre) == first


def test_a_new_workday_needs_no_date(centre):
    done = put(centre, "schedule", rows(HEADER, f"bob,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert (done.note, done.written.added_count) == ((), 1)
    assert centre.get("schedule")["published_at"].null_count() == 5


def test_a_shift_moved_over_midnight_replaces_the_one_it_overlaps(centre):
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T22:00Z,{NEXT}T06:00Z,email"))
    done = put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T01:00Z,{NEXT}T09:00Z,email"))
    assert done.note == ("1 workday(s) of 1 agent(s) replaced",)
    assert ("03 01:00", "09:00", "email") in plan(centre)
    assert not [span for span in plan(centre) if span[0] == "02 22:00"]


def test_a_publication_from_the_future_is_replaced_all_the_same(centre):
    future = "2099-01-01T00:00:00Z"
    put(centre, "schedule", rows(DATED, f"ann,{DAY}T07:00Z,{DAY}T15:00Z,phone,{future}"))
    assert plan(centre)[0][0] == "02 07:00"
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    assert plan(centre)[0][0] == "02 09:00"


def test_dated_rows_are_taken_at_their_word(centre):
    text = rows(DATED, f"ann,{DAY}T07:00Z,{DAY}T15:00Z,phone,2026-03-01T10:00Z")
    done = put(centre, "schedule", text)
    assert (done.note, done.written.added_count) == ((), 1)
    assert plan(centre)[0][0] == "02 07:00"
    assert put(centre, "schedule", text).written.unchanged_count == 1


def test_an_exported_history_comes_back_unchanged(centre, tiny):
    put(centre, "schedule", rows(HEADER, f"ann,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    centre.put("schedule", tiny / "files" / "schedule.csv")
    stored, held = centre.get("schedule"), plan(centre)
    files.write_table(stored, tiny / "all.csv", "csv")
    done = centre.put("schedule", tiny / "all.csv")
    assert (done.written.unchanged_count, done.note) == (9, ())
    assert centre.get("schedule").equals(stored)
    fresh = wfm.open(tiny / "fresh.duckdb")
    for table in ("agent", "login", "activity", "agent_state", "state_map"):
        fresh.import_file(table, tiny / "files" / f"{table}.csv", source="pbx")
    fresh.import_file("schedule", tiny / "all.csv")
    assert plan(fresh) == held


def test_an_activity_is_spelt_as_its_table_does(centre):
    done = put(centre, "schedule", rows(HEADER, f"ann,{NEXT}T09:00Z,{NEXT}T17:00Z,CHAT"))
    assert done.written.added_count == 1
    assert "chat" in centre.get("schedule")["activity"]


# --- what was watched -----------------------------------------------------------------------------------
def coverage(centre: wfm.Centre, source: str) -> list[tuple[datetime, datetime]]:
    return (
        centre.read_table("coverage").filter(pl.col("source") == source).select("start_at", "end_at").rows()
    )


def test_states_cover_the_local_days_they_touch(centre, monkeypatch):
    monkeypatch.setenv("WFM_TIMEZONE", "America/New_York")
    text = rows("login,at,vendor_state", "1,2026-03-08T03:00:00Z,Busy", "1,2026-03-08T20:00:00Z,Busy")
    put(wfm.open(), "agent_state", text, source="ny")
    assert coverage(centre, "ny") == [
        (datetime(2026, 3, 7, 5, tzinfo=UTC), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        (datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)),
    ]


def test_a_day_that_is_not_over_is_covered_until_its_last_state(centre):
    now = datetime.now(UTC)
    text = rows("login,at,vendor_state", f"1,{now.isoformat()},Busy")
    for _ in range(2):
        put(centre, "agent_state", text, source="live")
    assert coverage(centre, "live") == [(now.replace(hour=0, minute=0, second=0, microsecond=0), now)]


def test_what_was_watched_can_be_said(centre):
    text = rows("login,at,vendor_state", f"1,{NEXT}T08:00Z,Busy")
    put(centre, "agent_state", text, source="told", covers=(NEXT, "2026-03-06T12:00+02:00"))
    assert coverage(centre, "told") == [(TUESDAY, datetime(2026, 3, 6, 10, tzinfo=UTC))]
    with pytest.raises(UsageError, match="its end 2026-03-03 is not after --covers 2026-03-03"):
        put(centre, "agent_state", text, covers=(NEXT, NEXT))
    with pytest.raises(UsageError, match="it goes with agent_state only"):
        put(centre, "agent", rows("agent_id", "x"), covers=(DAY, NEXT))


# --- importing ------------------------------------------------------------------------------------------
def test_a_table_that_cannot_be_imported_says_which_can(centre):
    with pytest.raises(UsageError, match="no table 'agents' to import into: choose from agent, "):
        put(centre, "agents", rows("agent_id", "x"))
    with pytest.raises(UsageError, match="no table 'forecast' to import into"):
        put(centre, "forecast", rows("agent_id", "x"))


def test_bad_rows_are_set_aside_but_never_over_the_file_itself(centre, tiny):
    path = tiny / "bad.csv"
    path.write_text(rows("login,at,vendor_state", "1,yesterday,Busy"))
    with pytest.raises(BadRowsError, match="1 bad row, nothing was imported"):
        centre.put("agent_state", path)
    with pytest.raises(UsageError, match="is the file to import: name another"):
        centre.put("agent_state", path, skip_bad=tiny / "files" / ".." / "bad.csv")
    with pytest.raises(InputError, match="no good row is left, nothing was imported"):
        centre.put("agent_state", path, skip_bad=tiny / "aside.csv")
    assert "yesterday" in path.read_text()
    assert "yesterday" in (tiny / "aside.csv").read_text()
    assert centre.get("collection").height == 14


def test_what_users_were_told_is_in_the_ledger(centre):
    put(centre, "agent", rows("agent_id,shoe size", "bob,43"))
    last = centre.get("collection").row(-1, named=True)
    assert last["file_name"] == "new-agent.csv"
    assert last["note"] == "ignored columns: shoe size"
    first = centre.get("collection").filter(pl.col("feed") == "agent_state").row(0, named=True)
    assert (first["source"], first["from_at"], first["to_at"]) == (
        "pbx",
        datetime(2026, 3, 2, 8, 3, tzinfo=UTC),
        datetime(2026, 3, 2, 16, 10, tzinfo=UTC),
    )


def test_a_call_names_the_agent_whose_login_it_was_then(centre):
    put(centre, "login", rows("login,agent_id,from_at,to_at", f"7,ann,,{DAY}T12:00Z", f"7,bob,{DAY}T12:00Z,"))
    calls = [f"c{hour},7,{DAY}T{hour}:00Z" for hour in (11, 12, 13)]
    put(centre, "call_leg", rows("leg_id,login,started_at", *calls, f"other,8,{DAY}T12:00Z"))
    owner = dict(centre.get("call_leg").select("leg_id", "agent_id").iter_rows())
    assert owner == {"leg-1": "ann", "c11": "ann", "c12": "bob", "c13": "bob", "other": "8"}


# --- agents and queues by name --------------------------------------------------------------------------
def test_an_agent_nobody_knows_is_an_error_that_names_near_ones(centre):
    for ask in (centre.adherence, centre.exceptions, centre.score):
        with pytest.raises(NoDataError, match=r"No agent 'anne' is known; did you mean ann\?"):
            ask(DAY, NEXT, agents=["ann", "anne"])
    with pytest.raises(NoDataError, match="No agent 'Xqz' is known; there are: ann"):
        centre.explain("Xqz", DAY)


def test_an_agent_known_from_states_alone_is_fine(centre):
    put(
        centre,
        "agent_state",
        rows("login,at,vendor_state", f"walk-in,{DAY}T09:00Z,Busy", f"walk-in,{DAY}T10:00Z,Logged out"),
    )
    found = centre.exceptions(DAY, NEXT, agents="walk-in")
    assert found.select("agent_id", "reason", "seconds").rows() == [("walk-in", "unscheduled_work", 3600.0)]
    assert centre.adherence(DAY, NEXT, agents=["walk-in"]).is_empty()
    assert centre.explain("walk-in", DAY).slices["state"].to_list() == ["busy"]


def test_one_agent_scores_as_among_all(centre):
    put(centre, "schedule", rows(HEADER, f"bob,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    everybody = centre.adherence(DAY, NEXT)
    for who in ("ann", "bob"):
        assert_frame_equal(
            centre.adherence(DAY, NEXT, agents=who), everybody.filter(pl.col("agent_id") == who)
        )


def test_of_a_login_that_changed_hands_only_ones_own_work_is_listed(centre):
    put(centre, "login", rows("login,agent_id,from_at,to_at", f"7,ann,,{DAY}T20:00Z", f"7,bob,{DAY}T20:00Z,"))
    put(
        centre,
        "agent_state",
        rows("login,at,vendor_state", f"7,{DAY}T19:00Z,Busy", f"7,{DAY}T22:00Z,Logged out"),
    )
    assert set(centre.exceptions(DAY, NEXT)["agent_id"]) == {"ann", "bob"}
    assert set(centre.exceptions(DAY, NEXT, agents=["ann"])["agent_id"]) == {"ann"}


def test_a_queue_nobody_knows_and_one_without_calls(centre):
    for ask in (
        lambda q: centre.intervals(DAY, NEXT, queues=q),
        lambda q: centre.forecast(queues=q),
        lambda q: centre.accuracy(queues=q),
    ):
        with pytest.raises(NoDataError, match=r"No queue 'sale' is known; did you mean sales\?"):
            ask(["sale"])
    with pytest.raises(NoDataError, match="No interval volume and no calls of night are known from"):
        centre.intervals(DAY, NEXT, queues="night")
    with pytest.raises(NoDataError, match="No interval volume and no calls to learn from"):
        centre.forecast(queues="night")


def test_a_class_nobody_knows(centre):
    with pytest.raises(UsageError, match="no class 'late': choose from unknown, in, system"):
        centre.exceptions(DAY, NEXT, classes=["late"])
    assert set(centre.exceptions(DAY, NEXT, classes="controllable")["class"].cast(pl.String)) == {
        "controllable"
    }


def test_a_table_nobody_knows(centre):
    with pytest.raises(UsageError, match="no table 'orders': choose from migration, collection, agent"):
        centre.get("orders")


# --- windows --------------------------------------------------------------------------------------------
def test_days_and_instants():
    assert time_args.parse_time("2026-03-02", "x") == date(2026, 3, 2)
    assert time_args.parse_time("2026-03-02T08:00:00+02:00", "x") == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert time_args.parse_time(datetime(2026, 3, 2, 8, tzinfo=UTC), "x") == datetime(
        2026, 3, 2, 8, tzinfo=UTC
    )
    assert time_args.resolve_local_midnight(date(2026, 3, 2), "Asia/Jerusalem") == datetime(
        2026, 3, 1, 22, tzinfo=UTC
    )
    assert time_args.resolve_local_midnight(date(2026, 3, 29), "Asia/Beirut") == datetime(
        2026, 3, 28, 22, tzinfo=UTC
    )
    both = time_args.parse_window("2026-03-02", "2026-03-02T12:00Z", "Asia/Jerusalem")
    assert both == (datetime(2026, 3, 1, 22, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-02-30", "is neither a day like 2026-03-02 nor an instant"),
        ("2026-3-2", "is neither a day"),
        ("", "is neither a day"),
        ("tomorrow", "is neither a day"),
        ("02/03/2026 08:00", "is neither a day"),
        ("2026-03-02T25:00:00Z", "is neither a day"),
        ("2026-03-02T08:00:00", "give the offset"),
        ("0001-01-01", "give a year from 1970 to 2199"),
        ("9999-12-31T23:59:59-23:00", "give a year from 1970 to 2199"),
    ],
)
def test_what_is_no_day_and_no_instant(at, words):
    with pytest.raises(UsageError, match=words):
        time_args.parse_time(at, "--from")


def test_a_window_ends_after_it_starts_and_holds_something(centre):
    with pytest.raises(
        UsageError, match="--to 2026-03-02 is not after --from 2026-03-02: --from is included"
    ):
        centre.adherence(DAY, DAY)
    with pytest.raises(
        NoDataError, match=r"Nothing is known from 2030-01-01 to 2030-01-02: .*wfm export collection"
    ):
        centre.adherence("2030-01-01", "2030-01-02")
    with pytest.raises(NoDataError, match="Nothing is known of ann from 2030"):
        centre.adherence("2030-01-01", "2030-01-02", agents=["ann"])
    with pytest.raises(NoDataError, match="No interval volume and no calls are known from 2030"):
        centre.intervals("2030-01-01", "2030-01-02")
    with pytest.raises(UsageError, match="A report covers whole days"):
        centre.report(f"{DAY}T08:00Z", NEXT)
    with pytest.raises(UsageError, match="explain takes a day"):
        centre.explain("ann", f"{DAY}T08:00Z")
    with pytest.raises(NoDataError, match="ann has no schedule on 2026-03-03 and did no work on that day"):
        centre.explain("ann", NEXT)


# --- explaining -----------------------------------------------------------------------------------------
def test_an_explained_day_names_every_row_behind_it(centre):
    put(centre, "agent_state", rows("login,at,vendor_state", "2001,2026-03-01T20:00Z,Logged out"))
    put(
        centre,
        "exemption",
        rows(
            "start_at,end_at,kind,team,code",
            f"{DAY}T09:00Z,{DAY}T09:01Z,system,Bänk,power",
            f"{DAY}T09:00Z,{DAY}T09:01Z,system,Other,none",
        ),
    )
    told = centre.explain("ann", DAY)
    assert told.totals.select("scheduled_s", "in_s", "adherence").row(0) == (28_800.0, 27_900.0, 0.96875)
    found = told.rows.group_by("table").agg("what", "file_name", "row_no", "source").sort("table").to_dicts()
    by_table = {each["table"]: each for each in found}
    assert set(by_table) == {
        "schedule",
        "agent_state",
        "call_leg",
        "exemption",
        "coverage",
        "login",
        "activity",
        "state_map",
        "rule",
    }
    assert by_table["exemption"]["what"] == ["system power"]
    assert by_table["agent_state"]["what"][0] == "Logged out"
    assert by_table["agent_state"]["file_name"][:2] == ["new-agent_state.csv", "agent_state.csv"]
    assert by_table["call_leg"]["what"] == ["leg-1 sales answered"]
    assert by_table["schedule"]["row_no"] == [2, 3, 4, 5]
    assert by_table["schedule"]["source"] == ["-"] * 4
    assert told.timezone == "UTC"


# --- volume and forecast --------------------------------------------------------------------------------
def test_occupancy_of_part_of_a_day_is_that_of_the_day(centre):
    whole = centre.intervals(DAY, NEXT)
    part = centre.intervals(f"{DAY}T11:00Z", f"{DAY}T12:00Z")
    inside = pl.col("interval_start").is_between(
        datetime(2026, 3, 2, 11, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC), closed="left"
    )
    assert part.height == 4
    measured = ["interval_start", "handling_s", "staffed_s", "occupancy"]
    assert_frame_equal(part.select(measured), whole.filter(inside).select(measured))
    assert part["staffed_s"].to_list() == [900.0] * 4


def test_a_queue_has_days_of_its_own(centre, monkeypatch):
    monkeypatch.setenv("WFM_TIMEZONE", "Pacific/Kiritimati")
    far = wfm.open().intervals(f"{DAY}T08:00Z", f"{DAY}T17:00Z")
    assert (
        far.filter(pl.col("queue_id") == "sales")["staffed_s"].sum()
        == centre.intervals(DAY, NEXT)["staffed_s"].sum()
    )


def test_a_horizon_is_ahead_and_not_out_of_sight(centre):
    for horizon in (timedelta(0), timedelta(days=-1), timedelta(days=367)):
        with pytest.raises(UsageError, match="is not within 366 days ahead; give one like 14d or 36h"):
            centre.forecast(horizon=horizon)
    with pytest.raises(NoDataError, match="No interval ended by 2026-03-01T00:00:00"):
        centre.forecast(origin="2026-03-01")


def test_calls_are_counted_without_any_states(place):
    centre = wfm.open(place / "calls.duckdb")
    put(
        centre,
        "call_leg",
        rows(
            "leg_id,queue_id,started_at,answered_at,ended_at", f"1,q,{DAY}T09:00Z,{DAY}T09:01Z,{DAY}T09:05Z"
        ),
    )
    found = centre.intervals(DAY, NEXT)
    assert found.select("entered", "handled", "sum_handle_time_s", "occupancy").rows() == [
        (1, 1, 240.0, None)
    ]


def test_a_report_says_where_its_figures_come_from(centre):
    told = dict(centre.report(DAY, NEXT).sources.iter_rows())
    assert told["Adherence, coverage, conformance"].endswith(
        "Here: agent states from file agent_state.csv (9 rows); schedules from file schedule.csv (4 rows)"
    )
    assert "Here: call legs from file call_leg.csv (1 rows)" in told["Call-driven time"]
    assert "Here" not in told["Approved and system time"]  # the one there is lies outside the window
    assert told["Entered, handled, abandoned, AHT"].endswith("Here: pbx: 1 queue counted by itself")


def test_a_report_stores_nothing(sample):
    before = sample.read_bytes()
    made = wfm.open().report("1999-06-20", "1999-06-22")
    assert made.forecast.height
    assert made.accuracy.height
    assert wfm.open().read_table("forecast").is_empty()
    assert sample.read_bytes() == before


def test_a_forecast_is_kept_as_a_snapshot_and_known_since_it_was_made(sample):
    centre = wfm.open(sample)
    between = datetime.now(UTC)
    made = centre.forecast(queues=["PS"], horizon=timedelta(days=1), origin="1999-06-27")
    assert made.columns == [
        "queue_id",
        "interval_start",
        "volume",
        "volume_p10",
        "volume_p50",
        "volume_p90",
        "aht_s",
        "aht_p10",
        "aht_p90",
        "model",
        "origin",
        "made_at",
    ]
    assert made.height == 96
    assert centre.read_table("forecast").equals(made)
    assert centre.read_table("forecast", as_of=between).is_empty()
    other = centre.forecast(queues=["PS"], horizon=timedelta(days=1), origin="1999-06-27", keep=False)
    assert_frame_equal(other.drop("made_at"), made.drop("made_at"))
    assert centre.read_table("forecast").height == 96


def test_holidays_come_from_the_country_and_the_table_wins(centre, monkeypatch):
    monkeypatch.setenv("WFM_COUNTRY", "IL")
    put(centre, "holiday", rows("on_date,name", "2026-04-02,Ours"))
    from wfm.analysis import forecast

    with centre.database.open_reader() as known:
        days = forecast.read_special_days(
            known,
            wfm.open().settings,
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 5, 1, tzinfo=UTC),
        )
        none = forecast.read_special_days(known, centre.settings, TUESDAY, TUESDAY)
    names = dict(days.iter_rows())
    assert names[date(2026, 4, 2)] == "Ours"
    assert names[date(2026, 3, 3)] == "Purim"
    assert date(2026, 9, 12) in names
    assert set(none["name"]) == {"Ours", "Purim"}


# --- frames beside a database ---------------------------------------------------------------------------
def until(found: pl.DataFrame, day: int) -> pl.DataFrame:
    """Cut off what reaches beyond a day: how far the last state is told of depends on what was loaded."""
    end = pl.lit(datetime(1999, 6, day, tzinfo=UTC))
    return found if "end_at" not in found.columns else found.with_columns(pl.min_horizontal("end_at", end))


def test_frames_and_a_database_give_the_same_numbers(sample):
    centre = wfm.open(sample)
    stored = centre.score("1999-06-20", "1999-06-27")
    tables = {
        name: centre.read_table(name)
        for name in ("schedule", "agent_state", "call_leg", "exemption", "agent", "login", "coverage")
    }
    alone = wfm.score(
        **tables,
        window=("1999-06-20", "1999-06-27"),
        timezone="Asia/Jerusalem",
    )
    for view in ("adherence", "exceptions", "slices"):
        assert_frame_equal(until(getattr(alone, view)(), 27), until(getattr(stored, view)(), 27))
    assert_frame_equal(alone.adherence([]), centre.adherence("1999-06-20", "1999-06-27", by=[]))
    lazy = wfm.score(
        **{name: frame.lazy() for name, frame in tables.items()},
        window=(date(1999, 6, 20), date(1999, 6, 27)),
    )
    assert_frame_equal(lazy.adherence("team"), stored.adherence(["team"]))


def test_a_database_can_be_named_or_configured(tiny, monkeypatch):
    assert wfm.open(tiny / "wfm.duckdb").adherence(DAY, NEXT).equals(wfm.open().adherence(DAY, NEXT))
    monkeypatch.delenv("WFM_DATABASE")
    Path("mine.env").write_text("WFM_DATABASE=wfm.duckdb\n")
    assert wfm.open(settings_file="mine.env").adherence(DAY, NEXT).height == 1


def test_settings_of_scoring_reach_the_engine(centre, monkeypatch):
    monkeypatch.setenv("WFM_STATE_RENEWAL_S", "3600")
    assert wfm.open().adherence(DAY, NEXT)["unknown_s"][0] > 0
    assert centre.adherence(DAY, NEXT)["unknown_s"][0] == 0
