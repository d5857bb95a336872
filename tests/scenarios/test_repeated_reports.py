"""Reports that are run again and again: the last run is in force, what was known before can be read as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wfm.core import schema
from wfm.storage.batches import store_batch
from wfm.storage.database import Database

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, WHOLE = timedelta(hours=1), timedelta(days=1)
PER_HOUR = 4


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(tmp_path / "wfm.duckdb")


def ran(
    day: datetime, end: datetime, run: str, *, rows: int | None = None, report: str = "CARDS"
) -> pl.DataFrame:
    """Make the cells of a report that has so many rows for every hour of its window."""
    n = int((end - day) / HOUR) * PER_HOUR if rows is None else rows
    kinds = schema.get_table("report_row").own_columns
    about = {"source": "xima", "report_id": report, "execution_id": run, "from_at": day, "to_at": end}
    said = [
        {**dict.fromkeys(kinds), **about, "row_no": at, "column_key": "c", "value": f"{at}"}
        for at in range(n)
    ]
    return pl.DataFrame(said, schema=kinds)


def keep(store: Database, name: str, *runs: pl.DataFrame) -> datetime:
    """Store runs as one cycle does; returns when."""
    store_batch(
        store,
        name=name,
        source="xima",
        feed="report_row",
        window=None,
        result="complete",
        note="",
        payloads=[],
        tables={"report_row": pl.concat(runs)},
    )
    with store.open_reader() as reader:
        return reader.read_last_collection()[1]


def in_force(store: Database, as_of: datetime | None = None) -> pl.DataFrame:
    with store.open_reader(as_of) as reader:
        return (
            reader.read_table("report_row").select("report_id", "from_at", "to_at", "row_no").sort(pl.all())
        )


def all_rows(store: Database) -> int:
    with store.open_reader() as reader:
        return int(reader.run_query("SELECT count(*) AS n FROM report_row").item())


@pytest.mark.slow
def test_each_day_of_runs_is_in_force_once(store: Database) -> None:
    known: list[tuple[datetime, int]] = []
    for hour in range(6, 3 * 24 + 1, 6):
        now = DAY + hour * HOUR
        days = [DAY + n * WHOLE for n in range(max(0, (hour - 1) // 24 - 2), (hour - 1) // 24 + 1)]
        runs = [ran(day, min(day + WHOLE, now), f"run-{hour}") for day in days]
        known.append((keep(store, f"{hour}", *runs), hour * PER_HOUR))
        assert in_force(store).height == hour * PER_HOUR
    # the day that goes on is told anew each time; one that is over, and says the same, is not
    assert all_rows(store) == 3 * PER_HOUR * sum(range(6, 25, 6))
    for at, height in known[::3]:
        assert in_force(store, at).height == height
        assert in_force(store, at)["to_at"].n_unique() == (height // PER_HOUR - 1) // 24 + 1


def test_run_with_fewer_rows_retires_the_rest(store: Database) -> None:
    keep(store, "1", ran(DAY, DAY + WHOLE, "a"))
    before = keep(store, "2", ran(DAY, DAY + WHOLE, "b", rows=3))
    keep(store, "3", ran(DAY, DAY + WHOLE, "c", rows=5))
    assert in_force(store)["row_no"].to_list() == [0, 1, 2, 3, 4]
    assert in_force(store, before)["row_no"].to_list() == [0, 1, 2]


def test_shorter_run_leaves_longer_runs_and_other_reports(store: Database) -> None:
    other = ran(DAY, DAY + HOUR, "a", report="VOLUME")
    keep(store, "1", ran(DAY, DAY + WHOLE, "a"), other, ran(DAY - WHOLE, DAY, "a"))
    whole = in_force(store)
    keep(store, "2", ran(DAY, DAY + 2 * HOUR, "b"))
    assert in_force(store).join(whole, on=whole.columns, how="semi").equals(whole)
    keep(store, "3", ran(DAY, DAY + WHOLE, "c"))
    assert in_force(store).equals(whole)


def test_runs_read_together_count_as_in_sequence(store: Database) -> None:
    runs = [ran(DAY, DAY + n * HOUR, f"run-{n}") for n in (1, 2, 3)]
    keep(store, "all", *runs, ran(DAY, DAY + 3 * HOUR, "again", rows=7))
    assert in_force(store)["row_no"].to_list() == list(range(7))
