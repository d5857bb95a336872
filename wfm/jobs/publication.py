"""When a schedule was published that does not say so itself."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine.facts import MARGIN
from wfm.engine.inputs import activities
from wfm.engine.schedule import in_force, with_workday
from wfm.jobs.scoring import with_defaults
from wfm.storage.reader import Reader

DAY = ["agent", "workday"]
"""What a publication replaces: one agent's workday."""


def publish(
    known: Reader, frame: pl.DataFrame, now: datetime, timezone: str
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Date the rows of a schedule that do not say when they were published.

    ::

        in force       what the file says of the workday         then
        nothing        something                                 it holds, undated
        the same       the same                                  dropped: known already
        something      something else                            published now: replaces the workday
        (any)          dated and undated rows together           as it is: the file has a history of its own

    Args:
        known: what is in force.
        frame: schedule rows and row_no.
        now: the instant of publication; later where a publication from the future is to be replaced.
        timezone: zone of agents without one.

    Returns:
        The rows to store, and what was decided.
    """
    undated = frame.filter(pl.col("published_at").is_null())
    if undated.is_empty():
        return frame, ()
    old = _stored(known, undated)
    if old.is_empty():
        return frame, ()
    people = undated.select("agent_id").unique()
    zone_of = _zones(known, people, timezone)
    activity = with_defaults("activity", known.table("activity"))
    before = _days(_in_force(activities(activity, old)[1], zone_of))
    rows = _placed(activities(activity, frame.join(people, on="agent_id", how="semi"))[1], zone_of)
    history = rows.filter(pl.col("published_at").is_not_null()).select(DAY).unique()
    ours = rows.filter(pl.col("published_at").is_null()).join(history, on=DAY, how="anti")
    after = _days(ours)
    same = after.join(before, on=[*DAY, "says"], how="semi").select(DAY)
    changed = _touching(after.join(same, on=DAY, how="anti"), before)
    dated = (
        ours.join(same, on=DAY, how="anti")
        .join(changed, on=DAY, how="left")
        .with_columns(
            published_at=pl.max_horizontal("follows", pl.when("changed").then(pl.lit(now, INSTANT)))
        )
        .rename({"agent": "agent_id"})
        .select(frame.columns)
    )
    said = (
        (f"{changed.height:,} workday(s) of {changed['agent'].n_unique():,} agent(s) replaced",)
        if changed.height
        else ()
    )
    return pl.concat([frame.join(ours, on="row_no", how="anti"), dated]).sort("row_no"), said


def _stored(known: Reader, undated: pl.DataFrame) -> pl.DataFrame:
    """Read the schedule of the same agents at about the same time."""
    first, last = undated["start_at"].min(), undated["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    among = {"agent_id": undated["agent_id"].unique().to_list()}
    return known.table("schedule", span=(first - MARGIN, last + MARGIN), among=among)


def _zones(known: Reader, people: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Give every agent's zone: agent, zone."""
    own = known.table("agent", columns=["agent_id", "timezone"])
    return people.join(own, on="agent_id", how="left").select(
        agent="agent_id", zone=pl.col("timezone").fill_null(timezone)
    )


def _placed(rows: pl.DataFrame, zone_of: pl.DataFrame) -> pl.DataFrame:
    return with_workday(rows.rename({"agent_id": "agent"}), zone_of)


def _in_force(rows: pl.DataFrame, zone_of: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows that hold, whatever publication each is from; ``since`` says which."""
    held = in_force(rows.rename({"agent_id": "agent"}), zone_of, None)
    undated = held.with_columns(since="published_at", published_at=pl.lit(None, INSTANT))
    return with_workday(undated, zone_of)


def _days(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum workdays up: what each says, from when to when, and since which publication."""
    row = pl.concat_str(
        pl.col("start_at").dt.epoch("us"), pl.col("end_at").dt.epoch("us"), "activity", separator=" "
    )
    since = pl.col("since" if "since" in rows.columns else "published_at")
    return rows.group_by(DAY, maintain_order=True).agg(
        says=row.sort().str.join("|"),
        start_at=pl.col("start_at").min(),
        end_at=pl.col("end_at").max(),
        since=since.max(),
    )


def _touching(days: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Find the days that take the place of others: agent, workday, changed, and an instant it must follow."""
    near = days.join(before, on="agent", suffix="_old", maintain_order="left").filter(
        (pl.col("workday") == pl.col("workday_old"))
        | ((pl.col("start_at") < pl.col("end_at_old")) & (pl.col("end_at") > pl.col("start_at_old")))
    )
    return near.group_by(DAY, maintain_order=True).agg(
        changed=pl.lit(True), follows=pl.col("since_old").max() + timedelta(microseconds=1)
    )
