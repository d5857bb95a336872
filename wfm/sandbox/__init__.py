"""A simulated contact centre with a known truth, told in the vendors' wire formats over HTTP on loopback."""

from wfm.sandbox.centre import Truth, simulate
from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.serve import running, serve, settings

__all__ = ["Clock", "Faults", "Truth", "running", "serve", "settings", "simulate"]
