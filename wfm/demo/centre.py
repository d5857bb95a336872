"""The centre of the demo: always the same one, on the same days, so that everybody sees the same figures.

::

    6 Feb                        7 Mar   8 Mar                   12 Mar
    |--- volume, from NCC (3 queues) and a report of Xima (1) ------------|
    |--- calls of Voicenter and Telphin (1 queue each), counted by us ----|
                                 |--- call logs, from XSI ----------------|
                                 |--- schedule, exemptions: files --------|
                                 |--- states: a file ---------------|-NCC-|   polled from 21:00 on
                                         |=== scored =====================|
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from wfm import files
from wfm.analysis.time_args import ONE_DAY, resolve_local_midnight
from wfm.core import schema
from wfm.core.time import INSTANT
from wfm.sandbox import GroundTruth, simulate_centre
from wfm.storage.reader import TimeSpan

ZONE: Final = "Asia/Jerusalem"
SEED, AGENTS, QUEUES, CALLS_PER_AGENT = 6, 24, 6, 60.0
FIRST_DAY, DAYS = date(2026, 2, 6), 35
"""Five weeks of volume, about the least that a forecast needs."""
SCORED_DAYS: Final = (date(2026, 3, 8), date(2026, 3, 13))
OUTAGE_DAY: Final = date(2026, 3, 10)
POLLED_DAY: Final = date(2026, 3, 12)
"""The last workday: its evening is polled; the states before that are in a file."""
POLLING_BEGINS: Final = timedelta(hours=21)
"""Local time at which polling begins; each poll costs about 10 ms."""
POLL_S: Final = 60
STATES_SOURCE: Final = "ncc"
"""The source of the file of earlier states: it has the same logins as the polled states."""


QUEUES_OF_VENDOR: Final = {
    "ncc": (0, 1, 2),
    "xsi": (0, 1, 2),
    "voicenter": (3,),
    "telphin": (4,),
    "xima": (5,),
}
"""Which queues each phone system carries, by position: a centre that has grown by acquisitions."""


def simulate_demo_centre() -> GroundTruth:
    """Simulate the centre of the demo."""
    return simulate_centre(SEED, FIRST_DAY, DAYS, AGENTS, QUEUES, ZONE, CALLS_PER_AGENT, outage_on=OUTAGE_DAY)


def find_history_start() -> datetime:
    """Return the start of calls, schedules and states: a day before the first scored one."""
    return resolve_local_midnight(SCORED_DAYS[0] - ONE_DAY, ZONE)


def find_polled_span(truth: GroundTruth) -> TimeSpan:
    """Return the span in which states are polled: until everybody has logged out."""
    last = truth.agent_state["at"].max()
    assert isinstance(last, datetime)
    return resolve_local_midnight(POLLED_DAY, ZONE) + POLLING_BEGINS, last + timedelta(seconds=3 * POLL_S)


def find_last_hour(truth: GroundTruth) -> datetime:
    """Return the full hour by which every call has ended."""
    return datetime.fromtimestamp(truth.ends, UTC).replace(minute=0, second=0, microsecond=0)


def find_volume_window() -> TimeSpan:
    """Return the window in which volume is collected: all whole days."""
    return resolve_local_midnight(FIRST_DAY, ZONE), resolve_local_midnight(SCORED_DAYS[1], ZONE)


def build_imported_tables(truth: GroundTruth) -> dict[str, pl.DataFrame]:
    """Return what a customer imports from files, by table: agents, schedules, exemptions and earlier states."""
    polled_from, _ = find_polled_span(truth)
    since = pl.lit(find_history_start(), INSTANT)
    before = pl.col("at").is_between(since, pl.lit(polled_from, INSTANT), closed="left")
    return {
        "agent": truth.agent,
        "login": truth.login,
        "schedule": truth.schedule.filter(pl.col("end_at") > since),
        "exemption": truth.exemption.filter(pl.col("end_at") > since),
        "agent_state": truth.agent_state.filter(before).select("login", "at", "vendor_state"),
    }


def write_imported_files(truth: GroundTruth, folder: Path) -> dict[str, Path]:
    """Write those files and return their paths by table.

    Raises:
        OutputError: a file cannot be written.
    """
    folder.mkdir(exist_ok=True)
    paths = {}
    for table, rows in build_imported_tables(truth).items():
        paths[table] = folder / f"{table}.csv"
        own = [name for name in schema.get_table(table).own_columns if name in rows.columns]
        files.write_table(rows.select(own), paths[table], "csv")
    return paths
