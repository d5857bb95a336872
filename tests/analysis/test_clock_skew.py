"""A clock that is wrong, from its discovery to the score: found, kept with a name to it, and taken back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import wfm
from wfm.analysis.reconcile import find_call_log_gaps
from wfm.core.errors import BadRowsError, NoDataError, UsageError
from wfm.engine.inputs.clock_offsets import correct_clock_offsets, find_clock_offsets

INSTANT = pl.Datetime("us", "UTC")
DAY = datetime(2026, 3, 2, tzinfo=UTC)
AHEAD = 90
WINDOW = ("2026-03-02", "2026-03-03")


def at(clock: str) -> datetime:
    hour, minute, second = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def write(path, header: str, rows: list[tuple[object, ...]]) -> None:
    lines = [",".join(x.isoformat() if isinstance(x, datetime) else str(x) for x in row) for row in rows]
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")


@pytest.fixture
def centre(place):
    """One agent, 40 calls; the last before the break ends 30 s into it, but the call log's clock is 90 s behind."""
    draw, now, states, legs = random.Random(4), at("08:00:00"), [], []
    spans = []
    while now < at("09:50:00"):
        begin = now + timedelta(seconds=draw.randrange(5, 60))
        end = begin + timedelta(seconds=draw.randrange(40, 180))
        spans.append((begin, end))
        now = end + timedelta(seconds=draw.randrange(10, 40))
    spans.append((at("09:58:00"), at("10:00:30")))
    states.append(("ann", at("08:00:00"), "available"))
    for number, (begin, end) in enumerate(spans):
        last = number == len(spans) - 1
        states += [("ann", begin, "busy"), ("ann", end, "break" if last else "wrapup")]
        states += [] if last else [("ann", end + timedelta(seconds=5), "available")]
        late = timedelta(seconds=AHEAD)
        legs.append(
            (f"leg-{number}", "ann", "sales", "in", begin - late, begin - late, end - late, "answered")
        )
    states += [("ann", at("10:15:30"), "available"), ("ann", at("12:00:00"), "logged out")]
    write(
        place / "schedule.csv",
        "agent_id,start_at,end_at,activity",
        [
            ("ann", at("08:00:00"), at("12:00:00"), "phone"),
            ("ann", at("10:00:00"), at("10:15:00"), "break"),
        ],
    )
    write(place / "agent_state.csv", "login,at,vendor_state", states)
    header = "leg_id,login,queue_id,direction,started_at,answered_at,ended_at,outcome"
    write(place / "call_leg.csv", header, legs)
    w = wfm.open(place / "wfm.duckdb")
    w.import_file("schedule", place / "schedule.csv")
    w.import_file("agent_state", place / "agent_state.csv", source="acd")
    w.import_file("call_leg", place / "call_leg.csv", source="pbx")
    w.import_file("login", _login(place), source="pbx")
    return w


def _login(place):
    write(place / "login.csv", "source,login,agent_id", [("pbx", "ann", "ann"), ("acd", "ann", "ann")])
    return place / "login.csv"


def driven(w, as_of=None) -> float:
    return w.adherence(*WINDOW, by=[], as_of=as_of)["call_driven_s"][0]


@pytest.mark.slow
def test_wrong_clock_hides_overrun_until_corrected(centre):
    assert driven(centre) == 0  # by its own clock the call ended a minute before the break
    found = centre.skew(*WINDOW).row(0, named=True)
    assert found["low_s"] <= AHEAD <= found["high_s"]
    before = datetime.now(UTC)
    rows, written = centre.correct_clocks(*WINDOW, by="kim")
    assert rows.select("source", "offset_s", "by").rows() == [("pbx", -90.0, "kim")]
    assert (written.added_count, written.replaced_count) == (1, 0)
    assert driven(centre) == 60  # 30 s that the call overran, and the 30 s of the break that it pushed back
    assert driven(centre, as_of=before) == 0
    stored = centre.read_table("call_leg")
    assert stored["ended_at"][-1] == at("10:00:30") - timedelta(seconds=AHEAD)
    told = centre.explain("ann", "2026-03-02").rows
    said = told.filter(pl.col("table") == "call_leg")["what"]
    assert said.str.ends_with("(clock offset -90.0 s, subtracted)").all()
    assert not told.filter(pl.col("table") != "call_leg")["what"].str.contains("clock offset").any()


@pytest.mark.slow
def test_doing_it_twice_changes_nothing(centre):
    first, _ = centre.correct_clocks(*WINDOW, by="kim")
    again, written = centre.correct_clocks(*WINDOW, by="kim")
    assert first.equals(again)
    assert (written.added_count, written.replaced_count, written.unchanged_count) == (0, 0, 1)


@pytest.mark.slow
def test_call_log_may_be_one_that_is_right(centre):
    rows, _ = centre.correct_clocks(*WINDOW, by="kim", reference="pbx")
    assert rows.select("source", "offset_s").rows() == [("acd", 90.0)]
    start = centre.score(*WINDOW).slices().filter(state="busy")["start_at"][0]
    assert start == centre.read_table("call_leg")["answered_at"][0]


@pytest.mark.slow
def test_imported_or_zeroed_offset_counts_like_any(centre, place):
    centre.correct_clocks(*WINDOW, by="kim")
    write(
        place / "clock.csv",
        "source,offset_s,from_at,to_at,by",
        [("pbx", 0, DAY, DAY + timedelta(days=1), "lee")],
    )
    assert centre.import_file("clock", place / "clock.csv").written.replaced_count == 1
    assert driven(centre) == 0
    write(place / "clock.csv", "source,offset_s", [("pbx", -90)])
    centre.import_file("clock", place / "clock.csv")
    assert driven(centre) == 0  # the row about that very day began later and holds


