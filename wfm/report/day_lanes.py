"""One agent's day as lanes of letters for a terminal: schedule, state, calls and class above one another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.report.labels import CLASS_LABELS

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
CLASS_LETTERS: Final[dict[str, str]] = {name: label.letter for name, label in CLASS_LABELS.items()}
CALL_LETTERS: Final = {"call": "#"}
CLASS_PRIORITY: Final = ("controllable", "call_driven", "approved", "system", "unknown", "in")
"""The class that a cell with several classes shows: what needs explaining comes first."""
CELL_MINUTES: Final = (1, 2, 3, 5, 10, 15, 30)
"""Lengths of a cell; the shortest with which the day fits the width is used, else an hour."""
RULER_STEP: Final = 6
"""Cells that a clock time on the ruler takes, with a space after it."""


@dataclass(frozen=True)
class DayLane:
    """A lane: its name, and per cell a letter and the activity, state or class that it stands for."""

    name: str
    letters: str
    meanings: tuple[str | None, ...]


@dataclass(frozen=True)
class DayLanes:
    """The lanes of a day, a ruler of local hours above them, the length of a cell, and what the letters mean."""

    ruler: str
    lanes: tuple[DayLane, ...]
    cell: timedelta
    legend: tuple[str, ...]


def draw_day_lanes(slices: pl.DataFrame, timezone: str, width: int) -> DayLanes:
    """Draw slices (start_at end_at activity state class reason leg_id, gap-free) on at most ``width`` cells.

    A cell shows what filled most of it; the class lane shows what needs explaining first, however short.
    """
    first, last = slices["start_at"].min(), slices["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    cell = _choose_cell_length(last - first, width)
    start = _round_down(first, cell)
    n_cells = -((start - last) // cell)
    cells = _cut_into_cells(slices, start, cell, n_cells)
    activity_letters = _assign_letters(
        [name for name in slices["activity"].unique(maintain_order=True) if name is not None]
    )
    schedule = _build_longest_lane(cells, "activity", "schedule", activity_letters, n_cells)
    state = _build_longest_lane(cells, "state", "state", STATE_LETTERS, n_cells)
    calls = _build_call_lane(cells, n_cells)
    classes = _build_class_lane(cells, n_cells)
    legend = (
        "schedule " + _build_legend(schedule, activity_letters),
        "state    " + _build_legend(state, STATE_LETTERS),
        "class    " + _build_legend(classes, CLASS_LETTERS),
    )
    ruler = _build_ruler(start, cell, n_cells, timezone)
    return DayLanes(ruler, (schedule, state, calls, classes), cell, legend)


def _choose_cell_length(day_length: timedelta, width: int) -> timedelta:
    for minutes in CELL_MINUTES:
        if day_length <= timedelta(minutes=minutes) * width:
            return timedelta(minutes=minutes)
    return timedelta(hours=1)


def _round_down(at: datetime, step: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) % step


def _cut_into_cells(slices: pl.DataFrame, start: datetime, cell: timedelta, n_cells: int) -> pl.DataFrame:
    """Cut the slices at the edges of the cells, and add cell and seconds."""
    grid = pl.DataFrame({"cell": range(n_cells)}).with_columns(low=pl.lit(start) + pl.col("cell") * cell)
    low, high = pl.max_horizontal("start_at", "low"), pl.min_horizontal("end_at", pl.col("low") + cell)
    return (
        slices.join_where(grid, pl.col("start_at") < pl.col("low") + cell, pl.col("end_at") > pl.col("low"))
        .with_columns(
            pl.col("state", "class").cast(pl.String), seconds=(high - low).dt.total_microseconds() / 1e6
        )
        .sort("cell", "start_at")
    )


def _build_longest_lane(
    cells: pl.DataFrame, column: str, name: str, letters: dict[str, str], n_cells: int
) -> DayLane:
    """Build a lane that shows in each cell what filled most of it; of equals, what came first."""
    longest = (
        cells.group_by("cell", column, maintain_order=True)
        .agg(pl.col("seconds").sum())
        .sort("seconds", descending=True, maintain_order=True)
        .unique("cell", keep="first", maintain_order=True)
    )
    return _build_lane(name, dict(longest.select("cell", column).iter_rows()), letters, n_cells)


def _build_call_lane(cells: pl.DataFrame, n_cells: int) -> DayLane:
    on_call: dict[int, str | None] = dict.fromkeys(
        cells.filter(pl.col("leg_id").is_not_null())["cell"], "call"
    )
    return _build_lane("calls", on_call, CALL_LETTERS, n_cells)


def _build_class_lane(cells: pl.DataFrame, n_cells: int) -> DayLane:
    classes_of_cells = cells.drop_nulls("class").group_by("cell").agg(pl.col("class"))
    shown: dict[int, str | None] = {
        cell: next(name for name in CLASS_PRIORITY if name in classes)
        for cell, classes in classes_of_cells.iter_rows()
    }
    return _build_lane("class", shown, CLASS_LETTERS, n_cells)


def _build_lane(
    name: str, meaning_of_cell: dict[int, str | None], letters: dict[str, str], n_cells: int
) -> DayLane:
    meanings = tuple(meaning_of_cell.get(cell) for cell in range(n_cells))
    return DayLane(
        name, "".join(" " if meaning is None else letters[meaning] for meaning in meanings), meanings
    )


def _assign_letters(activities: list[str]) -> dict[str, str]:
    """Give every activity a letter of its own, its first one where that is free."""
    letters: dict[str, str] = {}
    for activity in activities:
        choices = [*activity.upper(), *activity.lower(), *"0123456789"]
        letters[activity] = next((c for c in choices if c.isalnum() and c not in letters.values()), "+")
    return letters


def _build_legend(lane: DayLane, letters: dict[str, str]) -> str:
    shown = [meaning for meaning in letters if meaning in lane.meanings]
    return "  ".join(f"{letters[meaning]} {meaning.replace('_', ' ')}" for meaning in shown)


def _build_ruler(start: datetime, cell: timedelta, n_cells: int, timezone: str) -> str:
    # The last clock time may reach beyond the last cell.
    ruler = [" "] * (n_cells + RULER_STEP - 1)
    next_free = 0
    for index in range(n_cells):
        local = (start + index * cell).astimezone(ZoneInfo(timezone))
        is_first_of_hour = local.minute * 60 + local.second < cell.total_seconds()
        if index >= next_free and is_first_of_hour:
            text = f"{local:%H:%M}"
            ruler[index : index + len(text)] = list(text)
            next_free = index + RULER_STEP
    return "".join(ruler).rstrip()
