"""A simulated contact centre with a known truth, told in the vendors' wire formats over HTTP on loopback."""

from wfm.sandbox.centre import simulate
from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import Manners
from wfm.sandbox.serve import running, serve, settings
from wfm.sandbox.truth import Truth

__all__ = ["Clock", "Faults", "Manners", "Truth", "running", "serve", "settings", "simulate"]
