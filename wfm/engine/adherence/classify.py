"""Classify slices, apply the rules on calls, and compute sums and ratios of the classes.

A slice is a part of one agent's time in which nothing changes: ``key, key_end, segment, entry, state`` and, for counted
time, ``class``. See `wfm.engine.time.axis` for keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wfm.core import glossary
from wfm.core.time import to_microseconds
from wfm.engine.time.axis import find_run_end
from wfm.engine.time.codes import (
    CLASS_ENUM,
    EMPTY_SLOT_CODE,
    LOGGED_OUT_CODE,
    NO_LOGIN_CODE,
    NO_LOGIN_UNCOVERED_CODE,
    OUTSIDE_CATEGORY,
    STATE_CODES,
    UNKNOWN_CODE,
    UNMAPPED_CODE,
    is_queue_state,
    is_rest_state,
)
from wfm.engine.time.units import us_to_seconds

STATES_PER_CATEGORY = 32
"""Size of a category's part of a rule table; more than there are state codes."""
CLASS_SUMS = [  # the classes that scheduled time splits into
    f"{name}_s" for name in ("in", "approved", "call_driven", "system", "unknown", "controllable")
]
SUMMED_COLUMNS = ["key", "key_end", "segment", "category", "counted", "state", "class"]
"""The columns that `sum_classes` needs; slices with segment 0 are not scheduled and must be left out."""
ADHERENCE_SUMS = ["scheduled_s", *CLASS_SUMS, "scheduled_work_s", "worked_s"]
RULE_REACH_COLUMNS = ["begun", "call_end", "late_end", "until", "stop", "credit"]
"""The keys that say how far a rule on calls reaches.

``begun``: start of the segment that a call reached into. ``call_end``: end of its last leg or, by states alone, of the
talking. ``late_end``: the same after the delay of states. ``until``: end of the wrap-up. ``stop``: where the rule stops
in its segment. ``credit``, for a shifted break only: the microseconds it earned; the other keys but ``stop`` are then
those of the break that the call reached into."""
CALL_EVIDENCE_COLUMNS = ["segment", "leg_ids", "evidence_kind", *RULE_REACH_COLUMNS]


def build_rule_table(rule: pl.DataFrame) -> pl.Series:
    """Return rules (category, state, in_adherence) as flags at ``category code * 32 + state code``."""
    last = rule.unique(["category", "state"], keep="last", maintain_order=True)
    allowed = set(last.filter("in_adherence").select("category", "state").iter_rows())
    categories = [*glossary.CATEGORIES, OUTSIDE_CATEGORY]
    return pl.Series(
        [
            (category, glossary.STATES[code] if code < len(glossary.STATES) else None) in allowed
            for category in categories
            for code in range(STATES_PER_CATEGORY)
        ]
    )


def is_state_in_adherence(rules: pl.Series, category: pl.Series, state: pl.Series) -> pl.Series:
    """Return whether a state (code) is in adherence with a category (code)."""
    return rules.gather(category.cast(pl.UInt32) * STATES_PER_CATEGORY + state.cast(pl.UInt32))


