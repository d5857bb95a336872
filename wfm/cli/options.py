"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wfm.cli import choices, completion
from wfm.cli.output import Format, print_note
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    from wfm.centre import Centre


@dataclass
class GlobalOptions:
    """The options that come before the command."""

    settings_file: Path | None = None
    database: Path | None = None


global_options = GlobalOptions()

# --- when -----------------------------------------------------------------------------------------------
FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="DATE",
        help="First workday, like 2026-03-02, or an instant with its offset, like 2026-03-02T08:00+02:00.",
    ),
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="DATE", help="The day after the last one, or an instant: not included.")
]
OptionalFrom = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First workday, or an instant with its offset.")
]
OptionalTo = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="The day after the last one: not included.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="INSTANT", help="Answer with the data as it was known at this time."),
]

# --- of whom and of what --------------------------------------------------------------------------------
AgentsOption = Annotated[
    list[str] | None, typer.Option("--agent", metavar="NAME", help="Only this agent_id; may be repeated.")
]
TeamsOption = Annotated[
    list[str] | None, typer.Option("--team", metavar="NAME", help="Only this team; may be repeated.")
]
QueuesOption = Annotated[
    list[str] | None, typer.Option("--queue", metavar="NAME", help="Only this queue_id; may be repeated.")
]
SourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="Only this source; may be repeated.",
        autocompletion=completion.complete_sources,
    ),
]
SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Configured sources; without any, all of them.",
        autocompletion=completion.complete_sources,
    ),
]
SourceArgument = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A configured source.", autocompletion=completion.complete_sources),
]
FeedOption = Annotated[
    str | None,
    typer.Option(
        "--feed",
        metavar="NAME",
        help=f"Only this feed: {', '.join(choices.FEEDS)}.",
        autocompletion=completion.complete_feeds,
    ),
]

# --- how it is computed ---------------------------------------------------------------------------------
GROUPS_HELP: Final = ", ".join((*choices.SCORE_GROUPS, *choices.GROUP_ALIASES))
ByOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help=f"Group by these, separated by commas: {GROUPS_HELP}; empty: one row for everything. "
        "A second belongs to the queue of its call, else to the queue that the agent handled longest that workday.",
        autocompletion=completion.complete_score_groups,
    ),
]
DefinitionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--definition",
        metavar="NAME",
        help=f"Also score by another product's definition: {', '.join(choices.DEFINITIONS)} or "
        f"{choices.ALL_DEFINITIONS}; may be repeated.",
        autocompletion=completion.complete_definitions,
    ),
]

# --- decisions ------------------------------------------------------------------------------------------
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the effect on the scores and store nothing.")
]

# --- where the answer goes ------------------------------------------------------------------------------
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(Format)}. Without it the ending of --out decides, else table.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write to this file: the whole answer, or no file if something fails."
    ),
]


def open_centre() -> Centre:
    """Open the contact centre that the settings, or the options before the command, name."""
    from wfm.centre import open_centre as open_database

    return open_database(
        global_options.database,
        settings_file=global_options.settings_file,
        warn=lambda text: print_note(f"note: {text}"),
    )


def parse_groups(text: str) -> list[str]:
    """Read what to group by, separated by commas."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def parse_pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` words.

    Raises:
        UsageError: one has another form, or a name occurs twice.
    """
    found: dict[str, str] = {}
    for pair in given or ():
        left, equals, right = (part.strip() for part in pair.partition("="))
        if not (left and equals and right):
            raise UsageError(f"{option} {pair}: write two names with = between them.")
        if left in found:
            raise UsageError(f"{option} {pair}: {left} was given before, as {found[left]}.")
        found[left] = right
    return found


def parse_duration(text: str, option: str) -> timedelta:
    """Read a length of time in days, weeks or hours.

    Raises:
        UsageError: it has another form or is zero.
    """
    match = re.fullmatch(r"(\d{1,4})([dhw])", text.strip(), re.ASCII)
    if match is None or not int(match[1]):
        raise UsageError(f"{option} {text!r}: give days, weeks or hours, like 14d, 2w or 36h.")
    unit = {"d": timedelta(days=1), "w": timedelta(weeks=1), "h": timedelta(hours=1)}[match[2]]
    return int(match[1]) * unit
