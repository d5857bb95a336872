"""Collect while the vendors misbehave: said in words, never an empty window for a failed one, and whole in the end."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wfm.collect import run
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.http import RetryPolicy
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import FAULT_DEFAULTS, InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox
from wfm.sandbox.vendors.behaviour import VendorBehaviour
from wfm.storage.database import Database

pytestmark = pytest.mark.slow

ZONE = "Asia/Jerusalem"
PASSWORD = "correct-horse-9-battery"
MANNERS = VendorBehaviour(password=PASSWORD)
HURRY = RetryPolicy(attempts=2, first_wait_s=0.002, longest_wait_s=0.01, total_s=0.6)
NOON, NIGHT = 14 * 3600, 40 * 3600
"""Seconds after the first local midnight: in the middle of the shifts, and long after everything."""
IMPATIENT, PATIENT = "0.5", "20"
"""How long a hanging server is waited for, in seconds, and one that is only slow because the machine is."""


class Faulty(InjectedFaults):
    """Faults that leave the first so many chances alone: a login, say."""

    spared = 0

    def strikes(self, name: str, vendor: str) -> float | None:
        if name in self.on and self.spared:
            self.spared -= 1
            return None
        return super().strikes(name, vendor)


@dataclass
class Site:
    """A sandbox, a collector, and both vendors' sources."""

    truth: GroundTruth
    clock: SimulatedClock
    faults: Faulty
    url: str
    store: Database

    @property
    def collector(self) -> Collector:
        return Collector(self.store, clock=lambda: datetime.fromtimestamp(self.clock.now(), UTC))

    @property
    def state(self) -> Path:
        """Return where turns and refusals are kept."""
        return run.locate_state_folder(self.store.path)

    @property
    def asked(self) -> int:
        return sum(self.faults.served.values())

    def source(self, name: str, **more: str) -> ConfiguredSource:
        values: dict[str, str] = {}
        for line in build_settings_lines(self.url, ZONE, MANNERS):
            key, _, value = line.partition("=")
            if key.startswith(f"WFM_SOURCES__{name.upper()}__"):
                values[key.lower().rpartition("__")[2]] = value
        timeout_s = IMPATIENT if "hang" in self.faults.on else PATIENT
        return check_sources({name: {**values, "requests_per_minute": "0", "timeout_s": timeout_s, **more}})[
            name
        ]

    def at(self, seconds: float) -> None:
        """Set the clock to so long after the first midnight."""
        self.clock.move_to(self.truth.begins + seconds)

    def collect(self, name: str, *feeds: str, **more: str) -> list[CollectionCycle]:
        source = self.source(name, **more)
        pairs = [(source, source.feeds[feed]) for feed in feeds]
        return asyncio.run(run.collect_feeds(self.collector, pairs, retry_policy=HURRY))

    def stored(self, table: str) -> pl.DataFrame:
        with self.store.open_reader() as reader:
            return reader.read_table(table)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=7, queues=2, timezone=ZONE)


