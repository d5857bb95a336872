"""The command that runs all day."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli.commands import app, centre
from wfm.service import LogFormat


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; webhooks come through a reverse proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one, told in the log.", min=0, max=65_535)] = 8080,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="A JSON object or a text a line, on stderr.")
    ] = LogFormat.json,
) -> None:
    """Collect every feed when it is due and take webhooks, until SIGTERM or Ctrl-C.

    Example: wfm serve --port 8080
    """
    from wfm.service.running import serve as run  # a web server that no other command should have to load

    run(centre().settings, host, port, log_format)
