"""Forecast volume and AHT from the history, with prediction intervals from past weekly origins."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from wfm.core.errors import UsageError
from wfm.engine.forecast.baselines import fit_calendar_model
from wfm.engine.forecast.calendar import (
    DayCalendar,
    build_calendar,
    read_dates,
    read_holidays,
    select_closing_holidays,
)
from wfm.engine.forecast.daily_level import STEP_SD
from wfm.engine.forecast.handle_time import CALL_CV, DAY_OVERDISPERSION, expect_aht
from wfm.engine.forecast.panel import (
    INTERVAL_LENGTH,
    FloatArray,
    HistoryPanel,
    add_local_slot,
    build_panels,
    check_history,
    list_intervals,
)
from wfm.engine.forecast.prediction_intervals import (
    QUANTILE_LEVELS,
    compute_aht_scale,
    compute_error_quantiles,
    compute_volume_scale,
    interpolate_quantiles,
)

CALIBRATION_WEEKS: Final = 8
"""Past weekly origins that calibrate the prediction intervals."""
MIN_HISTORY_DAYS: Final = 14
"""The fewest days of history before a past origin that is used for calibration."""
CARRY_OVER: Final = 0.5
"""How much of a deviation so far today is expected to last for the rest of the day."""


@dataclass(frozen=True)
class ExpectedLoad:
    """The expectation at one origin: volume, handled, AHT (queue × horizon day × slot); φ per queue."""

    volume: FloatArray
    handled: FloatArray
    aht: FloatArray
    overdispersion: FloatArray


def expect_load(panel: HistoryPanel, days: DayCalendar) -> ExpectedLoad:
    """Compute the expected volume and AHT on the days after the panel's last full one."""
    volume, overdispersion = fit_calendar_model(panel, days)
    # the share of the last 13 weeks: older abandonment says little about the next days
    entered, handled = (x[:, -91:].sum(axis=(1, 2), dtype=float) for x in (panel.entered, panel.handled))
    answered = np.divide(handled, entered, out=np.ones_like(handled), where=entered > 0)
    return ExpectedLoad(volume, volume * answered[:, None, None], expect_aht(panel, days), overdispersion)


def adjust_to_today(panel: HistoryPanel, expected: ExpectedLoad) -> ExpectedLoad:
    """Adjust the rest of today to the calls received so far today.

    Multiplies by (received / expected)^b with b = CARRY_OVER φ / (φ + 1/expected): the linear predictor of a day's
    random effect from a part of the day (Weinberg, Brown & Stroud 2007).
    """
    if not panel.today:
        return expected
    elapsed = panel.slot_counts[-1] > 0
    received = panel.entered[:, -1, elapsed].sum(axis=1)
    due = (expected.volume[:, 0] * panel.slot_counts[-1])[:, elapsed].sum(axis=1)
    trust = CARRY_OVER * expected.overdispersion / (expected.overdispersion + 1 / np.maximum(due, 1e-9))
    factor = np.where(due > 0, np.clip((received + 0.5) / (due + 0.5), 0.25, 4.0) ** trust, 1.0)
    volume, handled = expected.volume.copy(), expected.handled.copy()
    volume[:, 0] *= factor[:, None]
    handled[:, 0] *= factor[:, None]
    return replace(expected, volume=volume, handled=handled)


@dataclass(frozen=True)
class ForecastErrors:
    """The forecast errors of a past origin: z and interval size, each queue × interval; NaN = not scored."""

    volume: FloatArray
    volume_size: FloatArray
    aht: FloatArray
    aht_size: FloatArray


def compute_errors(panel: HistoryPanel, expected: ExpectedLoad, start: int) -> ForecastErrors:
    """Compare the forecast from day `start` on with the actuals in the panel."""
    end = min(start + expected.volume.shape[1], panel.full_days)
    at = slice(start, end)
    volume, handled, aht = (x[:, : end - start] for x in (expected.volume, expected.handled, expected.aht))
    scored = panel.usable_days[:, at, None] & (panel.slot_counts[at] > 0) & (volume > 0)
    z = (panel.entered[:, at] - volume) / compute_volume_scale(
        np.maximum(volume, 1e-9), expected.overdispersion[:, None, None]
    )
    calls = panel.handled[:, at]
    actual = panel.handle_s[:, at] / np.maximum(calls, 1)
    # NaN where there is no AHT
    z_aht = (actual - aht) / compute_aht_scale(aht, handled, CALL_CV, DAY_OVERDISPERSION)
    flat = (len(volume), -1)
    return ForecastErrors(
        np.where(scored, z, np.nan).reshape(flat),
        volume.reshape(flat),
        np.where(scored & (calls > 0), z_aht, np.nan).reshape(flat),
        handled.reshape(flat),
    )


def compute_past_errors(panel: HistoryPanel, holiday: pl.DataFrame) -> list[ForecastErrors]:
    """Forecast each of the last weeks from its own beginning and return the errors."""
    out = []
    for start in range(panel.full_days - 7, MIN_HISTORY_DAYS - 1, -7)[:CALIBRATION_WEEKS]:
        expected = expect_load(panel.truncate_to(start), build_calendar(panel.days[: start + 7], holiday))
        out.append(compute_errors(panel, expected, start))
    return out


@dataclass(frozen=True)
class PredictionIntervals:
    """The quantiles p10, p50 and p90 of volume and AHT: level × queue × horizon day × slot."""

    volume: FloatArray
    aht: FloatArray


