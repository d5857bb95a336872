"""Import, score and report a month of a centre; seconds, rows per second, peak memory, and ratios to a peer.

    python tests/bench/bench_month.py                       # 1,000 agents, 30 days
    python tests/bench/bench_month.py --agents 10000 --only score

Each step runs in a process of its own, in turn with its peer, so that the ratio holds when the machine's speed drifts.
Peers on the same data: for the import DuckDB reading the same csv into a table (no checks, no keys); for scoring a
range join in DuckDB that only finds the seconds in adherence (no calls, no reasons, no exemptions, no coverage).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl
from centre import PLAN, frames, write

import wfm
from wfm import defaults
from wfm.report import write_report
from wfm.settings import load_settings

LAST = "2026-03-31"


def step_make(directory: Path, agents: int, days: int) -> None:
    """Make the data: in a process of its own too, since a child starts with its parent's peak memory."""
    made = frames(agents, days)
    for table, frame in made.items():
        frame.write_parquet(directory / f"{table}.parquet")
    print(", ".join(f"{frame.height:,} {table}" for table, frame in made.items()))
    centre = wfm.Centre(load_settings(database=directory / "month.duckdb"))
    for table, path in write(made, directory).items():
        centre.import_file(table, path)


def step_import(directory: Path) -> int:
    """Import the agent states into a new database."""
    database = directory / "import.duckdb"
    database.unlink(missing_ok=True)
    done = wfm.Centre(load_settings(database=database)).import_file(
        "agent_state", directory / "agent_state.csv"
    )
    return done.written.added_count


def step_import_peer(directory: Path) -> int:
    """Let DuckDB read the same csv into a table."""
    database = directory / "peer.duckdb"
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as con:
        con.execute(f"CREATE TABLE s AS SELECT * FROM read_csv('{directory / 'agent_state.csv'}')")
        return int(con.execute("SELECT count(*) FROM s").fetchall()[0][0])


def _parquet(directory: Path, *tables: str) -> list[pl.DataFrame]:
    return [pl.read_parquet(directory / f"{table}.parquet") for table in tables]


def step_score(directory: Path) -> int:
    """Score frames: every class of every second, per agent and workday."""
    agent, schedule, states, legs = _parquet(directory, "agent", "schedule", "agent_state", "call_leg")
    scored = wfm.score(schedule=schedule, agent_state=states, call_leg=legs, agent=agent)
    scored.adherence(["agent_id", "workday"])
    return states.height


def _rolled(directory: Path, view: str, by: list[str]) -> int:
    agent, schedule, states, legs = _parquet(directory, "agent", "schedule", "agent_state", "call_leg")
    scored = wfm.score(schedule=schedule, agent_state=states, call_leg=legs, agent=agent)
    began = time.perf_counter()
    rows = getattr(scored, view)(by).height
    print(f"# {view} by {', '.join(by)}: {rows:,} rows, {time.perf_counter() - began:.2f} s", file=sys.stderr)
    return states.height


def step_interval(directory: Path) -> int:
    """Score frames and roll up by team and quarter of an hour; what the roll-up alone takes is told beside it."""
    return _rolled(directory, "adherence", ["team", "interval"])


def step_queue(directory: Path) -> int:
    """Score frames and roll up by queue and quarter of an hour."""
    return _rolled(directory, "adherence", ["queue", "interval"])


def step_shrinkage(directory: Path) -> int:
    """Score frames and tell shrinkage and occupancy by team and quarter of an hour."""
    return _rolled(directory, "shrinkage", ["team", "interval"])


def step_exceptions(directory: Path) -> int:
    """Score frames and list every adherence exception with its reason."""
    agent, schedule, states, legs = _parquet(directory, "agent", "schedule", "agent_state", "call_leg")
    wfm.score(schedule=schedule, agent_state=states, call_leg=legs, agent=agent).exceptions()
    return states.height


