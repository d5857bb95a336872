"""`wfm exempt`: exemptions and outages, with their effect on the scores before they are stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import completion
from wfm.cli.help import HelpfulCommand, make_group
from wfm.cli.options import (
    AsOfOption,
    DryRunOption,
    FormatOption,
    OutOption,
    TeamsOption,
    YesOption,
    open_centre,
)
from wfm.cli.output import SCREEN, OutputTarget, print_frame, print_line, print_note, show_progress
from wfm.core import glossary
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from wfm.analysis.exemptions import ExemptionDecision

MAX_DAYS_SHOWN = 40
"""Up to this many workdays are shown one by one; of more, the sums per team."""
MAX_IDS_SHOWN = 20
FIGURE_COLUMNS = (
    "adherence_before",
    "adherence_after",
    "adherence_adjusted_before",
    "adherence_adjusted_after",
    "scheduled_after_s",
    "controllable_change_s",
)
LIST_COLUMNS = (
    "id",
    "state",
    "start_at",
    "end_at",
    "kind",
    "agent_id",
    "team",
    "code",
    "note",
    "by",
    "revoked_at",
    "revoked_by",
    "decision",
)

group = make_group("Add, revoke, restore and list exemptions and outages.")

IdsArgument = Annotated[
    list[str],
    typer.Argument(metavar="ID", help="As `wfm exempt list` shows it; its first characters are enough."),
]
DecidedByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides this; nothing is stored without it.")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, in words.")]


@group.command("add", cls=HelpfulCommand)
def add_exemption(
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="INSTANT", help="First instant, with its offset; or a day."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="INSTANT", help="End, with its offset; or a day: not included."),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", metavar="NAME", help="Exempt this agent_id; may be repeated."),
    ] = None,
    team: Annotated[
        list[str] | None, typer.Option("--team", metavar="NAME", help="Exempt this team; may be repeated.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Exempt everybody.")] = False,
    by: DecidedByOption = None,
    reason: ReasonOption = None,
    code: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A short code, which reports show.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="approved (a supervisor excused it) or system (an outage).",
            autocompletion=completion.complete_exemption_kinds,
        ),
    ] = glossary.EXEMPTION_KINDS[0],
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add all rows of a csv, parquet or xlsx file with the columns of table exemption instead.",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="With --file: zone of times without an offset, like Europe/London."
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Exempt agents, teams or everybody for a time.

    Shows the effect on the scores, asks for confirmation, and stores it.

    Example: wfm exempt add --from 2026-03-02T10:00Z --to 2026-03-02T11:30Z --agent ann --by Dana --reason "course"
    """
    _require_confirmation(yes, dry_run)
    if file is not None:
        if from_ or to or agent or team or everybody or code or kind != glossary.EXEMPTION_KINDS[0]:
            raise UsageError(
                "--file itself says when, for whom and of which kind: only --by, --reason and --timezone go with it."
            )
        with show_progress("Scoring without and with it"):
            decision = open_centre().exempt_file(file, by=by, reason=reason, timezone=timezone, dry_run=True)
    else:
        if from_ is None or to is None:
            raise UsageError("Say when: --from INSTANT --to INSTANT; or --file FILE.")
        with show_progress("Scoring without and with it"):
            decision = open_centre().exempt(
                from_,
                to,
                agents=agent,
                teams=team,
                everybody=everybody,
                kind=kind,
                code=code,
                by=by or "",
                reason=reason or "",
                dry_run=True,
            )
    _confirm_and_store(decision, yes, dry_run)


@group.command("revoke", cls=HelpfulCommand)
def revoke_exemptions(
    ids: IdsArgument,
    by: DecidedByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Revoke exemptions.

    Scores --as-of an earlier time still count them; `wfm exempt restore` undoes it.

    Example: wfm exempt revoke x3fa9c1d204 --by Dana --reason "was somebody else"
    """
    _require_confirmation(yes, dry_run)
    with show_progress("Scoring without and with it"):
        decision = open_centre().revoke(ids, by=by or "", reason=reason, dry_run=True)
    _confirm_and_store(decision, yes, dry_run)


@group.command("restore", cls=HelpfulCommand)
def restore_exemptions(
    ids: IdsArgument,
    by: DecidedByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Put revoked exemptions in force again.

    Example: wfm exempt restore x3fa9c1d204 --by Dana
    """
    _require_confirmation(yes, dry_run)
    with show_progress("Scoring without and with it"):
        decision = open_centre().restore(ids, by=by or "", reason=reason, dry_run=True)
    _confirm_and_store(decision, yes, dry_run)


@group.command("list", cls=HelpfulCommand)
def list_exemptions(
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="Only those that end after this day or instant."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Only those that start before this day or instant."),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            metavar="NAME",
            help="Only those that apply to this agent_id, directly or by team; may be repeated.",
        ),
    ] = None,
    team: TeamsOption = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were revoked.")] = False,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """List exemptions and outages.

    Shows for whom, when, why, by whom, and whether each is in force.

    Example: wfm exempt list --from 2026-03-01 --to 2026-04-01 --revoked
    """
    target = OutputTarget.choose(format, out)
    rows = open_centre().exemptions(from_, to, agents=agent, teams=team, revoked=revoked, as_of=as_of)
    print_frame(rows, target, [name for name in LIST_COLUMNS if _has_values(rows, name)])


def _has_values(rows: pl.DataFrame, name: str) -> bool:
    return rows.is_empty() or rows[name].null_count() < rows.height


# --- showing and asking ---------------------------------------------------------------------------------
def _require_confirmation(yes: bool, dry_run: bool) -> None:
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError(
            "There is nobody to ask for confirmation: add --yes to store it, or --dry-run to see its effect."
        )


def _confirm_and_store(decision: ExemptionDecision, yes: bool, dry_run: bool) -> None:
    """Show the effect of a decision on the scores, ask for confirmation, and store it."""
    from wfm.report import formats

    _print_effect(decision)
    n = formats.format_plural(decision.rows.height, "exemption")
    if dry_run:
        verb = "store" if decision.action == "exempt" else decision.action
        print_note(f"Nothing was stored: without --dry-run this would {verb} {n}.")
        return
    question = "Store" if decision.action == "exempt" else decision.action.capitalize()
    if not yes and not typer.confirm(f"{question} {n}?", err=True):
        raise UsageError("Nothing was stored.")
    saved = decision.save()
    done = {"exempt": "Stored", "revoke": "Revoked", "restore": "Restored"}[decision.action]
    ids = saved.rows["id"]
    rest = ids.len() - MAX_IDS_SHOWN
    more = f" and {rest:,} more" if rest > 0 else ""
    print_line(f"{done} {n}: {', '.join(ids.head(MAX_IDS_SHOWN))}{more}.")


def _print_effect(decision: ExemptionDecision) -> None:
    import polars as pl

    for note in decision.notes:
        print_note(f"note: {note}")
    if decision.moves.is_empty():
        return
    # Hundreds of workdays say less than the sums of a few teams.
    by_team = decision.figures.height > MAX_DAYS_SHOWN and not decision.team_figures.is_empty()
    sums = decision.moves.group_by("class_before", "class_after").agg(
        pl.col("seconds").sum(), agents=pl.col("agent_id").n_unique()
    )
    print_frame(sums.sort("seconds", "class_before", "class_after", descending=[True, False, False]), SCREEN)
    print_line()
    print_frame(
        decision.team_figures if by_team else decision.figures,
        SCREEN,
        ("agent_id", "workday", "team", *FIGURE_COLUMNS),
    )
    if not by_team:
        print_line()
        print_frame(decision.moves, SCREEN)
