"""What can be done at a phone system: start a call, hear a recording. Nothing else of wfm changes anything there."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from wfm.cli.commands import app, centre
from wfm.cli.screen import say, working
from wfm.errors import CollectError, UsageError
from wfm.jobs.sources import Source, configured, pick
from wfm.vendors import CallStarter, RecordingResolver

SourceName = Annotated[str, typer.Argument(help="A configured source.", metavar="SOURCE")]


@app.command()
def callback(
    source: SourceName,
    src: Annotated[str, typer.Option(help="The extension that is called first: number or id.")],
    dst: Annotated[str, typer.Option(help="The number that is called when it answers.")],
    caller_id: Annotated[
        str | None, typer.Option("--caller-id", help="What the first phone shows; without it: --dst.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Start a call: the extension is called first and, when it answers, the number. It is sent once, and never again.

    Example: wfm callback pbx --src 101 --dst +15555550177
    """
    one = _source(source)
    vendor = one.vendor
    if not isinstance(vendor, CallStarter):
        raise _unable(one, "start calls")
    for name, number in (("--src", src), ("--dst", dst), ("--caller-id", caller_id or dst)):
        if not re.fullmatch(r"\+?[\d*]{2,20}", number, re.ASCII):
            raise UsageError(f"{name} {number}: give digits, perhaps with a + before them.")
    if not yes and not _confirmed(f"Call {src} and then {dst} by way of {one.name}?"):
        raise UsageError("No call was started.")
    with working("Calling"):
        try:
            told = asyncio.run(
                _using(
                    one,
                    lambda http: vendor.start_call(one.settings, http, src=src, dst=dst, caller_id=caller_id),
                )
            )
        except CollectError as error:
            raise _unsure(error) from error
    say(_started(told, src, dst))


@app.command()
def recording(
    source: SourceName,
    recording_id: Annotated[str, typer.Argument(help="recording_id of a call leg.", metavar="ID")],
) -> None:
    """Print where a recording can be heard now; the address is temporary, and is stored nowhere.

    Example: wfm recording pbx 9002-ffee
    """
    one = _source(source)
    vendor = one.vendor
    if not isinstance(vendor, RecordingResolver):
        raise _unable(one, "resolve recordings")
    with working("Asking"):
        say(asyncio.run(_using(one, lambda http: vendor.resolve_recording(one.settings, http, recording_id))))


def _source(name: str) -> Source:
    """Return a configured source."""
    here = centre()
    return pick(configured(here.settings.sources, here.settings.country), [name], None)[0][0]


def _unable(source: Source, words: str) -> UsageError:
    return UsageError(f"{source.name}: wfm cannot {words} at {source.vendor.TITLE}.")


async def _using(source: Source, act: Callable[[Any], Awaitable[Any]]) -> Any:
    from wfm.jobs import collecting  # an HTTP client, which most commands do without

    state = collecting.state_folder(centre().store.path)
    async with collecting.client(source, state, lambda: datetime.now(UTC)) as http:
        return await act(http)


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("Nobody is there to be asked; add --yes to start the call.")
    return typer.confirm(question, err=True)


def _started(told: dict[str, str], src: str, dst: str) -> str:
    """Say what is known: that it was taken; not that anybody answered."""
    call = told.get("call_id")
    name = f"call {call}" if call else "it did not say which call"
    return f"The phone system has taken the order ({name}): it calls {src} now, and {dst} if that answers."


def _unsure(error: CollectError) -> CollectError:
    """Say what is not known: an order whose answer was lost may have been carried out."""
    if not error.transient:
        return error
    return type(error)(
        f"{error} It was sent once and is not sent again; the call may have been started all the same."
    )
