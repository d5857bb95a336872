"""Arrange the forecast for reading: per day, as an average day, and with its measured error."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.report.scores import AnyFrame, collect_frame
from wfm.report.volume import add_queue_label

FORECAST_COLUMNS: Final[dict[str, pl.DataType]] = {
    "queue_id": pl.String(),
    "interval_start": INSTANT,
    "volume": pl.Float64(),
    "volume_p10": pl.Float64(),
    "volume_p50": pl.Float64(),
    "volume_p90": pl.Float64(),
    "aht_s": pl.Float64(),
    "aht_p10": pl.Float64(),
    "aht_p90": pl.Float64(),
    "model": pl.String(),
    "origin": INSTANT,
    "made_at": INSTANT,
}
ACCURACY_COLUMNS: Final[dict[str, pl.DataType]] = {
    "queue_id": pl.String(),
    "measure": pl.String(),
    "model": pl.String(),
    "wape": pl.Float64(),
    "bias": pl.Float64(),
    "coverage": pl.Float64(),
}
NOISE_FLOOR: Final = "noise_floor"
BASELINES: Final = ("last_week", "median_6", "mean_8", NOISE_FLOOR)
MEASURES: Final = ("volume", "handle_s", "aht_s")
MIN_CALLS_FOR_BAND: Final = 0.5
"""Expected calls per quarter-hour of a queue's open time below which its band is not shown."""


def conform_forecast(frame: AnyFrame | None, queue: AnyFrame | None, timezone: str) -> pl.DataFrame:
    """Return forecast rows with label, on (local date) and slot (minute of the local day)."""
    rows = collect_frame(frame)
    if rows is None:
        rows = pl.DataFrame(schema=FORECAST_COLUMNS)
    columns = [
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in FORECAST_COLUMNS.items()
    ]
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    return add_queue_label(rows.select(columns), queue).with_columns(
        on=local.dt.date(), slot=local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute().cast(pl.Int32)
    )


def sum_by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum the forecast per queue and day; a day's band is the sum of its quarter-hours' bands.

    Quantiles of rare calls do not add up (of 0.1 calls a quarter-hour the p90 is 0, of a day's 10 it is not): a queue
    with fewer than `MIN_CALLS_FOR_BAND` expected calls per quarter-hour of its open time has no band.
    """
    volumes = pl.col("volume", "volume_p10", "volume_p90").sum()
    handle_s = (pl.col("volume") * pl.col("aht_s")).sum()
    timed_calls = pl.col("volume").filter(pl.col("aht_s").is_not_null()).sum()
    return (
        rows.group_by("queue_id", "label", "on", maintain_order=True)
        .agg(volumes, aht_s=handle_s / timed_calls, intervals=pl.len())
        .with_columns(pl.col("aht_s").fill_nan(None))
        .pipe(_drop_sparse_bands, rows)
        .sort("queue_id", "on")
    )


def average_by_slot(rows: pl.DataFrame) -> pl.DataFrame:
    """Average the forecast per queue and quarter-hour of the day, over the days forecast."""
    return (
        rows.group_by("queue_id", "label", "slot", maintain_order=True)
        .agg(pl.col("volume", "volume_p10", "volume_p90", "aht_s").mean(), days=pl.len())
        .pipe(_drop_sparse_bands, rows)
        .sort("queue_id", "slot")
    )


def _drop_sparse_bands(sums: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Set to null the bands of queues with too few calls for one."""
    usual = rows.filter(pl.col("volume") > 0).group_by("queue_id").agg(usual=pl.col("volume").mean())
    return (
        sums.join(usual, on="queue_id", how="left", maintain_order="left")
        .with_columns(pl.when(pl.col("usual") >= MIN_CALLS_FOR_BAND).then(pl.col("volume_p10", "volume_p90")))
        .drop("usual")
    )


def conform_accuracy(frame: AnyFrame | None) -> pl.DataFrame:
    """Return measured errors, given as a row or a column per model, as queue_id measure model wape bias coverage."""
    rows = collect_frame(frame)
    if rows is None or rows.is_empty():
        return pl.DataFrame(schema=ACCURACY_COLUMNS)
    rows = rows.rename({"wape15": "wape", "floor": NOISE_FLOOR}, strict=False)
    keys: list[str] = [name for name in ("queue_id", "measure") if name in rows.columns]
    long = _stack_noise_floor(rows, keys) if "wape" in rows.columns else _stack_models(rows, keys)
    return long.select(
        pl.col(name).cast(dtype) if name in long.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in ACCURACY_COLUMNS.items()
    ).drop_nulls("wape")


def _stack_noise_floor(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return a row per model, and turn the column of the noise floor into a row per queue and measure."""
    columns = [*keys, *(name for name in ("model", "wape", "bias", "coverage") if name in rows.columns)]
    parts = [rows.select(columns)]
    if NOISE_FLOOR in rows.columns:
        parts.append(
            rows.drop_nulls(NOISE_FLOOR)
            .unique(keys, keep="first", maintain_order=True)
            .select(*keys, model=pl.lit(NOISE_FLOOR), wape=pl.col(NOISE_FLOOR))
        )
    return pl.concat(parts, how="diagonal")


def _stack_models(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Turn a column per model into rows; a column ``model`` is our error and becomes ``ours``."""
    models = [
        name
        for name, dtype in rows.schema.items()
        if dtype.is_numeric() and name in ("model", "ours", "calendar", *BASELINES)
    ]
    # unpivot cannot name a column that the frame still has, so the models go into "of" first.
    long = rows.select(*keys, *models).unpivot(models, index=keys, variable_name="of", value_name="wape")
    return long.rename({"of": "model"}).with_columns(pl.col("model").replace("model", "ours"))
