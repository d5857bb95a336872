"""The centre of the demo: always the same one, on the same days, so that everybody sees the same figures.

::

    30 Jan                        28 Feb   1 Mar                        12 Mar
    |--- volume, from NCC (2 queues) and a report of Xima (1) ------------|
    |--- calls of Voicenter and Telphin (1 queue each), counted by us ----|
                                  |--- call logs, from XSI ---------------|
                                  |--- schedule, exemptions: files -------|
                                  |--- states: a file -----------|-- NCC -|   polled
                                           |=== scored ===================|
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from wfm import files, schema
from wfm.core.time import INSTANT
from wfm.jobs.when import DAY, midnight
from wfm.sandbox import Truth, simulate
from wfm.storage.reader import Span

ZONE: Final = "Asia/Jerusalem"
SEED, AGENTS, QUEUES, CALLS = 6, 30, 5, 60.0
START, DAYS = date(2026, 1, 30), 42
"""Six weeks of volume: what a forecast wants at least."""
SCORED: Final = (date(2026, 3, 1), date(2026, 3, 13))
OUTAGE: Final = date(2026, 3, 10)
POLLED: Final = date(2026, 3, 12)
"""The last workday; its states are polled, those of the days before are in a file."""
OPENING: Final = timedelta(hours=6)
"""When watching begins: before the first shift, after the last one of the evening."""
POLL_S: Final = 30
HISTORY: Final = "ncc"
"""The source that the file of earlier states speaks for: the same logins as in what is polled."""


CARRIES: Final = {"ncc": (0, 1), "xsi": (0, 1), "voicenter": (2,), "telphin": (3,), "xima": (4,)}
"""Which queues come over which phone system, by position: a centre that has grown by buying others."""


def centre() -> Truth:
    """Simulate the centre of the demo."""
    return simulate(SEED, START, DAYS, AGENTS, QUEUES, ZONE, CALLS, outage_on=OUTAGE)


def known_from() -> datetime:
    """Return since when there are calls, schedules and states: a day before the first one scored."""
    return midnight(SCORED[0] - DAY, ZONE)


def watched(truth: Truth) -> Span:
    """Return from when to when the states are polled: from the opening until everybody has gone home."""
    last = truth.agent_state["at"].max()
    assert isinstance(last, datetime)
    return midnight(POLLED, ZONE) + OPENING, last + timedelta(seconds=3 * POLL_S)


def over(truth: Truth) -> datetime:
    """Return an hour by which everything has happened."""
    return datetime.fromtimestamp(truth.ends, UTC).replace(minute=0, second=0, microsecond=0)


def history() -> Span:
    """Return from when to when the volume is asked for: all whole days."""
    return midnight(START, ZONE), midnight(SCORED[1], ZONE)


def brought(truth: Truth) -> dict[str, pl.DataFrame]:
    """Return what a customer brings in files, by table: who works, what was planned, excused, and said before."""
    taken_over, _ = watched(truth)
    since = pl.lit(known_from(), INSTANT)
    before = pl.col("at").is_between(since, pl.lit(taken_over, INSTANT), closed="left")
    return {
        "agent": truth.agent,
        "login": truth.login,
        "schedule": truth.schedule.filter(pl.col("end_at") > since),
        "exemption": truth.exemption.filter(pl.col("end_at") > since),
        "agent_state": truth.agent_state.filter(before).select("login", "at", "vendor_state"),
    }


def write(truth: Truth, folder: Path) -> dict[str, Path]:
    """Write those files: table → path.

    Raises:
        OutputError
    """
    folder.mkdir(exist_ok=True)
    paths = {}
    for table, rows in brought(truth).items():
        paths[table] = folder / f"{table}.csv"
        own = [name for name in schema.table(table).own if name in rows.columns]
        files.write(rows.select(own), paths[table], "csv")
    return paths
