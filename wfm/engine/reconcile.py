"""Reconcile a vendor's buckets, the call log and the state log, and name the cause of every difference.

::

    interval   vendor's handle time   calls, booked as the vendor does   states of their agents   why they differ
    09:00                   1,200 s                            1,200 s                  1,200 s
    09:15                     900 s                              300 s                    900 s   missing_legs

Calls are counted as by `wfm.engine.volume`, and booked to intervals by the rule that the vendor is found to use: that
is a convention, not a difference. Every other difference gets the cause that explains most of it, or not_explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from wfm.core.time import INSTANT, US_PER_SECOND, to_microseconds
from wfm.engine import accounts, causes, inputs, volume
from wfm.engine.accounts import NO_QUEUE, Logs
from wfm.engine.causes import HABITS, Found, Told
from wfm.engine.inputs import Frame
from wfm.engine.units import in_seconds
from wfm.engine.volume import PLACE, QUEUE, divide
from wfm.errors import UsageError
from wfm.words import worded

BY: Final = ("source", "queue_id", "interval_start", "day", "week")
"""The groupings on offer; a day is local, a week is named by its Monday."""

GRAIN_S: Final = 1
"""Two handle times agree if they differ by at most this per call: logs give instants in whole seconds."""

MOSTLY: Final = 0.8
"""A cause that explains at least this share of a difference is reported, even if something is left."""

AFTER: Final = 4
"""Number of intervals after a gap in the call log in which handle time of calls from the gap may be missing."""

ACCOUNTS: Final = {
    "entered": ("entered_vendor", "entered_legs"),
    "abandoned": ("abandoned_vendor", "abandoned_legs"),
    "handle": ("handle_vendor", "handle_legs"),
    "states": ("handle_legs", "handle_states"),
}
"""Figure → its two accounts; the residual is the vendor's (or the states') minus that of the legs."""

VALUES: Final = tuple(dict.fromkeys(name for pair in ACCOUNTS.values() for name in pair))


@dataclass(frozen=True)
class Reconciliation:
    """The accounts of a window side by side; every view is built from the same rows.

    findings: source queue_id figure cause intervals amount evidence, the largest amount first. ``amount`` is the size
        of the difference (in calls or seconds) that the cause explains, ``figure`` one of `COMPARED_ACCOUNTS`.
    """

    findings: pl.DataFrame
    _rows: pl.DataFrame

    def of(self, queues: Sequence[str]) -> Reconciliation:
        """Return the reconciliation of these queues only."""
        mine = pl.col("queue_id").is_in(list(queues))
        return Reconciliation(self.findings.filter(mine), self._rows.filter(mine))

    def by(self, names: Sequence[str] = ("source", "queue_id", "interval_start")) -> pl.DataFrame:
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
            if name not in BY:
                raise UsageError(f"Cannot group by {name!r}; choose from: {', '.join(BY)}.")
        rows = self._rows.with_columns(everything=0)
        summed = rows.group_by([*groups, "everything"]).agg(_sums())
        return summed.select(*groups, *_columns()).sort(groups or "booking", nulls_last=True)

    def headline(self) -> pl.DataFrame:
        """Summarise in one row how far the accounts agree.

        Returns:
            figures: how many figures could be compared (entered, abandoned, handle time by vendor and legs, handle
            time by states and legs; per interval and queue; not where both are 0); agree: how many of them agree;
            explained: of the others, those with a cause; agreement: agree / figures; accounted: (agree + explained) /
            figures; and the four agreements of `sum_accounts`.
        """
        compared = pl.sum_horizontal(pl.col(f"{name}_compared") for name in ACCOUNTS).sum()
        apart = pl.sum_horizontal(pl.col(f"{name}_cause").is_not_null() for name in ACCOUNTS).sum()
        unknown = pl.sum_horizontal(
            (pl.col(f"{name}_cause") == "not_explained").fill_null(False) for name in ACCOUNTS
        )
        counts = self._rows.select(
            figures=compared.cast(pl.Int64),
            agree=(compared.cast(pl.Int64) - apart.cast(pl.Int64)),
            explained=(apart.cast(pl.Int64) - unknown.sum().cast(pl.Int64)),
        ).with_columns(
            agreement=divide("agree", "figures"),
            accounted=divide(pl.col("agree") + pl.col("explained"), "figures"),
        )
        shares = (
            self.by([])
            if self._rows.height
            else pl.DataFrame([{f"{name}_agreement": None for name in ACCOUNTS}])
        )
        ratios = shares.select(pl.col(f"{name}_agreement").cast(pl.Float64) for name in ACCOUNTS)
        return pl.concat([counts, ratios], how="horizontal")


def reconcile(
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
    inputs.zone(timezone, "timezone")
    start, end = (at.astimezone(UTC) for at in window)
    vendor = Told(_told(interval_volume, start, end), start, end)
    facts = accounts.logs(call_leg, interval_volume, state, login)
    fitted = causes.search(facts, vendor)
    uncovered = None if state is None else accounts.unseen(state, call_leg, login)
    rows = _with_causes(_side_by_side(facts, vendor, fitted), facts, vendor, fitted, gap, state_delay)
    rows = _with_states(rows, facts, fitted, uncovered, state_delay)
    findings = _findings(rows, facts, vendor, fitted)
    named = rows.with_columns(queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id"))
    local = pl.col("interval_start").dt.convert_time_zone(timezone).dt.date()
    days = named.with_columns(day=local).with_columns(week=pl.col("day").dt.truncate("1w"))
    return Reconciliation(findings, days)


def _told(interval_volume: Frame | None, start: datetime, end: datetime) -> pl.DataFrame:
    """Read the vendor's buckets of a window, handle time in microseconds."""
    at = pl.col("interval_start")
    return (
        volume.buckets(interval_volume)
        .filter(at >= start, at < end)
        .select(
            *PLACE,
            "entered",
            "abandoned",
            handle=(pl.col("sum_handle_time_s") * US_PER_SECOND).round().cast(pl.Int64),
        )
    )


