"""The command line: arguments to jobs, frames to a screen or a file. The only place that prints."""

from __future__ import annotations

import os
import re
import shlex
import sys
import traceback
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from wfm import files, jobs, schema
from wfm.cli.screen import (
    Format,
    Target,
    collected,
    imported,
    proven,
    remark,
    say,
    show,
    working,
)
from wfm.engine.definitions import ALL, DEFINITIONS
from wfm.engine.rollup import BY
from wfm.errors import UsageError, WfmError
from wfm.report import build_headline_text, write_report
from wfm.report.write import REPORT_ENDINGS

INTERVAL_SHOWN = (
    "queue_id",
    "interval_start",
    "entered",
    "handled",
    "abandoned",
    "aht_s",
    "abandonment",
    "service_level",
    "occupancy",
    "origin",
    "service_level_variant",
)
TEAM_SHOWN = (
    "team",
    "scheduled_s",
    "adherence",
    "adherence_adjusted",
    "conformance",
    "in_s",
    "approved_s",
    "call_driven_s",
    "system_s",
    "unknown_s",
    "controllable_s",
)

app = typer.Typer(
    name="wfm",
    help="What agents did against what they were scheduled to do, how adherent that was, and why not.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Fold(StrEnum):
    """Which of two equal local times is meant."""

    earlier = "earlier"
    later = "later"


STOPPED = 130
WRONG_USAGE: Any = typer.BadParameter.__mro__[1]
"""UsageError of the click that typer uses: a package of its own, or since 0.29 a part of typer."""


@dataclass
class Given:
    """What was said before the command."""

    settings_file: Path | None = None
    database: Path | None = None


given = Given()
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="DAY", help="First local workday, like 2026-03-02; or an instant with offset."
    ),
]
To = Annotated[str, typer.Option("--to", metavar="DAY", help="The day after the last one: not included.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="INSTANT", help="Answer with what was known then.")
]
Agents = Annotated[list[str] | None, typer.Option("--agent", help="Only this agent_id; may be repeated.")]
Queues = Annotated[list[str] | None, typer.Option("--queue", help="Only this queue_id; may be repeated.")]
By = Annotated[
    str,
    typer.Option(
        help=f"Group by, separated by commas: {', '.join(BY)} (or agent, queue, interval); empty: everything together. "
        "A second is of the queue of its call, else of the queue that the agent handled longest that workday."
    ),
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="table on a screen; by the ending of --out; else csv.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file; it is complete or not there.")]


Definition = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Add another product's score: {', '.join(DEFINITIONS)} or {ALL}; may be repeated.",
        metavar="NAME",
    ),
]


@app.callback()
def _before(
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="Settings file instead of settings.env.")
    ] = None,
    database: Annotated[
        Path | None, typer.Option("--database", help="Database instead of WFM_DATABASE.")
    ] = None,
) -> None:
    given.settings_file, given.database = settings_file, database


def centre() -> jobs.Centre:
    """Open what the settings, or the options before the command, name."""
    return jobs.open_centre(
        given.database, settings_file=given.settings_file, warn=lambda text: remark(f"note: {text}")
    )


