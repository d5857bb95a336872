"""Read the interval history that a forecast learns from, and the special days it takes into account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm.analysis.load import check_names_exist
from wfm.core import glossary
from wfm.core.errors import NoDataError, UsageError
from wfm.engine.forecast.forecast import MIN_HISTORY_DAYS
from wfm.engine.volume import intervals
from wfm.settings import Settings
from wfm.storage.reader import DatabaseReader

INTERVAL_LENGTH: Final = timedelta(seconds=glossary.INTERVAL_S)
MAX_HORIZON: Final = timedelta(days=366)
MAX_ORIGINS: Final = 8


def check_horizon(horizon: timedelta) -> None:
    """Raise UsageError unless a horizon is above zero and at most `MAX_HORIZON`."""
    if not timedelta(0) < horizon <= MAX_HORIZON:
        raise UsageError(
            f"horizon: {horizon} is not within {MAX_HORIZON.days} days ahead; give one like 14d or 36h."
        )


def read_interval_history(reader: DatabaseReader, queues: Sequence[str] | None) -> pl.DataFrame:
    """Return every interval with calls: queue_id interval_start entered abandoned handled sum_handle_time_s.

    Raises:
        NoDataError: there is none, or a queue does not exist.
    """
    check_names_exist(reader, "queue", queues or ())
    found = intervals.measure_intervals(
        call_leg=reader.read_table("call_leg"), interval_volume=reader.read_table("interval_volume")
    )
    if queues is not None:
        found = found.filter(pl.col("queue_id").is_in(list(queues)))
    if found.is_empty():
        raise NoDataError(
            "No interval volume and no calls to learn from: import interval_volume or call_leg first."
        )
    columns = ["entered", "abandoned", "handled", "sum_handle_time_s"]
    return found.group_by("queue_id", "interval_start", maintain_order=True).agg(pl.col(columns).sum())


def find_history_extent(history: pl.DataFrame) -> tuple[datetime, datetime]:
    """Return the start of the first interval of a history and the end of its last one."""
    first, last = history["interval_start"].min(), history["interval_start"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last + INTERVAL_LENGTH


def count_backtest_origins(first: datetime, end: datetime) -> int:
    """Return the number of weekly origins that a history is long enough to backtest, from 1 to `MAX_ORIGINS`."""
    return max(1, min(MAX_ORIGINS, ((end - first).days - MIN_HISTORY_DAYS) // 7))


def read_special_days(
    reader: DatabaseReader, configured: Settings, first: datetime, end: datetime
) -> pl.DataFrame | None:
    """Return the special days of a span: on (local date) name; None if there are none.

    They are the public holidays of the configured country and the rows of table holiday, which take precedence.
    """
    special = reader.read_table("holiday").select(on="on_date", name="name")
    country, _, region = configured.country.partition("-")
    if country:
        import holidays  # slow to load, and only needed where a country is named

        years = range(first.year, end.year + 1)
        calendar = holidays.country_holidays(country, subdiv=region or None, years=years)
        public = pl.DataFrame(
            {"on": list(calendar), "name": list(calendar.values())},
            schema={"on": pl.Date, "name": pl.String},
        )
        special = pl.concat([special, public.join(special, on="on", how="anti")])
    return special if special.height else None
