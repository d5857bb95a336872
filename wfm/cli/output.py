"""Print lines, notes, progress and frames: as a table on the screen, or in a file's format."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wfm.cli import choices
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from wfm.analysis.imports import ImportResult

MAX_SCREEN_ROWS: Final = 200
PIPE_WIDTH: Final = 500
NO_BREAK_SPACE: Final = "\u00a0"
RATIO_COLUMNS: Final = (
    "adherence",
    "adherence_adjusted",
    "adherence_low",
    "adherence_high",
    "coverage",
    "conformance",
    "abandonment",
    "service_level",
    "occupancy",
    "utilisation",
    "shrinkage",
    "shrinkage_scheduled",
    "shrinkage_planned",
    "shrinkage_unplanned",
    "shrinkage_high",
    "wape15",
    "bias",
    "noise_floor",
    "share",
    "handle_agreement",
    "states_agreement",
    "adherence_tolerant",
    "adherence_adjusted_tolerant",
    "score_from",
    "score_to",
    *choices.DEFINITIONS,
)
"""Columns of ratios, 0..1 in a file and percent on a screen."""
AHT_QUANTILES: Final = ("aht_p10", "aht_p90")
"""Columns in seconds whose names do not say so."""
CLASSES: Final = ("in", "call_driven", "approved", "system", "unknown", "controllable")
"""The classes of scheduled time in the order in which a summary names them."""


class Format(StrEnum):
    """How a table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"
    xlsx = "xlsx"


@dataclass(frozen=True)
class OutputTarget:
    """Where an answer goes and how it is written."""

    format: Format
    out: Path | None

    @classmethod
    def choose(cls, format: Format | None, out: Path | None) -> OutputTarget:
        """Decide before anything is computed: without ``format``, by the ending of ``out``, else a table.

        Raises:
            UsageError: the two do not go together.
        """
        if out is None:
            if format in (Format.parquet, Format.xlsx) and sys.stdout.isatty():
                raise UsageError(f"--format {format.value} is not for a screen: add --out FILE.")
            return cls(format or Format.table, out)
        if format == Format.table:
            raise UsageError(
                f"--out {out}: a table is for the screen; use --format csv, json, parquet or xlsx."
            )
        ending = out.suffix.lower().lstrip(".")
        if format is None and (ending == Format.table or ending not in list(Format)):
            raise UsageError(f"--out {out}: use the ending .csv, .json, .parquet or .xlsx, or say --format.")
        return cls(format or Format(ending), out)

    @property
    def is_screen(self) -> bool:
        """Whether a person reads the answer: then it may be shortened and summarised."""
        return self.format == Format.table


SCREEN: Final = OutputTarget(Format.table, None)


# --- lines ----------------------------------------------------------------------------------------------
def print_line(text: str = "") -> None:
    """Print a line of the answer."""
    print(text)


def print_note(text: str) -> None:
    """Print a line about the answer on stderr, where it does not mix with the answer."""
    print(text, file=sys.stderr)


