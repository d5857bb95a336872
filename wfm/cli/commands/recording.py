"""`wfm recording`: the temporary address of a call recording."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from wfm.cli.options import SourceArgument
from wfm.cli.output import print_line, show_progress
from wfm.cli.phone_system import find_source, refuse_ability, use_session


def run(
    source: SourceArgument,
    recording_id: Annotated[
        str, typer.Argument(metavar="ID", help="recording_id of a call leg (wfm export call_leg).")
    ],
) -> None:
    """Print the temporary address of a call recording.

    The address is not stored: it is valid for a short time only.

    Example: wfm recording pbx 9002-ffee
    """
    from wfm.vendors import RecordingResolver

    one = find_source(source)
    vendor = one.vendor
    if not isinstance(vendor, RecordingResolver):
        raise refuse_ability(one, "resolve recordings")
    with show_progress("Asking the phone system"):
        print_line(
            asyncio.run(
                use_session(one, lambda http: vendor.resolve_recording(one.settings, http, recording_id))
            )
        )
