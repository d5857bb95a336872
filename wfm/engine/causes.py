"""Fit how a vendor counts and books calls: each cause is one change of a model that predicts its buckets.

A *model* describes, per queue, how the vendor's numbers follow from the call log. It starts with the rules of
`wfm.engine.volume`; then, as long as it helps, the one change is made that leaves the smallest differences. A change
must reduce the difference of one figure by at least `MIN_IMPROVEMENT`, so that chance alone makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wfm import terms
from wfm.core.time import INSTANT, US_PER_SECOND
from wfm.engine.accounts import Logs
from wfm.engine.volume import PLACE, QUEUE, quarters

CAUSES: Final[dict[str, str]] = {
    "late_booking": "handle time is booked later than in the interval of arrival",
    "late_abandons": "abandoned calls are booked in the interval in which the caller gave up",
    "shifted_label": "the interval's label is off by whole quarter-hours: it names the end, or another time zone",
    "clock_skew": "the two clocks differ, so that calls near a boundary are in another interval",
    "short_abandons_not_counted": "the vendor does not count calls that were abandoned quickly",
    "transfers_counted_twice": "a call that a second agent answered is counted again",
    "offers_counted": "every offer of a call to an agent is counted as a call",
    "outbound_counted": "calls that agents made for the queue are counted as well",
    "wrapup_not_in_handle_time": "the vendor's handle time does not include wrap-up",
    "wrapup_not_in_legs": "the call log has no wrap-up, but the state log has",
    "unit": "durations were read in the wrong unit",
    "missing_legs": "the call log has a gap there",
    "missing_buckets": "the vendor reported nothing for that interval",
    "abandons_not_logged": "the call log has only answered calls",
    "arrival_unknown": "the call log starts at the answer, so a call may have arrived in an earlier interval",
    "unknown_durations": "answered calls in that interval have no duration in the call log",
    "not_watched": "the states of an agent were not covered at that time",
    "told_late": "states are polled, so each is reported late by up to one poll interval",
    "not_explained": "no cause is known",
}
"""Why two accounts of a figure differ, by the code of the cause."""

FIGURES: Final = ("entered", "abandoned", "handle")
COUNTS: Final = ("entered", "abandoned")
HELPS: Final = 0.3
"""The least share of the difference of one figure that a change must remove."""
LEAST: Final = 0.005
"""The least share of the figure itself that a change must remove."""
MOST_CHANGES: Final = 6
"""The most changes of one model."""

QUARTER: Final = terms.INTERVAL_S * US_PER_SECOND

FURTHEST: Final = 56
"""Quarter-hours by which a label may be off: 14 hours, the largest offset of a time zone."""
UNITS: Final = (1000.0, 1 / 1000, 60.0, 1 / 60, 3600.0, 1 / 3600)
"""Factors between the units of durations: milliseconds, seconds, minutes, hours."""
BOOKINGS: Final = ("arrival", "end", "wrapped", "spread")
"""Where handle time is booked: the interval of arrival, of hang-up, of the end of wrap-up, or spread as it passes."""

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
"""The columns of a model that are booking rules, not faults; accounts are compared under the same rules."""


@dataclass(frozen=True)
class Told:
    """The vendor's buckets in a window: source queue_id interval_start entered abandoned handle (microseconds)."""

    rows: pl.DataFrame
    start: datetime
    end: datetime

    def within(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Select the intervals of the window."""
        at = pl.col("interval_start")
        return rows.filter(at >= self.start, at < self.end)


@dataclass(frozen=True)
class Found:
    """The models that fit best, one per queue, and the changes that led there: step, cause, `MODEL_DTYPES`."""

    models: pl.DataFrame
    steps: pl.DataFrame


def plain(queues: pl.DataFrame) -> pl.DataFrame:
    """Build the default model of every queue: that of `measure_intervals`."""
    rows = queues.select(QUEUE).with_columns(pl.lit(value).alias(name) for name, value in PLAIN.items())
    return rows.select(pl.col(name).cast(dtype) for name, dtype in MODEL.items())


# --- prediction by a model --------------------------------------------------------------------------------
def predict(facts: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Predict the vendor's numbers: source queue_id interval_start entered abandoned handle, legs (booked there)."""
    counts, gone = _entered(facts, models), _abandoned(facts, models)
    handle = booked(facts.handled, models)
    rows = pl.concat([part.select(PLACE) for part in (counts, gone, handle)]).unique()
    for part in (counts, gone, handle):
        rows = rows.join(part, on=PLACE, how="left")
    return rows.with_columns(pl.col(*FIGURES, "legs").fill_null(0))


def _kept(facts: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Select what counts as a call by the models."""
    kind, beyond = pl.col("kind"), pl.col("beyond")
    counts = (
        (kind == "call")
        | ((kind == "transfer") & (beyond != "none"))
        | ((kind == "offer") & (beyond == "offer"))
        | ((kind == "out") & pl.col("out"))
    )
    short = pl.col("abandoned") & (pl.col("wait") <= pl.col("short")).fill_null(False)
    return facts.counted.join(models, on=QUEUE).filter(counts, ~short)


def _interval(at: pl.Expr) -> pl.Expr:
    """Return the start of the interval to which a vendor books an instant."""
    return (((at + pl.col("skew")) // QUARTER + pl.col("shift")) * QUARTER).cast(INSTANT)


def _entered(facts: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Count the calls that enter, per interval."""
    counted = _kept(facts, models).with_columns(interval_start=_interval(pl.col("at")))
    return counted.group_by(PLACE).agg(entered=pl.len().cast(pl.Int64))


def _abandoned(facts: Logs, models: pl.DataFrame) -> pl.DataFrame:
    """Count the abandoned calls, per interval."""
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    counted = _kept(facts, models).filter("abandoned").with_columns(interval_start=_interval(when))
    return counted.group_by(PLACE).agg(abandoned=pl.len().cast(pl.Int64))


def booked(
    handled: pl.DataFrame, models: pl.DataFrame, talk: str = "talk", wrap: str | None = None
) -> pl.DataFrame:
    """Book handle time to intervals: source queue_id interval_start handle (microseconds) legs.

    Args:
        handled: as in `CallFacts`.
        models: the models to book by.
        talk: the column of talk time.
        wrap: the column of wrap-up; None: the one that the model names.
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
    """Split talk from the answer on, and wrap-up from the end on, at every interval boundary."""
    parts = []
    for start, length, leg in (("answer", "talked", 1), ("end", "wrapped", 0)):
        low = pl.coalesce(start, "arrival") + pl.col("skew")
        pieces = quarters(rows.with_columns(low=low).with_columns(high=pl.col("low") + pl.col(length)))
        moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("shift") * QUARTER)
        parts.append(pieces.with_columns(interval_start=moved, leg=pl.lit(leg)))
    return parts


# --- fitting ----------------------------------------------------------------------------------------------
def search(facts: Logs, vendor: Told) -> Found:
    """Fit the models of all queues that both the vendor and the call log have."""
    both = vendor.rows.select(QUEUE).unique().join(facts.counted, on=QUEUE, how="semi").sort(QUEUE)
    models, steps = plain(both), []
    off = losses(predict(facts, models), vendor)
    for step in range(MOST_CHANGES if both.height else 0):
        tried = pl.concat(
            [_trial(cause, change(models, facts, vendor), facts, vendor) for cause, change in CHANGES]
        )
        best = _best(tried, off)
        if best.is_empty():
            break
        taken = best.select("cause", *MODEL).with_columns(step=pl.lit(step))
        steps.append(taken)
        models = pl.concat([models.join(best, on=QUEUE, how="anti"), best.select(list(MODEL))]).sort(QUEUE)
        off = losses(predict(facts, models), vendor)
    empty = (
        models.clear()
        .with_columns(cause=pl.lit("", pl.String), step=pl.lit(0))
        .select("cause", *MODEL, "step")
    )
    return Found(models, pl.concat([empty, *steps]))


def losses(predicted: pl.DataFrame, vendor: Told) -> pl.DataFrame:
    """Compute the sum of differences of each figure as a share of the vendor's sum: queue, `FIGURES`, total."""
    rows = vendor.rows.join(vendor.within(predicted), on=PLACE, how="full", coalesce=True, suffix="_ours")
    rows = rows.join(vendor.rows.select(QUEUE).unique(), on=QUEUE, how="semi").fill_null(0)
    shares = {
        name: (pl.col(name) - pl.col(f"{name}_ours")).abs().sum() / pl.max_horizontal(pl.col(name).sum(), 1)
        for name in FIGURES
    }
    return rows.group_by(QUEUE).agg(**shares).with_columns(total=pl.sum_horizontal(FIGURES))


def _trial(cause: str, models: pl.DataFrame, facts: Logs, vendor: Told) -> pl.DataFrame:
    """Compute the losses of changed models: cause, `MODEL_DTYPES`, losses."""
    off = losses(predict(facts, models), vendor)
    return models.join(off, on=QUEUE).with_columns(cause=pl.lit(cause))


def _best(tried: pl.DataFrame, off: pl.DataFrame) -> pl.DataFrame:
    """Return per queue the change with the smallest remaining loss, if it helps enough."""
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
    """Build a change that sets columns of the models to fixed values."""

    def change(models: pl.DataFrame, _facts: Logs, _vendor: Told) -> pl.DataFrame:
        return models.with_columns(pl.lit(value).alias(name) for name, value in values.items())

    return change


def _with(models: pl.DataFrame, name: str, found: pl.DataFrame) -> pl.DataFrame:
    """Set a column of the models to the value found for each queue, where there is one."""
    joined = models.join(found.select(*QUEUE, found_value=name), on=QUEUE, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("found_value", name).alias(name)).drop("found_value")


def _least(tried: pl.DataFrame, vendor: Told, figure: str, name: str) -> pl.DataFrame:
    """Return the tried value with the smallest difference of a figure, per queue.

    The sum of |v − p| is Σ v + Σ p − 2 Σ min(v, p), so that only intervals in both need to be joined.
    """
    inside = vendor.within(tried)
    ours = inside.group_by(*QUEUE, name).agg(p=pl.col(figure).sum())
    met = inside.join(vendor.rows.select(*PLACE, v=figure), on=PLACE)
    common = met.group_by(*QUEUE, name).agg(common=pl.min_horizontal(pl.col(figure), pl.col("v")).sum())
    off = pl.col("p") - 2 * pl.col("common").fill_null(0)
    return (
        ours.join(common, on=[*QUEUE, name], how="left")
        .sort(off, pl.col(name).abs(), name)
        .unique(QUEUE, keep="first", maintain_order=True)
        .select(*QUEUE, name)
    )


def _shift(models: pl.DataFrame, facts: Logs, vendor: Told) -> pl.DataFrame:
    """Fit the shift of the interval labels by which the calls entered agree best."""
    steps = pl.DataFrame({"by": [k for k in range(-FURTHEST, FURTHEST + 1) if k]}, schema={"by": pl.Int64})
    entered = _entered(facts, models).join(models.select(*QUEUE, "shift"), on=QUEUE)
    moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("by") * QUARTER)
    tried = entered.join(steps, how="cross").with_columns(
        interval_start=moved, shift=pl.col("shift") + pl.col("by")
    )
    return _with(models, "shift", _least(tried, vendor, "entered", "shift"))


def _skew(models: pl.DataFrame, facts: Logs, vendor: Told) -> pl.DataFrame:
    """Fit the clock skew: first in steps of 30 s within 10 minutes, then of 1 s around the best."""
    for reach, step in ((600, 30), (30, 1)):
        counted = _kept(facts, models).with_columns(before="skew")
        by = pl.DataFrame({"by": range(-reach, reach + 1, step)}, schema={"by": pl.Int64})
        tried = (
            counted.join(by, how="cross")
            .with_columns(skew=pl.col("before") + pl.col("by") * US_PER_SECOND)
            .with_columns(interval_start=_interval(pl.col("at")))
            .group_by(*PLACE, "skew")
            .agg(entered=pl.len().cast(pl.Int64))
        )
        models = _with(models, "skew", _least(tried, vendor, "entered", "skew"))
    return models


def _short(models: pl.DataFrame, facts: Logs, vendor: Told) -> pl.DataFrame:
    """Fit the wait (1, 2 … 60 s) up to which abandoned calls are not counted."""
    limits = pl.DataFrame({"limit": [s * US_PER_SECOND for s in range(1, 61)]}, schema={"limit": pl.Int64})
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    tried = (
        _kept(facts, models.with_columns(short=pl.lit(-1, pl.Int64)))
        .filter("abandoned")
        .join(limits, how="cross")
        .filter((pl.col("wait") > pl.col("limit")).fill_null(True))
        .with_columns(interval_start=_interval(when), short="limit")
        .group_by(*PLACE, "short")
        .agg(abandoned=pl.len().cast(pl.Int64))
    )
    return _with(models, "short", _least(tried, vendor, "abandoned", "short"))


def _unit(models: pl.DataFrame, facts: Logs, vendor: Told) -> pl.DataFrame:
    """Fit the unit: the factor that is nearest to the ratio of the sums of handle time."""
    theirs = vendor.rows.group_by(QUEUE).agg(v=pl.col("handle").sum())
    ours = vendor.within(predict(facts, models)).group_by(QUEUE).agg(p=pl.col("handle").sum())
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
"""Cause → its change of the models; of two with the same loss the first is taken."""