def merge_logins(slices: pl.DataFrame, codes: pl.Series, rules: pl.Series, slots: int) -> pl.DataFrame:
    """Add ``state`` (code) and ``entry``: the one state of an agent who may have several logins.

    Where a login is in a queue state, resting logins do not count. Then a state in adherence wins, then an unmapped or
    unknown one, then the first in the order of `wfm.core.glossary.STATES`. Where nothing is scheduled, a queue state
    wins over an unknown one.

    Args:
        slices: category (code) and per slot entry_<slot> and, where coverage was given, covered_<slot>.
        codes: the state code of each entry.
        rules: as from `build_rule_table`.
        slots: logins of the agent who has most.
    """
    for slot in range(slots):
        code = codes.gather(slices[f"entry_{slot}"]).alias(f"state_{slot}")
        slices = slices.with_columns(code)
        if f"covered_{slot}" in slices.columns:
            uncovered = (pl.col(f"covered_{slot}") == 0) & (pl.col(f"state_{slot}") != EMPTY_SLOT_CODE)
            masked = (
                pl.when(pl.col(f"state_{slot}") == NO_LOGIN_CODE)
                .then(NO_LOGIN_UNCOVERED_CODE)
                .otherwise(UNKNOWN_CODE)
                .cast(pl.UInt8)
            )
            slices = slices.with_columns(
                pl.when(uncovered).then(masked).otherwise(f"state_{slot}").alias(f"state_{slot}")
            )
    # the two codes of "no login" matter for the choice between logins only; results have plain states
    shown = pl.col("state").replace({NO_LOGIN_CODE: LOGGED_OUT_CODE, NO_LOGIN_UNCOVERED_CODE: UNKNOWN_CODE})
    if slots == 1:
        return slices.rename({"state_0": "state", "entry_0": "entry"}).with_columns(shown)
    states = [f"state_{slot}" for slot in range(slots)]
    # an agent who works in one system often rests in the others: only the work counts then
    slices = slices.with_columns(queue=pl.any_horizontal(*(is_queue_state(state) for state in states)))
    for slot, state in enumerate(states):
        fits = (
            is_state_in_adherence(rules, slices["category"].to_physical(), slices[state]) & slices["counted"]
        )
        order = pl.col(state).cast(pl.Int32)
        passed_over = (pl.col(state) == EMPTY_SLOT_CODE) | (pl.col("queue") & is_rest_state(state))
        outside_queue = ~pl.col("counted") & is_queue_state(state)
        # one number per login encodes the whole order of precedence, so that the winner is a minimum over the slots
        rank = (
            pl.when(passed_over)
            .then(order + 4000)
            .when(pl.col(state) >= NO_LOGIN_CODE)
            .then(order + 3000)
            .when(pl.col("fits") | outside_queue)
            .then(order)
            .when(pl.col(state) == UNMAPPED_CODE)
            .then(1000)
            .when(pl.col(state) == UNKNOWN_CODE)
            .then(1001)
            .otherwise(order + 2000)
        )
        slices = slices.with_columns(fits=fits).with_columns((rank * slots + slot).alias(f"rank_{slot}"))
    winner = pl.min_horizontal(*(f"rank_{slot}" for slot in range(slots))) % slots
    slices = slices.with_columns(winner=winner)
    for name in ("state", "entry"):
        choice = pl.coalesce(
            *(pl.when(pl.col("winner") == slot).then(f"{name}_{slot}") for slot in range(slots))
        )
        slices = slices.with_columns(choice.alias(name))
    return slices.with_columns(shown)


def classify_slices(slices: pl.DataFrame, rules: pl.Series) -> pl.DataFrame:
    """Add ``class`` to counted slices, except call_driven, and ``out``: counted and known to be out of adherence."""
    fits = is_state_in_adherence(rules, slices["category"].to_physical(), slices["state"])
    slices = slices.with_columns(fits=fits)
    unknown = pl.col("state").is_in([UNKNOWN_CODE, UNMAPPED_CODE])
    # exemptions come after "in": a second in adherence needs no excuse, whatever excuses there are
    return slices.with_columns(
        pl.when(~pl.col("counted"))
        .then(None)
        .when(unknown)
        .then(pl.lit("unknown"))
        .when("fits")
        .then(pl.lit("in"))
        .when(pl.col("system") > 0)
        .then(pl.lit("system"))
        .when(pl.col("approved") > 0)
        .then(pl.lit("approved"))
        .otherwise(pl.lit("controllable"))
        .cast(CLASS_ENUM)
        .alias("class"),
        out=pl.col("counted") & ~unknown & ~pl.col("fits"),
    ).drop("fits")


@dataclass(frozen=True)
class AnsweredLegs:
    """The answered call legs of all agents, and which agents have a call log.

    spans: key (answered), key_end, leg_id.
    logged: agent; the agents for whom the rules on calls use the call log.
    by_state: apply the rules by states alone for the other agents.
    """

    spans: pl.DataFrame
    logged: pl.DataFrame
    by_state: bool


