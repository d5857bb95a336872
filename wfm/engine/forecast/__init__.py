"""Forecast volume and handle time per queue and 15-minute interval, with bands; measure how good that is."""

from wfm.engine.forecast.backtest import accuracy, backtest
from wfm.engine.forecast.engine import forecast

__all__ = ["accuracy", "backtest", "forecast"]
