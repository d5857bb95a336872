"""Slices → the times at which many of a group were out together, for no reason that the schedule knows.

::

    scheduled on queue   12 12 12 12 12 12 12 12 12
    of them out           0  1  1 10 11 11  9  2  1      at 12:00:07 they fell, at 12:38:41 they were back
    out as a rule        .6 .6 .6 .6 .6 .6 .6 .6 .6      the same group at such times on the other days

How surprising ``k`` of ``n`` out is, when ``p`` are as a rule, is measured by the Chernoff bound of the binomial tail,
P(X >= k) <= exp(-n * KL(k/n || p)) (Chernoff 1952; with Hoeffding 1956 it also holds for agents of different p). Where
agents of a group are out in clumps anyway, the exponent is divided by the dispersion of the ordinary time, as for a
quasi-binomial. An instant counts only if even the most surprising of all that were looked at would be so by chance in
less than `Look.chance` of such windows (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import log

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.presence import (
    GROUP,
    MICROSECOND,
    SCOPES,
    count,
    dispersion_of,
    on_queue,
    phases,
    without_twins,
)
from wfm.engine.units import in_seconds

BRIDGE = timedelta(hours=1) // MICROSECOND
"""So long an episode goes on while hardly anybody is scheduled on queue."""
TOGETHER = timedelta(minutes=2) // MICROSECOND
"""Agents who fall out, or come back, no further apart than this do so together."""
NEARLY = 0.8
"""A group whose share out is below so much of a part's hides that the part alone fell out."""


@dataclass(frozen=True)
class Look:
    """What is worth a proposal.

    agents: at least so many out at once.
    share: at least so much more of the group out than as a rule (0..1).
    lasts: no shorter.
    chance: how often a window without any outage may bring a false alarm (0..1).
    """

    agents: int = 4
    share: float = 0.3
    lasts: timedelta = timedelta(minutes=3)
    chance: float = 0.01