# --- three accounts, one booking rule ---------------------------------------------------------------------
def _habits(facts: Logs, fitted: Found) -> pl.DataFrame:
    """Build a model for every queue of the log that differs from the default in the booking rule only."""
    queues = pl.concat([facts.counted.select(QUEUE), facts.handled.select(QUEUE)]).unique()
    habits = fitted.models.select(*QUEUE, *HABITS)
    models = causes.plain(queues).drop(HABITS).join(habits, on=QUEUE, how="left", maintain_order="left")
    filled = models.with_columns(pl.col(name).fill_null(causes.PLAIN[name]) for name in HABITS)
    return filled.select(list(causes.MODEL))


def _side_by_side(facts: Logs, vendor: Told, fitted: Found) -> pl.DataFrame:
    """Join the accounts, null where a queue has none; ``bucket``: whether the vendor has the interval."""
    models = _habits(facts, fitted)
    ours = vendor.within(causes.predict(facts, models))
    states = vendor.within(
        causes.booked(facts.handled.filter(pl.col("busy").is_not_null()), models, "busy", "wrapup")
    )
    wraps = vendor.within(
        causes.booked(facts.handled.with_columns(none=pl.lit(0, pl.Int64)), models, "none", "wrapup")
    )
    rows = pl.concat([part.select(PLACE) for part in (vendor.rows, ours, states)]).unique()
    rows = rows.join(vendor.rows.rename({n: f"{n}_vendor" for n in causes.FIGURES}), on=PLACE, how="left")
    rows = rows.join(ours.rename({n: f"{n}_legs" for n in causes.FIGURES}), on=PLACE, how="left")
    rows = rows.join(states.select(*PLACE, handle_states="handle"), on=PLACE, how="left")
    rows = rows.join(wraps.select(*PLACE, wrapup="handle"), on=PLACE, how="left")
    has = pl.concat([facts.counted.select(QUEUE), facts.handled.select(QUEUE)]).unique()
    seen = facts.handled.group_by(QUEUE).agg(
        in_states=pl.col("busy").is_not_null().any(), wrap_known=pl.col("wrap").is_not_null().any()
    )
    rows = (
        rows.with_columns(bucket=pl.col("entered_vendor").is_not_null())
        .join(vendor.rows.select(QUEUE).unique().with_columns(in_vendor=pl.lit(True)), on=QUEUE, how="left")
        .join(has.with_columns(in_legs=pl.lit(True)), on=QUEUE, how="left")
        .join(seen, on=QUEUE, how="left")
        .join(models.select(*QUEUE, "booking"), on=QUEUE, how="left")
    )
    ends = {"vendor": "in_vendor", "legs": "in_legs", "states": "in_states"}
    return rows.with_columns(
        *(
            pl.when(pl.col(ends[name.rsplit("_", 1)[1]])).then(pl.col(name).fill_null(0)).alias(name)
            for name in VALUES
        ),
        legs=pl.col("legs").fill_null(0),
        wrapup=pl.col("wrapup").fill_null(0),
        booking=pl.when(pl.col("in_vendor") & pl.col("in_legs")).then("booking"),
    ).sort(PLACE)


