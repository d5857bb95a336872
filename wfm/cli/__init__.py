"""The command line `wfm`; each command is loaded when it is named."""

from wfm.cli.app import main

__all__ = ["main"]
