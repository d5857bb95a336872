"""Bands from what the same model missed on the past weeks it had not seen.

A miss is put on the scale of its noise, z = (actual − expected) / √(μ + φ μ²) for calls and
z = (actual − expected) / (expected √(φ + c²/n)) for AHT; the quantiles of z, by size of the interval, give
the band (split conformal prediction, Papadopoulos et al. 2002, with the newest weeks as the calibration set).
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import Floats

LEVELS: Final = (0.1, 0.5, 0.9)
NORMAL: Final = np.array([-1.2816, 0.0, 1.2816])
BINS: Final = 4
PRIOR: Final = 40.0
"""Misses that weigh as much as the normal distribution does."""


def volume_scale(mean: Floats, shake: Floats) -> Floats:
    """Give the standard deviation of calls: Poisson with a shaken mean (`shake` broadcasts)."""
    return np.asarray(np.sqrt(mean + shake * mean**2))


def aht_scale(mean: Floats, calls: Floats, cv: float, shake: float) -> Floats:
    """Give the standard deviation of an interval's AHT from the calls expected in it."""
    return np.asarray(mean * np.sqrt(shake + cv**2 / np.maximum(calls, 0.5)))


def miss_quantiles(z: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Give per queue the sizes of its bins (queue × bin) and z's quantiles in them (queue × bin × level).

    `z`, `size`: queue × miss; NaN misses do not count. Few misses lean on the normal distribution.
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
    """Read the quantiles off sorted misses and draw them towards the normal ones by their number."""
    place = np.array(LEVELS) * np.maximum(n - 1, 0)[:, None]
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(n - 1, 0)[:, None])
    ranked = np.where(np.isfinite(ranked), ranked, 0.0)
    below, above = np.take_along_axis(ranked, low, 1), np.take_along_axis(ranked, high, 1)
    empirical = below + (place - low) * (above - below)
    return np.asarray((n[:, None] * empirical + PRIOR * NORMAL) / (n[:, None] + PRIOR))


def read_quantiles(size: Floats, bins: Floats, found: Floats) -> Floats:
    """Interpolate z's quantiles at each size (queue × place): level × queue × place."""
    out = np.empty((len(LEVELS), *size.shape))
    axis, bin_axis = np.log(size + 0.1), np.log(bins + 0.1)
    for queue in range(len(size)):
        for level in range(len(LEVELS)):
            out[level, queue] = np.interp(axis[queue], bin_axis[queue], found[queue, :, level])
    return np.sort(out, axis=0)
