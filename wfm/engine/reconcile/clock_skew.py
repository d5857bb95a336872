"""Estimate the clock skew between a call log and an agent-state log from events that both contain.

An agent whose call ends leaves the busy state at that instant; one who answers is busy from then on. So both logs
contain the same events::

    call log     answered 10:00:05 |------ call ------| ended 10:04:10
    state log         Busy 10:01:35 |------ Busy ------|Wrapup 10:05:40         its clock is 90 s ahead

All differences between events of one agent within `MAX_SKEW_S` are put on a line; true pairs cluster at the skew, all
others are spread evenly. The densest interval of the line is the coarse estimate, and its pairs give the fine one.

A polled state is reported late by anything from 0 to the poll interval N, so that the pairs fill an interval of length
N. A skew cannot be distinguished from a constant delay of every state: only the variable part of the delay can be seen.
The earliest pairs are therefore taken to be reported without delay; every polled estimate rests on this assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm.core.time import US_PER_SECOND
from wfm.engine.inputs import frames
from wfm.engine.inputs.frames import Frame
from wfm.engine.inputs.logins import add_agent_id
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.time.codes import STATE_CODES
from wfm.engine.time.units import us_to_seconds

FloatArray = NDArray[np.float64]

MAX_SKEW_S: Final = 900
"""Largest skew that is estimated; a larger difference is a wrong time zone, not a wrong clock."""

INTERVAL_WIDTHS_S: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
"""Widths of the interval in which true pairs may lie: from exact times to poll intervals of two minutes."""

MIN_PAIRS: Final = 8
"""The fewest pairs for an estimate."""

MIN_LOG_LIKELIHOOD_RATIO: Final = 15.0
"""The least log-likelihood ratio of the densest interval against chance; ln(900 positions × 11 widths) is 9."""

EXACT_SPREAD_S: Final = 2.0
"""If the middle 80 % of the pairs lie within this, states are reported at once and the median is the estimate."""

EDGE_GAPS: Final = 5.5
"""Mean gaps: the lower end of a uniform interval is further below its lowest pair in e^-5.5 = 0.4 % of cases."""

NEAR_GAPS: Final = 9.0
"""A pair below an interval belongs to it if it is nearer than this many mean gaps; one wrong pair does less harm."""

MEDIAN_INTERVAL_SDS: Final = 2.5
"""Standard deviations of the median's confidence interval: 98.8 %."""

SKEW_DTYPES: Final[dict[str, pl.DataType]] = {
    "call_source": pl.String(),
    "state_source": pl.String(),
    "day": pl.Date(),
    "skew_s": pl.Float64(),
    "low_s": pl.Float64(),
    "high_s": pl.Float64(),
    "pairs": pl.Int64(),
    "events": pl.Int64(),
    "share": pl.Float64(),
    "method": pl.String(),
    "delay_s": pl.Float64(),
    "reason": pl.String(),
    "drift_s": pl.Float64(),
    "drift_low_s": pl.Float64(),
    "drift_high_s": pl.Float64(),
}

NO_ESTIMATE_REASONS: Final[dict[str, str]] = {
    "no_common_agent": "no agent is in both logs on that day",
    "too_few_events": f"fewer than {MIN_PAIRS} calls or changes of state",
    "no_peak": "the time differences are spread as by chance: no clock skew within the limit fits them",
}
"""Why there is no estimate, by code."""

ESTIMATION_METHODS: Final[dict[str, str]] = {
    "median": "states are reported at once: the median of the pairs",
    "earliest": "states are reported 0 to delay_s late: the earliest pairs are taken to be reported at once",
}
"""How an estimate was made, and what it assumes, by code."""


@dataclass(frozen=True)
class SkewEstimate:
    """One estimate of a clock skew in seconds with its confidence interval; or the reason why there is none."""

    skew_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    pairs: int = 0
    method: str | None = None
    delay_s: float | None = None
    reason: str | None = None


