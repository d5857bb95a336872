"""Intervals against a slow twin, the bank's own figures and examples counted by hand."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from helpers.drawn_days import INSTANT, draw
from helpers.examples import examples
from helpers.paths import ROOT
from wfm import defaults
from wfm.core import schema
from wfm.core.errors import InputError, UsageError
from wfm.engine.adherence.scoring import score
from wfm.engine.inputs.frames import InputFrames
from wfm.engine.volume import intervals as volume
from wfm.engine.volume import occupancy
from wfm.engine.volume.intervals import measure_intervals
from wfm.engine.volume.keys import INTERVAL_KEY
from wfm.engine.volume.service_level import SERVICE_LEVEL_VARIANTS, ServiceLevel

SAMPLE = ROOT / "data" / "sample"
ZONE = "Asia/Jerusalem"
T0 = datetime(2026, 3, 2, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TWO_WEEKS = (datetime(1999, 6, 19, 21, tzinfo=UTC), datetime(1999, 7, 3, 21, tzinfo=UTC))
MEASURED = ["entered", "handled", "abandoned", "sum_handle_time_s"]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def legs(*rows: dict[str, Any]) -> pl.DataFrame:
    """Make call legs; ids count up, the queue is q, and numbers become instants."""
    full = []
    for number, row in enumerate(rows):
        one: dict[str, Any] = {"leg_id": f"leg-{number}", "queue_id": "q", **row}
        for name in ("started_at", "answered_at", "ended_at"):
            if isinstance(one.get(name), (int, float)):
                one[name] = at(one[name])
        full.append(one)
    types = schema.get_table("call_leg").own_columns
    return pl.DataFrame(full, schema={k: v for k, v in types.items() if k != "source"})


def call(start: float, answer: float | None, end: float | None, **more: Any) -> dict[str, Any]:
    outcome = "answered" if answer is not None else "abandoned"
    return {"started_at": start, "answered_at": answer, "ended_at": end, "outcome": outcome, **more}


def buckets(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Make vendor buckets from queue, seconds, entered, abandoned, handle seconds."""
    return pl.DataFrame(
        [(queue, at(start), *rest) for queue, start, *rest in rows],
        schema={k: v for k, v in schema.get_table("interval_volume").own_columns.items() if k != "source"},
        orient="row",
    )


def states(*rows: tuple[str, float, float, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(agent, at(start), at(end), state) for agent, start, end, state in rows],
        schema={
            "agent_id": pl.String,
            "start_at": INSTANT,
            "end_at": INSTANT,
            "state": pl.String,
        },
        orient="row",
    )


def only(frame: pl.DataFrame) -> dict[str, Any]:
    return frame.row(0, named=True) if frame.height == 1 else pytest.fail(f"{frame.height} rows")


# --- the slow twin --------------------------------------------------------------------------------------
def known(seconds: float | None) -> bool:
    return seconds is not None and math.isfinite(seconds) and 0 <= seconds <= 1e9


def slow_handle(leg: dict[str, Any]) -> float | None:
    talk = leg["talk_s"] if known(leg["talk_s"]) else None
    if talk is None and leg["answered_at"] and leg["ended_at"] and leg["ended_at"] >= leg["answered_at"]:
        talk = (leg["ended_at"] - leg["answered_at"]).total_seconds()
    wrap = 0 if leg["wrap_s"] is None else leg["wrap_s"]
    return talk + wrap if talk is not None and known(wrap) else None


