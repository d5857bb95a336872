"""How a day's calls spread over its slots, per queue and weekday."""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import SLOTS, Floats, Ints

HALF_LIFE: Final = 8.0
"""Weeks after which a day counts half."""
WINDOW: Final = 40 * 7
CAP: Final = 4.0
"""Standard deviations above the expected at which a slot is cut: a storm is not a shape."""


def weekday_shape(calls: Floats, seen: Floats, weight: Floats, acting: Ints, shake: Floats) -> Floats:
    """Give the share of a day's calls per slot: queue × 7 × slot, each weekday's sum 1 (0 where it never opens)."""
    out = np.zeros((len(calls), 7, SLOTS))
    age = (np.arange(calls.shape[1])[::-1] + 0.5) / 7
    recent = weight * 0.5 ** (age / HALF_LIFE) * (age < WINDOW / 7)
    for day in range(7):
        at = np.flatnonzero((acting == day) & (recent > 0).any(axis=0))
        if at.size:
            out[:, day] = _share(calls[:, at], seen[at], recent[:, at], shake)
    return out


def _share(calls: Floats, seen: Floats, weight: Floats, shake: Floats) -> Floats:
    """Average days into shares, twice: the first average says what is too high to be believed."""
    rate = np.where(seen > 0, calls / np.maximum(seen, 1), 0)
    for again in (False, True):
        if again:
            expected = share[:, None, :] * rate.sum(axis=2, keepdims=True)
            rate = np.minimum(rate, expected + CAP * np.sqrt(expected + shake[:, None, None] * expected**2) + 1)
        heard = np.einsum("qd,ds->qs", weight * rate.sum(axis=2), (seen > 0).astype(float))
        share = np.einsum("qd,qds->qs", weight, rate) / np.maximum(heard, 1e-9)
    return share / np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