@pytest.fixture
def site(truth: GroundTruth, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    """Serve, collect, and look afterwards whether a secret was told."""
    clock, faults = SimulatedClock(truth.begins + NOON), Faulty(seed=1)
    caplog.set_level(logging.DEBUG)
    with run_sandbox(truth, clock, faults, MANNERS) as url:
        here = Site(truth, clock, faults, url, Database(tmp_path / "wfm.duckdb"))
        yield here
        told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
        if here.store.path.exists():
            told += "\n".join(here.stored("collection")["note"].drop_nulls())
    for secret in (PASSWORD, PASSWORD[2:], "Y29ycmVjdC1ob3JzZS", "eyJhbGciOi"):
        assert secret not in told


# --- what there is ----------------------------------------------------------------------------------------
LEG = ["login", "started_at", "answered_at", "ended_at", "outcome"]
BUCKET = ["queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s"]
FEEDS = {"ncc": "interval_volume", "xsi": "call_leg"}
PAGES: dict[str, dict[str, str]] = {"ncc": {}, "xsi": {"page_size": "25"}}


def legs(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    second = pl.col("started_at", "answered_at").dt.truncate("1s")
    return sorted(frame.with_columns(second).select(LEG[:3]).rows(), key=repr)


def buckets(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    if "sum_handle_ms" in frame.columns:
        frame = frame.with_columns(sum_handle_time_s=pl.col("sum_handle_ms") / 1000)
    some = (pl.col("entered") > 0) | (pl.col("sum_handle_time_s") > 0)
    return sorted(frame.filter(some).select(BUCKET).rows())


def is_the_truth(site: Site, name: str) -> bool:
    """Say whether exactly what happened is stored, each thing once."""
    if name == "xsi":
        stored = site.stored("call_leg")
        assert stored["leg_id"].is_unique().all()
        return legs(stored) == legs(site.truth.leg)
    return buckets(site.stored("interval_volume")) == buckets(site.truth.interval)


def holds(site: Site, name: str) -> None:
    """Check that every window that counts as complete is stored whole, and nothing else is claimed."""
    source = site.source(name)
    for window in site.collector.list_complete_windows(source, source.feeds[FEEDS[name]]):
        inside = pl.col("interval_start" if name == "ncc" else "started_at").is_between(
            window.start, window.end, closed="left"
        )
        known = datetime.fromtimestamp(site.clock.now(), UTC)
        if name == "ncc":
            truth = site.truth.interval.filter(inside, pl.col("interval_start") < known - timedelta(hours=1))
            stored = site.stored("interval_volume")
            assert set(buckets(truth)) <= set(buckets(stored))
        else:
            truth = site.truth.leg.filter(inside, pl.col("ended_at") < known - timedelta(seconds=1))
            assert set(legs(truth)) <= set(legs(site.stored("call_leg")))


# --- nothing comes ----------------------------------------------------------------------------------------
NOTHING = [
    ("ncc", "hang", 0, "no answer in time"),
    ("xsi", "hang", 0, "no answer in time"),
    ("ncc", "throttle", 0, "429, it asks to wait for 1 s"),
    ("xsi", "throttle", 0, "429, it asks to wait for 1 s"),
    ("ncc", "unauthorized", 0, "401, the credentials were refused; .* Check USERNAME and PASSWORD"),
    ("xsi", "unauthorized", 0, "401, the credentials were refused; check user, password"),
    ("ncc", "expired_token", 0, r"refused \(401\) also with a new token"),
    ("ncc", "server_error", 0, "503, an error of the server"),
    ("xsi", "server_error", 0, "503, an error of the server"),
    ("ncc", "html", 0, "no token in the reply .* BASE_URL must be the login host"),
    ("ncc", "html", 1, "HTML instead of JSON: a login page or a gateway"),
    ("xsi", "html", 0, "HTML instead of JSON: a login page or a gateway"),
    (
        "xsi",
        "latin1_undeclared",
        0,
        "its characters are not in the charset it names.* name the users in USERS",
    ),
    ("ncc", "truncated", 0, "no token in the reply"),
    ("ncc", "truncated", 1, "not JSON"),
    ("xsi", "truncated", 0, "neither XML nor JSON .* Unterminated"),
    ("xsi", "truncated", 1, "agent001@centre.example Placed: .*neither XML nor JSON"),
    ("xsi", "html", 1, "agent001@centre.example Placed: .*HTML instead of JSON: a login page or a gateway"),
    ("xsi", "throttle", 1, r"^\d+ lists in a row got no answer, so no others were asked for"),
    ("xsi", "server_error", 1, r"^\d+ lists in a row got no answer, so no others were asked for"),
    ("ncc", "unauthorized", 1, "401, the credentials were refused; .* Check USERNAME and PASSWORD"),
]


@pytest.mark.parametrize(("name", "fault", "spared", "told"), NOTHING)
def test_failure_is_reported_and_later_made_good(
    site: Site, name: str, fault: str, spared: int, told: str
) -> None:
    site.faults.add_spec(fault)
    site.faults.spared = spared
    cycles = site.collect(name, FEEDS[name])
    assert site.faults.hits[fault]
    assert {cycle.result for cycle in cycles} == {"failed"}, cycles
    for cycle in cycles:
        assert re.search(told, cycle.note), cycle.note
        assert len(cycle.note) < 1_500
    source = site.source(name)
    assert site.collector.list_complete_windows(source, source.feeds[FEEDS[name]]) == []
    assert site.stored(FEEDS[name]).is_empty()
    assert len(cycles) <= 12
    site.faults.switch_off()
    site.collect(name, FEEDS[name])
    holds(site, name)
    site.at(NIGHT)
    cycles = site.collect(name, FEEDS[name])
    assert {cycle.result for cycle in cycles} == {"complete"}
    assert is_the_truth(site, name)


# --- something comes --------------------------------------------------------------------------------------
SOMETHING = [
    ("ncc", "drip=0.001", 0, "complete", "^$"),
    ("xsi", "drip=0.001", 0, "complete", "^$"),
    ("ncc", "gzip", 0, "complete", "^$"),
    ("xsi", "gzip", 0, "complete", "^$"),
    ("ncc", "latin1", 0, "complete", "^$"),
    ("xsi", "latin1", 0, "complete", "^$"),
    ("xsi", "clamp", 0, "complete", "^$"),
    ("xsi", "drift:1x", 0, "complete", "^$"),
    ("ncc", "late", 0, "complete", "^$"),
    ("xsi", "late", 0, "complete", "^$"),
    ("ncc", "duplicates=2", 0, "complete", "^$"),
    ("xsi", "duplicates=2", 0, "complete", "^$"),
    ("xsi", "pruned=3", 0, "complete", "^$"),
    ("xsi", "unknown_state=2", 0, "complete", "^$"),
    ("ncc", "missing_fields=4", 0, "partial", r"\d+ rows left out: no .* in \["),
    ("xsi", "missing_fields=2", 0, "complete", "^$"),
    ("ncc", "expired_token:1x", 0, "complete", "^$"),
    ("ncc", "throttle:1x=0", 1, "complete", "^$"),
    ("xsi", "throttle:1x=0", 8, "complete", "^$"),
    ("xsi", "server_error:1x", 8, "complete", "^$"),
    ("ncc", "latin1_undeclared", 0, "complete", "^$"),
    ("ncc", "html:1x", 1, "complete failed", "HTML instead of JSON: a login page or a gateway|^$"),
    ("ncc", "truncated:1x", 1, "complete failed", "not JSON|^$"),
    ("ncc", "hang:1x", 1, "complete", "^$"),
    ("xsi", "hang:2x", 8, "complete", "^$"),
    ("xsi", "html:2x", 8, "partial", "agent.*HTML instead of JSON: a login page or a gateway"),
    ("xsi", "truncated:2x", 8, "partial", "agent.*neither XML nor JSON"),
    ("xsi", "server_error:8x", 8, "partial", "agent.*503, an error of the server"),
    ("xsi", "throttle:4x", 8, "partial", "agent.*429, it asks to wait for 1 s"),
]


@pytest.mark.parametrize(("name", "fault", "spared", "result", "told"), SOMETHING)
def test_what_comes_is_stored_and_becomes_the_truth(
    site: Site, name: str, fault: str, spared: int, result: str, told: str
) -> None:
    site.faults.add_spec(fault)
    site.faults.spared = spared
    cycles = site.collect(name, FEEDS[name], **PAGES[name])
    assert sum(site.faults.hits.values())
    assert {cycle.result for cycle in cycles} == set(result.split()), cycles
    for cycle in cycles:
        assert re.search(told, cycle.note), cycle.note
    site.faults.switch_off()
    if fault.partition("=")[0] not in ("late", "pruned"):  # which the vendor passes off as all there is
        holds(site, name)
    site.at(NIGHT)
    cycles = site.collect(name, FEEDS[name])
    assert {cycle.result for cycle in cycles} == {"complete"}
    assert is_the_truth(site, name)


def test_dropped_calls_are_reported_if_length_is_known(site: Site) -> None:
    site.faults.add_spec("pruned=12")
    (cycle,) = site.collect("xsi", "call_leg", max_logged_calls="12")
    assert cycle.result == "complete"  # asking again brings nothing back
    assert re.search("agent.*possible hole: the log may have dropped calls", cycle.note), cycle.note


# --- snapshots and lists ----------------------------------------------------------------------------------
GARBLED = [
    ("hang", 0, "no answer in time"),
    ("throttle", 0, "429, it asks to wait"),
    ("unauthorized", 0, "401, the credentials were refused"),
    ("expired_token", 0, r"refused \(401\) also with a new token"),
    ("server_error", 1, "503, an error of the server"),
    ("html", 1, "HTML instead of JSON"),
    ("truncated", 1, "not JSON"),
    ("missing_fields=1", 0, "."),
]


@pytest.mark.parametrize(("fault", "spared", "told"), GARBLED)
def test_a_snapshot_that_fails_says_nothing_about_anybody(
    site: Site, fault: str, spared: int, told: str
) -> None:
    site.collect("ncc", "agent_state")
    states, coverage = site.stored("agent_state"), site.stored("coverage")
    assert states.height == len(site.truth.agents)
    for poll in range(1, 5):
        site.at(NOON + 600 + 15 * poll)
        site.faults.add_spec(fault)
        site.faults.spared = spared
        (cycle,) = site.collect("ncc", "agent_state")
        assert cycle.result == "failed", cycle
        assert re.search(told, cycle.note), cycle.note
        (site.state / "ncc.json").unlink()
    assert site.stored("agent_state").equals(states)  # nobody logged out
    assert site.stored("coverage").equals(coverage)
    site.faults.switch_off()
    site.at(NOON + 3600)
    (cycle,) = site.collect("ncc", "agent_state")
    assert cycle.result == "complete"
    assert now(site) == states_of(site)


def now(site: Site) -> dict[str, str]:
    """Return the state each agent was last seen in."""
    states = site.stored("agent_state").sort("at").group_by("login").last()
    return dict(states.select("login", "vendor_state").rows())


def states_of(site: Site) -> dict[str, str]:
    """Return the state each agent is truly in."""
    here = datetime.fromtimestamp(site.clock.now(), UTC)
    told = site.truth.agent_state.filter(pl.col("at") <= here).sort("at").group_by("login").last()
    away = dict.fromkeys(site.truth.login.filter(source="ncc")["login"], "Logged out")
    return {**away, **dict(told.select("login", "vendor_state").rows())}


def test_unexpected_words_and_rows_are_kept_as_sent(site: Site) -> None:
    site.faults.add_spec("unknown_state=1")
    site.faults.add_spec("duplicates=1")
    (cycle,) = site.collect("ncc", "agent_state")
    assert cycle.result == "complete"
    assert site.stored("agent_state")["vendor_state"].to_list() == ["Gone fishing"] * len(site.truth.agents)
    site.faults.switch_off()
    site.at(NOON + 60)
    site.collect("ncc", "agent_state")
    assert now(site) == states_of(site)


LISTS = [
    ("ncc", "clamp=3", "complete", "^$"),
    ("ncc", "drift:1x", "complete", "^$"),
    ("ncc", "drift", "partial", "the list of agents moved while it was read"),
    ("ncc", "duplicates=1", "complete", "^$"),
    ("ncc", "gzip", "complete", "^$"),
    ("ncc", "latin1", "failed", "not JSON: its characters are not UTF-8"),
    ("ncc", "latin1_undeclared", "failed", "not JSON: its characters are not UTF-8"),
    ("ncc", "truncated:1x", "failed", "not JSON"),
    ("ncc", "missing_fields=3", "complete", "1 row left out: no id"),
    ("xsi", "clamp=3", "complete", "^$"),
    ("xsi", "latin1", "complete", "^$"),
    ("xsi", "latin1_undeclared", "failed", "its characters are not in the charset it names"),
    ("xsi", "gzip", "complete", "^$"),
    ("xsi", "truncated", "failed", "neither XML nor JSON"),
    ("xsi", "server_error", "failed", "503, an error of the server"),
    ("xsi", "html", "failed", "HTML instead of JSON"),
]


@pytest.mark.parametrize(("name", "fault", "result", "told"), LISTS)
def test_list_is_whole_or_reported_incomplete(
    site: Site, name: str, fault: str, result: str, told: str
) -> None:
    site.faults.add_spec(fault)
    site.faults.spared = int(fault == "truncated:1x")
    (cycle,) = site.collect(name, "agent", **({"page_rows": "4"} if name == "ncc" else {}))
    assert cycle.result == result, cycle
    assert re.search(told, cycle.note), cycle.note
    if told == "^$":
        assert site.stored("agent").height == site.truth.agent.height
    site.faults.switch_off()
    (cycle,) = site.collect(name, "agent")
    assert cycle.result == "complete"
    assert sorted(site.stored("agent")["name"]) == sorted(site.truth.agent["name"])


def test_no_fault_is_left_out() -> None:
    struck = {re.split("[:=]", row[1])[0] for row in (*NOTHING, *SOMETHING)}
    elsewhere = {
        "xima": {"cached", "no_content", "renamed", "hidden_agent", "paced", "bandwidth"},
        "voicenter": {"forbidden", "capped", "lower_case", "texts"},
        "telphin": {"lost_hangup", "reordered", "doubled", "budget", "stats_busy"},
    }
    assert struck == set(FAULT_DEFAULTS) - set().union(*elsewhere.values())
    for vendor, faults in elsewhere.items():
        text = Path(__file__).with_name(f"test_collect_{vendor}.py").read_text()
        assert {name for name in faults if f'"{name}' not in text} == set(), vendor


# --- single users -----------------------------------------------------------------------------------------
def test_users_without_log_are_reported_and_block_nobody(truth: GroundTruth, tmp_path: Path) -> None:
    users = [agent.xsi for agent in truth.agents]
    clock, faults = SimulatedClock(truth.begins + NIGHT), Faulty()
    with run_sandbox(truth, clock, faults, replace(MANNERS, forbidden=(users[0],))) as url:
        site = Site(truth, clock, faults, url, Database(tmp_path / "wfm.duckdb"))
        named = json.dumps([*users, "gone@centre.example"])
        (cycle,) = site.collect("xsi", "call_leg", users=named)
    assert cycle.result == "complete"
    assert f"refused: {users[0]} Placed: 403 Not authorized to read this log" in cycle.note
    assert "refused: gone@centre.example Placed: 404 User not found" in cycle.note
    day = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=1)
    wanted = truth.leg.filter(pl.col("login") != users[0], pl.col("started_at") >= day.replace(minute=0))
    assert legs(site.stored("call_leg")) == legs(wanted)


# --- refused credentials ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "feeds"), [("ncc", ["agent_state", "queue", "agent"]), ("xsi", ["agent", "call_leg"])]
)
def test_two_refusals_stop_source_until_settings_change(site: Site, name: str, feeds: list[str]) -> None:
    wrong = "no" + PASSWORD
    for _ in range(3):
        cycles = site.collect(name, *feeds, password=wrong)
        assert {cycle.result for cycle in cycles} == {"failed"}
    assert site.asked == 2
    assert re.search("refused 2 times in a row, so nothing is sent before .*Correct them", cycles[-1].note)
    assert wrong not in "".join(cycle.note for cycle in cycles)
    assert {cycle.result for cycle in site.collect(name, *feeds)} == {"complete"}


# --- two processes ----------------------------------------------------------------------------------------
COLLECT = "import sys; from wfm.cli import main; sys.exit(main(['collect', 'xsi', '--feed', 'agent']))"


def test_two_processes_share_the_rate(site: Site, tmp_path: Path) -> None:
    rate = 1200
    lines = [*build_settings_lines(site.url, ZONE, MANNERS), f"WFM_DATABASE={site.store.path}"]
    lines += [f"WFM_SOURCES__XSI__REQUESTS_PER_MINUTE={rate}", "WFM_SOURCES__XSI__PAGE_SIZE=1"]
    (tmp_path / "settings.env").write_text("\n".join(lines))
    sent: list[float] = []
    site.faults.served = Noting(sent)
    both = [
        subprocess.Popen([sys.executable, "-c", COLLECT], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(sent) == 2 * len(site.truth.agents)
    assert max(sent) - min(sent) >= (len(sent) - 2) * 60 / rate  # the network may push two closer together


class Noting(Counter[tuple[str, str, int]]):
    """Count answers, and note when."""

    def __init__(self, at: list[float]) -> None:
        super().__init__()
        self._at = at

    def __setitem__(self, key: tuple[str, str, int], value: int) -> None:
        self._at.append(time.monotonic())
        super().__setitem__(key, value)


# --- no room ----------------------------------------------------------------------------------------------
def test_unwritable_spool_is_reported_and_loses_nothing(site: Site) -> None:
    site.collect("ncc", "agent_state")
    site.store.wait_s = 0.05
    site.at(NOON + 60)
    with site.store.open_transaction():
        (cycle,) = site.collect("ncc", "agent_state")
        assert cycle.is_spooled
        site.collector.spool_folder.rename(kept := site.collector.spool_folder.with_name("kept"))
        site.collector.spool_folder.write_text("in the way")
        site.at(NOON + 120)
        (cycle,) = site.collect("ncc", "agent_state")
    assert cycle.result == "failed"
    assert re.search(r"is in use by .* Cannot write .*\.spool: a file with the name", cycle.note), cycle.note
    site.collector.spool_folder.unlink()
    kept.rename(site.collector.spool_folder)
    site.at(NOON + 180)
    (cycle,) = site.collect("ncc", "agent_state")
    assert cycle.result == "complete"
    assert site.stored("collection").height == 3
    assert now(site) == states_of(site)


SHORT = """
import resource, sys
from wfm.cli import main
room = 65_536
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
sys.exit(main(["collect", "xsi", "--from", "2026-03-01", "--to", "2026-03-05"]))
"""


def test_full_disk_is_reported_and_loses_nothing(site: Site, tmp_path: Path) -> None:
    site.collect("ncc", "queue", "agent")
    before = {name: site.stored(name) for name in ("queue", "agent", "collection")}
    lines = [*build_settings_lines(site.url, ZONE, MANNERS), f"WFM_DATABASE={site.store.path}"]
    (tmp_path / "settings.env").write_text("\n".join([*lines, "WFM_SOURCES__XSI__REQUESTS_PER_MINUTE=0"]))
    ran = subprocess.run(
        [sys.executable, "-c", SHORT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "the disk is full, nothing was stored; free some space" in ran.stdout
    assert "Traceback" not in ran.stderr
    for name, rows in before.items():
        assert site.stored(name).equals(rows)
    site.collect("xsi", "call_leg")
    site.at(NIGHT)
    site.collect("xsi", "call_leg")
    assert is_the_truth(site, "xsi")
