"""`wfm doctor`: what is wrong and what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from wfm.cli.options import FormatOption, OutOption, open_centre
from wfm.cli.output import OutputTarget, print_frame
from wfm.core.errors import StoreError


def run(format: FormatOption = None, out: OutOption = None) -> None:
    """Check settings, database, feeds, mappings and clocks.

    Each finding says what to do. Exit code 1: at least one is bad.

    Example: wfm doctor
    """
    import polars as pl

    from wfm.collect.collector import Collector
    from wfm.collect.health import check_health, check_without_database
    from wfm.collect.sources import check_sources

    target, centre = OutputTarget.choose(format, out), open_centre()
    sources = check_sources(centre.settings.sources, centre.settings.country)
    folder = Collector(centre.database).spool_folder
    try:
        findings = check_health(centre.database, sources, folder, datetime.now(UTC))
    except StoreError as error:
        findings = check_without_database(centre.database, sources, folder, error)
    rows = [(one.grade, one.check, one.what, one.todo) for one in findings]
    print_frame(pl.DataFrame(rows, schema=["grade", "check", "finding", "to do"], orient="row"), target)
    if any(one.grade == "bad" for one in findings):
        raise typer.Exit(1)
