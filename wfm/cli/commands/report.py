"""`wfm report`: the adherence report as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wfm.cli import choices
from wfm.cli.options import AsOfOption, DefinitionsOption, FromOption, ToOption, open_centre
from wfm.cli.output import print_line, print_wrapped, show_progress
from wfm.core.errors import UsageError


def run(
    from_: FromOption,
    to: ToOption,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="File to write; the ending decides: .html (to read), .xlsx or .csv."
        ),
    ] = Path("report.html"),
    definition: DefinitionsOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Write the adherence report as one file: html, xlsx or csv.

    The headline is printed as well.

    Example: wfm report --from 2026-03-02 --to 2026-03-09 --out report.html
    """
    if out.suffix.lower() not in choices.REPORT_ENDINGS:
        raise UsageError(f"--out {out}: a report ends in {', '.join(choices.REPORT_ENDINGS)}.")
    from wfm.report import build_headline_text, write_report

    with show_progress("Writing the report"):
        report = open_centre().report(from_, to, as_of=as_of, definitions=definition or ())
        written = write_report(report, out)
    for line in build_headline_text(report).splitlines():
        print_wrapped(line)
    print_line()
    for path in written:
        print_line(f"Wrote {path}.")
