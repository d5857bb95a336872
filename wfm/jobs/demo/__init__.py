"""The whole product with nothing to configure: on a simulated centre over HTTP, or on a bank's real calls."""

from wfm.jobs.demo.bank import SAMPLE, bank
from wfm.jobs.demo.live import Collected
from wfm.jobs.demo.proof import Match, Proof
from wfm.jobs.demo.show import Demo, demo

__all__ = ["SAMPLE", "Collected", "Demo", "Match", "Proof", "bank", "demo"]
