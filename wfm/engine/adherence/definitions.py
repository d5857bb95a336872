"""Adherence by the definitions that other products publish.

Every definition gives each row two whole weights, ``numerator`` and ``denominator``: a score is the sum of numerator x
seconds divided by the sum of denominator x seconds, for any grouping and any window; 0/0 is null. What is not linear in
a formula (a minimum of 0, a threshold, an interval, "undefined") is decided once, for a whole workday, exception or
interval of one agent, and stored in the weights. So parts add up to wholes, and where a window begins or ends changes
nothing.

Common to all: time in which the state is unknown is in no numerator and no denominator (the other products have no
such time), time that is not counted is not scheduled, and exemptions, outages and calls excuse nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import polars as pl

from wfm.core.errors import UsageError
from wfm.engine.adherence.counted_time import AGENT_WORKDAY_KEY, CountedTime, split_rows_at
from wfm.engine.adherence.tolerance import ExceptionThreshold, SegmentTolerance, mark_tolerated
from wfm.engine.time.codes import LOGGED_OUT_CODE, is_queue_state
from wfm.engine.time.interval_grid import cut_at_intervals

Definition = Callable[[CountedTime], pl.DataFrame]
"""A function that returns the rows of counted time, cut where a weight changes, with ``numerator`` and ``denominator``
(-1, 0 or 1)."""

GENESYS_THRESHOLD_S: Final = 300
ALL_DEFINITIONS: Final = "all"
IS_STATE_KNOWN = pl.col("state_known")
IS_IN_ADHERENCE = pl.col("state_known") & ~pl.col("out")
IS_SCHEDULED_ON_QUEUE = pl.col("category") == "on_queue"
IS_SCHEDULED_REST = pl.col("category").is_in(["break", "meal"])
IS_ON_COUNTED_WORKDAY = pl.col("planned") & pl.col("present")
PAIRING_GROUP = [*AGENT_WORKDAY_KEY, "interval_start"]


def _add_weights(rows: pl.DataFrame, numerator: pl.Expr, denominator: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(numerator=numerator.cast(pl.Int8), denominator=denominator.cast(pl.Int8))


def weigh_adherence(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of wfm's own ``adherence``: in / (scheduled − unknown)."""
    return _add_weights(counted.rows, IS_IN_ADHERENCE, IS_STATE_KNOWN)