def slow_call(mine: list[dict[str, Any]], level: ServiceLevel) -> tuple[datetime | None, dict[str, float]]:
    """Walk the legs of one call in one queue: when it arrived and what it counts for."""
    starts, answers, ends = (
        [leg[name] for leg in mine if leg[name]] for name in ("started_at", "answered_at", "ended_at")
    )
    arrival = min(starts, default=min(answers, default=max(ends, default=None)))
    talked = [leg for leg in mine if leg["answered_at"]]
    handled = bool(talked)
    abandoned = not handled and any(leg["outcome"] in ("abandoned", "Caller Cancelled") for leg in mine)
    end = min(answers) if handled else max(ends, default=None)
    wait = max(0.0, (end - min(starts)).total_seconds()) if end and starts else None
    times = [slow_handle(leg) for leg in talked]
    counts = not ((handled or abandoned) and wait is None)
    in_time, short = (wait is not None and wait <= s for s in (level.target_s, level.short_abandon_s))
    return arrival, {
        "entered": 1,
        "handled": handled,
        "abandoned": abandoned,
        "sum_handle_time_s": 0 if None in times else sum(t for t in times if t is not None),
        "handle_unknown": None in times,
        "calls": counts,
        "calls_answered": counts and handled,
        "calls_abandoned": counts and abandoned,
        "answered_within": handled and in_time,
        "abandoned_within": abandoned and in_time,
        "abandoned_short": abandoned and short,
        "wait_s": wait if handled and wait is not None else 0,
    }


