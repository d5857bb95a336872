"""The verbs on spans against slow twins that look at every single key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from wfm.core.errors import InputError
from wfm.engine.time.axis import (
    Axis,
    build_layer,
    find_run_end,
    find_run_start,
    gather_rows,
    merge_spans,
    overlay_layers,
    overlay_rows,
    resolve_overlaps,
    spans_to_steps,
)

ZERO = 1_772_438_400_000_000
LENGTH = 24
AXIS = Axis(pl.Enum(["a", "b", "c"]), ZERO, ZERO + LENGTH)
WIDTH = 32
PLACES = [agent * WIDTH + offset for agent in range(3) for offset in range(LENGTH)]
"""Every key at which something can be: three agents, 24 microseconds each."""

quick = examples(120, database=None)
values = st.integers(1, 3)
agents, offsets = st.integers(0, 2), st.integers(0, LENGTH)


@st.composite
def spans(draw: st.DrawFn, most: int = 9) -> list[tuple[int, int, int]]:
    """Draw (key, key_end, value), each within one agent; some are empty, many coincide."""
    made = []
    for _ in range(draw(st.integers(0, most))):
        base = draw(agents) * WIDTH
        first, past = sorted((draw(offsets), draw(offsets)))
        made.append((base + first, base + past, draw(values)))
    return made


def frame(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    columns = {"key": pl.Int64, "key_end": pl.Int64, "v": pl.Int32}
    return pl.DataFrame(rows, schema=columns, orient="row")


def is_disjoint(made: pl.DataFrame) -> bool:
    """Return whether no two spans overlap."""
    ordered = made.sort("key")
    return bool((ordered["key"].shift(-1) >= ordered["key_end"]).fill_null(True).all())


def apart(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Keep the spans that overlap none before them."""
    kept: list[tuple[int, int, int]] = []
    for key, key_end, value in rows:
        if all(key_end <= first or key >= past for first, past, _ in kept):
            kept.append((key, key_end, value))
    return kept


def painted(made: pl.DataFrame) -> dict[int, int]:
    """Say what disjoint spans hold at every key."""
    held: dict[int, int] = {}
    for key, key_end, value in made.rows():
        for place in range(key, key_end):
            assert place not in held
            held[place] = value
    return held


def held_by(made: pl.DataFrame) -> dict[int, int]:
    """Say what a layer holds at every place."""
    rows = made.rows()
    return {place: [value for key, value in rows if key <= place][-1] for place in PLACES}


# --- the axis -------------------------------------------------------------------------------------------
def test_the_axis_packs_agents_and_instants() -> None:
    assert AXIS.agent_width == WIDTH
    assert AXIS.agent_count == 3
    assert AXIS.first_keys().to_list() == [0, 32, 64]
    assert AXIS.end_keys().to_list() == [24, 56, 88]


@quick
@given(st.lists(st.tuples(agents, st.integers(-5, LENGTH + 5)), min_size=1))
def test_unpacking_gives_back_what_was_packed(points: list[tuple[int, int]]) -> None:
    instants = [datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(microseconds=offset) for _, offset in points]
    names = [AXIS.agents.categories[agent] for agent, _ in points]
    rows = pl.DataFrame(
        {"agent": names, "at": instants}, schema={"agent": AXIS.agents, "at": pl.Datetime("us", "UTC")}
    )
    packed = rows.select(key=AXIS.encode_key(pl.col("agent"), pl.col("at")))
    inside = [min(max(offset, 0), LENGTH) for _, offset in points]
    assert packed["key"].to_list() == [a * WIDTH + at for (a, _), at in zip(points, inside, strict=True)]
    back = packed.select(agent=AXIS.decode_agent(pl.col("key")), at=AXIS.decode_instant(pl.col("key")))
    assert back["agent"].to_list() == names
    assert back["at"].dt.epoch("us").to_list() == [ZERO + at for at in inside]


@quick
@given(st.integers(0, 2**50), st.integers(1, 2**45), st.integers(1, 50))
def test_no_agents_stretch_reaches_the_next(origin: int, length: int, people: int) -> None:
    axis = Axis(pl.Enum([f"{n:02}" for n in range(people)]), origin, origin + length)
    assert length < axis.agent_width <= 2 * length
    assert (axis.end_keys()[:-1] < axis.first_keys()[1:]).all()


def test_axis_out_of_range_names_the_remedy() -> None:
    century = 100 * 366 * 86_400_000_000
    many = pl.Enum([str(n) for n in range(5000)])
    with pytest.raises(
        InputError, match=r"5,000 agents over 36,600 days.*shorter window or for fewer agents"
    ):
        Axis(many, 0, century)
    assert Axis(pl.Enum(["a"]), 0, century).agent_width > century
    assert Axis(many, 0, 31 * 86_400_000_000).agent_count == 5000


# --- layers ---------------------------------------------------------------------------------------------
@quick
@given(st.lists(st.tuples(agents, st.integers(0, LENGTH - 1), values), max_size=12))
def test_layer(rows: list[tuple[int, int, int]]) -> None:
    points = [(agent * WIDTH + offset, value) for agent, offset, value in rows]
    made = build_layer(
        pl.DataFrame(points, schema={"key": pl.Int64, "v": pl.Int32}, orient="row"), "v", AXIS, 0
    )
    assert made.columns == ["key", "v"]
    assert made["key"].is_sorted()
    assert made["key"].is_unique().all()
    wanted = {}
    for place in PLACES:
        mine = [
            (key, n, value) for n, (key, value) in enumerate(points) if place - place % WIDTH <= key <= place
        ]
        wanted[place] = max(mine, key=lambda one: one[:2])[2] if mine else 0
    assert held_by(made) == wanted


