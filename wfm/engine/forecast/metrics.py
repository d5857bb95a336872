"""Compute the error measures of forecasts, each a polars expression over rows of one interval."""

import math

import polars as pl


def compute_wape(forecast: pl.Expr, actual: pl.Expr, weight: pl.Expr | float = 1.0) -> pl.Expr:
    """Compute WAPE, Σ w |forecast − actual| / Σ w actual; null without actuals."""
    return _divide_or_null((weight * (forecast - actual).abs()).sum(), (weight * actual).sum())


def compute_bias(forecast: pl.Expr, actual: pl.Expr, weight: pl.Expr | float = 1.0) -> pl.Expr:
    """Compute the bias, Σ w (forecast − actual) / Σ w actual; positive = over-forecast."""
    return _divide_or_null((weight * (forecast - actual)).sum(), (weight * actual).sum())


def compute_pinball_loss(forecast: pl.Expr, actual: pl.Expr, level: float) -> pl.Expr:
    """Compute the mean pinball loss of a quantile (Koenker & Bassett 1978), in the unit of the actuals."""
    miss = actual - forecast
    return pl.max_horizontal(level * miss, (level - 1) * miss).mean()


def compute_coverage(low: pl.Expr, high: pl.Expr, actual: pl.Expr) -> pl.Expr:
    """Compute the share of actuals in [low, high]."""
    return ((actual >= low) & (actual <= high)).mean()


def compute_noise_floor(actual: pl.Expr) -> pl.Expr:
    """Compute the noise floor: the WAPE of a perfect forecast of Poisson noise, √(2/(π v)) weighted by volume v."""
    return _divide_or_null((actual * 2 / math.pi).sqrt().sum(), actual.sum())


def _divide_or_null(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    """Divide; null where the divisor is not positive."""
    return pl.when(bottom > 0).then(top / bottom)
