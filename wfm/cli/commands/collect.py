"""`wfm collect`: one collection cycle of every feed, or a backfill of a window."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wfm.cli.options import FeedOption, FormatOption, OptionalTo, OutOption, SourcesArgument, open_centre
from wfm.cli.output import OutputTarget, print_frame, show_progress
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from wfm.centre import Centre
    from wfm.collect.collector import CollectionCycle
    from wfm.vendors import Window

SCREEN_COLUMNS: Final = ("source", "feed", "from_at", "to_at", "result", "read", "added", "replaced", "note")


def run(
    source: SourcesArgument = None,
    feed: FeedOption = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="Backfill from this day or instant on."),
    ] = None,
    to: OptionalTo = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --from and --to: also ask for what is already stored.")
    ] = False,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Collect what is due from the phone systems, or backfill.

    Run it as often as the feeds need, for example by cron; a backfill asks only for what is missing. Exit code 3: some
    feeds failed or wait in the spool.

    Example: wfm collect ncc --feed interval_volume --from 2026-03-01 --to 2026-03-09
    """
    from wfm.collect.collector import Collector
    from wfm.collect.run import collect_feeds, delete_expired_data
    from wfm.collect.sources import check_sources, select_feeds

    target, centre = OutputTarget.choose(format, out), open_centre()
    sources = check_sources(centre.settings.sources, centre.settings.country)
    pairs = select_feeds(sources, source, feed)
    window = _parse_window(centre, from_, to)
    if again and window is None:
        raise UsageError("--again asks for a window that is stored already: say which with --from and --to.")
    if window is not None:
        pairs = [(one, what) for one, what in pairs if what.kind == "window"]
        if not pairs:
            raise UsageError("--from and --to are for feeds with a past; snapshots and lists have none.")
    collector = Collector(centre.database)
    with show_progress("Collecting"):
        cycles = asyncio.run(collect_feeds(collector, pairs, window, again=again))
        delete_expired_data(collector, centre.settings.payload_days)
    print_frame(tabulate_cycles(cycles), target, SCREEN_COLUMNS)
    # A cycle that waits in the spool is safe but not stored yet: partly done.
    if all(cycle.result == "complete" and not cycle.is_spooled for cycle in cycles):
        return
    raise typer.Exit(1 if all(cycle.result == "failed" for cycle in cycles) else 3)


def tabulate_cycles(cycles: list[CollectionCycle]) -> pl.DataFrame:
    """Return a row per collection cycle: what was asked for and what came of it."""
    import polars as pl

    instant = pl.Datetime("us", "UTC")
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "source": pl.String,
        "feed": pl.String,
        "from_at": instant,
        "to_at": instant,
        "result": pl.String,
        "read": pl.Int64,
        "added": pl.Int64,
        "replaced": pl.Int64,
        "note": pl.String,
    }
    rows = [
        (
            cycle.source,
            cycle.feed,
            cycle.window.start if cycle.window else None,
            cycle.window.end if cycle.window else None,
            "waits in the spool" if cycle.is_spooled else cycle.result,
            cycle.read_count,
            cycle.added_count,
            cycle.replaced_count,
            cycle.note,
        )
        for cycle in cycles
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _parse_window(centre: Centre, from_: str | None, to: str | None) -> Window | None:
    from wfm.vendors import Window

    if from_ is None and to is None:
        return None
    if from_ is None or to is None:
        raise UsageError("Give both --from and --to, or neither.")
    return Window(*centre.compute_bounds(centre.parse_window(from_, to)))
