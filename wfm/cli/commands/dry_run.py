"""`wfm dry-run`: the effect of a mapping, a rule, an activity or an option before it is imported or set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfm.cli import choices, completion
from wfm.cli.options import (
    AgentsOption,
    AsOfOption,
    FormatOption,
    OptionalFrom,
    OptionalTo,
    OutOption,
    open_centre,
    parse_groups,
    parse_pairs,
)
from wfm.cli.output import (
    SCREEN,
    OutputTarget,
    print_frame,
    print_line,
    print_note,
    print_wrapped,
    show_progress,
)

if TYPE_CHECKING:
    import polars as pl

    from wfm.analysis.dry_run import DryRunResult

MAX_SCREEN_ROWS = 20


def run(
    state_map: Annotated[
        Path | None,
        typer.Option("--state-map", metavar="FILE", help="Rows of table state_map to try."),
    ] = None,
    rule: Annotated[Path | None, typer.Option(metavar="FILE", help="Rows of table rule to try.")] = None,
    activity: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows of table activity to try.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="SOURCE:VENDOR STATE=STATE", help="Try a mapping; may be repeated."),
    ] = None,
    in_: Annotated[
        list[str] | None,
        typer.Option(
            "--in", metavar="CATEGORY:STATE", help="Try a rule: this state is in adherence; may be repeated."
        ),
    ] = None,
    out_of: Annotated[
        list[str] | None,
        typer.Option(
            "--not-in",
            metavar="CATEGORY:STATE",
            help="Try a rule: this state is out of adherence; may be repeated.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Try an option, like wrapup_grace=60; may be repeated."),
    ] = None,
    from_: OptionalFrom = None,
    to: OptionalTo = None,
    days: Annotated[
        int, typer.Option(metavar="N", help="Without --from and --to: score the last N days with data.")
    ] = 90,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Group by these, separated by commas: {', '.join(choices.SCORE_GROUPS)}.",
            autocompletion=completion.complete_score_groups,
        ),
    ] = "agent",
    agent: AgentsOption = None,
    target: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Count the agents who would cross this adherence, like 0.9."),
    ] = None,
    moves: Annotated[
        bool,
        typer.Option(
            "--moves", help="List the seconds that would change class, and why, instead of the scores."
        ),
    ] = False,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Try a mapping, rule or option without storing anything.

    Scores the last days with and without the change: whose adherence would change, by how much and why.

    Example: wfm dry-run --map "ncc:Coffee=break" --in break:training --days 30 --target 0.9
    """
    where = OutputTarget.choose(format, out)
    files = {"state_map": state_map, "rule": rule, "activity": activity}
    with show_progress("Scoring twice"):
        result = open_centre().dry_run(
            from_,
            to,
            days=days,
            tables={name: path for name, path in files.items() if path is not None},
            maps=map_ or (),
            fits=in_ or (),
            misfits=out_of or (),
            options=parse_pairs(option, "--option"),
            by=parse_groups(by),
            target=target,
            agents=agent,
            as_of=as_of,
        )
    for note in result.notes:
        print_note(f"note: {note}")
    if where.is_screen:
        _print_result(result, moves)
    else:
        print_frame(result.moves if moves else result.groups, where)


def _print_result(result: DryRunResult, moves: bool) -> None:
    print_wrapped(_describe_effect(result))
    print_line()
    groups = result.groups.drop("scheduled_before_s", "scheduled_after_s").rename({"change": "points"})
    rows = result.moves if moves else groups
    print_frame(rows.head(MAX_SCREEN_ROWS), SCREEN)
    if not moves and result.moves.height:
        print_line()
        print_frame(_sum_causes(result.moves), SCREEN)
    if rows.height > MAX_SCREEN_ROWS:
        print_note(f"{rows.height - MAX_SCREEN_ROWS:,} more rows: --format csv or --out FILE gives all.")


def _sum_causes(moves: pl.DataFrame) -> pl.DataFrame:
    """Sum the moved seconds over all groups: cause from_class to_class seconds."""
    import polars as pl

    return (
        moves.group_by("cause", "from_class", "to_class")
        .agg(pl.col("seconds").sum())
        .sort("seconds", "cause", descending=[True, False])
    )


def _format_change(total: dict[str, Any], name: str) -> str:
    """Write the value before and after with enough decimals to show the difference."""
    from wfm.report import formats

    return formats.format_percent_range(total[f"{name}_before"], total[f"{name}_after"]).replace(
        " and ", " to "
    )


def _describe_effect(result: DryRunResult) -> str:
    import polars as pl

    from wfm.report import formats

    total, (start, end) = result.overall.row(0, named=True), result.window
    when = f"From {start} to {end}"
    if not total["moved_s"]:
        return f"{when} nothing would change: adherence {formats.format_percent(total['adherence_before'])}."
    text = (
        f"{when} adherence would go from {_format_change(total, 'adherence')}, adjusted from "
        f"{_format_change(total, 'adherence_adjusted')}; "
        f"{formats.format_duration(total['moved_s'])} of {formats.format_plural(result.agents.height, 'agent')} "
        "would change class."
    )
    if result.target is None:
        return text
    up, down = (result.agents.filter(pl.col("crosses") == way).height for way in ("up", "down"))
    target = formats.format_percent(result.target)
    return f"{text} {up:,} would rise to the target of {target}, {down:,} would fall below it."
