"""What a terminal, a pipe or a file gets to see; with `wfm.cli.commands` the only place that prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.text import Text

from wfm import files
from wfm.cli.columns import Column, draw
from wfm.engine.definitions import DEFINITIONS
from wfm.errors import UsageError
from wfm.jobs import Imported
from wfm.report import formats

if TYPE_CHECKING:
    from wfm.jobs.demo import Collected, Proof

SHOWN_ROWS = 200
RATIOS = (
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
    "change",
    "share",
    "handle_agreement",
    "states_agreement",
    "adherence_tolerant",
    "adherence_adjusted_tolerant",
    "score_from",
    "score_to",
    *DEFINITIONS,
)


class Format(StrEnum):
    """How a table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"
    xlsx = "xlsx"


FILE_FORMATS: dict[Format, files.Format] = {Format(name): name for name in files.FORMATS}


def say(text: str) -> None:
    """Print a line of the answer."""
    print(text)


def remark(text: str) -> None:
    """Print a line about the answer, where it does not mix with it."""
    print(text, file=sys.stderr)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something is being done; nothing in a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} …"):
        yield


@dataclass(frozen=True)
class Target:
    """Where an answer goes and how it is written."""

    format: Format
    out: Path | None

    @classmethod
    def of(cls, format: Format | None, out: Path | None) -> Target:
        """Decide before anything is done: without ``format``, by the ending of ``out``, else a table.

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
        if format is None and ending not in files.FORMATS:
            raise UsageError(f"--out {out}: use the ending .csv, .json, .parquet or .xlsx, or say --format.")
        return cls(format or Format(ending), out)


def show(frame: pl.DataFrame, target: Target, columns: Sequence[str] | None = None) -> None:
    """Write a frame to a file or to the screen.

    Args:
        frame: the answer.
        target: where it goes.
        columns: those that a table on a screen has room for; None: all.
    """
    if target.format == Format.table:
        _table(frame.select([c for c in columns if c in frame.columns]) if columns else frame)
        return
    if target.format in (Format.csv, Format.json):
        frame = _whole(frame)
    files.write(frame, target.out or sys.stdout.buffer, FILE_FORMATS[target.format])
    if target.out is not None:
        remark(f"Wrote {frame.height:,} rows to {target.out}.")


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Write seconds that are whole without a fraction: text has no types that could change from run to run."""
    whole = [
        name
        for name in frame.columns
        if (name == "seconds" or name.endswith("_s"))
        and frame.schema[name] == pl.Float64
        and (frame[name] == frame[name].round()).fill_null(True).all()
    ]
    return frame.with_columns(pl.col(whole).cast(pl.Int64))


def _table(frame: pl.DataFrame) -> None:
    """Print a frame for reading: percentages, hours and minutes, a dash for nothing."""
    shown = frame.head(SHOWN_ROWS)
    columns = [
        Column(
            _title(name),
            [Text(_cell(name, value)) for value in shown[name].to_list()],
            right=dtype.is_numeric(),
            whole=dtype.is_numeric() or dtype.is_temporal(),
        )
        for name, dtype in shown.schema.items()
    ]
    if columns:
        figures = [column.right for column in columns]
        draw(console(500), columns, figures.index(True) if True in figures else 2)
    if frame.height > SHOWN_ROWS:
        remark(
            f"{frame.height - SHOWN_ROWS:,} more rows: --format csv or --out FILE gives all {frame.height:,}."
        )
    if frame.is_empty():
        remark("No rows.")


def console(width: int) -> Console:
    """Return the screen; in a pipe, plain text of a width that does not depend on who reads it."""
    here = Console(highlight=False)
    return here if here.is_terminal else Console(highlight=False, width=width, color_system=None)


def _title(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ")


def _cell(name: str, value: object) -> str:
    if value is None:
        return formats.NOTHING
    if name == "points" and isinstance(value, float):
        return formats.change(value)
    plain = re.sub("_(before|after)$", "", name)
    if plain.partition("(")[0] in RATIOS and isinstance(value, (int, float)):
        return formats.percent(value)
    if (name == "seconds" or name.endswith("_s")) and isinstance(value, (int, float)):
        return formats.clock(value)
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if name.endswith(("_at", "_start", "_until")) or name in ("at", "origin"):
        return f"{value:%Y-%m-%d %H:%M:%S}Z" if hasattr(value, "strftime") else str(value)
    return str(value)


def imported(done: Imported) -> None:
    """Print what an import did."""
    w = done.written
    parts = [f"{w.added:,} new"]
    if w.replaced:
        parts.append(f"{w.replaced:,} corrected")
    if w.same:
        parts.append(f"{w.same:,} known already")
    say(f"{done.table:<16} {w.read:>9,} rows from {done.path.name}: {', '.join(parts)}")


def collected(done: Collected) -> None:
    """Print what collecting a feed came to."""
    parts = [f"{done.new:,} new"]
    if done.looks:
        parts.append(f"{done.looks:,} looks in {done.watched_s:,.0f} s of virtual time")
    say(f"{done.feed:<16} {done.rows:>9,} rows from {done.source}: {', '.join(parts)}")


def proven(proof: Proof) -> None:
    """Print how what was found compares with what really happened, and what polling hid."""
    whole, days, polled = proof.whole, proof.imported, proof.polled
    ratios = f"precision {formats.percent(whole.precision)}, recall {formats.percent(whole.recall)}"
    say(
        f"The sandbox knows what really happened: of its {whole.planted:,} planted exceptions wfm found "
        f"{whole.right:,} ({ratios}); seconds in adherence differ by {whole.off_s:,.0f} of {whole.true_in_s:,.0f}."
    )
    say(
        f"Of the {proof.days} imported days {days.right:,} of {days.planted:,}, {days.off_s:,.0f} s apart; of "
        f"{formats.day(proof.polled_on)}, polled, {polled.right:,} of {polled.planted:,}, {polled.off_s:,.0f} s apart: "
        f"a look every {proof.poll_s} s sees a change up to {proof.poll_s} s late, and what is shorter perhaps never."
    )
