"""`wfm import`: import a file into a table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import open_centre, parse_pairs
from wfm.cli.output import print_import, print_note, show_progress
from wfm.core.errors import UsageError


class Fold(StrEnum):
    """Which of two equal local times is meant when clocks go back."""

    earlier = "earlier"
    later = "later"


def run(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help=f"One of: {', '.join(choices.IMPORTABLE_TABLES)}.",
            autocompletion=completion.complete_importable_tables,
        ),
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="csv, parquet or xlsx; for schedule also ics.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The source of the rows, if the file has no such column.",
            autocompletion=completion.complete_sources,
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Zone of times without an offset, like Europe/London."),
    ] = None,
    fold: Annotated[
        Fold | None,
        typer.Option(
            metavar="earlier|later", help="Which of two equal local times is meant when clocks go back."
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="Rename a column; may be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="COLUMN=VALUE",
            help="Add a column that the file does not have; may be repeated.",
        ),
    ] = None,
    sheet: Annotated[str | None, typer.Option(metavar="NAME", help="Sheet of the workbook to read.")] = None,
    skip_bad: Annotated[
        Path | None,
        typer.Option(
            "--skip-bad", metavar="FILE", help="Import the good rows and write the bad ones to this file."
        ),
    ] = None,
    covers: Annotated[
        str | None,
        typer.Option(
            metavar="FROM/TO",
            help="For agent_state: the days or instants that the file covers. Without it, the days of its rows.",
        ),
    ] = None,
) -> None:
    """Import a file into a table, all of it or nothing.

    Importing the same file twice changes nothing. A bad row stops the import; each is reported with its row, column
    and value.

    Example: wfm import schedule march.xlsx --timezone Europe/London --map "Employee=agent_id"
    """
    renames, values, span = parse_pairs(map_, "--map"), parse_pairs(set_, "--set"), _parse_span(covers)
    with show_progress(f"Importing {file.name}"):
        done = open_centre().import_file(
            table,
            file,
            source=source,
            timezone=timezone,
            fold=fold.value if fold else None,
            renames=renames,
            values=values,
            sheet=sheet,
            skip_bad=skip_bad,
            covers=span,
        )
    for note in done.note:
        print_note(f"note: {note}")
    print_import(done)
    if done.skipped:
        print_note(f"{done.skipped:,} bad row(s) are in {skip_bad}; correct them there and import that file.")
        raise typer.Exit(3)


def _parse_span(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    start, slash, end = (part.strip() for part in text.partition("/"))
    if not (start and slash and end) or "/" in end:
        raise UsageError(f"--covers {text!r}: give two days or instants, like 2026-03-02/2026-03-09.")
    return start, end
