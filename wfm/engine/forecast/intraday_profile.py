"""Fit the intraday profile: how a day's calls are spread over its slots, per queue and weekday.

Each weekday's average is noisy, so it is pooled with similar weekdays (weighted by the inverse of their
noise plus their difference), then with neighbouring slots (shrinkage, James & Stein 1961: the noisier, the
smoother). A large queue keeps its own profile, a small one gets a smoother one.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import SLOTS_PER_DAY, FloatArray, IntArray

HALF_LIFE_WEEKS: Final = 8.0
"""Weeks after which a day counts half."""
WINDOW_DAYS: Final = 40 * 7
"""Number of last days that are used."""
CAP_SDS: Final = 3.0
"""Standard deviations above the expected at which a slot is capped: a burst of calls is not a profile."""
RELATIVE_VARIANCE: Final = 1.0
"""The variance of a slot's share relative to Poisson."""
MIN_OPEN_SHARE: Final = 0.1
"""Slots below this share of the busiest are not smoothed, so that opening hours keep their edges."""
SMOOTHING_KERNEL: Final = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
"""Weights of neighbouring slots."""
COMPARISON_KERNEL: Final = np.ones(13)
"""Slots over which two weekdays are compared."""


def fit_weekday_profile(
    calls: FloatArray,
    slot_counts: FloatArray,
    weight: FloatArray,
    acting: IntArray,
    overdispersion: FloatArray,
) -> FloatArray:
    """Compute the share of a day's calls per slot, queue × 7 × slot: a weekday sums to 1, or 0 if never open."""
    calls, slot_counts, weight, acting = (
        calls[:, -WINDOW_DAYS:],
        slot_counts[-WINDOW_DAYS:],
        weight[:, -WINDOW_DAYS:],
        acting[-WINDOW_DAYS:],
    )
    weight = weight * 0.5 ** ((np.arange(calls.shape[1])[::-1] + 0.5) / 7 / HALF_LIFE_WEEKS)
    share, trust = np.zeros((len(calls), 7, SLOTS_PER_DAY)), np.zeros((len(calls), 7))
    for day in range(7):
        at = np.flatnonzero((acting == day) & (weight > 0).any(axis=0))
        if at.size:
            share[:, day], trust[:, day] = _average_shares(
                calls[:, at], slot_counts[at], weight[:, at], overdispersion
            )
    share, trust = pool_weekdays(share, trust)
    return smooth_slots(share, trust)


def _average_shares(
    calls: FloatArray, slot_counts: FloatArray, weight: FloatArray, overdispersion: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Average days to shares, twice (the first pass gives the caps), and return the effective number of calls."""
    rate = np.where(slot_counts > 0, calls / np.maximum(slot_counts, 1), 0)
    first, _ = _compute_mean_shares(rate, slot_counts, weight)
    expected = first[:, None, :] * rate.sum(axis=2, keepdims=True)
    top = expected + CAP_SDS * np.sqrt(expected + overdispersion[:, None, None] * expected**2) + 1
    share, total = _compute_mean_shares(np.minimum(rate, top), slot_counts, weight)
    return share, total.sum(axis=1) ** 2 / np.maximum((weight * total).sum(axis=1), 1e-9)


def _compute_mean_shares(
    rate: FloatArray, slot_counts: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Compute shares by slot (over the days that had the slot) and each day's weighted total."""
    total = weight * rate.sum(axis=2)
    share = np.einsum("qd,qds->qs", weight, rate) / np.maximum(total @ (slot_counts > 0), 1e-9)
    return share / np.maximum(share.sum(axis=1, keepdims=True), 1e-9), total


def pool_weekdays(share: FloatArray, trust: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pool each weekday's shares with those of weekdays similar at that time; also return the effective calls."""
    noise = RELATIVE_VARIANCE / np.maximum(trust, 1e-9)
    both = share[:, :, None] + share[:, None]
    apart = np.divide(
        (share[:, :, None] - share[:, None]) ** 2, both / 2, out=np.zeros_like(both), where=both > 0
    )
    near = _smooth(apart, COMPARISON_KERNEL) / np.maximum(
        _smooth((both > 0).astype(float), COMPARISON_KERNEL), 1e-9
    )
    # what two weekdays differ by beyond their noise: 0 for two that differ only by chance
    unlike = np.maximum(near - noise[:, :, None, None] - noise[:, None, :, None], 0)
    there = (trust[:, None] > 0) & (trust[:, :, None] > 0)
    mix = np.where(there[..., None], 1 / (noise[:, None, :, None] + unlike), 0)
    total = np.maximum(mix.sum(axis=2, keepdims=True), 1e-12)
    mixed = np.einsum("qwvs,qvs->qws", mix / total, share)
    return mixed, RELATIVE_VARIANCE * np.einsum("qws,qws->qw", mixed, total[:, :, 0])


def smooth_slots(share: FloatArray, trust: FloatArray) -> FloatArray:
    """Shrink shares towards their neighbours' mean, the more the noisier they are relative to their curvature."""
    # smoothing across opening time would put calls before it
    open_ = share > MIN_OPEN_SHARE * share.max(axis=2, keepdims=True)
    smooth = np.where(
        open_,
        _smooth(share * open_, SMOOTHING_KERNEL)
        / np.maximum(_smooth(open_.astype(float), SMOOTHING_KERNEL), 1e-9),
        share,
    )
    noise = RELATIVE_VARIANCE / np.maximum(trust, 1e-9)
    bend = np.divide((share - smooth) ** 2, smooth, out=np.zeros_like(share), where=open_ & (smooth > 0))
    bend = bend.sum(axis=2) / np.maximum(open_.sum(axis=2), 1)
    pull = np.clip(noise / np.maximum(bend, 1e-12), 0, 1)[:, :, None]
    mixed = share + pull * (smooth - share)
    return np.asarray(mixed / np.maximum(mixed.sum(axis=2, keepdims=True), 1e-12))


def _smooth(values: FloatArray, kernel: FloatArray) -> FloatArray:
    """Average each slot (the last axis) with its neighbours."""
    reach = len(kernel) // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(reach, reach)])
    return np.asarray(
        np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1) @ (kernel / kernel.sum())
    )
