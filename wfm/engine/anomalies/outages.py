"""Find outages: times at which many agents of a group were out of adherence together, without a scheduled reason.

::

    scheduled on queue   12 12 12 12 12 12 12 12 12
    of them out           0  1  1 10 11 11  9  2  1      from 12:00:07, when they fell out, to 12:38:41
    normally out         .6 .6 .6 .6 .6 .6 .6 .6 .6      the same group at such times on the other days

How improbable it is that ``k`` of ``n`` agents are out where a share ``p`` is normal is measured by the Chernoff bound
of the binomial tail, P(X >= k) <= exp(-n * KL(k/n || p)) (Chernoff 1952; by Hoeffding 1956 also for agents of different
p). Where the agents of a group are often out at the same times, the exponent is divided by the
overdispersion of the other days, as for a quasi-binomial. An instant counts only if the most improbable of all tested
instants would occur by chance in less than `OutageCriteria.max_false_alarm_rate` of such windows (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import log

import polars as pl

from wfm.core.time import INSTANT, to_epoch_us, to_microseconds
from wfm.engine.anomalies.absence_baseline import (
    GROUP_KEY,
    GROUP_SCOPES,
    count_absences,
    drop_duplicate_groups,
    estimate_overdispersion,
    list_on_queue_time,
    split_into_phases,
)
from wfm.engine.time.units import us_to_seconds

BRIDGED_GAP_US = to_microseconds(timedelta(hours=1))
"""How long an episode may go on while hardly anybody is scheduled on queue, in µs."""
TOGETHER_US = to_microseconds(timedelta(minutes=2))
"""Agents who fall out, or come back, within this time of one another do so together, in µs."""
NEARLY_ALL_SHARE = 0.8
"""If the share out of a group is below this fraction of a subgroup's, the subgroup alone was out."""


@dataclass(frozen=True)
class OutageCriteria:
    """The criteria for proposing an outage.

    min_agents: the fewest agents out at once.
    min_excess_share: the least share of the group that is out in excess of the normal share (0..1).
    min_duration: the shortest duration.
    max_false_alarm_rate: the highest probability of a false alarm in a window without an outage (0..1).
    """

    min_agents: int = 4
    min_excess_share: float = 0.3
    min_duration: timedelta = timedelta(minutes=3)
    max_false_alarm_rate: float = 0.01


def find_joint_absences(
    slices: pl.DataFrame,
    activity: pl.DataFrame,
    member: pl.DataFrame,
    window: tuple[datetime, datetime],
    *,
    timezone: str = "UTC",
    closed: tuple[date, ...] = (),
    criteria: OutageCriteria | None = None,
) -> pl.DataFrame:
    """Find the spans in which the agents of a group were out together while scheduled on queue.

    Agents who were absent for their whole shift are no sign of an outage; exempt and unknown time counts nowhere.

    Args:
        slices: as from `Score.slices`, over the window and the days that serve as the baseline.
        activity: activity, category.
        member: scope (of `GROUP_SCOPES`), name, agent_id: the members of each group.
        window: start and end of the time to search.
        timezone: of local days.
        closed: days on which nobody was expected.
        criteria: what is worth proposing; None: the defaults.

    Returns:
        scope name start_at end_at agents (how many were out) seconds (of agents out) out scheduled share
        share_normal (at the worst instant ``peak_at``) dispersion chance (upper bound of the probability of so bad an
        instant) tested (how many instants), in order of start.
    """
    criteria = criteria or OutageCriteria()
    stretches = list_on_queue_time(slices, activity, timezone, closed)
    counted = count_absences(split_into_phases(stretches), drop_duplicate_groups(member)).with_columns(
        day=pl.col("at").cast(INSTANT).dt.convert_time_zone(timezone).dt.date()
    )
    low, high = (to_epoch_us(at) for at in window)
    inside = counted.filter(pl.col("until") > low, pl.col("at") < high)
    measured = inside.join(estimate_overdispersion(counted), on=[*GROUP_KEY, "day"]).with_columns(
        surprise=_compute_surprise()
    )
    # Bonferroni: with n tested instants, each may be a false alarm with probability chance / n
    limit = log(max(inside.height, 1) / criteria.max_false_alarm_rate)
    found = _build_episodes(measured, criteria, limit)
    # the edges come from the agents' own times, which are sharper than the instants tested
    runs = _list_out_runs(stretches)
    found = _drop_nested_episodes(_align_episode_edges(found, runs, member)).filter(
        pl.col("end") - pl.col("start") >= to_microseconds(criteria.min_duration)
    )
    return _select_output_columns(_add_lost_time(found, runs, member), inside.height)


def _compute_surprise() -> pl.Expr:
    """Compute -ln of the bound on the probability that so many are out: n * KL(k/n || p) / dispersion."""
    share, normal = pl.col("k") / pl.col("n"), pl.col("p")

    def term(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        return pl.when(a > 0).then(a * (a / b).log()).otherwise(0.0)

    bound = pl.col("n") * (term(share, normal) + term(1 - share, 1 - normal)) / pl.col("dispersion")
    return pl.when(share > normal).then(bound).otherwise(0.0)


def _build_episodes(measured: pl.DataFrame, criteria: OutageCriteria, limit: float) -> pl.DataFrame:
    """Join the instants at which many are out into episodes; keep those with an instant that chance does not explain.

    Time in which hardly anybody was scheduled, such as a break of the whole team, does not end an episode. An episode
    lasts from the first to the last instant at which the share out was more than halfway from the normal share at that
    instant to the share at the worst one.
    """
    share = pl.col("k") / pl.col("n")
    rows = (
        measured.filter(pl.col("n") >= criteria.min_agents)
        .sort(*GROUP_KEY, "at")
        .with_columns(
            warm=(share >= criteria.min_excess_share) & (pl.col("k") >= 2),
            hot=(pl.col("k") >= criteria.min_agents)
            & (share - pl.col("p") >= criteria.min_excess_share)
            & (pl.col("surprise") >= limit),
        )
    )
    apart = (
        pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in GROUP_KEY)
        | (pl.col("at") - pl.col("until").shift(1) > BRIDGED_GAP_US)
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
            pl.col(GROUP_KEY).first(),
            start=pl.col("at").first(),
            end=pl.col("until").last(),
            peak=pl.col("at").get(worst),
            **{name: pl.col(name).get(worst) for name in ("k", "n", "p", "dispersion", "surprise")},
        )
    )


