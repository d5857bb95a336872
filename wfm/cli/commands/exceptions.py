"""`wfm exceptions`: stretches out of adherence, with reason and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import completion
from wfm.cli.options import (
    AgentsOption,
    AsOfOption,
    FormatOption,
    FromOption,
    OutOption,
    ToOption,
    open_centre,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, print_wrapped, show_progress
from wfm.core.glossary import CLASSES

if TYPE_CHECKING:
    import polars as pl


def run(
    from_: FromOption,
    to: ToOption,
    agent: AgentsOption = None,
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help=f"Only this class: {', '.join(CLASSES)}; may be repeated.",
            autocompletion=completion.complete_classes,
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """List adherence exceptions with their reason and evidence.

    Work outside the shift is listed too; it never counts against adherence.

    Example: wfm exceptions --from 2026-03-02 --to 2026-03-09 --class controllable
    """
    target = OutputTarget.choose(format, out)
    with show_progress("Scoring"):
        rows = open_centre().exceptions(from_, to, agents=agent, classes=class_, as_of=as_of)
    print_frame(rows, target)
    if target.is_screen:
        _print_summary(rows)


def _print_summary(rows: pl.DataFrame) -> None:
    """Print how much time each class has; work outside the shift has none."""
    import polars as pl

    from wfm.report import formats

    if rows.height < 2:
        return
    sums = (
        rows.group_by(pl.col("class").cast(pl.String).fill_null("outside the shift"))
        .agg(pl.col("seconds").sum())
        .sort("seconds", "class", descending=[True, False])
    )
    parts = [
        f"{formats.format_code(name)} {formats.format_duration(seconds)}"
        for name, seconds in sums.iter_rows()
    ]
    print_line()
    print_wrapped(f"{formats.format_plural(rows.height, 'exception')}: {', '.join(parts)}")
