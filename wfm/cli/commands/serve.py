"""`wfm serve`: the service that collects and receives webhooks."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli.options import open_centre
from wfm.service import LogFormat


def run(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on; webhooks should come through a reverse proxy."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", help="Port to listen on; 0: any free one, named in the log.", min=0, max=65_535
        ),
    ] = 8080,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", metavar="json|text", help="How log lines are written on stderr."),
    ] = LogFormat.json,
) -> None:
    """Run the service: scheduled collection, webhooks, health.

    Collects every feed when it is due and receives webhooks at /hooks/SOURCE/SECRET, until SIGTERM or Ctrl-C. Health
    is at /health, metrics at /metrics.

    Example: wfm serve --port 8080
    """
    from wfm.service.server import run_service

    run_service(open_centre().settings, host, port, log_format)