def joint_absences(
    slices: pl.DataFrame,
    activity: pl.DataFrame,
    member: pl.DataFrame,
    window: tuple[datetime, datetime],
    *,
    timezone: str = "UTC",
    closed: tuple[date, ...] = (),
    look: Look | None = None,
) -> pl.DataFrame:
    """Find the spans in which a group was out together while scheduled on queue.

    Who never came in the whole shift is no sign of an outage, and what is excused or unknown counts nowhere.

    Args:
        slices: as from `Score.slices`, over the window and the days that show what is normal.
        activity: activity, category.
        member: scope (of `SCOPES`), name, agent_id: who belongs to which group.
        window: the first instant and the end of the time to look at.
        timezone: what a day is.
        closed: days on which nobody was expected.
        look: what is worth a proposal.

    Returns:
        scope name start_at end_at agents (how many were out) seconds (of agents out) out scheduled share
        share_normal (at the worst instant ``peak_at``) dispersion chance (that an instant is so bad, at most) looks,
        in order of start.
    """
    look = look or Look()
    stretches = on_queue(slices, activity, timezone, closed)
    counted = count(phases(stretches), without_twins(member)).with_columns(
        day=pl.col("at").cast(INSTANT).dt.convert_time_zone(timezone).dt.date()
    )
    low, high = ((at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // MICROSECOND for at in window)
    inside = counted.filter(pl.col("until") > low, pl.col("at") < high)
    measured = inside.join(dispersion_of(counted), on=[*GROUP, "day"]).with_columns(surprise=_surprise())
    limit = log(max(inside.height, 1) / look.chance)
    found = _episodes(measured, look, limit)
    runs = _out_runs(stretches)
    found = _told_apart(_edges(found, runs, member)).filter(
        pl.col("end") - pl.col("start") >= look.lasts // MICROSECOND
    )
    return _told(_at_stake(found, runs, member), inside.height)


def _surprise() -> pl.Expr:
    """Give -ln of the bound on the chance that so many are out: n * KL(k/n || p) / dispersion."""
    share, rule = pl.col("k") / pl.col("n"), pl.col("p")

    def term(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        return pl.when(a > 0).then(a * (a / b).log()).otherwise(0.0)

    bound = pl.col("n") * (term(share, rule) + term(1 - share, 1 - rule)) / pl.col("dispersion")
    return pl.when(share > rule).then(bound).otherwise(0.0)


def _episodes(measured: pl.DataFrame, look: Look, limit: float) -> pl.DataFrame:
    """Join the instants at which many are out into episodes; keep those with an instant too bad for chance.

    Time in which hardly anybody was scheduled, a break of the whole team, does not end an episode. It reaches from the
    first to the last instant at which more was out than halfway from what is normal then to the worst instant.
    """
    share = pl.col("k") / pl.col("n")
    rows = (
        measured.filter(pl.col("n") >= look.agents)
        .sort(*GROUP, "at")
        .with_columns(
            warm=(share >= look.share) & (pl.col("k") >= 2),
            hot=(pl.col("k") >= look.agents)
            & (share - pl.col("p") >= look.share)
            & (pl.col("surprise") >= limit),
        )
    )
    apart = (
        pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in GROUP)
        | (pl.col("at") - pl.col("until").shift(1) > BRIDGE)
        | ~pl.col("warm").shift(1)
    )
    worst = pl.col("surprise").arg_max()
    joined = rows.with_columns(episode=apart.fill_null(True).cum_sum()).filter(
        pl.col("warm"), pl.col("hot").any().over("episode")
    )
    halfway = (share.get(worst).over("episode") + pl.col("p")) / 2
    return (
        joined.filter(share >= halfway)
        .group_by("episode", maintain_order=True)
        .agg(
            pl.col(GROUP).first(),
            start=pl.col("at").first(),
            end=pl.col("until").last(),
            peak=pl.col("at").get(worst),
            **{name: pl.col(name).get(worst) for name in ("k", "n", "p", "dispersion", "surprise")},
        )
    )


def _out_runs(stretches: pl.DataFrame) -> pl.DataFrame:
    return stretches.filter("out").select("agent_id", run_start="start", run_end="end")


def _edges(found: pl.DataFrame, runs: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Move start and end to where the agents fell out, and came back, together.

    ::

        fell        |     | || ||||  |              the first of those who fell within two minutes of one another
        too bad                  |=================|
        came back                              | || ||| ||     |
        proposed          |===============================|
    """
    whose = found.select("episode", *GROUP, "start", "end").join(member, on=GROUP).join(runs, on="agent_id")
    fell = whose.filter(pl.col("run_start") <= pl.col("start"), pl.col("run_end") > pl.col("start"))
    back = whose.filter(pl.col("run_start") < pl.col("end"), pl.col("run_end") >= pl.col("end"))
    first = _chain(fell.select("episode", off=pl.col("start") - pl.col("run_start")))
    last = _chain(back.select("episode", off=pl.col("run_end") - pl.col("end")))
    return (
        found.join(first.rename({"off": "sooner"}), on="episode", how="left")
        .join(last.rename({"off": "later"}), on="episode", how="left")
        .with_columns(
            start=pl.col("start") - pl.col("sooner").fill_null(0),
            end=pl.col("end") + pl.col("later").fill_null(0),
        )
        .drop("sooner", "later")
    )


def _chain(offsets: pl.DataFrame) -> pl.DataFrame:
    """Follow distances from an edge as long as the next is no further than `TOGETHER`: episode, off (the last)."""
    gap = (pl.col("off") - pl.col("off").shift(1).over("episode")).fill_null(pl.col("off"))
    return (
        offsets.sort("episode", "off")
        .with_columns(broken=(gap > TOGETHER).cum_max().over("episode"))
        .filter(~pl.col("broken"))
        .group_by("episode")
        .agg(pl.col("off").max())
    )


def _told_apart(found: pl.DataFrame) -> pl.DataFrame:
    """Say every outage once: of the widest group, unless a narrower one stood apart or was nearly all of it."""
    for rank, scope in enumerate(SCOPES[:-1], start=1):
        wide = found.filter(pl.col("scope") == scope)
        narrow = found.filter(pl.col("scope").is_in(SCOPES[rank:])).select(
            inner="episode", inner_start="start", inner_end="end", inner_k="k", inner_n="n"
        )
        inside = wide.select("episode", "start", "end", "k", "n").join_where(
            narrow, pl.col("inner_start") < pl.col("end"), pl.col("inner_end") > pl.col("start")
        )
        apart = inside.filter(
            (pl.col("k") / pl.col("n") < NEARLY * pl.col("inner_k") / pl.col("inner_n"))
            | (pl.col("inner_k") >= NEARLY * pl.col("k"))
        )
        told = inside.join(apart, on="episode", how="anti").select(episode="inner")
        found = found.join(apart, on="episode", how="anti").join(told, on="episode", how="anti")
    return found


def _at_stake(found: pl.DataFrame, runs: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Add how many agents were out in the span, and for how many microseconds in all."""
    lost = (
        found.select("episode", *GROUP, "start", "end")
        .join(member, on=GROUP)
        .join(runs, on="agent_id")
        .with_columns(
            lost=pl.min_horizontal("end", "run_end") - pl.max_horizontal("start", "run_start"),
        )
        .filter(pl.col("lost") > 0)
        .group_by("episode")
        .agg(agents=pl.col("agent_id").n_unique(), lost=pl.col("lost").sum())
    )
    return found.join(lost, on="episode")


def _told(found: pl.DataFrame, looks: int) -> pl.DataFrame:
    return found.sort("start", *GROUP).select(
        *GROUP,
        start_at=pl.col("start").cast(INSTANT),
        end_at=pl.col("end").cast(INSTANT),
        agents=pl.col("agents").cast(pl.Int64),
        seconds=in_seconds(pl.col("lost")),
        out="k",
        scheduled="n",
        share=pl.col("k") / pl.col("n"),
        share_normal="p",
        peak_at=pl.col("peak").cast(INSTANT),
        dispersion="dispersion",
        chance=(-pl.col("surprise")).exp(),
        looks=pl.lit(looks, pl.Int64),
    )
