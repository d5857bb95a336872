"""The demo: from an empty directory, or what a killed one left, over HTTP to a report that the truth confirms."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import wfm
from wfm.collect.collector import CollectionCycle
from wfm.collect.sources import check_sources
from wfm.core.errors import CollectError
from wfm.demo import DemoResult, collect, run_demo
from wfm.demo import centre as simulated
from wfm.demo.directory import FILES_FOLDER, prepare_directory
from wfm.sandbox import GroundTruth
from wfm.vendors import find_vendor_names

pytestmark = pytest.mark.slow

POLL = timedelta(seconds=simulated.POLL_S)
COMMAND = """
import signal, sys
from wfm.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["demo", "--directory", sys.argv[1]]))
"""


def stopped(folder: Path, by: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Run the demo until it has begun to collect, and stop it."""
    command = [sys.executable, "-c", COMMAND, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (folder / "wfm.duckdb.state").exists():
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the demo ended by itself: {process.communicate()[1]}")
        process.send_signal(by)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("somewhere") / "demo"


@pytest.fixture(scope="module")
def shown(folder: Path) -> Iterator[DemoResult]:
    """Run the demo where another was killed, and where the environment knows accounts that it must not ask."""
    assert stopped(folder, signal.SIGKILL).returncode == -signal.SIGKILL
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WFM_SOURCES__NCC__BASE_URL", "https://192.0.2.1")
        environment.setenv("WFM_SOURCES__REAL__VENDOR", "nextiva_xsi")
        environment.setenv("WFM_DATABASE", str(folder.parent / "mine.duckdb"))
        yield run_demo(folder)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulated.simulate_demo_centre()


def test_what_is_stored_is_what_was_told(shown: DemoResult, truth: GroundTruth, folder: Path) -> None:
    assert not (folder.parent / "mine.duckdb").exists()
    read = {(one.source, one.feed): one for one in shown.collected}
    assert {one.rows for (_, feed), one in read.items() if feed == "agent"} == {truth.agent.height}
    assert read["ncc", "queue"].rows == len(simulated.QUEUES_OF_VENDOR["ncc"])
    begin, end = simulated.find_polled_span(truth)
    polls = read["ncc", "agent_state"]
    assert polls.polled_s == (polls.polls - 1) * POLL.total_seconds()
    assert end - begin - POLL < timedelta(seconds=polls.polled_s) <= end - begin
    assert {one.table: one.written.read_count for one in shown.imported} == {
        table: rows.height for table, rows in simulated.build_imported_tables(truth).items()
    }


def test_calls_of_every_phone_system_are_counted_once(shown: DemoResult, truth: GroundTruth) -> None:
    counted = (
        shown.centre.intervals(*simulated.SCORED_DAYS)
        .group_by("source")
        .agg(pl.col("entered", "abandoned").sum())
    )
    inside = pl.col("interval_start").is_between(
        *shown.centre.compute_bounds(simulated.SCORED_DAYS), closed="left"
    )
    real = truth.interval.filter(inside)
    for source, places in simulated.QUEUES_OF_VENDOR.items():
        if source != "xsi":  # its calls are those that NCC counts
            queues = [truth.queues[place].queue_id for place in places]
            wanted = real.filter(pl.col("queue_id").is_in(queues)).select(
                pl.col("entered", "abandoned").sum()
            )
            assert counted.filter(source=source).select("entered", "abandoned").rows() == wanted.rows(), (
                source
            )


def test_every_feed_of_every_source_is_collected(shown: DemoResult) -> None:
    lists = {(one.source, one.feed) for one in shown.collected}
    sources = check_sources(shown.centre.settings.sources)
    assert lists == {
        (name, feed.name)
        for name, source in sources.items()
        for feed in source.feeds.values()
        if feed.kind != "push"
    }
    assert {source.vendor.NAME for source in sources.values()} == set(find_vendor_names())


def test_a_look_sees_the_state_that_there_was(shown: DemoResult, truth: GroundTruth) -> None:
    begin, end = simulated.find_polled_span(truth)
    told = shown.centre.read_table("agent_state").sort("at")
    real = truth.agent_state.sort("at")
    looks = [begin + k * POLL for k in range(1, (end - begin) // POLL, 31)]
    asked = truth.login.filter(source="ncc").join(pl.DataFrame({"at": looks}), how="cross").sort("at")
    seen, was = (
        asked.join_asof(
            frame.select("login", "at", "vendor_state"), on="at", by="login", check_sortedness=False
        )
        for frame in (told, real)
    )
    assert seen.height == simulated.AGENTS * len(looks)
    assert (
        seen["vendor_state"].fill_null("Logged out").to_list()
        == was["vendor_state"].fill_null("Logged out").to_list()
    )


def test_imported_days_are_right_to_the_second(shown: DemoResult) -> None:
    assert shown.proof is not None
    days = shown.proof.imported
    assert (days.precision, days.recall, days.difference_s) == (1, 1, 0)
    assert days.planted > 500
    assert shown.proof.days == 4


def test_polled_day_is_right_within_a_poll(shown: DemoResult, truth: GroundTruth) -> None:
    assert shown.proof is not None
    day = shown.proof.polled
    mine = pl.col("workday") == simulated.POLLED_DAY, pl.col("reason").is_not_null()
    planted = truth.planted.filter(*mine)
    long = planted.filter(pl.col("end_at") - pl.col("start_at") > POLL).height
    assert day.planted == planted.height
    assert long <= day.matched == day.found < day.planted
    assert 0 < day.difference_s < 0.005 * day.true_in_s


def test_the_report_says_whom_its_figures_are_from(shown: DemoResult) -> None:
    told = dict(shown.report.sources.iter_rows())
    assert "file agent_state.csv (" in told["Adherence, coverage, conformance"]
    assert "ncc (nextiva_ncc) (" in told["Adherence, coverage, conformance"]
    for source in ("telphin (telphin)", "voicenter (voicenter)", "xima (xima)", "xsi (nextiva_xsi)"):
        assert f"{source} (" in told["Call-driven time"]
    for account in (
        "ncc (nextiva_ncc): 3 queues counted by itself",
        "voicenter (voicenter): 1 queue counted from",
    ):
        assert account in told["Forecast"]
    assert shown.report.forecast.height
    assert shown.report.accuracy.height
    assert not any("nothing scheduled" in note or "orecast" in note for note in shown.report.notes)


def test_settings_reopen_the_database_without_the_sandbox(shown: DemoResult, folder: Path, run) -> None:
    done = run("--settings", folder / "settings.env", "sources", "--format", "csv")
    rows = pl.read_csv(done.raw)
    pushed = rows.filter(feed="call_event", source="voicenter")  # nobody pushed anything
    assert rows.height == len(shown.collected) + len(shown.imported) + pushed.height
    assert set(rows["result"]) == {"complete", "never asked"}
    assert set(rows["missing_s"].drop_nulls()) == {0}
    done = run("--settings", folder / "settings.env", "doctor", "--format", "csv")
    found = pl.read_csv(done.raw).rows_by_key("check", named=True, unique=True)
    assert done.code == 0
    assert "nothing listens at 127.0.0.1:" in found["ncc"]["finding"]
    assert "wfm sandbox --port" in found["xsi"]["to do"]


def test_what_the_command_prints_is_computed(shown: DemoResult, folder: Path, run, monkeypatch) -> None:
    monkeypatch.setattr("wfm.demo.run_demo", lambda *_: shown)
    done = run("demo", "--directory", folder)
    whole = shown.proof.total  # type: ignore[union-attr]
    polled_s = max(one.polled_s for one in shown.collected)
    for text in (
        f"wfm found {whole.matched:,} of {whole.planted:,} exceptions (precision 100.0 %",
        f"differ by {whole.difference_s:,.0f} of {whole.true_in_s:,.0f}.",
        "rows from xsi:",
        f" polls in {polled_s:,.0f} s of simulated time",
    ):
        assert text in done.out
    agent, day = done.out.split()[-2:]
    found = shown.report.exceptions.filter(
        pl.col("agent_id") == agent, pl.col("workday") == pl.lit(day).str.to_date()
    )
    assert "call_driven" in found["class"]
    assert "late_start" in found["reason"]
    assert run("--settings", folder / "settings.env", "explain", agent, day).code == 0


@pytest.mark.usefixtures("shown")
def test_every_vendors_own_words_are_behind_polled_day(folder: Path) -> None:
    centre = wfm.open(settings_file=folder / "settings.env")
    begin, _ = simulated.find_polled_span(simulated.simulate_demo_centre())
    day = begin.astimezone(ZoneInfo(centre.settings.timezone)).date()
    # the latest calls of the day, because the states of those agents were polled
    legs = centre.read_table("call_leg").filter(pl.col("started_at") > begin - timedelta(hours=10))
    legs = legs.sort("started_at", descending=True)
    working = centre.adherence(day, day + timedelta(days=1)).select("agent_id")
    agents = (
        legs.join(working, on="agent_id", maintain_order="left")
        .unique("source", keep="first", maintain_order=True)["agent_id"]
        .unique()
    )
    rows = pl.concat([centre.explain(agent, day).rows for agent in agents])
    said = rows.filter(pl.col("table").is_in(["agent_state", "call_leg", "call_event"]))
    kept = said.filter(pl.col("payload").is_not_null())
    assert set(kept["source"]) == {"ncc", "telphin", "voicenter", "xima", "xsi"}
    polled = kept.filter(pl.col("table") == "agent_state")
    assert set(polled["source"]) == {"ncc"}
    for row in polled.iter_rows(named=True):
        assert json.loads(row["payload"])["agent-status"] == row["what"]
    audited = said.filter(pl.col("table") == "call_leg", pl.col("source") != "telphin")
    assert audited.select("payload", "hash").null_count().row(0) == (0, 0)
    events = said.filter(pl.col("table") == "call_event")
    legs = said.filter(pl.col("table") == "call_leg", pl.col("source") == "telphin")
    assert events["payload"].null_count() == events["payload_in"].null_count() == 0
    assert (
        legs["what"]
        .str.split(":")
        .list.first()
        .is_in(events["what"].str.split(" ").list.first().implode())
        .all()
    )


def test_ctrl_c_stops_and_leaves_a_replaceable_directory(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = stopped(folder, signal.SIGINT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: Stopped.\n")
    prepare_directory(folder, [])
    assert {path.name for path in folder.iterdir()} == {"settings.env"}


def test_files_of_others_are_not_replaced(tmp_path: Path, run) -> None:
    (tmp_path / FILES_FOLDER).mkdir()
    (tmp_path / FILES_FOLDER / "mine.csv").touch()
    done = run("demo", "--directory", tmp_path)
    assert done.code == 1
    assert "files was not made by wfm demo: name another directory" in done.err
    assert [path.name for path in tmp_path.rglob("*")] == [FILES_FOLDER, "mine.csv"]


def test_demo_without_a_part_of_it_is_none() -> None:
    missing = CollectionCycle("ncc", "queue", None, "failed", note="refused")
    with pytest.raises(CollectError, match=r"did not get queue of ncc \(failed\): refused"):
        collect._require_complete([missing])
    with pytest.raises(CollectError, match="waits in the spool"):
        collect._require_complete([CollectionCycle("ncc", "queue", None, "complete", is_spooled=True)])
