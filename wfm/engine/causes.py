"""How a vendor counts, found by trying: each cause is one change to what the call log predicts of its buckets.

A *model* says, per queue, how the vendor's numbers come about from calls. It begins as `wfm.engine.volume` counts;
then, as often as that helps, the one change is made that leaves least unexplained. A change is only taken if it takes
away at least `HELPS` of what one figure is off by, so that chance alone makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wfm import terms
from wfm.core.time import INSTANT
from wfm.engine.accounts import Logs
from wfm.engine.units import SECOND
from wfm.engine.volume import PLACE, QUEUE, quarters

CAUSES: Final[dict[str, str]] = {
    "late_booking": "handle time is booked later than in the interval of the arrival",
    "late_abandons": "abandoned calls are booked in the interval in which they gave up",
    "shifted_label": "the interval's label is off by whole quarter-hours: its end, or another zone",
    "clock_skew": "the two clocks are apart, so that calls near an edge are in another interval",
    "short_abandons_not_counted": "calls that gave up soon are not counted by the vendor",
    "transfers_counted_twice": "a call that a second agent answered counts once more",
    "offers_counted": "every agent to whom a call was offered counts as a call",
    "outbound_counted": "calls that agents made for the queue count, too",
    "wrapup_not_in_handle_time": "the vendor's handle time has no wrap-up",
    "wrapup_not_in_legs": "the call log has no wrap-up; the state log has",
    "unit": "seconds were taken for another unit",
    "missing_legs": "the call log has a gap there",
    "missing_buckets": "the vendor told nothing of that interval",
    "abandons_not_logged": "the call log has answered calls only",
    "arrival_unknown": "the call log begins with the answer, so that a call may have come an interval earlier",
    "unknown_durations": "answered calls there have no duration in the log",
    "not_watched": "nobody watched the states of an agent then",
    "told_late": "states are polled, and each is told late by less than a poll's period",
    "not_explained": "no cause is known",
}
"""Why two accounts of one figure differ."""

FIGURES: Final = ("entered", "abandoned", "handle")
COUNTS: Final = ("entered", "abandoned")
HELPS: Final = 0.3
LEAST: Final = 0.005
"""A change that takes away less than this share of a figure is none."""
MOST_CHANGES: Final = 6

QUARTER: Final = terms.INTERVAL_S * 1_000_000

FURTHEST: Final = 56
"""Quarter-hours by which a label may be off: 14 h, the farthest zone."""
UNITS: Final = (1000.0, 1 / 1000, 60.0, 1 / 60, 3600.0, 1 / 3600)
BOOKINGS: Final = ("arrival", "end", "wrapped", "spread")
"""Where handle time goes: the interval of the arrival, of the hanging up, of the end of wrap-up, or as it passes."""

MODEL: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "booking": pl.String(),
    "lost": pl.String(),
    "shift": pl.Int64(),
    "skew": pl.Int64(),
    "short": pl.Int64(),
    "beyond": pl.String(),
    "out": pl.Boolean(),
    "wrap": pl.String(),
    "unit": pl.Float64(),
}
PLAIN: Final[dict[str, object]] = {
    "booking": "arrival",
    "lost": "at",
    "shift": 0,
    "skew": 0,
    "short": -1,
    "beyond": "none",
    "out": False,
    "wrap": "legs",
    "unit": 1.0,
}
HABITS: Final = ("booking", "lost")
"""What of a model is no fault but the vendor's way to book; accounts are compared booked alike."""


