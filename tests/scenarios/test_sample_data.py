"""The bundled sample is complete, typed, consistent with itself and equal to the published figures."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from helpers.paths import ROOT
from wfm.core import glossary, schema

DATA = ROOT / "data"
SAMPLE = DATA / "sample"
ZONE = "Asia/Jerusalem"
FIRST = datetime(1999, 6, 19, 21, tzinfo=UTC)
"""Local midnight at the start of Sunday 20 June."""
END = datetime(1999, 7, 3, 21, tzinfo=UTC)
AFTER_MIDNIGHT = timedelta(minutes=15)
"""The last night's calls and sign-outs run a little past midnight."""

FILES = {
    "interval_volume": "interval_volume.parquet",
    "call_leg": "call_leg.parquet",
    "agent_state": "agent_state.parquet",
    "agent": "agent.csv",
    "login": "login.csv",
    "queue": "queue.csv",
    "holiday": "holiday.csv",
    "schedule": "schedule.csv",
    "exemption": "exemption.csv",
}
TABLES = {"state_map": "state_map.csv", "activity": "activity.csv", "rule": "rule.csv"}
REST_STATES = {"Break", "Lunch", "Away", "Logged out"}
QUEUE_STATES = {"Available", "Busy", "Wrapup", "Working"}


@cache
def raw(path: Path) -> pl.DataFrame:
    """Read a file as it is: parquet with its types, csv as text."""
    return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)


@cache
def read(name: str) -> pl.DataFrame:
    """Read a table of the sample (or data/) with the types of schema.sql."""
    frame = raw(SAMPLE / FILES[name] if name in FILES else DATA / TABLES[name])
    types = schema.get_table(name).own_columns
    return frame.with_columns(typed(column, types[column]) for column in frame.columns)