@contextmanager
def show_progress(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on; print nothing in a pipe."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        yield


@contextmanager
def show_steps(what: str) -> Iterator[Callable[[str, float], None]]:
    """Show on a terminal the step under way and a bar of all steps; print nothing in a pipe.

    Yields what is called with the name of a step and the share of all steps that is done, 0 to 1.
    """
    if not sys.stderr.isatty():
        yield lambda _step, _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    console.print(f"{what} …")
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, done: bar.update(task, description=step, completed=done)


def print_import(done: ImportResult) -> None:
    """Print how many rows an import added, corrected and had stored already."""
    written = done.written
    parts = [f"{written.added_count:,} new"]
    if written.replaced_count:
        parts.append(f"{written.replaced_count:,} corrected")
    if written.unchanged_count:
        parts.append(f"{written.unchanged_count:,} already stored")
    print_line(f"{done.table:<16} {written.read_count:>9,} rows from {done.path.name}: {', '.join(parts)}")


# --- frames ---------------------------------------------------------------------------------------------
def print_frame(frame: pl.DataFrame, target: OutputTarget, columns: Sequence[str] | None = None) -> None:
    """Write a frame to a file, or print it.

    Args:
        frame: the answer.
        target: where it goes.
        columns: what a table on a screen shows, in this order; None: everything. Files always get everything.
    """
    if target.is_screen:
        _print_table(frame.select([c for c in columns if c in frame.columns]) if columns else frame)
        return
    from wfm.files import OUTPUT_FORMATS, write_table

    if target.format in (Format.csv, Format.json):
        frame = _drop_needless_fractions(frame)
    names = {str(name): name for name in OUTPUT_FORMATS}
    write_table(frame, target.out or sys.stdout.buffer, names[target.format.value])
    if target.out is not None:
        print_note(f"Wrote {frame.height:,} rows to {target.out}.")


def order_score_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns of scores for a screen: what they are grouped by, the percentages, then the seconds.

    A narrow screen shows the first columns first, so the answer must not come after what it was computed from.
    """
    start = frame.columns.index("scheduled_s")
    groups, figures = frame.columns[:start], frame.columns[start:]
    ratios = [name for name in figures if not name.endswith("_s")]
    bounds = ("coverage", "conformance", "adherence_low", "adherence_high")
    ratios.sort(key=lambda name: bounds.index(name) if name in bounds else -1)
    return [*groups, *ratios, *(name for name in figures if name not in ratios)]


def print_score_summary(frame: pl.DataFrame) -> None:
    """Print adherence over all rows of a table of scores; a long table then ends with it."""
    if frame.height < 2:
        return
    from wfm.engine.adherence.classify import ADHERENCE_SUMS, compute_ratios

    sums = frame.select(ADHERENCE_SUMS).sum()
    print_line(f"\nAll {frame.height:,} rows:")
    # `compute_ratios` expects microseconds: its ratios are right for any unit, its seconds are not.
    for line in describe_score({**compute_ratios(sums).row(0, named=True), **sums.row(0, named=True)}):
        print_wrapped(line)


def describe_score(row: dict[str, float | None]) -> tuple[str, str]:
    """Return the percentages of a score in one line, and where its scheduled time went in another."""
    from wfm.report import formats

    titles = {
        "adherence": "adherence",
        "adherence_adjusted": "adjusted",
        "conformance": "conformance",
        "coverage": "coverage",
    }
    percentages = ", ".join(f"{title} {formats.format_percent(row[name])}" for name, title in titles.items())
    parts = [
        f"{formats.format_code(name)} {formats.format_duration(row[f'{name}_s'])}"
        for name in CLASSES
        if row[f"{name}_s"]
    ]
    return percentages, f"scheduled {formats.format_duration(row['scheduled_s'])} = {' + '.join(parts)}"


def print_wrapped(text: str, *, indent: str = "", style: str = "") -> None:
    """Print text; on a terminal broken between words, but never between a number and its unit."""
    from rich.text import Text

    screen = open_console(PIPE_WIDTH)
    # A pipe gets the line whole: who reads it decides where to break.
    if not screen.is_terminal:
        print_line(f"{indent}{text}")
        return
    bound = re.sub(r"(?<=\d) (?=(?:h|min|s)\b|%)|(?<=\bh) (?=\d)|(?<=\bmin) (?=\d)", NO_BREAK_SPACE, text)
    for line in textwrap.wrap(bound, screen.width, initial_indent=indent, subsequent_indent=indent) or [""]:
        screen.print(Text(line.replace(NO_BREAK_SPACE, " "), style=style))


def open_console(width: int) -> Console:
    """Return the screen; in a pipe, plain text of a width that does not depend on who reads it."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width, color_system=None)


def _drop_needless_fractions(frame: pl.DataFrame) -> pl.DataFrame:
    """Write columns of whole seconds as integers: text has no types, and its bytes must not change between runs."""
    import polars as pl

    whole = [
        name
        for name in frame.columns
        if _is_duration(name)
        and frame.schema[name] == pl.Float64
        and (frame[name] == frame[name].round()).fill_null(True).all()
    ]
    return frame.with_columns(pl.col(whole).cast(pl.Int64))


def _is_duration(name: str) -> bool:
    return name == "seconds" or name.endswith("_s")


def _print_table(frame: pl.DataFrame) -> None:
    """Print a frame for reading: percentages, hours and minutes, a dash for null."""
    from rich.text import Text

    from wfm.cli.wide_tables import TableColumn, print_wide_table

    shown = frame.head(MAX_SCREEN_ROWS)
    columns = [
        TableColumn(
            name.removesuffix("_s").replace("_", " "),
            [Text(_format_cell(name, value)) for value in shown[name].to_list()],
            right=dtype.is_numeric(),
            unbroken=dtype.is_numeric() or dtype.is_temporal(),
        )
        for name, dtype in shown.schema.items()
    ]
    if columns:
        figures = [column.right for column in columns]
        # The columns before the first figure say what a row is about.
        print_wide_table(open_console(PIPE_WIDTH), columns, figures.index(True) if True in figures else 2)
    if frame.height > MAX_SCREEN_ROWS:
        rest = frame.height - MAX_SCREEN_ROWS
        print_note(f"{rest:,} more rows: --format csv or --out FILE gives all {frame.height:,}.")
    if frame.is_empty():
        print_note("No rows.")


def _format_cell(name: str, value: object) -> str:
    from wfm.report import formats

    if value is None:
        return formats.NO_VALUE
    if name == "points" and isinstance(value, float):
        return formats.format_change(value)
    plain = re.sub("_(before|after)$", "", name)
    if plain.partition("(")[0] in RATIO_COLUMNS and isinstance(value, (int, float)):
        return formats.format_percent(value)
    if (_is_duration(name) or name in AHT_QUANTILES) and isinstance(value, (int, float)):
        return formats.format_duration(value)
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if name.endswith(("_at", "_start", "_until")) or name in ("at", "origin"):
        return f"{value:%Y-%m-%d %H:%M:%S}Z" if hasattr(value, "strftime") else str(value)
    return str(value)