@dataclass(frozen=True)
class Told:
    """The vendor's buckets in a window: source queue_id interval_start entered abandoned handle (microseconds)."""

    rows: pl.DataFrame
    start: datetime
    end: datetime

    def within(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the intervals of the window."""
        at = pl.col("interval_start")
        return rows.filter(at >= self.start, at < self.end)


@dataclass(frozen=True)
class Found:
    """The models that fit best, one a queue, and the changes that led there: step source queue_id cause, `MODEL`."""

    models: pl.DataFrame
    steps: pl.DataFrame


def plain(queues: pl.DataFrame) -> pl.DataFrame:
    """Give every queue the model by which `volume.intervals` counts."""
    rows = queues.select(QUEUE).with_columns(pl.lit(value).alias(name) for name, value in PLAIN.items())
    return rows.select(pl.col(name).cast(dtype) for name, dtype in MODEL.items())


# --- what a model predicts --------------------------------------------------------------------------------
def predict(logs: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Predict the vendor's numbers: source queue_id interval_start entered abandoned handle, legs (booked there)."""
    counts, gone = _entered(logs, models), _abandoned(logs, models)
    handle = booked(logs.handled, models)
    rows = pl.concat([part.select(PLACE) for part in (counts, gone, handle)]).unique()
    for part in (counts, gone, handle):
        rows = rows.join(part, on=PLACE, how="left")
    return rows.with_columns(pl.col(*FIGURES, "legs").fill_null(0))


def _kept(logs: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Keep what counts as a call."""
    kind, beyond = pl.col("kind"), pl.col("beyond")
    counts = (
        (kind == "call")
        | ((kind == "transfer") & (beyond != "none"))
        | ((kind == "offer") & (beyond == "offer"))
        | ((kind == "out") & pl.col("out"))
    )
    short = pl.col("abandoned") & (pl.col("wait") <= pl.col("short")).fill_null(False)
    return logs.counted.join(models, on=QUEUE).filter(counts, ~short)


def _interval(at: pl.Expr) -> pl.Expr:
    """Give the start of the interval in which a vendor books an instant."""
    return (((at + pl.col("skew")) // QUARTER + pl.col("shift")) * QUARTER).cast(INSTANT)


def _entered(logs: Logs, models: pl.DataFrame) -> pl.DataFrame:
    kept = _kept(logs, models).with_columns(interval_start=_interval(pl.col("at")))
    return kept.group_by(PLACE).agg(entered=pl.len().cast(pl.Int64))


def _abandoned(logs: Logs, models: pl.DataFrame) -> pl.DataFrame:
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    kept = _kept(logs, models).filter("abandoned").with_columns(interval_start=_interval(when))
    return kept.group_by(PLACE).agg(abandoned=pl.len().cast(pl.Int64))


def booked(
    handled: pl.DataFrame, models: pl.DataFrame, talk: str = "talk", wrap: str | None = None
) -> pl.DataFrame:
    """Book handle time: source queue_id interval_start handle (microseconds) legs.

    Args:
        handled: as in `Logs`.
        models: how.
        talk: the column with the seconds of talk.
        wrap: the column with the seconds of wrap-up; None: as the model says.
    """
    own = (
        pl.when(pl.col("wrap_model") == "legs")
        .then("wrap")
        .when(pl.col("wrap_model") == "states")
        .then("wrapup")
    )
    rows = (
        handled.join(models.rename({"wrap": "wrap_model"}), on=QUEUE)
        .filter((pl.col("kind") == "call") | pl.col("out"))
        .with_columns(
            talked=pl.col(talk).fill_null(0), wrapped=(own if wrap is None else pl.col(wrap)).fill_null(0)
        )
    )
    at = (
        pl.when(pl.col("booking") == "arrival")
        .then("arrival")
        .when(pl.col("booking") == "wrapped")
        .then(pl.col("end") + pl.col("wrapped"))
        .otherwise("end")
    )
    whole = rows.filter(pl.col("booking") != "spread").with_columns(
        interval_start=_interval(at), us=pl.col("talked") + pl.col("wrapped"), leg=pl.lit(1)
    )
    parts = [whole, *_spread(rows.filter(pl.col("booking") == "spread"))]
    columns = [*PLACE, "us", "unit", "leg"]
    return (
        pl.concat([part.select(columns) for part in parts])
        .group_by(PLACE)
        .agg(
            handle=(pl.col("us").sum() * pl.col("unit").first()).round().cast(pl.Int64),
            legs=pl.col("leg").sum().cast(pl.Int64),
        )
    )


def _spread(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut talk from the answer on, and wrap-up from the end on, at every quarter of an hour."""
    parts = []
    for start, length, leg in (("answer", "talked", 1), ("end", "wrapped", 0)):
        low = pl.coalesce(start, "arrival") + pl.col("skew")
        pieces = quarters(rows.with_columns(low=low).with_columns(high=pl.col("low") + pl.col(length)))
        moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("shift") * QUARTER)
        parts.append(pieces.with_columns(interval_start=moved, leg=pl.lit(leg)))
    return parts


# --- which model fits -------------------------------------------------------------------------------------
def search(logs: Logs, told: Told) -> Found:
    """Find how the vendor counts each queue that both it and the log know."""
    both = told.rows.select(QUEUE).unique().join(logs.counted, on=QUEUE, how="semi").sort(QUEUE)
    models, steps = plain(both), []
    off = losses(predict(logs, models), told)
    for step in range(MOST_CHANGES if both.height else 0):
        tried = pl.concat(
            [_trial(cause, change(models, logs, told), logs, told) for cause, change in CHANGES]
        )
        best = _best(tried, off)
        if best.is_empty():
            break
        taken = best.select("cause", *MODEL).with_columns(step=pl.lit(step))
        steps.append(taken)
        models = pl.concat([models.join(best, on=QUEUE, how="anti"), best.select(list(MODEL))]).sort(QUEUE)
        off = losses(predict(logs, models), told)
    empty = (
        models.clear()
        .with_columns(cause=pl.lit("", pl.String), step=pl.lit(0))
        .select("cause", *MODEL, "step")
    )
    return Found(models, pl.concat([empty, *steps]))


def losses(predicted: pl.DataFrame, told: Told) -> pl.DataFrame:
    """Say by what share of the vendor's sum each figure is off: source queue_id entered abandoned handle total."""
    rows = told.rows.join(told.within(predicted), on=PLACE, how="full", coalesce=True, suffix="_ours")
    rows = rows.join(told.rows.select(QUEUE).unique(), on=QUEUE, how="semi").fill_null(0)
    shares = {
        name: (pl.col(name) - pl.col(f"{name}_ours")).abs().sum() / pl.max_horizontal(pl.col(name).sum(), 1)
        for name in FIGURES
    }
    return rows.group_by(QUEUE).agg(**shares).with_columns(total=pl.sum_horizontal(FIGURES))


def _trial(cause: str, models: pl.DataFrame, logs: Logs, told: Told) -> pl.DataFrame:
    """Try changed models: cause, `MODEL`, losses."""
    off = losses(predict(logs, models), told)
    return models.join(off, on=QUEUE).with_columns(cause=pl.lit(cause))


def _best(tried: pl.DataFrame, off: pl.DataFrame) -> pl.DataFrame:
    """Choose per queue the change that leaves least, where it helps at all."""
    joined = tried.join(off, on=QUEUE, suffix="_before")
    helps = pl.any_horizontal(
        (pl.col(f"{name}_before") - pl.col(name) >= HELPS * pl.col(f"{name}_before"))
        & (pl.col(f"{name}_before") - pl.col(name) >= LEAST)
        for name in FIGURES
    )
    return (
        joined.filter(helps, pl.col("total") < pl.col("total_before") - LEAST)
        .sort("total", maintain_order=True)
        .unique(QUEUE, keep="first", maintain_order=True)
    )


# --- the changes ------------------------------------------------------------------------------------------
Change = Callable[[pl.DataFrame, Logs, Told], pl.DataFrame]


def _set(**values: object) -> Change:
    """Change a model to fixed values."""

    def change(models: pl.DataFrame, _logs: Logs, _told: Told) -> pl.DataFrame:
        return models.with_columns(pl.lit(value).alias(name) for name, value in values.items())

    return change


def _with(models: pl.DataFrame, name: str, found: pl.DataFrame) -> pl.DataFrame:
    """Give queues the value found for them, where there is one."""
    joined = models.join(found.select(*QUEUE, found_value=name), on=QUEUE, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("found_value", name).alias(name)).drop("found_value")


def _least(tried: pl.DataFrame, told: Told, figure: str, name: str) -> pl.DataFrame:
    """Find the value with which a figure is off least: rows of `PLACE`, the figure, and the value tried.

    The sum of differences is v + p − 2 Σ min(v, p), so that only intervals in both count.
    """
    inside = told.within(tried)
    ours = inside.group_by(*QUEUE, name).agg(p=pl.col(figure).sum())
    met = inside.join(told.rows.select(*PLACE, v=figure), on=PLACE)
    common = met.group_by(*QUEUE, name).agg(common=pl.min_horizontal(pl.col(figure), pl.col("v")).sum())
    off = pl.col("p") - 2 * pl.col("common").fill_null(0)
    return (
        ours.join(common, on=[*QUEUE, name], how="left")
        .sort(off, pl.col(name).abs(), name)
        .unique(QUEUE, keep="first", maintain_order=True)
        .select(*QUEUE, name)
    )


def _shift(models: pl.DataFrame, logs: Logs, told: Told) -> pl.DataFrame:
    """Correlate the calls that entered with the vendor's, label by label."""
    steps = pl.DataFrame({"by": [k for k in range(-FURTHEST, FURTHEST + 1) if k]}, schema={"by": pl.Int64})
    entered = _entered(logs, models).join(models.select(*QUEUE, "shift"), on=QUEUE)
    moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("by") * QUARTER)
    tried = entered.join(steps, how="cross").with_columns(
        interval_start=moved, shift=pl.col("shift") + pl.col("by")
    )
    return _with(models, "shift", _least(tried, told, "entered", "shift"))


