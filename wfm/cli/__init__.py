"""The command line `wfm`."""

from wfm.cli import bridging, collecting, serving, shrinkage, telephony
from wfm.cli.commands import main

__all__ = ["bridging", "collecting", "main", "serving", "shrinkage", "telephony"]
