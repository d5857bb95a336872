"""Forecast models, baselines and our own: (panel, calendar) → expected calls, queue × horizon day × slot."""

import warnings
from collections.abc import Callable
from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import Calendar
from wfm.engine.forecast.level import design, fit_daily
from wfm.engine.forecast.panel import SLOTS, Floats, Ints, Mask, Panel
from wfm.engine.forecast.shape import weekday_shape
from wfm.engine.forecast.similar import acting_weekday

CLOSED_DAYS: Final = 10
"""Number of last days of a weekday from which closed slots are learnt."""
SELDOM: Final = 0.25
"""A slot is closed if the share of these days with any call in it is below this …"""
FAR_BELOW: Final = 0.02
"""… and its mean is below this share of the busiest slot's."""


def per_interval(panel: Panel, measure: str) -> Floats:
    """Return calls per interval: slots that occurred twice are averaged, slots that did not occur are NaN."""
    calls: Floats = getattr(panel, measure)
    return np.where(panel.seen > 0, calls / np.maximum(panel.seen, 1), np.nan)


def same_weekdays(panel: Panel, calendar: Calendar, measure: str, count: int) -> Floats:
    """Stack the last `count` full, not missing days of each horizon day's weekday.

    The result is count × queue × horizon day × slot; NaN where there is no such day.
    """
    rate = per_interval(panel, measure)
    rate = np.concatenate([rate, np.full_like(rate[:, :1], np.nan)], axis=1)
    past = np.flatnonzero(~panel.missing[: panel.over])
    picked = np.full((count, 7), -1)
    for day in range(7):
        last = past[calendar.weekday[past] == day][::-1][:count]
        picked[: len(last), day] = last
    return np.moveaxis(rate[:, picked[:, calendar.weekday[panel.over :]]], 1, 0)


def last_week(panel: Panel, calendar: Calendar, measure: str = "entered") -> Floats:
    """Repeat the last same weekday."""
    return _known(same_weekdays(panel, calendar, measure, 1)[0])


def median_6(panel: Panel, calendar: Calendar, measure: str = "entered") -> Floats:
    """Take the median of the last six same weekdays."""
    return _over_days(np.nanmedian, same_weekdays(panel, calendar, measure, 6))


def mean_8(panel: Panel, calendar: Calendar, measure: str = "entered") -> Floats:
    """Take the mean of the last eight same weekdays."""
    return _over_days(np.nanmean, same_weekdays(panel, calendar, measure, 8))


def weekday_level(panel: Panel, calendar: Calendar, measure: str = "entered") -> Floats:
    """Scale the mean of the last eight same weekdays by the level of the last fortnight."""
    mean = _over_days(np.nanmean, same_weekdays(panel, calendar, measure, 8))
    week = np.stack(
        [
            mean[:, calendar.weekday[panel.over :] == day].sum(axis=2).max(axis=1, initial=0)
            for day in range(7)
        ],
        1,
    )
    calls: Floats = getattr(panel, measure)
    last = np.flatnonzero(~panel.missing[: panel.over])[-14:]
    last = last[np.isin(calendar.weekday[last], calendar.weekday[panel.over :])]
    came, due = calls[:, last].sum(axis=(1, 2)), week[:, calendar.weekday[last]].sum(axis=1)
    return np.asarray(mean * np.divide(came, due, out=np.ones_like(due), where=due > 0)[:, None, None])


def _over_days(summary: Callable[..., Floats], stack: Floats) -> Floats:
    """Summarise a stack of days, 0 where no day is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return _known(summary(stack, axis=0))


def _known(calls: Floats) -> Floats:
    """Replace NaN by 0."""
    return np.nan_to_num(calls, nan=0.0)


def calendar_model(panel: Panel, calendar: Calendar, measure: str = "entered") -> Floats:
    """Fit day totals on the calendar and spread them over the slots by the weekday's profile."""
    return calendar_fit(panel, calendar, measure)[0]


def calendar_fit(panel: Panel, calendar: Calendar, measure: str = "entered") -> tuple[Floats, Floats]:
    """Return the forecast of the calendar model and the overdispersion φ of each queue's days."""
    n = panel.over
    calls: Floats = getattr(panel, measure)[:, :n]
    acting = acting_weekday(panel, calendar)
    usual = ~calendar.special
    daily = fit_daily(
        calls.sum(axis=2).astype(float), panel.usable[:, :n], usual, acting, *design(calendar, acting, n)
    )
    shape = weekday_shape(calls, panel.seen[:n], daily.weight * usual[:n], acting[:n], daily.overdispersion)
    shape *= ~closed(panel, usual[:n], acting[:n])
    return daily.mean[:, n:, None] * shape[:, acting[n:]], daily.overdispersion


def closed(panel: Panel, usual: Mask, acting: Ints) -> Mask:
    """Find closed slots, weekday × slot: the centre hardly ever has a call then."""
    mean, busy = np.zeros((7, SLOTS)), np.zeros((7, SLOTS))
    for day in range(7):
        at = np.flatnonzero((acting == day) & usual & ~panel.missing[: len(acting)])[-CLOSED_DAYS:]
        if at.size:
            mean[day], busy[day] = panel.centre[at].mean(axis=0), (panel.centre[at] > 0).mean(axis=0)
    return np.asarray((busy < SELDOM) & (mean < FAR_BELOW * mean.max()))


Model = Callable[[Panel, Calendar, str], Floats]
MODELS: Final[dict[str, Model]] = {
    "last_week": last_week,
    "mean_8": mean_8,
    "median_6": median_6,
    "weekday_level": weekday_level,
    "calendar": calendar_model,
}
