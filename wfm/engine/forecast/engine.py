"""The forecast: expected volume and AHT from the history, prediction intervals from past weekly origins."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from wfm.engine.forecast.calendar import Calendar, calendar, closing, dates, holidays_of
from wfm.engine.forecast.handle_time import CALL_CV, DAY_SHAKE, expect_aht
from wfm.engine.forecast.level import STEP_SD
from wfm.engine.forecast.models import calendar_fit
from wfm.engine.forecast.panel import INTERVAL, Floats, Panel, check, instants, local_slot, panels
from wfm.engine.forecast.quantiles import LEVELS, aht_scale, miss_quantiles, read_quantiles, volume_scale
from wfm.errors import UsageError

WEEKS: Final = 8
"""Past weekly origins that calibrate the prediction intervals."""
LEAST_DAYS: Final = 14
"""The fewest days of history before a past origin that is used for calibration."""
CARRY: Final = 0.5
"""How much of a deviation so far today is expected to last for the rest of the day."""


@dataclass(frozen=True)
class Expected:
    """The expectation at one origin: volume, handled, AHT (queue × horizon day × slot); φ per queue."""

    volume: Floats
    handled: Floats
    aht: Floats
    overdispersion: Floats


def expect(panel: Panel, days: Calendar) -> Expected:
    """Compute the expected volume and AHT on the days after the panel's last full one."""
    volume, overdispersion = calendar_fit(panel, days)
    entered, handled = (x[:, -91:].sum(axis=(1, 2), dtype=float) for x in (panel.entered, panel.handled))
    answered = np.divide(handled, entered, out=np.ones_like(handled), where=entered > 0)
    return Expected(volume, volume * answered[:, None, None], expect_aht(panel, days), overdispersion)


def catch_up(panel: Panel, expected: Expected) -> Expected:
    """Adjust the rest of today to the calls received so far today.

    Multiplies by (received / expected)^b with b = CARRY_OVER φ / (φ + 1/expected): the linear predictor of a day's
    random effect from a part of the day (Weinberg, Brown & Stroud 2007).
    """
    if not panel.today:
        return expected
    elapsed = panel.seen[-1] > 0
    came = panel.entered[:, -1, elapsed].sum(axis=1)
    due = (expected.volume[:, 0] * panel.seen[-1])[:, elapsed].sum(axis=1)
    trust = CARRY * expected.overdispersion / (expected.overdispersion + 1 / np.maximum(due, 1e-9))
    factor = np.where(due > 0, np.clip((came + 0.5) / (due + 0.5), 0.25, 4.0) ** trust, 1.0)
    volume, handled = expected.volume.copy(), expected.handled.copy()
    volume[:, 0] *= factor[:, None]
    handled[:, 0] *= factor[:, None]
    return replace(expected, volume=volume, handled=handled)


@dataclass(frozen=True)
class Misses:
    """The forecast errors of a past origin: z and interval size, each queue × interval; NaN = not scored."""

    volume: Floats
    volume_size: Floats
    aht: Floats
    aht_size: Floats


def misses(panel: Panel, expected: Expected, start: int) -> Misses:
    """Compare the forecast from day `start` on with the actuals in the panel."""
    end = min(start + expected.volume.shape[1], panel.over)
    at = slice(start, end)
    volume, handled, aht = (x[:, : end - start] for x in (expected.volume, expected.handled, expected.aht))
    scored = panel.usable[:, at, None] & (panel.seen[at] > 0) & (volume > 0)
    z = (panel.entered[:, at] - volume) / volume_scale(
        np.maximum(volume, 1e-9), expected.overdispersion[:, None, None]
    )
    calls = panel.handled[:, at]
    actual = panel.handle_s[:, at] / np.maximum(calls, 1)
    z_aht = (actual - aht) / aht_scale(aht, handled, CALL_CV, DAY_SHAKE)  # NaN where there is no AHT
    flat = (len(volume), -1)
    return Misses(
        np.where(scored, z, np.nan).reshape(flat),
        volume.reshape(flat),
        np.where(scored & (calls > 0), z_aht, np.nan).reshape(flat),
        handled.reshape(flat),
    )


def past_misses(panel: Panel, holiday: pl.DataFrame) -> list[Misses]:
    """Forecast each of the last weeks from its own beginning and return the errors."""
    out = []
    for start in range(panel.over - 7, LEAST_DAYS - 1, -7)[:WEEKS]:
        expected = expect(panel.until(start), calendar(panel.days[: start + 7], holiday))
        out.append(misses(panel, expected, start))
    return out


@dataclass(frozen=True)
class Bands:
    """The quantiles p10, p50 and p90 of volume and AHT: level × queue × horizon day × slot."""

    volume: Floats
    aht: Floats


def bands(expected: Expected, past: list[Misses]) -> Bands:
    """Build prediction intervals from the errors of past origins; they widen with the horizon as the level drifts."""
    week = np.arange(expected.volume.shape[1])[:, None] / 7
    overdispersion = expected.overdispersion[:, None, None] + STEP_SD**2 * np.maximum(week - 1, 0)
    z = _usual_misses(expected.volume, [m.volume for m in past], [m.volume_size for m in past])
    volume = np.maximum(expected.volume + z * volume_scale(expected.volume, overdispersion), 0)
    z = _usual_misses(expected.handled, [m.aht for m in past], [m.aht_size for m in past])
    aht = np.maximum(expected.aht + z * aht_scale(expected.aht, expected.handled, CALL_CV, DAY_SHAKE), 0)
    return Bands(volume, aht)


def _usual_misses(size: Floats, z: list[Floats], past_size: list[Floats]) -> Floats:
    """Interpolate the quantiles of past z at each interval's size: level × the shape of `size`."""
    none = np.zeros((len(size), 0))
    found = miss_quantiles(np.concatenate([none, *z], axis=1), np.concatenate([none, *past_size], axis=1))
    return read_quantiles(size.reshape(len(size), -1), *found).reshape(-1, *size.shape)


def forecast(
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
    check(interval_volume, timezone)
    named = holidays_of(holiday)
    rows = ahead(origin, horizon, timezone)
    frames = []
    for panel in panels(
        interval_volume, origin=origin, timezone=timezone, holiday=closing(named), missing=dates(missing)
    ):
        days = calendar(np.arange(panel.days[0], np.datetime64(rows["on"][-1]) + 1), named)
        expected = catch_up(panel, expect(panel, days))
        frames.append(lay_out(panel, rows, expected, bands(expected, past_misses(panel, named)), origin))
    return pl.concat(frames)


def ahead(origin: datetime, horizon: timedelta, timezone: str) -> pl.DataFrame:
    """List the horizon's intervals, their local dates and slots; the first starts at or after the origin.

    The horizon is time elapsed, whatever clock the origin is written in.
    """
    utc = origin.astimezone(UTC)
    start = utc + (datetime.min.replace(tzinfo=UTC) - utc) % INTERVAL
    return local_slot(instants(start, max(utc + horizon, start + INTERVAL)), timezone)


def lay_out(
    panel: Panel, rows: pl.DataFrame, expected: Expected, intervals: Bands, origin: datetime
) -> pl.DataFrame:
    """Build the forecast frame: one row per queue and interval, read from the local grid."""
    day = (rows["on"].to_numpy().astype("datetime64[D]") - panel.days[0]).astype(int) - panel.over
    slot = rows["slot"].to_numpy()
    values = {
        "volume": expected.volume,
        **{f"volume_p{round(100 * level)}": intervals.volume[k] for k, level in enumerate(LEVELS)},
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