def _skew(models: pl.DataFrame, logs: Logs, told: Told) -> pl.DataFrame:
    """Move the calls by seconds, first by half minutes, then by single ones."""
    for reach, step in ((600, 30), (30, 1)):
        kept = _kept(logs, models).with_columns(before="skew")
        by = pl.DataFrame({"by": range(-reach, reach + 1, step)}, schema={"by": pl.Int64})
        tried = (
            kept.join(by, how="cross")
            .with_columns(skew=pl.col("before") + pl.col("by") * SECOND)
            .with_columns(interval_start=_interval(pl.col("at")))
            .group_by(*PLACE, "skew")
            .agg(entered=pl.len().cast(pl.Int64))
        )
        models = _with(models, "skew", _least(tried, told, "entered", "skew"))
    return models


def _short(models: pl.DataFrame, logs: Logs, told: Told) -> pl.DataFrame:
    """Leave out abandoned calls that waited at most 1, 2 … 60 s."""
    limits = pl.DataFrame({"limit": [s * SECOND for s in range(1, 61)]}, schema={"limit": pl.Int64})
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    tried = (
        _kept(logs, models.with_columns(short=pl.lit(-1, pl.Int64)))
        .filter("abandoned")
        .join(limits, how="cross")
        .filter((pl.col("wait") > pl.col("limit")).fill_null(True))
        .with_columns(interval_start=_interval(when), short="limit")
        .group_by(*PLACE, "short")
        .agg(abandoned=pl.len().cast(pl.Int64))
    )
    return _with(models, "short", _least(tried, told, "abandoned", "short"))


