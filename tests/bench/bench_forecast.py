"""Measure the forecast on real data, and its speed.

    python tests/bench/bench_forecast.py --bank-calls calls_5min.parquet --anonymous-bank DIRECTORY [--speed]

`--bank-calls`: parquet with interval_start_local (5 minutes, local clock) and calls; weekdays 81–130,
counted with the holidays on which nothing is recorded, 07–21 h. `--anonymous-bank`: directory with
volume_15min.parquet (queue, interval_start, entered, answered, abandoned, sum_handle_time_s) and
calendar.csv (date, missing); the last 70 days, 07–24 h, summed over queues and queue by queue. Origins are
weekly, the week ahead is scored; WAPE15, bias and coverage are in percent.
"""

import argparse
import resource
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import holidays
import numpy as np
import polars as pl

from wfm.engine.forecast import forecast_intervals, run_backtest, summarise_accuracy


def holiday_frame(country: str, years: range, categories: list[str]) -> pl.DataFrame:
    """List a country's holidays: on, name, category."""
    rows = [
        (on, name, category)
        for category in categories
        for on, name in holidays.country_holidays(country, years=years, categories=category).items()
    ]
    return pl.DataFrame(rows, schema={"on": pl.Date, "name": pl.String, "category": pl.String}, orient="row")


def bank_calls(path: Path) -> dict[str, pl.DataFrame]:
    local = pl.col("interval_start_local").dt.truncate("15m")
    calls = pl.read_parquet(path).group_by(local).agg(pl.sum("calls").cast(pl.Int64).alias("entered"))
    calls = calls.filter(pl.col("interval_start_local").dt.hour() < 21)
    days = pl.date_range(date(2003, 3, 3), date(2003, 9, 5), "1d", eager=True).alias("on").to_frame()
    heard = calls.select(pl.col("interval_start_local").dt.date().alias("on")).unique()
    missing = days.filter(pl.col("on").dt.weekday() <= 5).join(heard, on="on", how="anti")
    history = calls.select(
        pl.lit("bank").alias("queue_id"),
        pl.col("interval_start_local").dt.replace_time_zone("America/New_York").alias("interval_start"),
        "entered",
        pl.lit(0).alias("abandoned"),
        pl.lit(0.0).alias("sum_handle_time_s"),
    )
    rows = run_backtest(
        history,
        timezone="America/New_York",
        weeks=10,
        until=date(2003, 9, 1),
        missing=missing,
        holiday=holiday_frame("US", range(2002, 2004), ["public"]),
    )
    return {"bank_calls, weekdays 81-130, 07-21 h": rows.filter(pl.col("slot").is_between(28, 83))}


def anonymous_bank(directory: Path, until: date) -> dict[str, pl.DataFrame]:
    names = {"queue": "queue_id", "answered": "handled"}
    queues = pl.read_parquet(directory / "volume_15min.parquet").rename(names).drop("answered_within_20s")
    days = pl.read_csv(directory / "calendar.csv", try_parse_dates=True).rename({"date": "on"})
    missing = days.filter(pl.col("missing"))
    whole = queues.group_by("interval_start").agg(pl.exclude("queue_id").sum())
    whole = whole.with_columns(pl.lit("all").alias("queue_id"))
    holiday = holiday_frame("IL", range(1998, 2000), ["public", "optional"])
    tables = {}
    for title, history in (("one queue", whole), ("six queues", queues)):
        rows = run_backtest(
            history, timezone="Asia/Jerusalem", weeks=10, until=until, holiday=holiday, missing=missing
        )
        tables[f"anonymous_bank, last 70 days, 07-24 h, {title}"] = rows.filter(pl.col("slot") >= 28)
    return tables


def synthetic(queues: int, days: int) -> pl.DataFrame:
    """Draw a centre open 07–22 h, every interval a row."""
    rng = np.random.default_rng(1)
    slot, day = np.arange(96), np.arange(days)
    profile = np.where((slot >= 28) & (slot < 88), np.sin((slot - 28) / 60 * np.pi) + 0.1, 0)
    week = np.array([1.2, 1.1, 1.0, 1.0, 1.05, 0.4, 0.0])[day % 7]
    level = rng.lognormal(2, 1, queues)
    mean = level[:, None, None] * (week * rng.lognormal(0, 0.1, days))[:, None] * profile
    entered = rng.poisson(mean).astype(np.int64).ravel()
    abandoned = rng.binomial(entered, 0.05)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    axis = pl.datetime_range(
        start, start + timedelta(days=days), "15m", closed="left", eager=True, time_unit="us"
    )
    return pl.DataFrame(
        {
            "queue_id": pl.Series(np.arange(queues))
            .cast(pl.String)
            .gather(np.repeat(np.arange(queues), days * 96)),
            "interval_start": pl.concat([axis] * queues),
            "entered": entered,
            "abandoned": abandoned,
            "sum_handle_time_s": (entered - abandoned) * 200.0,
        }
    )


def speed(queues: int) -> None:
    history = synthetic(queues, 730)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    rows = forecast_intervals(
        history,
        origin=datetime(2025, 12, 31, tzinfo=UTC),
        horizon=timedelta(days=28),
        timezone="Europe/London",
        holiday=holiday_frame("GB", range(2023, 2027), ["public"]),
    )
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{queues} queues × 2 years ({len(history):,} rows) → {len(rows):,} rows: {took:.1f} s")
    print(f"peak memory {peak:.2f} GB ({before:.2f} GB before, with the history in memory)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank-calls", type=Path)
    parser.add_argument("--anonymous-bank", type=Path)
    parser.add_argument(
        "--until", type=date.fromisoformat, default=date(1999, 8, 1), help="first day not scored"
    )
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--queues", type=int, default=500)
    given = parser.parse_args()
    tables = bank_calls(given.bank_calls) if given.bank_calls else {}
    if given.anonymous_bank:
        tables |= anonymous_bank(given.anonymous_bank, given.until)
    percent = pl.col("wape15", "bias", "coverage", "noise_floor") * 100
    for title, rows in tables.items():
        print(title)
        with pl.Config(
            tbl_rows=40, tbl_cols=12, tbl_width_chars=140, float_precision=2, tbl_hide_dataframe_shape=True
        ):
            print(summarise_accuracy(rows).with_columns(percent))
    if given.speed:
        speed(given.queues)


if __name__ == "__main__":
    main()
