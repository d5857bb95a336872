"""Hold a vendor's buckets, the call log and the state log against each other, and name what keeps them apart.

::

    interval   vendor's handle time   calls, booked as the vendor does   states of their agents   why they differ
    09:00                   1,200 s                            1,200 s                  1,200 s
    09:15                     900 s                              300 s                    900 s   missing_legs

Calls are counted as `wfm.engine.volume` counts them, and booked as the vendor is found to book: that is a habit and no
difference. Every other difference of a figure gets the cause that takes most of it away, or not_explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine import accounts, causes, inputs, volume
from wfm.engine.accounts import NO_QUEUE, Logs
from wfm.engine.causes import HABITS, Found, Told
from wfm.engine.inputs import Frame
from wfm.engine.units import SECOND, in_seconds
from wfm.engine.volume import PLACE, QUEUE
from wfm.errors import UsageError
from wfm.words import worded

BY: Final = ("source", "queue_id", "interval_start", "day", "week")
"""What accounts can be grouped by; a day is local, a week is named by its Monday."""

GRAIN_S: Final = 1
"""Two accounts of a handle time agree if they differ by at most so much per call: instants are told in seconds."""

MOSTLY: Final = 0.8
"""A cause that takes away so much of a difference is the likely one, even if something is left."""

AFTER: Final = 4
"""For so many intervals after a gap in the call log, handle time of calls that began in it may be missing."""

ACCOUNTS: Final = {
    "entered": ("entered_vendor", "entered_legs"),
    "abandoned": ("abandoned_vendor", "abandoned_legs"),
    "handle": ("handle_vendor", "handle_legs"),
    "states": ("handle_legs", "handle_states"),
}
"""Figure → the two accounts of it; the residual is the vendor's, or the states', minus that of the legs."""

VALUES: Final = tuple(dict.fromkeys(name for pair in ACCOUNTS.values() for name in pair))


@dataclass(frozen=True)
class Reconciliation:
    """The accounts of a window side by side; every view comes from the same rows.

    findings: source queue_id figure cause intervals amount evidence, the largest amount first. ``amount`` is how much
        of the figure (calls, or seconds) the cause keeps apart, ``figure`` one of `ACCOUNTS`.
    """

    findings: pl.DataFrame
    _rows: pl.DataFrame

    def of(self, queues: Sequence[str]) -> Reconciliation:
        """Keep these queues."""
        mine = pl.col("queue_id").is_in(list(queues))
        return Reconciliation(self.findings.filter(mine), self._rows.filter(mine))

    def by(self, names: Sequence[str] = ("source", "queue_id", "interval_start")) -> pl.DataFrame:
        """Add the accounts up by any of `BY`; none: everything together.

        Returns:
            ``names``, booking (as the vendor is found to book; several: mixed), entered_vendor entered_legs
            entered_residual abandoned_vendor abandoned_legs abandoned_residual (calls), handle_vendor_s handle_legs_s
            handle_states_s handle_residual_s (vendor − legs) states_residual_s (states − legs), entered_agreement
            abandoned_agreement handle_agreement states_agreement (0..1: 1 − Σ|difference| / Σ larger, over intervals
            of a queue that both accounts know; 0/0 is null), causes (of all differences).
            An account that a queue does not have is null, and what it would be compared with has no residual.

        Raises:
            UsageError: a name is none of `BY`.
        """
        groups = [names] if isinstance(names, str) else list(names)
        for name in groups:
            if name not in BY:
                raise UsageError(f"Cannot group by {name!r}; choose from: {', '.join(BY)}.")
        rows = self._rows.with_columns(everything=0)
        summed = rows.group_by([*groups, "everything"]).agg(_sums())
        return summed.select(*groups, *_columns()).sort(groups or "booking", nulls_last=True)

    def headline(self) -> pl.DataFrame:
        """Say in one row how far everything agrees.

        Returns:
            figures: how many figures two accounts tell of (entered, abandoned, handle time by vendor and legs, handle
            time by states and legs; of an interval of a queue; where both are 0 there is nothing to tell); agree;
            explained: of the others, those with a cause; agreement: agree / figures; accounted: (agree + explained) /
            figures; and the four agreements of `by`.
        """
        told = pl.sum_horizontal(pl.col(f"{name}_told") for name in ACCOUNTS).sum()
        apart = pl.sum_horizontal(pl.col(f"{name}_cause").is_not_null() for name in ACCOUNTS).sum()
        unknown = pl.sum_horizontal(
            (pl.col(f"{name}_cause") == "not_explained").fill_null(False) for name in ACCOUNTS
        )
        counts = self._rows.select(
            figures=told.cast(pl.Int64),
            agree=(told.cast(pl.Int64) - apart.cast(pl.Int64)),
            explained=(apart.cast(pl.Int64) - unknown.sum().cast(pl.Int64)),
        ).with_columns(
            agreement=_share("agree", "figures"),
            accounted=_share(pl.col("agree") + pl.col("explained"), "figures"),
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
    who answered them, while it was about that call (`wfm.engine.accounts`). All three are booked alike.

    Args:
        window: two instants on quarters of an hour.
        call_leg: as for `volume.intervals`; also calls a few hours around the window, as handle time is booked late
            and labels may be off. Calls without a queue are compared with states under an empty queue_id.
        interval_volume: the vendor's buckets.
        state: as from `Score.slices`, around the window, too; None: states are not compared.
        login: source login agent_id [from_at to_at].
        gap: source start_at end_at: where a call log is known to be missing.
        timezone: of days and weeks.
        state_delay: by how much states are told late at most.

    Raises:
        InputError, UsageError: a frame, the window or the zone is not what it should be.
    """
    inputs.zone(timezone, "timezone")
    start, end = (at.astimezone(UTC) for at in window)
    told = Told(_told(interval_volume, start, end), start, end)
    logs = accounts.logs(call_leg, interval_volume, state, login)
    found = causes.search(logs, told)
    dark = None if state is None else accounts.unseen(state, call_leg, login)
    rows = _with_causes(_side_by_side(logs, told, found), logs, told, found, gap, state_delay)
    rows = _with_states(rows, logs, found, dark, state_delay)
    findings = _findings(rows, logs, told, found)
    spoken = rows.with_columns(queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id"))
    local = pl.col("interval_start").dt.convert_time_zone(timezone).dt.date()
    days = spoken.with_columns(day=local).with_columns(week=pl.col("day").dt.truncate("1w"))
    return Reconciliation(findings, days)


def _told(interval_volume: Frame | None, start: datetime, end: datetime) -> pl.DataFrame:
    at = pl.col("interval_start")
    return (
        volume.buckets(interval_volume)
        .filter(at >= start, at < end)
        .select(
            *PLACE,
            "entered",
            "abandoned",
            handle=(pl.col("sum_handle_time_s") * SECOND).round().cast(pl.Int64),
        )
    )


# --- three accounts, booked alike -------------------------------------------------------------------------
def _habits(logs: Logs, found: Found) -> pl.DataFrame:
    """Give every queue of the log a model that only books as the vendor does."""
    queues = pl.concat([logs.counted.select(QUEUE), logs.handled.select(QUEUE)]).unique()
    habits = found.models.select(*QUEUE, *HABITS)
    models = causes.plain(queues).drop(HABITS).join(habits, on=QUEUE, how="left", maintain_order="left")
    filled = models.with_columns(pl.col(name).fill_null(causes.PLAIN[name]) for name in HABITS)
    return filled.select(list(causes.MODEL))


def _side_by_side(logs: Logs, told: Told, found: Found) -> pl.DataFrame:
    """Put the accounts beside each other, null where a queue has none; ``bucket`` says that the vendor spoke."""
    models = _habits(logs, found)
    ours = told.within(causes.predict(logs, models))
    states = told.within(
        causes.booked(logs.handled.filter(pl.col("busy").is_not_null()), models, "busy", "wrapup")
    )
    wraps = told.within(
        causes.booked(logs.handled.with_columns(none=pl.lit(0, pl.Int64)), models, "none", "wrapup")
    )
    rows = pl.concat([part.select(PLACE) for part in (told.rows, ours, states)]).unique()
    rows = rows.join(told.rows.rename({n: f"{n}_vendor" for n in causes.FIGURES}), on=PLACE, how="left")
    rows = rows.join(ours.rename({n: f"{n}_legs" for n in causes.FIGURES}), on=PLACE, how="left")
    rows = rows.join(states.select(*PLACE, handle_states="handle"), on=PLACE, how="left")
    rows = rows.join(wraps.select(*PLACE, wrapup="handle"), on=PLACE, how="left")
    has = pl.concat([logs.counted.select(QUEUE), logs.handled.select(QUEUE)]).unique()
    seen = logs.handled.group_by(QUEUE).agg(
        in_states=pl.col("busy").is_not_null().any(), wrap_known=pl.col("wrap").is_not_null().any()
    )
    rows = (
        rows.with_columns(bucket=pl.col("entered_vendor").is_not_null())
        .join(told.rows.select(QUEUE).unique().with_columns(in_vendor=pl.lit(True)), on=QUEUE, how="left")
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
    calls = pl.max_horizontal("entered_vendor", "entered_legs", "legs", 1)
    return calls * GRAIN_S * SECOND


def _differs(figure: str, residual: pl.Expr) -> pl.Expr:
    least = pl.lit(0) if figure in ("entered", "abandoned") else _tolerance()
    return (residual.abs() > least).fill_null(False)


# --- why the vendor's and the legs' differ ----------------------------------------------------------------
def _with_causes(
    rows: pl.DataFrame, logs: Logs, told: Told, found: Found, gap: Frame | None, state_delay: timedelta
) -> pl.DataFrame:
    """Add per figure of vendor and legs: residual, cause, told (whether both know it)."""
    traced, steps = _trace(rows, logs, told, found)
    placed = (
        _local(traced, logs, gap).join(found.models.select(*QUEUE, "wrap"), on=QUEUE, how="left").sort(PLACE)
    )
    for figure in causes.FIGURES:
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
        placed = placed.with_columns(
            first.alias(f"{figure}_residual"),
            cause.alias(f"{figure}_cause"),
            (both & first.is_not_null()).fill_null(False).alias(f"{figure}_told"),
        )
    return placed


def _by_model(figure: str, steps: int) -> pl.Expr:
    """Name the change that takes away most of a difference; null if none takes any."""
    off = [(pl.col(f"{figure}_vendor") - pl.col(f"{figure}_{n}")).abs() for n in range(steps + 1)]
    removed = [before - after for before, after in pairwise(off)]
    most = pl.max_horizontal(pl.lit(0), *removed)
    words = [
        pl.when((part == most) & (most > 0)).then(f"cause_{n}").otherwise(None)
        for n, part in enumerate(removed)
    ]
    return pl.coalesce(*words, pl.lit(None, pl.String))


def _trace(rows: pl.DataFrame, logs: Logs, told: Told, found: Found) -> tuple[pl.DataFrame, int]:
    """Add what the legs predict after each change: <figure>_0 … <figure>_n and cause_0 … cause_(n−1); also n."""
    numbered = found.steps.filter(~pl.col("cause").is_in(["late_booking", "late_abandons"])).with_columns(
        turn=pl.int_range(pl.len()).over(QUEUE)
    )
    models = _habits(logs, found)
    rows = rows.with_columns(pl.col(f"{name}_legs").alias(f"{name}_0") for name in causes.FIGURES)
    turns = numbered["turn"].n_unique()
    for turn in range(turns):
        now = numbered.filter(pl.col("turn") == turn)
        changed = now.drop(HABITS).join(models.select(*QUEUE, *HABITS), on=QUEUE).select(list(causes.MODEL))
        models = pl.concat([models.join(changed, on=QUEUE, how="anti"), changed])
        predicted = told.within(causes.predict(logs, models)).rename(
            {name: f"{name}_{turn + 1}" for name in causes.FIGURES}
        )
        rows = (
            rows.join(predicted.drop("legs"), on=PLACE, how="left")
            .join(now.select(*QUEUE, pl.col("cause").alias(f"cause_{turn}")), on=QUEUE, how="left")
            .with_columns(pl.col(f"{name}_{turn + 1}").fill_null(0) for name in causes.FIGURES)
        )
    return rows, turns


def _local(rows: pl.DataFrame, logs: Logs, gap: Frame | None) -> pl.DataFrame:
    """Add what can explain a difference in one interval: silent, declared, gap_near, no_abandons, no_waits, untimed."""
    calls = logs.counted.filter(pl.col("kind") == "call")
    habits = calls.group_by(QUEUE).agg(
        no_abandons=~pl.col("abandoned").any(),
        no_waits=(pl.col("wait").fill_null(0) == 0).all(),
    )
    heard = calls.select(
        *QUEUE, interval_start=(pl.col("at") // causes.QUARTER * causes.QUARTER).cast(INSTANT)
    )
    speaks = heard.select("source", "interval_start").unique().with_columns(speaks=pl.lit(True))
    unknown = logs.handled.filter(pl.col("talk").is_null()).select(
        *QUEUE,
        interval_start=(pl.col("end") // causes.QUARTER * causes.QUARTER).cast(INSTANT),
        untimed=pl.lit(True),
    )
    silent = (pl.col("entered_legs") == 0) & (pl.col("entered_vendor") > 0) & pl.col("speaks").is_null()
    declared = _declared(rows, logs, gap)
    rows = (
        rows.join(habits, on=QUEUE, how="left")
        .join(speaks, on=["source", "interval_start"], how="left")
        .join(declared, on=PLACE, how="left")
        .join(unknown.unique(), on=PLACE, how="left")
        .sort(PLACE)
        .with_columns(
            silent=(silent & pl.col("in_legs")).fill_null(False) | pl.col("declared").fill_null(False)
        )
    )
    gone = pl.col("silent").cast(pl.Int8).rolling_max(AFTER + 1, min_samples=1).over(QUEUE) > 0
    return rows.with_columns(gap_near=gone)


def _declared(rows: pl.DataFrame, logs: Logs, gap: Frame | None) -> pl.DataFrame:
    """List the intervals of queues whose calls' log is known to be missing there."""
    gaps = inputs.check_spans(inputs.take(gap, "coverage"), "gap")
    logged = logs.handled.select(*QUEUE, "account").unique()
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
    """Name what explains the difference that is left in an interval; null if nothing does."""
    more, counts = left > 0, pl.lit(figure != "handle")
    gave_up = pl.when("no_abandons").then("abandoned_vendor").otherwise(0)
    rest = left - gave_up
    moved = pl.any_horizontal(rest * rest.shift(by).over(QUEUE) < 0 for by in (1, -1))
    late = pl.col("legs") * (state_delay // timedelta(microseconds=1))
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
    rows: pl.DataFrame, logs: Logs, found: Found, dark: pl.DataFrame | None, state_delay: timedelta
) -> pl.DataFrame:
    """Add states_residual, states_cause, states_told."""
    if dark is None:
        blind = rows.select(PLACE).clear()
    else:
        hidden = logs.handled.join(dark, on=["account", "leg_id"], how="semi")
        blind = causes.booked(hidden, _habits(logs, found)).select(PLACE)
    rows = rows.join(blind.with_columns(blind=pl.lit(True)), on=PLACE, how="left").sort(PLACE)
    residual = pl.col("handle_states") - pl.col("handle_legs")
    talk_alone = residual - pl.when("wrap_known").then(0).otherwise("wrapup")
    late = pl.col("legs") * (state_delay // timedelta(microseconds=1))
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
        states_told=(both & residual.is_not_null()).fill_null(False),
    )


# --- what was found, and sums -----------------------------------------------------------------------------
def _findings(rows: pl.DataFrame, logs: Logs, told: Told, found: Found) -> pl.DataFrame:
    """Say per queue and figure how much each cause keeps apart, and by what numbers it is known."""
    parts = [_booking(rows, logs, told, found)]
    for figure in ACCOUNTS:
        grain = 1 if figure in causes.COUNTS else SECOND
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
    known = found.models.select(
        *QUEUE,
        "booking",
        "shift",
        skew_s=in_seconds(pl.col("skew")),
        short_s=pl.col("short") // SECOND,
        unit="unit",
    )
    return (
        listed.join(known, on=QUEUE, how="left")
        .with_columns(evidence=_evidence(), queue_id=pl.when(pl.col("queue_id") != NO_QUEUE).then("queue_id"))
        .sort("amount", "source", "queue_id", "figure", "cause", descending=[True, *[False] * 4])
        .select(*QUEUE, "figure", "cause", "intervals", "amount", "evidence")
    )


def _booking(rows: pl.DataFrame, logs: Logs, told: Told, found: Found) -> pl.DataFrame:
    """Say how much further apart the accounts would be if everything was booked where calls came in."""
    by_arrival = found.models.with_columns(pl.lit(causes.PLAIN[name]).alias(name) for name in HABITS)
    plain = told.within(causes.predict(logs, by_arrival)).select(*PLACE, *causes.FIGURES)
    joined = rows.join(plain, on=PLACE, how="left").join(found.models.select(*QUEUE, "lost"), on=QUEUE)
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
                amount=pl.col("off").sum() / (1 if figure in causes.COUNTS else SECOND),
            )
            .with_columns(net=pl.lit(None, pl.Float64))
        )
    return pl.concat(parts)


def _evidence() -> pl.Expr:
    """Say by what numbers a cause is known."""
    cause = pl.col("cause")
    own = {
        "late_booking": worded(
            "booked by {}; by arrival {} s are elsewhere", "booking", pl.col("amount").round(1)
        ),
        "late_abandons": worded("booked when they gave up; {} by arrival are elsewhere", "amount"),
        "shifted_label": worded("labels are {} min later than the calls", pl.col("shift") * 15),
        "clock_skew": worded("the calls fit if told {} s later", "skew_s"),
        "short_abandons_not_counted": worded("abandoned calls of at most {} s are missing", "short_s"),
        "unit": worded("the vendor's seconds are {} times the calls'", pl.col("unit").round(6)),
    }
    net = worded("{} more than the calls, over all", pl.col("net").round(1))
    words = [pl.when(cause == name).then(text) for name, text in own.items()]
    return pl.coalesce(*words, net)


def _share(part: str | pl.Expr, whole: str | pl.Expr) -> pl.Expr:
    top, base = (pl.col(side) if isinstance(side, str) else side for side in (part, whole))
    return pl.when(base > 0).then(top / base)


def _sums() -> list[pl.Expr]:
    """Add up; what no row knows stays null."""
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
    """Order the answer: seconds for microseconds, agreements, causes."""
    shown: list[pl.Expr] = [pl.col("booking")]
    for figure in ("entered", "abandoned"):
        shown += [pl.col(f"{figure}_vendor"), pl.col(f"{figure}_legs"), pl.col(f"{figure}_residual")]
    for name in ("handle_vendor", "handle_legs", "handle_states", "handle_residual", "states_residual"):
        shown.append(in_seconds(pl.col(name)).alias(f"{name}_s"))
    for figure in ACCOUNTS:
        close = pl.col(f"{figure}_larger") - pl.col(f"{figure}_residual_abs")
        shown.append(_share(close.clip(0), f"{figure}_larger").alias(f"{figure}_agreement"))
    return [*shown, pl.col("causes")]
