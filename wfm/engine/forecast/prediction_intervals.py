"""Compute prediction intervals from the errors of the same model on past weeks that it was not fitted to.

An error is divided by the scale of its noise, z = (actual − expected) / √(μ + φ μ²) for calls and
z = (actual − expected) / (expected √(φ + c²/n)) for AHT; the quantiles of z, by size of the interval, give
the prediction interval (split conformal prediction, Papadopoulos et al. 2002, calibrated on the newest weeks).
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import FloatArray

QUANTILE_LEVELS: Final = (0.1, 0.5, 0.9)
NORMAL_QUANTILES: Final = np.array([-1.2816, 0.0, 1.2816])
"""The quantiles of the normal distribution at these levels."""
SIZE_BINS: Final = 4
"""Bins of interval size, each with as many errors."""
PRIOR_ERRORS: Final = 40.0
"""The number of errors that weighs as much as the normal distribution."""


def compute_volume_scale(mean: FloatArray, overdispersion: FloatArray) -> FloatArray:
    """Compute the standard deviation of calls: Poisson with overdispersion (φ, which broadcasts)."""
    return np.asarray(np.sqrt(mean + overdispersion * mean**2))


def compute_aht_scale(mean: FloatArray, calls: FloatArray, cv: float, overdispersion: float) -> FloatArray:
    """Compute the standard deviation of an interval's AHT from the calls expected in it."""
    return np.asarray(mean * np.sqrt(overdispersion + cv**2 / np.maximum(calls, 0.5)))


def compute_error_quantiles(z: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return per queue the mean size of its bins (queue × bin) and the quantiles of z in them (queue × bin × level).

    `z`, `size`: queue × error; NaN errors do not count. Few errors are shrunk towards the normal distribution.
    """
    queues, misses = z.shape
    order = np.argsort(np.where(np.isnan(z), np.inf, size), axis=1)
    z, size = np.take_along_axis(z, order, 1), np.take_along_axis(size, order, 1)
    count = np.isfinite(z).sum(axis=1)
    edges = (np.arange(SIZE_BINS + 1) * count[:, None]) // SIZE_BINS
    middle, found = np.zeros((queues, SIZE_BINS)), np.zeros((queues, SIZE_BINS, len(QUANTILE_LEVELS)))
    at = np.arange(misses)
    for k in range(SIZE_BINS):
        inside = (at >= edges[:, k : k + 1]) & (at < edges[:, k + 1 : k + 2])
        n = inside.sum(axis=1)
        middle[:, k] = np.where(inside, size, 0).sum(axis=1) / np.maximum(n, 1)
        ranked = np.sort(np.where(inside, z, np.inf), axis=1) if misses else np.zeros((queues, 1))
        found[:, k] = _shrink_to_normal(ranked, n)
    return middle, found


def _shrink_to_normal(ranked: FloatArray, n: FloatArray) -> FloatArray:
    """Return the quantiles of sorted errors, shrunk towards the normal ones according to their number."""
    position = np.array(QUANTILE_LEVELS) * np.maximum(n - 1, 0)[:, None]
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, np.maximum(n - 1, 0)[:, None])
    ranked = np.where(np.isfinite(ranked), ranked, 0.0)
    below, above = np.take_along_axis(ranked, low, 1), np.take_along_axis(ranked, high, 1)
    empirical = below + (position - low) * (above - below)
    return np.asarray(
        (n[:, None] * empirical + PRIOR_ERRORS * NORMAL_QUANTILES) / (n[:, None] + PRIOR_ERRORS)
    )


def interpolate_quantiles(size: FloatArray, bins: FloatArray, found: FloatArray) -> FloatArray:
    """Interpolate the quantiles of z at each size (queue × interval): level × queue × interval."""
    out = np.empty((len(QUANTILE_LEVELS), *size.shape))
    axis, bin_axis = np.log(size + 0.1), np.log(bins + 0.1)
    for queue in range(len(size)):
        for level in range(len(QUANTILE_LEVELS)):
            out[level, queue] = np.interp(axis[queue], bin_axis[queue], found[queue, :, level])
    # interpolation between bins may make quantiles cross
    return np.sort(out, axis=0)