def build_prediction_intervals(expected: ExpectedLoad, past: list[ForecastErrors]) -> PredictionIntervals:
    """Build prediction intervals from the errors of past origins; they widen with the horizon as the level drifts."""
    # calibration covers one week ahead; beyond it the drift of the level is added
    week = np.arange(expected.volume.shape[1])[:, None] / 7
    overdispersion = expected.overdispersion[:, None, None] + STEP_SD**2 * np.maximum(week - 1, 0)
    z = _interpolate_past_errors(expected.volume, [m.volume for m in past], [m.volume_size for m in past])
    volume = np.maximum(expected.volume + z * compute_volume_scale(expected.volume, overdispersion), 0)
    z = _interpolate_past_errors(expected.handled, [m.aht for m in past], [m.aht_size for m in past])
    aht = np.maximum(
        expected.aht + z * compute_aht_scale(expected.aht, expected.handled, CALL_CV, DAY_OVERDISPERSION), 0
    )
    return PredictionIntervals(volume, aht)


def _interpolate_past_errors(
    size: FloatArray, z: list[FloatArray], past_size: list[FloatArray]
) -> FloatArray:
    """Interpolate the quantiles of past z at each interval's size: level × the shape of `size`."""
    none = np.zeros((len(size), 0))
    found = compute_error_quantiles(
        np.concatenate([none, *z], axis=1), np.concatenate([none, *past_size], axis=1)
    )
    return interpolate_quantiles(size.reshape(len(size), -1), *found).reshape(-1, *size.shape)


def forecast_intervals(
    interval_volume: pl.DataFrame,
    *,
    origin: datetime,
    horizon: timedelta,
    timezone: str,
    holiday: pl.DataFrame | None = None,
    missing: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Forecast volume and AHT of every queue for each 15-minute interval of [origin, origin + horizon).

    Args:
        interval_volume: queue_id, interval_start (instant), entered, abandoned, sum_handle_time_s and optionally
            handled (else entered − abandoned); an absent row is an interval without calls.
        origin: only intervals that ended by it are used; the first forecast interval starts at or after it.
        horizon: length of the forecast.
        timezone: of local days.
        holiday: on (local date), name and optionally category, past and future; without category every row must be a
            public holiday.
        missing: on (local dates): days not to learn from; days without a recording are also detected.

    Returns:
        queue_id interval_start volume volume_p10 volume_p50 volume_p90 (calls that enter; volume is the mean) aht_s
        aht_p10 aht_p90 (seconds; null for a queue that never handled a call) model origin.

    Raises:
        InputError: a frame is not usable.
        UsageError: an argument is not valid.
    """
    if origin.tzinfo is None:
        raise UsageError("origin has no time zone: give an instant such as 2026-03-01T00:00+00:00")
    if horizon <= timedelta(0):
        raise UsageError(f"horizon is {horizon}: give a positive length such as 14 days")
    check_history(interval_volume, timezone)
    named = read_holidays(holiday)
    rows = list_horizon_intervals(origin, horizon, timezone)
    frames = []
    for panel in build_panels(
        interval_volume,
        origin=origin,
        timezone=timezone,
        holiday=select_closing_holidays(named),
        missing=read_dates(missing),
    ):
        days = build_calendar(np.arange(panel.days[0], np.datetime64(rows["on"][-1]) + 1), named)
        expected = adjust_to_today(panel, expect_load(panel, days))
        frames.append(
            build_forecast_frame(
                panel,
                rows,
                expected,
                build_prediction_intervals(expected, compute_past_errors(panel, named)),
                origin,
            )
        )
    return pl.concat(frames)


def list_horizon_intervals(origin: datetime, horizon: timedelta, timezone: str) -> pl.DataFrame:
    """List the horizon's intervals, their local dates and slots; the first starts at or after the origin.

    The horizon is time elapsed, whatever clock the origin is written in.
    """
    utc = origin.astimezone(UTC)
    start = utc + (datetime.min.replace(tzinfo=UTC) - utc) % INTERVAL_LENGTH
    return add_local_slot(list_intervals(start, max(utc + horizon, start + INTERVAL_LENGTH)), timezone)


def build_forecast_frame(
    panel: HistoryPanel,
    rows: pl.DataFrame,
    expected: ExpectedLoad,
    intervals: PredictionIntervals,
    origin: datetime,
) -> pl.DataFrame:
    """Build the forecast frame: one row per queue and interval, read from the local grid."""
    day = (rows["on"].to_numpy().astype("datetime64[D]") - panel.days[0]).astype(int) - panel.full_days
    slot = rows["slot"].to_numpy()
    values = {
        "volume": expected.volume,
        **{f"volume_p{round(100 * level)}": intervals.volume[k] for k, level in enumerate(QUANTILE_LEVELS)},
        "aht_s": expected.aht,
        "aht_p10": intervals.aht[0],
        "aht_p90": intervals.aht[2],
    }
    size = len(panel.queues)
    frame = pl.DataFrame(
        {name: value[:, day, slot].ravel().astype(np.float64) for name, value in values.items()}
    )
    keys = pl.DataFrame(
        {"queue_id": np.repeat(np.array(panel.queues), len(rows))}, schema={"queue_id": pl.String}
    )
    when = pl.concat([rows.select("interval_start")] * size)
    return pl.concat([keys, when, frame.fill_nan(None)], how="horizontal").with_columns(
        pl.lit("calendar").alias("model"),
        pl.lit(origin).dt.convert_time_zone("UTC").dt.cast_time_unit("us").alias("origin"),
    )
