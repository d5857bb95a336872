"""Which weekday a special day resembles: a holiday may look like a Saturday, the day before like a Friday.

Learnt for the centre as a whole from the past days with the same label; the most detailed label has the last word.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import Calendar
from wfm.engine.forecast.panel import Floats, Ints, Mask, Panel

AROUND: Final = 21
"""Days before and after that are averaged to a weekday's typical day."""
STRETCH: Final = 0.3
"""The cost of scaling a weekday by a factor e, as a share of the day's calls."""
BUSIER: Final = 1.5
"""No day is treated as a weekday busier than its own by more than this factor (closed stays closed)."""
OWN: Final = 0.9
"""The factor on the cost of a day's own weekday, which is preferred in close cases."""


def acting_weekday(panel: Panel, calendar: Calendar) -> Ints:
    """Return the weekday that each day is treated as: its own, unless it is special and resembles another more."""
    acting = calendar.weekday.copy()
    cost, usual = _costs(panel, calendar), _usual(panel, calendar)
    known = np.isfinite(cost).all(axis=1)
    for label in calendar.label:
        for name in np.unique(label[label != ""]):
            like = label == name
            past = np.flatnonzero(like[: len(cost)] & known)
            if past.size:
                acting[like] = _choose(cost[past], calendar.weekday[past], calendar.weekday[like])
    busier = usual[acting] > BUSIER * usual[calendar.weekday]
    return np.where(busier, calendar.weekday, acting)


def _choose(cost: Floats, past: Ints, own: Ints) -> Ints:
    """Return the weekday with the least cost over past days (day × 7), or each day's own (the last column)."""
    mine = OWN * cost[np.arange(len(past)), past]
    best = int(np.argmin(np.append(cost.mean(axis=0), mine.mean())))
    return own if best == 7 else np.full_like(own, best)


def _costs(panel: Panel, calendar: Calendar) -> Floats:
    """Compute how badly a typical weekday, scaled, explains each day: day × weekday; inf where unknown."""
    n = panel.over
    calls = panel.centre[:n]
    usual = ~calendar.special[:n] & ~panel.missing[:n]
    cost = np.full((len(panel.days), 7), np.inf)
    opens = _usual(panel, calendar)[calendar.weekday[:n]] > 0
    for day in np.flatnonzero(calendar.special[:n] & ~panel.missing[:n] & opens):
        typical = _typical(calls, usual, calendar.weekday[:n], int(day))
        factor = np.clip((calls[day].sum() + 1) / (typical.sum(axis=1) + 1), 0.02, 5.0)
        miss = np.abs(calls[day] - factor[:, None] * typical).sum(axis=1)
        cost[day] = (miss + STRETCH * np.abs(np.log(factor)) * calls[day].sum()) / (calls[day].sum() + 1)
    return np.asarray(np.minimum(cost, 2.0, where=np.isfinite(cost), out=cost))


def _usual(panel: Panel, calendar: Calendar) -> Floats:
    """Compute the centre's mean calls on ordinary days of each weekday."""
    n = panel.over
    at = ~calendar.special[:n] & ~panel.missing[:n]
    total = panel.centre[:n].sum(axis=1)
    days = np.bincount(calendar.weekday[:n][at], minlength=7)
    return np.bincount(calendar.weekday[:n][at], total[at], 7) / np.maximum(days, 1)


def _typical(calls: Floats, usual: Mask, own: Ints, day: int) -> Floats:
    """Compute the mean ordinary day of each weekday around a day: 7 × slot."""
    near = np.arange(max(0, day - AROUND), min(len(calls), day + AROUND + 1))
    near = near[usual[near]]
    one = (own[near][:, None] == np.arange(7)).astype(float)
    return np.asarray((one.T @ calls[near]) / np.maximum(one.sum(axis=0), 1)[:, None])
