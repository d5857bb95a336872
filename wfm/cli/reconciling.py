"""Whether the sources agree: their clocks, their counts, their handle times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import polars as pl
import typer

from wfm.cli.commands import AsOf, FormatOption, From, Out, Queues, To, app, centre
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.engine.causes import CAUSES
from wfm.engine.reconcile import BY, Reconciliation
from wfm.engine.skew import METHODS, REASONS
from wfm.errors import UsageError
from wfm.report import formats

SKEW_SHOWN = (
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
RECONCILE_SHOWN = (
    "source",
    "queue_id",
    "interval_start",
    "day",
    "week",
    "booking",
    "entered_vendor",
    "entered_legs",
    "abandoned_vendor",
    "abandoned_legs",
    "handle_vendor_s",
    "handle_legs_s",
    "handle_states_s",
    "handle_agreement",
    "states_agreement",
    "causes",
)
NAMES = {"queue": ("source", "queue_id"), "interval": ("interval_start",)}
"""What people call it → the columns that are meant."""


@app.command()
def reconcile(
    from_: From,
    to: To,
    by: Annotated[
        str,
        typer.Option(
            help=f"Group by, separated by commas: queue, interval, {', '.join(BY)}; empty: all together."
        ),
    ] = "queue",
    queue: Queues = None,
    findings: Annotated[
        bool, typer.Option("--findings", help="Give the causes with their evidence instead of the accounts.")
    ] = False,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Hold the vendor's volume, the call log and the agent states against each other, and say why they differ.

    Example: wfm reconcile --from 2026-03-02 --to 2026-03-09 --by queue,day
    """
    target, names = Target.of(format, out), _grouping(by)
    with working("Reconciling"):
        found = centre().reconcile(from_, to, queues=queue, as_of=as_of)
        rows = found.findings if findings else found.by(names)
    if target.format == Format.table:
        _headline(found)
        show(rows, target, None if findings else RECONCILE_SHOWN)
        if not findings and found.findings.height:
            say("")
            show(found.findings, target)
        _meanings(CAUSES, found.findings, "cause")
        return
    show(rows, target)


def _grouping(by: str) -> list[str]:
    """Read what to group by; what is not known is left for the engine to refuse."""
    words = [part.strip() for part in by.split(",") if part.strip()]
    return list(dict.fromkeys(name for word in words for name in NAMES.get(word, (word,))))


def _headline(found: Reconciliation) -> None:
    told = found.headline().row(0, named=True)
    say(
        f"{told['agree']:,} of {told['figures']:,} figures agree ({formats.percent(told['agreement'])}); "
        f"{told['explained']:,} more differ for a named reason: {formats.percent(told['accounted'])} accounted for."
    )
    handle, states = (formats.percent(told[name]) for name in ("handle_agreement", "states_agreement"))
    say(f"Handle time: vendor and calls agree by {handle}, states and calls by {states}.")
    say("")


@app.command()
def skew(
    from_: From,
    to: To,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Store what was found: scoring then reads calls by the right time."),
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who decides that; goes with --apply.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="The source whose clock is right; without it the state log's.")
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Estimate how far the clocks of call logs and agent-state logs are apart, per day.

    Example: wfm skew --from 2026-03-02 --to 2026-03-09
    """
    target = Target.of(format, out)
    if apply and not (by or "").strip():
        raise UsageError("--apply changes scores: say who decides that with --by NAME.")
    if not apply and (by or reference):
        raise UsageError("--by and --reference say what to store; they go with --apply.")
    if apply and as_of:
        raise UsageError("--apply stores what is known now; it does not go with --as-of.")
    if apply and by:
        with working("Comparing clocks"):
            rows, written = centre().put_clocks_right(from_, to, by=by.strip(), reference=reference)
        show(rows, target)
        told = (
            f"{written.added:,} new, {written.replaced:,} replaced" if written else "No clock surely differs"
        )
        remark(f"{told}; wfm export clock gives back what is put right.")
        return
    with working("Comparing clocks"):
        found = centre().skew(from_, to, as_of=as_of)
    show(_for_a_screen(found) if target.format == Format.table else found, target, SKEW_SHOWN)
    _meanings(METHODS, found, "method")
    _meanings(REASONS, found, "reason")


def _for_a_screen(found: pl.DataFrame) -> pl.DataFrame:
    """Write differences in seconds: a screen's minutes and seconds have no sign and no fraction."""
    signed = pl.col("skew_s", "low_s", "high_s").round(2).cast(pl.String) + " s"
    return found.with_columns(signed)


def _meanings(words: Mapping[str, str], rows: pl.DataFrame, column: str) -> None:
    """Say what the words in a column mean."""
    for word in rows[column].drop_nulls().unique().sort():
        remark(f"{word}: {words[word]}.")