def _tolerance() -> pl.Expr:
    """Return the difference up to which two handle times agree, in microseconds."""
    calls = pl.max_horizontal("entered_vendor", "entered_legs", "legs", 1)
    return calls * GRAIN_S * US_PER_SECOND


def _differs(figure: str, residual: pl.Expr) -> pl.Expr:
    """Tell whether a residual is a difference: any for counts, beyond the tolerance for handle time."""
    least = pl.lit(0) if figure in ("entered", "abandoned") else _tolerance()
    return (residual.abs() > least).fill_null(False)


# --- why the vendor's and the legs' differ ----------------------------------------------------------------
def _with_causes(
    rows: pl.DataFrame, facts: Logs, vendor: Told, fitted: Found, gap: Frame | None, state_delay: timedelta
) -> pl.DataFrame:
    """Add per figure of vendor and legs: residual, cause, compared (whether both accounts have it)."""
    traced, steps = _trace(rows, facts, vendor, fitted)
    marked = (
        _local(traced, facts, gap)
        .join(fitted.models.select(*QUEUE, "wrap"), on=QUEUE, how="left")
        .sort(PLACE)
    )
    for figure in causes.FIGURES:
        # the difference before the model was changed at all, and after all changes
        first, last = (pl.col(f"{figure}_vendor") - pl.col(f"{figure}_{n}") for n in (0, steps))
        mostly = last.abs() <= first.abs() * (1 - MOSTLY)
        cause = (
            pl.when(~_differs(figure, first))
            .then(None)
            .when(~_differs(figure, last))
            .then(_by_model(figure, steps))
            .otherwise(
                pl.coalesce(
                    _where(figure, last, state_delay),
                    pl.when(mostly).then(_by_model(figure, steps)),
                    pl.lit("not_explained"),
                )
            )
        )
        both = pl.max_horizontal(f"{figure}_vendor", f"{figure}_legs") > 0
        marked = marked.with_columns(
            first.alias(f"{figure}_residual"),
            cause.alias(f"{figure}_cause"),
            (both & first.is_not_null()).fill_null(False).alias(f"{figure}_compared"),
        )
    return marked


def _by_model(figure: str, steps: int) -> pl.Expr:
    """Return the change of the model that reduces a difference most; null if none does."""
    off = [(pl.col(f"{figure}_vendor") - pl.col(f"{figure}_{n}")).abs() for n in range(steps + 1)]
    removed = [before - after for before, after in pairwise(off)]
    most = pl.max_horizontal(pl.lit(0), *removed)
    words = [
        pl.when((part == most) & (most > 0)).then(f"cause_{n}").otherwise(None)
        for n, part in enumerate(removed)
    ]
    return pl.coalesce(*words, pl.lit(None, pl.String))


def _trace(rows: pl.DataFrame, facts: Logs, vendor: Told, fitted: Found) -> tuple[pl.DataFrame, int]:
    """Add the prediction after each change: <figure>_0 … <figure>_n and cause_0 … cause_(n−1); also return n."""
    numbered = fitted.steps.filter(~pl.col("cause").is_in(["late_booking", "late_abandons"])).with_columns(
        turn=pl.int_range(pl.len()).over(QUEUE)
    )
    models = _habits(facts, fitted)
    rows = rows.with_columns(pl.col(f"{name}_legs").alias(f"{name}_0") for name in causes.FIGURES)
    turns = numbered["turn"].n_unique()
    for turn in range(turns):
        now = numbered.filter(pl.col("turn") == turn)
        changed = now.drop(HABITS).join(models.select(*QUEUE, *HABITS), on=QUEUE).select(list(causes.MODEL))
        models = pl.concat([models.join(changed, on=QUEUE, how="anti"), changed])
        predicted = vendor.within(causes.predict(facts, models)).rename(
            {name: f"{name}_{turn + 1}" for name in causes.FIGURES}
        )
        rows = (
            rows.join(predicted.drop("legs"), on=PLACE, how="left")
            .join(now.select(*QUEUE, pl.col("cause").alias(f"cause_{turn}")), on=QUEUE, how="left")
            .with_columns(pl.col(f"{name}_{turn + 1}").fill_null(0) for name in causes.FIGURES)
        )
    return rows, turns