# --- data in and out ------------------------------------------------------------------------------------
@app.command("import")
def import_(
    table: Annotated[str, typer.Argument(help=f"One of: {', '.join(files.importable())}.")],
    file: Annotated[Path, typer.Argument(help="csv, parquet, xlsx; for schedule also ics.")],
    source: Annotated[
        str | None, typer.Option(help="The account the rows are from, where the file has no such column.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="What times without an offset mean, like Europe/London.")
    ] = None,
    fold: Annotated[
        Fold | None, typer.Option(help="Which of two equal local times is meant when clocks go back.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="Rename a column; may be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="COLUMN=VALUE", help="A column the file does not have; may be repeated."
        ),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Which sheet of a workbook.")] = None,
    skip_bad: Annotated[
        Path | None,
        typer.Option("--skip-bad", metavar="FILE", help="Write bad rows here and import the others."),
    ] = None,
    covers: Annotated[
        str | None,
        typer.Option(
            metavar="FROM/TO", help="agent_state: the span that was watched; else the days its rows touch."
        ),
    ] = None,
) -> None:
    """Import a file into a table, all or nothing; the same file twice changes nothing.

    Example: wfm import schedule march.xlsx --timezone Europe/London --map "Employee=agent_id"
    """
    renames, values, span = pairs(map_, "--map"), pairs(set_, "--set"), _span(covers)
    with working(f"Importing {file.name}"):
        done = centre().put(
            table,
            file,
            source=source,
            timezone=timezone,
            fold=fold.value if fold else None,
            renames=renames,
            values=values,
            sheet=sheet,
            skip_bad=skip_bad,
            covers=span,
        )
    for note in done.note:
        remark(f"note: {note}")
    imported(done)
    if done.skipped:
        remark(f"{done.skipped:,} bad row(s) are in {skip_bad}; correct them there and import that file.")
        raise typer.Exit(3)


@app.command()
def export(
    table: Annotated[str, typer.Argument(help=f"One of: {', '.join(schema.tables())}.")],
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Give a table back as it was stored.

    Example: wfm export agent_state --format parquet --out states.parquet
    """
    target = Target.of(format, out)
    show(centre().get(table, as_of=as_of), target)


# --- scores ---------------------------------------------------------------------------------------------
@app.command()
def adherence(
    from_: From,
    to: To,
    by: By = "agent,workday",
    definition: Definition = None,
    agent: Agents = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Score: where every scheduled second went, and what that makes of adherence.

    Example: wfm adherence --from 2026-03-02 --to 2026-03-09 --by team,workday
    """
    target = Target.of(format, out)
    with working("Scoring"):
        rows = centre().adherence(
            from_, to, by=grouping(by), definitions=definition or (), agents=agent, as_of=as_of
        )
    show(rows, target)


@app.command()
def exceptions(
    from_: From,
    to: To,
    agent: Agents = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """List adherence exceptions with reason and evidence, and work outside the shift.

    Example: wfm exceptions --from 2026-03-02 --to 2026-03-09 --class controllable
    """
    target = Target.of(format, out)
    with working("Scoring"):
        rows = centre().exceptions(from_, to, agents=agent, classes=class_, as_of=as_of)
    show(rows, target)


# --- volume and forecast --------------------------------------------------------------------------------
@app.command()
def intervals(
    from_: From,
    to: To,
    queue: Queues = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Show volume, handle time, abandonment, service level and occupancy per queue and 15 minutes.

    Example: wfm intervals --from 2026-03-02 --to 2026-03-03 --queue sales
    """
    target = Target.of(format, out)
    with working("Counting"):
        rows = centre().intervals(from_, to, queues=queue, as_of=as_of)
    show(rows, target, INTERVAL_SHOWN)


@app.command()
def forecast(
    queue: Queues = None,
    horizon: Annotated[str, typer.Option(help="How far ahead, like 14d or 36h.")] = "14d",
    origin: Annotated[str | None, typer.Option(help="Use only what ended by this instant or day.")] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Forecast volume and handle time per interval, with a band; the snapshot is kept in table forecast.

    Example: wfm forecast --queue sales --horizon 14d --out next.csv
    """
    target, ahead = Target.of(format, out), length(horizon)
    with working("Forecasting"):
        rows = centre().forecast(queues=queue, horizon=ahead, origin=origin, as_of=as_of)
    show(rows, target)


@app.command()
def accuracy(
    queue: Queues = None,
    weeks: Annotated[int, typer.Option(min=1, max=52, help="How many weekly origins.")] = 8,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Measure the forecast on the past: its error beside simple rivals and the noise floor.

    Example: wfm accuracy --queue sales --weeks 8
    """
    target = Target.of(format, out)
    with working("Forecasting the past"):
        rows = centre().accuracy(queues=queue, weeks=weeks, as_of=as_of)
    show(rows, target)


# --- people ---------------------------------------------------------------------------------------------
@app.command()
def report(
    from_: From,
    to: To,
    out: Annotated[Path, typer.Option(help="html for people; xlsx or csv by the ending.")] = Path(
        "report.html"
    ),
    definition: Definition = None,
    as_of: AsOf = None,
) -> None:
    """Write the report: one file that explains itself.

    Example: wfm report --from 2026-03-02 --to 2026-03-09 --out report.html
    """
    if out.suffix.lower() not in REPORT_ENDINGS:
        raise UsageError(f"--out {out}: a report ends in {', '.join(REPORT_ENDINGS)}.")
    with working("Assembling the report"):
        written = write_report(centre().report(from_, to, as_of=as_of, definitions=definition or ()), out)
    for path in written:
        say(f"Wrote {path}.")


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where the database, the files and the report go.")] = Path(
        "wfm-demo"
    ),
    bank: Annotated[
        bool, typer.Option("--bank", help="Import two real weeks of a bank's calls instead.")
    ] = False,
) -> None:
    """Show the whole product on a simulated centre, collected over HTTP; nothing to configure.

    Example: wfm demo
    """
    from wfm.jobs import demo as on  # a simulated centre and its web server, which no other command needs

    with working("Importing, collecting, scoring and forecasting"):
        shown = (on.bank if bank else on.demo)(directory)
        (page,) = write_report(shown.report, directory / "report.html")
    for file in shown.imported:
        imported(file)
    for feed in shown.collected:
        collected(feed)
    say("")
    say(build_headline_text(shown.report))
    say("")
    show(shown.report.by_team, Target(Format.table, None), TEAM_SHOWN)
    if shown.proof:
        say("")
        proven(shown.proof)
    say("")
    say(f"Report: {page.resolve()}")
    if shown.example:
        agent, day = shown.example
        say(f"Next:   wfm --settings {shlex.quote(str(directory / 'settings.env'))} explain {agent} {day}")


# --- arguments ------------------------------------------------------------------------------------------
def grouping(text: str) -> list[str]:
    """Read what to group by, separated by commas."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` words.

    Raises:
        UsageError: one is something else, or there twice.
    """
    found: dict[str, str] = {}
    for pair in given or ():
        left, equals, right = (part.strip() for part in pair.partition("="))
        if not (left and equals and right):
            raise UsageError(f"{option} {pair}: write two names with = between them.")
        if left in found:
            raise UsageError(f"{option} {pair}: {left} was given before, as {found[left]}.")
        found[left] = right
    return found


def _span(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    start, slash, end = (part.strip() for part in text.partition("/"))
    if not (start and slash and end) or "/" in end:
        raise UsageError(f"--covers {text!r}: give two days or instants, like 2026-03-02/2026-03-09.")
    return start, end


def length(text: str, option: str = "--horizon") -> timedelta:
    """Read a length of time in days, weeks or hours.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"(\d{1,4})([dhw])", text.strip(), re.ASCII)
    if match is None or not int(match[1]):
        raise UsageError(f"{option} {text!r}: give days, weeks or hours, like 14d, 2w or 36h.")
    return {"d": timedelta(days=1), "w": timedelta(weeks=1), "h": timedelta(hours=1)}[match[2]] * int(
        match[1]
    )


# --- from errors to exit codes --------------------------------------------------------------------------
def main(argv: list[str] | None = None) -> int:
    """Run a command line; return 0 done, 1 failed, 2 wrong usage or settings, 3 partly done, 130 stopped."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = app(words or ["--help"], standalone_mode=False, prog_name="wfm")
        sys.stdout.flush()
        if code == STOPPED:  # what typer makes of Ctrl-C
            return _fail("Stopped.", STOPPED)
        return int(code or 0) if words else 2
    except WRONG_USAGE as error:
        where = error.ctx.command_path if error.ctx else "wfm"
        return _fail(f"{error.format_message()} See `{where} --help`.", 2)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("Stopped.", STOPPED)
    except WfmError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        return _nobody_reads()
    except SystemExit:  # what rich makes of a closed pipe
        return _nobody_reads()
    except MemoryError:
        return _fail("Not enough memory: ask for a shorter window or fewer agents.", 1)
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}.", 1)
    except (Exception, pl.exceptions.PanicException) as error:
        return _fail(_bug(error), 1)


def _nobody_reads() -> int:
    """End quietly when the reader of a pipe has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _bug(error: BaseException) -> str:
    """Say in two lines what nobody has thought of, and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "wfm" in Path(frame.filename).parts
    ]
    place = ours[-1] if ours else last
    said = (str(error).strip().splitlines() or [""])[0][:200]
    return (
        f"{type(error).__name__}: {said}\n"
        f"This is a bug in wfm ({Path(place.filename).name}, line {place.lineno}): please report it."
    )


def _fail(text: str, code: int) -> int:
    remark(f"error: {text}")
    return code