def slow_is_part(leg: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """Say whether an agent's leg tells of a call that another leg tells of as well."""
    if leg["outcome"] == "Redirected" and not leg["answered_at"]:
        return True
    own = [
        other
        for other in others
        if other["login"] == other["queue_id"] == leg["queue_id"]
        and other["direction"] in ("in", "unknown", None)
    ]
    spans = [
        (at, max(at, other["ended_at"] or at))
        for other in own
        if (at := other["started_at"] or other["answered_at"] or other["ended_at"])
    ]
    when = leg["started_at"] or leg["answered_at"] or leg["ended_at"]
    return bool(when and spans and min(spans)[0] <= when <= max(end for _, end in spans))


def slow(call_leg: pl.DataFrame, level: ServiceLevel) -> dict[tuple[str, datetime], dict[str, float]]:
    """Count one call after the other."""
    last = {leg["leg_id"]: leg for leg in call_leg.iter_rows(named=True)}
    calls: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for leg in last.values():
        if leg["queue_id"] is not None and leg["direction"] in ("in", "unknown", None):
            whose = ("call", leg["call_id"]) if leg["call_id"] is not None else ("leg", leg["leg_id"])
            calls[leg["queue_id"], whose].append(leg)
    for (queue, (kind, _)), (leg, *_) in list(calls.items()):
        if kind == "leg" and leg["login"] != queue and slow_is_part(leg, list(last.values())):
            del calls[queue, (kind, leg["leg_id"])]
    out: dict[tuple[str, datetime], dict[str, float]] = {}
    for (queue, _), mine in calls.items():
        arrival, counts = slow_call(mine, level)
        if arrival is not None:
            start = arrival - timedelta(seconds=(arrival - T0).total_seconds() % 900)
            sums = out.setdefault((queue, start), dict.fromkeys(counts, 0))
            for name, count in counts.items():
                sums[name] += count
    return out


instants = st.one_of(st.none(), st.sampled_from([0, 10, 20, 21, 890, 899.5, 900, 920, 1790, 1800, 3600]))
durations = st.sampled_from([None, 0.0, 12.5, 60.0, -1.0, math.nan, math.inf])
rows = st.fixed_dictionaries(
    {
        "leg_id": st.sampled_from([f"leg-{n}" for n in range(12)]),
        "call_id": st.sampled_from([None, "leg-1", "a", "b", "c"]),
        "queue_id": st.sampled_from(["q", "q", "p", None]),
        "login": st.sampled_from(["ann", "bob", "q", None]),
        "direction": st.sampled_from(["in", "in", "unknown", None, "out", "internal"]),
        "started_at": instants,
        "answered_at": instants,
        "ended_at": instants,
        "talk_s": durations,
        "wrap_s": durations,
        "outcome": st.sampled_from(
            ["abandoned", "Caller Cancelled", "no_answer", "voicemail", "Redirected", None]
        ),
    }
)
calls = st.lists(rows, max_size=15).map(lambda each: legs(*each))
levels = st.builds(
    ServiceLevel, st.sampled_from([0, 10, 20, 900]), st.sampled_from(sorted(SERVICE_LEVEL_VARIANTS))
)


@pytest.mark.slow
@examples(200)
@given(call_leg=calls, level=levels)
def test_intervals_agree_with_counting_call_by_call(call_leg: pl.DataFrame, level: ServiceLevel) -> None:
    got = measure_intervals(call_leg=call_leg, service_level=level)
    wanted = slow(call_leg, level)
    names = list(next(iter(wanted.values()), {}))
    assert {(r["queue_id"], r["interval_start"]): {n: r[n] for n in names} for r in got.to_dicts()} == wanted
    for row in got.iter_rows(named=True):
        assert row["handled"] + row["abandoned"] <= row["entered"]
        for ratio in ("abandonment", "service_level"):
            assert row[ratio] is None or 0 <= row[ratio] <= 1


@pytest.mark.slow
@examples(30)
@given(call_leg=calls, cut=st.sampled_from([1, 2, 3]))
def test_splitting_the_window_never_changes_a_count(call_leg: pl.DataFrame, cut: int) -> None:
    whole = measure_intervals(call_leg=call_leg, window=(T0, T0 + 5 * QUARTER))
    edges = [T0, T0 + cut * QUARTER, T0 + 5 * QUARTER]
    parts = [measure_intervals(call_leg=call_leg, window=(edges[n], edges[n + 1])) for n in (0, 1)]
    assert_frame_equal(pl.concat(parts).sort(INTERVAL_KEY), whole)
    assert_frame_equal(measure_intervals(call_leg=call_leg), whole)


# --- the bank -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def bank() -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.read_parquet(SAMPLE / "call_leg.parquet"), pl.read_parquet(SAMPLE / "interval_volume.parquet")


def test_the_banks_legs_give_the_banks_volume(bank: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    call_leg, interval_volume = bank
    long = (pl.col("talk_s") > 7200) & (pl.col("queue_id") == "NE")
    short = call_leg.with_columns(pl.when(long).then(0.0).otherwise("talk_s").alias("talk_s"))
    own = measure_intervals(call_leg=short, window=TWO_WEEKS)
    told = measure_intervals(interval_volume=interval_volume, window=TWO_WEEKS)
    assert_frame_equal(own.select(*INTERVAL_KEY, *MEASURED), told.select(*INTERVAL_KEY, *MEASURED))
    assert own["origin"].unique().to_list() == ["calls"]
    assert (own["entered"].sum(), own["abandoned"].sum()) == (15719, 1629)
    difference = measure_intervals(call_leg=call_leg)["sum_handle_time_s"] - own["sum_handle_time_s"]
    assert difference.sum() == 17904


def test_banks_buckets_win_and_legs_add_service_level(
    bank: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    call_leg, interval_volume = bank
    both = measure_intervals(call_leg=call_leg, interval_volume=interval_volume, timezone=ZONE)
    assert both["origin"].unique().to_list() == ["vendor"]
    assert both["service_level_origin"].unique().to_list() == ["calls"]
    june = (
        pl.col("interval_start")
        .dt.convert_time_zone(ZONE)
        .dt.date()
        .is_between(date(1999, 6, 1), date(1999, 6, 30))
    )
    assert both.filter(june).select(pl.col("entered", "abandoned").sum()).rows() == [(35858, 4665)]
    assert both.filter(pl.col("calls") > 0)["interval_start"].is_between(*TWO_WEEKS).all()
    assert both.filter(pl.col("calls") == 0)["service_level"].null_count() == (both["calls"] == 0).sum()


def test_the_banks_days_are_local(bank: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    call_leg, _ = bank
    one = measure_intervals(call_leg=call_leg, window=(date(1999, 6, 20), date(1999, 6, 21)), timezone=ZONE)
    local = pl.col("started_at").dt.convert_time_zone(ZONE).dt.date()
    assert one["entered"].sum() == call_leg.filter(local == date(1999, 6, 20)).height


# --- service level --------------------------------------------------------------------------------------
def test_every_variant_on_five_calls() -> None:
    """Answered after 10 and 30 s, abandoned after 4 and 15 s, sent to voicemail after 40 s."""
    five = legs(
        call(0, 10, 100),
        call(0, 30, 90),
        call(0, None, 4),
        call(0, None, 15),
        call(0, None, 40, outcome="voicemail"),
    )
    wanted = {
        "of_entered": 1 / 5,
        "of_answered": 1 / 2,
        "of_answered_and_abandoned": 1 / 4,
        "with_abandoned_within": 3 / 5,
        "without_abandoned_within": 1 / 3,
        "without_short_abandons": 1 / 3,
    }
    assert wanted.keys() == SERVICE_LEVEL_VARIANTS.keys()
    for variant, share in wanted.items():
        row = only(measure_intervals(call_leg=five, service_level=ServiceLevel(variant=variant)))
        assert (row["service_level"], row["service_level_variant"]) == (pytest.approx(share), variant)
    row = only(measure_intervals(call_leg=five))
    assert (row["entered"], row["handled"], row["abandoned"]) == (5, 2, 2)
    assert (row["service_level_variant"], row["service_level_target_s"]) == ("of_entered", 20)
    assert (row["aht_s"], row["asa_s"], row["abandonment"]) == (75, 20, 0.4)


def test_variants_part_where_the_short_limit_does() -> None:
    two = legs(call(0, 10, 100), call(0, None, 15))
    for limit, share in ((5, 1 / 2), (15, 1)):
        level = ServiceLevel(variant="without_short_abandons", short_abandon_s=limit)
        assert only(measure_intervals(call_leg=two, service_level=level))["service_level"] == share


def test_a_wait_of_exactly_the_target_is_within() -> None:
    assert only(measure_intervals(call_leg=legs(call(0, 20, 30))))["service_level"] == 1
    assert only(measure_intervals(call_leg=legs(call(0, 20.001, 30))))["service_level"] == 0


@pytest.mark.parametrize(
    "wrong", [{"variant": "best"}, {"target_s": -1}, {"target_s": math.nan}, {"short_abandon_s": math.inf}]
)
def test_a_service_level_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ServiceLevel(**wrong)


# --- calls ----------------------------------------------------------------------------------------------
def test_a_call_offered_to_three_agents_entered_once() -> None:
    offers = legs(
        call(890, None, 900, call_id="c", outcome="no_answer"),
        call(900, None, 910, call_id="c", outcome="no_answer"),
        call(910, 925, 985, call_id="c", wrap_s=30),
    )
    row = only(measure_intervals(call_leg=offers))
    assert row["interval_start"] == T0
    assert (row["entered"], row["handled"], row["abandoned"]) == (1, 1, 0)
    assert (row["sum_handle_time_s"], row["wait_s"]) == (90, 35)


def test_call_in_queue_and_agent_logs_enters_once() -> None:
    own = [call(0, 30, 90, login="q"), call(100, None, 130, login="q"), call(200, 205, 260, login="q")]
    offered = {"answered_at": None, "ended_at": 20, "outcome": "redirected"}
    agents = [
        {"started_at": 5, "login": "ann", **offered},
        call(22, 30, 90, login="bob"),
        call(201, 205, 260, login="ann"),
    ]
    row = only(measure_intervals(call_leg=legs(*own, *agents)))
    assert (row["entered"], row["handled"], row["abandoned"]) == (3, 2, 1)
    assert row["sum_handle_time_s"] == 60 + 55
    row = only(
        measure_intervals(call_leg=legs(*agents))
    )  # without that log: who only let it ring had no call
    assert (row["entered"], row["handled"]) == (2, 2)
    later = call(800, 810, 850, login="bob")  # after the last that log tells of: it is not read any more
    assert only(measure_intervals(call_leg=legs(*own, *agents, later)))["entered"] == 4


def test_a_call_moved_between_queues_enters_each() -> None:
    moved = legs(call(0, 5, 60, call_id="c"), call(60, 70, 90, call_id="c", queue_id="p"))
    assert measure_intervals(call_leg=moved).select("queue_id", "entered", "sum_handle_time_s").rows() == [
        ("p", 1, 20),
        ("q", 1, 55),
    ]


def test_last_version_of_a_leg_counts_per_source() -> None:
    twice = legs(call(0, None, 9, leg_id="x"), call(0, 9, 19, leg_id="x"))
    assert only(measure_intervals(call_leg=twice))["handled"] == 1
    apart = measure_intervals(call_leg=twice.with_columns(source=pl.Series(["a", "b"])))
    assert apart.select("source", "handled", "abandoned").rows() == [("a", 0, 1), ("b", 1, 0)]


def test_impossible_durations_are_counted_and_leave_handle_time() -> None:
    odd = legs(
        call(0, 10, 70),
        call(0, 10, 5),
        call(0, 10, None),
        call(0, 10, 40, talk_s=-5.0),
        call(0, 10, 40, wrap_s=math.nan),
    )
    row = only(measure_intervals(call_leg=odd))
    assert (row["handled"], row["handle_unknown"], row["sum_handle_time_s"], row["aht_s"]) == (5, 3, 90, 45)


def test_call_answered_at_unknown_instant_is_no_miss() -> None:
    row = only(
        measure_intervals(call_leg=legs(call(0, 10, 70), call(0, None, 70, outcome="answered", talk_s=30.0)))
    )
    assert (row["handled"], row["sum_handle_time_s"], row["calls"], row["service_level"]) == (2, 90, 1, 1)
    row = only(measure_intervals(call_leg=legs(call(0, None, 70, outcome="answered", ring_s=25.0))))
    assert (row["sum_handle_time_s"], row["wait_s"], row["service_level"]) == (45, 25, 0)


def test_nothing_gives_empty_frame_of_the_same_columns() -> None:
    for frame in (
        measure_intervals(),
        measure_intervals(call_leg=legs(), interval_volume=buckets(), state=states()),
        measure_intervals(call_leg=legs(call(0, 1, 2, queue_id=None)).lazy()),
    ):
        assert frame.is_empty()
        assert dict(frame.schema) == volume.INTERVAL_DTYPES


# --- vendor or calls ------------------------------------------------------------------------------------
def test_a_queue_with_buckets_is_the_vendors_throughout() -> None:
    call_leg = legs(call(0, 10, 60), call(1800, 1810, 1900), call(0, 5, 10, queue_id="p"))
    got = measure_intervals(
        call_leg=call_leg, interval_volume=buckets(("q", 0, 3, 1, 200.0), ("r", 0, 2, 3, 0.0))
    )
    columns = [
        "queue_id",
        "interval_start",
        "origin",
        *MEASURED,
        "calls",
        "service_level",
        "service_level_origin",
    ]
    assert got.select(columns).rows() == [
        ("p", T0, "calls", 1, 1, 0, 5, 1, 1, "calls"),
        ("q", T0, "vendor", 3, 2, 1, 200, 1, 1, "calls"),
        ("q", T0 + 2 * QUARTER, "vendor", 0, 0, 0, 0, 1, 1, "calls"),
        ("r", T0, "vendor", 2, 0, 3, 0, None, None, None),
    ]


@pytest.mark.parametrize("row", [("q", 1, 3, 1, 9.0), ("q", 0, -1, 0, 9.0), ("q", 0, 1, 0, math.nan)])
def test_an_impossible_bucket_is_refused(row: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match=r"interval_volume: 1 impossible row.*queue q"):
        measure_intervals(interval_volume=buckets(row))


def test_of_two_buckets_the_later_row_counts() -> None:
    assert (
        only(measure_intervals(interval_volume=buckets(("q", 0, 3, 1, 9.0), ("q", 0, 4, 1, 9.0))))["entered"]
        == 4
    )


# --- occupancy ------------------------------------------------------------------------------------------
def slow_occupancy(state: pl.DataFrame, step_s: int) -> dict[datetime, list[float]]:
    """Walk every step of every span."""
    out: dict[datetime, list[float]] = {}
    for row in state.iter_rows(named=True):
        now = row["start_at"]
        while now < row["end_at"]:
            busy = row["state"] in ("busy", "hold", "wrapup")
            if busy or row["state"] in ("available", "ringing"):
                sums = out.setdefault(now - timedelta(seconds=(now - T0).total_seconds() % 900), [0.0, 0.0])
                sums[0] += step_s * busy
                sums[1] += step_s
            now += timedelta(seconds=step_s)
    return out


spans = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.sampled_from(["available", "busy", "hold", "wrapup", "ringing", "working", "break", "unknown"]),
    ),
    max_size=8,
)


@examples(100)
@given(drawn=spans)
def test_occupancy_agrees_with_walking_every_minute(drawn: list[tuple[str, int, int, str]]) -> None:
    state = states(*((agent, 60 * start, 60 * end, word) for agent, start, end, word in drawn))
    got = occupancy.split_staffed_time(state, []).select(
        "interval_start", *(pl.col(f"{n}_us") / 1e6 for n in ("handling", "staffed"))
    )
    assert {row[0]: list(row[1:]) for row in got.rows()} == slow_occupancy(state, 60)


def test_occupancy_of_a_drawn_day() -> None:
    """One letter is five minutes: in the first hour agent a handles 15 of 55 minutes, b 10 of 15."""
    day = draw(
        "sched:a  QQQQQQQQQQQQ",
        "state:a  AAABBWAAAAAb",
        "sched:b  QQQQQQQQQQQQ",
        "state:b  BBAKKKKKKKKK",
        step_s=300,
    )
    named: dict[str, Any] = {
        table: defaults.read_default_table(table) for table in ("state_map", "activity", "rule")
    }
    slices = score(InputFrames(**{**named, **day})).slices()
    start = slices.filter(pl.col("activity").is_not_null())["start_at"].min()
    assert isinstance(start, datetime)
    cut = occupancy.split_staffed_time(slices, ["agent_id"]).sort("interval_start")
    whole = (
        cut.group_by("agent_id").agg(pl.col("handling_us", "staffed_us").sum() // 1_000_000).sort("agent_id")
    )
    assert whole.rows() == [("a", 900, 3300), ("b", 600, 900)]
    assert cut["interval_start"].unique().to_list() == [start + n * QUARTER for n in range(4)]


def test_queue_occupancy_is_that_of_its_answering_agents() -> None:
    call_leg = legs(
        call(0, 10, 60, login="x1"),
        call(0, 10, 60, login="x2", queue_id="p"),
        call(9, 10, 60, login="x1", queue_id="p"),
    )
    login = pl.DataFrame({"login": ["x1"], "agent_id": ["ann"]})
    state = states(
        ("ann", 0, 450, "busy"),
        ("ann", 450, 1350, "available"),
        ("x2", 0, 900, "ringing"),
        ("bob", 0, 900, "busy"),
    )
    got = measure_intervals(call_leg=call_leg, login=login, state=state)
    assert got.select("queue_id", "entered", "handling_s", "staffed_s", "occupancy").rows() == [
        ("p", 2, 450, 1800, 0.25),
        ("p", 0, 0, 450, 0),
        ("q", 1, 450, 900, 0.5),
        ("q", 0, 0, 450, 0),
    ]
    assert measure_intervals(call_leg=call_leg)["occupancy"].null_count() == 2


def test_day_of_an_agent_is_the_queues_own() -> None:
    late = 15.5 * 3600  # 23:30 UTC, the next day in Kathmandu
    call_leg = legs(call(late, late, late + 60, login="ann"))
    state = states(("ann", 0, 900, "available"), ("ann", late, late + 900, "busy"))
    queue = pl.DataFrame({"queue_id": ["q"], "timezone": ["Asia/Kathmandu"]})
    assert measure_intervals(call_leg=call_leg, state=state).height == 2
    assert only(measure_intervals(call_leg=call_leg, state=state, queue=queue))["interval_start"] == at(late)
    assert (
        only(measure_intervals(call_leg=call_leg, state=state, timezone="Asia/Kathmandu"))["occupancy"] == 1
    )


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (states(("a", 0, 9, "Wrap-Up")), "Wrap-Up"),
        (states(("a", 0, 9, "busy")).drop("end_at"), "end_at"),
        (states(("a", 0, 9, "busy")).with_columns(pl.col("start_at").dt.replace_time_zone(None)), "zone"),
    ],
)
def test_states_that_are_not_ours_are_refused(state: pl.DataFrame, what: str) -> None:
    with pytest.raises(InputError, match=what):
        occupancy.read_state_spans(state, [])