def estimate_clock_skew(
    *,
    call_leg: Frame,
    agent_state: Frame,
    state_map: Frame,
    login: Frame | None = None,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """Estimate the clock skew per call log, state log and local day.

    The end of a call is paired with the end of busy or hold, and the answer of an incoming call with the start of busy.
    Where both kinds give an estimate and the two differ, the one from the ends is used: what starts busy differs from
    vendor to vendor (ringing, dialling), what ends it does not.

    Args:
        call_leg: [source] leg_id login answered_at ended_at [direction].
        agent_state: [source] login at vendor_state; in order of arrival.
        state_map: as for `wfm.score`.
        login: [source] login agent_id [from_at to_at]; a login with no row is its own agent_id.
        timezone: of local days; a pair belongs to the day of its call.

    Returns:
        One row per call_source, state_source and day.

        skew_s: seconds by which the state log's clock is ahead of the call log's (negative: behind). low_s high_s:
        confidence interval, at least 95 %. pairs: how many pairs it was estimated from. events: ends and answers in
        the call log, of agents who are in both logs. share: pairs / events. method: see `ESTIMATION_METHODS`. delay_s:
        the longest delay with which states are reported. reason: see `NO_ESTIMATE_REASONS`; null with an estimate.

        drift_s drift_low_s drift_high_s: the change of skew_s per day, over all days of the two logs; null with fewer
        than three days.

    Raises:
        InputError: a frame does not have what its table needs.
        UsageError: the zone is not valid.
    """
    frames.check_zone_name(timezone, "timezone")
    logins = frames.read_frame(login, "login")
    calls = _list_call_events(frames.read_frame(call_leg, "call_leg"), logins, timezone)
    states = _list_state_events(
        frames.read_frame(agent_state, "agent_state"), frames.read_frame(state_map, "state_map"), logins
    )
    groups = _list_estimates(calls, states)
    pairs = _pair_events(calls, states)
    by_day = dict(pairs.group_by("call_source", "state_source", "day"))
    rows = [
        (*row[:3], row[3], _estimate_day(by_day.get(row[:3], pairs.clear()), *row[3:]))
        for row in groups.iter_rows()
    ]
    return _add_drift(_build_estimates_frame(rows))


def _list_call_events(call_leg: pl.DataFrame, login: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """List answers and ends of answered legs: call_source agent_id kind at (epoch µs) day."""
    came_in = pl.col("direction").str.to_lowercase().is_in(["in", "unknown"]).fill_null(True)
    answered = call_leg.filter(pl.col("answered_at").is_not_null(), pl.col("login").is_not_null())
    held = add_agent_id(answered, login, pl.col("answered_at"))
    local = pl.col("answered_at").dt.convert_time_zone(timezone).dt.date()
    legs = held.select(
        "agent_id", "answered_at", "ended_at", came_in=came_in, call_source="source", day=local
    )
    columns = ["call_source", "agent_id", "kind", "at", "day"]
    ends = legs.filter(pl.col("ended_at") > pl.col("answered_at")).with_columns(
        kind=pl.lit("end"), at="ended_at"
    )
    answers = legs.filter("came_in").with_columns(kind=pl.lit("answer"), at="answered_at")
    return (
        pl.concat([ends.select(columns), answers.select(columns)])
        .unique(maintain_order=True)
        .with_columns(pl.col("at").dt.epoch("us"))
    )


def _list_state_events(
    agent_state: pl.DataFrame, state_map: pl.DataFrame, login: pl.DataFrame
) -> pl.DataFrame:
    """List starts and ends of being on a call (busy or hold): state_source agent_id kind at (epoch µs)."""
    who = ["source", "login"]
    talking = pl.col("code").is_in([STATE_CODES["busy"], STATE_CODES["hold"]])
    changes = (
        agent_state.with_columns(code=map_states(agent_state, frames.check_state_map(state_map)))
        .sort(*who, "at", maintain_order=True)
        .unique([*who, "at"], keep="last", maintain_order=True)
        .with_columns(talks=talking, talked=talking.shift(1).over(who))
        .filter(pl.col("talks") != pl.col("talked"))
    )
    return add_agent_id(changes, login, pl.col("at")).select(
        state_source="source",
        agent_id="agent_id",
        kind=pl.when("talks").then(pl.lit("answer")).otherwise(pl.lit("end")),
        at=pl.col("at").dt.epoch("us"),
    )


def _list_estimates(calls: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """List the estimates to make: call_source state_source day, events (of agents in both logs), whole (seconds)."""
    second = pl.col("at") % US_PER_SECOND == 0
    sources = states.group_by("state_source").agg(whole_states=second.all())
    common = states.select("state_source", "agent_id").unique().with_columns(common=pl.lit(True))
    return (
        calls.join(sources, how="cross")
        .join(common, on=["state_source", "agent_id"], how="left")
        .group_by("call_source", "state_source", "day")
        .agg(
            events=pl.col("common").fill_null(False).sum(),
            whole=second.all() | pl.col("whole_states").first(),
        )
        .sort("call_source", "state_source", "day")
    )


def _pair_events(calls: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Pair every event of a call with those of the same kind and agent within the bound: difference in seconds."""
    # joining on slots as wide as the bound, and the two next to each, finds all pairs without a cross join
    width = MAX_SKEW_S * US_PER_SECOND
    legs = calls.with_row_index("leg").with_columns(slot=pl.col("at") // width)
    near = states.with_row_index("change").with_columns(
        slot=pl.concat_list(pl.col("at") // width + step for step in (-1, 0, 1))
    )
    return (
        legs.join(near.explode("slot"), on=["agent_id", "kind", "slot"], suffix="_state")
        .with_columns(difference=us_to_seconds(pl.col("at_state") - pl.col("at")))
        .filter(pl.col("difference").abs() <= MAX_SKEW_S)
        .select("call_source", "state_source", "day", "kind", "leg", "change", "difference")
    )


# --- one day ----------------------------------------------------------------------------------------------
def _estimate_day(pairs: pl.DataFrame, events: int, whole: bool) -> SkewEstimate:
    """Estimate one day of one pair of logs."""
    if not events:
        return SkewEstimate(reason="no_common_agent")
    if events < MIN_PAIRS:
        return SkewEstimate(reason="too_few_events")
    # whole seconds hide up to a second of difference, which the interval must include
    grain = 1.0 if whole else 0.001
    # separately first: the two kinds may disagree, and then only the ends are trusted
    ends, answers = (
        _estimate_from_pairs(pairs.filter(pl.col("kind") == kind), grain) for kind in ("end", "answer")
    )
    if ends.low_s is None or ends.high_s is None:
        return answers
    if answers.low_s is None or answers.high_s is None or answers.method != ends.method:
        return ends
    if max(ends.low_s, answers.low_s) > min(ends.high_s, answers.high_s):
        return ends
    return _estimate_from_pairs(pairs, grain)


def _estimate_from_pairs(pairs: pl.DataFrame, grain: float) -> SkewEstimate:
    """Estimate the skew from pairs: find the interval with the true ones, then its median or lower end."""
    differences = np.sort(pairs["difference"].to_numpy())
    if differences.size < MIN_PAIRS:
        return SkewEstimate(reason="too_few_events")
    low, width, ratio = _find_densest_interval(differences)
    if ratio < MIN_LOG_LIKELIHOOD_RATIO:
        return SkewEstimate(reason="no_peak")
    chosen = _select_unambiguous(pairs, low, width)
    if chosen.size < MIN_PAIRS:
        return SkewEstimate(reason="no_peak")
    inner = np.quantile(chosen, [0.1, 0.9])
    if inner[1] - inner[0] <= EXACT_SPREAD_S:
        return _estimate_by_median(chosen, grain)
    outside = differences.size - np.count_nonzero(
        (differences >= low - width) & (differences <= low + 2 * width)
    )
    # an event whose true partner was found has no other pair, so it adds nothing to the background
    alone = 1 - chosen.size / pairs["leg"].n_unique()
    background = max(outside * alone, 1.0) / (2 * MAX_SKEW_S)
    return _estimate_by_edge(chosen, min(background, np.exp(-NEAR_GAPS) * chosen.size / width), grain)


def _find_densest_interval(differences: FloatArray) -> tuple[float, float, float]:
    """Find the interval least likely by chance: its start, its width, its log-likelihood ratio.

    Of k pairs in a width w, where n pairs lie within ±bound, chance expects m = n w / (2 bound); the ratio of two
    Poisson rates is k ln(k / m) − (k − m).
    """
    best = (0.0, INTERVAL_WIDTHS_S[0], 0.0)
    for width in INTERVAL_WIDTHS_S:
        counts = np.searchsorted(differences, differences + width, side="right") - np.arange(differences.size)
        first = int(counts.argmax())
        k, m = float(counts[first]), differences.size * width / (2 * MAX_SKEW_S)
        ratio = k * np.log(k / m) - (k - m) if k > m else 0.0
        if ratio > best[2]:
            best = (float(differences[first]), width, float(ratio))
    return best


def _select_unambiguous(pairs: pl.DataFrame, low: float, width: float) -> FloatArray:
    """Return the sorted differences of pairs in and near the interval whose events have no other partner there.

    To choose between two partners would favour a part of the interval, and its end is what counts.
    """
    margin = max(width, 4.0) / 4
    inside = pairs.filter(pl.col("difference").is_between(low - margin, low + width + margin))
    unambiguous = inside.filter(pl.col("leg").is_unique() & pl.col("change").is_unique())
    return np.sort(unambiguous["difference"].to_numpy())


def _estimate_by_median(chosen: FloatArray, grain: float) -> SkewEstimate:
    """Estimate by the median; its confidence interval is two order statistics, widened by the grain of the logs."""
    n = chosen.size
    reach = int(np.ceil(MEDIAN_INTERVAL_SDS * np.sqrt(n) / 2))
    low, high = chosen[max(n // 2 - reach, 0)], chosen[min((n - 1) // 2 + reach, n - 1)]
    middle = float(np.median(chosen))
    return SkewEstimate(middle, float(low) - grain, float(high) + grain, n, "median", 0.0)


def _estimate_by_edge(chosen: FloatArray, background: float, grain: float) -> SkewEstimate:
    """Estimate by the lower end of a uniform interval: k pairs over a length N lie N / k apart on average.

    The interval is the run of pairs that is most likely against the density of the background. The confidence interval
    reaches from `EDGE_GAPS` mean gaps below the lowest pair to a pair a little above it, as one or two of the lowest
    may be there by chance.
    """
    first, last = _find_likeliest_run(chosen, background)
    k = last - first + 1
    lowest = float(chosen[first])
    length = float(chosen[last] - lowest) * (k + 1) / max(k - 1, 1)
    gap = length / (k + 1)
    upper = float(chosen[min(first + 1 + int(np.ceil(0.02 * k)), last)])
    return SkewEstimate(lowest - gap, lowest - EDGE_GAPS * gap - grain, upper + grain, k, "earliest", length)


def _find_likeliest_run(chosen: FloatArray, background: float) -> tuple[int, int]:
    """Find the most likely run of pairs i…j: the one with the highest k ln(k / (length × background)) − k."""
    n = chosen.size
    # the run starts in the first third and ends in the last: n²/9 candidates instead of n²
    third = max(n // 3, 1)
    i, j = np.arange(third)[:, None], np.arange(n - third, n)[None, :]
    k = np.maximum(j - i, 1)
    length = np.maximum(chosen[j] - chosen[i], 1e-3)
    best = int((k * np.log(k / (length * background)) - k).argmax())
    return best // third, n - third + best % third


# --- frames -----------------------------------------------------------------------------------------------
def _build_estimates_frame(rows: list[tuple[str, str, object, int, SkewEstimate]]) -> pl.DataFrame:
    """Build the frame of estimates, without drift."""
    records = [
        {
            "call_source": call,
            "state_source": state,
            "day": day,
            "skew_s": e.skew_s,
            "low_s": e.low_s,
            "high_s": e.high_s,
            "pairs": e.pairs,
            "events": events,
            "method": e.method,
            "delay_s": e.delay_s,
            "reason": e.reason,
        }
        for call, state, day, events, e in rows
    ]
    schema = {name: dtype for name, dtype in SKEW_DTYPES.items() if not name.startswith("drift")}
    share = pl.when(pl.col("events") > 0).then(pl.col("pairs") / pl.col("events"))
    return pl.DataFrame(records, schema=schema).with_columns(share=share)


def _add_drift(days: pl.DataFrame) -> pl.DataFrame:
    """Add the drift of the skew per day: the median slope between days (Theil–Sen).

    Its confidence interval is that of the slope between the first and the last day's intervals.
    """
    logs = ["call_source", "state_source"]
    there = days.filter(pl.col("skew_s").is_not_null()).select(*logs, "day", "skew_s", "low_s", "high_s")
    apart = (pl.col("day_later") - pl.col("day")).dt.total_days()
    slopes = (
        there.join(there, on=logs, suffix="_later")
        .filter(pl.col("day_later") > pl.col("day"))
        .with_columns(apart=apart)
        .sort(*logs, "apart", "day")
        .group_by(logs)
        .agg(
            drift_s=((pl.col("skew_s_later") - pl.col("skew_s")) / pl.col("apart")).median(),
            drift_low_s=((pl.col("low_s_later") - pl.col("high_s")) / pl.col("apart")).last(),
            drift_high_s=((pl.col("high_s_later") - pl.col("low_s")) / pl.col("apart")).last(),
            spans=pl.len(),
        )
        .filter(pl.col("spans") >= 3)
        .drop("spans")
    )
    found = days.join(slopes, on=logs, how="left", maintain_order="left")
    return found.select(pl.col(name).cast(dtype) for name, dtype in SKEW_DTYPES.items())
