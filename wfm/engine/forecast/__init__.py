"""Forecast volume and handle time per queue and 15-minute interval, with prediction intervals and backtest."""

from wfm.engine.forecast.backtest import run_backtest, summarise_accuracy
from wfm.engine.forecast.forecast import forecast_intervals

__all__ = ["forecast_intervals", "run_backtest", "summarise_accuracy"]
