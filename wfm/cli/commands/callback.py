"""`wfm callback`: start a call. Nothing else of wfm changes anything at a phone system."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli.options import SourceArgument, YesOption
from wfm.cli.output import print_line, show_progress
from wfm.cli.phone_system import find_source, refuse_ability, use_session
from wfm.core.errors import CollectError, UsageError

if TYPE_CHECKING:
    from wfm.collect.sources import ConfiguredSource


def run(
    source: SourceArgument,
    src: Annotated[
        str, typer.Option(metavar="NUMBER", help="Extension that is called first: its number or id.")
    ],
    dst: Annotated[
        str, typer.Option(metavar="NUMBER", help="Number that is called when the extension answers.")
    ],
    caller_id: Annotated[
        str | None,
        typer.Option(
            "--caller-id",
            metavar="NUMBER",
            help="Number that the extension's phone shows. Without it, --dst.",
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Start a call at a phone system.

    The extension is called first and, when it answers, the number. The order is sent once and never retried.

    Example: wfm callback pbx --src 101 --dst +15555550177
    """
    from wfm.vendors import CallStarter

    one = find_source(source)
    vendor = one.vendor
    if not isinstance(vendor, CallStarter):
        raise refuse_ability(one, "start calls")
    for name, number in (("--src", src), ("--dst", dst), ("--caller-id", caller_id or dst)):
        if not re.fullmatch(r"\+?[\d*]{2,20}", number, re.ASCII):
            raise UsageError(f"{name} {number}: give digits, perhaps with a + before them.")
    if not yes:
        _confirm_call(one, src, dst)
    with show_progress("Calling"):
        try:
            reply = asyncio.run(
                use_session(
                    one,
                    lambda http: vendor.start_call(one.settings, http, src=src, dst=dst, caller_id=caller_id),
                )
            )
        except CollectError as error:
            raise _warn_of_lost_answer(error) from error
    print_line(_describe_order(reply, src, dst))


def _confirm_call(source: ConfiguredSource, src: str, dst: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("There is nobody to ask for confirmation: add --yes to start the call.")
    if not typer.confirm(f"Call {src} and then {dst} through {source.name}?", err=True):
        raise UsageError("No call was started.")


def _describe_order(reply: dict[str, str], src: str, dst: str) -> str:
    """Say only what is certain: that the order was accepted, not that anybody answered."""
    call = reply.get("call_id")
    name = f"call {call}" if call else "it did not say which call"
    return f"The phone system accepted the order ({name}): it calls {src} now, and {dst} if that answers."


def _warn_of_lost_answer(error: CollectError) -> CollectError:
    """Say what is uncertain: an order whose answer was lost may have been carried out."""
    if not error.transient:
        return error
    return type(error)(
        f"{error} The order was sent once and is not sent again; the call may have been started all the same."
    )
