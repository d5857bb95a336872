"""The command line `wfm`."""

from wfm.cli import collecting, telephony
from wfm.cli.commands import main

__all__ = ["collecting", "main", "telephony"]
