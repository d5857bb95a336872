"""Forecast of volume and handle time per queue and 15-minute interval, with prediction intervals and backtest."""

from wfm.engine.forecast.backtest import accuracy, backtest
from wfm.engine.forecast.engine import forecast

__all__ = ["accuracy", "backtest", "forecast"]