@pytest.mark.slow
def test_row_no_longer_needed_is_replaced_by_zero(centre, place):
    late = pl.read_csv(place / "call_leg.csv", try_parse_dates=True)
    centre.correct_clocks(*WINDOW, by="kim")
    right = late.with_columns(pl.col("started_at", "answered_at", "ended_at") + pl.duration(seconds=AHEAD))
    right.write_parquet(place / "call_leg.parquet")
    centre.import_file("call_leg", place / "call_leg.parquet", source="pbx")
    rows, _ = centre.correct_clocks(*WINDOW, by="kim")
    assert rows["offset_s"].to_list() == [0.0]
    assert driven(centre) == 60


@pytest.mark.slow
def test_an_offset_that_cannot_be_is_refused(centre, place):
    for number, wrong in enumerate(("a lot", "-100000", "nan")):
        write(place / f"{number}.csv", "source,offset_s", [("pbx", wrong)])
        with pytest.raises(BadRowsError, match="a number of seconds between -86400 and 86400"):
            centre.import_file("clock", place / f"{number}.csv")
    pl.DataFrame({"source": ["pbx"], "offset_s": [-1e9]}).write_parquet(place / "far.parquet")
    with pytest.raises(BadRowsError, match="between -86400 and 86400"):
        centre.import_file("clock", place / "far.parquet")


def test_other_sources_and_other_times_are_left_alone():
    rows = pl.DataFrame(
        {"source": ["a", "a", "a", "b"], "at": [at("08:00:00"), at("09:00:00"), None, at("09:00:00")]},
        schema={"source": pl.String, "at": INSTANT},
    )
    clock = pl.DataFrame(
        [("a", 60.0, None, None), ("a", -1.5, at("08:30:00"), at("09:30:00"))],
        schema={"source": pl.String, "offset_s": pl.Float64, "from_at": INSTANT, "to_at": INSTANT},
        orient="row",
    )
    assert find_clock_offsets(rows, clock, pl.col("at")).to_list() == [60_000_000, -1_500_000, 60_000_000, 0]
    read = correct_clock_offsets(rows, clock, ["at"])["at"].to_list()
    assert read == [at("07:59:00"), at("09:00:01") + timedelta(milliseconds=500), None, at("09:00:00")]


@pytest.mark.slow
def test_nothing_to_compare_is_said(centre):
    with pytest.raises(NoDataError, match="No answered calls are known"):
        centre.skew("2026-05-02", "2026-05-03")
    with pytest.raises(UsageError, match="--reference nobody"):
        centre.correct_clocks(*WINDOW, by="kim", reference="nobody")


def test_log_is_missing_where_no_complete_collection_reaches():
    ledger = pl.DataFrame(
        [
            ("pbx", "call_leg", "collect", at("02:00:00"), at("04:00:00"), "complete"),
            ("pbx", "call_leg", "collect", at("03:00:00"), at("05:00:00"), "complete"),
            ("pbx", "call_leg", "collect", at("05:00:00"), at("07:00:00"), "partial"),
            ("pbx", "call_event", "collect", at("06:00:00"), at("09:00:00"), "complete"),
            ("file", "call_leg", "import", at("02:00:00"), at("03:00:00"), "complete"),
            ("acd", "agent_state", "collect", at("02:00:00"), at("03:00:00"), "complete"),
        ],
        schema=["source", "feed", "origin", "from_at", "to_at", "result"],
        orient="row",
    )
    found = find_call_log_gaps(ledger, (at("01:00:00"), at("08:00:00")))
    assert found.rows() == [("pbx", at("01:00:00"), at("02:00:00")), ("pbx", at("05:00:00"), at("06:00:00"))]


@pytest.mark.slow
def test_the_command_line_finds_stores_and_refuses(centre, run):
    database = ("--database", centre.database.path)
    window = ("--from", WINDOW[0], "--to", WINDOW[1])
    shown = run(*database, "skew", *window)
    assert shown.code == 0
    assert "90.0 s" in shown.out
    assert "median: " in shown.err
    for words, said in (
        (("--apply",), "--by NAME"),
        (("--by", "kim"), "they go with --apply"),
        (("--apply", "--by", "kim", "--as-of", "2026-03-02"), "does not go with --as-of"),
    ):
        refused = run(*database, "skew", *window, *words)
        assert refused.code == 2
        assert said in refused.err
    assert "1 new, 0 replaced" in run(*database, "skew", *window, "--apply", "--by", "kim").err
    assert "-90" in run(*database, "export", "clock", "--format", "csv").out


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_command_line_reconciles(run):
    window = ("--from", "2026-03-02", "--to", "2026-03-03")
    shown = run("reconcile", *window)
    assert shown.code == 0
    assert "figures agree" in shown.out
    rows = run("reconcile", *window, "--by", "queue,interval", "--format", "csv").out.splitlines()
    assert rows[0].startswith("source,queue_id,interval_start,booking,entered_vendor")
    assert run("reconcile", *window, "--findings", "--format", "json").code == 0
    assert run("reconcile", *window, "--by", "", "--format", "csv").out.count("\n") == 2
    assert "Cannot group by 'team'" in run("reconcile", *window, "--by", "team").err
    assert run("reconcile", *window, "--queue", "nights").code == 1
    assert (
        "No interval volume and no calls"
        in run("reconcile", "--from", "2027-03-02", "--to", "2027-03-03").err
    )
