"""Geometry of a day strip: one agent's day as three lanes: schedule, state and class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from wfm.core import glossary
from wfm.report.formats import format_code, format_duration
from wfm.report.labels import CLASS_LABELS

LANES: Final = (("Plan", "activity"), ("State", "state"), ("Class", "class"))
"""The lanes from the top: name, and the column of the slices that it shows."""
LABEL_WIDTH: Final = 13.0
"""Percent of the width left of the lanes, for their names."""
LANE_HEIGHT: Final = 17
LANE_STEP: Final = 20
HOURS_Y: Final = 3 * LANE_STEP + 11
MIN_LETTER_WIDTH: Final = 2.6
"""Percent of the width that a single letter needs on a phone."""
MIN_WIDTH_PER_LETTER: Final = 2.2
"""Percent of the width that each letter of a word needs on a phone."""
SHORT_SHIFT: Final = timedelta(hours=5)
LAST_HOUR_ROOM: Final = timedelta(minutes=20)

_APPEARANCES: Final = {
    **dict.fromkeys(glossary.QUEUE_STATES, ("Q", "queue")),
    **dict.fromkeys(("on_queue", "phone"), ("Q", "queue")),
    **dict.fromkeys(("break",), ("B", "rest")),
    **dict.fromkeys(("meal", "lunch"), ("M", "rest")),
    **dict.fromkeys(("training", "meeting", "coaching"), ("T", "learn")),
    **dict.fromkeys(("off_queue_work", "email"), ("W", "other")),
    "logged_out": ("L", "off"),
    "unknown": ("U", "dark"),
    "unmapped": ("U", "dark"),
}
"""Activity or state → the letter and the colour of its blocks."""
_COLOUR_WORDS: Final = {"queue": "on queue"}
"""Queue states are joined into one block, so the name of one of them would be wrong."""


@dataclass(frozen=True, slots=True)
class StripBlock:
    """One block of a lane: where it is, its colour, its title, and the text that fits on it."""

    x: str
    width: str
    y: int
    colour_class: str
    title: str
    text: str | None
    middle: str

    @property
    def text_y(self) -> int:
        """Where the text's baseline lies."""
        return self.y + 13


@dataclass(frozen=True)
class StripText:
    """A lane's name or a clock time."""

    x: str
    y: int
    text: str


@dataclass(frozen=True)
class DayStrip:
    """A day strip: its text alternative, the names of its lanes, its blocks, the hours below."""

    label: str
    lane_names: tuple[StripText, ...]
    blocks: tuple[StripBlock, ...]
    hours: tuple[StripText, ...]


def build_day_strip(slices: Sequence[dict[str, Any]]) -> DayStrip:
    """Build the strip of one shift, of rows of `Report.day_slices`; the text alternative sums its classes."""
    # Of rows, because for a few dozen of them the calls of polars would take longer than the work.
    first: datetime = slices[0]["start_at"]
    length: float = (slices[-1]["end_at"] - first).total_seconds()

    def to_x(instant: datetime) -> float:
        return LABEL_WIDTH + (100 - LABEL_WIDTH) * (instant - first).total_seconds() / length

    return DayStrip(
        label=_describe_shift(slices),
        lane_names=tuple(StripText("0", i * LANE_STEP + 13, name) for i, (name, _) in enumerate(LANES)),
        blocks=tuple(
            _build_block(run, column, i * LANE_STEP, to_x)
            for i, (_, column) in enumerate(LANES)
            for run in _join_runs(slices, column)
            if run[column] is not None
        ),
        hours=tuple(_build_hours(slices, to_x)),
    )


def _find_appearance(word: str | None) -> tuple[str, str]:
    return _APPEARANCES.get(word or "", ("–", "other"))


def _join_runs(slices: Sequence[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Join neighbouring slices that are drawn alike in a lane."""
    joined: list[dict[str, Any]] = []
    for row in slices:
        appearance = (row["class"],) if column == "class" else _find_appearance(row[column])
        last = joined[-1] if joined else None
        if last and last["appearance"] == appearance and last["end_at"] == row["start_at"]:
            last["end_at"], last["end_local"] = row["end_at"], row["end_local"]
        else:
            joined.append({**row, "appearance": appearance})
    return joined


def _build_block(run: dict[str, Any], column: str, y: int, to_x: Callable[[datetime], float]) -> StripBlock:
    x, width = to_x(run["start_at"]), to_x(run["end_at"]) - to_x(run["start_at"])
    if column == "class":
        label = CLASS_LABELS[run["class"]]
        letter, word, colour_class = label.letter, label.word, f"k-{run['class']}"
    else:
        letter, colour = run["appearance"]
        word, colour_class = _COLOUR_WORDS.get(colour) or format_code(run[column]), f"s-{colour}"
    text = word if width >= MIN_WIDTH_PER_LETTER * (len(word) + 1) else letter
    return StripBlock(
        x=f"{x:.2f}%",
        width=f"{width:.2f}%",
        y=y,
        colour_class=colour_class,
        title=f"{word}, {run['start_local']:%H:%M:%S} to {run['end_local']:%H:%M:%S}",
        text=text if width >= MIN_LETTER_WIDTH else None,
        middle=f"{x + width / 2:.2f}%",
    )


def _build_hours(slices: Sequence[dict[str, Any]], to_x: Callable[[datetime], float]) -> list[StripText]:
    """Build a clock time under every second hour, or every one of a short shift."""
    first, last, start = slices[0]["start_local"], slices[-1]["end_local"], slices[0]["start_at"]
    step = timedelta(hours=1 if last - first <= SHORT_SHIFT else 2)
    tick = first.replace(minute=0, second=0, microsecond=0)
    hours = []
    while tick <= last - LAST_HOUR_ROOM:
        if tick >= first:
            hours.append(StripText(f"{to_x(start + (tick - first)):.2f}%", HOURS_Y, f"{tick:%H:%M}"))
        tick += step
    return hours


def _describe_shift(slices: Sequence[dict[str, Any]]) -> str:
    first, last = slices[0]["start_local"], slices[-1]["end_local"]
    seconds: defaultdict[str, int] = defaultdict(int)
    for row in slices:
        if row["class"] is not None:
            seconds[row["class"]] += (row["end_at"] - row["start_at"]) // timedelta(seconds=1)
    # Classes of equal time keep the order in which they come: the sort is stable.
    longest_first = sorted(seconds.items(), key=lambda item: -item[1])
    parts = ", ".join(
        f"{CLASS_LABELS[name].word.lower()} {format_duration(length)}" for name, length in longest_first
    )
    return f"Shift from {first:%H:%M} to {last:%H:%M}: {parts}. The list of exceptions has every one."
