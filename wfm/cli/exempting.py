"""Add, revoke, restore and list exemptions; what a decision does to the scores is shown before it is stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from wfm import terms
from wfm.cli.commands import AsOf, FormatOption, Out, app, centre
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.errors import UsageError
from wfm.jobs import Decision
from wfm.report import formats

MOST_DAYS = 40
"""Of so many workdays each is shown; of more, the teams."""
TABLE = Target(Format.table, None)
FIGURES = (
    "scheduled_after_s",
    "adherence_before",
    "adherence_after",
    "adherence_adjusted_before",
    "adherence_adjusted_after",
    "controllable_change_s",
)
LISTED = (
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

exempt = typer.Typer(
    help="Exemptions and outages: who was excused when, by whom and why.", no_args_is_help=True
)
app.add_typer(exempt, name="exempt")

Ids = Annotated[
    list[str], typer.Argument(metavar="ID", help="As `wfm exempt list` shows it; its first letters do.")
]
By = Annotated[str | None, typer.Option(help="Who decides; nothing is stored without.")]
Why = Annotated[str | None, typer.Option(help="Why, in words.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and store nothing.")]
ForAgents = Annotated[list[str] | None, typer.Option("--agent", help="agent_id; may be repeated.")]
ForTeams = Annotated[list[str] | None, typer.Option("--team", help="Team; may be repeated.")]


@exempt.command()
def add(
    from_: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="First instant, with offset; or a day.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="End: not included.")] = None,
    agent: ForAgents = None,
    team: ForTeams = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody.")] = False,
    by: By = None,
    reason: Why = None,
    code: Annotated[str | None, typer.Option(help="A short reason, which reports show.")] = None,
    kind: Annotated[
        str, typer.Option(help="approved (somebody excused it) or system (an outage).")
    ] = terms.EXEMPTION_KINDS[0],
    file: Annotated[
        Path | None, typer.Option(help="csv, parquet or xlsx with the columns of table exemption, instead.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="--file: what times without an offset mean, like Europe/London.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Exempt agents, teams or everybody; first shows what that does to the scores.

    Example: wfm exempt add --from 2026-03-02T10:00Z --to 2026-03-02T11:30Z --agent ann --by Dana --reason "course"
    """
    _somebody(yes, dry_run)
    if file is not None:
        if from_ or to or agent or team or everybody or code or kind != terms.EXEMPTION_KINDS[0]:
            raise UsageError(
                "--file says when, for whom and of which kind itself: only --by, --reason and --timezone go with it."
            )
        with working("Scoring without and with it"):
            made = centre().exempt_file(file, by=by, reason=reason, timezone=timezone, dry_run=True)
    else:
        if from_ is None or to is None:
            raise UsageError("Say when: --from INSTANT --to INSTANT; or --file FILE.")
        with working("Scoring without and with it"):
            made = centre().exempt(
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
    _decide(made, yes, dry_run)


@exempt.command()
def revoke(ids: Ids, by: By = None, reason: Why = None, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Revoke exemptions; answers `--as-of` an earlier instant still count them, and `restore` undoes it.

    Example: wfm exempt revoke x3fa9c1d204 --by Dana --reason "was somebody else"
    """
    _somebody(yes, dry_run)
    with working("Scoring without and with it"):
        made = centre().revoke(ids, by=by or "", reason=reason, dry_run=True)
    _decide(made, yes, dry_run)


@exempt.command()
def restore(ids: Ids, by: By = None, reason: Why = None, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Put revoked exemptions in force again.

    Example: wfm exempt restore x3fa9c1d204 --by Dana
    """
    _somebody(yes, dry_run)
    with working("Scoring without and with it"):
        made = centre().restore(ids, by=by or "", reason=reason, dry_run=True)
    _decide(made, yes, dry_run)


@exempt.command("list")
def list_(
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="Only what ends after this day or instant.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Only what starts before this day or instant.")
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", help="Only what holds for this agent, also by team; may be repeated."),
    ] = None,
    team: Annotated[
        list[str] | None, typer.Option("--team", help="Only this team's; may be repeated.")
    ] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="Also what is revoked.")] = False,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """List exemptions and outages: who, when, why, and whether they are in force.

    Example: wfm exempt list --from 2026-03-01 --to 2026-04-01 --revoked
    """
    target = Target.of(format, out)
    rows = centre().exemptions(from_, to, agents=agent, teams=team, revoked=revoked, as_of=as_of)
    show(rows, target, [name for name in LISTED if target.format != Format.table or _filled(rows, name)])


def _filled(rows: pl.DataFrame, name: str) -> bool:
    return rows.is_empty() or rows[name].null_count() < rows.height


# --- showing and asking -------------------------------------------------------------------------------------
def _somebody(yes: bool, dry_run: bool) -> None:
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError(
            "Nobody is there to be asked: add --yes to store it, or --dry-run to see what it would do."
        )


def _decide(made: Decision, yes: bool, dry_run: bool) -> None:
    """Show what it does, ask, and store it."""
    _foreseen(made)
    n = formats.plural(made.rows.height, "exemption")
    if dry_run:
        remark(f"Nothing was stored: without --dry-run this would {made.action} {n}.")
        return
    question = "Store" if made.action == "exempt" else made.action.capitalize()
    if not yes and not typer.confirm(f"{question} {n}?", err=True):
        raise UsageError("Nothing was stored.")
    saved = made.save()
    done = {"exempt": "Stored", "revoke": "Revoked", "restore": "Restored"}[made.action]
    ids = saved.rows["id"]
    more = f" and {ids.len() - 20:,} more" if ids.len() > 20 else ""
    say(f"{done} {n}: {', '.join(ids.head(20))}{more}.")


def _foreseen(made: Decision) -> None:
    for note in made.notes:
        remark(f"note: {note}")
    if not made.moves.is_empty():
        wide = made.figures.height > MOST_DAYS and not made.teams.is_empty()
        sums = made.moves.group_by("class_before", "class_after").agg(
            pl.col("seconds").sum(), agents=pl.col("agent_id").n_unique()
        )
        show(sums.sort("seconds", "class_before", "class_after", descending=[True, False, False]), TABLE)
        say("")
        show(made.teams if wide else made.figures, TABLE, ("agent_id", "workday", "team", *FIGURES))
        if not wide:
            say("")
            show(made.moves, TABLE)