def typed(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column of text as its type; parquet columns pass as they are."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    if isinstance(dtype, pl.Date):
        return pl.col(column).str.to_date()
    if isinstance(dtype, pl.Boolean):
        return pl.col(column) == "true"
    return pl.col(column).cast(dtype)


@cache
def parquet(name: str) -> pl.DataFrame:
    """Read one of the three big tables."""
    return raw(SAMPLE / FILES[name])


@cache
def labels() -> pl.DataFrame:
    """Read the labels with instants and days."""
    instant = pl.Datetime("us", "UTC")
    return raw(SAMPLE / "labels.csv").with_columns(
        typed("start_at", instant), typed("end_at", instant), typed("workday", pl.Date())
    )


def agent_of(frame: pl.DataFrame, instant: str) -> pl.DataFrame:
    """Add the agent behind each login at an instant; a row per login row that fits."""
    fits = (pl.col(instant) >= pl.col("from_at").fill_null(FIRST)) & (
        pl.col(instant) < pl.col("to_at").fill_null(END + timedelta(days=1))
    )
    return frame.join(read("login"), on="login").filter(fits)


def fold(column: str) -> pl.Expr:
    """Return a vendor state without case, spaces, _ and -."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"[ _-]", "")


def in_force() -> pl.DataFrame:
    """Return the schedule of the latest publication of each workday (no row of it starts after midnight)."""
    local = pl.col("start_at").dt.convert_time_zone(ZONE).dt.date()
    rows = read("schedule").with_columns(workday=local)
    return rows.filter(pl.col("published_at") == pl.col("published_at").max().over("agent_id", "workday"))


# --- files ------------------------------------------------------------------------------------------------
def test_everything_is_there_and_small() -> None:
    """All files exist and together stay below three megabytes."""
    files = [SAMPLE / name for name in (*FILES.values(), "labels.csv")] + [DATA / n for n in TABLES.values()]
    assert all(file.is_file() for file in files)
    assert sum(file.stat().st_size for file in SAMPLE.iterdir()) < 3_000_000


@pytest.mark.parametrize("name", ["interval_volume", "call_leg", "agent_state"])
def test_parquet_has_the_types_of_the_schema(name: str) -> None:
    """Every column is one of the table's, with its type; the required ones are full."""
    table, frame = schema.get_table(name), parquet(name)
    assert {column: table.own_columns[column] for column in frame.columns} == dict(frame.schema)
    required = table.required - {"source"}
    assert required <= set(frame.columns)
    assert frame.select(pl.col(sorted(required)).null_count().sum()).row(0) == (0,) * len(required)


@pytest.mark.parametrize("name", [n for n, f in (FILES | TABLES).items() if f.endswith("csv")])
def test_csv_reads_as_the_schema_says(name: str) -> None:
    """Every column is one of the table's and every value reads as its type; required ones are full."""
    table, frame = schema.get_table(name), read(name)
    assert set(frame.columns) <= set(table.own_columns)
    assert table.required <= set(frame.columns)
    assert frame.select(pl.col(sorted(table.required)).is_null().any()).row(0) == (False,) * len(
        table.required
    )
    assert frame.is_unique().all()
    key = [column for column in table.key if column in frame.columns]
    assert frame.select(key).is_unique().all()


def test_nothing_names_a_machine() -> None:
    """No text file of data/ has an absolute path in it."""
    texts = [f for f in DATA.rglob("*") if f.suffix in {".py", ".csv", ".md"}]
    assert not [f.name for f in texts if re.search(r"/(work|home|tmp|root)/|\.\./", f.read_text("utf-8"))]


# --- tables for users to edit -----------------------------------------------------------------------------
def test_rules_are_the_glossary_and_complete() -> None:
    """Every category meets every state an agent can be in; unmapped and unknown are neither in nor out."""
    rows = read("rule")
    said = {(category, state): in_adherence for category, state, in_adherence in rows.rows()}
    states = [state for state in glossary.STATES if state not in (glossary.UNMAPPED, glossary.UNKNOWN)]
    expected = {
        (c, s): s in glossary.STATES_IN_ADHERENCE.get(c, ()) for c in glossary.CATEGORIES for s in states
    }
    assert said == expected


def test_activities_have_known_categories() -> None:
    """A category is an activity too, and counts as the glossary says."""
    rows = read("activity")
    assert set(rows["category"]) == set(glossary.CATEGORIES) <= set(rows["activity"])
    assert rows.select(
        (pl.col("counted") == pl.col("category").is_in(glossary.COUNTED_CATEGORIES)).all()
    ).item()
    assert set(rows["shrinkage"]) <= {"planned", "unplanned", "none"}
    assert dict(rows.select("activity", "category").rows()).items() >= {
        ("phone", "on_queue"),
        ("email", "off_queue_work"),
        ("lunch", "meal"),
        ("coaching", "training"),
    }


def test_states_are_mapped_once_to_known_ones() -> None:
    """However the words are folded, one word never means two states; ours mean themselves."""
    rows = read("state_map").with_columns(folded=fold("vendor_state"))
    assert set(rows["state"]) == set(glossary.STATES) - {glossary.UNMAPPED, glossary.UNKNOWN}
    assert rows.group_by("source", "folded").agg(pl.col("state").n_unique())["state"].max() == 1
    meaning = dict(rows.select("folded", "state").iter_rows())
    assert all(meaning[state.replace("_", "")] == state for state in set(rows["state"]))


# --- the real part ----------------------------------------------------------------------------------------
def test_volume_has_the_published_totals() -> None:
    """Entered and abandoned per month are the source's."""
    month = pl.col("interval_start").dt.convert_time_zone(ZONE).dt.month()
    totals = parquet("interval_volume").group_by(month).agg(pl.col("entered", "abandoned").sum())
    assert totals.sort("interval_start").rows() == [
        (1, 30161, 3101),
        (2, 31125, 3963),
        (3, 36451, 8604),
        (4, 29277, 5694),
        (5, 37067, 7144),
        (6, 35858, 4665),
        (7, 36426, 6830),
    ]


def test_volume_keeps_its_oddities() -> None:
    """The missing and the odd days are as the source has them."""
    day = pl.col("interval_start").dt.convert_time_zone(ZONE).dt.date().alias("day")
    daily = dict(parquet("interval_volume").group_by(day).agg(pl.col("entered").sum()).rows())
    assert not {date(1999, 1, 11), date(1999, 1, 12), date(1999, 5, 21)} & set(daily)
    assert daily[date(1999, 4, 6)] == 2
    storm = parquet("interval_volume").filter(day == date(1999, 5, 23))
    assert storm.select(pl.col("entered", "abandoned").sum()).row(0) == (2755, 1174)


def test_calls_add_up_to_the_volume() -> None:
    """Per quarter-hour, the legs are the volume of the two weeks, but for one service of five hours."""
    cols = ["queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s"]
    counted = (
        parquet("call_leg")
        .group_by("queue_id", interval_start=pl.col("started_at").dt.truncate("15m"))
        .agg(
            entered=pl.len().cast(pl.Int64),
            abandoned=(pl.col("outcome") == "abandoned").sum().cast(pl.Int64),
            sum_handle_time_s=pl.col("talk_s").sum(),
        )
        .sort("queue_id", "interval_start")
    )
    volume = parquet("interval_volume").filter(pl.col("interval_start").is_between(FIRST, END, closed="left"))
    assert counted.select(cols[:4]).equals(volume.select(cols[:4]))
    residual = counted["sum_handle_time_s"] - volume["sum_handle_time_s"]
    assert residual.filter(residual != 0).to_list() == [17904.0]


def test_legs_are_whole() -> None:
    """One leg per call, inside the weeks, instants in order (but an answer may precede its queue)."""
    legs = parquet("call_leg")
    assert legs["leg_id"].is_unique().all()
    assert legs.select(pl.col("started_at").is_between(FIRST, END, closed="left").all()).item()
    assert legs["ended_at"].max() < END + AFTER_MIDNIGHT
    answered = legs.filter(pl.col("answered_at").is_not_null())
    assert set(legs.join(answered, on="leg_id", how="anti")["outcome"]) == {"abandoned"}
    assert set(answered["outcome"]) == {"answered"}
    wait = (answered["answered_at"] - answered["started_at"]).dt.total_seconds()
    assert (wait.min(), (wait < -2).sum()) == (-24, 39)
    assert answered.select(
        (pl.col("ended_at") - pl.col("answered_at") == pl.duration(seconds="talk_s")).all()
    ).item()
    assert (
        set(legs["queue_id"]) == set(parquet("interval_volume")["queue_id"]) == set(read("queue")["queue_id"])
    )


# --- the derived part -------------------------------------------------------------------------------------
def test_logins_are_known() -> None:
    """Every login is exactly one agent at every instant it appears, and every agent has one."""
    agents = set(read("agent")["agent_id"])
    legs = parquet("call_leg").drop_nulls("login")
    states = parquet("agent_state")
    assert agent_of(legs, "answered_at").height == legs.height
    assert agent_of(states, "at").height == states.height
    assert set(read("login")["agent_id"]) == agents == set(agent_of(states, "at")["agent_id"])
    assert not set(read("login")["login"]) & agents
    assert set(read("schedule")["agent_id"]) <= agents
    assert set(read("exemption")["agent_id"].drop_nulls()) <= agents
    assert set(read("exemption")["team"].drop_nulls()) <= set(read("agent")["team"])


def test_states_are_known_but_the_planted_one() -> None:
    """Exactly one vendor state has no mapping."""
    known = set(read("state_map").select(fold("vendor_state")).to_series())
    states = parquet("agent_state").with_columns(folded=fold("vendor_state"))
    assert set(states.filter(~pl.col("folded").is_in(known))["vendor_state"]) == {"Quality review"}


def test_state_line_is_clean() -> None:
    """One state per login and instant, no repeats, all days covered, everybody logged out in the end."""
    states = agent_of(parquet("agent_state"), "at").sort("agent_id", "at")
    assert states.select("login", "at").is_unique().all()
    assert (
        states.select(
            (pl.col("vendor_state") == pl.col("vendor_state").shift().over("agent_id")).any()
        ).item()
        is False
    )
    assert states.select(pl.col("at").is_between(FIRST, END + AFTER_MIDNIGHT).all()).item()
    assert set(states.group_by("agent_id").agg(pl.col("vendor_state").last())["vendor_state"]) == {
        "Logged out"
    }
    days = states["at"].dt.convert_time_zone(ZONE).dt.date().unique()
    assert {date(1999, 6, 20) + timedelta(days=n) for n in range(14)} <= set(days)


def test_agents_are_busy_whenever_they_serve() -> None:
    """States never contradict the call log: from answer to end the agent is Busy (two hours at most)."""
    legs = agent_of(parquet("call_leg").drop_nulls("login").filter(pl.col("talk_s") > 0), "answered_at")
    states = agent_of(parquet("agent_state"), "at").select("agent_id", "at", "vendor_state").sort("at")
    states = states.with_columns(until=pl.col("at").shift(-1).over("agent_id"))
    during = (
        legs.select("agent_id", "answered_at", "ended_at")
        .sort("answered_at")
        .join_asof(states, left_on="answered_at", right_on="at", by="agent_id", check_sortedness=False)
    )
    assert set(during["vendor_state"]) == {"Busy"}
    most = pl.col("answered_at") + timedelta(hours=2)
    assert during.select((pl.col("until") >= pl.min_horizontal("ended_at", most)).all()).item()


def test_schedule_is_sound() -> None:
    """Rows are whole quarter-hours inside the weeks, of known activities, and nest inside their shift."""
    rows = read("schedule")
    assert set(rows["activity"]) <= set(read("activity")["activity"])
    assert rows.select((pl.col("start_at") < pl.col("end_at")).all()).item()
    assert rows.select(
        (pl.col("start_at", "end_at").dt.truncate("15m") == pl.col("start_at", "end_at")).all()
    ).row(0) == (True, True)
    assert rows.select((pl.col("start_at").min() >= FIRST) & (pl.col("end_at").max() <= END)).item()
    rows = in_force()
    whole = rows.filter(pl.col("activity").is_in(["on_queue", "time_off"]))
    inner = rows.join(whole, on=rows.columns, how="anti").join(
        whole, on=["agent_id", "workday"], suffix="_whole"
    )
    inside = inner.filter(
        pl.col("start_at") >= pl.col("start_at_whole"), pl.col("end_at") <= pl.col("end_at_whole")
    )
    assert inside.height == rows.height - whole.height
    after = pl.col("start_at").shift(-1).over("agent_id", "workday")
    order = rows.join(whole, on=rows.columns, how="anti").sort("agent_id", "start_at")
    assert order.select((after > pl.col("end_at")).fill_null(True).all()).item()
    assert set(rows["workday"]) == {date(1999, 6, 20) + timedelta(days=n) for n in range(14)}


def test_one_workday_is_restated_afterwards() -> None:
    """Schedules are published before their week; one whole workday is published again after it."""
    local = pl.col("start_at").dt.convert_time_zone(ZONE).dt.date().alias("workday")
    rows = read("schedule").with_columns(local)
    twice = (
        rows.group_by("agent_id", "workday")
        .agg(pl.col("published_at").unique().sort())
        .filter(pl.col("published_at").list.len() > 1)
    )
    assert twice.height == 1
    first, then = twice["published_at"].item()
    late = rows.filter(pl.col("published_at") > pl.col("start_at"))
    assert late.select("agent_id", "workday").unique().rows() == twice.select("agent_id", "workday").rows()
    assert first < FIRST < then
    of = rows.join(twice, on=["agent_id", "workday"]).group_by("published_at").agg(pl.len())
    assert of["len"].n_unique() == 1


# --- the labels -------------------------------------------------------------------------------------------
def test_every_reason_and_class_is_labelled_three_times() -> None:
    """Three of every reason, and of the classes that have none."""
    reasons = dict(labels().drop_nulls("reason").group_by("reason").len().rows())
    assert set(reasons) == set(glossary.REASONS)
    assert min(reasons.values()) >= 3
    classes = dict(labels().filter(pl.col("reason").is_null()).group_by("class").len().rows())
    assert set(classes) == {"approved", "system", "unknown"}
    assert min(classes.values()) >= 3
    assert set(labels()["class"].drop_nulls()) <= set(glossary.CLASSES)


def test_labels_lie_where_they_say() -> None:
    """Inside the shift of their workday; unscheduled work outside of it, but touching it."""
    whole = in_force().filter(activity="on_queue").select("agent_id", "workday", "start_at", "end_at")
    both = labels().join(whole, on=["agent_id", "workday"], suffix="_shift")
    assert both.height == labels().height
    outside = pl.col("reason").eq_missing("unscheduled_work")
    inside = (pl.col("start_at") >= pl.col("start_at_shift")) & (pl.col("end_at") <= pl.col("end_at_shift"))
    touches = (pl.col("end_at") == pl.col("start_at_shift")) | (pl.col("start_at") == pl.col("end_at_shift"))
    assert both.select(pl.when(outside).then(touches).otherwise(inside).all()).item()


def test_labels_do_not_overlap() -> None:
    """One second has one label."""
    order = labels().sort("agent_id", "start_at")
    assert order.select((pl.col("start_at") < pl.col("end_at")).all()).item()
    after = pl.col("start_at").shift(-1).over("agent_id")
    assert order.select((after >= pl.col("end_at")).fill_null(True).all()).item()


@pytest.mark.parametrize(
    ("reason", "states"),
    [
        ("late_start", {"Logged out"}),
        ("absent", {"Logged out"}),
        ("early_leave", {"Logged out"}),
        ("early_break", REST_STATES),
        ("long_break", REST_STATES),
        ("shifted_break", REST_STATES),
        ("missed_break", QUEUE_STATES),
        ("call_overrun", {"Busy", "Wrapup"}),
        ("unscheduled_work", QUEUE_STATES),
        ("no_answer", {"No Answer"}),
        ("wrong_state", {"Away"}),
    ],
)
def test_states_bear_the_labels_out(reason: str, states: set[str]) -> None:
    """All through a label the agent is in states that make its reason possible."""
    log = (
        agent_of(parquet("agent_state"), "at").select("agent_id", "at", "vendor_state").sort("agent_id", "at")
    )
    spans = log.with_columns(until=pl.col("at").shift(-1).over("agent_id").fill_null(END + timedelta(days=1)))
    before = (
        log.group_by("agent_id")
        .agg(until=pl.col("at").min())
        .with_columns(
            at=pl.lit(FIRST - timedelta(days=1)).dt.cast_time_unit("us"), vendor_state=pl.lit("Logged out")
        )
    )
    spans = pl.concat([spans, before.select(spans.columns)])
    during = (
        labels()
        .filter(pl.col("reason") == reason)
        .join(spans, on="agent_id")
        .filter(pl.col("at") < pl.col("end_at"), pl.col("until") > pl.col("start_at"))
    )
    assert set(during["vendor_state"]) <= states


def test_exemptions_cover_their_labels() -> None:
    """An approved label lies in an exemption of its agent, a system label in the outage of its team."""
    both = (
        labels()
        .join(read("agent").select("agent_id", "team"), on="agent_id")
        .join(read("exemption"), left_on="class", right_on="kind", suffix="_exempt")
    )
    mine = (pl.col("agent_id") == pl.col("agent_id_exempt")) | (pl.col("team") == pl.col("team_exempt"))
    inside = (pl.col("start_at") >= pl.col("start_at_exempt")) & (pl.col("end_at") <= pl.col("end_at_exempt"))
    exempt = labels().filter(pl.col("class").is_in(glossary.EXEMPTION_KINDS))
    assert both.filter(mine, inside).height == exempt.height
    assert set(read("exemption")["kind"]) == set(glossary.EXEMPTION_KINDS)
