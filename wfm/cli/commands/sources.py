"""`wfm sources`: the state of every feed."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from wfm.cli.options import FormatOption, OutOption, open_centre
from wfm.cli.output import OutputTarget, print_frame, print_note
from wfm.core.errors import StoreError


def run(format: FormatOption = None, out: OutOption = None) -> None:
    """Show each feed: last success, age, gaps, spool.

    Without a configured source, it lists the phone systems that wfm can collect from. Exit code 3: the database cannot
    be read, so only the spool is shown.

    Example: wfm sources
    """
    from wfm.collect.collector import Collector
    from wfm.collect.health import build_feed_table, build_feed_table_without_database
    from wfm.collect.sources import check_sources

    target, centre = OutputTarget.choose(format, out), open_centre()
    sources = check_sources(centre.settings.sources, centre.settings.country)
    folder = Collector(centre.database).spool_folder
    try:
        rows = build_feed_table(centre.database, sources, folder, datetime.now(UTC))
    except StoreError as error:
        print_note(f"{error} Until then only the spool is shown.")
        print_frame(build_feed_table_without_database(sources, folder), target)
        raise typer.Exit(3) from error
    if rows.is_empty():
        _print_vendors()
        return
    print_frame(rows, target)


def _print_vendors() -> None:
    from wfm.vendors import find_vendor_names, load_vendor

    print_note("No source is configured and no file was imported. wfm can collect from:")
    for name in find_vendor_names():
        vendor = load_vendor(name)
        print_note(f"  {name:<14} {vendor.TITLE}: {', '.join(feed.name for feed in vendor.FEEDS)}")