def weigh_adherence_adjusted(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of wfm's own ``adherence_adjusted``: (D − controllable) / D, with D = scheduled − unknown."""
    return _add_weights(counted.rows, IS_STATE_KNOWN & (pl.col("class") != "controllable"), IS_STATE_KNOWN)


def weigh_genesys(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Genesys Cloud's adherence: max(0, 1 − exception / scheduled).

    Source: Genesys Cloud Resource Center, "How Genesys Cloud calculates adherence and conformance". Undefined where
    the actual length or the scheduled length of an agent's day is 0; such workdays are in neither sum here.
    Assumed: "actual length" is time logged in within the schedule, or work outside of it; exceptions lie within the
    scheduled time, so that the minimum of 0 never applies.
    """
    return _add_weights(
        counted.rows, IS_IN_ADHERENCE & IS_ON_COUNTED_WORKDAY, IS_STATE_KNOWN & IS_ON_COUNTED_WORKDAY
    )


def weigh_genesys_outside_shift(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Genesys Cloud's adherence with time worked outside the shift counted as an exception.

    That time is added to the exceptions and to the denominator.

    Source: the same page, on presence outside of scheduled time that is configured to count against adherence.
    Assumed: "on queue presence" is a queue state; time that is scheduled but not counted (time off) is not outside.
    1 − (exception + outside) / (scheduled + outside) = in / (scheduled + outside).
    """
    return _add_weights(
        counted.rows,
        IS_IN_ADHERENCE & IS_ON_COUNTED_WORKDAY,
        (IS_STATE_KNOWN | ~pl.col("scheduled")) & IS_ON_COUNTED_WORKDAY,
    )


def weigh_genesys_threshold(counted: CountedTime, threshold_s: int = GENESYS_THRESHOLD_S) -> pl.DataFrame:
    """Add the weights of Genesys Cloud's adherence without exceptions shorter than ``threshold_s`` seconds.

    Source: Genesys Cloud Resource Center, adherence exception thresholds of a management unit.
    Assumed: an exception is a maximal run out of adherence within one scheduled activity; not counting it
    means counting it as in adherence; the same threshold applies to every activity.
    """
    rows = mark_tolerated(counted, ExceptionThreshold(timedelta(seconds=threshold_s)))
    return _add_weights(
        rows,
        (IS_IN_ADHERENCE | pl.col("tolerated")) & IS_ON_COUNTED_WORKDAY,
        IS_STATE_KNOWN & IS_ON_COUNTED_WORKDAY,
    ).drop("tolerated")


def weigh_amazon(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Amazon Connect's adherence: adherent time / scheduled time, with two kinds of time only.

    Source: Amazon Connect Administrator Guide, "Schedule adherence metrics": adherent is the status Available in a
    productive shift activity, and a non-productive (custom) status in a non-productive one.
    Assumed: productive are the activities of category on_queue, and Available are all queue states, whatever the rules
    on states say; logged out is no status, so it is out even in a break (another page of the guide counts Offline
    there). Time outside the shift never counts.
    """
    idle = ~IS_SCHEDULED_ON_QUEUE & ~is_queue_state() & (pl.col("state") != LOGGED_OUT_CODE)
    return _add_weights(
        counted.rows, IS_STATE_KNOWN & ((IS_SCHEDULED_ON_QUEUE & is_queue_state()) | idle), IS_STATE_KNOWN
    )


def weigh_calabrio_rta(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Calabrio WFM's historical adherence: in / (scheduled − neutral).

    Source: Calabrio help, "About historical adherence": time in adherence / (work time − neutral periods), where rules
    say what is neutral.
    Assumed: neutral is a queue state in a break or a meal, unless the rules on states allow it there.
    """
    neutral = IS_SCHEDULED_REST & is_queue_state() & pl.col("out")
    return _add_weights(counted.rows, IS_IN_ADHERENCE, IS_STATE_KNOWN & ~neutral)


def weigh_calabrio_ready_1(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Calabrio's ready time against scheduled ready time: (R − Σ max(0, R_i − r_i)) / R.

    R: seconds scheduled on queue; r: ready seconds, that is in a queue state, while anything is scheduled; i: each
    quarter of an hour of one agent's workday. Source: Calabrio help, "About ready-time adherence", first method.
    Assumed: intervals of 15 minutes. Ready time in a break makes up for as much time not ready in the same interval.
    The earliest time is paired first, which affects only which seconds are named, not how many.
    """
    surplus = pl.col("scheduled") & is_queue_state() & ~(IS_STATE_KNOWN & IS_SCHEDULED_ON_QUEUE)
    rows = _pair_ready_time(counted, surplus)
    due = IS_STATE_KNOWN & IS_SCHEDULED_ON_QUEUE
    return _add_weights(rows, due & (is_queue_state() | pl.col("paired")), due).drop("paired")


def weigh_calabrio_ready_2(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Calabrio's ready time against scheduled time: (S − Σ abs(R_i − r_i)) / S.

    S: scheduled seconds; R, r, i: as in `weigh_calabrio_ready_1`, but r counts ready time outside the shift, too, up to
    2 h from it. Source: Calabrio help, "About ready-time adherence", second method. May be negative: no minimum is
    published. Assumed: a workday with nothing scheduled has no deviation; time is paired as there.
    """
    surplus = (
        is_queue_state()
        & ~(IS_STATE_KNOWN & IS_SCHEDULED_ON_QUEUE)
        & (pl.col("scheduled") | pl.col("near"))
        & pl.col("planned")
    )
    rows = _pair_ready_time(counted, surplus)
    deviates = (surplus | _is_missing_ready_time()) & ~pl.col("paired")
    return _add_weights(rows, IS_STATE_KNOWN.cast(pl.Int8) - deviates.cast(pl.Int8), IS_STATE_KNOWN).drop(
        "paired"
    )


def weigh_assembled_productive(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Assembled's adherence to productive time: in / scheduled, over on_queue segments alone.

    Source: Assembled's help centre on adherence metrics. Assumed: its productive event types are category on_queue.
    """
    return _add_weights(
        counted.rows, IS_IN_ADHERENCE & IS_SCHEDULED_ON_QUEUE, IS_STATE_KNOWN & IS_SCHEDULED_ON_QUEUE
    )


def weigh_salesforce(counted: CountedTime) -> pl.DataFrame:
    """Add the weights of Salesforce Workforce Engagement's adherence: present / scheduled.

    Source: Salesforce Object Reference, SchedulingAdherenceSummary: adherence minutes / scheduled minutes of a shift.
    Assumed: present is any state but logged out; breaks and meals count as presence whatever the state.
    """
    return _add_weights(
        counted.rows,
        IS_STATE_KNOWN & (IS_SCHEDULED_REST | (pl.col("state") != LOGGED_OUT_CODE)),
        IS_STATE_KNOWN,
    )


def _is_missing_ready_time() -> pl.Expr:
    return IS_STATE_KNOWN & IS_SCHEDULED_ON_QUEUE & ~is_queue_state()


def _pair_ready_time(counted: CountedTime, surplus: pl.Expr) -> pl.DataFrame:
    """Add ``paired``: per quarter of an hour, time scheduled but not ready is paired with surplus ready time.

    ::

        quarter    |on queue        |break   |
        state      |away......|ready|ready   |
        paired     |yyyyyyyy|nn|    |yyyyyyyy|
    """
    rows = counted.rows.with_columns(
        side=pl.when(_is_missing_ready_time()).then(pl.lit(-1)).when(surplus).then(pl.lit(1)).otherwise(0)
    )
    # the running sum below pairs the earliest time first, so the pieces must be in order of time
    sided = cut_at_intervals(rows.filter(pl.col("side") != 0), counted.axis).sort("key")
    length, side = pl.col("key_end") - pl.col("key"), pl.col("side")
    pairs = pl.min_horizontal(
        *(pl.when(side == which).then(length).otherwise(0).sum().over(PAIRING_GROUP) for which in (-1, 1))
    )
    # what of the paired time is left for a row, after the earlier rows of its side
    left = pairs - (length.cum_sum().over([*PAIRING_GROUP, "side"]) - length)
    sided = split_rows_at(sided.with_columns(until=pl.col("key") + left), pl.col("until"))
    sided = sided.with_columns(paired=pl.col("key") < pl.col("until")).drop("until", "interval_start")
    rest = rows.filter(side == 0).with_columns(paired=False)
    return rest.merge_sorted(sided.select(rest.columns), key="key").drop("side")


DEFINITIONS: Final[dict[str, Definition]] = {
    "genesys": weigh_genesys,
    "genesys_outside_shift": weigh_genesys_outside_shift,
    "genesys_threshold": weigh_genesys_threshold,
    "amazon": weigh_amazon,
    "calabrio_rta": weigh_calabrio_rta,
    "calabrio_ready_1": weigh_calabrio_ready_1,
    "calabrio_ready_2": weigh_calabrio_ready_2,
    "assembled_productive": weigh_assembled_productive,
    "salesforce": weigh_salesforce,
}
"""Other products' definitions by name; a name like ``genesys_threshold(60)`` gives the seconds of that one."""

OWN_DEFINITIONS: Final[dict[str, Definition]] = {
    "adherence": weigh_adherence,
    "adherence_adjusted": weigh_adherence_adjusted,
}
"""wfm's own scores, as definitions."""

TOLERANT_NAME: Final = "adherence_tolerant"
ADJUSTED_TOLERANT_NAME: Final = "adherence_adjusted_tolerant"


def build_tolerant_definitions(
    threshold: ExceptionThreshold, tolerances: Sequence[SegmentTolerance]
) -> dict[str, Definition]:
    """Build wfm's own two scores with tolerated time counted as in adherence.

    adherence_tolerant = (in + tolerated) / D; adherence_adjusted_tolerant = (D − controllable not tolerated) / D.
    """

    def weigh_tolerant(counted: CountedTime) -> pl.DataFrame:
        rows = mark_tolerated(counted, threshold, tolerances)
        return _add_weights(rows, IS_IN_ADHERENCE | pl.col("tolerated"), IS_STATE_KNOWN).drop("tolerated")

    def weigh_adjusted_tolerant(counted: CountedTime) -> pl.DataFrame:
        rows = mark_tolerated(counted, threshold, tolerances)
        excused = pl.col("tolerated") | (pl.col("class") != "controllable")
        return _add_weights(rows, IS_STATE_KNOWN & excused, IS_STATE_KNOWN).drop("tolerated")

    return {TOLERANT_NAME: weigh_tolerant, ADJUSTED_TOLERANT_NAME: weigh_adjusted_tolerant}


def divide_weight_sums(summed: pl.DataFrame, pairs: dict[str, tuple[str, str]]) -> pl.DataFrame:
    """Replace each pair of sums by their ratio under the definition's name; 0/0 is null."""
    ratios = (
        pl.when(pl.col(below) != 0).then(pl.col(above) / pl.col(below)).alias(name)
        for name, (above, below) in pairs.items()
    )
    return summed.with_columns(*ratios).drop(column for pair in pairs.values() for column in pair)


def find_definition(name: str, among: dict[str, Definition] = DEFINITIONS) -> Definition:
    """Return a definition by its name; ``genesys_threshold`` may give seconds in parentheses.

    Raises:
        UsageError: there is no such definition.
    """
    match = re.fullmatch(r"genesys_threshold\((\d{1,5})\)", name, re.ASCII)
    if match:
        return partial(weigh_genesys_threshold, threshold_s=int(match[1]))
    if name not in among and name in (TOLERANT_NAME, ADJUSTED_TOLERANT_NAME):
        raise UsageError(
            f"There is no {name} because nothing is tolerated: set WFM_THRESHOLD_S or WFM_TOLERANCE, or the options "
            "threshold or tolerances."
        )
    if name not in among:
        raise UsageError(
            f"There is no definition {name!r}; choose from: {', '.join(among)}; genesys_threshold takes seconds: "
            f"genesys_threshold({GENESYS_THRESHOLD_S})."
        )
    return among[name]


def select_definitions(names: str | Iterable[str]) -> dict[str, Definition]:
    """Return definitions by name, each once and in this order; ``all`` stands for every one.

    Raises:
        UsageError: there is no such definition.
    """
    listed = [names] if isinstance(names, str) else list(names)
    wanted = [each for name in listed for each in (DEFINITIONS if name == ALL_DEFINITIONS else (name,))]
    return {name: find_definition(name) for name in wanted}
