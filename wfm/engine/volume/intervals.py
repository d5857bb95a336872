"""Measure volume, handle time, abandonment, service level and occupancy per queue and 15-minute interval.

Numbers come from the vendor's own buckets or from the call log, and ``origin`` says which. Where a queue has
both, the vendor's are used and the call log adds what buckets lack::

    queue     buckets  call log    entered handled abandoned aht    service level, waits
    sales     yes      yes         vendor                           calls
    support   yes      no          vendor                           null
    billing   no       yes         calls                            calls

That is decided once per source and queue over all the data, so that no series changes its meaning half-way. A queue_id
of which one source has buckets and others only a call log is one queue: the calls belong to those buckets alone.
Every interval carries the sums that its ratios are made of: to add intervals up, sum those first, then divide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from wfm.core.errors import InputError
from wfm.core.time import INSTANT, US_PER_SECOND, to_instant
from wfm.engine.inputs import frames
from wfm.engine.inputs.frames import Frame, Window
from wfm.engine.time.codes import fold_vendor_text
from wfm.engine.time.units import us_to_seconds
from wfm.engine.volume.call_linking import link_legs
from wfm.engine.volume.keys import INTERVAL_KEY, QUEUE_KEY
from wfm.engine.volume.occupancy import STAFFING_DTYPES, list_serving_agents, read_queue_zones, sum_staffing
from wfm.engine.volume.service_level import SERVICE_LEVEL_VARIANTS, ServiceLevel, divide_or_null

MAX_DURATION_S: Final = 1e9
"""A duration longer than this, negative or not a number is impossible."""

ABANDONED_OUTCOMES: Final = ("abandoned", "callercancelled")
"""Folded outcomes by which the caller ended an unanswered call."""

REDIRECTED_OUTCOME: Final = "redirected"
"""The folded outcome of an agent's leg whose call went on to somebody else."""

IS_IN_QUEUE_LOG: Final = (pl.col("login") == pl.col("queue_id")).fill_null(False)
"""Whether a leg is in the log of the queue itself: one leg per call, whoever answered it."""

COUNT_COLUMNS: Final = (
    "entered",
    "handled",
    "abandoned",
    "handle_unknown",
    "calls",
    "calls_answered",
    "calls_abandoned",
    "answered_within",
    "abandoned_within",
    "abandoned_short",
)
CALL_LOG_COLUMNS: Final = (*COUNT_COLUMNS[4:], "wait_s")
"""The columns that only a call log can fill."""

INTERVAL_DTYPES: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "queue_id": pl.String(),
    "interval_start": INSTANT,
    "entered": pl.Int64(),
    "handled": pl.Int64(),
    "abandoned": pl.Int64(),
    "sum_handle_time_s": pl.Float64(),
    "handle_unknown": pl.Int64(),
    "aht_s": pl.Float64(),
    "abandonment": pl.Float64(),
    "origin": pl.String(),
    "calls": pl.Int64(),
    "calls_answered": pl.Int64(),
    "calls_abandoned": pl.Int64(),
    "answered_within": pl.Int64(),
    "abandoned_within": pl.Int64(),
    "abandoned_short": pl.Int64(),
    "wait_s": pl.Float64(),
    "asa_s": pl.Float64(),
    "service_level": pl.Float64(),
    "service_level_variant": pl.String(),
    "service_level_target_s": pl.Float64(),
    "service_level_origin": pl.String(),
    "handling_s": pl.Float64(),
    "staffed_s": pl.Float64(),
    "occupancy": pl.Float64(),
}
"""Columns of `measure_intervals`; its docstring describes each."""


