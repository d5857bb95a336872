"""Feeds that failed: time that nobody watched, and time that was watched while nothing was said.

::

    coverage     |#########|      |##########################|
    feed         x x xx  xx        xx x x x              x xx x
    scheduled      12 12 12 12 12 12 12 12 12 12 12 12 12 12
    proposed               |gap   |         |   silent   |
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import log

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.outages import Look
from wfm.engine.presence import MICROSECOND, MOST_OFF
from wfm.engine.units import in_seconds

BIN = timedelta(minutes=15) // MICROSECOND
SILENT = timedelta(minutes=10) // MICROSECOND
"""A silence is no shorter."""


def unwatched(
    slices: pl.DataFrame,
    coverage: pl.DataFrame,
    owner: pl.DataFrame,
    window: tuple[datetime, datetime],
    look: Look | None = None,
) -> pl.DataFrame:
    """Find the spans in which a source was not observed while its agents were scheduled.

    Args:
        slices: as from `Score.slices`.
        coverage: source start_at end_at.
        owner: source agent_id: whose states the source tells.
        window: the first instant and the end of the time to look at.
        look: ``lasts`` is the shortest span that is told.

    Returns:
        source start_at end_at agents seconds (scheduled and unknown), in order of start.
    """
    look = look or Look()
    low, high = (_epoch(at) for at in window)
    dark = (
        slices.filter(
            pl.col("class").cast(pl.String) == "unknown", pl.col("state").cast(pl.String) == "unknown"
        )
        .select("agent_id", start=pl.col("start_at").dt.epoch("us"), end=pl.col("end_at").dt.epoch("us"))
        .with_columns(pl.col("start").clip(lower_bound=low), pl.col("end").clip(upper_bound=high))
        .filter(pl.col("end") > pl.col("start"))
        .join(owner, on="agent_id")
        .sort("start")
    )
    found = (
        dark.join_asof(
            _holes(coverage, owner, low, high),
            left_on="start",
            right_on="from",
            by="source",
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("end") <= pl.col("to"))
        .group_by("source", "from", "to")
        .agg(
            pl.col("start").min(),
            pl.col("end").max(),
            agents=pl.col("agent_id").n_unique().cast(pl.Int64),
            seconds=in_seconds((pl.col("end") - pl.col("start")).sum()),
        )
        .filter(pl.col("end") - pl.col("start") >= look.lasts // MICROSECOND)
    )
    return found.sort("start", "source").select(
        "source",
        pl.col("start").cast(INSTANT).alias("start_at"),
        pl.col("end").cast(INSTANT).alias("end_at"),
        "agents",
        "seconds",
    )


def _holes(coverage: pl.DataFrame, owner: pl.DataFrame, low: int, high: int) -> pl.DataFrame:
    """Give what coverage leaves out of [low, high): source, from, to."""
    edges = owner.select("source").unique()
    marks = pl.concat(
        [edges.with_columns(start=pl.lit(at, pl.Int64), end=pl.lit(at, pl.Int64)) for at in (low, high)]
        + [
            coverage.select(
                "source", start=pl.col("start_at").dt.epoch("us"), end=pl.col("end_at").dt.epoch("us")
            )
        ]
    ).sort("source", "start")
    return (
        marks.select(
            "source",
            pl.col("end").cum_max().over("source").alias("from"),
            pl.col("start").shift(-1).over("source").alias("to"),
        )
        .filter(pl.col("from") < pl.col("to"))
        .sort("from")
    )


def silences(
    slices: pl.DataFrame,
    agent_state: pl.DataFrame,
    owner: pl.DataFrame,
    window: tuple[datetime, datetime],
    *,
    timezone: str = "UTC",
    closed: tuple[date, ...] = (),
    look: Look | None = None,
) -> pl.DataFrame:
    """Find the spans in which a watched source said nothing for improbably long while many were scheduled.

    A source says m transactions per scheduled hour of agents on the other days; the chance of none while m * hours
    are expected is exp(-m * hours) (Poisson), or exp(-m * hours / dispersion) as its
    transactions come in clumps. Who
    is logged out and on no call counts as not there: of an empty room nothing is heard.

    Args:
        slices: as from `Score.slices`, over the window and the days that show what is normal.
        agent_state: source at.
        owner, window, timezone, closed, look: as for `wfm.engine.outages.joint_absences` and `unwatched`.

    Returns:
        source start_at end_at agents seconds (scheduled in it) expected (transactions) dispersion chance looks, in
        order of start.
    """
    look = look or Look()
    low, high = (_epoch(at) for at in window)
    here = _present(slices, owner, timezone, closed)
    said = agent_state.select("source", at=pl.col("at").dt.epoch("us")).unique().sort("source", "at")
    pace = _pace(here, said, timezone)
    gaps = (
        said.with_columns(end=pl.col("at").shift(-1).over("source"))
        .with_columns(end=pl.col("end").fill_null(high))
        .filter(pl.col("end") > low, pl.col("at") < high)
        .with_columns(start=pl.col("at").clip(lower_bound=low), end=pl.col("end").clip(upper_bound=high))
    )
    limit = log(max(gaps.height, 1) / look.chance)
    long = gaps.filter(pl.col("end") - pl.col("start") >= SILENT).select("source", "start", "end")
    lost = _overlap(long, here)
    return (
        lost.with_columns(day=_day("start", timezone))
        .join(pace, on=["source", "day"])
        .with_columns(expected=pl.col("seconds") * pl.col("rate"))
        .with_columns(surprise=pl.col("expected") / pl.col("dispersion"))
        .filter(
            pl.col("surprise") >= limit,
            pl.col("seconds") * 1_000_000 >= look.agents * (pl.col("end") - pl.col("start")),
            pl.col("end") - pl.col("start") >= SILENT,
        )
        .sort("start", "source")
        .select(
            "source",
            pl.col("start").cast(INSTANT).alias("start_at"),
            pl.col("end").cast(INSTANT).alias("end_at"),
            "agents",
            "seconds",
            "expected",
            "dispersion",
            chance=(-pl.col("surprise")).exp(),
            looks=pl.lit(gaps.height, pl.Int64),
        )
    )


def _present(
    slices: pl.DataFrame, owner: pl.DataFrame, timezone: str, closed: tuple[date, ...]
) -> pl.DataFrame:
    """Give the time in which agents of a source were scheduled, watched and there: source, agent_id, start, end."""
    state = pl.col("state").cast(pl.String)
    return (
        slices.filter(
            pl.col("class").is_not_null(),
            state != "unknown",
            (state != "logged_out") | pl.col("leg_id").is_not_null(),
        )
        .select("agent_id", start=pl.col("start_at").dt.epoch("us"), end=pl.col("end_at").dt.epoch("us"))
        .filter(~_day("start", timezone).is_in(list(closed)))
        .join(owner, on="agent_id")
    )


def _overlap(spans: pl.DataFrame, here: pl.DataFrame) -> pl.DataFrame:
    """Say what of spans ``source, start, end`` agents were there: adds agents, seconds; cut to where any was."""
    pieces = spans.select("source", low="start", high="end").join_where(
        here.rename({"source": "its"}),
        pl.col("source") == pl.col("its"),
        pl.col("start") < pl.col("high"),
        pl.col("end") > pl.col("low"),
    )
    start, end = pl.max_horizontal("low", "start"), pl.min_horizontal("high", "end")
    return pieces.group_by("source", "low", "high").agg(
        start=start.min(),
        end=end.max(),
        agents=pl.col("agent_id").n_unique().cast(pl.Int64),
        seconds=in_seconds((end - start).sum()),
    )


def _pace(here: pl.DataFrame, said: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Say how much a source tells on the other days: source, day, rate (per agent-second), dispersion.

    In quarters of an hour: dispersion is the mean of (told - expected)^2 / expected, at least 1.
    """
    edge = pl.col("bin") * BIN
    bins = (
        here.with_columns(bin=pl.int_ranges(pl.col("start") // BIN, (pl.col("end") - 1) // BIN + 1))
        .explode("bin")
        .with_columns(s=pl.min_horizontal("end", edge + BIN) - pl.max_horizontal("start", edge))
        .group_by("source", "bin")
        .agg(s=in_seconds(pl.col("s").sum()))
    )
    told = said.group_by("source", bin=pl.col("at") // BIN).agg(told=pl.len().cast(pl.Int64))
    bins = (
        bins.join(told, on=["source", "bin"], how="left")
        .with_columns(pl.col("told").fill_null(0), at=edge)
        .with_columns(day=_day("at", timezone))
    )
    rate = _others("told") / _others("s")
    off = (pl.col("told") - pl.col("s") * pl.col("rate")) ** 2 / (pl.col("s") * pl.col("rate"))
    days = bins.group_by("source", "day").agg(pl.col("told", "s").sum())
    days = days.with_columns(
        rate=pl.when(_others("s") > 0).then(rate).otherwise(pl.col("told") / pl.col("s"))
    )
    spread = (
        bins.join(days.select("source", "day", "rate"), on=["source", "day"])
        .filter(pl.col("rate") > 0)
        .group_by("source")
        .agg(dispersion=off.clip(upper_bound=MOST_OFF).mean().clip(lower_bound=1.0))
    )
    return days.join(spread, on="source").select("source", "day", "rate", "dispersion")


def _others(name: str) -> pl.Expr:
    return pl.col(name).sum().over("source") - pl.col(name)


def _day(name: str, timezone: str) -> pl.Expr:
    return pl.col(name).cast(INSTANT).dt.convert_time_zone(timezone).dt.date()


def _epoch(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // MICROSECOND
