"""Cut, join and overlay spans [start, end) of many agents at once, on one integer axis.

A *key* packs the agent's index (high bits) and the microseconds since the axis began (low bits) into one Int64, so
that one sort orders every agent's instants and no operation needs an ``over(agent)``::

    agent 0                 agent 1                 agent 2
    |----------width-------|----------width-------|----------
    0                      width                  2*width

A *layer* is a frame ``key, <name>``: a step function that has that value from that key on, until its next row. It has
one row per key and one at each agent's first key, so that a forward fill never leaks from one agent to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import polars as pl

from wfm.core.errors import InputError
from wfm.core.time import INSTANT, US_PER_DAY

KEY_DTYPE = pl.Int64


@dataclass(frozen=True)
class Axis:
    """The time from ``origin_us`` to ``end_us`` (epoch microseconds), once for each of ``agents``.

    Raises:
        InputError: agents times time do not fit into 63 bits.
    """

    agents: pl.Enum
    origin_us: int
    end_us: int

    @property
    def agent_width(self) -> int:
        """Return the number of keys that each agent has, a power of two."""
        # a power of two splits a key into agent and offset at a fixed bit, which helps when one reads keys in binary
        return 1 << (self.end_us - self.origin_us).bit_length()

    @property
    def agent_count(self) -> int:
        """Return the number of agents on the axis."""
        return len(self.agents.categories)

    def __post_init__(self) -> None:
        if self.agent_count * self.agent_width >= 1 << 63:
            days = (self.end_us - self.origin_us) / US_PER_DAY
            raise InputError(
                f"{self.agent_count:,} agents over {days:,.0f} days do not fit on one axis: "
                "ask for a shorter window or for fewer agents at a time."
            )

    def encode_key(self, agent: pl.Expr, at: pl.Expr) -> pl.Expr:
        """Pack an agent (Enum ``agents``) and an instant into a key; clip instants to the axis."""
        offset = at.dt.epoch("us").clip(self.origin_us, self.end_us) - self.origin_us
        return agent.to_physical().cast(KEY_DTYPE) * self.agent_width + offset

    def decode_agent(self, key: pl.Expr) -> pl.Expr:
        """Return the agent of a key, as Enum ``agents``."""
        return (key // self.agent_width).cat.to(self.agents)

    def decode_instant(self, key: pl.Expr) -> pl.Expr:
        """Return the instant of a key."""
        return (key % self.agent_width + self.origin_us).cast(INSTANT)

    def first_keys(self) -> pl.Series:
        """Return the first key of each agent."""
        return pl.Series("key", range(self.agent_count), dtype=KEY_DTYPE) * self.agent_width

    def end_keys(self) -> pl.Series:
        """Return the key at which the time of each agent ends."""
        return self.first_keys() + (self.end_us - self.origin_us)


def build_layer(steps: pl.DataFrame, name: str, axis: Axis, default: int) -> pl.DataFrame:
    """Build a layer from steps ``key, <name>``; of two steps at one key the later row wins.

    ::

        steps    0 A  5 B  5 C  9 D
        layer    A....C...D.....      (B lasts no time)
    """
    first = pl.DataFrame({"key": axis.first_keys()}).with_columns(
        pl.lit(default, steps.schema[name]).alias(name)
    )
    return (
        pl.concat([first, steps.select("key", name)])
        .sort("key", maintain_order=True)
        .unique("key", keep="last", maintain_order=True)
    )


def spans_to_steps(spans: pl.DataFrame, name: str, default: int) -> pl.DataFrame:
    """Return disjoint spans as steps: the value at each start, the default at each end that no other span adjoins.

    Args:
        spans: key, key_end, <name>.
        name: the column of values.
        default: the value where no span is.

    ::

        spans    [2 A 5) [5 B 7)      [9 C 11)
        steps    2 A  5 B  7 default  9 C  11 default
    """
    spans = spans.filter(pl.col("key") < pl.col("key_end")).sort("key")
    # an end that the next span adjoins needs no step: the next value replaces it
    free = pl.col("key_end") != pl.col("key").shift(-1).fill_null(-1)
    ends = (
        spans.filter(free).select(key="key_end").with_columns(pl.lit(default, spans.schema[name]).alias(name))
    )
    return ends.merge_sorted(spans.select("key", name), key="key")


def overlay_layers(layers: list[pl.DataFrame], axis: Axis) -> pl.DataFrame:
    """Cut time at every boundary of every layer, into slices within which no layer changes.

    Returns:
        key, key_end and the value of each layer, in order of key.

    ::

        layer a  AAAAAAABBBBBBB
        layer b  xxxxyyyyyyyxxx
        slices   |Ax |Ay|By |Bx|
    """
    names = [frame.columns[1] for frame in layers]
    edge = pl.DataFrame({"key": axis.end_keys()})
    # merging sorted frames is linear; joining the layers on their keys would sort and hash every one of them
    wide = [_add_layer_columns(frame, names, layers) for frame in [*layers, edge]]
    merged = reduce(lambda left, right: left.merge_sorted(right, key="key"), (frame.lazy() for frame in wide))
    inside = pl.col("key") % axis.agent_width < axis.end_us - axis.origin_us
    return (
        merged.with_columns(pl.col(names).forward_fill(), key_end=pl.col("key").shift(-1))
        .filter(pl.col("key_end") > pl.col("key"), inside)
        .select("key", "key_end", *names)
        .collect()
    )


def _add_layer_columns(frame: pl.DataFrame, names: list[str], layers: list[pl.DataFrame]) -> pl.DataFrame:
    kinds = {name: each.schema[name] for name, each in zip(names, layers, strict=True)}
    return frame.select(
        "key", *(pl.col(n) if n in frame.columns else pl.lit(None, kinds[n]).alias(n) for n in names)
    )


def overlay_rows(frames: Mapping[str, pl.DataFrame], axis: Axis) -> pl.DataFrame:
    """Cut time at every boundary of the rows of several frames, so that no frame changes row within a piece.

    ::

        one      [0    3)[3      8)
        other         [2   5)
        pieces   [0 2)[2 3)[3 5)[5 8)
        one       0    0    1    1
        other    -1    0    0   -1

    Args:
        frames: name -> disjoint spans key, key_end in order of key.
        axis: the axis of the keys.

    Returns:
        key, key_end and under the name of each frame its row there, -1 where it has none; in order of key. Time for
        which no frame has a row is left out.
    """
    row = pl.int_range(pl.len(), dtype=pl.Int32)
    layers = [
        build_layer(spans_to_steps(rows.select("key", "key_end", row.alias(name)), name, -1), name, axis, -1)
        for name, rows in frames.items()
    ]
    return overlay_layers(layers, axis).filter(pl.any_horizontal(pl.col(name) >= 0 for name in frames))


def gather_rows(values: pl.Series, row: pl.Series) -> pl.Series:
    """Return the values at the rows that `overlay_rows` found; null where it found none."""
    # a negative index would count from the end
    return values.gather(row.replace(-1, None))


def merge_spans(spans: pl.DataFrame) -> pl.DataFrame:
    """Join touching and overlapping spans ``key, key_end`` into disjoint ones.

    ::

        spans    [1   4) [3  6)   [8 9)
        union    [1      6)       [8 9)
    """
    spans = spans.select("key", "key_end").filter(pl.col("key") < pl.col("key_end")).sort("key")
    fresh = pl.col("key") > pl.col("key_end").cum_max().shift(1)
    return (
        spans.with_columns(run=fresh.fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("key").min(), pl.col("key_end").max())
        .drop("run")
    )


def resolve_overlaps(spans: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return disjoint spans: where several overlap, the one that started last wins.

    Of those that start together the one that ends first wins, then the later row. Takes ``key, key_end, <name>`` in
    order of arrival; returns the same columns, cut where the winner changes::

        rows     [0 shift                16)
                       [4 break 5)   [12 meal 13)
        result   [0 s 4)[4 b 5)[5 s 12)[12 m 13)[13 s 16)
    """
    spans = spans.filter(pl.col("key") < pl.col("key_end")).with_row_index("arrival")
    spans = spans.sort("key", pl.col("key_end"), descending=[False, True], maintain_order=True)
    # most spans overlap nothing: only clusters of overlapping ones go through the costly cutting below
    alone = pl.col("key") >= pl.col("key_end").cum_max().shift(1).fill_null(-1)
    spans = spans.with_columns(cluster=alone.cum_sum()).with_columns(size=pl.len().over("cluster"))
    columns = ["key", "key_end", name]
    single = spans.filter(pl.col("size") == 1).select(columns)
    tangled = spans.filter(pl.col("size") > 1)
    if tangled.is_empty():
        return single
    cuts = pl.concat([tangled["key"], tangled["key_end"]]).unique().sort()
    pieces = (
        tangled.with_row_index("priority")
        .with_columns(
            cut=pl.int_ranges(cuts.search_sorted(tangled["key"]), cuts.search_sorted(tangled["key_end"]))
        )
        .select("priority", "cut")
        .explode("cut")
        .group_by("cut")
        .agg(pl.col("priority").max())
        .sort("cut")
    )
    resolved = pl.DataFrame(
        {
            "key": cuts.gather(pieces["cut"]),
            "key_end": cuts.gather(pieces["cut"] + 1),
            name: tangled[name].gather(pieces["priority"]),
        }
    )
    return single.merge_sorted(resolved, key="key")


def find_run_start(flag: pl.Expr, begins: pl.Expr | None = None) -> pl.Expr:
    """Return for each slice of a maximal run of adjoining flagged slices the key at which the run starts.

    Args:
        flag: whether a slice belongs to a run; the result is null where it does not.
        begins: where a new run starts although the slice before is flagged, too.
    """
    adjoins = (pl.col("key_end").shift(1) == pl.col("key")) & flag.shift(1)
    fresh = ~adjoins.fill_null(False)
    if begins is not None:
        fresh = fresh | begins
    return pl.when(flag).then(pl.when(fresh).then(pl.col("key")).forward_fill())


def find_run_end(flag: pl.Expr, begins: pl.Expr | None = None) -> pl.Expr:
    """Return for each slice of a maximal run of adjoining flagged slices the key at which the run ends.

    Arguments as for `find_run_start`.
    """
    adjoins = (pl.col("key").shift(-1) == pl.col("key_end")) & flag.shift(-1)
    last = ~adjoins.fill_null(False)
    if begins is not None:
        last = last | begins.shift(-1).fill_null(True)
    return pl.when(flag).then(pl.when(last).then(pl.col("key_end")).backward_fill())
