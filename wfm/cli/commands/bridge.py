"""`wfm bridge`: which seconds make the difference between two scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import (
    AgentsOption,
    AsOfOption,
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

SCREEN_COLUMNS = ("kind", "activity", "state", "seconds", "points")
STRETCH_COLUMNS = ("agent_id", "workday", "start_at", "end_at", "seconds", *SCREEN_COLUMNS[:3], "reason")


def run(
    from_: FromOption,
    to: ToOption,
    definition: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="The first and the second score, so give it twice: "
            f"{', '.join((*choices.OWN_SCORES, *choices.DEFINITIONS))}.",
            autocompletion=completion.complete_scores,
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Group by these, separated by commas: {', '.join(choices.SCORE_GROUPS)}. Without it, everything "
            "together.",
            autocompletion=completion.complete_score_groups,
        ),
    ] = "",
    stretches: Annotated[
        bool, typer.Option("--stretches", help="List every stretch that counts differently.")
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this kind of seconds, as in column kind; may be repeated."),
    ] = None,
    agent: AgentsOption = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Show which seconds make the difference between two scores.

    For each kind of seconds that counts differently: how many there are and how many percentage points they add or
    take away.

    Example: wfm bridge --from 2026-03-02 --to 2026-03-09 --definition adherence --definition genesys_outside_shift
    """
    target, groups = OutputTarget.choose(format, out), parse_groups(by)
    if len(definition) != 2:
        raise UsageError("--definition: name two scores, from the first to the second.")
    if stretches and groups:
        raise UsageError("--by: stretches are not grouped; leave out one of --by and --stretches.")
    with show_progress("Scoring"):
        rows = open_centre().bridge(
            from_,
            to,
            definitions=(definition[0], definition[1]),
            by=groups,
            stretches=stretches,
            agents=agent,
            as_of=as_of,
        )
    if target.is_screen and not (groups or stretches):
        _print_headline(rows, *definition)
    rows = _filter_kinds(rows, kind) if kind else rows
    print_frame(rows, target, STRETCH_COLUMNS if stretches else _choose_columns(groups))


def _filter_kinds(rows: pl.DataFrame, kinds: list[str]) -> pl.DataFrame:
    import polars as pl

    present = rows["kind"].unique(maintain_order=True).to_list()
    for kind in kinds:
        if kind not in present:
            print_note(
                f"No seconds of kind {kind!r} make a difference; there are: {', '.join(present) or 'none'}."
            )
    return rows.filter(pl.col("kind").is_in(kinds))


def _choose_columns(groups: list[str]) -> tuple[str, ...]:
    return (
        *groups,
        *(("score_from", "score_to") if groups else ()),
        *(name for name in SCREEN_COLUMNS if name not in groups),
    )


def _print_headline(rows: pl.DataFrame, before: str, after: str) -> None:
    from wfm.report import formats

    if rows.is_empty():
        print_note(f"{before} and {after} count every second alike.")
        return
    start, end = rows["score_from"][0], rows["score_to"][0]
    change = formats.NO_VALUE if start is None or end is None else formats.format_change(end - start)
    print_line(
        f"{before} {formats.format_percent(start)}, {after} {formats.format_percent(end)}: {change} points"
    )
    print_line()
