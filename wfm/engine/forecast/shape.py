"""Intraday profile: how a day's calls are spread over its slots, per queue and weekday.

Each weekday's average is noisy, so it is pooled with similar weekdays (weighted by the inverse of their
noise plus their difference), then with neighbouring slots (shrinkage, James & Stein 1961: the noisier, the
smoother). A large queue keeps its own profile, a small one gets a smoother one.
"""

from typing import Final

import numpy as np

from wfm.engine.forecast.panel import SLOTS, Floats, Ints

HALF_LIFE: Final = 8.0
"""Weeks after which a day counts half."""
WINDOW: Final = 40 * 7
"""Number of last days that are used."""
CAP: Final = 3.0
"""Standard deviations above the expected at which a slot is capped: a burst of calls is not a profile."""
EXCESS: Final = 1.0
"""The variance of a slot's share relative to Poisson."""
OPEN: Final = 0.1
"""Slots below this share of the busiest are not smoothed, so that opening hours keep their edges."""
KERNEL: Final = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
"""Weights of neighbouring slots."""
NEAR: Final = np.ones(13)
"""Slots over which two weekdays are compared."""


def weekday_shape(
    calls: Floats, seen: Floats, weight: Floats, acting: Ints, overdispersion: Floats
) -> Floats:
    """Compute the share of a day's calls per slot, queue × 7 × slot: a weekday sums to 1, or 0 if never open."""
    calls, seen, weight, acting = calls[:, -WINDOW:], seen[-WINDOW:], weight[:, -WINDOW:], acting[-WINDOW:]
    weight = weight * 0.5 ** ((np.arange(calls.shape[1])[::-1] + 0.5) / 7 / HALF_LIFE)
    share, trust = np.zeros((len(calls), 7, SLOTS)), np.zeros((len(calls), 7))
    for day in range(7):
        at = np.flatnonzero((acting == day) & (weight > 0).any(axis=0))
        if at.size:
            share[:, day], trust[:, day] = _share(calls[:, at], seen[at], weight[:, at], overdispersion)
    share, trust = borrow_weekdays(share, trust)
    return borrow_slots(share, trust)


def _share(calls: Floats, seen: Floats, weight: Floats, overdispersion: Floats) -> tuple[Floats, Floats]:
    """Average days to shares, twice (the first pass gives the caps), and return the effective number of calls."""
    rate = np.where(seen > 0, calls / np.maximum(seen, 1), 0)
    first, _ = _mean_share(rate, seen, weight)
    expected = first[:, None, :] * rate.sum(axis=2, keepdims=True)
    top = expected + CAP * np.sqrt(expected + overdispersion[:, None, None] * expected**2) + 1
    share, total = _mean_share(np.minimum(rate, top), seen, weight)
    return share, total.sum(axis=1) ** 2 / np.maximum((weight * total).sum(axis=1), 1e-9)


def _mean_share(rate: Floats, seen: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Compute shares by slot (over the days that had the slot) and each day's weighted total."""
    total = weight * rate.sum(axis=2)
    share = np.einsum("qd,qds->qs", weight, rate) / np.maximum(total @ (seen > 0), 1e-9)
    return share / np.maximum(share.sum(axis=1, keepdims=True), 1e-9), total


def borrow_weekdays(share: Floats, trust: Floats) -> tuple[Floats, Floats]:
    """Pool each weekday's shares with those of weekdays similar at that time; also return the effective calls."""
    noise = EXCESS / np.maximum(trust, 1e-9)
    both = share[:, :, None] + share[:, None]
    apart = np.divide(
        (share[:, :, None] - share[:, None]) ** 2, both / 2, out=np.zeros_like(both), where=both > 0
    )
    near = _blur(apart, NEAR) / np.maximum(_blur((both > 0).astype(float), NEAR), 1e-9)
    unlike = np.maximum(near - noise[:, :, None, None] - noise[:, None, :, None], 0)
    there = (trust[:, None] > 0) & (trust[:, :, None] > 0)
    mix = np.where(there[..., None], 1 / (noise[:, None, :, None] + unlike), 0)
    total = np.maximum(mix.sum(axis=2, keepdims=True), 1e-12)
    mixed = np.einsum("qwvs,qvs->qws", mix / total, share)
    return mixed, EXCESS * np.einsum("qws,qws->qw", mixed, total[:, :, 0])


def borrow_slots(share: Floats, trust: Floats) -> Floats:
    """Shrink shares towards their neighbours' mean, the more the noisier they are relative to their curvature."""
    open_ = share > OPEN * share.max(axis=2, keepdims=True)
    smooth = np.where(
        open_, _blur(share * open_, KERNEL) / np.maximum(_blur(open_.astype(float), KERNEL), 1e-9), share
    )
    noise = EXCESS / np.maximum(trust, 1e-9)
    bend = np.divide((share - smooth) ** 2, smooth, out=np.zeros_like(share), where=open_ & (smooth > 0))
    bend = bend.sum(axis=2) / np.maximum(open_.sum(axis=2), 1)
    pull = np.clip(noise / np.maximum(bend, 1e-12), 0, 1)[:, :, None]
    mixed = share + pull * (smooth - share)
    return np.asarray(mixed / np.maximum(mixed.sum(axis=2, keepdims=True), 1e-12))


def _blur(values: Floats, kernel: Floats) -> Floats:
    """Average each slot (the last axis) with its neighbours."""
    reach = len(kernel) // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(reach, reach)])
    return np.asarray(
        np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1) @ (kernel / kernel.sum())
    )
