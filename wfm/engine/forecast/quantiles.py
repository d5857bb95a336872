"""Prediction intervals from the errors of the same model on past weeks that it had not seen.

An error is divided by the scale of its noise, z = (actual − expected) / √(μ + φ μ²) for calls and
z = (actual − expected) / (expected √(φ + c²/n)) for AHT; the quantiles of z, by size of the interval, give
the prediction interval (split conformal prediction, Papadopoulos et al. 2002, calibrated on the newest weeks).
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import Floats

LEVELS: Final = (0.1, 0.5, 0.9)
NORMAL: Final = np.array([-1.2816, 0.0, 1.2816])
"""The quantiles of the normal distribution at these levels."""
BINS: Final = 4
"""Bins of interval size, each with as many errors."""
PRIOR: Final = 40.0
"""The number of errors that weighs as much as the normal distribution."""


def volume_scale(mean: Floats, overdispersion: Floats) -> Floats:
    """Compute the standard deviation of calls: Poisson with overdispersion (φ, which broadcasts)."""
    return np.asarray(np.sqrt(mean + overdispersion * mean**2))


def aht_scale(mean: Floats, calls: Floats, cv: float, overdispersion: float) -> Floats:
    """Compute the standard deviation of an interval's AHT from the calls expected in it."""
    return np.asarray(mean * np.sqrt(overdispersion + cv**2 / np.maximum(calls, 0.5)))


def miss_quantiles(z: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Return per queue the mean size of its bins (queue × bin) and the quantiles of z in them (queue × bin × level).

    `z`, `size`: queue × error; NaN errors do not count. Few errors are shrunk towards the normal distribution.
    """
    queues, misses = z.shape
    order = np.argsort(np.where(np.isnan(z), np.inf, size), axis=1)
    z, size = np.take_along_axis(z, order, 1), np.take_along_axis(size, order, 1)
    count = np.isfinite(z).sum(axis=1)
    edges = (np.arange(BINS + 1) * count[:, None]) // BINS
    middle, found = np.zeros((queues, BINS)), np.zeros((queues, BINS, len(LEVELS)))
    at = np.arange(misses)
    for k in range(BINS):
        inside = (at >= edges[:, k : k + 1]) & (at < edges[:, k + 1 : k + 2])
        n = inside.sum(axis=1)
        middle[:, k] = np.where(inside, size, 0).sum(axis=1) / np.maximum(n, 1)
        ranked = np.sort(np.where(inside, z, np.inf), axis=1) if misses else np.zeros((queues, 1))
        found[:, k] = _shrink(ranked, n)
    return middle, found


def _shrink(ranked: Floats, n: Floats) -> Floats:
    """Return the quantiles of sorted errors, shrunk towards the normal ones according to their number."""
    position = np.array(LEVELS) * np.maximum(n - 1, 0)[:, None]
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, np.maximum(n - 1, 0)[:, None])
    ranked = np.where(np.isfinite(ranked), ranked, 0.0)
    below, above = np.take_along_axis(ranked, low, 1), np.take_along_axis(ranked, high, 1)
    empirical = below + (position - low) * (above - below)
    return np.asarray((n[:, None] * empirical + PRIOR * NORMAL) / (n[:, None] + PRIOR))


def read_quantiles(size: Floats, bins: Floats, found: Floats) -> Floats:
    """Interpolate the quantiles of z at each size (queue × interval): level × queue × interval."""
    out = np.empty((len(LEVELS), *size.shape))
    axis, bin_axis = np.log(size + 0.1), np.log(bins + 0.1)
    for queue in range(len(size)):
        for level in range(len(LEVELS)):
            out[level, queue] = np.interp(axis[queue], bin_axis[queue], found[queue, :, level])
    return np.sort(out, axis=0)