def _unit(models: pl.DataFrame, logs: Logs, told: Told) -> pl.DataFrame:
    """Take the factor between two units that is nearest to the ratio of the sums."""
    theirs = told.rows.group_by(QUEUE).agg(v=pl.col("handle").sum())
    ours = told.within(predict(logs, models)).group_by(QUEUE).agg(p=pl.col("handle").sum())
    ratio = theirs.join(ours, on=QUEUE).filter(pl.col("p") > 0).with_columns(r=pl.col("v") / pl.col("p"))
    near = pl.coalesce(
        pl.when((pl.col("r") / factor).is_between(1 / 1.5, 1.5)).then(pl.lit(factor)) for factor in UNITS
    )
    return _with(models, "unit", ratio.with_columns(unit=near))


CHANGES: Final[tuple[tuple[str, Change], ...]] = (
    ("unit", _unit),
    ("shifted_label", _shift),
    *(("late_booking", _set(booking=booking)) for booking in BOOKINGS[1:]),
    ("late_abandons", _set(lost="end")),
    ("wrapup_not_in_handle_time", _set(wrap="none")),
    ("wrapup_not_in_legs", _set(wrap="states")),
    ("short_abandons_not_counted", _short),
    ("transfers_counted_twice", _set(beyond="transfer")),
    ("offers_counted", _set(beyond="offer")),
    ("outbound_counted", _set(out=True)),
    ("clock_skew", _skew),
)
"""Cause → how it changes a model; of two that leave the same, the first is taken."""
