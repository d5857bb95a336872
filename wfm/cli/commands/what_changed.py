"""`wfm what-changed`: why scores are different from those of an earlier time."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import (
    AgentsOption,
    FormatOption,
    FromOption,
    OutOption,
    ToOption,
    open_centre,
    parse_groups,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, print_note, show_progress

if TYPE_CHECKING:
    import polars as pl

    from wfm.analysis.what_changed import ScoreChanges

FIGURE_COLUMNS = (
    "adherence_before",
    "adherence_after",
    "adherence_adjusted_before",
    "adherence_adjusted_after",
    "scheduled_change_s",
    "in_change_s",
    "approved_change_s",
    "call_driven_change_s",
    "system_change_s",
    "unknown_change_s",
    "controllable_change_s",
)
CAUSE_COLUMNS = (
    "agent_id",
    "workday",
    "table",
    "change",
    "start_at",
    "end_at",
    "says",
    "said_before",
    "seconds",
    "by",
    "source",
    "file_name",
    "row_no",
    "known_at",
)


class ChangeView(StrEnum):
    """One view of what changed."""

    figures = "figures"
    seconds = "seconds"
    causes = "causes"
    sources = "sources"


def run(
    from_: FromOption,
    to: ToOption,
    then: Annotated[
        str,
        typer.Option(metavar="INSTANT", help="The earlier time: scores with the data as it was known then."),
    ],
    now: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="The later time; without it, everything known today."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Group figures by these, separated by commas: {', '.join(choices.SCORE_GROUPS)}.",
            autocompletion=completion.complete_score_groups,
        ),
    ] = "agent,workday",
    agent: AgentsOption = None,
    view: Annotated[
        ChangeView | None,
        typer.Option(
            "--show",
            metavar="VIEW",
            help="Show only figures, seconds (the changed stretches), causes (the rows that changed them) or sources "
            "(the files and collections these rows came from).",
        ),
    ] = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Show why scores differ from those of an earlier time.

    Lists the scores that differ, the seconds that changed class, and the rows added or corrected since that
    explain it.

    Example: wfm what-changed --from 2026-03-02 --to 2026-03-09 --then 2026-03-10T09:00:00Z
    """
    from wfm.report import formats

    target = OutputTarget.choose(format, out)
    with show_progress("Scoring before and after"):
        changes = open_centre().what_changed(from_, to, then, now=now, by=parse_groups(by), agents=agent)
    if view is None and target.is_screen:
        _print_all_views(changes, target)
    else:
        _print_view(changes, view or ChangeView.figures, target)
    if changes.unexplained.height:
        days = formats.format_plural(changes.unexplained.height, "workday")
        print_note(f"note: no row that was added or retired explains the change of {days}.")


def _print_view(changes: ScoreChanges, view: ChangeView, target: OutputTarget) -> None:
    if view is ChangeView.figures:
        groups = [name for name in changes.figures.columns if name in choices.SCORE_GROUPS]
        print_frame(changes.figures, target, (*groups, *FIGURE_COLUMNS))
    elif view is ChangeView.seconds:
        print_frame(
            _merge_equal_columns(changes.stretches) if target.is_screen else changes.stretches, target
        )
    elif view is ChangeView.causes:
        print_frame(changes.causes, target, CAUSE_COLUMNS)
    else:
        print_frame(changes.summarise_causes(), target)


def _merge_equal_columns(stretches: pl.DataFrame) -> pl.DataFrame:
    """Show a value once if it is the same before and after in every row."""
    from wfm.engine.adherence.score_diff import COMPARED_COLUMNS

    for name in COMPARED_COLUMNS:
        before, after = f"{name}_before", f"{name}_after"
        if stretches[before].ne_missing(stretches[after]).any():
            continue
        stretches = stretches.drop(after)
        stretches = stretches.drop(before) if name == "workday" else stretches.rename({before: name})
    return stretches


def _print_all_views(changes: ScoreChanges, target: OutputTarget) -> None:
    if changes.figures.is_empty() and changes.stretches.is_empty():
        print_line("Nothing changed.")
        return
    for title, view in (
        ("Scores", ChangeView.figures),
        ("Seconds", ChangeView.seconds),
        ("Because of", ChangeView.sources),
    ):
        print_line(f"{title}:")
        _print_view(changes, view, target)
        print_line()
