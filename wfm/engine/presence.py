"""Who of a group was scheduled on queue at every instant, how many of them were out, and how many are as a rule.

What is normal is learnt from the other days, per phase of a stretch on queue: whoever has just come, or is about to go
to lunch, is out more often than in the middle of the morning::

    on queue    |begins 0|1|2|4  |8      |amid               |before 8|4   |2 |1|0|break ...
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.codes import fold

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1) // MICROSECOND
EDGES = (0, 1, 2, 4, 8, 15)
"""Minutes after the start of a stretch on queue, and before its end, between which being out is a thing of its own."""
PRIOR_AGENTS = 10
PRIOR_SHARE = {"amid": 0.1, "edge": 0.3}
"""What is believed of a group before it was seen for long, and how many agents' stretches that weighs."""
AMID = 60
"""Minutes that a stretch counts for away from its edges, in that weight."""
LEAST_SHARE = 0.005
MOST_OFF = 9.0
"""So many variances off counts an instant at most in the dispersion: else one outage hides another."""
SCOPES = ("everybody", "site", "source", "team")
"""What a group can be, the widest first."""
GROUP = ["scope", "name"]


def on_queue(
    slices: pl.DataFrame, activity: pl.DataFrame, timezone: str, closed: tuple[date, ...] = ()
) -> pl.DataFrame:
    """Give the stretches in which agents were scheduled on queue and seen: agent_id, day, start, end, out, and the
    whole stretch on queue (stretch, first, last, begins_shift, ends_shift); instants as epoch microseconds."""
    known = activity.select(key=fold(pl.col("activity")), category=pl.col("category").cast(pl.String))
    rows = (
        slices.with_columns(
            key=fold(pl.col("activity")),
            start=pl.col("start_at").dt.epoch("us"),
            end=pl.col("end_at").dt.epoch("us"),
        )
        .join(known.unique("key", keep="last"), on="key", how="left", maintain_order="left")
        .with_columns(
            off=pl.col("category").is_null() | pl.col("category").is_in(["time_off", "unavailable"])
        )
        .sort("agent_id", "start")
    )
    other = pl.col("agent_id") != pl.col("agent_id").shift(1)
    fresh = other | pl.col("category").ne_missing(pl.col("category").shift(1))
    rows = rows.with_columns(
        stretch=fresh.fill_null(True).cum_sum(),
        after_off=(other | pl.col("off").shift(1)).fill_null(True),
        before_off=(other.shift(-1) | pl.col("off").shift(-1)).fill_null(True),
    )
    work = rows.filter(pl.col("category") == "on_queue").with_columns(
        first=pl.col("start").min().over("stretch"),
        last=pl.col("end").max().over("stretch"),
        begins_shift=pl.col("after_off").first().over("stretch"),
        ends_shift=pl.col("before_off").last().over("stretch"),
        day=pl.col("start_at").dt.convert_time_zone(timezone).dt.date(),
    )
    seen = work.filter(
        ~pl.col("class").cast(pl.String).is_in(["unknown", "system", "approved"]),
        pl.col("reason").ne_missing("absent"),
        ~pl.col("day").is_in(list(closed)),
    ).with_columns(out=pl.col("class").cast(pl.String) == "controllable")
    same = (
        (pl.col("stretch") == pl.col("stretch").shift(1))
        & (pl.col("out") == pl.col("out").shift(1))
        & (pl.col("end").shift(1) == pl.col("start"))
    )
    whole = ["agent_id", "day", "stretch", "first", "last", "begins_shift", "ends_shift", "out"]
    return (
        seen.with_columns(run=(~same.fill_null(False)).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("end").last(), pl.col(whole).first())
        .drop("run")
    )


def within(slices: pl.DataFrame, span: tuple[datetime, datetime]) -> pl.DataFrame:
    """Cut rows ``start_at, end_at`` to a span."""
    start, end = (pl.lit(at, INSTANT) for at in span)
    return slices.with_columns(
        start_at=pl.max_horizontal("start_at", start), end_at=pl.min_horizontal("end_at", end)
    ).filter(pl.col("start_at") < pl.col("end_at"))


