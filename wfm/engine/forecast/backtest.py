"""Backtest over rolling weekly origins: put the forecasts of every model next to the actuals."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from wfm.core.errors import InputError, UsageError
from wfm.engine.forecast.baselines import FORECAST_MODELS
from wfm.engine.forecast.calendar import (
    DayCalendar,
    build_calendar,
    read_dates,
    read_holidays,
    select_closing_holidays,
)
from wfm.engine.forecast.forecast import (
    CALIBRATION_WEEKS,
    MIN_HISTORY_DAYS,
    ExpectedLoad,
    PredictionIntervals,
    build_prediction_intervals,
    compute_errors,
    compute_past_errors,
    expect_load,
)
from wfm.engine.forecast.metrics import (
    compute_bias,
    compute_coverage,
    compute_noise_floor,
    compute_pinball_loss,
    compute_wape,
)
from wfm.engine.forecast.panel import (
    INTERVAL_LENGTH,
    FloatArray,
    HistoryPanel,
    build_panels,
    check_history,
    find_day_start,
    get_local_date,
)

BASELINES: Final = ("last_week", "mean_8", "median_6", "weekday_level")
OWN_MODEL: Final = "calendar"


def run_backtest(
    interval_volume: pl.DataFrame,
    *,
    timezone: str,
    weeks: int = 10,
    until: date | None = None,
    holiday: pl.DataFrame | None = None,
    missing: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Forecast each of the last `weeks` weeks from its own first local midnight, by every model.

    Args:
        interval_volume, timezone, holiday, missing: as for `forecast_intervals`.
        weeks: number of weekly origins.
        until: the local date at whose midnight the last week ends; None: after the last full day of the history.

    Returns:
        queue_id on slot origin_on model, the actuals entered handled sum_handle_time_s, and the forecasts volume
        volume_p10 volume_p50 volume_p90 aht_s aht_p10 aht_p90 handle_s (seconds); the quantiles only for wfm's own
        model. Missing days are left out.

    Raises:
        InputError: the history is not usable.
        UsageError: the history is shorter than two weeks before the first origin.
    """
    check_history(interval_volume, timezone)
    named = read_holidays(holiday)
    origin = find_day_start(until or _find_history_end(interval_volume, timezone), timezone)
    whole = build_panels(
        interval_volume,
        origin=origin,
        timezone=timezone,
        holiday=select_closing_holidays(named),
        missing=read_dates(missing),
    )
    return pl.concat([_forecast_origins(panel, weeks, named) for panel in whole])


def _find_history_end(history: pl.DataFrame, timezone: str) -> date:
    """Return the date after the last local day that the history covers to its end."""
    if history.is_empty():
        raise InputError("interval_volume is empty: give some history to backtest on")
    end: datetime = history["interval_start"].max()  # type: ignore[assignment]
    return get_local_date(end + INTERVAL_LENGTH, timezone)


def _forecast_origins(panel: HistoryPanel, weeks: int, named: pl.DataFrame) -> pl.DataFrame:
    """Forecast from every weekly origin of a panel; the errors of earlier ones calibrate the prediction intervals."""
    first = panel.full_days - 7 * weeks
    if weeks < 1 or first < MIN_HISTORY_DAYS:
        raise UsageError(
            f"{panel.full_days} days of history are not enough for {weeks} weekly origins: "
            "use fewer or give more history"
        )
    past, frames = compute_past_errors(panel.truncate_to(first), named)[::-1], []
    # an origin may only use the errors of earlier ones: those are what was known at its time
    for start in range(first, panel.full_days, 7):
        history, days = panel.truncate_to(start), build_calendar(panel.days[: start + 7], named)
        expected = expect_load(history, days)
        frames.append(
            _build_origin_rows(
                panel,
                start,
                history,
                days,
                expected,
                build_prediction_intervals(expected, past[-CALIBRATION_WEEKS:]),
            )
        )
        past.append(compute_errors(panel, expected, start))
    return pl.concat(frames)


