"""Frames in, `Report` out: the one place where every figure of the report is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

import polars as pl

from wfm.errors import UsageError
from wfm.report import happenings, notes, outlook, scores, volume, words
from wfm.report.report import Report
from wfm.report.scores import Frame

TITLE: Final = "Adherence report"
SERVICE_LEVEL: Final = "answered within the target ÷ all that entered"


def assemble(
    *,
    overall: Frame,
    exceptions: Frame,
    from_on: date,
    to_on: date,
    made_at: datetime,
    timezone: str = "UTC",
    as_of: datetime | None = None,
    title: str = TITLE,
    by_team: Frame | None = None,
    by_agent: Frame | None = None,
    by_day: Frame | None = None,
    by_agent_day: Frame | None = None,
    slices: Frame | None = None,
    agent: Frame | None = None,
    queue: Frame | None = None,
    interval: Frame | None = None,
    history: Frame | None = None,
    forecast: Frame | None = None,
    accuracy: Frame | None = None,
    service_level: str | None = None,
    sources: Mapping[str, str] | None = None,
    notes_before: Sequence[str] = (),
) -> Report:
    """Put a report together; everything but the scores and exceptions may be missing and is then said to be.

    Args:
        overall: Score.adherence([]), with a column per other product's definition if wanted.
        exceptions: Score.exceptions().
        from_on, to_on: the window in local workdays; to_on is not in it.
        made_at, as_of: when this was computed; what was known then (None: everything).
        by_team, by_agent, by_day, by_agent_day: Score.adherence by team; agent_id, name, team; workday;
            agent_id, workday.
        slices: Score.slices(), for day strips and unmapped states.
        agent, queue: the tables, for names and zones.
        interval: wfm intervals of the window; a column that is missing is shown as not known.
        history: queue_id interval_start entered of earlier weeks, for what a day usually brings.
        forecast, accuracy: wfm forecast and wfm accuracy.
        service_level: which of the many variants the interval frame holds, in words; None: as its rows say.
        sources: figure → where it came from; replaces the general list.
        notes_before: warnings of the caller (calls without agents, stale feeds), shown first.

    Raises:
        InputError: a frame lacks a column.
        UsageError: the window is empty.
    """
    if to_on <= from_on:
        raise UsageError(f"the window {from_on} to {to_on} has no day; --to is not included.")
    total = scores.headline(overall)
    agents = scores.scores(by_agent, ("agent_id", "name", "team"), "by_agent")
    agent_days = scores.scores(by_agent_day, ("agent_id", "workday"), "by_agent_day")
    persons = happenings.people(agent, agents, timezone)
    found = happenings.exceptions(exceptions, persons, timezone)
    rows = volume.intervals(interval, queue, timezone)
    ahead = outlook.forecast(forecast, queue, timezone)
    scheduled: float = total["scheduled_s"][0]
    return Report(
        title=title,
        from_on=from_on,
        to_on=to_on,
        timezone=timezone,
        made_at=made_at,
        as_of=as_of,
        headline=total,
        by_team=_teams(scores.scores(by_team, ("team",), "by_team"), found),
        by_agent=scores.ranked(agents, found, "agent_id", pl.coalesce("name", "agent_id")),
        by_day=scores.scores(by_day, ("workday",), "by_day").sort("workday"),
        by_agent_day=agent_days.sort("agent_id", "workday"),
        reasons=scores.reasons(found, scheduled),
        exceptions=found,
        strips=happenings.strips(slices, agent_days, persons),
        intervals=rows,
        volume=volume.by_queue(rows),
        volume_by_day=volume.by_day(rows, history, timezone),
        forecast=ahead,
        outlook=outlook.per_day(ahead),
        profile=outlook.profile(ahead),
        accuracy=outlook.accuracy(accuracy),
        definitions=_definitions(overall),
        sources=pl.DataFrame(
            list(sources.items()) if sources else list(words.SOURCES),
            schema={"figure": pl.String, "source": pl.String},
            orient="row",
        ),
        service_level=service_level or volume.in_words(rows) or SERVICE_LEVEL,
        notes=(
            *notes_before,
            *notes.coverage(total.row(0, named=True)),
            *notes.unmapped(slices),
            *notes.unplanned(agent, agents),
            *notes.rules_on_states(found),
        ),
    )


def _teams(rows: pl.DataFrame, exceptions: pl.DataFrame) -> pl.DataFrame:
    return scores.ranked(rows, exceptions, "team", pl.col("team").fill_null("no team"))


def _definitions(overall: Frame) -> pl.DataFrame:
    """Take the columns of other products' definitions, if the scores have any."""
    rows = scores.eager(overall)
    known = {*scores.SECONDS, *scores.RATIOS}
    extra = [
        name
        for name, kind in (rows.schema.items() if rows is not None else ())
        if name not in known and kind.is_numeric() and not name.endswith("_s")
    ]
    if rows is None or rows.is_empty() or not extra:
        return pl.DataFrame(schema={"name": pl.String, "value": pl.Float64})
    return rows.select(pl.col(extra).cast(pl.Float64)).unpivot(
        extra, variable_name="name", value_name="value"
    )
