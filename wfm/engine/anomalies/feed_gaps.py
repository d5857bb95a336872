"""Find failed feeds: scheduled time without coverage, and covered time without any transaction.

::

    coverage     |#########|      |##########################|
    transactions x x xx  xx        xx x x x              x xx x
    scheduled      12 12 12 12 12 12 12 12 12 12 12 12 12 12
    proposed               |gap   |         |   silent   |
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import log

import polars as pl

from wfm.core.time import INSTANT, US_PER_SECOND, to_epoch_us, to_microseconds
from wfm.engine.anomalies.absence_baseline import MAX_SQUARED_DEVIATION
from wfm.engine.anomalies.outages import OutageCriteria
from wfm.engine.time.units import us_to_seconds

RATE_BIN_US = to_microseconds(timedelta(minutes=15))
"""The intervals in which the rate of transactions is compared, in µs."""
MIN_SILENCE_US = to_microseconds(timedelta(minutes=10))
"""The shortest silence that is considered, in µs."""


def find_uncovered_spans(
    slices: pl.DataFrame,
    coverage: pl.DataFrame,
    reporter: pl.DataFrame,
    window: tuple[datetime, datetime],
    criteria: OutageCriteria | None = None,
) -> pl.DataFrame:
    """Find the spans in which a source was not covered while its agents were scheduled.

    Args:
        slices: as from `Score.slices`.
        coverage: source start_at end_at.
        reporter: source agent_id: the agents whose states the source reports.
        window: start and end of the time to search.
        criteria: what is worth proposing; only ``min_duration`` is used here.

    Returns:
        source start_at end_at agents seconds (scheduled and unknown), in order of start.
    """
    criteria = criteria or OutageCriteria()
    low, high = (to_epoch_us(at) for at in window)
    uncovered = (
        slices.filter(
            pl.col("class").cast(pl.String) == "unknown", pl.col("state").cast(pl.String) == "unknown"
        )
        .select("agent_id", start=pl.col("start_at").dt.epoch("us"), end=pl.col("end_at").dt.epoch("us"))
        .with_columns(pl.col("start").clip(lower_bound=low), pl.col("end").clip(upper_bound=high))
        .filter(pl.col("end") > pl.col("start"))
        .join(reporter, on="agent_id")
        .sort("start")
    )
    found = (
        uncovered.join_asof(
            _list_coverage_gaps(coverage, reporter, low, high),
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
            seconds=us_to_seconds((pl.col("end") - pl.col("start")).sum()),
        )
        .filter(pl.col("end") - pl.col("start") >= to_microseconds(criteria.min_duration))
    )
    return found.sort("start", "source").select(
        "source",
        pl.col("start").cast(INSTANT).alias("start_at"),
        pl.col("end").cast(INSTANT).alias("end_at"),
        "agents",
        "seconds",
    )


def _list_coverage_gaps(coverage: pl.DataFrame, reporter: pl.DataFrame, low: int, high: int) -> pl.DataFrame:
    """List the gaps in the coverage of [low, high), in epoch µs: source, from, to."""
    edges = reporter.select("source").unique()
    # the window's bounds as empty spans, so that uncovered time before the first and after the last span is a gap too
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


def find_silent_spans(
    slices: pl.DataFrame,
    agent_state: pl.DataFrame,
    reporter: pl.DataFrame,
    window: tuple[datetime, datetime],
    *,
    timezone: str = "UTC",
    closed: tuple[date, ...] = (),
    criteria: OutageCriteria | None = None,
) -> pl.DataFrame:
    """Find the spans in which a covered source reported nothing for improbably long while many agents were scheduled.

    A source reports m transactions per scheduled agent-hour on the other days; the probability of none while m * hours
    are expected is exp(-m * hours) (Poisson), or exp(-m * hours / dispersion) as transactions come in bursts. Agents
    who are logged out and on no call do not count as present: nobody is there to change state.

    Args:
        slices: as from `Score.slices`, over the window and the days that serve as the baseline.
        agent_state: source at.
        reporter: as for `find_uncovered_spans`.
        window: start and end of the time to search.
        timezone: of local days.
        closed: days on which nobody was expected.
        criteria: what is worth proposing; None: the defaults.

    Returns:
        source start_at end_at agents seconds (scheduled in it) expected (transactions) dispersion chance (of such a
        silence) tested (how many pauses), in order of start.
    """
    criteria = criteria or OutageCriteria()
    low, high = (to_epoch_us(at) for at in window)
    present = _list_attended_spans(slices, reporter, timezone, closed)
    transactions = agent_state.select("source", at=pl.col("at").dt.epoch("us")).unique().sort("source", "at")
    # rates of the other days: a silent day would otherwise lower its own expectation
    rates = _estimate_transaction_rates(present, transactions, timezone)
    gaps = (
        transactions.with_columns(end=pl.col("at").shift(-1).over("source"))
        .with_columns(end=pl.col("end").fill_null(high))
        .filter(pl.col("end") > low, pl.col("at") < high)
        .with_columns(start=pl.col("at").clip(lower_bound=low), end=pl.col("end").clip(upper_bound=high))
    )
    # Bonferroni: with n tested pauses, each may be a false alarm with probability rate / n
    limit = log(max(gaps.height, 1) / criteria.max_false_alarm_rate)
    long = gaps.filter(pl.col("end") - pl.col("start") >= MIN_SILENCE_US).select("source", "start", "end")
    silent = _measure_attendance(long, present)
    return (
        silent.with_columns(day=_local_day("start", timezone))
        .join(rates, on=["source", "day"])
        .with_columns(expected=pl.col("seconds") * pl.col("rate"))
        .with_columns(surprise=pl.col("expected") / pl.col("dispersion"))
        .filter(
            pl.col("surprise") >= limit,
            pl.col("seconds") * US_PER_SECOND >= criteria.min_agents * (pl.col("end") - pl.col("start")),
            pl.col("end") - pl.col("start") >= MIN_SILENCE_US,
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
            tested=pl.lit(gaps.height, pl.Int64),
        )
    )


def _list_attended_spans(
    slices: pl.DataFrame, reporter: pl.DataFrame, timezone: str, closed: tuple[date, ...]
) -> pl.DataFrame:
    """List the time in which agents of a source were scheduled, covered and present: source, agent_id, start, end."""
    state = pl.col("state").cast(pl.String)
    return (
        slices.filter(
            pl.col("class").is_not_null(),
            state != "unknown",
            (state != "logged_out") | pl.col("leg_id").is_not_null(),
        )
        .select("agent_id", start=pl.col("start_at").dt.epoch("us"), end=pl.col("end_at").dt.epoch("us"))
        .filter(~_local_day("start", timezone).is_in(list(closed)))
        .join(reporter, on="agent_id")
    )


def _measure_attendance(spans: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """Measure how many agents were present in spans ``source, start, end``: adds agents, seconds; clips the spans."""
    pieces = spans.select("source", low="start", high="end").join_where(
        present.rename({"source": "its"}),
        pl.col("source") == pl.col("its"),
        pl.col("start") < pl.col("high"),
        pl.col("end") > pl.col("low"),
    )
    start, end = pl.max_horizontal("low", "start"), pl.min_horizontal("high", "end")
    return pieces.group_by("source", "low", "high").agg(
        start=start.min(),
        end=end.max(),
        agents=pl.col("agent_id").n_unique().cast(pl.Int64),
        seconds=us_to_seconds((end - start).sum()),
    )


def _estimate_transaction_rates(
    present: pl.DataFrame, transactions: pl.DataFrame, timezone: str
) -> pl.DataFrame:
    """Estimate the transactions of a source on the other days: source, day, rate (per agent-second), dispersion.

    Dispersion is the mean of (reported - expected)^2 / expected over 15-minute intervals, at least 1.
    """
    edge = pl.col("bin") * RATE_BIN_US
    bins = (
        present.with_columns(
            bin=pl.int_ranges(pl.col("start") // RATE_BIN_US, (pl.col("end") - 1) // RATE_BIN_US + 1)
        )
        .explode("bin")
        .with_columns(s=pl.min_horizontal("end", edge + RATE_BIN_US) - pl.max_horizontal("start", edge))
        .group_by("source", "bin")
        .agg(s=us_to_seconds(pl.col("s").sum()))
    )
    sent = transactions.group_by("source", bin=pl.col("at") // RATE_BIN_US).agg(sent=pl.len().cast(pl.Int64))
    bins = (
        bins.join(sent, on=["source", "bin"], how="left")
        .with_columns(pl.col("sent").fill_null(0), at=edge)
        .with_columns(day=_local_day("at", timezone))
    )
    rate = _sum_other_days("sent") / _sum_other_days("s")
    deviation = (pl.col("sent") - pl.col("s") * pl.col("rate")) ** 2 / (pl.col("s") * pl.col("rate"))
    days = bins.group_by("source", "day").agg(pl.col("sent", "s").sum())
    days = days.with_columns(
        rate=pl.when(_sum_other_days("s") > 0).then(rate).otherwise(pl.col("sent") / pl.col("s"))
    )
    spread = (
        bins.join(days.select("source", "day", "rate"), on=["source", "day"])
        .filter(pl.col("rate") > 0)
        .group_by("source")
        .agg(dispersion=deviation.clip(upper_bound=MAX_SQUARED_DEVIATION).mean().clip(lower_bound=1.0))
    )
    return days.join(spread, on="source").select("source", "day", "rate", "dispersion")


def _sum_other_days(name: str) -> pl.Expr:
    """Sum a column over the other days of the same source."""
    return pl.col(name).sum().over("source") - pl.col(name)


def _local_day(name: str, timezone: str) -> pl.Expr:
    return pl.col(name).cast(INSTANT).dt.convert_time_zone(timezone).dt.date()
