"""The command line `wfm`."""

from wfm.cli import (
    bridging,
    changes,
    collecting,
    exempting,
    explaining,
    outages,
    reconciling,
    rehearsing,
    serving,
    shrinkage,
    telephony,
)
from wfm.cli.commands import main

__all__ = [
    "bridging",
    "changes",
    "collecting",
    "exempting",
    "explaining",
    "main",
    "outages",
    "reconciling",
    "rehearsing",
    "serving",
    "shrinkage",
    "telephony",
]