def step_score_peer(directory: Path) -> int:
    """Find the seconds in adherence with a range join in DuckDB; breaks are laid over the shift by hand."""
    rules = defaults.read_default_table("rule").filter("in_adherence")
    words = defaults.read_default_table("state_map")
    cuts = sorted({edge for start, end, _ in PLAN for edge in (start, end)})
    pieces = [
        (low, high, min((p for p in PLAN if p[0] <= low and p[1] >= high), key=lambda p: p[1] - p[0])[2])
        for low, high in pairwise(cuts)
    ]
    with duckdb.connect() as con:
        con.register("rules", rules)
        con.register("words", words)
        con.register("pieces", pl.DataFrame(pieces, schema=["low", "high", "activity"], orient="row"))
        rows = con.execute(f"""
            WITH said AS (
                SELECT login, "at" AS a, lead("at") OVER (PARTITION BY login ORDER BY "at") AS b, w.state
                FROM '{directory / "agent_state.parquet"}' s
                JOIN (SELECT DISTINCT lower(vendor_state) v, state FROM words) w ON lower(s.vendor_state) = w.v
            ), plan AS (
                SELECT agent_id, start_at + to_seconds(low) AS a, start_at + to_seconds(high) AS b, p.activity
                FROM '{directory / "schedule.parquet"}' s, pieces p WHERE s.activity = 'on_queue'
            )
            SELECT p.agent_id, p.a::DATE AS d, sum(epoch_us(least(p.b, s.b)) - epoch_us(greatest(p.a, s.a)))
            FROM plan p JOIN said s ON p.agent_id = s.login AND s.a < p.b AND s.b > p.a
            JOIN rules r ON r.category = p.activity AND r.state = s.state
            GROUP BY ALL""").fetchall()
        assert rows
        return int(
            con.execute(f"SELECT count(*) FROM '{directory / 'agent_state.parquet'}'").fetchall()[0][0]
        )


def step_report(directory: Path) -> int:
    """Assemble the month's report from the database and write the page."""
    made = wfm.open(directory / "month.duckdb").report("2026-03-01", LAST)
    (page,) = write_report(made, directory / "report.html")
    print(
        f"# page {page.stat().st_size / 1e6:.2f} MB, {made.exceptions.height:,} exceptions", file=sys.stderr
    )
    return made.exceptions.height


STEPS = {
    "import": (step_import, step_import_peer),
    "score": (step_score, step_score_peer),
    "exceptions": (step_exceptions, None),
    "interval": (step_interval, None),
    "queue": (step_queue, None),
    "shrinkage": (step_shrinkage, None),
    "report": (step_report, None),
}


def measure(name: str, directory: Path) -> tuple[float, float, int]:
    """Run one step in a process of its own: seconds, peak GB, rows."""
    out = subprocess.run(
        [sys.executable, __file__, "--step", name, "--directory", str(directory)],
        check=True,
        capture_output=True,
        text=True,
    )
    print(out.stderr, end="")
    seconds, peak, rows = out.stdout.split()
    return float(seconds), float(peak), int(rows)


def main() -> None:
    """Make the data, run every step and its peer in turn, print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=STEPS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    steps = {
        name: run
        for name, pair in STEPS.items()
        for name, run in ((name, pair[0]), (f"{name}-peer", pair[1]))
    }
    if given.step == "make":
        step_make(given.directory, given.agents, given.days)
        return
    if given.step:
        began = time.perf_counter()
        rows = steps[given.step](given.directory)
        print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, rows)
        return
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        size = ["--agents", str(given.agents), "--days", str(given.days)]
        subprocess.run([sys.executable, __file__, "--step", "make", "--directory", place, *size], check=True)
        for name in [given.only] if given.only else STEPS:
            pairs = [
                (measure(name, directory), measure(f"{name}-peer", directory) if STEPS[name][1] else None)
                for _ in range(given.runs)
            ]
            seconds = statistics.median(ours[0] for ours, _ in pairs)
            peak, rows = max(ours[1] for ours, _ in pairs), pairs[0][0][2]
            line = f"{name:<11}{seconds:8.2f} s {rows / seconds:>12,.0f} rows/s {peak:6.2f} GB"
            if STEPS[name][1]:
                theirs = [peer for _, peer in pairs if peer]
                ratio = statistics.median(ours[0] / peer[0] for ours, peer in pairs if peer)
                peer, room = statistics.median(p[0] for p in theirs), max(p[1] for p in theirs)
                line += f"   peer {peer:.2f} s {room:.2f} GB, {ratio:.2f} x its time"
            print(line)


if __name__ == "__main__":
    main()