def _list_out_runs(stretches: pl.DataFrame) -> pl.DataFrame:
    """List when each agent was out: agent_id, run_start, run_end (epoch µs)."""
    return stretches.filter("out").select("agent_id", run_start="start", run_end="end")


def _align_episode_edges(found: pl.DataFrame, runs: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Move the start and end of episodes to where the agents fell out, and came back, together.

    ::

        fell out    |     | || ||||  |              the first of those within two minutes of one another
        episode                  |=================|
        came back                              | || ||| ||     |
        proposed          |===============================|
    """
    out_runs = (
        found.select("episode", *GROUP_KEY, "start", "end")
        .join(member, on=GROUP_KEY)
        .join(runs, on="agent_id")
    )
    fell = out_runs.filter(pl.col("run_start") <= pl.col("start"), pl.col("run_end") > pl.col("start"))
    back = out_runs.filter(pl.col("run_start") < pl.col("end"), pl.col("run_end") >= pl.col("end"))
    first = _chain_offsets(fell.select("episode", off=pl.col("start") - pl.col("run_start")))
    last = _chain_offsets(back.select("episode", off=pl.col("run_end") - pl.col("end")))
    return (
        found.join(first.rename({"off": "sooner"}), on="episode", how="left")
        .join(last.rename({"off": "later"}), on="episode", how="left")
        .with_columns(
            start=pl.col("start") - pl.col("sooner").fill_null(0),
            end=pl.col("end") + pl.col("later").fill_null(0),
        )
        .drop("sooner", "later")
    )


def _chain_offsets(offsets: pl.DataFrame) -> pl.DataFrame:
    """Follow distances from an edge until a gap longer than `TOGETHER_US`: episode, off (the last distance)."""
    gap = (pl.col("off") - pl.col("off").shift(1).over("episode")).fill_null(pl.col("off"))
    return (
        offsets.sort("episode", "off")
        .with_columns(broken=(gap > TOGETHER_US).cum_max().over("episode"))
        .filter(~pl.col("broken"))
        .group_by("episode")
        .agg(pl.col("off").max())
    )


def _drop_nested_episodes(found: pl.DataFrame) -> pl.DataFrame:
    """Keep every outage once: for the widest group, unless a narrower one stood out or was nearly all of it."""
    # from the widest group down, so that an outage is reported once
    for rank, scope in enumerate(GROUP_SCOPES[:-1], start=1):
        wide = found.filter(pl.col("scope") == scope)
        narrow = found.filter(pl.col("scope").is_in(GROUP_SCOPES[rank:])).select(
            inner="episode", inner_start="start", inner_end="end", inner_k="k", inner_n="n"
        )
        inside = wide.select("episode", "start", "end", "k", "n").join_where(
            narrow, pl.col("inner_start") < pl.col("end"), pl.col("inner_end") > pl.col("start")
        )
        apart = inside.filter(
            (pl.col("k") / pl.col("n") < NEARLY_ALL_SHARE * pl.col("inner_k") / pl.col("inner_n"))
            | (pl.col("inner_k") >= NEARLY_ALL_SHARE * pl.col("k"))
        )
        covered = inside.join(apart, on="episode", how="anti").select(episode="inner")
        found = found.join(apart, on="episode", how="anti").join(covered, on="episode", how="anti")
    return found


def _add_lost_time(found: pl.DataFrame, runs: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Add how many agents were out in the span, and for how long in all (µs)."""
    lost = (
        found.select("episode", *GROUP_KEY, "start", "end")
        .join(member, on=GROUP_KEY)
        .join(runs, on="agent_id")
        .with_columns(
            lost=pl.min_horizontal("end", "run_end") - pl.max_horizontal("start", "run_start"),
        )
        .filter(pl.col("lost") > 0)
        .group_by("episode")
        .agg(agents=pl.col("agent_id").n_unique(), lost=pl.col("lost").sum())
    )
    return found.join(lost, on="episode")


def _select_output_columns(found: pl.DataFrame, tested: int) -> pl.DataFrame:
    """Select the columns that `find_joint_absences` returns."""
    return found.sort("start", *GROUP_KEY).select(
        *GROUP_KEY,
        start_at=pl.col("start").cast(INSTANT),
        end_at=pl.col("end").cast(INSTANT),
        agents=pl.col("agents").cast(pl.Int64),
        seconds=us_to_seconds(pl.col("lost")),
        out="k",
        scheduled="n",
        share=pl.col("k") / pl.col("n"),
        share_normal="p",
        peak_at=pl.col("peak").cast(INSTANT),
        dispersion="dispersion",
        chance=(-pl.col("surprise")).exp(),
        tested=pl.lit(tested, pl.Int64),
    )