def measure_intervals(
    *,
    call_leg: Frame | None = None,
    interval_volume: Frame | None = None,
    state: Frame | None = None,
    login: Frame | None = None,
    queue: Frame | None = None,
    window: Window | None = None,
    service_level: ServiceLevel | None = None,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """Measure every queue in every 15 minutes in which it had a call or staff.

    A call enters a queue once, however many agents it was offered to: the legs of one ``call_id`` in one
    queue are one call, booked with all its seconds on the interval of its earliest ``started_at``. Legs without
    a call_id, and calls of several phone systems, are one call if they have the same caller at the same time
    (`wfm.engine.volume.call_linking`); it counts for the system that logged it first. Only legs with a queue count
    that are incoming (``direction`` in, unknown or empty); of two with one leg_id the later row counts; a call without
    any instant is left out.

    Legs without a call_id do not say which of them are one call. So where a queue has a log of its own (legs whose
    ``login`` is the queue), each leg of that log is one call, and the agents' legs of that time are parts of those; and
    an agent's leg that was redirected is no call of its own, as the call goes on in another leg.

    - Answered: a leg has ``answered_at``, or outcome answered. An answer before the start waited 0 s.
    - Abandoned: not answered, and the caller ended it (outcome abandoned or caller_cancelled).
    - Any other outcome (voicemail, overflow, busy, no_answer, still waiting …): entered, neither of the two.
    - Handle time: ``talk_s`` (else answered to ended) + ``wrap_s`` of the answered legs.

    Args:
        call_leg: [source] leg_id queue_id started_at [call_id login direction answered_at ended_at …].
        interval_volume: [source] queue_id interval_start entered abandoned sum_handle_time_s.
        state: agent_id start_at end_at state, disjoint per agent, as `Score.slices` gives.
        login: [source] login agent_id [from_at to_at]; a login with no row is its own agent_id.
        queue: [source] queue_id [timezone]: the zone whose local day decides which agents staffed the queue.
        window: two dates (days of ``timezone``) or two instants; intervals that start in it. None: all.
        service_level: its definition; None: `ServiceLevel()`.
        timezone: zone of dates and of queues without one.

    Returns:
        One row per source, queue_id, interval_start, in that order:

        entered handled abandoned: calls; handled is entered − abandoned (at least 0) in a vendor's bucket.
        sum_handle_time_s: seconds. handle_unknown: handled calls whose seconds are unknown or impossible, and
        not in that sum. aht_s: sum_handle_time_s / (handled − handle_unknown). abandonment: abandoned /
        entered. origin: vendor or calls, for everything up to here.

        calls calls_answered calls_abandoned: the same counts by the call log, without calls that were
        answered or abandoned at an unknown instant. answered_within abandoned_within: of these, within the
        target. abandoned_short: within ``short_abandon_s``. wait_s: what answered calls waited. asa_s:
        wait_s / calls_answered. service_level service_level_variant service_level_target_s: see
        `SERVICE_LEVEL_VARIANTS`. service_level_origin: calls. Without a call log of the queue everything in
        this paragraph is null, except the variant and its target.

        handling_s staffed_s occupancy: seconds handling; handling or waiting; their ratio; of the agents who
        answered a call of the queue on that local day. An agent who answered for three queues counts in full
        for each, so these are not to be summed over queues. Null without states.

        Ratios are 0..1 and null for 0/0.

    Raises:
        InputError: a frame does not have what its table needs, or a vendor's bucket is impossible.
        UsageError: the window or a zone is not valid.
    """
    level = service_level or ServiceLevel()
    frames.check_zone_name(timezone, "timezone")
    bounds = _resolve_window(window, timezone)
    vendor = read_vendor_buckets(interval_volume)
    legs = _assign_counting_source(_select_queue_legs(frames.read_frame(call_leg, "call_leg")), vendor)
    counted = _select_window(_count_calls(merge_legs_into_calls(_drop_duplicate_legs(legs)), level), bounds)
    # all legs, not only those of the window: one answered call makes an agent staff the queue for a whole local day
    served = list_serving_agents(legs, frames.read_frame(login, "login"), read_queue_zones(queue), timezone)
    staffed = None if state is None else _select_window(sum_staffing(served, state), bounds)
    joined = _join_sources(counted, _select_window(vendor, bounds), staffed).with_columns(
        service_level_variant=pl.lit(level.variant), service_level_target_s=pl.lit(float(level.target_s))
    )
    return (
        _add_ratios(joined)
        .select(pl.col(name).cast(dtype) for name, dtype in INTERVAL_DTYPES.items())
        .sort(INTERVAL_KEY)
    )


def select_counted_legs(call_leg: Frame | None, interval_volume: Frame | None) -> pl.DataFrame:
    """Select the legs that `measure_intervals` counts.

    Args:
        call_leg, interval_volume: as for `measure_intervals`.

    Returns:
        The columns of call_leg, of which ``source`` is the one that counts the queue; account (the source that logged
        the leg), call (equal within a call), answer (an instant), answered, gave_up (the caller ended it), moved (the
        call went on in another leg), handle_us (µs; null if not known), untimed (it is null).

    Raises:
        InputError: a frame does not have what its table needs, or a vendor's bucket is impossible.
    """
    legs = _select_queue_legs(frames.read_frame(call_leg, "call_leg"))
    legs = _drop_duplicate_legs(_assign_counting_source(legs, read_vendor_buckets(interval_volume)))
    return legs.filter(~pl.col("elsewhere"))


def _resolve_window(window: Window | None, timezone: str) -> tuple[datetime, datetime] | None:
    """Convert a window of dates to instants."""
    checked = frames.check_window(window)
    if checked is None:
        return None
    start, end = checked
    return to_instant(start, timezone), to_instant(end, timezone)


def _select_window(rows: pl.DataFrame, bounds: tuple[datetime, datetime] | None) -> pl.DataFrame:
    if bounds is None:
        return rows
    low, high = (at.astimezone(UTC) for at in bounds)
    return rows.filter(pl.col("interval_start") >= low, pl.col("interval_start") < high)


def _to_microseconds(seconds: pl.Expr) -> pl.Expr:
    """Convert seconds to whole microseconds, so that sums are exact; null if impossible."""
    return (
        (pl.when(seconds.is_between(0, MAX_DURATION_S)).then(seconds) * US_PER_SECOND).round().cast(pl.Int64)
    )


def _select_queue_legs(call_leg: pl.DataFrame) -> pl.DataFrame:
    """Select the legs that came in through a queue, and add how each ended: see `select_counted_legs`."""
    outcome, started = fold_vendor_text(pl.col("outcome")), pl.col("started_at")
    incoming = pl.col("direction").str.to_lowercase().is_in(["in", "unknown"]).fill_null(True)
    answered = pl.col("answered_at").is_not_null() | (outcome == "answered").fill_null(False)
    # without an instant of answer, the start and the ringing time give it
    rang = started + pl.duration(microseconds=_to_microseconds(pl.col("ring_s")))
    answer = pl.when(answered).then(pl.coalesce("answered_at", rang))
    talked = (pl.col("ended_at") - answer).dt.total_microseconds()
    talk = pl.coalesce(_to_microseconds(pl.col("talk_s")), pl.when(talked >= 0).then(talked))
    # no wrap-up in the log counts as none, but an impossible one makes the whole handle time unknown
    wrap = pl.when(pl.col("wrap_s").is_null()).then(0).otherwise(_to_microseconds(pl.col("wrap_s")))
    queued = call_leg.unique(["source", "leg_id"], keep="last", maintain_order=True).filter(
        incoming, pl.col("queue_id").is_not_null()
    )
    return (
        link_legs(queued)
        .with_columns(
            answer=answer,
            answered=answered,
            gave_up=outcome.is_in(ABANDONED_OUTCOMES).fill_null(False),
            moved=(outcome == REDIRECTED_OUTCOME).fill_null(False)
            & pl.col("call_id").is_null()
            & ~answered
            & ~IS_IN_QUEUE_LOG,
            handle_us=pl.when(answered).then(talk + wrap).otherwise(0),
        )
        .with_columns(untimed=pl.col("handle_us").is_null())
    )


def _drop_duplicate_legs(legs: pl.DataFrame) -> pl.DataFrame:
    """Drop agents' legs of calls that are in their queue's own log, in the time that the log covers."""
    at = pl.coalesce("started_at", "answer", "ended_at")
    log = (
        legs.filter(IS_IN_QUEUE_LOG)
        .group_by(QUEUE_KEY)
        .agg(log_from=at.min(), log_to=pl.max_horizontal(at, "ended_at").max())
    )
    if log.is_empty():
        return legs
    # outside the time that the queue's log covers, the agents' legs are all there is
    is_part = pl.col("call_id").is_null() & ~IS_IN_QUEUE_LOG & at.is_between("log_from", "log_to")
    return legs.join(log, on=QUEUE_KEY, how="left", maintain_order="left").filter(~is_part.fill_null(False))


def _assign_counting_source(legs: pl.DataFrame, vendor: pl.DataFrame) -> pl.DataFrame:
    """Assign calls to the one phone system that counts their queue; ``account`` is the one that logged them."""
    counted = vendor.select(QUEUE_KEY).unique()
    # where several sources have buckets of a queue, nothing says which of them counts a call that a third one logged
    only = (
        counted.group_by("queue_id")
        .agg(home=pl.col("source").first(), many=pl.len())
        .filter(pl.col("many") == 1)
    )
    own = counted.with_columns(own=pl.lit(True))
    return (
        legs.join(only.select("queue_id", "home"), on="queue_id", how="left", maintain_order="left")
        .join(own, on=QUEUE_KEY, how="left", maintain_order="left")
        .with_columns(
            account="source",
            source=pl.coalesce(pl.when(pl.col("own").is_null()).then("home"), "source"),
        )
        .drop("home", "own")
    )


def merge_legs_into_calls(legs: pl.DataFrame) -> pl.DataFrame:
    """Merge the legs of each call in each queue; wait_us is null where an instant is unknown.

    Returns:
        source queue_id call arrival answer ended_at answered abandoned wait_us handle_us …
    """
    calls = (
        legs.filter(~pl.col("elsewhere"))
        .group_by([*QUEUE_KEY, "call"])
        .agg(
            pl.col("started_at", "answer").min(),
            pl.col("ended_at").max(),
            pl.col("answered", "gave_up", "untimed").any(),
            pl.col("handle_us").sum(),
            pl.col("moved").all(),
        )
        .filter(~pl.col("moved"))
    )
    end = pl.when("answered").then("answer").otherwise("ended_at")
    # an instant missing in one leg may be in another: arrival is only null if no leg has any
    calls = calls.with_columns(
        arrival=pl.coalesce("started_at", "answer", "ended_at"),
        abandoned=~pl.col("answered") & pl.col("gave_up"),
        handle_us=pl.when(~pl.col("untimed")).then("handle_us"),
        wait_us=(end - pl.col("started_at")).dt.total_microseconds().clip(0),
    )
    return calls.filter(pl.col("arrival").is_not_null())


def _count_calls(calls: pl.DataFrame, level: ServiceLevel) -> pl.DataFrame:
    """Count calls per interval of their arrival: `COUNT_COLUMNS`, sum_handle_time_s, wait_s."""
    answered, abandoned, wait = pl.col("answered"), pl.col("abandoned"), pl.col("wait_us")
    # a call that was neither answered nor abandoned counts in every denominator, whatever it waited
    timed = wait.is_not_null() | ~(answered | abandoned)
    within, short = (wait <= round(s * US_PER_SECOND) for s in (level.target_s, level.short_abandon_s))
    counts = {
        "entered": pl.lit(True),
        "handled": answered,
        "abandoned": abandoned,
        "handle_unknown": pl.col("untimed"),
        "calls": timed,
        "calls_answered": timed & answered,
        "calls_abandoned": timed & abandoned,
        "answered_within": answered & within,
        "abandoned_within": abandoned & within,
        "abandoned_short": abandoned & short,
    }
    return (
        calls.with_columns(interval_start=pl.col("arrival").dt.truncate("15m"), waited=wait * answered)
        .with_columns(**counts)
        .group_by(INTERVAL_KEY)
        .agg(
            pl.col(COUNT_COLUMNS).sum(),
            sum_handle_time_s=us_to_seconds(pl.col("handle_us").sum()),
            wait_s=us_to_seconds(pl.col("waited").sum()),
        )
    )


def read_vendor_buckets(interval_volume: Frame | None) -> pl.DataFrame:
    """Read and check the vendors' buckets; of two rows about one interval the later one counts.

    Raises:
        InputError: a bucket is impossible.
    """
    buckets = frames.read_frame(interval_volume, "interval_volume")
    start = pl.col("interval_start")
    is_possible = pl.all_horizontal(
        start.dt.truncate("15m") == start,
        pl.col("entered", "abandoned") >= 0,
        pl.col("sum_handle_time_s").is_between(0, MAX_DURATION_S),
    )
    impossible = buckets.with_row_index("row").filter(~is_possible)
    if impossible.height:
        first = impossible.row(0, named=True)
        raise InputError(
            f"interval_volume: {impossible.height} impossible row(s), first row {first['row']}: queue "
            f"{first['queue_id']} at {first['interval_start'].isoformat()} with {first['entered']} entered, "
            f"{first['abandoned']} abandoned, {first['sum_handle_time_s']} s; a bucket starts on a "
            "quarter of an hour and counts from 0."
        )
    return buckets.unique(INTERVAL_KEY, keep="last").select(
        *INTERVAL_KEY,
        "entered",
        "abandoned",
        "sum_handle_time_s",
        handled=(pl.col("entered") - pl.col("abandoned")).clip(0),
        handle_unknown=pl.lit(0, pl.Int64),
    )


def _join_sources(counted: pl.DataFrame, vendor: pl.DataFrame, staffed: pl.DataFrame | None) -> pl.DataFrame:
    """Join the three sources of each interval; queue by queue the vendor's buckets go before the call log."""
    staff = pl.DataFrame(schema=STAFFING_DTYPES) if staffed is None else staffed
    # an interval with staff but without any call has a row, too
    rows = pl.concat([part.select(INTERVAL_KEY) for part in (counted, vendor, staff)]).unique()
    rows = rows.join(counted, on=INTERVAL_KEY, how="left").join(
        vendor, on=INTERVAL_KEY, how="left", suffix="_vendor"
    )
    rows = rows.join(staff, on=INTERVAL_KEY, how="left")
    rows = rows.join(_flag_queues("vendor", vendor), on=QUEUE_KEY, how="left")
    rows = rows.join(_flag_queues("log", counted, staff), on=QUEUE_KEY, how="left")
    # a queue without any call in an interval has 0 calls there, but a queue without a call log has null
    own = (name for name in vendor.columns if name not in INTERVAL_KEY)
    logged = CALL_LOG_COLUMNS if staffed is None else (*CALL_LOG_COLUMNS, "handling_s", "staffed_s")
    return rows.with_columns(
        *(pl.when("vendor").then(f"{name}_vendor").otherwise(name).fill_null(0).alias(name) for name in own),
        *(pl.when("log").then(pl.col(name).fill_null(0)) for name in logged),
        origin=pl.when("vendor").then(pl.lit("vendor")).otherwise(pl.lit("calls")),
        service_level_origin=pl.when("log").then(pl.lit("calls")),
    )


def _flag_queues(name: str, *parts: pl.DataFrame) -> pl.DataFrame:
    """Flag the queues that occur in any of these frames."""
    return (
        pl.concat([part.select(QUEUE_KEY) for part in parts]).unique().with_columns(pl.lit(True).alias(name))
    )


def _add_ratios(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the ratios of the sums in each row; the service level is the variant that the row names."""
    named = pl.col("service_level_variant")
    return rows.with_columns(
        aht_s=divide_or_null("sum_handle_time_s", pl.col("handled") - pl.col("handle_unknown")),
        abandonment=divide_or_null("abandoned", "entered"),
        asa_s=divide_or_null("wait_s", "calls_answered"),
        service_level=pl.coalesce(
            pl.when(named == name).then(variant()) for name, variant in SERVICE_LEVEL_VARIANTS.items()
        ),
        occupancy=divide_or_null("handling_s", "staffed_s"),
    )
