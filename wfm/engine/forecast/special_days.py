"""Find the weekday that a special day resembles: a holiday may be like a Saturday, the day before like a Friday.

It is learnt for the centre as a whole from the past days with the same label; the most detailed label decides.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import DayCalendar
from wfm.engine.forecast.panel import BoolArray, FloatArray, HistoryPanel, IntArray

TYPICAL_DAY_RADIUS: Final = 21
"""Days before and after that are averaged to a weekday's typical day."""
SCALING_COST: Final = 0.3
"""The cost of scaling a weekday by a factor e, as a share of the day's calls."""
MAX_BUSIER_FACTOR: Final = 1.5
"""No day is treated as a weekday busier than its own by more than this factor (closed stays closed)."""
OWN_WEEKDAY_FACTOR: Final = 0.9
"""The factor on the cost of a day's own weekday, which is preferred in close cases."""


def find_acting_weekdays(panel: HistoryPanel, calendar: DayCalendar) -> IntArray:
    """Return the weekday that each day is treated as: its own, unless it is special and resembles another more."""
    acting = calendar.weekdays.copy()
    cost, usual = _compute_costs(panel, calendar), _compute_weekday_means(panel, calendar)
    has_cost = np.isfinite(cost).all(axis=1)
    # from kind to name: a more detailed label overwrites the choice of a coarser one
    for label in calendar.labels:
        for name in np.unique(label[label != ""]):
            like = label == name
            past = np.flatnonzero(like[: len(cost)] & has_cost)
            if past.size:
                acting[like] = _choose_weekday(cost[past], calendar.weekdays[past], calendar.weekdays[like])
    busier = usual[acting] > MAX_BUSIER_FACTOR * usual[calendar.weekdays]
    return np.where(busier, calendar.weekdays, acting)


def _choose_weekday(cost: FloatArray, past: IntArray, own: IntArray) -> IntArray:
    """Return the weekday with the least cost over past days (day × 7), or each day's own (the last column)."""
    own_cost = OWN_WEEKDAY_FACTOR * cost[np.arange(len(past)), past]
    best = int(np.argmin(np.append(cost.mean(axis=0), own_cost.mean())))
    return own if best == 7 else np.full_like(own, best)


def _compute_costs(panel: HistoryPanel, calendar: DayCalendar) -> FloatArray:
    """Compute how badly a typical weekday, scaled, explains each day: day × weekday; inf if there is none."""
    n = panel.full_days
    calls = panel.centre[:n]
    usual = ~calendar.is_special[:n] & ~panel.missing[:n]
    cost = np.full((len(panel.days), 7), np.inf)
    opens = _compute_weekday_means(panel, calendar)[calendar.weekdays[:n]] > 0
    for day in np.flatnonzero(calendar.is_special[:n] & ~panel.missing[:n] & opens):
        typical = _compute_typical_days(calls, usual, calendar.weekdays[:n], int(day))
        factor = np.clip((calls[day].sum() + 1) / (typical.sum(axis=1) + 1), 0.02, 5.0)
        miss = np.abs(calls[day] - factor[:, None] * typical).sum(axis=1)
        cost[day] = (miss + SCALING_COST * np.abs(np.log(factor)) * calls[day].sum()) / (calls[day].sum() + 1)
    return np.asarray(np.minimum(cost, 2.0, where=np.isfinite(cost), out=cost))


def _compute_weekday_means(panel: HistoryPanel, calendar: DayCalendar) -> FloatArray:
    """Compute the centre's mean calls on ordinary days of each weekday."""
    n = panel.full_days
    at = ~calendar.is_special[:n] & ~panel.missing[:n]
    total = panel.centre[:n].sum(axis=1)
    days = np.bincount(calendar.weekdays[:n][at], minlength=7)
    return np.bincount(calendar.weekdays[:n][at], total[at], 7) / np.maximum(days, 1)


def _compute_typical_days(calls: FloatArray, usual: BoolArray, own: IntArray, day: int) -> FloatArray:
    """Compute the mean ordinary day of each weekday around a day: 7 × slot."""
    near = np.arange(max(0, day - TYPICAL_DAY_RADIUS), min(len(calls), day + TYPICAL_DAY_RADIUS + 1))
    near = near[usual[near]]
    one = (own[near][:, None] == np.arange(7)).astype(float)
    return np.asarray((one.T @ calls[near]) / np.maximum(one.sum(axis=0), 1)[:, None])
