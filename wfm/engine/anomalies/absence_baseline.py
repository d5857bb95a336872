"""Compute the baseline of absences: how many agents of a group are scheduled on queue, out, and normally out.

The normal share is learnt from the other days, per phase of a scheduled stretch on queue: agents who have just started
or are about to go to lunch are out more often than in the middle of the morning::

    on queue    |begins 0|1|2|4  |8      |middle             |before 8|4   |2 |1|0|break ...
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import polars as pl

from wfm.core.time import INSTANT, to_microseconds
from wfm.engine.time.codes import fold_vendor_text

US_PER_MINUTE = to_microseconds(timedelta(minutes=1))
PHASE_BOUNDS_MIN = (0, 1, 2, 4, 8, 15)
"""Bounds of the phases after the start of a stretch on queue, and before its end, in minutes."""
PRIOR_AGENTS = 10
PRIOR_SHARE = {"middle": 0.1, "edge": 0.3}
"""The prior share out per kind of phase; it weighs as much as the stretches of `PRIOR_AGENTS` agents."""
MID_PHASE_MIN = 60
"""Minutes that a stretch away from its edges counts for in that weight."""
MIN_NORMAL_SHARE = 0.005
"""The normal share is at least this and at most 1 minus this: a share of 0 would make one absence impossible."""
MAX_SQUARED_DEVIATION = 9.0
"""Limit of the squared deviation of an instant in the dispersion, in variances: else one outage hides another."""
GROUP_SCOPES = ("everybody", "site", "source", "team")
"""The kinds of group, the widest first."""
GROUP_KEY = ["scope", "name"]


def list_on_queue_time(
    slices: pl.DataFrame, activity: pl.DataFrame, timezone: str, closed: tuple[date, ...] = ()
) -> pl.DataFrame:
    """List the time in which agents were scheduled on queue and their state was known.

    Args:
        slices: as from `Score.slices`.
        activity: activity, category.
        timezone: of local days.
        closed: days to leave out.

    Returns:
        agent_id day start end out, and about the whole scheduled stretch on queue: stretch (a number) first last
        begins_shift ends_shift. Instants are epoch microseconds.
    """
    kinds = activity.select(
        key=fold_vendor_text(pl.col("activity")), category=pl.col("category").cast(pl.String)
    )
    rows = (
        slices.with_columns(
            key=fold_vendor_text(pl.col("activity")),
            start=pl.col("start_at").dt.epoch("us"),
            end=pl.col("end_at").dt.epoch("us"),
        )
        .join(kinds.unique("key", keep="last"), on="key", how="left", maintain_order="left")
        .with_columns(
            off=pl.col("category").is_null() | pl.col("category").is_in(["time_off", "unavailable"])
        )
        .sort("agent_id", "start")
    )
    is_other_agent = pl.col("agent_id") != pl.col("agent_id").shift(1)
    begins = is_other_agent | pl.col("category").ne_missing(pl.col("category").shift(1))
    rows = rows.with_columns(
        stretch=begins.fill_null(True).cum_sum(),
        after_off=(is_other_agent | pl.col("off").shift(1)).fill_null(True),
        before_off=(is_other_agent.shift(-1) | pl.col("off").shift(-1)).fill_null(True),
    )
    work = rows.filter(pl.col("category") == "on_queue").with_columns(
        first=pl.col("start").min().over("stretch"),
        last=pl.col("end").max().over("stretch"),
        begins_shift=pl.col("after_off").first().over("stretch"),
        ends_shift=pl.col("before_off").last().over("stretch"),
        day=pl.col("start_at").dt.convert_time_zone(timezone).dt.date(),
    )
    # time whose class is unknown or that an exemption excuses says nothing about normal absence
    known = work.filter(
        ~pl.col("class").cast(pl.String).is_in(["unknown", "system", "approved"]),
        pl.col("reason").ne_missing("absent"),
        ~pl.col("day").is_in(list(closed)),
    ).with_columns(out=pl.col("class").cast(pl.String) == "controllable")
    # rows that differ only in state or reason are joined: the baseline counts agents, not slices
    same = (
        (pl.col("stretch") == pl.col("stretch").shift(1))
        & (pl.col("out") == pl.col("out").shift(1))
        & (pl.col("end").shift(1) == pl.col("start"))
    )
    whole = ["agent_id", "day", "stretch", "first", "last", "begins_shift", "ends_shift", "out"]
    return (
        known.with_columns(run=(~same.fill_null(False)).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("end").last(), pl.col(whole).first())
        .drop("run")
    )


def clip_to_span(slices: pl.DataFrame, span: tuple[datetime, datetime]) -> pl.DataFrame:
    """Clip rows ``start_at, end_at`` to a span."""
    start, end = (pl.lit(at, INSTANT) for at in span)
    return slices.with_columns(
        start_at=pl.max_horizontal("start_at", start), end_at=pl.min_horizontal("end_at", end)
    ).filter(pl.col("start_at") < pl.col("end_at"))


def select_lost_slices(slices: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """Select the slices in which an agent who came that day was scheduled on queue and out without an exemption."""
    on_queue = activity.filter(pl.col("category").cast(pl.String) == "on_queue").select(
        key=fold_vendor_text(pl.col("activity"))
    )
    return (
        slices.filter(
            pl.col("class").cast(pl.String) == "controllable", pl.col("reason").ne_missing("absent")
        )
        .with_columns(key=fold_vendor_text(pl.col("activity")))
        .join(on_queue, on="key", how="semi", maintain_order="left")
        .drop("key")
    )


def split_into_phases(stretches: pl.DataFrame) -> pl.DataFrame:
    """Cut stretches into phases: minutes since a shift began or a rest ended, minutes before the next, or neither."""
    first, last = pl.col("first"), pl.col("last")
    # a stretch too short for both edges belongs to its beginning
    head = pl.min_horizontal(first + PHASE_BOUNDS_MIN[-1] * US_PER_MINUTE, last)
    tail = pl.max_horizontal(last - PHASE_BOUNDS_MIN[-1] * US_PER_MINUTE, head)
    begins = pl.when("begins_shift").then(pl.lit("begins")).otherwise(pl.lit("again"))
    ends = pl.when("ends_shift").then(pl.lit("ends")).otherwise(pl.lit("before"))
    parts = [(head, tail, pl.lit("middle"), MID_PHASE_MIN)]
    for near, far in pairwise(PHASE_BOUNDS_MIN):
        after = (
            first + near * US_PER_MINUTE,
            pl.min_horizontal(first + far * US_PER_MINUTE, head),
            begins + f" {near}",
        )
        before = (
            pl.max_horizontal(last - far * US_PER_MINUTE, tail),
            last - near * US_PER_MINUTE,
            ends + f" {near}",
        )
        parts += [(*after, far - near), (*before, far - near)]
    return pl.concat(
        stretches.select(
            "agent_id",
            "day",
            "out",
            start=pl.max_horizontal("start", low),
            end=pl.min_horizontal("end", high),
            phase=name,
            weight=pl.lit(PRIOR_AGENTS * minutes * US_PER_MINUTE, pl.Int64),
        ).filter(pl.col("end") > pl.col("start"))
        for low, high, name, minutes in parts
    )


def drop_duplicate_groups(member: pl.DataFrame) -> pl.DataFrame:
    """Drop groups that have exactly the same agents as a wider one."""
    ranks = pl.DataFrame({"scope": GROUP_SCOPES, "rank": range(len(GROUP_SCOPES))})
    # a team that is the whole site would only repeat the site's tests, and cost significance
    groups = member.group_by(GROUP_KEY).agg(who=pl.col("agent_id").unique().sort()).join(ranks, on="scope")
    distinct = groups.sort("rank", "name").unique("who", keep="first", maintain_order=True)
    return member.unique([*GROUP_KEY, "agent_id"]).join(distinct.select(GROUP_KEY), on=GROUP_KEY, how="semi")


def count_absences(pieces: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Count agents between changes: scope name at until n (scheduled) k (out) p (normal share) v (variance of k)."""
    grouped = pieces.join(member, on="agent_id")
    grouped = grouped.join(_estimate_normal_shares(grouped, pieces), on=[*GROUP_KEY, "phase", "day"])
    # one row where a piece begins and its negative where it ends: the running sums are the counts at each instant
    one = pl.lit(1, pl.Int64)
    begins = grouped.select(
        *GROUP_KEY,
        at="start",
        n=one,
        k=pl.col("out").cast(pl.Int64),
        p="p",
        v=pl.col("p") * (1 - pl.col("p")),
    )
    ends = grouped.select(
        *GROUP_KEY,
        at="end",
        n=-one,
        k=-pl.col("out").cast(pl.Int64),
        p=-pl.col("p"),
        v=-pl.col("p") * (1 - pl.col("p")),
    )
    sums = ["n", "k", "p", "v"]
    return (
        pl.concat([begins, ends])
        .group_by(*GROUP_KEY, "at")
        .agg(pl.col(sums).sum())
        .sort(*GROUP_KEY, "at")
        .with_columns(pl.col(sums).cum_sum().over(GROUP_KEY), until=pl.col("at").shift(-1).over(GROUP_KEY))
        .filter(pl.col("n") > 0, pl.col("until").is_not_null())
        .with_columns(
            p=(pl.col("p") / pl.col("n")).clip(MIN_NORMAL_SHARE, 1 - MIN_NORMAL_SHARE),
            v=pl.col("v").clip(lower_bound=MIN_NORMAL_SHARE),
        )
    )


