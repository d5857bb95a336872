"""Try a mapping, a rule, an activity or an option before it is imported or set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from wfm.cli.commands import Agents, AsOf, FormatOption, Out, app, centre, grouping, pairs
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.engine.score import BY
from wfm.jobs.rehearsing import Rehearsal
from wfm.report import formats

SHOWN = 20
TABLE = Target(Format.table, None)


@app.command("dry-run")
def dry_run(
    state_map: Annotated[
        Path | None, typer.Option("--state-map", help="Rows of table state_map to try.", metavar="FILE")
    ] = None,
    rule: Annotated[Path | None, typer.Option(help="Rows of table rule to try.", metavar="FILE")] = None,
    activity: Annotated[
        Path | None, typer.Option(help="Rows of table activity to try.", metavar="FILE")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="SOURCE:WORD=STATE", help="A mapping to try; may be repeated."),
    ] = None,
    in_: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="CATEGORY:STATE", help="Try this as in adherence; may be repeated."),
    ] = None,
    out_of: Annotated[
        list[str] | None,
        typer.Option("--not-in", metavar="CATEGORY:STATE", help="Try this as out of it; may be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Try an option, like wrapup_grace=60; may be repeated."),
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First local workday.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DAY", help="The day after the last one.")] = None,
    days: Annotated[int, typer.Option(help="Without --from and --to: the last days that are known.")] = 90,
    by: Annotated[str, typer.Option(help=f"Group by, separated by commas: {', '.join(BY)}.")] = "agent",
    agent: Agents = None,
    target: Annotated[
        float | None, typer.Option(help="Count the agents who would cross this adherence, like 0.9.")
    ] = None,
    moves: Annotated[
        bool, typer.Option("--moves", help="Give the seconds that change class and why, not the figures.")
    ] = False,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Show who would move, and why, if these rows or options held; nothing is stored.

    Example: wfm dry-run --map "ncc:Coffee=break" --in break:training --days 30 --target 0.9
    """
    shown = Target.of(format, out)
    given = {"state_map": state_map, "rule": rule, "activity": activity}
    with working("Scoring twice"):
        told = centre().dry_run(
            from_,
            to,
            days=days,
            tables={name: path for name, path in given.items() if path is not None},
            maps=map_ or (),
            fits=in_ or (),
            misfits=out_of or (),
            options=pairs(option, "--option"),
            by=grouping(by),
            target=target,
            agents=agent,
            as_of=as_of,
        )
    for note in told.notes:
        remark(f"note: {note}")
    if shown.format != Format.table:
        show(told.moves if moves else told.groups, shown)
        return
    say(_headline(told))
    say("")
    show(
        (told.moves if moves else told.groups.drop("scheduled_before_s", "scheduled_after_s")).head(SHOWN),
        TABLE,
    )
    if not moves and told.moves.height:
        say("")
        show(_why(told.moves), TABLE)
    rest = (told.moves if moves else told.groups).height - SHOWN
    if rest > 0:
        remark(f"{rest:,} more rows: --format csv or --out FILE gives all.")


def _why(moves: pl.DataFrame) -> pl.DataFrame:
    """Sum the moves over all groups: cause from_class to_class seconds."""
    return (
        moves.group_by("cause", "from_class", "to_class")
        .agg(pl.col("seconds").sum())
        .sort("seconds", "cause", descending=[True, False])
    )


def _change(whole: dict[str, Any], name: str) -> str:
    """Write before and after with as many decimals as tell them apart."""
    return formats.between(whole[f"{name}_before"], whole[f"{name}_after"]).replace(" and ", " to ")


def _headline(told: Rehearsal) -> str:
    whole, (start, end) = told.whole.row(0, named=True), told.window
    when = f"From {start} to {end}"
    if not whole["moved_s"]:
        return f"{when} nothing would change: adherence {formats.percent(whole['adherence_before'])}."
    said = (
        f"{when} adherence would go from {_change(whole, 'adherence')}, adjusted from "
        f"{_change(whole, 'adherence_adjusted')}; "
        f"{formats.clock(whole['moved_s'])} of {formats.plural(told.agents.height, 'agent')} would move."
    )
    if told.target is None:
        return said
    up, down = (told.agents.filter(pl.col("crosses") == way).height for way in ("up", "down"))
    return f"{said} {up:,} would rise to {formats.percent(told.target)}, {down:,} would fall below."
