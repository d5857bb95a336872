"""What a contact centre can be asked, from Python: imports, publication, as_of, names, and frames beside a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import wfm
from helpers.golden_day import DAY, NEXT, rows
from helpers.imported_schedules import HEADER, TUESDAY, put
from wfm.core.errors import NoDataError, UsageError

HOUR = timedelta(hours=1)


def test_call_names_agent_whose_login_it_was_then(centre):
    put(centre, "login", rows("login,agent_id,from_at,to_at", f"7,ann,,{DAY}T12:00Z", f"7,bob,{DAY}T12:00Z,"))
    calls = [f"c{hour},7,{DAY}T{hour}:00Z" for hour in (11, 12, 13)]
    put(centre, "call_leg", rows("leg_id,login,started_at", *calls, f"other,8,{DAY}T12:00Z"))
    owner = dict(centre.read_table("call_leg").select("leg_id", "agent_id").iter_rows())
    assert owner == {"leg-1": "ann", "c11": "ann", "c12": "bob", "c13": "bob", "other": "8"}


# --- agents and queues by name --------------------------------------------------------------------------
def test_unknown_agent_is_an_error_naming_similar_ones(centre):
    for ask in (centre.adherence, centre.exceptions, centre.score):
        with pytest.raises(NoDataError, match=r"No agent 'anne' is known; did you mean ann\?"):
            ask(DAY, NEXT, agents=["ann", "anne"])
    with pytest.raises(NoDataError, match="No agent 'Xqz' is known; there are: ann"):
        centre.explain("Xqz", DAY)


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_agent_scores_as_among_all(centre):
    put(centre, "schedule", rows(HEADER, f"bob,{DAY}T09:00Z,{DAY}T17:00Z,phone"))
    everybody = centre.adherence(DAY, NEXT)
    for who in ("ann", "bob"):
        assert_frame_equal(
            centre.adherence(DAY, NEXT, agents=who), everybody.filter(pl.col("agent_id") == who)
        )


@pytest.mark.slow
def test_reassigned_login_lists_only_ones_own_work(centre):
    put(centre, "login", rows("login,agent_id,from_at,to_at", f"7,ann,,{DAY}T20:00Z", f"7,bob,{DAY}T20:00Z,"))
    put(
        centre,
        "agent_state",
        rows("login,at,vendor_state", f"7,{DAY}T19:00Z,Busy", f"7,{DAY}T22:00Z,Logged out"),
    )
    assert set(centre.exceptions(DAY, NEXT)["agent_id"]) == {"ann", "bob"}
    assert set(centre.exceptions(DAY, NEXT, agents=["ann"])["agent_id"]) == {"ann"}


@pytest.mark.slow
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
        centre.read_table("orders")


# --- explaining -----------------------------------------------------------------------------------------
@pytest.mark.slow
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
@pytest.mark.slow
def test_occupancy_of_part_of_day_uses_the_day(centre):
    whole = centre.intervals(DAY, NEXT)
    part = centre.intervals(f"{DAY}T11:00Z", f"{DAY}T12:00Z")
    inside = pl.col("interval_start").is_between(
        datetime(2026, 3, 2, 11, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC), closed="left"
    )
    assert part.height == 4
    measured = ["interval_start", "handling_s", "staffed_s", "occupancy"]
    assert_frame_equal(part.select(measured), whole.filter(inside).select(measured))
    assert part["staffed_s"].to_list() == [900.0] * 4


@pytest.mark.slow
def test_a_queue_has_days_of_its_own(centre, monkeypatch):
    monkeypatch.setenv("WFM_TIMEZONE", "Pacific/Kiritimati")
    far = wfm.open().intervals(f"{DAY}T08:00Z", f"{DAY}T17:00Z")
    assert (
        far.filter(pl.col("queue_id") == "sales")["staffed_s"].sum()
        == centre.intervals(DAY, NEXT)["staffed_s"].sum()
    )


def test_horizon_is_ahead_and_not_out_of_sight(centre):
    for horizon in (timedelta(0), timedelta(days=-1), timedelta(days=367)):
        with pytest.raises(UsageError, match="is not within 366 days ahead; give one like 14d or 36h"):
            centre.forecast(horizon=horizon)
    with pytest.raises(NoDataError, match="No interval ended by 2026-03-01T00:00:00"):
        centre.forecast(origin="2026-03-01")


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_report_says_where_its_figures_come_from(centre):
    told = dict(centre.report(DAY, NEXT).sources.iter_rows())
    assert told["Adherence, coverage, conformance"].endswith(
        "Here: agent states from file agent_state.csv (9 rows); schedules from file schedule.csv (4 rows)"
    )
    assert "Here: call legs from file call_leg.csv (1 rows)" in told["Call-driven time"]
    assert "Here" not in told["Approved and system time"]  # the one there is lies outside the window
    assert told["Entered, handled, abandoned, AHT"].endswith("Here: pbx: 1 queue counted by itself")


@pytest.mark.slow
def test_a_report_stores_nothing(sample):
    before = sample.read_bytes()
    made = wfm.open().report("1999-06-20", "1999-06-22")
    assert made.forecast.height
    assert made.accuracy.height
    assert wfm.open().read_table("forecast").is_empty()
    assert sample.read_bytes() == before


@pytest.mark.slow
def test_forecast_is_stored_as_snapshot_known_when_made(sample):
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


def test_holidays_come_from_country_and_the_table_wins(centre, monkeypatch):
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_database_can_be_named_or_configured(tiny, monkeypatch):
    assert wfm.open(tiny / "wfm.duckdb").adherence(DAY, NEXT).equals(wfm.open().adherence(DAY, NEXT))
    monkeypatch.delenv("WFM_DATABASE")
    Path("mine.env").write_text("WFM_DATABASE=wfm.duckdb\n")
    assert wfm.open(settings_file="mine.env").adherence(DAY, NEXT).height == 1


@pytest.mark.slow
def test_settings_of_scoring_reach_the_engine(centre, monkeypatch):
    monkeypatch.setenv("WFM_STATE_RENEWAL_S", "3600")
    assert wfm.open().adherence(DAY, NEXT)["unknown_s"][0] > 0
    assert centre.adherence(DAY, NEXT)["unknown_s"][0] == 0
