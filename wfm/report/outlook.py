"""The forecast as people read it: per day, as an average day, and beside its measured error."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.happenings import UTC
from wfm.report.scores import Frame, eager
from wfm.report.volume import named

FORECAST: Final[dict[str, pl.DataType]] = {
    "queue_id": pl.String(),
    "interval_start": UTC,
    "volume": pl.Float64(),
    "volume_p10": pl.Float64(),
    "volume_p50": pl.Float64(),
    "volume_p90": pl.Float64(),
    "aht_s": pl.Float64(),
    "aht_p10": pl.Float64(),
    "aht_p90": pl.Float64(),
    "model": pl.String(),
    "origin": UTC,
    "made_at": UTC,
}
ACCURACY: Final[dict[str, pl.DataType]] = {
    "queue_id": pl.String(),
    "measure": pl.String(),
    "model": pl.String(),
    "wape": pl.Float64(),
    "bias": pl.Float64(),
    "coverage": pl.Float64(),
}
FLOOR: Final = "noise_floor"
RIVALS: Final = ("last_week", "median_6", "mean_8", FLOOR)
DENSE: Final = 0.5
MEASURES: Final = ("volume", "handle_s", "aht_s")


def forecast(frame: Frame | None, queue: Frame | None, timezone: str) -> pl.DataFrame:
    """Take forecast rows, with label, on (local date) and slot (minute of the local day)."""
    rows = eager(frame)
    if rows is None:
        rows = pl.DataFrame(schema=FORECAST)
    known = [pl.col(name).cast(dtype) for name, dtype in FORECAST.items() if name in rows.columns]
    lacking = [
        pl.lit(None, dtype).alias(name) for name, dtype in FORECAST.items() if name not in rows.columns
    ]
    local = pl.col("interval_start").dt.convert_time_zone(timezone)
    return named(rows.select(*known, *lacking).select(list(FORECAST)), queue).with_columns(
        on=local.dt.date(), slot=local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute().cast(pl.Int32)
    )


def per_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum per queue and day; the band is the sum of the quarter-hours' bands.

    Quantiles of rare calls do not add up (of 0.1 calls a quarter-hour the p90 is 0, of a day's 10 it is
    not): a queue
    with fewer than `DENSE` expected calls per quarter-hour of its open time has no band.
    """
    volumes = pl.col("volume", "volume_p10", "volume_p90").sum()
    talk = (pl.col("volume") * pl.col("aht_s")).sum() / pl.col("volume").filter(
        pl.col("aht_s").is_not_null()
    ).sum()
    return (
        rows.group_by("queue_id", "label", "on", maintain_order=True)
        .agg(volumes, aht_s=talk, intervals=pl.len())
        .with_columns(pl.col("aht_s").fill_nan(None))
        .pipe(_drawn, rows)
        .sort("queue_id", "on")
    )


def profile(rows: pl.DataFrame) -> pl.DataFrame:
    """Average per queue and quarter-hour of the day over the days forecast."""
    return (
        rows.group_by("queue_id", "label", "slot", maintain_order=True)
        .agg(pl.col("volume", "volume_p10", "volume_p90", "aht_s").mean(), days=pl.len())
        .pipe(_drawn, rows)
        .sort("queue_id", "slot")
    )


def _drawn(sums: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the bands of queues with too few calls for one."""
    open_ = rows.filter(pl.col("volume") > 0)
    usual = open_.group_by("queue_id").agg(usual=pl.col("volume").mean())
    dense = sums.join(usual, on="queue_id", how="left", maintain_order="left")
    return dense.with_columns(
        pl.when(pl.col("usual") >= DENSE).then(pl.col("volume_p10", "volume_p90"))
    ).drop("usual")


def accuracy(frame: Frame | None) -> pl.DataFrame:
    """Take errors, a row or a column per model, as queue_id measure model wape bias coverage."""
    rows = eager(frame)
    if rows is None or rows.is_empty():
        return pl.DataFrame(schema=ACCURACY)
    rows = rows.rename({"wape15": "wape", "floor": FLOOR}, strict=False)
    keys: list[str] = [name for name in ("queue_id", "measure") if name in rows.columns]
    long = _long(rows, keys) if "wape" in rows.columns else _wide(rows, keys)
    lacking = {name: dtype for name, dtype in ACCURACY.items() if name not in long.columns}
    full = long.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items())
    return full.select(pl.col(name).cast(dtype) for name, dtype in ACCURACY.items()).drop_nulls("wape")


def _long(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    columns = [*keys, *(name for name in ("model", "wape", "bias", "coverage") if name in rows.columns)]
    found = [rows.select(columns)]
    if FLOOR in rows.columns:
        found.append(
            rows.drop_nulls(FLOOR)
            .unique(keys, keep="first", maintain_order=True)
            .select(*keys, model=pl.lit(FLOOR), wape=pl.col(FLOOR))
        )
    return pl.concat(found, how="diagonal")


def _wide(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Turn a column per model into rows; a column ``model`` then names ours or holds its error."""
    numeric = [
        n for n, d in rows.schema.items() if d.is_numeric() and n in ("model", "ours", "calendar", *RIVALS)
    ]
    long = rows.select(*keys, *numeric).unpivot(numeric, index=keys, variable_name="of", value_name="wape")
    return long.rename({"of": "model"}).with_columns(pl.col("model").replace("model", "ours"))
