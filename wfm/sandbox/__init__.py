"""A simulated contact centre with a known ground truth, served in the vendors' wire formats over HTTP on loopback."""

from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox, serve_sandbox
from wfm.sandbox.vendors.behaviour import VendorBehaviour

__all__ = [
    "GroundTruth",
    "InjectedFaults",
    "SimulatedClock",
    "VendorBehaviour",
    "build_settings_lines",
    "run_sandbox",
    "serve_sandbox",
    "simulate_centre",
]
