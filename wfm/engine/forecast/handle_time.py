"""Average handle time (AHT): a day's level by regression, times the slot's ratio to its day, per queue.

log AHT = x β + noise of variance φ + c²/n for n handled calls; c is one call's coefficient of variation.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import Calendar, month_waves
from wfm.engine.forecast.level import HUBER, Ridge, steps
from wfm.engine.forecast.panel import Floats, Panel

CALL_CV: Final = 1.2
"""Coefficient of variation of the handle time of one call."""
DAY_SHAKE: Final = 0.05**2
"""Variance φ of a day's random effect on log AHT."""
STEP_SD: Final = 0.03
"""Drift of the level in a week (standard deviation of its logarithm)."""
WEEKDAY_SD: Final = 0.1
MONTH_SD: Final = 0.02
SPECIAL_SD: Final = 0.1
LONGEST: Final = 3.0
"""Standard deviations above the queue's AHT at which an interval is capped: one eight-hour call is no level."""
PRIOR_CALLS: Final = 300.0
"""Calls that weigh as much as the prior that every slot has its day's AHT."""
SMOOTH: Final = 1.2
"""Standard deviation of the kernel over neighbouring slots, in slots."""
REACH: Final = 6
HALF_LIFE: Final = 12.0
"""Weeks after which a day counts half."""


def expect_aht(panel: Panel, calendar: Calendar) -> Floats:
    """Compute the expected AHT in seconds, queue × horizon day × slot; NaN for a queue that never handled a call."""
    n = panel.over
    learn = panel.usable[:, :n, None]
    calls = np.where(learn, panel.handled[:, :n], 0.0)
    spent = _cut(np.where(learn, panel.handle_s[:, :n], 0.0), calls)
    level = _fit(calls.sum(axis=2), spent.sum(axis=2), calendar)
    ratio = _slots(calls, spent, level[:, :n])
    return level[:, n:, None] * ratio[:, None, :]


def _cut(spent: Floats, calls: Floats) -> Floats:
    """Cap intervals whose AHT is implausible for their number of calls."""
    usual = _ratio(spent.sum(axis=(1, 2)), calls.sum(axis=(1, 2)))[:, None, None]
    top = np.nan_to_num(usual) * (calls + LONGEST * CALL_CV * np.sqrt(calls))
    return np.minimum(spent, top)


def _fit(calls: Floats, spent: Floats, calendar: Calendar) -> Floats:
    """Fit the AHT of days (queue × day) and extend it over the horizon."""
    n = calls.shape[1]
    x, sd = _design(calendar, n)
    overall = _ratio(spent.sum(axis=1), calls.sum(axis=1))[:, None]
    known = (calls > 0) & (spent > 0)
    y = np.log(np.where(known, spent / np.maximum(calls, 1), 1.0)) - np.log(np.where(known, overall, 1.0))
    variance = DAY_SHAKE + CALL_CV**2 / np.maximum(calls, 1)
    weight = np.where(known, 1 / variance, 0.0)
    solver, beta = Ridge(x[:n], sd), np.zeros((len(calls), x.shape[1]))
    for _ in range(3):
        off = np.abs(y - beta @ x[:n].T) / np.sqrt(variance)
        beta = solver(y, weight * np.minimum(1, HUBER / np.maximum(off, 1e-9)))
    return overall * np.exp(beta @ x.T)


def _design(calendar: Calendar, over: int) -> tuple[Floats, Floats]:
    """Build the design matrix (day × column) and the prior standard deviation of every column."""
    days = len(calendar.days)
    weekday = (calendar.weekday[:, None] == np.arange(7)).astype(float)
    kinds = calendar.label[0][:, None] == np.array(["holiday", "before", "after"])
    wander, sd = steps(days, over, STEP_SD)
    blocks = [np.ones((days, 1)), weekday, month_waves(calendar.days), kinds.astype(float), wander]
    widths = [block.shape[1] for block in blocks[:4]]
    return np.concatenate(blocks, axis=1), np.concatenate(
        [np.repeat([1.0, WEEKDAY_SD, MONTH_SD, SPECIAL_SD], widths), sd]
    )


def _slots(calls: Floats, spent: Floats, level: Floats) -> Floats:
    """Estimate each slot's ratio to its day's AHT, smoothed and shrunk towards 1: queue × slot."""
    age = (np.arange(calls.shape[1])[::-1] + 0.5) / 7
    recent = 0.5 ** (age / HALF_LIFE)
    expected = np.einsum("qds,qd,d->qs", calls, np.nan_to_num(level), recent)
    found = np.einsum("qds,d->qs", spent, recent)
    kernel = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / SMOOTH) ** 2)
    mix = np.array([np.convolve(row, kernel, "same") for row in np.eye(calls.shape[2])])
    prior = PRIOR_CALLS * _ratio(expected.sum(axis=1), np.einsum("qds,d->q", calls, recent))[:, None]
    prior = np.nan_to_num(prior)
    ratio = (found @ mix + prior) / np.maximum(expected @ mix + prior, 1e-9)
    return np.where(prior > 0, ratio, 1.0)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide; NaN where either is not positive."""
    return np.asarray(
        np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=(bottom > 0) & (top > 0))
    )
