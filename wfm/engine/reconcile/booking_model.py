"""Fit how a vendor counts and books calls: each cause is one change of a model that predicts its buckets.

A *model* describes, per queue, how the vendor's numbers follow from the call log. It starts with the rules of
`wfm.engine.volume.intervals`; then, as long as it helps, the one change is made that leaves the smallest differences.
A change must reduce the difference of one figure by at least `MIN_IMPROVEMENT`, so that chance alone makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wfm.core.time import INSTANT, US_PER_SECOND
from wfm.engine.reconcile.call_facts import CallFacts
from wfm.engine.time.interval_grid import INTERVAL_US, split_at_intervals
from wfm.engine.volume.keys import INTERVAL_KEY, QUEUE_KEY

CAUSE_TEXTS: Final[dict[str, str]] = {
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
COUNT_FIGURES: Final = ("entered", "abandoned")
MIN_IMPROVEMENT: Final = 0.3
"""The least share of the difference of one figure that a change must remove."""
MIN_LOSS_REDUCTION: Final = 0.005
"""The least share of the figure itself that a change must remove."""
MAX_CHANGES: Final = 6
"""The most changes of one model."""

MAX_LABEL_SHIFT: Final = 56
"""Quarter-hours by which a label may be off: 14 hours, the largest offset of a time zone."""
UNIT_FACTORS: Final = (1000.0, 1 / 1000, 60.0, 1 / 60, 3600.0, 1 / 3600)
"""Factors between the units of durations: milliseconds, seconds, minutes, hours."""
BOOKING_RULES: Final = ("arrival", "end", "wrapped", "spread")
"""Where handle time is booked: the interval of arrival, of hang-up, of the end of wrap-up, or spread as it passes."""

MODEL_DTYPES: Final[dict[str, pl.DataType]] = {
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
DEFAULT_MODEL: Final[dict[str, object]] = {
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
BOOKING_COLUMNS: Final = ("booking", "lost")
"""The columns of a model that are booking rules, not faults; accounts are compared under the same rules."""


@dataclass(frozen=True)
class VendorBuckets:
    """The vendor's buckets in a window: source queue_id interval_start entered abandoned handle (microseconds)."""

    rows: pl.DataFrame
    start: datetime
    end: datetime

    def select_window(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Select the intervals of the window."""
        at = pl.col("interval_start")
        return rows.filter(at >= self.start, at < self.end)


@dataclass(frozen=True)
class FittedModels:
    """The models that fit best, one per queue, and the changes that led there: step, cause, `MODEL_DTYPES`."""

    models: pl.DataFrame
    steps: pl.DataFrame


def build_default_models(queues: pl.DataFrame) -> pl.DataFrame:
    """Build the default model of every queue: that of `measure_intervals`."""
    rows = queues.select(QUEUE_KEY).with_columns(
        pl.lit(value).alias(name) for name, value in DEFAULT_MODEL.items()
    )
    return rows.select(pl.col(name).cast(dtype) for name, dtype in MODEL_DTYPES.items())


# --- prediction by a model --------------------------------------------------------------------------------
def predict_buckets(facts: CallFacts, models: pl.DataFrame) -> pl.DataFrame:
    """Predict the vendor's numbers: source queue_id interval_start entered abandoned handle, legs (booked there)."""
    entered, abandoned = _count_entered(facts, models), _count_abandoned(facts, models)
    handle = book_handle_time(facts.handled, models)
    rows = pl.concat([part.select(INTERVAL_KEY) for part in (entered, abandoned, handle)]).unique()
    for part in (entered, abandoned, handle):
        rows = rows.join(part, on=INTERVAL_KEY, how="left")
    return rows.with_columns(pl.col(*FIGURES, "legs").fill_null(0))


def _select_counted(facts: CallFacts, models: pl.DataFrame) -> pl.DataFrame:
    """Select what counts as a call by the models."""
    kind, beyond = pl.col("kind"), pl.col("beyond")
    counts = (
        (kind == "call")
        | ((kind == "transfer") & (beyond != "none"))
        | ((kind == "offer") & (beyond == "offer"))
        | ((kind == "out") & pl.col("out"))
    )
    short = pl.col("abandoned") & (pl.col("wait") <= pl.col("short")).fill_null(False)
    return facts.counted.join(models, on=QUEUE_KEY).filter(counts, ~short)


def _booking_interval(at: pl.Expr) -> pl.Expr:
    """Return the start of the interval to which a vendor books an instant."""
    return (((at + pl.col("skew")) // INTERVAL_US + pl.col("shift")) * INTERVAL_US).cast(INSTANT)


def _count_entered(facts: CallFacts, models: pl.DataFrame) -> pl.DataFrame:
    """Count the calls that enter, per interval."""
    counted = _select_counted(facts, models).with_columns(interval_start=_booking_interval(pl.col("at")))
    return counted.group_by(INTERVAL_KEY).agg(entered=pl.len().cast(pl.Int64))


def _count_abandoned(facts: CallFacts, models: pl.DataFrame) -> pl.DataFrame:
    """Count the abandoned calls, per interval."""
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    counted = (
        _select_counted(facts, models)
        .filter("abandoned")
        .with_columns(interval_start=_booking_interval(when))
    )
    return counted.group_by(INTERVAL_KEY).agg(abandoned=pl.len().cast(pl.Int64))


def book_handle_time(
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
        handled.join(models.rename({"wrap": "wrap_model"}), on=QUEUE_KEY)
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
        interval_start=_booking_interval(at), us=pl.col("talked") + pl.col("wrapped"), leg=pl.lit(1)
    )
    parts = [whole, *_spread_handle_time(rows.filter(pl.col("booking") == "spread"))]
    columns = [*INTERVAL_KEY, "us", "unit", "leg"]
    return (
        pl.concat([part.select(columns) for part in parts])
        .group_by(INTERVAL_KEY)
        .agg(
            handle=(pl.col("us").sum() * pl.col("unit").first()).round().cast(pl.Int64),
            legs=pl.col("leg").sum().cast(pl.Int64),
        )
    )


def _spread_handle_time(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Split talk from the answer on, and wrap-up from the end on, at every interval boundary."""
    parts = []
    for start, length, leg in (("answer", "talked", 1), ("end", "wrapped", 0)):
        # a leg without an instant of answer is spread from its arrival on
        low = pl.coalesce(start, "arrival") + pl.col("skew")
        pieces = split_at_intervals(
            rows.with_columns(low=low).with_columns(high=pl.col("low") + pl.col(length))
        )
        moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("shift") * INTERVAL_US)
        parts.append(pieces.with_columns(interval_start=moved, leg=pl.lit(leg)))
    return parts


# --- fitting ----------------------------------------------------------------------------------------------
def fit_models(facts: CallFacts, vendor: VendorBuckets) -> FittedModels:
    """Fit the models of all queues that both the vendor and the call log have."""
    both = (
        vendor.rows.select(QUEUE_KEY).unique().join(facts.counted, on=QUEUE_KEY, how="semi").sort(QUEUE_KEY)
    )
    models, steps = build_default_models(both), []
    losses = compute_losses(predict_buckets(facts, models), vendor)
    for step in range(MAX_CHANGES if both.height else 0):
        tried = pl.concat(
            [
                _try_change(cause, change(models, facts, vendor), facts, vendor)
                for cause, change in MODEL_CHANGES
            ]
        )
        best = _pick_best_change(tried, losses)
        if best.is_empty():
            break
        change_made = best.select("cause", *MODEL_DTYPES).with_columns(step=pl.lit(step))
        steps.append(change_made)
        models = pl.concat(
            [models.join(best, on=QUEUE_KEY, how="anti"), best.select(list(MODEL_DTYPES))]
        ).sort(QUEUE_KEY)
        losses = compute_losses(predict_buckets(facts, models), vendor)
    # without any change there must still be a frame with the right columns
    empty = (
        models.clear()
        .with_columns(cause=pl.lit("", pl.String), step=pl.lit(0))
        .select("cause", *MODEL_DTYPES, "step")
    )
    return FittedModels(models, pl.concat([empty, *steps]))


def compute_losses(predicted: pl.DataFrame, vendor: VendorBuckets) -> pl.DataFrame:
    """Compute the sum of differences of each figure as a share of the vendor's sum: queue, `FIGURES`, total."""
    rows = vendor.rows.join(
        vendor.select_window(predicted), on=INTERVAL_KEY, how="full", coalesce=True, suffix="_ours"
    )
    rows = rows.join(vendor.rows.select(QUEUE_KEY).unique(), on=QUEUE_KEY, how="semi").fill_null(0)
    shares = {
        name: (pl.col(name) - pl.col(f"{name}_ours")).abs().sum() / pl.max_horizontal(pl.col(name).sum(), 1)
        for name in FIGURES
    }
    return rows.group_by(QUEUE_KEY).agg(**shares).with_columns(total=pl.sum_horizontal(FIGURES))


def _try_change(cause: str, models: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets) -> pl.DataFrame:
    """Compute the losses of changed models: cause, `MODEL_DTYPES`, losses."""
    losses = compute_losses(predict_buckets(facts, models), vendor)
    return models.join(losses, on=QUEUE_KEY).with_columns(cause=pl.lit(cause))


def _pick_best_change(tried: pl.DataFrame, losses: pl.DataFrame) -> pl.DataFrame:
    """Return per queue the change with the smallest remaining loss, if it helps enough."""
    joined = tried.join(losses, on=QUEUE_KEY, suffix="_before")
    helps = pl.any_horizontal(
        (pl.col(f"{name}_before") - pl.col(name) >= MIN_IMPROVEMENT * pl.col(f"{name}_before"))
        & (pl.col(f"{name}_before") - pl.col(name) >= MIN_LOSS_REDUCTION)
        for name in FIGURES
    )
    return (
        joined.filter(helps, pl.col("total") < pl.col("total_before") - MIN_LOSS_REDUCTION)
        .sort("total", maintain_order=True)  # of equal losses the change that is listed first
        .unique(QUEUE_KEY, keep="first", maintain_order=True)
    )


# --- the changes ------------------------------------------------------------------------------------------
ModelChange = Callable[[pl.DataFrame, CallFacts, VendorBuckets], pl.DataFrame]


def _make_fixed_change(**values: object) -> ModelChange:
    """Build a change that sets columns of the models to fixed values."""

    def change(models: pl.DataFrame, _facts: CallFacts, _vendor: VendorBuckets) -> pl.DataFrame:
        return models.with_columns(pl.lit(value).alias(name) for name, value in values.items())

    return change


def _update_models(models: pl.DataFrame, name: str, found: pl.DataFrame) -> pl.DataFrame:
    """Set a column of the models to the value found for each queue, where there is one."""
    joined = models.join(
        found.select(*QUEUE_KEY, found_value=name), on=QUEUE_KEY, how="left", maintain_order="left"
    )
    return joined.with_columns(pl.coalesce("found_value", name).alias(name)).drop("found_value")


def _find_best_value(tried: pl.DataFrame, vendor: VendorBuckets, figure: str, name: str) -> pl.DataFrame:
    """Return the tried value with the smallest difference of a figure, per queue.

    The sum of |v − p| is Σ v + Σ p − 2 Σ min(v, p), so that only intervals in both need to be joined.
    """
    inside = vendor.select_window(tried)
    predicted = inside.group_by(*QUEUE_KEY, name).agg(p=pl.col(figure).sum())
    in_both = inside.join(vendor.rows.select(*INTERVAL_KEY, v=figure), on=INTERVAL_KEY)
    common = in_both.group_by(*QUEUE_KEY, name).agg(
        common=pl.min_horizontal(pl.col(figure), pl.col("v")).sum()
    )
    excess = pl.col("p") - 2 * pl.col("common").fill_null(0)
    return (
        predicted.join(common, on=[*QUEUE_KEY, name], how="left")
        .sort(excess, pl.col(name).abs(), name)
        .unique(QUEUE_KEY, keep="first", maintain_order=True)
        .select(*QUEUE_KEY, name)
    )


def _fit_label_shift(models: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets) -> pl.DataFrame:
    """Fit the shift of the interval labels by which the calls entered agree best."""
    steps = pl.DataFrame(
        {"by": [k for k in range(-MAX_LABEL_SHIFT, MAX_LABEL_SHIFT + 1) if k]}, schema={"by": pl.Int64}
    )
    entered = _count_entered(facts, models).join(models.select(*QUEUE_KEY, "shift"), on=QUEUE_KEY)
    moved = pl.col("interval_start") + pl.duration(microseconds=pl.col("by") * INTERVAL_US)
    tried = entered.join(steps, how="cross").with_columns(
        interval_start=moved, shift=pl.col("shift") + pl.col("by")
    )
    return _update_models(models, "shift", _find_best_value(tried, vendor, "entered", "shift"))


def _fit_clock_skew(models: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets) -> pl.DataFrame:
    """Fit the clock skew: first in steps of 30 s within 10 minutes, then of 1 s around the best."""
    # two passes of some forty offsets each, instead of one of 1,200
    for reach, step in ((600, 30), (30, 1)):
        counted = _select_counted(facts, models).with_columns(before="skew")
        by = pl.DataFrame({"by": range(-reach, reach + 1, step)}, schema={"by": pl.Int64})
        tried = (
            counted.join(by, how="cross")
            .with_columns(skew=pl.col("before") + pl.col("by") * US_PER_SECOND)
            .with_columns(interval_start=_booking_interval(pl.col("at")))
            .group_by(*INTERVAL_KEY, "skew")
            .agg(entered=pl.len().cast(pl.Int64))
        )
        models = _update_models(models, "skew", _find_best_value(tried, vendor, "entered", "skew"))
    return models


def _fit_short_abandons(models: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets) -> pl.DataFrame:
    """Fit the wait (1, 2 … 60 s) up to which abandoned calls are not counted."""
    limits = pl.DataFrame({"limit": [s * US_PER_SECOND for s in range(1, 61)]}, schema={"limit": pl.Int64})
    when = pl.when(pl.col("lost") == "end").then(pl.coalesce("end", "at")).otherwise("at")
    tried = (
        _select_counted(facts, models.with_columns(short=pl.lit(-1, pl.Int64)))
        .filter("abandoned")
        .join(limits, how="cross")
        .filter((pl.col("wait") > pl.col("limit")).fill_null(True))
        .with_columns(interval_start=_booking_interval(when), short="limit")
        .group_by(*INTERVAL_KEY, "short")
        .agg(abandoned=pl.len().cast(pl.Int64))
    )
    return _update_models(models, "short", _find_best_value(tried, vendor, "abandoned", "short"))


def _fit_unit(models: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets) -> pl.DataFrame:
    """Fit the unit: the factor that is nearest to the ratio of the sums of handle time."""
    of_vendor = vendor.rows.group_by(QUEUE_KEY).agg(v=pl.col("handle").sum())
    predicted = (
        vendor.select_window(predict_buckets(facts, models)).group_by(QUEUE_KEY).agg(p=pl.col("handle").sum())
    )
    ratio = (
        of_vendor.join(predicted, on=QUEUE_KEY)
        .filter(pl.col("p") > 0)
        .with_columns(r=pl.col("v") / pl.col("p"))
    )
    # a factor of 1.5 either way separates all of these units, and allows for calls that are missing
    near = pl.coalesce(
        pl.when((pl.col("r") / factor).is_between(1 / 1.5, 1.5)).then(pl.lit(factor))
        for factor in UNIT_FACTORS
    )
    return _update_models(models, "unit", ratio.with_columns(unit=near))


MODEL_CHANGES: Final[tuple[tuple[str, ModelChange], ...]] = (
    ("unit", _fit_unit),
    ("shifted_label", _fit_label_shift),
    *(("late_booking", _make_fixed_change(booking=booking)) for booking in BOOKING_RULES[1:]),
    ("late_abandons", _make_fixed_change(lost="end")),
    ("wrapup_not_in_handle_time", _make_fixed_change(wrap="none")),
    ("wrapup_not_in_legs", _make_fixed_change(wrap="states")),
    ("short_abandons_not_counted", _fit_short_abandons),
    ("transfers_counted_twice", _make_fixed_change(beyond="transfer")),
    ("offers_counted", _make_fixed_change(beyond="offer")),
    ("outbound_counted", _make_fixed_change(out=True)),
    ("clock_skew", _fit_clock_skew),
)
"""Cause → its change of the models; of two with the same loss the first is taken."""
