"""Propose outages that nobody declared, feeds that failed and vendor states that nobody mapped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import polars as pl
import typer

from wfm.cli.commands import AsOf, FormatOption, From, Out, To, app, centre, length
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.report import formats

TITLES = {
    "outage": "Outage that nobody declared",
    "joint_absence": "Out together, in a state they chose",
    "feed_gap": "Nobody watched",
    "silent_feed": "Watched, but nothing was said",
    "unmapped": "Vendor state without a mapping",
}


@app.command()
def outages(
    from_: From,
    to: To,
    team: Annotated[list[str] | None, typer.Option("--team", help="Only this team; may be repeated.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")
    ] = None,
    history: Annotated[
        str, typer.Option(help="How far before --from it is looked to know what is normal, like 28d.")
    ] = "28d",
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Propose what may have failed: each with its evidence, and the command that would say so. Nothing is changed.

    Example: wfm outages --from 2026-03-02 --to 2026-03-09
    """
    target, before = Target.of(format, out), length(history, "--history")
    here = centre()
    with working("Scoring and comparing"):
        found = here.outages(from_, to, teams=team, sources=source, history=before, as_of=as_of)
    if target.format != Format.table:
        show(found, target)
        return
    for number, row in enumerate(found.iter_rows(named=True), start=1):
        _proposal(number, row, ZoneInfo(here.settings.timezone))
    _sum_up(found)


def _proposal(number: int, row: dict[str, Any], zone: ZoneInfo) -> None:
    say(f"{number}. {TITLES[row['kind']]}: {row['scope']}, {_span(row['start_at'], row['end_at'], zone)}")
    say(f"   {formats.plural(row['agents'], 'agent')}, {formats.clock(row['seconds'])} at stake")
    say(f"   {row['evidence']}")
    for line in row["examples"]:
        say(f"     {line}")
    if row["apply"]:
        say(f"   {row['apply']}")
    say("")


def _span(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> str:
    """Write a span in local time, to the second."""
    start, end = start_at.astimezone(zone), end_at.astimezone(zone)
    until = "" if start.date() == end.date() else f"{formats.day(end.date())} "
    return f"{formats.day(start.date())} {start:%H:%M:%S} to {until}{end:%H:%M:%S} ({zone.key})"


def _sum_up(found: pl.DataFrame) -> None:
    if found.is_empty():
        remark("Nothing found: no outage that is not declared, no gap in a feed, no state without a mapping.")
        return
    remark(f"{formats.plural(found.height, 'proposal')}; nothing was changed.")