def _build_origin_rows(
    panel: HistoryPanel,
    start: int,
    history: HistoryPanel,
    days: DayCalendar,
    expected: ExpectedLoad,
    intervals: PredictionIntervals,
) -> pl.DataFrame:
    """Build the rows of one origin: the forecasts of every model next to the actuals."""
    at = slice(start, min(start + 7, panel.full_days))
    keep = np.broadcast_to(
        panel.usable_days[:, at, None] & (panel.slot_counts[at] > 0), expected.volume.shape
    )
    queue, day, slot = np.nonzero(keep)
    keys = {
        "queue_id": np.array(panel.queues)[queue],
        "on": panel.days[at][day],
        "slot": slot,
        "entered": panel.entered[:, at][keep],
        "handled": panel.handled[:, at][keep],
        "sum_handle_time_s": panel.handle_s[:, at][keep],
    }
    own = {
        "volume": expected.volume,
        **{f"volume_p{level}": intervals.volume[k] for k, level in enumerate((10, 50, 90))},
        "aht_s": expected.aht,
        "aht_p10": intervals.aht[0],
        "aht_p90": intervals.aht[2],
        "handle_s": FORECAST_MODELS[OWN_MODEL](history, days, "handled") * np.nan_to_num(expected.aht),
    }
    frames = [_build_model_rows(keys, {name: value[keep] for name, value in own.items()}, OWN_MODEL)]
    for name in BASELINES:
        volume, handled, handle_s = (
            FORECAST_MODELS[name](history, days, m)[keep] for m in ("entered", "handled", "handle_s")
        )
        aht = np.divide(handle_s, handled, out=np.full_like(handle_s, np.nan), where=handled > 0)
        frames.append(_build_model_rows(keys, {"volume": volume, "aht_s": aht, "handle_s": handle_s}, name))
    return pl.concat(frames, how="diagonal").with_columns(
        pl.lit(panel.days[start]).cast(pl.Date).alias("origin_on")
    )


def _build_model_rows(keys: Mapping[str, Any], values: Mapping[str, FloatArray], model: str) -> pl.DataFrame:
    """Build the rows of one model from flat arrays; NaN becomes null."""
    numbers = {name: np.asarray(value, np.float64) for name, value in values.items()}
    frame = pl.DataFrame({**keys, **numbers}).with_columns(pl.lit(model).alias("model"))
    return frame.with_columns(pl.col("on").cast(pl.Date), pl.col(*numbers).fill_nan(None))


def summarise_accuracy(rows: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Summarise a backtest: one row per model and measure (volume, handle_s, aht_s), and per `by` columns.

    Args:
        rows: as from `run_backtest`.
        by: columns of `rows` to group by as well.

    Returns:
        `by`, model, measure, wape15, bias, pinball (mean over p10, p50 and p90; in calls or seconds), coverage of the
        p10–p90 prediction interval, noise_floor (volume only), intervals: how many had calls or expected calls. AHT's
        wape15 and bias are weighted by calls.
    """
    keys = [*by, "model"]
    rows = rows.with_columns((pl.col("sum_handle_time_s") / pl.col("handled")).alias("actual_aht"))
    open_ = rows.filter((pl.col("entered") > 0) | (pl.col("volume") > 0))
    calls = open_.filter((pl.col("handled") > 0) & pl.col("aht_s").is_not_null())
    tables = [
        _compute_measures(open_, keys, "volume", "volume", "entered", None),
        _compute_measures(open_, keys, "handle_s", "handle_s", "sum_handle_time_s", None),
        _compute_measures(calls, keys, "aht_s", "aht", "actual_aht", "handled"),
    ]
    return pl.concat(tables, how="diagonal").sort("measure", *keys, descending=[True] + [False] * len(keys))


def _compute_measures(
    rows: pl.DataFrame, keys: list[str], measure: str, interval: str, actual: str, weight: str | None
) -> pl.DataFrame:
    """Compute the error measures of one column of forecasts, per group."""
    forecast, actuals = pl.col(measure), pl.col(actual).cast(pl.Float64)
    weigh = pl.col(weight) if weight else pl.lit(1.0)
    columns = [
        compute_wape(forecast, actuals, weigh).alias("wape15"),
        compute_bias(forecast, actuals, weigh).alias("bias"),
    ]
    if f"{interval}_p10" in rows.columns:
        low, high = pl.col(f"{interval}_p10"), pl.col(f"{interval}_p90")
        middle = pl.col(f"{interval}_p50") if f"{interval}_p50" in rows.columns else forecast
        loss = (
            compute_pinball_loss(low, actuals, 0.1)
            + compute_pinball_loss(middle, actuals, 0.5)
            + compute_pinball_loss(high, actuals, 0.9)
        ) / 3
        columns += [loss.alias("pinball"), compute_coverage(low, high, actuals).alias("coverage")]
    if measure == "volume":
        columns.append(compute_noise_floor(actuals).alias("noise_floor"))
    table = rows.group_by(keys).agg(*columns, pl.len().alias("intervals"))
    return table.with_columns(pl.lit(measure).alias("measure"))
