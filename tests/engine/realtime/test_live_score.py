"""A day that takes news piece by piece against the same day scored at once, and figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from helpers.drawn_days import Day, days, golden
from helpers.drawn_days import draw as drawing
from helpers.examples import examples
from helpers.live_days import (
    DATES,
    NEWS,
    START,
    STEP,
    Facts,
    completed,
    fixed,
    score,
    start_live,
    watched,
)
from wfm.core import schema
from wfm.core.errors import InputError, UsageError
from wfm.engine.adherence import scoring as scoring
from wfm.engine.adherence.rollup import CUTTING_GROUPINGS
from wfm.engine.adherence.scoring import GROUPINGS, Score, ScoreOptions
from wfm.engine.realtime.live_score import Live


def same(live: Live, whole: Score) -> None:
    assert live.exceptions().rows() == whole.exceptions().rows()
    assert live.slices().rows() == whole.slices().rows()
    plain = [name for name in GROUPINGS if name not in CUTTING_GROUPINGS]
    for by in (plain, ["agent_id", "workday"], []):
        ours, theirs = live.adherence(by), whole.adherence(by)
        assert ours.columns == theirs.columns
        assert ours.rows() == theirs.rows()


def look(live: Live, view: str) -> None:
    if view == "adherence":
        live.adherence()
    elif view == "board":
        live.board(datetime(2026, 3, 2, 12, tzinfo=UTC))
    else:
        getattr(live, view)()


@st.composite
def arrivals(
    draw: st.DrawFn, day: Day
) -> tuple[tuple[Any, Any], list[tuple[dict[str, pl.DataFrame], list[str]]]]:
    """Tear a day into pieces that come in any order, some twice, some legs and exemptions in several versions.

    Its coverage may come as that of a feed: a little longer with every piece.
    """
    pieces = draw(st.integers(1, 6))
    tables = {name: completed(name, day.tables[name]) for name in NEWS if name in day.tables}
    whole = pl.concat(
        [
            tables[name].select(pl.col(at).alias("at"))
            for name, at in (("schedule", "start_at"), ("agent_state", "at"))
            if name in tables
        ]
    )["at"]
    first = whole.min() if whole.len() else datetime(2026, 3, 2, tzinfo=UTC)
    last = whole.max() if whole.len() else datetime(2026, 3, 3, tzinfo=UTC)
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    sent: list[dict[str, pl.DataFrame]] = [{} for _ in range(pieces)]
    for name, frame in tables.items():
        places = [draw(st.integers(0, pieces - 1)) for _ in range(frame.height)]
        order = draw(st.permutations(range(frame.height)))
        for piece in range(pieces):
            chosen = [row for row in order if places[row] == piece]
            again = draw(st.lists(st.sampled_from(order), max_size=2)) if order and name != "coverage" else []
            rows = frame[chosen + again]
            if name == "call_leg" and rows.height and draw(st.booleans()):
                shift = timedelta(seconds=day.step_s * draw(st.integers(0, 3)))
                rows = rows.with_columns(ended_at=pl.col("ended_at") + shift)
            if name == "exemption" and rows.height and draw(st.booleans()):
                rows = rows.with_columns(revoked_at=pl.lit(first, pl.Datetime("us", "UTC")))
            if rows.height or draw(st.booleans()):
                sent[piece][name] = rows
    if draw(st.sampled_from((True, True, False))):
        sources = tables["agent_state"]["source"].unique().sort().to_list() or ["-"]
        cells = int((last - first).total_seconds()) // day.step_s + 5
        for source in sources:
            edges = sorted(draw(st.integers(-2, cells)) for _ in range(pieces))
            begin = first - timedelta(days=3)
            for piece, edge in enumerate(edges):
                end = first + timedelta(seconds=day.step_s * edge)
                span = pl.DataFrame(
                    {"source": [source], "start_at": [begin], "end_at": [end]},
                    schema=schema.get_table("coverage").own_columns,
                )
                so_far = sent[piece].get("coverage", span.clear()).select(span.columns)
                kept = so_far.filter(pl.col("source") != source)
                sent[piece]["coverage"] = pl.concat([kept, span])
                begin = end if draw(st.sampled_from((True, True, True, False))) else begin
    looks = [
        draw(st.lists(st.sampled_from(("adherence", "exceptions", "slices", "board")), max_size=3))
        for _ in sent
    ]
    low = first - timedelta(hours=draw(st.integers(0, 3)))
    high = last + timedelta(hours=draw(st.sampled_from((0, 1, 30))), seconds=1)
    window: tuple[Any, Any] = (low, high)
    if draw(st.booleans()):
        window = (low.date() - timedelta(days=draw(st.integers(-1, 1))), high.date() + timedelta(days=1))
        window = window if window[0] < window[1] else (low.date(), high.date() + timedelta(days=1))
    return window, list(zip(sent, looks, strict=True))


@pytest.mark.slow
@examples(15, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data(), day=days(), every=st.booleans())
def test_updates_in_any_order_reach_the_full_score(data: st.DataObject, day: Day, every: bool) -> None:
    window, pieces = data.draw(arrivals(day))
    options = ScoreOptions(state_delay=timedelta(seconds=day.step_s * data.draw(st.integers(0, 2))))
    about = {**fixed(day.tables), "window": window, "timezone": day.timezone, "options": options}
    facts, live = Facts(), None
    for number, (news, looks) in enumerate(pieces):
        facts.take(news)
        if live is None:
            nothing = {name: schema.create_empty_frame(name) for name in ("schedule", "agent_state")}
            live = start_live(**{**nothing, **news}, **about)
        else:
            live.take(**news)
        for view in looks:
            look(live, view)
        if every or number == len(pieces) - 1:
            same(live, score(**facts.frames(), **about))


@st.composite
def feeds(draw: st.DrawFn, day: Day) -> tuple[tuple[Any, Any], list[dict[str, pl.DataFrame]]]:
    """Let a day be told as it happens: plans first, then, poll by poll, what was seen up to then."""
    tables = {name: completed(name, day.tables[name]) for name in NEWS if name in day.tables}
    at = pl.concat([tables["schedule"]["start_at"].alias("at"), tables["agent_state"]["at"]])
    first, last = at.min() or datetime(2026, 3, 2, tzinfo=UTC), at.max() or datetime(2026, 3, 3, tzinfo=UTC)
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    first = max(first, last - timedelta(seconds=400 * day.step_s))
    sources = tables["agent_state"]["source"].unique().sort().to_list() or ["-"]
    told = first + timedelta(seconds=day.step_s * draw(st.integers(0, 120)))
    polls: list[dict[str, pl.DataFrame]] = []
    far = timedelta(days=3)
    for number in range(draw(st.integers(4, 14))):
        end = told + timedelta(seconds=day.step_s * draw(st.sampled_from((1, 1, 2, 3, 7, 20))))
        since = first - far if number == 0 else told
        spans = [{"source": source, "start_at": since, "end_at": end} for source in sources]
        news = {"coverage": pl.DataFrame(spans, schema=schema.get_table("coverage").own_columns)}
        for name, when in (("agent_state", "at"), ("call_leg", "ended_at")):
            if name in tables:
                mine = tables[name].filter(pl.col(when).is_between(since, end, closed="left"))
                news |= {name: mine} if mine.height else {}
        polls.append(news)
        told = end
    polls[0] = {**{name: tables[name] for name in ("schedule", "exemption") if name in tables}, **polls[0]}
    if draw(st.booleans()):
        return (first - far, last + far), polls
    if draw(st.booleans()):
        return (first + timedelta(seconds=day.step_s * draw(st.integers(0, 60))), last + far), polls
    return (first.date() - timedelta(days=2), last.date() + timedelta(days=2)), polls


@pytest.mark.slow
@examples(8, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data(), day=days(), several=st.booleans())
def test_longer_coverage_reaches_the_full_score(data: st.DataObject, day: Day, several: bool) -> None:
    if not several:  # one source: the case that is kept cheap
        tables = {n: frame.drop("source", strict=False) for n, frame in day.tables.items() if n != "login"}
        tables.pop("state_map", None)
        day = Day(tables, day.timezone, day.as_of, day.step_s)
    window, polls = data.draw(feeds(day))
    wrapup = timedelta(seconds=day.step_s * data.draw(st.sampled_from((2, 130))))
    options = ScoreOptions(
        state_delay=timedelta(seconds=day.step_s * data.draw(st.integers(0, 4))), wrapup_grace=wrapup
    )
    about = {**fixed(day.tables), "window": window, "timezone": day.timezone, "options": options}
    facts = Facts()
    facts.take(polls[0])
    live = start_live(**facts.frames(), **about)
    for number, news in enumerate(polls):
        facts.take(news)
        live.take(**news)
        if data.draw(st.booleans()) or number == len(polls) - 1:
            same(live, score(**facts.frames(), **about))
        else:
            look(live, data.draw(st.sampled_from(("adherence", "exceptions", "slices", "board"))))


DRAWN = {
    "a call that overran, and the break it shifted": (
        "sched  QQQQQQQQBBBBBQQQQQQQQQQQQQQQ",
        "state  AAAAAABBBBBbbbbbbbbbbbbAAAAA",
        "calls  ......11111.................",
    ),
    "a call that overran, and a wrap-up longer than it may be": (
        "sched  QQQQQQQQBBBBBBBBBBBBBQQQQQQQ",
        "state  AAAAAABBBBBWWWWWWWWWWbbbbAAA",
        "calls  ......11111.................",
    ),
    "calls that begin and end within a state": (
        "sched  QQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
        "state  BBBBBBBBBBBBBBBBBBBBBBBBBBBA",
        "calls  ..111..22222....3333........",
    ),
    "a call that the log does not know": (
        "sched  QQQQQQQQBBBBBQQQQQQQQQQQQQQQ",
        "state  AAAAAABBBBBBBBBbbbbbbbAAAAAA",
    ),
    "an exception whose longest state becomes another": (
        "sched  QQQQQQQQQQQQQQQQQQQQQQQQBBQQ",
        "state  AAAaabbbbbbbbmmAAAaaaaaaAAAA",
    ),
    "a late start that is an absence until the agent comes": (
        "sched  QQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
        "state  ......aaaa..bbbbAAAAAAAAAAAA",
    ),
    "a rest that reaches the break and outlasts it": (
        "sched  QQQQQQQQBBBBBQQQQQQQQQQQQQ..",
        "state  AAAAAbbbbbbbbbbbbbbAAAAAAAAA",
    ),
    "two logins of which one rests": (
        "sched    QQQQQQQQBBBBBQQQQQQQQQQQQQ..",
        "state:a  AAAAAbbbbbbbbbbbbbbAAAAAAAAA",
        "state:b  ooooooooAAAAAbbbbbbbbAAbbbbb",
    ),
    "an exemption in the middle of it": (
        "sched     QQQQQQQQBBBBBQQQQQQQQQQQQQ..",
        "state     AAAAAbbbbbbbbbbbbbbaaaaaaaaa",
        "approved  ......xxx.......xx..........",
        "system    ....................xxx.....",
    ),
}


def names_of_two(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    both = [{"source": "-", "login": login, "agent_id": "a"} for login in ("a", "b")]
    return {"login": pl.DataFrame(both)} if "b" in tables["agent_state"]["login"] else {}


@pytest.mark.slow
@pytest.mark.parametrize("title", DRAWN)
@pytest.mark.parametrize("by_dates", [True, False])
def test_drawn_day_grows_by_minutes_into_full_score(title: str, by_dates: bool) -> None:
    tables = drawing(*DRAWN[title])
    window: Any = DATES if by_dates else (START + 3 * STEP, START + 24 * STEP)
    about = {**fixed(tables | names_of_two(tables)), "window": window}
    live = start_live(**tables, **about, coverage=watched(START))
    for minute in range(1, 31):
        end = START + minute * STEP - timedelta(seconds=20)
        live.take(coverage=watched(end, end - STEP))
        live.adherence()
        if minute % 3:
            same(live, score(**tables, **about, coverage=watched(end)))


def test_longer_coverage_rescores_nobody_between_two_events() -> None:
    tables = drawing(
        *(f"sched:{i} QQQQQQQQQQQQQQQQQQQQ" for i in range(5)),
        *(f"state:{i} AAAAAAAAAAAAAAAAAAAA>" for i in range(5)),
    )
    live = start_live(**tables, **fixed(tables), window=DATES, coverage=watched(START + STEP))
    live.adherence()
    assert [live.take(coverage=watched(START + n * STEP)) for n in (2, 3, 9, 19, 20)] == [0, 0, 0, 0, 5]
    assert live.adherence([]).select("in_s", "unknown_s").row(0) == (5 * 20 * 60.0, 0.0)


def test_news_of_one_agent_scores_nobody_else_anew() -> None:
    tables = drawing(
        *(f"sched:{i} QQQQQQQQQQ" for i in range(5)), *(f"state:{i} AAAAAAAAAA" for i in range(5))
    )
    live = start_live(**tables, **fixed(tables), window=DATES)
    live.exceptions()
    news = pl.DataFrame({"login": ["3"], "at": [START + 4 * STEP], "vendor_state": ["break"]})
    assert live.take(agent_state=news) == 1
    assert live.take(agent_state=news) == 0
    assert live.exceptions().select("agent_id", "seconds", "state").rows() == [("3", 360.0, "break")]


def test_the_golden_day_in_two_halves() -> None:
    tables = golden()
    about = {**fixed(tables), "window": DATES}
    noon = START + timedelta(hours=4)
    live = start_live(
        schedule=tables["schedule"], agent_state=tables["agent_state"].filter(pl.col("at") < noon), **about
    )
    live.adherence()
    live.take(agent_state=tables["agent_state"], call_leg=tables["call_leg"])
    (row,) = live.adherence().iter_rows(named=True)
    assert (row["adherence"], row["adherence_adjusted"], row["call_driven_s"]) == (0.96875, 0.99375, 720.0)


def test_what_is_no_more_is_taken_back() -> None:
    tables = drawing(
        "sched QQQQQQQQBBBBQQQQ",
        "state AAAABBBBBBbbbbAA",
        "calls ....111111......",
        "sched:b QQQQ",
        "state:c AAA",
    )
    about = {**fixed(tables), "window": DATES}
    live = start_live(**tables, **about)
    live.exceptions()
    live.slices()
    live.take(gone={"call_leg": pl.DataFrame({"source": ["-"], "leg_id": ["1"]})})
    less = {**tables, "call_leg": tables["call_leg"].clear()}
    same(live, score(**less, **about))
    gone = tables["agent_state"].filter(pl.col("login") == "c").with_columns(source=pl.lit("-"))
    live.take(gone={"agent_state": gone, "schedule": tables["schedule"].filter(pl.col("agent_id") == "b")})
    less["agent_state"] = tables["agent_state"].filter(pl.col("login") != "c")
    less["schedule"] = tables["schedule"].filter(pl.col("agent_id") != "b")
    same(live, score(**less, **about))
    assert live.board(START)["agent_id"].to_list() == ["a"]


def test_login_on_two_feeds_updates_with_either() -> None:
    """Though the time that both watched ends where it did."""
    tables = drawing("sched QQQQQQQQ", "state:x@one AAAAAAAA", "state:y@two AAAAAAAA")
    pairs = {"source": ["one", "two"], "login": ["x", "y"], "agent_id": ["a", "a"]}
    about = {**fixed(tables), "login": pl.DataFrame(pairs), "window": DATES}
    first, later = START + 3 * STEP, START + 6 * STEP
    both = pl.concat([watched(first, source="one"), watched(first, source="two")])
    live = start_live(**tables, **about, coverage=both)
    assert live.adherence([])["unknown_s"].item() == 300
    more = watched(later, first, "one")
    assert live.take(coverage=more) == 1
    same(live, score(**tables, **about, coverage=pl.concat([both, more])))
    assert live.adherence([])["unknown_s"].item() == 120


# --- bad input ------------------------------------------------------------------------------------------
def test_unreadable_update_is_refused_as_a_whole() -> None:
    tables = drawing("sched QQQQ", "state AAAA")
    live = start_live(**tables, **fixed(tables), window=DATES)
    before = live.slices()
    late = pl.DataFrame({"login": ["a"], "at": [START + STEP], "vendor_state": ["break"]})
    backwards = watched(START, START + STEP)
    with pytest.raises(InputError, match="end before they start"):
        live.take(agent_state=late, coverage=backwards)
    with pytest.raises(InputError, match="no kind"):
        live.take(
            agent_state=late, exemption=pl.DataFrame({"start_at": [START], "end_at": [START], "kind": ["x"]})
        )
    with pytest.raises(InputError, match="unknown activity"):
        live.take(schedule=tables["schedule"].with_columns(activity=pl.lit("juggling")), agent_state=late)
    with pytest.raises(InputError, match="no column"):
        live.take(agent_state=late.drop("login"))
    assert live.slices().equals(before)


def test_live_day_needs_window_and_board_an_instant() -> None:
    tables = drawing("sched QQQQ", "state AAAA")
    with pytest.raises(UsageError, match="window"):
        start_live(**tables, **fixed(tables), window=None)
    live = start_live(**tables, **fixed(tables), window=DATES)
    with pytest.raises(UsageError, match="no zone"):
        live.board(datetime(2026, 3, 2, 8))  # noqa: DTZ001
    with pytest.raises(UsageError, match="Cannot group"):
        live.adherence(["shoe_size"])


def test_nobody_at_all_is_an_empty_day() -> None:
    nothing = {name: schema.create_empty_frame(name) for name in ("schedule", "agent_state")}
    live = start_live(**nothing, **fixed({}), window=DATES, coverage=watched(START))
    assert live.board(START).height == live.slices().height == live.exceptions().height == 0
    live.take(coverage=watched(START + STEP))
    tables = drawing("sched QQQQ", "state AAAA")
    live.take(**tables)
    same(live, score(**tables, **fixed({}), window=DATES, coverage=watched(START + STEP)))
