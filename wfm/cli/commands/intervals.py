"""`wfm intervals`: volume and service per queue and 15 minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfm.cli.options import (
    AsOfOption,
    FormatOption,
    FromOption,
    OutOption,
    QueuesOption,
    ToOption,
    open_centre,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, show_progress

if TYPE_CHECKING:
    import polars as pl

SCREEN_COLUMNS = (
    "queue_id",
    "interval_start",
    "service_level",
    "abandonment",
    "occupancy",
    "entered",
    "handled",
    "abandoned",
    "aht_s",
    "origin",
    "service_level_variant",
)


def run(
    from_: FromOption,
    to: ToOption,
    queue: QueuesOption = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Show volume, AHT, service level and occupancy per 15 minutes.

    One row per queue and interval; abandonment = abandoned / entered. The column service level variant names the
    formula of the service level.

    Example: wfm intervals --from 2026-03-02 --to 2026-03-03 --queue sales
    """
    target = OutputTarget.choose(format, out)
    with show_progress("Counting"):
        rows = open_centre().intervals(from_, to, queues=queue, as_of=as_of)
    print_frame(rows, target, SCREEN_COLUMNS)
    if target.is_screen:
        _print_summary(rows)


def _print_summary(rows: pl.DataFrame) -> None:
    """Print volume and ratios over all rows: sums are divided, never ratios averaged."""
    from wfm.engine.volume.service_level import SERVICE_LEVEL_VARIANTS
    from wfm.report import formats

    if rows.height < 2:
        return
    variants = rows["service_level_variant"].drop_nulls().unique().to_list()
    sums = rows.sum()
    # several variants have no common service level
    level = sums.select(SERVICE_LEVEL_VARIANTS[variants[0]]()).item() if len(variants) == 1 else None
    total = sums.row(0, named=True)
    measured = (total["handled"] or 0) - (total["handle_unknown"] or 0)
    abandonment = total["abandoned"] / total["entered"] if total["entered"] else None
    aht = total["sum_handle_time_s"] / measured if total["sum_handle_time_s"] and measured else None
    print_line()
    print_line(f"All {rows.height:,} rows:")
    print_line(
        f"service level {formats.format_percent(level)}, abandonment {formats.format_percent(abandonment)}"
    )
    print_line(
        f"{total['entered']:,} entered, {total['handled']:,} handled, {total['abandoned']:,} abandoned, "
        f"AHT {formats.format_duration(aht)}"
    )
