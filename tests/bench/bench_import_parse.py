"""Measure reading a csv of agent states: rows a second and peak memory, beside polars on its own.

    python tests/bench/bench_import_parse.py --rows 1000000 [--quoted] [--naive]

Each reader runs in a process of its own, so that peak memory is its own. The peer infers types and parses
instants, but checks nothing, names no row and drops no repeat.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl


def make(path: Path, rows: int, quoted: bool, naive: bool) -> None:
    """Write a state log of 1,000 logins."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    n = pl.int_range(rows, eager=True)
    states = pl.Series(["Available", "Busy", "Wrapup", "Break", "Logged out"])
    at = start + pl.select(pl.duration(seconds=n)).to_series()
    frame = pl.DataFrame(
        {
            "source": pl.Series(["ncc"]).new_from_index(0, rows),
            "login": pl.select(pl.format("agent{}", n % 1000)).to_series(),
            "at": at.dt.to_string("%Y-%m-%d %H:%M:%S" if naive else "%Y-%m-%dT%H:%M:%SZ"),
            "vendor_state": states.gather(n % 5),
            "vendor_reason": pl.Series([None, "Lunch"], dtype=pl.String).gather(n % 2),
        }
    )
    frame.write_csv(path, quote_style="always" if quoted else "necessary")


def run(reader: str, path: Path) -> None:
    """Read once and print seconds and megabytes."""
    if reader == "wfm":
        from wfm import files
        from wfm.core import schema

        schema.read_tables()
        before = time.perf_counter()
        height = files.read_table(path, "agent_state", timezone="UTC").frame.height
    else:
        before = time.perf_counter()
        height = pl.read_csv(path, try_parse_dates=True).height
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1 << 20
    )
    rate = height / seconds
    print(f"{reader:8} {height:>10,} rows {seconds:6.2f} s {rate:>11,.0f} rows/s {peak:6,.0f} MB peak")


def main() -> None:
    """Read the arguments and run both readers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--quoted", action="store_true", help="quote every cell: the path that cuts record by record"
    )
    parser.add_argument("--naive", action="store_true", help="instants without an offset")
    parser.add_argument("--run", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run(given.run[0], Path(given.run[1]))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "agent_state.csv"
        make(path, given.rows, given.quoted, given.naive)
        print(f"{given.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        for reader in ("wfm", "polars"):
            for _ in range(given.repeat):
                subprocess.run([sys.executable, __file__, "--run", reader, str(path)], check=True)


if __name__ == "__main__":
    main()