@dataclass(frozen=True)
class CallLeeway:
    """How far a call reaches beyond its last leg.

    wrapup: at most so far into wrap-up.
    state_delay: into a busy state that is reported at most so late; see `wfm.engine.adherence.scoring.ScoreOptions`.
    """

    wrapup: timedelta
    state_delay: timedelta


def apply_call_rules(
    slices: pl.DataFrame, segments: pl.DataFrame, legs: AnsweredLegs, leeway: CallLeeway
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Apply the two rules on calls: call overrun, and shifted break.

    ::

        schedule   on queue            |break      |on queue
        call       ....|---------------+---|
        state      busy                |busy|break      |available
        class      in                  |call|in    |call|in
                                        driven      driven

    Returns:
        The slices, cut where a rule stops, with class call_driven where one applies and ``rule`` (call_overrun,
        shifted_break); and the evidence (`CALL_EVIDENCE_COLUMNS`).
    """
    overruns = _find_call_overruns(slices, segments, legs, leeway)
    if overruns.is_empty():
        return slices.with_columns(rule=pl.lit(None, pl.String)), overruns.select(CALL_EVIDENCE_COLUMNS)
    first = _excuse_until(slices, overruns.select("segment", stop="stop"), "call_overrun")
    credits = _find_shifted_breaks(slices, segments, overruns)
    second = _excuse_until(slices, credits.select("segment", "stop"), "shifted_break")
    changed = pl.concat([first, second]).sort("key")
    # a sorted merge is linear: only the few segments that a rule applies to are sorted again
    rest = slices.join(changed, on="segment", how="anti", maintain_order="left").with_columns(
        rule=pl.lit(None, pl.String)
    )
    evidence = pl.concat([overruns, credits], how="diagonal").select(CALL_EVIDENCE_COLUMNS)
    return rest.merge_sorted(changed.select(rest.columns), key="key"), evidence


def _find_call_overruns(
    slices: pl.DataFrame, segments: pl.DataFrame, legs: AnsweredLegs, leeway: CallLeeway
) -> pl.DataFrame:
    """Find counted segments off the queue that a call reached into, with `CALL_EVIDENCE_COLUMNS`."""
    # a call that goes on into time on queue needs no rule: talking is in adherence there
    off_queue = segments.filter(pl.col("counted"), pl.col("category") != "on_queue")
    on_call = [STATE_CODES[state] for state in ("busy", "hold", "wrapup", "ringing")]
    at_start = slices.filter(pl.col("key").is_in(off_queue["key"].implode()), pl.col("state").is_in(on_call))
    begun = off_queue.join(at_start.select("key"), on="key", how="semi", maintain_order="left").select(
        "segment", "key", "key_end", "agent"
    )
    # legs overlap (consultations, transfers): a call lasts until the latest end of any leg answered so far
    ends = legs.spans.sort("key").select(answered="key", until=pl.col("key_end").cum_max())
    by_log = (
        begun.join_asof(
            ends,
            left_on="key",
            right_on="answered",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .filter(pl.col("until") > pl.col("key"))
        .with_columns(evidence_kind=pl.lit("call"))
    )
    overruns = [by_log]
    if legs.by_state:
        overruns.append(_find_overruns_by_state(slices, begun.join(legs.logged, on="agent", how="anti")))
    ended = _extend_past_call(pl.concat(overruns, how="diagonal"), slices, leeway)
    return (
        ended.with_columns(stop=pl.min_horizontal("key_end", "until"))
        .select("segment", "key", "stop", "evidence_kind", "call_end", "late_end", "until", begun="key")
        .with_columns(credit=pl.lit(None, pl.Int64))
        .join(_list_spanning_legs(legs.spans, by_log), on="segment", how="left")
        .with_columns(pl.col("leg_ids").fill_null(pl.lit([], pl.List(pl.String))))
    )


def _extend_past_call(found: pl.DataFrame, slices: pl.DataFrame, leeway: CallLeeway) -> pl.DataFrame:
    """Extend ``until``, the end of the last leg: to the end of a state reported late, then to that of the wrap-up.

    ::

        leg        ......|
        state      busy    |wrapup      |break      (reported late: polled)
        until            |→ |→          |
    """
    # every end is kept as evidence: an explanation shows how far each allowance reached
    found = found.with_columns(call_end="until")
    talk_end = _add_run_end(found, slices, pl.col("state").is_in([STATE_CODES["busy"], STATE_CODES["hold"]]))
    is_late = pl.col("run_end") - pl.col("until") <= to_microseconds(leeway.state_delay)
    late_end = pl.when(is_late).then("run_end").otherwise("until")
    found = talk_end.with_columns(until=late_end, late_end=late_end).drop("run_end")
    wrap_end = _add_run_end(found, slices, pl.col("state") == STATE_CODES["wrapup"])
    longest = pl.col("until") + to_microseconds(leeway.wrapup)
    wrapped = pl.when(pl.col("run_end").is_not_null()).then(pl.min_horizontal("run_end", longest))
    return wrap_end.with_columns(until=wrapped.otherwise("until"))


def _add_run_end(found: pl.DataFrame, slices: pl.DataFrame, flag: pl.Expr) -> pl.DataFrame:
    """Add ``run_end``, the end of the run of flagged slices that ``until`` lies in; null where it lies in none."""
    return (
        found.sort("until")
        .join_asof(
            slices.select(slice="key", run_end=find_run_end(flag)),
            left_on="until",
            right_on="slice",
            strategy="backward",
            check_sortedness=False,
        )
        .drop("slice")
    )


def _find_overruns_by_state(slices: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """Find segments at whose start the agent was talking already, by states alone; ``until``: end of the talking."""
    # wrap-up alone does not show that a call was still in progress
    talking = pl.col("state").is_in([STATE_CODES["busy"], STATE_CODES["hold"]])
    runs = slices.select(
        "key",
        until=find_run_end(talking),
        spans=talking & talking.shift(1) & (pl.col("key_end").shift(1) == pl.col("key")),
    )
    return (
        begun.join(runs, on="key").filter("spans").drop("spans").with_columns(evidence_kind=pl.lit("state"))
    )


def _list_spanning_legs(legs: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """List the legs under way at each segment's start: segment, leg_ids."""
    starts = begun.select("segment", start="key")
    return (
        legs.join_where(starts, pl.col("key") < pl.col("start"), pl.col("key_end") > pl.col("start"))
        .sort("key", "leg_id")
        .group_by("segment", maintain_order=True)
        .agg(leg_ids=pl.col("leg_id").unique(maintain_order=True))
    )


def _excuse_until(slices: pl.DataFrame, stops: pl.DataFrame, rule: str) -> pl.DataFrame:
    """Cut the slices of the given segments at ``stop``; what is controllable before it becomes call_driven."""
    affected = slices.join(stops, on="segment", maintain_order="left")
    before = affected.filter(pl.col("key") < pl.col("stop")).with_columns(
        key_end=pl.min_horizontal("key_end", "stop")
    )
    after = affected.filter(pl.col("key_end") > pl.col("stop")).with_columns(
        key=pl.max_horizontal("key", "stop")
    )
    # exempt seconds keep their class: the exemption is the better excuse
    driven = pl.col("class") == "controllable"
    before = before.with_columns(
        pl.when(driven).then(pl.lit("call_driven", CLASS_ENUM)).otherwise("class").alias("class"),
        rule=pl.when(driven).then(pl.lit(rule)),
    )
    return pl.concat([before, after.with_columns(rule=pl.lit(None, pl.String))]).drop("stop").sort("key")


def _find_shifted_breaks(
    slices: pl.DataFrame, segments: pl.DataFrame, overruns: pl.DataFrame
) -> pl.DataFrame:
    """Find how far into the next segment a shifted break reaches, with `CALL_EVIDENCE_COLUMNS`.

    The part of a break that a call took up earns as much credit after it, even where an exemption excuses those seconds
    before the rule on calls does: otherwise an exemption could lower a score.
    """
    taken_up = slices.filter("out").join(overruns.select("segment", "stop"), on="segment")
    rests = segments.filter(pl.col("category").is_in(["break", "meal"])).select("segment")
    earned = (
        taken_up.filter(pl.col("key") < pl.col("stop"))
        .group_by("segment")
        .agg(credit=(pl.min_horizontal("key_end", "stop") - pl.col("key")).sum())
        .join(rests, on="segment", how="semi")
        .join(overruns.drop("key", "stop", "credit"), on="segment")
        .join(segments.select("segment", "shift"), on="segment")
        .with_columns(pl.col("segment") + 1)  # the credit belongs to the segment after the break
    )
    following = (
        segments.filter("counted")
        .select("segment", "shift", start="key")
        .join(earned, on=["segment", "shift"])
    )
    resting = slices.select(
        "key",
        "segment",
        rest_end=find_run_end(is_rest_state()),
        before=is_rest_state().shift(1) & _adjoins_previous(),
    )
    following = following.join(
        resting.filter("before", pl.col("rest_end").is_not_null()).select("key", "rest_end"),
        left_on="start",
        right_on="key",
    )
    # the credit is used up by the seconds out of adherence, from the start of the segment on
    length = pl.col("key_end") - pl.col("key")
    out = pl.when("out").then(length).otherwise(0)
    used = pl.col("so_far") - out
    return (
        slices.join(following, on="segment", maintain_order="left")
        .filter(pl.col("key") < pl.col("rest_end"))
        .with_columns(so_far=out.cum_sum().over("segment"))
        .filter(pl.col("out"), used < pl.col("credit"))
        .with_columns(stop=pl.col("key") + pl.min_horizontal(length, pl.col("credit") - used))
        .group_by("segment")
        .agg(
            pl.col("stop").max(),
            pl.col("leg_ids", "evidence_kind", "begun", "call_end", "late_end", "until", "credit").first(),
        )
    )


def _adjoins_previous() -> pl.Expr:
    return pl.col("key_end").shift(1) == pl.col("key")


def sum_classes(slices: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum scheduled slices (`SUMMED_COLUMNS`) per group into `ADHERENCE_SUMS`, in microseconds.

    The classes (`CLASS_SUMS`) add up to scheduled_s.
    """
    length = pl.col("key_end") - pl.col("key")
    return slices.group_by(by).agg(
        length.filter(pl.col("counted")).sum().alias("scheduled_s"),
        *(length.filter(pl.col("class") == name.removesuffix("_s")).sum().alias(name) for name in CLASS_SUMS),
        length.filter(pl.col("category") == "on_queue").sum().alias("scheduled_work_s"),
        length.filter(is_queue_state()).sum().alias("worked_s"),
    )


def compute_ratios(summed: pl.DataFrame) -> pl.DataFrame:
    """Return sums of microseconds as seconds, with the ratios; 0/0 is null.

    With D = scheduled − unknown: adherence = in / D; adherence_adjusted = (D − controllable) / D; adherence_low =
    in / scheduled; adherence_high = (in + unknown) / scheduled; coverage = D / scheduled; conformance = worked /
    scheduled_work.
    """
    s = {name: pl.col(name) for name in ADHERENCE_SUMS}
    covered = s["scheduled_s"] - s["unknown_s"]
    figures = {
        "adherence": (s["in_s"], covered),
        "adherence_adjusted": (covered - s["controllable_s"], covered),
        "adherence_low": (s["in_s"], s["scheduled_s"]),
        "adherence_high": (s["in_s"] + s["unknown_s"], s["scheduled_s"]),
        "coverage": (covered, s["scheduled_s"]),
        "conformance": (s["worked_s"], s["scheduled_work_s"]),
    }
    return summed.with_columns(
        *(pl.when(below != 0).then(above / below).alias(name) for name, (above, below) in figures.items())
    ).with_columns(us_to_seconds(pl.col(ADHERENCE_SUMS)))