def _local(rows: pl.DataFrame, facts: Logs, gap: Frame | None) -> pl.DataFrame:
    """Add signs of local causes: silent, declared, gap_near, no_abandons, no_waits, untimed."""
    calls = facts.counted.filter(pl.col("kind") == "call")
    habits = calls.group_by(QUEUE).agg(
        no_abandons=~pl.col("abandoned").any(),
        no_waits=(pl.col("wait").fill_null(0) == 0).all(),
    )
    logged = calls.select(
        *QUEUE, interval_start=(pl.col("at") // causes.QUARTER * causes.QUARTER).cast(INSTANT)
    )
    active = logged.select("source", "interval_start").unique().with_columns(active=pl.lit(True))
    unknown = facts.handled.filter(pl.col("talk").is_null()).select(
        *QUEUE,
        interval_start=(pl.col("end") // causes.QUARTER * causes.QUARTER).cast(INSTANT),
        untimed=pl.lit(True),
    )
    silent = (pl.col("entered_legs") == 0) & (pl.col("entered_vendor") > 0) & pl.col("active").is_null()
    declared = _declared(rows, facts, gap)
    rows = (
        rows.join(habits, on=QUEUE, how="left")
        .join(active, on=["source", "interval_start"], how="left")
        .join(declared, on=PLACE, how="left")
        .join(unknown.unique(), on=PLACE, how="left")
        .sort(PLACE)
        .with_columns(
            silent=(silent & pl.col("in_legs")).fill_null(False) | pl.col("declared").fill_null(False)
        )
    )
    gone = pl.col("silent").cast(pl.Int8).rolling_max(AFTER + 1, min_samples=1).over(QUEUE) > 0
    return rows.with_columns(gap_near=gone)


def _declared(rows: pl.DataFrame, facts: Logs, gap: Frame | None) -> pl.DataFrame:
    """List the intervals of queues in which their call log is known to have a gap."""
    gaps = inputs.check_spans(inputs.take(gap, "coverage"), "gap")
    logged = facts.handled.select(*QUEUE, "account").unique()
    end = pl.col("interval_start") + pl.duration(microseconds=causes.QUARTER)
    return (
        rows.select(PLACE)
        .join(logged, on=QUEUE)
        .join(gaps.rename({"source": "account"}), on="account")
        .filter(pl.col("start_at") < end, pl.col("end_at") > pl.col("interval_start"))
        .select(PLACE)
        .unique()
        .with_columns(declared=pl.lit(True))
    )


def _where(figure: str, left: pl.Expr, state_delay: timedelta) -> pl.Expr:
    """Return the local cause of the difference that is left in an interval; null if there is none."""
    more, counts = left > 0, pl.lit(figure != "handle")
    gave_up = pl.when("no_abandons").then("abandoned_vendor").otherwise(0)
    rest = left - gave_up
    # an opposite difference in a neighbouring interval: a call was only moved across the boundary
    moved = pl.any_horizontal(rest * rest.shift(by).over(QUEUE) < 0 for by in (1, -1))
    late = pl.col("legs") * to_microseconds(state_delay)
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
def _with_states(
    rows: pl.DataFrame, facts: Logs, fitted: Found, uncovered: pl.DataFrame | None, state_delay: timedelta
) -> pl.DataFrame:
    """Add states_residual, states_cause, states_compared (whether both accounts have it)."""
    if uncovered is None:
        blind = rows.select(PLACE).clear()
    else:
        hidden = facts.handled.join(uncovered, on=["account", "leg_id"], how="semi")
        blind = causes.booked(hidden, _habits(facts, fitted)).select(PLACE)
    rows = rows.join(blind.with_columns(blind=pl.lit(True)), on=PLACE, how="left").sort(PLACE)
    residual = pl.col("handle_states") - pl.col("handle_legs")
    talk_alone = residual - pl.when("wrap_known").then(0).otherwise("wrapup")
    late = pl.col("legs") * to_microseconds(state_delay)
    cause = (
        pl.when(~_differs("states", residual))
        .then(None)
        .when("blind")
        .then(pl.lit("not_watched"))
        .when(~_differs("states", talk_alone))
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
def _findings(rows: pl.DataFrame, facts: Logs, vendor: Told, fitted: Found) -> pl.DataFrame:
    """List per queue and figure how much each cause explains, and the numbers that show it."""
    parts = [_booking(rows, facts, vendor, fitted)]
    for figure in ACCOUNTS:
        grain = 1 if figure in causes.COUNTS else US_PER_SECOND
        parts.append(
            rows.filter(pl.col(f"{figure}_cause").is_not_null())
            .group_by(*QUEUE, cause=pl.col(f"{figure}_cause"))
            .agg(
                figure=pl.lit(figure),
                intervals=pl.len().cast(pl.Int64),
                amount=pl.col(f"{figure}_residual").abs().sum() / grain,
                net=pl.col(f"{figure}_residual").sum() / grain,
            )
        )
    columns = [*QUEUE, "figure", "cause", "intervals", "amount", "net"]
    listed = pl.concat([part.select(columns) for part in parts])
    models = fitted.models.select(
        *QUEUE,
        "booking",
        "shift",
        skew_s=in_seconds(pl.col("skew")),
        short_s=pl.col("short") // US_PER_SECOND,
        unit="unit",
    )
    return (
        listed.join(models, on=QUEUE, how="left")
        .with_columns(evidence=_evidence(), queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id"))
        .sort("amount", "source", "queue_id", "figure", "cause", descending=[True, *[False] * 4])
        .select(*QUEUE, "figure", "cause", "intervals", "amount", "evidence")
    )


def _booking(rows: pl.DataFrame, facts: Logs, vendor: Told, fitted: Found) -> pl.DataFrame:
    """Measure how much the accounts would differ if everything was booked to the interval of arrival."""
    by_arrival = fitted.models.with_columns(pl.lit(causes.PLAIN[name]).alias(name) for name in HABITS)
    plain = vendor.within(causes.predict(facts, by_arrival)).select(*PLACE, *causes.FIGURES)
    joined = rows.join(plain, on=PLACE, how="left").join(fitted.models.select(*QUEUE, "lost"), on=QUEUE)
    parts = []
    for figure, cause, habit, usual in (
        ("handle", "late_booking", "booking", "arrival"),
        ("abandoned", "late_abandons", "lost", "at"),
    ):
        theirs = pl.col(f"{figure}_vendor")
        off = (theirs - pl.col(figure).fill_null(0)).abs()
        parts.append(
            joined.filter(pl.col(habit) != usual)
            .with_columns(off=off)
            .filter(_differs(figure, pl.col("off")))
            .group_by(QUEUE)
            .agg(
                figure=pl.lit(figure),
                cause=pl.lit(cause),
                intervals=pl.len().cast(pl.Int64),
                amount=pl.col("off").sum() / (1 if figure in causes.COUNTS else US_PER_SECOND),
            )
            .with_columns(net=pl.lit(None, pl.Float64))
        )
    return pl.concat(parts)


def _evidence() -> pl.Expr:
    """Describe the numbers that show a cause."""
    cause = pl.col("cause")
    own = {
        "late_booking": worded(
            "booked by {}; by arrival, {} s are in other intervals", "booking", pl.col("amount").round(1)
        ),
        "late_abandons": worded(
            "booked when the caller gave up; by arrival, {} are in other intervals", "amount"
        ),
        "shifted_label": worded("labels are {} min later than the calls", pl.col("shift") * 15),
        "clock_skew": worded("the calls fit if their times are moved {} s later", "skew_s"),
        "short_abandons_not_counted": worded("abandoned calls of at most {} s are missing", "short_s"),
        "unit": worded("the vendor's seconds are {} times the calls'", pl.col("unit").round(6)),
    }
    net = worded("{} more than the calls, in all", pl.col("net").round(1))
    words = [pl.when(cause == name).then(text) for name, text in own.items()]
    return pl.coalesce(*words, net)


def _sums() -> list[pl.Expr]:
    """Build the sums of a group; a column that is null in every row stays null."""
    residuals = [f"{figure}_residual" for figure in ACCOUNTS]
    total = [
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
        for name in (*VALUES, *residuals)
    ]
    apart = [pl.col(name).abs().sum().alias(f"{name}_abs") for name in residuals]
    larger = [
        pl.max_horizontal(pair)
        .filter(pl.col(f"{figure}_residual").is_not_null())
        .sum()
        .alias(f"{figure}_larger")
        for figure, pair in ACCOUNTS.items()
    ]
    first, *others = (pl.col(f"{figure}_cause") for figure in ACCOUNTS)
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


def _columns() -> list[pl.Expr]:
    """Build the columns of the result: seconds for microseconds, agreements, causes."""
    shown: list[pl.Expr] = [pl.col("booking")]
    for figure in ("entered", "abandoned"):
        shown += [pl.col(f"{figure}_vendor"), pl.col(f"{figure}_legs"), pl.col(f"{figure}_residual")]
    for name in ("handle_vendor", "handle_legs", "handle_states", "handle_residual", "states_residual"):
        shown.append(in_seconds(pl.col(name)).alias(f"{name}_s"))
    for figure in ACCOUNTS:
        close = pl.col(f"{figure}_larger") - pl.col(f"{figure}_residual_abs")
        shown.append(divide(close.clip(0), f"{figure}_larger").alias(f"{figure}_agreement"))
    return [*shown, pl.col("causes")]
