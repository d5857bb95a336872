"""Update a live day poll by poll: milliseconds per update, beside scoring everything at once; memory.

    python tests/bench/bench_live.py                      # 1,000 and 10,000 agents, a poll every 15 s, 2 % changed
    python tests/bench/bench_live.py --agents 1000 --polls 400

A poll tells what happened in its 15 s to 2 % of the agents (with a state made up for some, if that is too few), and
moves what was watched to its end. An update is the news and a look at the board and at adherence per agent; exceptions
are looked at beside it. Everything at once scores the same facts anew and looks at adherence. Polls start in the middle
of the shift; each size runs in a process of its own. Every tenth poll tells nothing but that it watched.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
from centre import frames

from wfm import defaults
from wfm.engine.adherence.scoring import score
from wfm.engine.inputs.frames import InputFrames
from wfm.engine.realtime.live_score import Live

POLL = timedelta(seconds=15)
BEGIN = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = (date(2026, 3, 1), date(2026, 3, 2))


def told(
    made: dict[str, pl.DataFrame], start: datetime, end: datetime, changed: int
) -> dict[str, pl.DataFrame]:
    """Give what a poll tells: what happened from start to end, and some more changes; and that it was watched."""
    states = made["agent_state"].filter(pl.col("at") >= start, pl.col("at") < end)
    states = states.head(changed) if changed else states
    more = max(0, changed - states.height)
    seed = int(start.timestamp())
    others = made["agent"]["agent_id"].sample(more, seed=seed).alias("login").to_frame()
    word = ["Available", "Busy", "Wrapup", "Break"][seed // 15 % 4]
    others = others.with_columns(
        at=pl.lit(end - POLL / 2).cast(states.schema["at"]), vendor_state=pl.lit(word)
    )
    legs = made["call_leg"].filter(pl.col("ended_at") >= start, pl.col("ended_at") < end)
    legs = legs.join(states, on="login", how="semi") if changed else legs
    watched = {"source": ["-"], "start_at": [start], "end_at": [end]}
    return {
        "agent_state": pl.concat([states, others]),
        "call_leg": legs.select("leg_id", "login", "answered_at", "ended_at"),
        "coverage": pl.DataFrame(watched).cast(
            {"start_at": states.schema["at"], "end_at": states.schema["at"]}
        ),
    }


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def memory_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def run(agents: int, polls: int) -> None:
    made = frames(agents, 1)
    changed = agents // 50
    so_far = told(made, MIDNIGHT, BEGIN, 0)
    words = {name: defaults.read_default_table(name) for name in defaults.DEFAULT_TABLES}
    fixed = {**words, "agent": made["agent"]}
    before = memory_mb()
    begun: list[Live] = []
    given = InputFrames(schedule=made["schedule"], **so_far, **fixed)
    first = timed(lambda: begun.append(Live(given, window=WINDOW)))
    live, end = begun[0], BEGIN
    first += timed(lambda: (live.board(end), live.adherence(["agent_id"]), live.exceptions()))
    updates, exceptions, quiet, batch, sizes = [], [], [], [], []
    for number in range(polls):
        start, end = end, end + POLL
        silent = number % 10 == 9
        news = told(made, start, end, changed)
        if silent:
            later, news = news, {"coverage": news["coverage"]}

        def update(news: dict[str, pl.DataFrame] = news, end: datetime = end) -> None:
            sizes.append(live.take(**news))
            live.board(end)
            live.adherence(["agent_id"])

        (quiet if silent else updates).append(timed(update))
        exceptions.append(timed(live.exceptions))
        if silent:
            live.take(**later)
        so_far = {
            name: pl.concat([so_far[name], rows], rechunk=True)
            for name, rows in {**news, **(later if silent else {})}.items()
        }
        if number % max(1, polls // 8) == 0:
            at_once = InputFrames(schedule=made["schedule"], **so_far, **fixed)
            batch.append(timed(lambda at_once=at_once: score(at_once, window=WINDOW).adherence(["agent_id"])))
    ordered, middle = sorted(updates), statistics.median(updates)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    print(
        f"{agents:>7,} agents: begin {first:,.0f} ms; update median {middle:.0f} ms, p99 {p99:.0f}, least "
        f"{ordered[0]:.0f} ({statistics.median(sizes):.0f} agents scored anew); a poll that tells nothing "
        f"{statistics.median(quiet):.0f} ms; exceptions {statistics.median(exceptions):.0f} ms more; everything "
        f"at once {statistics.median(batch):.0f} ms, {statistics.median(batch) / middle:.1f} times as long; memory "
        f"{memory_mb() - before:,.0f} MB more, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, action="append")
    parser.add_argument("--polls", type=int, default=120)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for agents in given.agents or [1_000, 10_000]:
        if given.inside:
            run(agents, given.polls)
        else:
            size = ["--agents", str(agents), "--polls", str(given.polls), "--inside"]
            subprocess.run([sys.executable, __file__, *size], check=True)


if __name__ == "__main__":
    main()
