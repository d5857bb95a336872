"""`wfm sandbox`: the phone systems' APIs over a simulated contact centre."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from wfm.cli.options import open_centre
from wfm.cli.output import print_line
from wfm.core.errors import UsageError


def run(
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port to listen on, on loopback only.", min=0, max=65_535)
    ] = 8099,
    speed: Annotated[
        float, typer.Option(metavar="FACTOR", help="Simulated seconds per real second.", min=0)
    ] = 1.0,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Seed of the random numbers: the same seed, the same centre.", min=0),
    ] = 1,
    agents: Annotated[
        int, typer.Option(metavar="N", help="How many agents, 1 to 10,000.", min=1, max=10_000)
    ] = 40,
    days: Annotated[
        int,
        typer.Option(
            metavar="N", help="How many days, 1 to 60; half of them are in the past.", min=1, max=60
        ),
    ] = 14,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT[:PROBABILITY|:TIMESx][@SOURCE][=VALUE]",
            help="Inject a fault, like html:0.1 or throttle:3x@xsi=2; may be repeated.",
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Send events from now on to the webhooks of the wfm serve at this address."
        ),
    ] = None,
) -> None:
    """Simulate the phone systems' APIs on this machine.

    One simulated contact centre behind the APIs of all vendors, until Ctrl-C. The settings that collect from it are
    printed first.

    Example: wfm sandbox --port 8099 > settings.env
    """
    from wfm.sandbox.server.serve import serve_sandbox

    if push is not None and not re.fullmatch(r"https?://[^\s/?#]+/?", push):
        raise UsageError(f"--push {push}: give the address of a wfm serve, like http://127.0.0.1:8080.")
    zone = open_centre().settings.timezone
    for line in serve_sandbox(
        port, speed, seed, fault or (), agents=agents, days=days, timezone=zone, push=push
    ):
        print_line(line)
