"""`wfm shrinkage`: where paid time went and how busy agents were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import (
    AgentsOption,
    AsOfOption,
    ByOption,
    FormatOption,
    FromOption,
    OutOption,
    ToOption,
    open_centre,
    parse_groups,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, print_note, show_progress
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

SCREEN_COLUMNS = (
    "shrinkage",
    "shrinkage_planned",
    "shrinkage_unplanned",
    "occupancy",
    "utilisation",
    "paid_s",
    "productive_s",
    "planned_s",
    "unplanned_s",
    "unknown_s",
)


def run(
    from_: FromOption,
    to: ToOption,
    by: ByOption = "team",
    causes: Annotated[
        bool,
        typer.Option(
            "--causes", help="List what shrinkage consists of: activities, reasons, exemption codes."
        ),
    ] = False,
    utilisation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Formula of utilisation: {', '.join(choices.UTILISATIONS)}. Without it {choices.UTILISATIONS[0]}.",
            autocompletion=completion.complete_utilisations,
        ),
    ] = None,
    agent: AgentsOption = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Show shrinkage, occupancy and utilisation of paid time.

    Paid time is productive, planned shrinkage (breaks, training, meetings), unplanned shrinkage (late, absent) or
    unknown.

    Example: wfm shrinkage --from 2026-03-02 --to 2026-03-09 --by team,interval
    """
    target, groups = OutputTarget.choose(format, out), parse_groups(by)
    if causes:
        if utilisation is not None:
            raise UsageError("--utilisation goes with the figures, not with --causes: leave one out.")
        with show_progress("Scoring"):
            rows = open_centre().shrinkage_causes(from_, to, by=groups, agents=agent, as_of=as_of)
        print_frame(rows, target)
        return
    formula = utilisation or choices.UTILISATIONS[0]
    with show_progress("Scoring"):
        rows = open_centre().shrinkage(from_, to, by=groups, agents=agent, as_of=as_of, utilisation=formula)
    print_frame(rows, target, [*rows.columns[: rows.columns.index("paid_s")], *SCREEN_COLUMNS])
    if target.is_screen:
        _print_formulas(formula)
        _print_summary(rows, formula)


def _print_formulas(utilisation: str) -> None:
    from wfm.engine.adherence.shrinkage import SHRINKAGE_FORMULAS, UTILISATION_FORMULAS

    for name, formula in SHRINKAGE_FORMULAS.items():
        print_note(f"{name}: {formula}.")
    formula = (UTILISATION_FORMULAS[utilisation].__doc__ or "").removeprefix("Return ")
    print_note(f"utilisation ({utilisation}): {formula}")


def _print_summary(rows: pl.DataFrame, utilisation: str) -> None:
    from wfm.engine.adherence.shrinkage import SHRINKAGE_SUMS, compute_shrinkage_ratios
    from wfm.report import formats

    if rows.height < 2:
        return
    total = compute_shrinkage_ratios(rows.select(SHRINKAGE_SUMS).sum(), utilisation).row(0, named=True)
    print_line()
    print_line(f"All {rows.height:,} rows:")
    print_line(
        f"shrinkage {formats.format_percent(total['shrinkage'])} "
        f"(planned {formats.format_percent(total['shrinkage_planned'])}, "
        f"unplanned {formats.format_percent(total['shrinkage_unplanned'])}), occupancy "
        f"{formats.format_percent(total['occupancy'])}"
    )
