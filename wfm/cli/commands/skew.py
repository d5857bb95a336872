"""`wfm skew`: how far the clocks of call logs and agent states are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import completion
from wfm.cli.commands.reconcile import print_meanings
from wfm.cli.options import AsOfOption, FormatOption, FromOption, OutOption, ToOption, open_centre
from wfm.cli.output import OutputTarget, print_frame, print_note, show_progress
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

SCREEN_COLUMNS = (
    "call_source",
    "state_source",
    "day",
    "skew_s",
    "low_s",
    "high_s",
    "pairs",
    "share",
    "delay_s",
    "method",
    "reason",
)


def run(
    from_: FromOption,
    to: ToOption,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Store the estimates as clock offsets: scoring then corrects the calls."
        ),
    ] = False,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decides this; required with --apply.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="With --apply: the source whose clock is right. Without it, that of the agent states.",
            autocompletion=completion.complete_sources,
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Estimate the clock skew between call logs and agent states.

    One row per pair of sources and day, with the 95 % confidence interval of the skew.

    Example: wfm skew --from 2026-03-02 --to 2026-03-09
    """
    from wfm.engine.reconcile.clock_skew import ESTIMATION_METHODS, NO_ESTIMATE_REASONS

    target = OutputTarget.choose(format, out)
    if apply and not (by or "").strip():
        raise UsageError("--apply changes scores: say who decides that with --by NAME.")
    if not apply and (by or reference):
        raise UsageError("--by and --reference say what to store; they go with --apply.")
    if apply and as_of:
        raise UsageError("--apply stores what is known now; it does not go with --as-of.")
    if apply and by:
        _store_offsets(from_, to, by.strip(), reference, target)
        return
    with show_progress("Comparing clocks"):
        rows = open_centre().skew(from_, to, as_of=as_of)
    print_frame(_format_differences(rows) if target.is_screen else rows, target, SCREEN_COLUMNS)
    print_meanings(ESTIMATION_METHODS, rows, "method")
    print_meanings(NO_ESTIMATE_REASONS, rows, "reason")


def _store_offsets(from_: str, to: str, by: str, reference: str | None, target: OutputTarget) -> None:
    with show_progress("Comparing clocks"):
        rows, written = open_centre().correct_clocks(from_, to, by=by, reference=reference)
    print_frame(rows, target)
    stored = (
        f"{written.added_count:,} new, {written.replaced_count:,} replaced"
        if written
        else "No clock is certain to differ"
    )
    print_note(f"{stored}. `wfm export clock` shows the stored clock offsets.")


def _format_differences(rows: pl.DataFrame) -> pl.DataFrame:
    """Write differences in seconds: minutes and seconds on a screen have neither sign nor fraction."""
    import polars as pl

    signed = pl.col("skew_s", "low_s", "high_s").round(2).cast(pl.String) + " s"
    return rows.with_columns(signed)
