"""`wfm audit`: the audit chain over what the phone systems sent about every call."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from wfm.cli.help import HelpfulCommand, make_group
from wfm.cli.options import open_centre
from wfm.cli.output import print_line, print_note, show_progress
from wfm.core.errors import UsageError

group = make_group("Verify the audit chain of call records.")


@group.command("verify", cls=HelpfulCommand)
def verify_chain(
    end: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HASH",
            help="A last hash that an earlier run printed: it must still be in the chain; may be repeated.",
        ),
    ] = None,
) -> None:
    """Verify the chain of hashes over all audit records.

    Prints the last hash of every source. Keep it outside this machine and pass it as --end later: only then is it
    noticed if the last records were removed or all were written again. Exit code 1: the first record that does not
    fit is named.

    Example: wfm audit verify --end 3c1f6a…
    """
    from wfm.storage.audit import verify_audit_chains

    expected_hashes = [_parse_hash(one) for one in end or ()]
    with show_progress("Verifying"):
        chain = verify_audit_chains(open_centre().database, expected_hashes)
    if chain.first_mismatch is not None:
        source, leg = chain.first_mismatch
        print_note(
            f"error: record {chain.row_count:,} ({source} {leg}) does not fit the chain: it, or one before it, was "
            "changed."
        )
        raise typer.Exit(1)
    for lost in chain.missing_hashes:
        print_note(
            f"error: no record ends the chain at {lost}: records were removed, or the chain was written again."
        )
    if chain.missing_hashes:
        raise typer.Exit(1)
    print_line(f"{chain.row_count:,} audit records, the chain is intact.")
    for source, last in sorted(chain.last_hashes.items()):
        print_line(f"{source} ends at {last}")


def _parse_hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text.lower()):
        raise UsageError(f"--end {text}: give the 64 hexadecimal digits that wfm audit verify printed.")
    return text.lower()
