"""One agent's day as lanes of letters: schedule over state over calls over class."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.report.words import CLASS

STATE_LETTERS: Final[dict[str, str]] = {
    "available": "A",
    "ringing": "R",
    "busy": "B",
    "hold": "H",
    "wrapup": "W",
    "working": "K",
    "no_answer": "N",
    "logged_in": "i",
    "logged_out": ".",
    "break": "b",
    "meal": "m",
    "away": "a",
    "training": "T",
    "meeting": "M",
    "unmapped": "!",
    "unknown": "?",
}
CLASS_LETTERS: Final[dict[str, str]] = {name: one.letter for name, one in CLASS.items()}
CLASS_ORDER: Final = ("controllable", "call_driven", "approved", "system", "unknown", "in")
"""Which class a cell shows when several meet in it: what has to be explained before what need not."""


@dataclass(frozen=True)
class Lane:
    """A row of the picture: its name, and per cell a letter and what it stands for."""

    name: str
    letters: str
    meaning: tuple[str | None, ...]


@dataclass(frozen=True)
class Picture:
    """The lanes of a day, a ruler of local hours above them, and how long a cell lasts."""

    ruler: str
    lanes: tuple[Lane, ...]
    cell: timedelta
    legend: tuple[str, ...]


def picture(slices: pl.DataFrame, timezone: str, width: int) -> Picture:
    """Draw slices (start_at end_at activity state class reason leg_id, gap-free) on at most ``width`` cells.

    A cell shows what filled most of it; the class lane shows what has to be explained first, however short.
    """
    first, last = slices["start_at"].min(), slices["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    cell = _cell(last - first, width)
    start = _floor(first, cell)
    n = -((start - last) // cell)
    cells = _cells(slices, start, cell, n)
    activities = _letters(
        [name for name in slices["activity"].unique(maintain_order=True) if name is not None]
    )
    lanes = (
        _most(cells, "activity", "schedule", activities, n),
        _most(cells, "state", "state", STATE_LETTERS, n),
        _calls(cells, n),
        _classes(cells, n),
    )
    legend = (
        "schedule " + _legend(lanes[0], activities),
        "state    " + _legend(lanes[1], STATE_LETTERS),
        "class    " + _legend(lanes[3], CLASS_LETTERS),
    )
    return Picture(_ruler(start, cell, n, timezone), lanes, cell, legend)


def _cell(length: timedelta, width: int) -> timedelta:
    for minutes in (1, 2, 3, 5, 10, 15, 30):
        if length <= timedelta(minutes=minutes) * width:
            return timedelta(minutes=minutes)
    return timedelta(hours=1)


def _floor(at: datetime, cell: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) % cell


def _cells(slices: pl.DataFrame, start: datetime, cell: timedelta, n: int) -> pl.DataFrame:
    """Cut the slices at the cells' edges: cell, seconds and what each says."""
    grid = pl.DataFrame({"cell": range(n)}).with_columns(low=pl.lit(start) + pl.col("cell") * cell)
    low, high = pl.max_horizontal("start_at", "low"), pl.min_horizontal("end_at", pl.col("low") + cell)
    return (
        slices.join_where(grid, pl.col("start_at") < pl.col("low") + cell, pl.col("end_at") > pl.col("low"))
        .with_columns(
            pl.col("state", "class").cast(pl.String), seconds=(high - low).dt.total_microseconds() / 1e6
        )
        .sort("cell", "start_at")
    )


def _most(cells: pl.DataFrame, column: str, name: str, letters: dict[str, str], n: int) -> Lane:
    found = (
        cells.group_by("cell", column, maintain_order=True)
        .agg(pl.col("seconds").sum())
        .sort("seconds", descending=True, maintain_order=True)
        .unique("cell", keep="first", maintain_order=True)
    )
    return _lane(name, dict(found.select("cell", column).iter_rows()), letters, n)


def _calls(cells: pl.DataFrame, n: int) -> Lane:
    busy = set(cells.filter(pl.col("leg_id").is_not_null())["cell"])
    says: dict[int, str | None] = dict.fromkeys(busy, "call")
    return _lane("calls", says, {"call": "#"}, n)


def _classes(cells: pl.DataFrame, n: int) -> Lane:
    there = cells.drop_nulls("class").group_by("cell").agg(pl.col("class"))
    first: dict[int, str | None] = {
        cell: next(one for one in CLASS_ORDER if one in classes) for cell, classes in there.iter_rows()
    }
    return _lane("class", first, CLASS_LETTERS, n)


def _lane(name: str, says: dict[int, str | None], letters: dict[str, str], n: int) -> Lane:
    meaning = tuple(says.get(cell) for cell in range(n))
    return Lane(name, "".join(" " if word is None else letters[word] for word in meaning), meaning)


def _letters(words: list[str]) -> dict[str, str]:
    """Give every activity a letter of its own, its first one where that is free."""
    given: dict[str, str] = {}
    for word in words:
        choices = [*word.upper(), *word.lower(), *"0123456789"]
        given[word] = next((c for c in choices if c.isalnum() and c not in given.values()), "+")
    return given


def _legend(lane: Lane, letters: dict[str, str]) -> str:
    shown = [word for word in letters if word in lane.meaning]
    return "  ".join(f"{letters[word]} {word.replace('_', ' ')}" for word in shown)


def _ruler(start: datetime, cell: timedelta, n: int, timezone: str) -> str:
    ruler = [" "] * (n + 5)
    free = 0
    for index in range(n):
        local = (start + index * cell).astimezone(ZoneInfo(timezone))
        if index >= free and local.minute * 60 + local.second < cell.total_seconds():
            text = f"{local:%H:%M}"
            ruler[index : index + 5] = list(text)
            free = index + 6
    return "".join(ruler).rstrip()