@quick
@given(spans().map(apart))
def test_steps(rows: list[tuple[int, int, int]]) -> None:
    made = spans_to_steps(frame(rows), "v", 0)
    assert made["key"].is_sorted()
    ends_at_once = build_layer(made.filter(pl.col("key") % WIDTH < LENGTH), "v", AXIS, 0)
    painted_ = painted(frame(rows))
    assert held_by(ends_at_once) == {place: painted_.get(place, 0) for place in PLACES}


@pytest.mark.slow
@quick
@given(st.lists(spans().map(apart), min_size=3, max_size=3))
def test_overlay(drawn: list[list[tuple[int, int, int]]]) -> None:
    names = ["x", "y", "z"]
    layers = [
        build_layer(spans_to_steps(frame(rows).rename({"v": name}), name, 0), name, AXIS, 0)
        for name, rows in zip(names, drawn, strict=True)
    ]
    made = overlay_layers(layers, AXIS)
    assert made.columns == ["key", "key_end", *names]
    for agent, start in enumerate(AXIS.first_keys()):
        mine = made.filter(pl.col("key") // WIDTH == agent)
        assert [*mine["key"], start + LENGTH] == [start, *mine["key_end"]]
    held = [painted(frame(rows)) for rows in drawn]
    edges = {edge for one in layers for edge in one["key"]} | {*AXIS.first_keys()}
    for key, key_end, *got in made.rows():
        assert not edges & set(range(key + 1, key_end))
        for place in range(key, key_end):
            assert got == [one.get(place, 0) for one in held]


@pytest.mark.slow
@quick
@given(spans().map(apart), spans().map(apart))
def test_rows_of_frames_are_overlaid(
    one: list[tuple[int, int, int]], other: list[tuple[int, int, int]]
) -> None:
    frames = {"one": frame(one), "other": frame(other)}
    made = overlay_rows(frames, AXIS)
    for name, rows in frames.items():
        found = made.select("key", "key_end", v=gather_rows(rows["v"], made[name])).drop_nulls("v")
        assert painted(found) == painted(rows)
    assert made.filter(pl.col("one") < 0, pl.col("other") < 0).is_empty()
    assert made["key"].is_sorted()
    assert is_disjoint(made)


def test_overlay_of_no_agents() -> None:
    nobody = Axis(pl.Enum([]), ZERO, ZERO + LENGTH)
    empty = build_layer(spans_to_steps(frame([]), "v", 0), "v", nobody, 0)
    assert overlay_layers([empty], nobody).rows() == []


# --- spans ----------------------------------------------------------------------------------------------
@quick
@given(spans())
def test_union(rows: list[tuple[int, int, int]]) -> None:
    made = merge_spans(frame(rows))
    covered = {place for key, key_end, _ in rows for place in range(key, key_end)}
    assert {place for key, key_end in made.rows() for place in range(key, key_end)} == covered
    assert (made["key"] < made["key_end"]).all()
    assert (made["key_end"] < made["key"].shift(-1)).fill_null(True).all()
    assert merge_spans(made).equals(made)
    assert is_disjoint(made)


@quick
@given(spans(14))
def test_resolve(rows: list[tuple[int, int, int]]) -> None:
    made = resolve_overlaps(frame(rows), "v")
    wanted = {}
    for place in PLACES:
        over = [(key, -past, n, v) for n, (key, past, v) in enumerate(rows) if key <= place < past]
        if over:
            wanted[place] = max(over)[3]
    assert painted(made) == wanted
    assert made["key"].is_sorted()
    assert made.columns == ["key", "key_end", "v"]
    assert is_disjoint(made)


def test_resolve_of_a_shift_with_breaks() -> None:
    rows = [(0, 16, 1), (4, 5, 2), (12, 13, 3)]
    assert resolve_overlaps(frame(rows), "v").rows() == [
        (0, 4, 1),
        (4, 5, 2),
        (5, 12, 1),
        (12, 13, 3),
        (13, 16, 1),
    ]


def test_spans_that_touch_stay_two() -> None:
    assert resolve_overlaps(frame([(0, 2, 1), (2, 4, 1)]), "v").rows() == [(0, 2, 1), (2, 4, 1)]
    assert merge_spans(frame([(0, 2, 1), (2, 4, 1)])).rows() == [(0, 4)]


@quick
@given(spans().map(apart), st.data())
def test_runs(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    ordered = sorted(row for row in rows if row[0] < row[1])
    fresh = [data.draw(st.sampled_from((False, False, True))) for _ in ordered]
    slices = frame(ordered).with_columns(fresh=pl.Series(fresh, dtype=pl.Boolean))
    for begins in (None, pl.col("fresh")):
        made = slices.select(
            start=find_run_start(pl.col("v") > 1, begins), end=find_run_end(pl.col("v") > 1, begins)
        )
        runs: list[list[int]] = []
        for n, (key, _, value) in enumerate(ordered):
            joins = n > 0 and ordered[n - 1][1] == key and ordered[n - 1][2] > 1
            if value > 1 and joins and not (begins is not None and fresh[n]):
                runs[-1].append(n)
            elif value > 1:
                runs.append([n])
        wanted: list[tuple[int | None, int | None]] = [(None, None)] * len(ordered)
        for run in runs:
            for n in run:
                wanted[n] = (ordered[run[0]][0], ordered[run[-1]][1])
        assert made.rows() == wanted
