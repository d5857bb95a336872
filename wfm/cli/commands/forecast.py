"""`wfm forecast`: volume and AHT of the intervals to come."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli.options import AsOfOption, FormatOption, OutOption, QueuesOption, open_centre, parse_duration
from wfm.cli.output import OutputTarget, print_frame, show_progress


def run(
    queue: QueuesOption = None,
    horizon: Annotated[
        str, typer.Option(metavar="DURATION", help="How far ahead, like 14d, 2w or 36h.")
    ] = "14d",
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Use only intervals that ended by this day or instant. Without it, all there are.",
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Forecast volume and AHT per interval and store the snapshot.

    The quantiles p10, p50 and p90 make the prediction interval. Every forecast is added to the table forecast.

    Example: wfm forecast --queue sales --horizon 14d --out next.csv
    """
    target, ahead = OutputTarget.choose(format, out), parse_duration(horizon, "--horizon")
    with show_progress("Forecasting"):
        rows = open_centre().forecast(queues=queue, horizon=ahead, origin=origin, as_of=as_of)
    print_frame(rows, target)
