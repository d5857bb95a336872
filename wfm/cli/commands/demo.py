"""`wfm demo`: the whole product on a simulated contact centre."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli.output import SCREEN, print_frame, print_import, print_line, show_progress

if TYPE_CHECKING:
    from wfm.jobs.demo import Collected, Proof

TEAM_COLUMNS = (
    "team",
    "adherence",
    "adherence_adjusted",
    "conformance",
    "scheduled_s",
    "in_s",
    "approved_s",
    "call_driven_s",
    "system_s",
    "unknown_s",
    "controllable_s",
)


def run(
    directory: Annotated[
        Path, typer.Option(metavar="DIRECTORY", help="Where the database, its settings and the report go.")
    ] = Path("wfm-demo"),
    bank: Annotated[
        bool, typer.Option("--bank", help="Instead, import two real weeks of a bank's call centre.")
    ] = False,
) -> None:
    """Try wfm on a simulated contact centre; nothing to configure.

    Collects from all five phone systems over HTTP, imports schedules, scores, forecasts, and writes the report.

    Example: wfm demo
    """
    from wfm.jobs import demo as demos
    from wfm.report import build_headline_text, write_report

    with show_progress("Importing, collecting, scoring and forecasting"):
        done = (demos.bank if bank else demos.demo)(directory)
        (page,) = write_report(done.report, directory / "report.html")
    for imported in done.imported:
        print_import(imported)
    for collected in done.collected:
        _print_collected(collected)
    print_line()
    if done.proof:
        _print_proof(done.proof)
        print_line()
    print_frame(done.report.by_team, SCREEN, TEAM_COLUMNS)
    print_line()
    print_line(build_headline_text(done.report))
    print_line()
    print_line(f"Report: {page.resolve()}")
    if done.example:
        agent, day = done.example
        settings = shlex.quote(str(directory / "settings.env"))
        print_line(f"Next:   wfm --settings {settings} explain {agent} {day}")


def _print_collected(done: Collected) -> None:
    parts = [f"{done.new:,} new"]
    if done.looks:
        parts.append(f"{done.looks:,} polls in {done.watched_s:,.0f} s of simulated time")
    print_line(f"{done.feed:<16} {done.rows:>9,} rows from {done.source}: {', '.join(parts)}")


def _print_proof(proof: Proof) -> None:
    """Print how the result compares with the ground truth, and what polling could not see."""
    from wfm.report import formats

    whole, days, polled = proof.whole, proof.imported, proof.polled
    print_line(
        f"Compared with the ground truth of the simulation: wfm found {whole.right:,} of {whole.planted:,} exceptions "
        f"(precision {formats.percent(whole.precision)}, recall {formats.percent(whole.recall)}); seconds in "
        f"adherence differ by {whole.off_s:,.0f} of {whole.true_in_s:,.0f}."
    )
    print_line(
        f"On the {proof.days} imported days {days.right:,} of {days.planted:,}, {days.off_s:,.0f} s apart; on "
        f"{formats.day(proof.polled_on)}, polled, {polled.right:,} of {polled.planted:,}, {polled.off_s:,.0f} s "
        f"apart: with a poll every {proof.poll_s} s a change is seen up to {proof.poll_s} s late, and a shorter state "
        "perhaps never."
    )
