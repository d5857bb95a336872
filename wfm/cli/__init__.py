"""The command line `wfm`."""

from wfm.cli import collecting, serving, shrinkage, telephony
from wfm.cli.commands import main

__all__ = ["collecting", "main", "serving", "shrinkage", "telephony"]
