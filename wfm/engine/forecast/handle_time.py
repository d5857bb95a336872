"""Expect the average handle time (AHT): a day's level by regression, times the slot's ratio to its day, per queue.

log AHT = x β + noise of variance φ + c²/n for n handled calls; c is one call's coefficient of variation.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import DayCalendar, compute_month_waves
from wfm.engine.forecast.daily_level import HUBER_SDS, RidgeSolver, build_drift_columns
from wfm.engine.forecast.panel import FloatArray, HistoryPanel

CALL_CV: Final = 1.2
"""Coefficient of variation of the handle time of one call."""
DAY_OVERDISPERSION: Final = 0.05**2
"""Variance φ of a day's random effect on log AHT."""
STEP_SD: Final = 0.03
"""Drift of the level in a week (standard deviation of its logarithm)."""
WEEKDAY_SD: Final = 0.1
MONTH_SD: Final = 0.02
SPECIAL_SD: Final = 0.1
CAP_SDS: Final = 3.0
"""Standard deviations above the queue's AHT at which an interval is capped: one eight-hour call is no level."""
PRIOR_CALLS: Final = 300.0
"""Calls that weigh as much as the prior that every slot has its day's AHT."""
KERNEL_SD_SLOTS: Final = 1.2
"""Standard deviation of the kernel over neighbouring slots, in slots."""
KERNEL_REACH_SLOTS: Final = 6
HALF_LIFE_WEEKS: Final = 12.0
"""Weeks after which a day counts half."""


def expect_aht(panel: HistoryPanel, calendar: DayCalendar) -> FloatArray:
    """Compute the expected AHT in seconds, queue × horizon day × slot; NaN for a queue that never handled a call."""
    n = panel.full_days
    learn = panel.usable_days[:, :n, None]
    calls = np.where(learn, panel.handled[:, :n], 0.0)
    spent = _cap_handle_time(np.where(learn, panel.handle_s[:, :n], 0.0), calls)
    level = _fit_daily_aht(calls.sum(axis=2), spent.sum(axis=2), calendar)
    ratio = _estimate_slot_ratios(calls, spent, level[:, :n])
    return level[:, n:, None] * ratio[:, None, :]


def _cap_handle_time(spent: FloatArray, calls: FloatArray) -> FloatArray:
    """Cap intervals whose AHT is implausible for their number of calls."""
    typical = _divide_or_nan(spent.sum(axis=(1, 2)), calls.sum(axis=(1, 2)))[:, None, None]
    top = np.nan_to_num(typical) * (calls + CAP_SDS * CALL_CV * np.sqrt(calls))
    return np.minimum(spent, top)


def _fit_daily_aht(calls: FloatArray, spent: FloatArray, calendar: DayCalendar) -> FloatArray:
    """Fit the AHT of days (queue × day) and extend it over the horizon."""
    n = calls.shape[1]
    x, sd = _build_design(calendar, n)
    overall = _divide_or_nan(spent.sum(axis=1), calls.sum(axis=1))[:, None]
    # the logarithm needs calls and time; other days have no weight
    has_aht = (calls > 0) & (spent > 0)
    y = np.log(np.where(has_aht, spent / np.maximum(calls, 1), 1.0)) - np.log(np.where(has_aht, overall, 1.0))
    variance = DAY_OVERDISPERSION + CALL_CV**2 / np.maximum(calls, 1)
    weight = np.where(has_aht, 1 / variance, 0.0)
    solver, beta = RidgeSolver(x[:n], sd), np.zeros((len(calls), x.shape[1]))
    for _ in range(3):
        off = np.abs(y - beta @ x[:n].T) / np.sqrt(variance)
        beta = solver(y, weight * np.minimum(1, HUBER_SDS / np.maximum(off, 1e-9)))
    return overall * np.exp(beta @ x.T)


def _build_design(calendar: DayCalendar, over: int) -> tuple[FloatArray, FloatArray]:
    """Build the design matrix (day × column) and the prior standard deviation of every column."""
    days = len(calendar.days)
    weekday = (calendar.weekdays[:, None] == np.arange(7)).astype(float)
    kinds = calendar.labels[0][:, None] == np.array(["holiday", "before", "after"])
    drift, sd = build_drift_columns(days, over, STEP_SD)
    blocks = [np.ones((days, 1)), weekday, compute_month_waves(calendar.days), kinds.astype(float), drift]
    widths = [block.shape[1] for block in blocks[:4]]
    return np.concatenate(blocks, axis=1), np.concatenate(
        [np.repeat([1.0, WEEKDAY_SD, MONTH_SD, SPECIAL_SD], widths), sd]
    )


def _estimate_slot_ratios(calls: FloatArray, spent: FloatArray, level: FloatArray) -> FloatArray:
    """Estimate each slot's ratio to its day's AHT, smoothed and shrunk towards 1: queue × slot."""
    age = (np.arange(calls.shape[1])[::-1] + 0.5) / 7
    # older calls count less: handle time drifts with products and staff
    recent = 0.5 ** (age / HALF_LIFE_WEEKS)
    expected = np.einsum("qds,qd,d->qs", calls, np.nan_to_num(level), recent)
    found = np.einsum("qds,d->qs", spent, recent)
    kernel = np.exp(-0.5 * (np.arange(-KERNEL_REACH_SLOTS, KERNEL_REACH_SLOTS + 1) / KERNEL_SD_SLOTS) ** 2)
    mix = np.array([np.convolve(row, kernel, "same") for row in np.eye(calls.shape[2])])
    prior = PRIOR_CALLS * _divide_or_nan(expected.sum(axis=1), np.einsum("qds,d->q", calls, recent))[:, None]
    prior = np.nan_to_num(prior)
    ratio = (found @ mix + prior) / np.maximum(expected @ mix + prior, 1e-9)
    return np.where(prior > 0, ratio, 1.0)


def _divide_or_nan(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Divide; NaN where either is not positive."""
    return np.asarray(
        np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=(bottom > 0) & (top > 0))
    )
