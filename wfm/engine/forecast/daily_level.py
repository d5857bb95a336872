"""Fit the daily level of calls: a penalised log-linear regression per queue, for all queues at once.

E[y] = exp(base + x β), Var[y] = μ + φ μ² (Poisson with overdispersion φ between days), β ~ Normal(0, sd²). The penalty
allows a rare effect (a holiday, the end of a month) to be learnt from one or two days without overfitting them.
Solved by iteratively reweighted least squares (Nelder & Wedderburn 1972) with Huber's weights (1964) against outliers.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from wfm.engine.forecast.calendar import DayCalendar, LabelArray, compute_month_waves
from wfm.engine.forecast.panel import BoolArray, FloatArray, IntArray

REWEIGHTING_ROUNDS: Final = 6
"""Rounds of reweighting."""
HUBER_SDS: Final = 2.0
"""Standard deviations from which a residual counts less."""
MIN_OVERDISPERSION: Final = 0.02**2
"""The smallest overdispersion φ: no history is taken to be purely Poisson."""
STEP_SD: Final = 0.015
"""Drift of the level in a week (standard deviation of its logarithm)."""
MONTH_SD: Final = 0.04
WEEKDAY_SD: Final = 0.3
SPECIAL_SD: Final = 0.5
"""Prior standard deviations of the effects of the position in the month, the weekday and special days."""


class RidgeSolver:
    """Solver of weighted ridge regressions of many queues that share x: (xᵀ W x + sd⁻²) β = xᵀ W y."""

    def __init__(self, x: FloatArray, sd: FloatArray) -> None:
        self.x, self.prior = x, np.diag(sd**-2.0)
        # xᵀ W x is linear in the weights: the products of columns are computed once for all queues and rounds
        self.upper = np.triu_indices(x.shape[1])
        self.square = (x[:, self.upper[0]] * x[:, self.upper[1]]).astype(np.float32)

    def __call__(self, y: FloatArray, weight: FloatArray) -> FloatArray:
        """Return β, queue × column, for y and weights of queue × day."""
        columns = self.x.shape[1]
        normal = np.zeros((len(y), columns, columns))
        normal[:, self.upper[0], self.upper[1]] = normal[:, self.upper[1], self.upper[0]] = (
            weight.astype(np.float32) @ self.square
        )
        return np.asarray(np.linalg.solve(normal + self.prior, ((weight * y) @ self.x)[..., None])[..., 0])


@dataclass(frozen=True)
class DailyFit:
    """The fitted day totals (queue × day, including the horizon), φ per queue, and Huber's weights."""

    mean: FloatArray
    overdispersion: FloatArray
    weight: FloatArray


def build_design(calendar: DayCalendar, acting: IntArray, over: int) -> tuple[FloatArray, FloatArray]:
    """Build x (day × column) and the prior standard deviation of every column."""
    blocks = [
        (np.ones((len(acting), 1)), 3.0),
        ((acting[:, None] == np.arange(7)).astype(float), WEEKDAY_SD),
        (compute_month_waves(calendar.days), MONTH_SD),
        *[(build_dummies(label), SPECIAL_SD) for label in calendar.distinct_labels],
    ]
    drift, step_sd = build_drift_columns(len(acting), over, STEP_SD)
    sd = np.concatenate([*[np.full(block.shape[1], sd) for block, sd in blocks], step_sd])
    return np.concatenate([*[block for block, _ in blocks], drift], axis=1), sd


def build_dummies(label: LabelArray) -> FloatArray:
    """Build a 0/1 column per label, without ""."""
    names = np.unique(label[label != ""])
    return np.asarray((label[:, None] == names).astype(float))


def build_drift_columns(days: int, over: int, step_sd: float) -> tuple[FloatArray, FloatArray]:
    """Build columns for the drift of the level back from the origin, in steps of weeks, then months, then quarters."""
    age = np.maximum(over - 0.5 - np.arange(days), 0.0) / 7
    # finer steps near the origin, where the level matters most for the forecast
    knots = np.concatenate([np.arange(0, 13, 1.0), np.arange(13, 52, 4), np.arange(52, 521, 13)])
    knots = knots[: np.searchsorted(knots, age[0]) + 1]
    width = np.diff(knots)
    return np.clip((age[:, None] - knots[:-1]) / width, 0, 1), step_sd * np.sqrt(width)


def compute_base_totals(total: FloatArray, acting: IntArray, learn: BoolArray) -> FloatArray:
    """Compute the typical total of each weekday, queue × 7: the median, or the mean where calls are few."""
    out = np.zeros((len(total), 7))
    for day in range(7):
        at = np.flatnonzero(acting == day)[-26:]
        values = np.where(learn[:, at], total[:, at], np.nan)
        some = np.isfinite(values).any(axis=1)
        if some.any():
            middle, mean = np.nanmedian(values[some], axis=1), np.nanmean(values[some], axis=1)
            # a median of few calls is mostly 0 or 1
            out[some, day] = np.where(middle >= 10, middle, mean)
    return out


def fit_daily(
    total: FloatArray, learn: BoolArray, usual: BoolArray, acting: IntArray, x: FloatArray, sd: FloatArray
) -> DailyFit:
    """Fit day totals (queue × full day) and extend them over the horizon (x also has its days).

    `learn`: days to learn from; `usual`: days without a holiday, for φ and the base.
    """
    n = total.shape[1]
    start = compute_base_totals(total, acting[:n], learn & usual[:n])[:, acting]
    open_ = start > 0
    offset = np.log(np.where(open_, start, 1.0))
    learn = learn & open_[:, :n]
    solver = RidgeSolver(x[:n], sd)
    beta = np.zeros((len(total), x.shape[1]))
    overdispersion = np.full(len(total), 0.01)
    huber = np.ones_like(total)
    for _ in range(REWEIGHTING_ROUNDS):
        # clipped, so that one wild day cannot make the exponential overflow
        eta = np.clip(beta @ x[:n].T, -6, 6)
        mean = np.exp(offset[:, :n] + eta)
        residual = np.where(learn, (total - mean) / mean, 0.0)
        # relative standard deviation of a day: its own overdispersion plus Poisson noise
        spread = np.sqrt(overdispersion[:, None] + 1 / mean)
        huber = np.minimum(1.0, HUBER_SDS * spread / np.maximum(np.abs(residual), 1e-9))
        weight = np.where(learn, huber / spread**2, 0.0)
        beta = solver(eta + np.clip(residual, -1.0, 3.0), weight)
        overdispersion = _estimate_overdispersion(residual, mean, learn & usual[:n])
    mean = np.where(open_, np.exp(offset + np.clip(beta @ x.T, -6, 6)), 0.0)
    return DailyFit(mean, overdispersion, np.where(learn, huber, 0.0))


def _estimate_overdispersion(residual: FloatArray, mean: FloatArray, learn: BoolArray) -> FloatArray:
    """Estimate φ from the middle of the residuals: (1.48 median |r|)² less what Poisson explains."""
    n = np.maximum(learn.sum(axis=1), 1)
    order = np.sort(np.where(learn, np.abs(residual), np.inf), axis=1)
    middle = order[np.arange(len(order)), (n - 1) // 2]
    middle = np.where(np.isfinite(middle), middle, 0.1)
    poisson = np.where(learn, 1 / mean, 0).sum(axis=1) / n
    return np.asarray(np.maximum((1.4826 * middle) ** 2 - poisson, MIN_OVERDISPERSION))
