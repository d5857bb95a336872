"""`wfm accuracy`: how good the forecast would have been in the past."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli.options import AsOfOption, FormatOption, OutOption, QueuesOption, open_centre
from wfm.cli.output import OutputTarget, print_frame, show_progress

SCREEN_COLUMNS = (
    "queue_id",
    "measure",
    "model",
    "wape15",
    "noise_floor",
    "bias",
    "coverage",
    "pinball",
    "intervals",
)


def run(
    queue: QueuesOption = None,
    weeks: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=52, help="How many weekly origins to forecast from, 1 to 52."),
    ] = 8,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Backtest the forecast against baselines and the noise floor.

    Each week of the past is forecast from what was known before it, then compared with what happened.

    Example: wfm accuracy --queue sales --weeks 8
    """
    target = OutputTarget.choose(format, out)
    with show_progress("Backtesting"):
        rows = open_centre().accuracy(queues=queue, weeks=weeks, as_of=as_of)
    print_frame(rows, target, SCREEN_COLUMNS)
