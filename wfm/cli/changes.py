"""What changed: why an answer is another than it was."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import polars as pl
import typer

from wfm.cli.commands import Agents, FormatOption, From, Out, To, app, centre, grouping
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.engine.changes import FACETS
from wfm.engine.score import BY
from wfm.jobs import Changes
from wfm.report import formats

FIGURES = (
    "scheduled_change_s",
    "adherence_before",
    "adherence_after",
    "adherence_adjusted_before",
    "adherence_adjusted_after",
    "in_change_s",
    "approved_change_s",
    "call_driven_change_s",
    "system_change_s",
    "unknown_change_s",
    "controllable_change_s",
)
CAUSES = (
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


class View(StrEnum):
    """One side of what changed."""

    figures = "figures"
    seconds = "seconds"
    causes = "causes"
    sources = "sources"


@app.command("what-changed")
def what_changed(
    from_: From,
    to: To,
    then: Annotated[
        str, typer.Option(metavar="INSTANT", help="What was known then … (as --as-of of other commands)")
    ],
    now: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="… against what was known then; else all there is.")
    ] = None,
    by: Annotated[
        str, typer.Option(help=f"Group figures by, separated by commas: {', '.join(BY)}.")
    ] = "agent,workday",
    agent: Agents = None,
    view: Annotated[
        View | None,
        typer.Option(
            "--show",
            help="Only the figures, the changed seconds, the rows that are to blame, or their sources.",
        ),
    ] = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Say how scores differ between two instants of knowledge, which seconds, and because of which rows.

    Example: wfm what-changed --from 2026-03-02 --to 2026-03-09 --then 2026-03-10T09:00:00Z
    """
    target = Target.of(format, out)
    with working("Scoring what was known then and now"):
        found = centre().what_changed(from_, to, then, now=now, by=grouping(by), agents=agent)
    if view is None and target.format == Format.table:
        _all(found, target)
    else:
        _one(found, view or View.figures, target)
    if found.unexplained.height:
        n = formats.plural(found.unexplained.height, "workday")
        remark(f"note: of {n} no row that came or went explains the change.")


def _one(found: Changes, view: View, target: Target) -> None:
    if view is View.figures:
        first = [name for name in found.figures.columns if name in BY]
        show(found.figures, target, (*first, *FIGURES))
    elif view is View.seconds:
        show(_compact(found.stretches) if target.format == Format.table else found.stretches, target)
    elif view is View.causes:
        show(found.causes, target, CAUSES)
    else:
        show(found.sources(), target)


def _compact(stretches: pl.DataFrame) -> pl.DataFrame:
    """Show once what is the same before and after in every row."""
    for name in FACETS:
        before, after = f"{name}_before", f"{name}_after"
        if stretches[before].ne_missing(stretches[after]).any():
            continue
        stretches = stretches.drop(after)
        stretches = stretches.drop(before) if name == "workday" else stretches.rename({before: name})
    return stretches


def _all(found: Changes, target: Target) -> None:
    if found.figures.is_empty() and found.stretches.is_empty():
        say("Nothing changed.")
        return
    for title, view in (
        ("Scores", View.figures),
        ("Seconds", View.seconds),
        ("Because of", View.sources),
    ):
        say(f"{title}:")
        _one(found, view, target)
        say("")
