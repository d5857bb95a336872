"""Measures of a forecast: one polars expression each, over rows of one interval."""

import math

import polars as pl


def wape(forecast: pl.Expr, actual: pl.Expr, weight: pl.Expr | float = 1.0) -> pl.Expr:
    """Give Σ w |forecast − actual| / Σ w actual; null when nothing came."""
    return _over((weight * (forecast - actual).abs()).sum(), (weight * actual).sum())


def bias(forecast: pl.Expr, actual: pl.Expr, weight: pl.Expr | float = 1.0) -> pl.Expr:
    """Give Σ w (forecast − actual) / Σ w actual; positive = over-forecast."""
    return _over((weight * (forecast - actual)).sum(), (weight * actual).sum())


def pinball(forecast: pl.Expr, actual: pl.Expr, level: float) -> pl.Expr:
    """Give the mean pinball loss of a quantile (Koenker & Bassett 1978), in the unit of the actuals."""
    miss = actual - forecast
    return pl.max_horizontal(level * miss, (level - 1) * miss).mean()


def coverage(low: pl.Expr, high: pl.Expr, actual: pl.Expr) -> pl.Expr:
    """Give the share of actuals in [low, high]."""
    return ((actual >= low) & (actual <= high)).mean()


def noise_floor(actual: pl.Expr) -> pl.Expr:
    """Give the WAPE that Poisson noise leaves to a perfect forecast: √(2/(π v)) weighted by volume v."""
    return _over((actual * 2 / math.pi).sqrt().sum(), actual.sum())


def _over(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    return pl.when(bottom > 0).then(top / bottom)
