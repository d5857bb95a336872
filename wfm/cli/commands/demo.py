"""`wfm demo`: all of wfm on a simulated contact centre."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfm.cli.output import (
    SCREEN,
    print_frame,
    print_import,
    print_line,
    print_wrapped,
    show_progress,
    show_steps,
)

if TYPE_CHECKING:
    from wfm.demo import CollectedFeed, GroundTruthComparison

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

    Collects from all five phone systems over HTTP, imports schedules, scores, forecasts, and writes the report; takes
    about 15 seconds.

    Example: wfm demo
    """
    from wfm.demo import EXPECTED_S, run_bank_demo, run_demo
    from wfm.report import build_headline_text, write_report

    if bank:
        with show_progress("Importing and scoring, about 10 seconds"):
            done = run_bank_demo(directory)
            (page,) = write_report(done.report, directory / "report.html")
    else:
        with show_steps(f"Running the demo, about {EXPECTED_S} seconds") as listener:
            done = run_demo(directory, listener)
            listener("Writing the report", 0.99)
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
    for line in build_headline_text(done.report).splitlines():
        print_wrapped(line)
    print_line()
    print_line(f"Report: {page.resolve()}")
    if done.example:
        agent, day = done.example
        settings = shlex.quote(str(directory / "settings.env"))
        print_line(f"Next:   wfm --settings {settings} explain {agent} {day}")


def _print_collected(done: CollectedFeed) -> None:
    parts = [f"{done.new:,} new"]
    if done.polls:
        parts.append(f"{done.polls:,} polls in {done.polled_s:,.0f} s of simulated time")
    print_line(f"{done.feed:<16} {done.rows:>9,} rows from {done.source}: {', '.join(parts)}")


def _print_proof(proof: GroundTruthComparison) -> None:
    """Print how the result compares with the ground truth, and what polling could not see."""
    from wfm.report import formats

    whole, days, polled = proof.total, proof.imported, proof.polled
    precision, recall = formats.format_percent(whole.precision), formats.format_percent(whole.recall)
    print_line(
        f"Compared with the ground truth of the simulation: wfm found {whole.matched:,} of {whole.planted:,} "
        f"exceptions (precision {precision}, recall {recall}); seconds in adherence differ by "
        f"{whole.difference_s:,.0f} of {whole.true_in_s:,.0f}."
    )
    print_line(
        f"On the {proof.days} imported days {days.matched:,} of {days.planted:,}, {days.difference_s:,.0f} s apart; "
        f"on {formats.format_date(proof.polled_on)}, whose evening was polled, {polled.matched:,} of "
        f"{polled.planted:,}, {polled.difference_s:,.0f} s apart: with a poll every {proof.poll_s} s a change is seen "
        f"up to {proof.poll_s} s late, and a shorter state perhaps never."
    )
