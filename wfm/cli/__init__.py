"""The command line `wfm`."""

from wfm.cli.commands import main

__all__ = ["main"]
