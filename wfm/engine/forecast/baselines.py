"""Define the forecast models, baselines and our own: (panel, calendar) → expected calls, queue × horizon day × slot."""

import warnings
from collections.abc import Callable
from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import DayCalendar
from wfm.engine.forecast.daily_level import build_design, fit_daily
from wfm.engine.forecast.intraday_profile import fit_weekday_profile
from wfm.engine.forecast.panel import SLOTS_PER_DAY, BoolArray, FloatArray, HistoryPanel, IntArray
from wfm.engine.forecast.special_days import find_acting_weekdays

CLOSED_SAMPLE_DAYS: Final = 10
"""Number of last days of a weekday from which closed slots are learnt."""
MAX_BUSY_SHARE: Final = 0.25
"""A slot is closed if the share of these days with any call in it is below this …"""
MAX_CLOSED_LEVEL: Final = 0.02
"""… and its mean is below this share of the busiest slot's."""


def compute_calls_per_interval(panel: HistoryPanel, measure: str) -> FloatArray:
    """Return calls per interval: slots that occurred twice are averaged, slots that did not occur are NaN."""
    calls: FloatArray = getattr(panel, measure)
    return np.where(panel.slot_counts > 0, calls / np.maximum(panel.slot_counts, 1), np.nan)


def stack_same_weekdays(panel: HistoryPanel, calendar: DayCalendar, measure: str, count: int) -> FloatArray:
    """Stack the last `count` full, not missing days of each horizon day's weekday.

    The result is count × queue × horizon day × slot; NaN where there is no such day.
    """
    rate = compute_calls_per_interval(panel, measure)
    # index -1, a day that does not exist, picks this extra day of NaN
    rate = np.concatenate([rate, np.full_like(rate[:, :1], np.nan)], axis=1)
    past = np.flatnonzero(~panel.missing[: panel.full_days])
    picked = np.full((count, 7), -1)
    for day in range(7):
        last = past[calendar.weekdays[past] == day][::-1][:count]
        picked[: len(last), day] = last
    return np.moveaxis(rate[:, picked[:, calendar.weekdays[panel.full_days :]]], 1, 0)


def predict_last_week(panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered") -> FloatArray:
    """Repeat the last same weekday."""
    return _replace_nan(stack_same_weekdays(panel, calendar, measure, 1)[0])


def predict_median_6(panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered") -> FloatArray:
    """Take the median of the last six same weekdays."""
    return _summarise_days(np.nanmedian, stack_same_weekdays(panel, calendar, measure, 6))


def predict_mean_8(panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered") -> FloatArray:
    """Take the mean of the last eight same weekdays."""
    return _summarise_days(np.nanmean, stack_same_weekdays(panel, calendar, measure, 8))


def predict_weekday_level(panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered") -> FloatArray:
    """Scale the mean of the last eight same weekdays by the level of the last fortnight."""
    mean = _summarise_days(np.nanmean, stack_same_weekdays(panel, calendar, measure, 8))
    week = np.stack(
        [
            mean[:, calendar.weekdays[panel.full_days :] == day].sum(axis=2).max(axis=1, initial=0)
            for day in range(7)
        ],
        1,
    )
    calls: FloatArray = getattr(panel, measure)
    last = np.flatnonzero(~panel.missing[: panel.full_days])[-14:]
    # only weekdays that the horizon has: for the others there is no mean to compare with
    last = last[np.isin(calendar.weekdays[last], calendar.weekdays[panel.full_days :])]
    received, expected = calls[:, last].sum(axis=(1, 2)), week[:, calendar.weekdays[last]].sum(axis=1)
    return np.asarray(
        mean * np.divide(received, expected, out=np.ones_like(expected), where=expected > 0)[:, None, None]
    )


def _summarise_days(summary: Callable[..., FloatArray], stack: FloatArray) -> FloatArray:
    """Summarise a stack of days; 0 where it has none."""
    with warnings.catch_warnings():
        # numpy warns where all values of a slice are NaN, which is what becomes 0 here
        warnings.simplefilter("ignore", RuntimeWarning)
        return _replace_nan(summary(stack, axis=0))


def _replace_nan(calls: FloatArray) -> FloatArray:
    """Replace NaN by 0."""
    return np.nan_to_num(calls, nan=0.0)


def predict_by_calendar(panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered") -> FloatArray:
    """Fit day totals on the calendar and spread them over the slots by the weekday's profile."""
    return fit_calendar_model(panel, calendar, measure)[0]


def fit_calendar_model(
    panel: HistoryPanel, calendar: DayCalendar, measure: str = "entered"
) -> tuple[FloatArray, FloatArray]:
    """Return the forecast of the calendar model and the overdispersion φ of each queue's days."""
    n = panel.full_days
    calls: FloatArray = getattr(panel, measure)[:, :n]
    acting = find_acting_weekdays(panel, calendar)
    usual = ~calendar.is_special
    daily = fit_daily(
        calls.sum(axis=2).astype(float),
        panel.usable_days[:, :n],
        usual,
        acting,
        *build_design(calendar, acting, n),
    )
    shape = fit_weekday_profile(
        calls, panel.slot_counts[:n], daily.weight * usual[:n], acting[:n], daily.overdispersion
    )
    shape *= ~find_closed_slots(panel, usual[:n], acting[:n])
    return daily.mean[:, n:, None] * shape[:, acting[n:]], daily.overdispersion


def find_closed_slots(panel: HistoryPanel, usual: BoolArray, acting: IntArray) -> BoolArray:
    """Find closed slots, weekday × slot: the centre hardly ever has a call then."""
    mean, busy = np.zeros((7, SLOTS_PER_DAY)), np.zeros((7, SLOTS_PER_DAY))
    for day in range(7):
        at = np.flatnonzero((acting == day) & usual & ~panel.missing[: len(acting)])[-CLOSED_SAMPLE_DAYS:]
        if at.size:
            mean[day], busy[day] = panel.centre[at].mean(axis=0), (panel.centre[at] > 0).mean(axis=0)
    return np.asarray((busy < MAX_BUSY_SHARE) & (mean < MAX_CLOSED_LEVEL * mean.max()))


ForecastModel = Callable[[HistoryPanel, DayCalendar, str], FloatArray]
FORECAST_MODELS: Final[dict[str, ForecastModel]] = {
    "last_week": predict_last_week,
    "mean_8": predict_mean_8,
    "median_6": predict_median_6,
    "weekday_level": predict_weekday_level,
    "calendar": predict_by_calendar,
}
