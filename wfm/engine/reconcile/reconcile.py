"""Reconcile a vendor's buckets, the call log and the state log, and name the cause of every difference.

::

    interval   vendor's handle time   calls, booked as the vendor does   states of their agents   why they differ
    09:00                   1,200 s                            1,200 s                  1,200 s
    09:15                     900 s                              300 s                    900 s   missing_legs

Calls are counted as by `wfm.engine.volume.intervals`, and booked to intervals by the rule that the vendor is found to
use: that is a convention, not a difference. Every other difference gets the cause that explains most of it, or
not_explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from wfm.core.errors import UsageError
from wfm.core.text import fill_sentence
from wfm.core.time import INSTANT, US_PER_SECOND, to_microseconds
from wfm.engine.inputs import frames
from wfm.engine.inputs.frames import Frame
from wfm.engine.reconcile import booking_model, call_facts
from wfm.engine.reconcile.booking_model import BOOKING_COLUMNS, FittedModels, VendorBuckets
from wfm.engine.reconcile.call_facts import NO_QUEUE, CallFacts
from wfm.engine.time.interval_grid import INTERVAL_US
from wfm.engine.time.units import us_to_seconds
from wfm.engine.volume import intervals
from wfm.engine.volume.keys import INTERVAL_KEY, QUEUE_KEY
from wfm.engine.volume.service_level import divide_or_null

GROUPINGS: Final = ("source", "queue_id", "interval_start", "day", "week")
"""The columns to group by; a day is local, a week is named by its Monday."""

TOLERANCE_PER_CALL_S: Final = 1
"""Two handle times agree if they differ by at most this per call: logs give instants in whole seconds."""

LIKELY_CAUSE_SHARE: Final = 0.8
"""A cause that explains at least this share of a difference is reported, even if something is left."""

INTERVALS_AFTER_GAP: Final = 4
"""Number of intervals after a gap in the call log in which handle time of calls from the gap may be missing."""

COMPARED_ACCOUNTS: Final = {
    "entered": ("entered_vendor", "entered_legs"),
    "abandoned": ("abandoned_vendor", "abandoned_legs"),
    "handle": ("handle_vendor", "handle_legs"),
    "states": ("handle_legs", "handle_states"),
}
"""Figure → its two accounts; the residual is the vendor's (or the states') minus that of the legs."""

ACCOUNT_COLUMNS: Final = tuple(dict.fromkeys(name for pair in COMPARED_ACCOUNTS.values() for name in pair))


@dataclass(frozen=True)
class Reconciliation:
    """The accounts of a window side by side; every view is built from the same rows.

    findings: source queue_id figure cause intervals amount evidence, the largest amount first. ``amount`` is the size
        of the difference (in calls or seconds) that the cause explains, ``figure`` one of `COMPARED_ACCOUNTS`.
    """

    findings: pl.DataFrame
    _rows: pl.DataFrame

    def select_queues(self, queues: Sequence[str]) -> Reconciliation:
        """Return the reconciliation of these queues only."""
        is_chosen = pl.col("queue_id").is_in(list(queues))
        return Reconciliation(self.findings.filter(is_chosen), self._rows.filter(is_chosen))

    def sum_accounts(self, names: Sequence[str] = ("source", "queue_id", "interval_start")) -> pl.DataFrame:
        """Sum the accounts by any of `GROUPINGS`; by none: everything together.

        Returns:
            ``names``, booking (the vendor's booking rule; several: mixed), entered_vendor entered_legs
            entered_residual abandoned_vendor abandoned_legs abandoned_residual (calls), handle_vendor_s handle_legs_s
            handle_states_s handle_residual_s (vendor − legs) states_residual_s (states − legs), entered_agreement
            abandoned_agreement handle_agreement states_agreement (0..1: 1 − Σ|difference| / Σ larger, over intervals
            of a queue that both accounts have; 0/0 is null), causes (of all differences).
            An account that a queue does not have is null, and so are its residuals.

        Raises:
            UsageError: a name is not one of `GROUPINGS`.
        """
        groups = [names] if isinstance(names, str) else list(names)
        for name in groups:
            if name not in GROUPINGS:
                raise UsageError(f"Cannot group by {name!r}; choose from: {', '.join(GROUPINGS)}.")
        rows = self._rows.with_columns(everything=0)
        summed = rows.group_by([*groups, "everything"]).agg(_build_sums())
        return summed.select(*groups, *_build_output_columns()).sort(groups or "booking", nulls_last=True)

    def summarise_agreement(self) -> pl.DataFrame:
        """Summarise in one row how far the accounts agree.

        Returns:
            figures: how many figures could be compared (entered, abandoned, handle time by vendor and legs, handle
            time by states and legs; per interval and queue; not where both are 0); agree: how many of them agree;
            explained: of the others, those with a cause; agreement: agree / figures; accounted: (agree + explained) /
            figures; and the four agreements of `sum_accounts`.
        """
        compared = pl.sum_horizontal(pl.col(f"{name}_compared") for name in COMPARED_ACCOUNTS).sum()
        apart = pl.sum_horizontal(pl.col(f"{name}_cause").is_not_null() for name in COMPARED_ACCOUNTS).sum()
        unknown = pl.sum_horizontal(
            (pl.col(f"{name}_cause") == "not_explained").fill_null(False) for name in COMPARED_ACCOUNTS
        )
        counts = self._rows.select(
            figures=compared.cast(pl.Int64),
            agree=(compared.cast(pl.Int64) - apart.cast(pl.Int64)),
            explained=(apart.cast(pl.Int64) - unknown.sum().cast(pl.Int64)),
        ).with_columns(
            agreement=divide_or_null("agree", "figures"),
            accounted=divide_or_null(pl.col("agree") + pl.col("explained"), "figures"),
        )
        shares = (
            self.sum_accounts([])
            if self._rows.height
            else pl.DataFrame([{f"{name}_agreement": None for name in COMPARED_ACCOUNTS}])
        )
        ratios = shares.select(pl.col(f"{name}_agreement").cast(pl.Float64) for name in COMPARED_ACCOUNTS)
        return pl.concat([counts, ratios], how="horizontal")


def reconcile_intervals(
    *,
    window: tuple[datetime, datetime],
    call_leg: Frame | None = None,
    interval_volume: Frame | None = None,
    state: Frame | None = None,
    login: Frame | None = None,
    gap: Frame | None = None,
    timezone: str = "UTC",
    state_delay: timedelta = timedelta(0),
) -> Reconciliation:
    """Reconcile the intervals that start in a window.

    Handle time by legs is talk + wrap-up of the answered legs; by states it is busy, hold and wrap-up of the agents
    who answered them, as far as it belongs to that call (`wfm.engine.reconcile.call_facts`). All three are booked to
    intervals by the same rule.

    Args:
        window: two instants on interval boundaries.
        call_leg: as for `measure_intervals`; include calls a few hours around the window, as handle time is booked
            late and labels may be off. Calls without a queue are compared with states under an empty queue_id.
        interval_volume: the vendor's buckets.
        state: as from `Score.slices`, also around the window; None: states are not compared.
        login: source login agent_id [from_at to_at].
        gap: source start_at end_at: where a call log is known to have gaps.
        timezone: of local days and weeks.
        state_delay: the longest delay with which states are reported.

    Raises:
        InputError: a frame does not have what its table needs.
        UsageError: the zone is not valid.
    """
    frames.check_zone_name(timezone, "timezone")
    start, end = (at.astimezone(UTC) for at in window)
    vendor = VendorBuckets(_read_buckets(interval_volume, start, end), start, end)
    facts = call_facts.collect_call_facts(call_leg, interval_volume, state, login)
    fitted = booking_model.fit_models(facts, vendor)
    # legs during uncovered time explain a lower account of the states
    uncovered = None if state is None else call_facts.find_uncovered_legs(state, call_leg, login)
    rows = _add_bucket_causes(_join_accounts(facts, vendor, fitted), facts, vendor, fitted, gap, state_delay)
    rows = _add_state_causes(rows, facts, fitted, uncovered, state_delay)
    findings = _list_findings(rows, facts, vendor, fitted)
    named = rows.with_columns(queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id"))
    local = pl.col("interval_start").dt.convert_time_zone(timezone).dt.date()
    days = named.with_columns(day=local).with_columns(week=pl.col("day").dt.truncate("1w"))
    return Reconciliation(findings, days)


def _read_buckets(interval_volume: Frame | None, start: datetime, end: datetime) -> pl.DataFrame:
    """Read the vendor's buckets of a window, handle time in microseconds."""
    at = pl.col("interval_start")
    return (
        intervals.read_vendor_buckets(interval_volume)
        .filter(at >= start, at < end)
        .select(
            *INTERVAL_KEY,
            "entered",
            "abandoned",
            handle=(pl.col("sum_handle_time_s") * US_PER_SECOND).round().cast(pl.Int64),
        )
    )


# --- three accounts, one booking rule ---------------------------------------------------------------------
def _build_booking_models(facts: CallFacts, fitted: FittedModels) -> pl.DataFrame:
    """Build a model for every queue of the log that differs from the default in the booking rule only."""
    queues = pl.concat([facts.counted.select(QUEUE_KEY), facts.handled.select(QUEUE_KEY)]).unique()
    booking = fitted.models.select(*QUEUE_KEY, *BOOKING_COLUMNS)
    models = (
        booking_model.build_default_models(queues)
        .drop(BOOKING_COLUMNS)
        .join(booking, on=QUEUE_KEY, how="left", maintain_order="left")
    )
    filled = models.with_columns(
        pl.col(name).fill_null(booking_model.DEFAULT_MODEL[name]) for name in BOOKING_COLUMNS
    )
    return filled.select(list(booking_model.MODEL_DTYPES))


def _join_accounts(facts: CallFacts, vendor: VendorBuckets, fitted: FittedModels) -> pl.DataFrame:
    """Join the accounts, null where a queue has none; ``bucket``: whether the vendor has the interval."""
    models = _build_booking_models(facts, fitted)
    legs = vendor.select_window(booking_model.predict_buckets(facts, models))
    states = vendor.select_window(
        booking_model.book_handle_time(
            facts.handled.filter(pl.col("busy").is_not_null()), models, "busy", "wrapup"
        )
    )
    wraps = vendor.select_window(
        booking_model.book_handle_time(
            facts.handled.with_columns(none=pl.lit(0, pl.Int64)), models, "none", "wrapup"
        )
    )
    rows = pl.concat([part.select(INTERVAL_KEY) for part in (vendor.rows, legs, states)]).unique()
    rows = rows.join(
        vendor.rows.rename({n: f"{n}_vendor" for n in booking_model.FIGURES}), on=INTERVAL_KEY, how="left"
    )
    rows = rows.join(
        legs.rename({n: f"{n}_legs" for n in booking_model.FIGURES}), on=INTERVAL_KEY, how="left"
    )
    rows = rows.join(states.select(*INTERVAL_KEY, handle_states="handle"), on=INTERVAL_KEY, how="left")
    rows = rows.join(wraps.select(*INTERVAL_KEY, wrapup="handle"), on=INTERVAL_KEY, how="left")
    in_legs = pl.concat([facts.counted.select(QUEUE_KEY), facts.handled.select(QUEUE_KEY)]).unique()
    in_states = facts.handled.group_by(QUEUE_KEY).agg(
        in_states=pl.col("busy").is_not_null().any(), wrap_known=pl.col("wrap").is_not_null().any()
    )
    rows = (
        rows.with_columns(bucket=pl.col("entered_vendor").is_not_null())
        .join(
            vendor.rows.select(QUEUE_KEY).unique().with_columns(in_vendor=pl.lit(True)),
            on=QUEUE_KEY,
            how="left",
        )
        .join(in_legs.with_columns(in_legs=pl.lit(True)), on=QUEUE_KEY, how="left")
        .join(in_states, on=QUEUE_KEY, how="left")
        .join(models.select(*QUEUE_KEY, "booking"), on=QUEUE_KEY, how="left")
    )
    flags = {"vendor": "in_vendor", "legs": "in_legs", "states": "in_states"}
    return rows.with_columns(
        *(
            pl.when(pl.col(flags[name.rsplit("_", 1)[1]])).then(pl.col(name).fill_null(0)).alias(name)
            for name in ACCOUNT_COLUMNS
        ),
        legs=pl.col("legs").fill_null(0),
        wrapup=pl.col("wrapup").fill_null(0),
        booking=pl.when(pl.col("in_vendor") & pl.col("in_legs")).then("booking"),
    ).sort(INTERVAL_KEY)


def _handle_time_tolerance() -> pl.Expr:
    """Return the difference up to which two handle times agree, in microseconds."""
    calls = pl.max_horizontal("entered_vendor", "entered_legs", "legs", 1)
    return calls * TOLERANCE_PER_CALL_S * US_PER_SECOND


def _is_different(figure: str, residual: pl.Expr) -> pl.Expr:
    """Return whether a residual is a difference: any for counts, beyond the tolerance for handle time."""
    least = pl.lit(0) if figure in ("entered", "abandoned") else _handle_time_tolerance()
    return (residual.abs() > least).fill_null(False)


# --- why the vendor's and the legs' differ ----------------------------------------------------------------
def _add_bucket_causes(
    rows: pl.DataFrame,
    facts: CallFacts,
    vendor: VendorBuckets,
    fitted: FittedModels,
    gap: Frame | None,
    state_delay: timedelta,
) -> pl.DataFrame:
    """Add per figure of vendor and legs: residual, cause, compared (whether both accounts have it)."""
    traced, steps = _trace_model_changes(rows, facts, vendor, fitted)
    marked = (
        _add_local_signs(traced, facts, gap)
        .join(fitted.models.select(*QUEUE_KEY, "wrap"), on=QUEUE_KEY, how="left")
        .sort(INTERVAL_KEY)
    )
    for figure in booking_model.FIGURES:
        # the difference before the model was changed at all, and after all changes
        first, last = (pl.col(f"{figure}_vendor") - pl.col(f"{figure}_{n}") for n in (0, steps))
        mostly = last.abs() <= first.abs() * (1 - LIKELY_CAUSE_SHARE)
        cause = (
            pl.when(~_is_different(figure, first))
            .then(None)
            .when(~_is_different(figure, last))
            .then(_pick_model_cause(figure, steps))
            .otherwise(
                pl.coalesce(
                    _pick_local_cause(figure, last, state_delay),
                    pl.when(mostly).then(_pick_model_cause(figure, steps)),
                    pl.lit("not_explained"),
                )
            )
        )
        # two zeros agree trivially and would only inflate the share that agrees
        both = pl.max_horizontal(f"{figure}_vendor", f"{figure}_legs") > 0
        marked = marked.with_columns(
            first.alias(f"{figure}_residual"),
            cause.alias(f"{figure}_cause"),
            (both & first.is_not_null()).fill_null(False).alias(f"{figure}_compared"),
        )
    return marked


def _pick_model_cause(figure: str, steps: int) -> pl.Expr:
    """Return the change of the model that reduces a difference most; null if none does."""
    off = [(pl.col(f"{figure}_vendor") - pl.col(f"{figure}_{n}")).abs() for n in range(steps + 1)]
    removed = [before - after for before, after in pairwise(off)]
    most = pl.max_horizontal(pl.lit(0), *removed)
    words = [
        pl.when((part == most) & (most > 0)).then(f"cause_{n}").otherwise(None)
        for n, part in enumerate(removed)
    ]
    return pl.coalesce(*words, pl.lit(None, pl.String))


def _trace_model_changes(
    rows: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets, fitted: FittedModels
) -> tuple[pl.DataFrame, int]:
    """Add the prediction after each change: <figure>_0 … <figure>_n and cause_0 … cause_(n−1); also return n."""
    # booking rules are a convention, so their changes explain no difference: see the module docstring
    numbered = fitted.steps.filter(~pl.col("cause").is_in(["late_booking", "late_abandons"])).with_columns(
        turn=pl.int_range(pl.len()).over(QUEUE_KEY)
    )
    models = _build_booking_models(facts, fitted)
    rows = rows.with_columns(pl.col(f"{name}_legs").alias(f"{name}_0") for name in booking_model.FIGURES)
    turns = numbered["turn"].n_unique()
    for turn in range(turns):
        now = numbered.filter(pl.col("turn") == turn)
        changed = (
            now.drop(BOOKING_COLUMNS)
            .join(models.select(*QUEUE_KEY, *BOOKING_COLUMNS), on=QUEUE_KEY)
            .select(list(booking_model.MODEL_DTYPES))
        )
        models = pl.concat([models.join(changed, on=QUEUE_KEY, how="anti"), changed])
        predicted = vendor.select_window(booking_model.predict_buckets(facts, models)).rename(
            {name: f"{name}_{turn + 1}" for name in booking_model.FIGURES}
        )
        rows = (
            rows.join(predicted.drop("legs"), on=INTERVAL_KEY, how="left")
            .join(now.select(*QUEUE_KEY, pl.col("cause").alias(f"cause_{turn}")), on=QUEUE_KEY, how="left")
            .with_columns(pl.col(f"{name}_{turn + 1}").fill_null(0) for name in booking_model.FIGURES)
        )
    return rows, turns


def _add_local_signs(rows: pl.DataFrame, facts: CallFacts, gap: Frame | None) -> pl.DataFrame:
    """Add signs of local causes: silent, declared, gap_near, no_abandons, no_waits, untimed."""
    calls = facts.counted.filter(pl.col("kind") == "call")
    signs_of_queue = calls.group_by(QUEUE_KEY).agg(
        no_abandons=~pl.col("abandoned").any(),
        no_waits=(pl.col("wait").fill_null(0) == 0).all(),
    )
    logged = calls.select(
        *QUEUE_KEY,
        interval_start=(pl.col("at") // INTERVAL_US * INTERVAL_US).cast(INSTANT),
    )
    active = logged.select("source", "interval_start").unique().with_columns(active=pl.lit(True))
    untimed = facts.handled.filter(pl.col("talk").is_null()).select(
        *QUEUE_KEY,
        interval_start=(pl.col("end") // INTERVAL_US * INTERVAL_US).cast(INSTANT),
        untimed=pl.lit(True),
    )
    silent = (pl.col("entered_legs") == 0) & (pl.col("entered_vendor") > 0) & pl.col("active").is_null()
    declared = _list_declared_gaps(rows, facts, gap)
    rows = (
        rows.join(signs_of_queue, on=QUEUE_KEY, how="left")
        .join(active, on=["source", "interval_start"], how="left")
        .join(declared, on=INTERVAL_KEY, how="left")
        .join(untimed.unique(), on=INTERVAL_KEY, how="left")
        .sort(INTERVAL_KEY)
        .with_columns(
            silent=(silent & pl.col("in_legs")).fill_null(False) | pl.col("declared").fill_null(False)
        )
    )
    gap_near = (
        pl.col("silent").cast(pl.Int8).rolling_max(INTERVALS_AFTER_GAP + 1, min_samples=1).over(QUEUE_KEY) > 0
    )
    return rows.with_columns(gap_near=gap_near)


def _list_declared_gaps(rows: pl.DataFrame, facts: CallFacts, gap: Frame | None) -> pl.DataFrame:
    """List the intervals of queues in which their call log is known to have a gap."""
    gaps = frames.check_span_order(frames.read_frame(gap, "coverage"), "gap")
    logged = facts.handled.select(*QUEUE_KEY, "account").unique()
    end = pl.col("interval_start") + pl.duration(microseconds=INTERVAL_US)
    return (
        rows.select(INTERVAL_KEY)
        .join(logged, on=QUEUE_KEY)
        .join(gaps.rename({"source": "account"}), on="account")
        .filter(pl.col("start_at") < end, pl.col("end_at") > pl.col("interval_start"))
        .select(INTERVAL_KEY)
        .unique()
        .with_columns(declared=pl.lit(True))
    )


def _pick_local_cause(figure: str, left: pl.Expr, state_delay: timedelta) -> pl.Expr:
    """Return the local cause of the difference that is left in an interval; null if there is none."""
    more, counts = left > 0, pl.lit(figure != "handle")
    gave_up = pl.when("no_abandons").then("abandoned_vendor").otherwise(0)
    rest = left - gave_up
    # an opposite difference in a neighbouring interval: a call was only moved across the boundary
    moved = pl.any_horizontal(rest * rest.shift(by).over(QUEUE_KEY) < 0 for by in (1, -1))
    late = pl.col("legs") * to_microseconds(state_delay)
    # the first test that succeeds names the cause: from what was recorded to what is only likely
    tests = [
        ("missing_buckets", ~pl.col("bucket") & ~more),
        ("missing_legs", more & pl.col("declared")),
        ("abandons_not_logged", pl.col("no_abandons") & counts & (rest == 0)),
        ("arrival_unknown", pl.col("no_waits") & moved & pl.lit(figure == "entered")),
        ("missing_legs", more & (pl.col("silent") if figure != "handle" else pl.col("gap_near"))),
        ("unknown_durations", more & pl.col("untimed") & ~counts),
        ("told_late", ~counts & (pl.col("wrap") == "states") & (left.abs() <= late)),
    ]
    return pl.coalesce(pl.when(test.fill_null(False)).then(pl.lit(name)) for name, test in tests)


# --- why the states' and the legs' differ -----------------------------------------------------------------
def _add_state_causes(
    rows: pl.DataFrame,
    facts: CallFacts,
    fitted: FittedModels,
    uncovered: pl.DataFrame | None,
    state_delay: timedelta,
) -> pl.DataFrame:
    """Add states_residual, states_cause, states_compared (whether both accounts have it)."""
    if uncovered is None:
        blind = rows.select(INTERVAL_KEY).clear()
    else:
        hidden = facts.handled.join(uncovered, on=["account", "leg_id"], how="semi")
        blind = booking_model.book_handle_time(hidden, _build_booking_models(facts, fitted)).select(
            INTERVAL_KEY
        )
    rows = rows.join(blind.with_columns(blind=pl.lit(True)), on=INTERVAL_KEY, how="left").sort(INTERVAL_KEY)
    residual = pl.col("handle_states") - pl.col("handle_legs")
    talk_alone = residual - pl.when("wrap_known").then(0).otherwise("wrapup")
    late = pl.col("legs") * to_microseconds(state_delay)
    cause = (
        pl.when(~_is_different("states", residual))
        .then(None)
        .when("blind")
        .then(pl.lit("not_watched"))
        .when(~_is_different("states", talk_alone))
        .then(pl.lit("wrapup_not_in_legs"))
        .when(talk_alone.abs() <= late)
        .then(pl.lit("told_late"))
        .otherwise(pl.lit("not_explained"))
    )
    both = pl.max_horizontal("handle_states", "handle_legs") > 0
    return rows.with_columns(
        states_residual=residual,
        states_cause=cause,
        states_compared=(both & residual.is_not_null()).fill_null(False),
    )


# --- findings and sums ------------------------------------------------------------------------------------
def _list_findings(
    rows: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets, fitted: FittedModels
) -> pl.DataFrame:
    """List per queue and figure how much each cause explains, and the numbers that show it."""
    parts = [_measure_booking_effect(rows, facts, vendor, fitted)]
    for figure in COMPARED_ACCOUNTS:
        grain = 1 if figure in booking_model.COUNT_FIGURES else US_PER_SECOND
        parts.append(
            rows.filter(pl.col(f"{figure}_cause").is_not_null())
            .group_by(*QUEUE_KEY, cause=pl.col(f"{figure}_cause"))
            .agg(
                figure=pl.lit(figure),
                intervals=pl.len().cast(pl.Int64),
                amount=pl.col(f"{figure}_residual").abs().sum() / grain,
                net=pl.col(f"{figure}_residual").sum() / grain,
            )
        )
    columns = [*QUEUE_KEY, "figure", "cause", "intervals", "amount", "net"]
    listed = pl.concat([part.select(columns) for part in parts])
    models = fitted.models.select(
        *QUEUE_KEY,
        "booking",
        "shift",
        skew_s=us_to_seconds(pl.col("skew")),
        short_s=pl.col("short") // US_PER_SECOND,
        unit="unit",
    )
    return (
        listed.join(models, on=QUEUE_KEY, how="left")
        .with_columns(
            evidence=_describe_evidence(), queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id")
        )
        .sort("amount", "source", "queue_id", "figure", "cause", descending=[True, *[False] * 4])
        .select(*QUEUE_KEY, "figure", "cause", "intervals", "amount", "evidence")
    )


def _measure_booking_effect(
    rows: pl.DataFrame, facts: CallFacts, vendor: VendorBuckets, fitted: FittedModels
) -> pl.DataFrame:
    """Measure how much the accounts would differ if everything was booked to the interval of arrival."""
    by_arrival = fitted.models.with_columns(
        pl.lit(booking_model.DEFAULT_MODEL[name]).alias(name) for name in BOOKING_COLUMNS
    )
    plain = vendor.select_window(booking_model.predict_buckets(facts, by_arrival)).select(
        *INTERVAL_KEY, *booking_model.FIGURES
    )
    joined = rows.join(plain, on=INTERVAL_KEY, how="left").join(
        fitted.models.select(*QUEUE_KEY, "lost"), on=QUEUE_KEY
    )
    parts = []
    for figure, cause, rule, default in (
        ("handle", "late_booking", "booking", "arrival"),
        ("abandoned", "late_abandons", "lost", "at"),
    ):
        difference = (pl.col(f"{figure}_vendor") - pl.col(figure).fill_null(0)).abs()
        parts.append(
            joined.filter(pl.col(rule) != default)
            .with_columns(difference=difference)
            .filter(_is_different(figure, pl.col("difference")))
            .group_by(QUEUE_KEY)
            .agg(
                figure=pl.lit(figure),
                cause=pl.lit(cause),
                intervals=pl.len().cast(pl.Int64),
                amount=pl.col("difference").sum()
                / (1 if figure in booking_model.COUNT_FIGURES else US_PER_SECOND),
            )
            .with_columns(net=pl.lit(None, pl.Float64))
        )
    return pl.concat(parts)


def _describe_evidence() -> pl.Expr:
    """Describe the numbers that show a cause."""
    cause = pl.col("cause")
    own = {
        "late_booking": fill_sentence(
            "booked by {}; by arrival, {} s are in other intervals", "booking", pl.col("amount").round(1)
        ),
        "late_abandons": fill_sentence(
            "booked when the caller gave up; by arrival, {} are in other intervals", "amount"
        ),
        "shifted_label": fill_sentence("labels are {} min later than the calls", pl.col("shift") * 15),
        "clock_skew": fill_sentence("the calls fit if their times are moved {} s later", "skew_s"),
        "short_abandons_not_counted": fill_sentence("abandoned calls of at most {} s are missing", "short_s"),
        "unit": fill_sentence("the vendor's seconds are {} times the calls'", pl.col("unit").round(6)),
    }
    net = fill_sentence("{} more than the calls, in all", pl.col("net").round(1))
    words = [pl.when(cause == name).then(text) for name, text in own.items()]
    return pl.coalesce(*words, net)


def _build_sums() -> list[pl.Expr]:
    """Build the sums of a group; a column that is null in every row stays null."""
    residuals = [f"{figure}_residual" for figure in COMPARED_ACCOUNTS]
    total = [
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
        for name in (*ACCOUNT_COLUMNS, *residuals)
    ]
    apart = [pl.col(name).abs().sum().alias(f"{name}_abs") for name in residuals]
    larger = [
        pl.max_horizontal(pair)
        .filter(pl.col(f"{figure}_residual").is_not_null())
        .sum()
        .alias(f"{figure}_larger")
        for figure, pair in COMPARED_ACCOUNTS.items()
    ]
    first, *others = (pl.col(f"{figure}_cause") for figure in COMPARED_ACCOUNTS)
    named = first
    for other in others:
        named = named.append(other)
    used = pl.col("booking").drop_nulls()
    booking = pl.when(used.n_unique() > 1).then(pl.lit("mixed")).otherwise(used.first())
    return [
        *total,
        *apart,
        *larger,
        named.drop_nulls().unique().sort().alias("causes"),
        booking.alias("booking"),
    ]


def _build_output_columns() -> list[pl.Expr]:
    """Build the columns of the result: seconds for microseconds, agreements, causes."""
    shown: list[pl.Expr] = [pl.col("booking")]
    for figure in ("entered", "abandoned"):
        shown += [pl.col(f"{figure}_vendor"), pl.col(f"{figure}_legs"), pl.col(f"{figure}_residual")]
    for name in ("handle_vendor", "handle_legs", "handle_states", "handle_residual", "states_residual"):
        shown.append(us_to_seconds(pl.col(name)).alias(f"{name}_s"))
    for figure in COMPARED_ACCOUNTS:
        close = pl.col(f"{figure}_larger") - pl.col(f"{figure}_residual_abs")
        shown.append(divide_or_null(close.clip(0), f"{figure}_larger").alias(f"{figure}_agreement"))
    return [*shown, pl.col("causes")]
