"""The interval history that a forecast learns from, and the special days it takes into account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm import terms
from wfm.engine import volume
from wfm.engine.forecast.engine import LEAST_DAYS
from wfm.errors import NoDataError, UsageError
from wfm.jobs.scoring import check_names
from wfm.settings import Settings
from wfm.storage.reader import Reader

INTERVAL: Final = timedelta(seconds=terms.INTERVAL_S)
FURTHEST: Final = timedelta(days=366)
MOST_ORIGINS: Final = 8


def check_horizon(horizon: timedelta) -> None:
    """Raise UsageError unless a horizon is above zero and at most `MAX_HORIZON`."""
    if not timedelta(0) < horizon <= FURTHEST:
        raise UsageError(
            f"horizon: {horizon} is not within {FURTHEST.days} days ahead; give one like 14d or 36h."
        )


def history(reader: Reader, queues: Sequence[str] | None) -> pl.DataFrame:
    """Return every interval with calls: queue_id interval_start entered abandoned handled sum_handle_time_s.

    Raises:
        NoDataError: there is none, or a queue does not exist.
    """
    check_names(reader, "queue", queues or ())
    found = volume.intervals(
        call_leg=reader.table("call_leg"), interval_volume=reader.table("interval_volume")
    )
    if queues is not None:
        found = found.filter(pl.col("queue_id").is_in(list(queues)))
    if found.is_empty():
        raise NoDataError(
            "No interval volume and no calls to learn from: import interval_volume or call_leg first."
        )
    columns = ["entered", "abandoned", "handled", "sum_handle_time_s"]
    return found.group_by("queue_id", "interval_start", maintain_order=True).agg(pl.col(columns).sum())


def extent(past: pl.DataFrame) -> tuple[datetime, datetime]:
    """Return the start of the first interval of a history and the end of its last one."""
    first, last = past["interval_start"].min(), past["interval_start"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last + INTERVAL


def origins(first: datetime, end: datetime) -> int:
    """Return the number of weekly origins that a history is long enough to backtest, from 1 to `MAX_ORIGINS`."""
    return max(1, min(MOST_ORIGINS, ((end - first).days - LEAST_DAYS) // 7))


def special_days(reader: Reader, configured: Settings, first: datetime, end: datetime) -> pl.DataFrame | None:
    """Return the special days of a span: on (local date) name; None if there are none.

    They are the public holidays of the configured country and the rows of table holiday, which take precedence.
    """
    own = reader.table("holiday").select(on="on_date", name="name")
    country, _, region = configured.country.partition("-")
    if country:
        import holidays  # slow to load, and only needed where a country is named

        years = range(first.year, end.year + 1)
        calendar = holidays.country_holidays(country, subdiv=region or None, years=years)
        public = pl.DataFrame(
            {"on": list(calendar), "name": list(calendar.values())},
            schema={"on": pl.Date, "name": pl.String},
        )
        own = pl.concat([own, public.join(own, on="on", how="anti")])
    return own if own.height else None
