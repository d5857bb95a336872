"""One agent's day as three lanes: what was scheduled, what was done, how it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from wfm import terms
from wfm.report.formats import clock, spoken
from wfm.report.page.markup import Html, tag
from wfm.report.words import CLASS

LEFT: Final = 13.0
LANE: Final = 17
GAP: Final = 3
LETTER_FITS, WORD_FITS = 2.6, 2.2
"""Percent of the width that a letter needs on a phone, alone and in a word."""
LEGEND: Final = (
    "Three lanes per day: Plan is the schedule, Did is the state, Class is how it counts. Letters: Q on "
    "queue, B break, "
    "M meal, T training or meeting, W other work, L logged out, – anything else; I in, A approved, C "
    "call-driven, "
    "S system, U unknown, X controllable."
)
_WORD: Final = {
    **dict.fromkeys(terms.QUEUE_STATES, ("Q", "queue")),
    **dict.fromkeys(("on_queue", "phone"), ("Q", "queue")),
    **dict.fromkeys(("break",), ("B", "rest")),
    **dict.fromkeys(("meal", "lunch"), ("M", "rest")),
    **dict.fromkeys(("training", "meeting", "coaching"), ("T", "learn")),
    **dict.fromkeys(("off_queue_work", "email"), ("W", "other")),
    "logged_out": ("L", "off"),
    "unknown": ("U", "dark"),
    "unmapped": ("U", "dark"),
}
_WORDS: Final = {"queue": "on queue"}
"""Queue states are joined in a lane, so one of their names would be wrong."""

Row = dict[str, Any]


def _kind(word: str | None) -> tuple[str, str]:
    return _WORD.get(word or "", ("–", "other"))


def _runs(rows: pl.DataFrame, column: str) -> list[Row]:
    """Join neighbours that look the same in a lane."""
    joined: list[Row] = []
    for row in rows.iter_rows(named=True):
        key = (row["class"],) if column == "class" else _kind(row[column])
        if joined and joined[-1]["key"] == key and joined[-1]["end_at"] == row["start_at"]:
            joined[-1]["end_at"], joined[-1]["end_local"] = row["end_at"], row["end_local"]
        else:
            joined.append({**row, "key": key})
    return joined


def strip(rows: pl.DataFrame) -> Html:
    """Draw the slices of one shift; the text alternative names what counted against the agent."""
    first: datetime = rows["start_at"][0]
    length: float = (rows["end_at"][-1] - first).total_seconds()

    def at(instant: datetime) -> float:
        return LEFT + (100 - LEFT) * (instant - first).total_seconds() / length

    lanes = [
        tag("text", word, x="0", y=float(lane * (LANE + GAP) + 13), class_="lane")
        for lane, word in enumerate(("Plan", "Did", "Class"))
    ]
    for lane, column in enumerate(("activity", "state", "class")):
        y = float(lane * (LANE + GAP))
        lanes += [_block(run, column, y, at) for run in _runs(rows, column) if run[column] is not None]
    return tag(
        "svg",
        lanes,
        _hours(rows, at),
        class_="plot",
        role="img",
        aria_label=_spoken(rows),
        width="100%",
        height="76",
    )


def _block(run: Row, column: str, y: float, at: Callable[[datetime], float]) -> Html:
    x, wide = at(run["start_at"]), at(run["end_at"]) - at(run["start_at"])
    if column == "class":
        letter, class_, word = CLASS[run["class"]].letter, f"k-{run['class']}", CLASS[run["class"]].word
    else:
        letter, class_ = run["key"]
        class_, word = f"s-{class_}", _WORDS.get(class_) or spoken(run[column])
    told = f"{word}, {run['start_local']:%H:%M:%S} to {run['end_local']:%H:%M:%S}"
    rect = tag("rect", x=f"{x:.2f}%", width=f"{wide:.2f}%", y=y, height=float(LANE), class_=class_)
    if wide >= WORD_FITS * (len(word) + 1):
        letter = word
    fits = wide >= LETTER_FITS
    return tag(
        "g",
        tag("title", told),
        rect,
        tag("text", letter, x=f"{x + wide / 2:.2f}%", y=y + 13, class_="mid") if fits else None,
        class_=class_.replace("k-", "t-"),
    )


def _hours(rows: pl.DataFrame, at: Callable[[datetime], float]) -> list[Html]:
    """Draw a clock time under every second hour, or every one of a short shift."""
    first, last = rows["start_local"][0], rows["end_local"][-1]
    zero = rows["start_at"][0]
    step = timedelta(hours=1 if last - first <= timedelta(hours=5) else 2)
    tick = first.replace(minute=0, second=0, microsecond=0)
    ticks = []
    while tick <= last - timedelta(minutes=20):
        if tick >= first:
            ticks.append(
                tag(
                    "text",
                    f"{tick:%H:%M}",
                    x=f"{at(zero + (tick - first)):.2f}%",
                    y=float(3 * (LANE + GAP) + 11),
                )
            )
        tick += step
    return ticks


def _spoken(rows: pl.DataFrame) -> str:
    first, last = rows["start_local"][0], rows["end_local"][-1]
    lasted = (pl.col("end_at") - pl.col("start_at")).dt.total_seconds()
    sums = rows.drop_nulls("class").group_by("class").agg(lasted.sum().alias("s")).sort("s", descending=True)
    told = ", ".join(f"{CLASS[name].word.lower()} {clock(seconds)}" for name, seconds in sums.iter_rows())
    return f"Shift from {first:%H:%M} to {last:%H:%M}: {told}. The list of exceptions has every stretch."
