"""`wfm reconcile`: whether interval volume, call log and agent states agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli import choices, completion
from wfm.cli.options import (
    AsOfOption,
    FormatOption,
    FromOption,
    OutOption,
    QueuesOption,
    ToOption,
    open_centre,
    parse_groups,
)
from wfm.cli.output import OutputTarget, print_frame, print_line, print_note, print_wrapped, show_progress

if TYPE_CHECKING:
    import polars as pl

    from wfm.engine.reconcile.reconcile import Reconciliation

SCREEN_COLUMNS = (
    "source",
    "queue_id",
    "interval_start",
    "day",
    "week",
    "booking",
    "handle_agreement",
    "states_agreement",
    "entered_vendor",
    "entered_legs",
    "abandoned_vendor",
    "abandoned_legs",
    "handle_vendor_s",
    "handle_legs_s",
    "handle_states_s",
    "causes",
)
ALIASES = {"queue": ("source", "queue_id"), "interval": ("interval_start",)}
"""Short names of groups and the columns that they stand for."""


def run(
    from_: FromOption,
    to: ToOption,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Group by these, separated by commas: queue, interval, {', '.join(choices.RECONCILE_GROUPS)}; "
            "empty: one row for everything.",
            autocompletion=completion.complete_reconcile_groups,
        ),
    ] = "queue",
    queue: QueuesOption = None,
    findings: Annotated[
        bool, typer.Option("--findings", help="List the causes with their evidence instead of the figures.")
    ] = False,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Compare interval volume, call log and agent states.

    Where they differ, the likely causes are named: clock skew, late booking, transfers counted twice and others.

    Example: wfm reconcile --from 2026-03-02 --to 2026-03-09 --by queue,day
    """
    from wfm.engine.reconcile.booking_model import CAUSE_TEXTS

    target, groups = OutputTarget.choose(format, out), _expand_groups(by)
    with show_progress("Reconciling"):
        result = open_centre().reconcile(from_, to, queues=queue, as_of=as_of)
        rows = result.findings if findings else result.sum_accounts(groups)
    if not target.is_screen:
        print_frame(rows, target)
        return
    _print_headline(result)
    print_frame(rows, target, None if findings else SCREEN_COLUMNS)
    if not findings and result.findings.height:
        print_line()
        print_frame(result.findings, target)
    print_meanings(CAUSE_TEXTS, result.findings, "cause")


def print_meanings(meanings: Mapping[str, str], rows: pl.DataFrame, column: str) -> None:
    """Print what the codes in a column mean."""
    for code in rows[column].drop_nulls().unique().sort():
        print_note(f"{code}: {meanings[code]}.")


def _expand_groups(by: str) -> list[str]:
    """Split the names to group by and replace short ones; the engine rejects unknown names."""
    return list(dict.fromkeys(name for word in parse_groups(by) for name in ALIASES.get(word, (word,))))


def _print_headline(result: Reconciliation) -> None:
    from wfm.report import formats

    total = result.summarise_agreement().row(0, named=True)
    print_wrapped(
        f"{total['agree']:,} of {total['figures']:,} figures agree ({formats.format_percent(total['agreement'])}); "
        f"{total['explained']:,} more differ for a named cause: "
        f"{formats.format_percent(total['accounted'])} are accounted for."
    )
    handle, states = (
        formats.format_percent(total[name]) for name in ("handle_agreement", "states_agreement")
    )
    print_wrapped(
        f"Handle time: vendor and call log agree to {handle}, agent states and call log to {states}."
    )
    print_line()
