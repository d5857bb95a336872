"""The whole product without configuration: on a simulated centre over HTTP, or on a bank's real calls."""

from wfm.demo.bank import SAMPLE_TABLES, run_bank_demo
from wfm.demo.collect import CollectedFeed
from wfm.demo.progress import EXPECTED_S, ProgressListener
from wfm.demo.proof import GroundTruthComparison, MatchCounts
from wfm.demo.run import DemoResult, run_demo

__all__ = [
    "EXPECTED_S",
    "SAMPLE_TABLES",
    "CollectedFeed",
    "DemoResult",
    "GroundTruthComparison",
    "MatchCounts",
    "ProgressListener",
    "run_bank_demo",
    "run_demo",
]