def _estimate_normal_shares(grouped: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Estimate the share of a group that is out in a phase on the other days: scope, name, phase, day, p.

    p = (time out of the group + weight * share of all agents) / (scheduled time of the group + weight), without the day
    itself; the share of all agents is shrunk towards `PRIOR_SHARE` in the same way.
    """
    prior = pl.when(pl.col("phase") == "middle").then(PRIOR_SHARE["middle"]).otherwise(PRIOR_SHARE["edge"])
    weight = pl.col("weight")
    everybody = _sum_other_days(pieces, []).with_columns(
        overall=(pl.col("out_s") + weight * prior) / (pl.col("s") + weight)
    )
    return (
        _sum_other_days(grouped, GROUP_KEY)
        .join(everybody.select("phase", "day", "overall"), on=["phase", "day"])
        .select(
            *GROUP_KEY,
            "phase",
            "day",
            p=(pl.col("out_s") + weight * pl.col("overall")) / (pl.col("s") + weight),
        )
    )


def _sum_other_days(pieces: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum scheduled time (s) and time out (out_s) over the other days, in µs, per group and phase."""
    length = pl.col("end") - pl.col("start")
    group = [*by, "phase"]
    return (
        pieces.group_by(*group, "day")
        .agg(pl.col("weight").first(), s=length.sum(), out_s=length.filter("out").sum())
        .with_columns(pl.col(name).sum().over(group) - pl.col(name) for name in ("s", "out_s"))
    )


def estimate_overdispersion(counted: pl.DataFrame) -> pl.DataFrame:
    """Estimate the overdispersion of the number out on the other days: scope, name, day, dispersion.

    The mean of (k - n p)^2 / (n p (1 - p)), weighted by time; 1 means binomial, and it is never taken to be less.
    """
    duration = pl.col("until") - pl.col("at")
    deviation = ((pl.col("k") - pl.col("n") * pl.col("p")) ** 2 / pl.col("v")).clip(
        upper_bound=MAX_SQUARED_DEVIATION
    )
    days = counted.group_by(*GROUP_KEY, "day").agg(
        deviation=(deviation * duration).sum(), duration=duration.sum()
    )
    other = {name: pl.col(name).sum().over(GROUP_KEY) - pl.col(name) for name in ("deviation", "duration")}
    return days.select(
        *GROUP_KEY,
        "day",
        dispersion=pl.when(other["duration"] > 0)
        .then(other["deviation"] / other["duration"])
        .otherwise(1.0)
        .clip(lower_bound=1.0),
    )
