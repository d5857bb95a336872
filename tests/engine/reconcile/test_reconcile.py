"""Accounts of one and the same calls, bent in a known way: the bend must be found, named and measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from helpers.examples import examples
from wfm.core import schema
from wfm.core.errors import InputError, UsageError
from wfm.engine.reconcile.booking_model import CAUSE_TEXTS
from wfm.engine.reconcile.reconcile import (
    COMPARED_ACCOUNTS,
    Reconciliation,
    reconcile_intervals,
)
from wfm.sandbox.centre.simulate import simulate_centre

INSTANT = pl.Datetime("us", "UTC")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
END = START + timedelta(hours=12)
QUARTER = timedelta(minutes=15)


def calls(seed: int = 1, queue: str = "q", n: int = 400) -> list[dict[str, Any]]:
    """Draw calls of 20 agents: instants in seconds after `START`, each handled by an agent nobody else has then."""
    draw = np.random.default_rng(seed)
    free, found = [0.0] * 20, []
    for number, came in enumerate(np.sort(draw.uniform(0, 11.4 * 3600, n)).round()):
        agent = int(np.argmin(free))
        answer = max(came, free[agent]) + float(draw.integers(2, 40))
        if draw.random() < 0.15:
            found.append(
                {
                    "id": number,
                    "queue": queue,
                    "came": float(came),
                    "left": float(came + draw.integers(1, 90)),
                }
            )
            continue
        end = answer + float(draw.integers(30, 900))
        wrap = float(draw.integers(5, 90))
        free[agent] = end + wrap + 1
        found.append(
            {
                "id": number,
                "queue": queue,
                "came": float(came),
                "answer": answer,
                "end": end,
                "wrap": wrap,
                "agent": f"a{agent}",
            }
        )
    return found


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def legs(made: list[dict[str, Any]], **more: Any) -> pl.DataFrame:
    """Write calls as the log of account pbx."""
    rows = []
    for one in made:
        answered = "answer" in one
        rows.append(
            {
                "source": "pbx",
                "leg_id": f"{one['queue']}-{one['id']}",
                "call_id": f"c{one['queue']}-{one['id']}",
                "login": one.get("agent"),
                "queue_id": one["queue"],
                "direction": one.get("direction", "in"),
                "started_at": at(one["came"]),
                "answered_at": at(one["answer"]) if answered else None,
                "ended_at": at(one["end"] if answered else one["left"]),
                "wrap_s": one.get("wrap"),
                "outcome": "answered" if answered else "abandoned",
                **more,
            }
        )
    return pl.DataFrame(rows, schema=schema.get_table("call_leg").own_columns)


def buckets(
    made: list[dict[str, Any]],
    book: str = "end",
    wrap: bool = True,
    factor: float = 1.0,
    ahead: float = 0.0,
    label: int = 0,
) -> pl.DataFrame:
    """Count calls as a vendor would, every interval of the window told."""
    cells: dict[tuple[str, datetime], list[float]] = {}

    def cell(queue: str, seconds: float) -> list[float]:
        number = int((seconds + ahead) // 900) + label
        return cells.setdefault((queue, START + number * QUARTER), [0, 0, 0.0])

    for one in made:
        for number in range(48):
            cells.setdefault((one["queue"], START + number * QUARTER), [0, 0, 0.0])
        cell(one["queue"], one["came"])[0] += 1
        if "answer" not in one:
            cell(one["queue"], one["came"])[1] += 1
            continue
        seconds = one["end"] - one["answer"] + (one["wrap"] if wrap else 0)
        booked = {"arrival": one["came"], "end": one["end"], "wrapped": one["end"] + one["wrap"]}
        if book in booked:
            cell(one["queue"], booked[book])[2] += seconds * factor
            continue
        for second in range(int(one["answer"]), int(one["end"] + one["wrap"])):
            cell(one["queue"], second)[2] += factor
    rows = [
        (("pbx", *place, *map(int, told[:2]), told[2]))
        for place, told in cells.items()
        if START <= place[1] < END
    ]
    return pl.DataFrame(rows, schema=schema.get_table("interval_volume").own_columns, orient="row")


def states(made: list[dict[str, Any]]) -> pl.DataFrame:
    """Say what the agents were in: busy from answer to end, then wrap-up, otherwise available."""
    rows = []
    for agent in sorted({one["agent"] for one in made if "agent" in one}):
        last = -3600.0
        for one in (each for each in made if each.get("agent") == agent):
            rows += [
                (agent, at(last), at(one["answer"]), "available"),
                (agent, at(one["answer"]), at(one["end"]), "busy"),
                (agent, at(one["end"]), at(one["end"] + one["wrap"]), "wrapup"),
            ]
            last = one["end"] + one["wrap"]
        rows.append((agent, at(last), at(20 * 3600), "available"))
    return pl.DataFrame(
        rows,
        schema={"agent_id": pl.String, "start_at": INSTANT, "end_at": INSTANT, "state": pl.String},
        orient="row",
    )


def held(
    call_leg: pl.DataFrame | None, told: pl.DataFrame | None, state: pl.DataFrame | None = None, **more: Any
) -> Reconciliation:
    return reconcile_intervals(
        window=(START, END), call_leg=call_leg, interval_volume=told, state=state, **more
    )


def named(found: Reconciliation) -> dict[str, set[str]]:
    """Say which causes each figure has."""
    out: dict[str, set[str]] = {}
    for row in found.findings.iter_rows(named=True):
        out.setdefault(row["figure"], set()).add(row["cause"])
    return out


MADE = calls()


# --- where everything agrees --------------------------------------------------------------------------------
@pytest.mark.slow
def test_three_accounts_of_same_calls_agree_to_second() -> None:
    found = held(legs(MADE), buckets(MADE, "arrival"), states(MADE))
    assert found.findings.is_empty()
    head = found.summarise_agreement().row(0, named=True)
    assert head["agree"] == head["figures"] > 100
    assert [
        head[name] for name in ("agreement", "accounted", *(f"{f}_agreement" for f in COMPARED_ACCOUNTS))
    ] == [1.0] * 6
    whole = found.sum_accounts([]).row(0, named=True)
    answered = [one for one in MADE if "answer" in one]
    inside = sum(one["end"] - one["answer"] + one["wrap"] for one in answered)
    assert whole["handle_vendor_s"] == whole["handle_legs_s"] == whole["handle_states_s"] == inside
    assert (whole["entered_vendor"], whole["entered_legs"]) == (400, 400)
    assert whole["abandoned_legs"] == 400 - len(answered)


@pytest.mark.slow
@pytest.mark.parametrize("book", ["end", "wrapped", "spread"])
def test_where_vendor_books_is_found_and_no_difference(book: str) -> None:
    """What is booked elsewhere by the arrival is told as late_booking, but leaves no residual."""
    found = held(legs(MADE), buckets(MADE, book))
    assert named(found) == {"handle": {"late_booking"}}
    finding = found.findings.row(0, named=True)
    assert finding["evidence"].startswith(f"booked by {book};")
    whole = found.sum_accounts([]).row(0, named=True)
    assert (whole["booking"], whole["handle_agreement"]) == (book, 1.0)
    apart = buckets(MADE, book).join(buckets(MADE, "arrival"), on=["queue_id", "interval_start"])
    off = (apart["sum_handle_time_s"] - apart["sum_handle_time_s_right"]).abs()
    assert finding["amount"] == pytest.approx(off.sum(), rel=0.02)


@pytest.mark.slow
def test_simulated_centre_agrees_with_itself_to_the_second() -> None:
    truth = simulate_centre(seed=11, days=3)
    log = truth.leg.with_columns(source=pl.lit("acd"), login=pl.col("agent_id")).filter(
        pl.col("call_id").str.starts_with("c-")
    )
    gone = truth.call.filter(pl.col("abandoned_at").is_not_null())
    # the queue's own leg of each call that gave up: an agent's log does not know when it came
    own = gone.select(
        "call_id",
        "queue_id",
        leg_id="q-" + pl.col("call_id"),
        source=pl.lit("acd"),
        direction=pl.lit("in"),
        started_at="arrived_at",
        ended_at="abandoned_at",
        outcome=pl.lit("abandoned"),
    )
    came = truth.call.select("call_id", arrived="arrived_at")
    first = log.join(came, on="call_id").with_columns(started_at="arrived").drop("arrived")
    call_leg = pl.concat([first, own], how="diagonal")
    told = truth.interval.select(
        "queue_id",
        "interval_start",
        "entered",
        "abandoned",
        source=pl.lit("acd"),
        sum_handle_time_s=pl.col("sum_handle_ms") / 1000,
    )
    low, high = told["interval_start"].min(), told["interval_start"].max() + QUARTER
    found = reconcile_intervals(window=(low, high), call_leg=call_leg, interval_volume=told)
    assert set(found.sum_accounts([])["causes"][0]) == set()
    head = found.summarise_agreement().row(0, named=True)
    assert (
        head["agreement"],
        head["entered_agreement"],
        head["abandoned_agreement"],
        head["handle_agreement"],
    ) == (1.0,) * 4
    assert set(found.sum_accounts(["queue_id"])["booking"]) == {"end"}


# --- one bend at a time -------------------------------------------------------------------------------------
@pytest.mark.slow
def test_wrapup_that_the_vendor_leaves_out() -> None:
    found = held(legs(MADE), buckets(MADE, "end", wrap=False))
    assert named(found) == {"handle": {"late_booking", "wrapup_not_in_handle_time"}}
    row = found.findings.filter(cause="wrapup_not_in_handle_time").row(0, named=True)
    assert row["amount"] == pytest.approx(sum(one.get("wrap", 0) for one in MADE), rel=0.05)


@pytest.mark.slow
def test_missing_wrapup_is_taken_from_the_states() -> None:
    bare = legs(MADE).with_columns(wrap_s=pl.lit(None, pl.Float64))
    found = held(bare, buckets(MADE, "end"), states(MADE))
    assert named(found) == {
        "handle": {"late_booking", "wrapup_not_in_legs"},
        "states": {"wrapup_not_in_legs"},
    }
    assert found.summarise_agreement()["accounted"][0] == 1


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1000.0, 0.001, 60.0, 1 / 60])
def test_a_unit_that_was_mistaken(factor: float) -> None:
    found = held(legs(MADE), buckets(MADE, "end", factor=factor))
    assert "unit" in named(found)["handle"] <= {"late_booking", "unit"}
    assert "times the calls'" in found.findings.filter(cause="unit")["evidence"][0]


@pytest.mark.slow
@pytest.mark.parametrize("label", [1, -1, 4, -8, 12])
def test_a_label_that_is_off_by_whole_quarters(label: int) -> None:
    """1: the end of the interval for its start; 4 and more: another zone."""
    found = held(legs(MADE), buckets(MADE, "end", label=label))
    assert "shifted_label" in named(found)["entered"]
    known = found.findings.filter(cause="shifted_label", figure="entered").row(0, named=True)
    assert known["evidence"] == f"labels are {label * 15} min later than the calls"
    assert "not_explained" not in named(found)["entered"]


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [90.0, -200.0])
def test_clocks_that_are_apart(ahead: float) -> None:
    found = held(legs(MADE), buckets(MADE, "end", ahead=ahead))
    assert "clock_skew" in named(found)["entered"]
    known = found.findings.filter(cause="clock_skew").row(0, named=True)
    told = float(known["evidence"].split("moved ")[1].split(" s")[0])
    assert told == pytest.approx(ahead, abs=15)


@pytest.mark.slow
def test_abandons_that_are_too_short_to_count() -> None:
    counted = [one for one in MADE if "answer" in one or one["left"] - one["came"] > 12]
    found = held(legs(MADE), buckets(counted, "end"))
    assert named(found)["abandoned"] == {"short_abandons_not_counted"}
    assert named(found)["entered"] == {"short_abandons_not_counted"}
    row = found.findings.filter(figure="abandoned").row(0, named=True)
    assert row["amount"] == 400 - len(counted)
    longest = max(one["left"] - one["came"] for one in MADE if one not in counted)
    assert row["evidence"] == f"abandoned calls of at most {longest:.0f} s are missing"


@pytest.mark.slow
def test_abandons_that_are_booked_when_they_gave_up() -> None:
    slow = [one if "answer" in one else {**one, "left": one["came"] + 700} for one in MADE]
    told = buckets([one for one in slow if "answer" in one], "end")
    lost = [one for one in slow if "answer" not in one]
    entered = buckets(lost, "end").select("queue_id", "interval_start", more="entered")
    gone = buckets([{**one, "came": one["left"]} for one in lost], "end").select(
        "queue_id", "interval_start", lost="abandoned"
    )
    place = ["queue_id", "interval_start"]
    joined = told.join(entered, on=place, how="left").join(gone, on=place, how="left").fill_null(0)
    bent = joined.with_columns(entered=pl.col("entered") + pl.col("more"), abandoned="lost").drop(
        "more", "lost"
    )
    found = held(legs(slow), bent)
    assert named(found) == {"handle": {"late_booking"}, "abandoned": {"late_abandons"}}


def _transferred() -> tuple[pl.DataFrame, int]:
    """Let every fifth answered call go on to a second agent, and every seventh be offered to one who let it ring."""
    first = legs(MADE)
    again = first.filter(pl.col("answered_at").is_not_null()).gather_every(5)
    second = again.with_columns(
        leg_id="t" + pl.col("leg_id"),
        started_at="ended_at",
        answered_at="ended_at",
        ended_at=pl.col("ended_at") + pl.duration(seconds=60),
        login=pl.lit("other"),
        wrap_s=pl.lit(0.0),
    )
    return pl.concat([first, second]), second.height


@pytest.mark.slow
def test_calls_that_a_second_agent_answered_count_twice() -> None:
    both, extra = _transferred()
    seen = both.with_columns(call_id="leg_id")  # what a vendor counts that knows no calls, only legs
    alike = held(seen, None).sum_accounts()
    told = alike.select(
        "source",
        "queue_id",
        "interval_start",
        entered="entered_legs",
        abandoned="abandoned_legs",
        sum_handle_time_s="handle_legs_s",
    )
    found = held(both, told)
    row = found.findings.filter(figure="entered").row(0, named=True)
    assert (row["cause"], row["amount"]) == ("transfers_counted_twice", extra)


@pytest.mark.slow
def test_every_offer_counts() -> None:
    first = legs(MADE)
    offers = (
        first.filter(pl.col("answered_at").is_not_null())
        .gather_every(3)
        .with_columns(
            leg_id="o" + pl.col("leg_id"),
            ended_at="answered_at",
            answered_at=pl.lit(None, INSTANT),
            login=pl.lit("other"),
            outcome=pl.lit("no_answer"),
            wrap_s=pl.lit(None, pl.Float64),
        )
    )
    both = pl.concat([first, offers])
    more = offers.group_by("queue_id", interval_start=pl.col("started_at").dt.truncate("15m")).agg(
        more=pl.len().cast(pl.Int64)
    )
    told = (
        buckets(MADE, "end")
        .join(more, on=["queue_id", "interval_start"], how="left")
        .with_columns(entered=pl.col("entered") + pl.col("more").fill_null(0))
        .drop("more")
    )
    found = held(both, told)
    assert named(found)["entered"] == {"offers_counted"}


@pytest.mark.slow
def test_calls_that_agents_made_for_the_queue_count() -> None:
    made = [{**one, "direction": "out"} if one["id"] % 4 == 0 and "answer" in one else one for one in MADE]
    found = held(legs(made), buckets(MADE, "end"))
    out = sum(one.get("direction") == "out" for one in made)
    row = found.findings.filter(figure="entered").row(0, named=True)
    assert (row["cause"], row["amount"]) == ("outbound_counted", out)
    assert named(found)["handle"] == {"late_booking", "outbound_counted"}


# --- what is missing in places ------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_gap_in_the_call_log() -> None:
    there = [one for one in MADE if not 3 * 3600 <= one["came"] < 5 * 3600]
    found = held(legs(there), buckets(MADE, "end"))
    assert named(found)["entered"] == {"missing_legs"}
    row = found.findings.filter(figure="entered").row(0, named=True)
    assert (row["intervals"], row["amount"]) == (8, 400 - len(there))


@pytest.mark.slow
def test_gap_declared_explains_what_is_partly_there() -> None:
    there = [one for one in MADE if not (3 * 3600 <= one["came"] < 5 * 3600 and one["id"] % 2)]
    known = pl.DataFrame({"source": ["pbx"], "start_at": [at(3 * 3600)], "end_at": [at(5 * 3600)]})
    told = buckets(MADE, "end")
    assert "not_explained" in named(held(legs(there), told))["entered"]
    assert named(held(legs(there), told, gap=known))["entered"] == {"missing_legs"}


@pytest.mark.slow
def test_a_vendor_that_told_nothing_of_an_hour() -> None:
    told = buckets(MADE, "end").filter(
        ~pl.col("interval_start").is_between(at(7200), at(9000), closed="left")
    )
    found = held(legs(MADE), told)
    assert named(found)["entered"] == {"missing_buckets"}
    assert found.findings.filter(figure="entered")["intervals"][0] == 2


@pytest.mark.slow
def test_a_log_of_answered_calls_only() -> None:
    found = held(legs([one for one in MADE if "answer" in one]), buckets(MADE, "end"))
    assert named(found)["abandoned"] == {"abandons_not_logged"}
    assert named(found)["entered"] == {"abandons_not_logged"}


@pytest.mark.slow
def test_a_log_that_begins_with_the_answer() -> None:
    waited = [{**one, "came": one["came"] - 240} for one in MADE if "answer" in one]
    late = legs(waited).with_columns(started_at="answered_at")
    found = held(late, buckets(waited, "end"))
    assert named(found)["entered"] <= {"arrival_unknown", "clock_skew", "not_explained"}
    assert named(found)["entered"] & {"arrival_unknown", "clock_skew"}


def test_calls_without_a_duration() -> None:
    log = legs(MADE).with_columns(
        ended_at=pl.when(pl.col("leg_id") == "q-7").then(None).otherwise("ended_at"),
    )
    found = held(log, buckets(MADE, "arrival"))
    assert named(found) == {"handle": {"unknown_durations"}}


def test_unexplained_difference_is_reported_as_such() -> None:
    told = buckets(MADE, "arrival").with_columns(
        entered=pl.col("entered") + pl.when(pl.col("interval_start") == at(9 * 900)).then(3).otherwise(0)
    )
    found = held(legs(MADE), told)
    assert found.findings.rows() == [
        ("pbx", "q", "entered", "not_explained", 1, 3.0, "3.0 more than the calls, in all")
    ]
    head = found.summarise_agreement().row(0, named=True)
    assert head["figures"] - head["agree"] == 1
    assert head["accounted"] < 1


# --- states -------------------------------------------------------------------------------------------------
def test_states_that_nobody_watched() -> None:
    seen = states(MADE)
    blind = (pl.col("agent_id") == "a1") & (pl.col("state") == "busy")
    found = held(
        legs(MADE), None, seen.with_columns(state=pl.when(blind).then(pl.lit("unknown")).otherwise("state"))
    )
    assert named(found) == {"states": {"not_watched"}}


def test_states_that_are_told_late() -> None:
    late = (
        states(MADE)
        .with_columns(
            pl.when(pl.col(name) > at(-3600))
            .then((pl.col(name).dt.epoch("us") // 30_000_000 * 30_000_000 + 30_000_000).cast(INSTANT))
            .otherwise(name)
            for name in ("start_at", "end_at")
        )
        .filter(pl.col("end_at") > pl.col("start_at"))
    )
    found = held(legs(MADE), None, late, state_delay=timedelta(seconds=60))
    assert named(found)["states"] == {"told_late"}


def test_state_belongs_to_its_call_and_one_queue() -> None:
    """Two calls on end without a pause, of two queues, and one that the agent made in between."""
    log = pl.DataFrame(
        [
            ("l1", "a", "q", "in", at(0), at(0), at(100)),
            ("l2", "a", None, "out", at(130), at(130), at(150)),
            ("l3", "a", "r", "in", at(200), at(200), at(260)),
        ],
        schema=["leg_id", "login", "queue_id", "direction", "started_at", "answered_at", "ended_at"],
        orient="row",
    )
    seen = pl.DataFrame(
        [
            ("a", at(-5), at(100), "busy"),
            ("a", at(100), at(120), "wrapup"),
            ("a", at(120), at(150), "busy"),
            ("a", at(150), at(190), "available"),
            ("a", at(190), at(260), "busy"),
            ("a", at(260), at(263), "hold"),
            ("a", at(263), at(300), "wrapup"),
            ("a", at(300), at(500), "busy"),
        ],
        schema=["agent_id", "start_at", "end_at", "state"],
        orient="row",
    )
    told = dict(
        held(log, None, seen).sum_accounts(["queue_id"]).select("queue_id", "handle_states_s").iter_rows()
    )
    # l1: 105 busy, 20 wrap-up, 10 busy until the next is answered; l3: all of its run
    assert told == {"q": 135.0, "r": 310.0}


# --- what must always hold ----------------------------------------------------------------------------------
@pytest.mark.slow
def test_intervals_add_up_to_days_queues_and_whole() -> None:
    two = [*MADE, *calls(2, "r", 200)]
    found = held(legs(two), buckets(two, "end", wrap=False), states(two), timezone="Asia/Kolkata")
    summed = [
        "entered_vendor",
        "entered_legs",
        "abandoned_legs",
        "handle_vendor_s",
        "handle_legs_s",
        "handle_residual_s",
        "states_residual_s",
    ]
    whole = found.sum_accounts([]).select(summed)
    for names in (
        ["queue_id"],
        ["day"],
        ["week"],
        ["source"],
        ["queue_id", "day"],
        ["interval_start"],
        ["source", "queue_id", "interval_start"],
    ):
        assert_frame_equal(found.sum_accounts(names).select(pl.col(summed).sum()), whole)


@pytest.mark.slow
@examples(6)
@given(
    seed=st.integers(0, 10_000), book=st.sampled_from(["arrival", "end", "spread"]), cut=st.integers(1, 47)
)
def test_window_split_keeps_calls_and_their_durations(seed: int, book: str, cut: int) -> None:
    made = calls(seed, n=150)
    log, told, middle = legs(made), buckets(made, book), START + cut * QUARTER
    parts = [
        reconcile_intervals(window=window, call_leg=log, interval_volume=told).sum_accounts()
        for window in ((START, middle), (middle, END))
    ]
    whole = held(log, told).sum_accounts()
    names = ["entered_vendor", "entered_legs", "abandoned_legs", "handle_vendor_s"]
    assert_frame_equal(pl.concat(parts).select(pl.col(names).sum()), whole.select(pl.col(names).sum()))


@pytest.mark.slow
@examples(6)
@given(seed=st.integers(0, 10_000))
def test_agreement_is_share_and_every_cause_has_meaning(seed: int) -> None:
    found = held(
        legs(calls(seed, n=60)), buckets(calls(seed + 1, n=60), "end"), states(calls(seed + 2, n=60))
    )
    for name in COMPARED_ACCOUNTS:
        shares = found.sum_accounts()[f"{name}_agreement"].drop_nulls()
        assert shares.is_between(0, 1).all()
    assert set(found.findings["cause"]) <= set(CAUSE_TEXTS)
    assert set(found.findings["figure"]) <= set(COMPARED_ACCOUNTS)


@pytest.mark.slow
def test_order_and_repetition_of_rows_change_nothing() -> None:
    log, told, seen = legs(MADE), buckets(MADE, "end", wrap=False), states(MADE)
    mixed = held(*(frame.sample(fraction=1, shuffle=True, seed=3) for frame in (log, told, seen)))
    again = held(pl.concat([log, log]), pl.concat([told, told]), seen)
    for other in (mixed, again):
        assert_frame_equal(other.sum_accounts(), held(log, told, seen).sum_accounts())
        assert_frame_equal(other.findings, held(log, told, seen).findings)


# --- one of the three, or none ------------------------------------------------------------------------------
@pytest.mark.slow
def test_two_accounts_are_compared_when_third_is_missing() -> None:
    log, told, seen = legs(MADE), buckets(MADE, "arrival"), states(MADE)
    no_vendor, no_states = (
        held(log, None, seen).sum_accounts([]).row(0, named=True),
        held(log, told, None).sum_accounts([]).row(0, named=True),
    )
    assert (no_vendor["entered_vendor"], no_vendor["handle_residual_s"], no_vendor["states_agreement"]) == (
        None,
        None,
        1.0,
    )
    assert (no_states["handle_states_s"], no_states["states_residual_s"], no_states["handle_agreement"]) == (
        None,
        None,
        1.0,
    )
    no_log = held(None, told, seen).sum_accounts([]).row(0, named=True)
    assert (no_log["entered_vendor"], no_log["entered_legs"], no_log["entered_residual"]) == (400, None, None)
    assert held(None, told, seen).summarise_agreement()["figures"][0] == 0


def test_nothing_at_all_is_an_empty_answer() -> None:
    found = held(None, None, None)
    assert found.sum_accounts().is_empty()
    assert found.findings.is_empty()
    assert found.summarise_agreement().row(0, named=True)["agreement"] is None


def test_calls_without_a_queue_stand_by_themselves() -> None:
    bare = legs(MADE).with_columns(queue_id=pl.lit(None, pl.String))
    found = held(bare, buckets(MADE, "end"), states(MADE))
    told = {row["queue_id"]: row for row in found.sum_accounts(["queue_id"]).iter_rows(named=True)}
    assert told[None]["states_agreement"] == 1
    assert told["q"]["entered_legs"] is None


def test_what_cannot_be_is_refused() -> None:
    found = held(legs(MADE), None)
    with pytest.raises(UsageError, match="Cannot group by 'team'"):
        found.sum_accounts(["team"])
    with pytest.raises(UsageError, match="Mars"):
        held(None, None, None, timezone="Mars")
    wrong = buckets(MADE).with_columns(entered=pl.lit(-1, pl.Int64))
    with pytest.raises(InputError, match="impossible"):
        held(legs(MADE), wrong)
