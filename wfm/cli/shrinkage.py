"""The command that tells where paid time went and how busy agents were."""

from __future__ import annotations

from typing import Annotated

import typer

from wfm.cli.commands import Agents, AsOf, By, FormatOption, From, Out, To, app, centre, grouping
from wfm.cli.screen import Format, Target, remark, show, working
from wfm.engine.rollup import groups
from wfm.engine.shrinkage import FORMULAS, UTILISATIONS
from wfm.errors import UsageError

SHOWN = (
    "paid_s",
    "productive_s",
    "planned_s",
    "unplanned_s",
    "unknown_s",
    "shrinkage_planned",
    "shrinkage_unplanned",
    "shrinkage",
    "occupancy",
    "utilisation",
)


@app.command()
def shrinkage(
    from_: From,
    to: To,
    by: By = "team",
    causes: Annotated[
        bool,
        typer.Option(
            "--causes", help="What shrinkage was made of: activities, reasons, codes of exemptions."
        ),
    ] = False,
    utilisation: Annotated[
        str | None, typer.Option(help=f"Which utilisation: {', '.join(UTILISATIONS)}; without it of_paid.")
    ] = None,
    agent: Agents = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Tell where paid time went: planned and unplanned shrinkage, occupancy and utilisation.

    Example: wfm shrinkage --from 2026-03-02 --to 2026-03-09 --by team,interval
    """
    target, names = Target.of(format, out), grouping(by)
    if causes:
        if utilisation is not None:
            raise UsageError("--utilisation goes with the figures, not with --causes: leave one out.")
        with working("Scoring"):
            rows = centre().shrinkage_causes(from_, to, by=names, agents=agent, as_of=as_of)
        show(rows, target)
        return
    chosen = utilisation or "of_paid"
    with working("Scoring"):
        rows = centre().shrinkage(from_, to, by=names, agents=agent, as_of=as_of, utilisation=chosen)
    show(rows, target, [*groups(names), *SHOWN])
    if target.format == Format.table:
        _explain(chosen)


def _explain(utilisation: str) -> None:
    """Say beside the table what its figures are."""
    for name, formula in FORMULAS.items():
        remark(f"{name}: {formula}.")
    remark(f"utilisation ({utilisation}): {UTILISATIONS[utilisation].__doc__}")