def lost(slices: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """Keep the slices in which somebody who came that day was scheduled on queue and out, and nothing excuses it."""
    on_queue = activity.filter(pl.col("category").cast(pl.String) == "on_queue").select(
        key=fold(pl.col("activity"))
    )
    return (
        slices.filter(
            pl.col("class").cast(pl.String) == "controllable", pl.col("reason").ne_missing("absent")
        )
        .with_columns(key=fold(pl.col("activity")))
        .join(on_queue, on="key", how="semi", maintain_order="left")
        .drop("key")
    )


def phases(stretches: pl.DataFrame) -> pl.DataFrame:
    """Cut stretches into phases: the shift begins or ends, a rest is over or comes, and for how long; or neither."""
    first, last = pl.col("first"), pl.col("last")
    head = pl.min_horizontal(first + EDGES[-1] * MINUTE, last)
    tail = pl.max_horizontal(last - EDGES[-1] * MINUTE, head)
    begins = pl.when("begins_shift").then(pl.lit("begins")).otherwise(pl.lit("again"))
    ends = pl.when("ends_shift").then(pl.lit("ends")).otherwise(pl.lit("before"))
    parts = [(head, tail, pl.lit("amid"), AMID)]
    for near, far in pairwise(EDGES):
        after = (first + near * MINUTE, pl.min_horizontal(first + far * MINUTE, head), begins + f" {near}")
        before = (pl.max_horizontal(last - far * MINUTE, tail), last - near * MINUTE, ends + f" {near}")
        parts += [(*after, far - near), (*before, far - near)]
    return pl.concat(
        stretches.select(
            "agent_id",
            "day",
            "out",
            start=pl.max_horizontal("start", low),
            end=pl.min_horizontal("end", high),
            phase=name,
            weight=pl.lit(PRIOR_AGENTS * minutes * MINUTE, pl.Int64),
        ).filter(pl.col("end") > pl.col("start"))
        for low, high, name, minutes in parts
    )


def without_twins(member: pl.DataFrame) -> pl.DataFrame:
    """Leave out a group that has exactly the agents of a wider one."""
    ranks = pl.DataFrame({"scope": SCOPES, "rank": range(len(SCOPES))})
    groups = member.group_by(GROUP).agg(who=pl.col("agent_id").unique().sort()).join(ranks, on="scope")
    kept = groups.sort("rank", "name").unique("who", keep="first", maintain_order=True)
    return member.unique([*GROUP, "agent_id"]).join(kept.select(GROUP), on=GROUP, how="semi")


def count(pieces: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Count at every instant: scope, name, at, until, n scheduled, k of them out, expected out, variance of that."""
    placed = pieces.join(member, on="agent_id")
    placed = placed.join(_normal(placed, pieces), on=[*GROUP, "phase", "day"])
    one = pl.lit(1, pl.Int64)
    come = placed.select(
        *GROUP, at="start", n=one, k=pl.col("out").cast(pl.Int64), p="p", v=pl.col("p") * (1 - pl.col("p"))
    )
    go = placed.select(
        *GROUP,
        at="end",
        n=-one,
        k=-pl.col("out").cast(pl.Int64),
        p=-pl.col("p"),
        v=-pl.col("p") * (1 - pl.col("p")),
    )
    sums = ["n", "k", "p", "v"]
    return (
        pl.concat([come, go])
        .group_by(*GROUP, "at")
        .agg(pl.col(sums).sum())
        .sort(*GROUP, "at")
        .with_columns(pl.col(sums).cum_sum().over(GROUP), until=pl.col("at").shift(-1).over(GROUP))
        .filter(pl.col("n") > 0, pl.col("until").is_not_null())
        .with_columns(
            p=(pl.col("p") / pl.col("n")).clip(LEAST_SHARE, 1 - LEAST_SHARE),
            v=pl.col("v").clip(lower_bound=LEAST_SHARE),
        )
    )


def _normal(placed: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Say which share of a group is out in a phase on the other days: scope, name, phase, day, p.

    (out of the group + weight * share of everybody) / (scheduled of the group + weight), without the day itself; the
    share of everybody leans in the same way on `PRIOR_SHARE`.
    """
    believed = pl.when(pl.col("phase") == "amid").then(PRIOR_SHARE["amid"]).otherwise(PRIOR_SHARE["edge"])
    weight = pl.col("weight")
    everybody = _other_days(pieces, []).with_columns(
        overall=(pl.col("out_s") + weight * believed) / (pl.col("s") + weight)
    )
    return (
        _other_days(placed, GROUP)
        .join(everybody.select("phase", "day", "overall"), on=["phase", "day"])
        .select(
            *GROUP, "phase", "day", p=(pl.col("out_s") + weight * pl.col("overall")) / (pl.col("s") + weight)
        )
    )


def _other_days(pieces: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    length = pl.col("end") - pl.col("start")
    group = [*by, "phase"]
    return (
        pieces.group_by(*group, "day")
        .agg(pl.col("weight").first(), s=length.sum(), out_s=length.filter("out").sum())
        .with_columns(pl.col(name).sum().over(group) - pl.col(name) for name in ("s", "out_s"))
    )


def dispersion_of(counted: pl.DataFrame) -> pl.DataFrame:
    """Measure how much more the number out varies on the other days than by chance: scope, name, day, dispersion.

    Sum of (k - n p)^2 over sum of n p (1 - p); 1: as by chance, and no less than that is believed.
    """
    lasts = pl.col("until") - pl.col("at")
    off = ((pl.col("k") - pl.col("n") * pl.col("p")) ** 2 / pl.col("v")).clip(upper_bound=MOST_OFF)
    days = counted.group_by(*GROUP, "day").agg(off=(off * lasts).sum(), lasts=lasts.sum())
    other = {name: pl.col(name).sum().over(GROUP) - pl.col(name) for name in ("off", "lasts")}
    return days.select(
        *GROUP,
        "day",
        dispersion=pl.when(other["lasts"] > 0)
        .then(other["off"] / other["lasts"])
        .otherwise(1.0)
        .clip(lower_bound=1.0),
    )
