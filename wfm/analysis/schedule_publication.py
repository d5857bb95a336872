"""Date the publication of imported schedules that do not say when they were published."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from wfm.analysis.load import append_to_defaults
from wfm.core.time import INSTANT
from wfm.engine.inputs.dataset import WINDOW_MARGIN
from wfm.engine.inputs.frames import complete_activities
from wfm.engine.inputs.schedule import add_workday, select_rows_in_force
from wfm.storage.reader import DatabaseReader

AGENT_DAY_KEYS = ["agent", "workday"]
"""What a publication replaces: one agent's workday."""


def date_schedule_rows(
    reader: DatabaseReader, frame: pl.DataFrame, now: datetime, timezone: str
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Date the rows of a schedule that do not say when they were published.

    ::

        stored workday   the file's workday                  result
        none             any                                 stored undated: it applies from the beginning
        the same         the same                            dropped: already stored
        another          any                                 published now: replaces the stored workday
        (any)            dated and undated rows together     stored unchanged: the file has a history of its own

    Args:
        reader: the database.
        frame: schedule rows and row_no.
        now: the instant of publication; a later one is used to replace a publication dated in the future.
        timezone: zone of agents without one.

    Returns:
        The rows to store, and notes on what was decided.
    """
    undated = frame.filter(pl.col("published_at").is_null())
    if undated.is_empty():
        return frame, ()
    old = _read_nearby_schedule(reader, undated)
    if old.is_empty():
        return frame, ()
    people = undated.select("agent_id").unique()
    zones = _read_agent_zones(reader, people, timezone)
    activity = append_to_defaults("activity", reader.read_table("activity"))
    before = _summarise_workdays(_select_rows_in_force(complete_activities(activity, old)[1], zones))
    rows = _add_workday(
        complete_activities(activity, frame.join(people, on="agent_id", how="semi"))[1], zones
    )
    # Workdays with dated rows bring a history of their own; they are stored unchanged.
    history = rows.filter(pl.col("published_at").is_not_null()).select(AGENT_DAY_KEYS).unique()
    undated_rows = rows.filter(pl.col("published_at").is_null()).join(history, on=AGENT_DAY_KEYS, how="anti")
    after = _summarise_workdays(undated_rows)
    same = after.join(before, on=[*AGENT_DAY_KEYS, "says"], how="semi").select(AGENT_DAY_KEYS)
    changed = _find_replaced_days(after.join(same, on=AGENT_DAY_KEYS, how="anti"), before)
    dated = (
        undated_rows.join(same, on=AGENT_DAY_KEYS, how="anti")
        .join(changed, on=AGENT_DAY_KEYS, how="left")
        .with_columns(
            published_at=pl.max_horizontal("follows", pl.when("changed").then(pl.lit(now, INSTANT)))
        )
        .rename({"agent": "agent_id"})
        .select(frame.columns)
    )
    note = (
        (f"{changed.height:,} workday(s) of {changed['agent'].n_unique():,} agent(s) replaced",)
        if changed.height
        else ()
    )
    return pl.concat([frame.join(undated_rows, on="row_no", how="anti"), dated]).sort("row_no"), note


def _read_nearby_schedule(reader: DatabaseReader, undated: pl.DataFrame) -> pl.DataFrame:
    """Read the stored schedule of the same agents in and around the same time."""
    first, last = undated["start_at"].min(), undated["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    among = {"agent_id": undated["agent_id"].unique().to_list()}
    return reader.read_table("schedule", span=(first - WINDOW_MARGIN, last + WINDOW_MARGIN), among=among)


def _read_agent_zones(reader: DatabaseReader, people: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Return every agent's time zone: agent zone."""
    own = reader.read_table("agent", columns=["agent_id", "timezone"])
    return people.join(own, on="agent_id", how="left").select(
        agent="agent_id", zone=pl.col("timezone").fill_null(timezone)
    )


def _add_workday(rows: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Add the workday of each row."""
    return add_workday(rows.rename({"agent_id": "agent"}), zones)


def _select_rows_in_force(rows: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in force with their workday; ``since`` is the publication that each is from."""
    in_force_rows = select_rows_in_force(rows.rename({"agent_id": "agent"}), zones, None)
    # Undated, the rows of several publications form one workday, as they do in force.
    undated = in_force_rows.with_columns(since="published_at", published_at=pl.lit(None, INSTANT))
    return add_workday(undated, zones)


def _summarise_workdays(rows: pl.DataFrame) -> pl.DataFrame:
    """Summarise each workday: its content as text, start, end and last publication."""
    row = pl.concat_str(
        pl.col("start_at").dt.epoch("us"), pl.col("end_at").dt.epoch("us"), "activity", separator=" "
    )
    since = pl.col("since" if "since" in rows.columns else "published_at")
    return rows.group_by(AGENT_DAY_KEYS, maintain_order=True).agg(
        says=row.sort().str.join("|"),
        start_at=pl.col("start_at").min(),
        end_at=pl.col("end_at").max(),
        since=since.max(),
    )


def _find_replaced_days(days: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return the workdays that replace stored ones: agent workday changed follows (earliest publication possible)."""
    near = days.join(before, on="agent", suffix="_old", maintain_order="left").filter(
        (pl.col("workday") == pl.col("workday_old"))
        | ((pl.col("start_at") < pl.col("end_at_old")) & (pl.col("end_at") > pl.col("start_at_old")))
    )
    return near.group_by(AGENT_DAY_KEYS, maintain_order=True).agg(
        changed=pl.lit(True), follows=pl.col("since_old").max() + timedelta(microseconds=1)
    )
