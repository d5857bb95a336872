"""`wfm outages`: outages and failures that nobody declared."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from wfm.cli.options import (
    AsOfOption,
    FormatOption,
    FromOption,
    OutOption,
    SourcesOption,
    TeamsOption,
    ToOption,
    open_centre,
    parse_duration,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, print_note, print_wrapped, show_progress

if TYPE_CHECKING:
    import polars as pl

TITLES = {
    "outage": "Undeclared outage",
    "joint_absence": "Out together, in a state that agents choose",
    "feed_gap": "Feed gap: agent states were not collected",
    "silent_feed": "Silent feed: collected, but no state changed",
    "unmapped": "Vendor state without a mapping",
}


def run(
    from_: FromOption,
    to: ToOption,
    team: TeamsOption = None,
    source: SourcesOption = None,
    history: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How many days or weeks before --from show what is normal, like 28d."
        ),
    ] = "28d",
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Propose undeclared outages, feed gaps and unmapped states.

    Each proposal has its evidence and the command that would declare it. Nothing is changed.

    Example: wfm outages --from 2026-03-02 --to 2026-03-09
    """
    target, before = OutputTarget.choose(format, out), parse_duration(history, "--history")
    centre = open_centre()
    with show_progress("Scoring and comparing"):
        proposals = centre.outages(from_, to, teams=team, sources=source, history=before, as_of=as_of)
    if not target.is_screen:
        print_frame(proposals, target)
        return
    for number, row in enumerate(proposals.iter_rows(named=True), start=1):
        _print_proposal(number, row, ZoneInfo(centre.settings.timezone))
    _print_summary(proposals)


def _print_proposal(number: int, row: dict[str, Any], zone: ZoneInfo) -> None:
    from wfm.report import formats

    span = _format_span(row["start_at"], row["end_at"], zone)
    print_wrapped(f"{number}. {TITLES[row['kind']]}: {row['scope']}, {span}")
    print_line(
        f"   {formats.format_plural(row['agents'], 'agent')}, {formats.format_duration(row['seconds'])} affected"
    )
    print_wrapped(row["evidence"], indent="   ")
    for line in row["examples"]:
        print_line(f"     {line}")
    if row["apply"]:  # never broken, so that it can be copied
        print_line(f"   {row['apply']}")
    print_line()


def _format_span(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> str:
    """Write a span in local time, to the second."""
    from wfm.report import formats

    start, end = start_at.astimezone(zone), end_at.astimezone(zone)
    end_day = "" if start.date() == end.date() else f"{formats.format_date(end.date())} "
    return f"{formats.format_date(start.date())} {start:%H:%M:%S} to {end_day}{end:%H:%M:%S} ({zone.key})"


def _print_summary(proposals: pl.DataFrame) -> None:
    from wfm.report import formats

    if proposals.is_empty():
        print_note("Nothing found: no undeclared outage, no feed gap, no state without a mapping.")
        return
    print_note(f"{formats.format_plural(proposals.height, 'proposal')}; nothing was changed.")
