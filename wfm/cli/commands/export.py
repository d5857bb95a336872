"""`wfm export`: export a table."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import AsOfOption, FormatOption, OutOption, open_centre
from wfm.cli.output import OutputTarget, print_frame


def run(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help=f"One of: {', '.join(choices.TABLES)}.",
            autocompletion=completion.complete_tables,
        ),
    ],
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Export a table.

    A table that can be imported is written in the form in which it can be imported again.

    Example: wfm export agent_state --format parquet --out states.parquet
    """
    target = OutputTarget.choose(format, out)
    print_frame(open_centre().read_table(table, as_of=as_of), target)
