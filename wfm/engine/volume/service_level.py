"""Define a service level: its six variants in use, its target, and the division that all ratios of volume share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from wfm.core.errors import UsageError


def divide_or_null(part: str | pl.Expr, whole: str | pl.Expr) -> pl.Expr:
    """Divide two columns or expressions; null where the divisor is not positive."""
    dividend, divisor = (pl.col(side) if isinstance(side, str) else side for side in (part, whole))
    return pl.when(divisor > 0).then(dividend / divisor)


def of_entered() -> pl.Expr:
    """Compute answered within T / entered: every other call counts against it (Cisco "abandons impact negatively")."""
    return divide_or_null("answered_within", "calls")


def of_answered() -> pl.Expr:
    """Compute answered within T / answered: abandoned calls do not count at all."""
    return divide_or_null("answered_within", "calls_answered")


def of_answered_and_abandoned() -> pl.Expr:
    """Compute answered within T / (answered + abandoned), without voicemail and overflow (Genesys, abandons in)."""
    return divide_or_null("answered_within", pl.col("calls_answered") + pl.col("calls_abandoned"))


def with_abandoned_within() -> pl.Expr:
    """Compute (answered + abandoned within T) / entered (Cisco "abandons impact positively")."""
    return divide_or_null(pl.col("answered_within") + pl.col("abandoned_within"), "calls")


def without_abandoned_within() -> pl.Expr:
    """Compute answered within T / (entered − abandoned within T) (Cisco "abandons ignored")."""
    return divide_or_null("answered_within", pl.col("calls") - pl.col("abandoned_within"))


def without_short_abandons() -> pl.Expr:
    """Compute answered within T / (answered + abandoned − short abandons), with its own limit (RingCentral)."""
    return divide_or_null(
        "answered_within", pl.col("calls_answered") + pl.col("calls_abandoned") - pl.col("abandoned_short")
    )


SERVICE_LEVEL_VARIANTS: Final[dict[str, Callable[[], pl.Expr]]] = {
    each.__name__: each
    for each in (
        of_entered,
        of_answered,
        of_answered_and_abandoned,
        with_abandoned_within,
        without_abandoned_within,
        without_short_abandons,
    )
}
"""The six variants in use, by name; each is an expression over the counts that `measure_intervals` returns."""


@dataclass(frozen=True)
class ServiceLevel:
    """The definition of a service level; a percentage without it means nothing.

    target_s: the target T; a wait of exactly T is within it.
    variant: one of `SERVICE_LEVEL_VARIANTS`; by default the strictest, which leaves no call out.
    short_abandon_s: an abandon after at most this time is short; only ``without_short_abandons`` uses it.

    Raises:
        UsageError: there is no such variant, or a time is negative or not finite.
    """

    target_s: float = 20
    variant: str = "of_entered"
    short_abandon_s: float = 5

    def __post_init__(self) -> None:
        if self.variant not in SERVICE_LEVEL_VARIANTS:
            raise UsageError(
                f"Unknown service level {self.variant!r}; choose from: {', '.join(SERVICE_LEVEL_VARIANTS)}."
            )
        for name in ("target_s", "short_abandon_s"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise UsageError(f"service level: {name} is {seconds}; give seconds, 0 or more.")
