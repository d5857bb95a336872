"""Build the report from the frames of scores, volume and forecast: the only module that combines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

import polars as pl

from wfm.core.errors import UsageError
from wfm.report import exceptions as exception_rows
from wfm.report import forecast as forecast_rows
from wfm.report import labels, notes, scores, volume
from wfm.report.model import Report
from wfm.report.scores import AnyFrame

DEFAULT_TITLE: Final = "Adherence report"
DEFAULT_SERVICE_LEVEL: Final = "answered within the target ÷ all that entered"


def build_report(
    *,
    overall: AnyFrame,
    exceptions: AnyFrame,
    from_on: date,
    to_on: date,
    made_at: datetime,
    timezone: str = "UTC",
    as_of: datetime | None = None,
    title: str = DEFAULT_TITLE,
    by_team: AnyFrame | None = None,
    by_agent: AnyFrame | None = None,
    by_day: AnyFrame | None = None,
    by_agent_day: AnyFrame | None = None,
    slices: AnyFrame | None = None,
    agent: AnyFrame | None = None,
    queue: AnyFrame | None = None,
    interval: AnyFrame | None = None,
    history: AnyFrame | None = None,
    forecast: AnyFrame | None = None,
    accuracy: AnyFrame | None = None,
    service_level: str | None = None,
    sources: Mapping[str, str] | None = None,
    notes_before: Sequence[str] = (),
) -> Report:
    """Build a report; everything but the scores and exceptions may be missing, and the report then says so.

    Args:
        overall: Score.adherence([]), with a column per other product's definition if wanted.
        exceptions: Score.exceptions().
        from_on, to_on: the window in local workdays; to_on is not in it.
        made_at, as_of: when this was computed, and its knowledge time (None: everything known).
        timezone: of the window, and of agents without one.
        title: its heading.
        by_team, by_agent, by_day, by_agent_day: Score.adherence by team; agent_id, name, team; workday;
            agent_id, workday.
        slices: Score.slices(), for day strips and unmapped states.
        agent, queue: the tables, for names and time zones.
        interval: wfm intervals of the window; a missing column is shown as not known.
        history: queue_id interval_start entered of earlier weeks, for what a day usually brings.
        forecast, accuracy: wfm forecast and wfm accuracy.
        service_level: the variant of service level in the interval frame, in words; None: derived from its rows.
        sources: figure → where it came from; replaces the general list.
        notes_before: warnings of the caller (calls without agents, stale feeds), shown first.

    Raises:
        InputError: a frame lacks a column.
        UsageError: the window is empty.
    """
    if to_on <= from_on:
        raise UsageError(f"the window {from_on} to {to_on} has no day; --to is not included.")
    headline = scores.conform_headline(overall)
    agents = scores.conform_scores(by_agent, ("agent_id", "name", "team"), "by_agent")
    agent_days = scores.conform_scores(by_agent_day, ("agent_id", "workday"), "by_agent_day")
    people = exception_rows.list_people(agent, agents, timezone)
    found = exception_rows.conform_exceptions(exceptions, people, timezone)
    intervals = volume.conform_intervals(interval, queue, timezone)
    ahead = forecast_rows.conform_forecast(forecast, queue, timezone)
    scheduled_s: float = headline["scheduled_s"][0]
    return Report(
        title=title,
        from_on=from_on,
        to_on=to_on,
        timezone=timezone,
        made_at=made_at,
        as_of=as_of,
        headline=headline,
        by_team=_rank_teams(scores.conform_scores(by_team, ("team",), "by_team"), found),
        by_agent=scores.rank_by_controllable(agents, found, "agent_id", pl.coalesce("name", "agent_id")),
        by_day=scores.conform_scores(by_day, ("workday",), "by_day").sort("workday"),
        by_agent_day=agent_days.sort("agent_id", "workday"),
        reasons=scores.sum_reasons(found, scheduled_s),
        exceptions=found,
        day_slices=exception_rows.select_day_slices(slices, agent_days, people),
        intervals=intervals,
        volume_by_queue=volume.sum_by_queue(intervals),
        volume_by_day=volume.sum_by_day(intervals, history, timezone),
        forecast=ahead,
        forecast_by_day=forecast_rows.sum_by_day(ahead),
        forecast_by_slot=forecast_rows.average_by_slot(ahead),
        accuracy=forecast_rows.conform_accuracy(accuracy),
        other_definitions=_select_other_definitions(overall),
        sources=pl.DataFrame(
            list(sources.items()) if sources else list(labels.FIGURE_SOURCES),
            schema={"figure": pl.String, "source": pl.String},
            orient="row",
        ),
        service_level=service_level or volume.describe_service_level(intervals) or DEFAULT_SERVICE_LEVEL,
        notes=(
            *notes_before,
            *notes.note_unknown_time(headline.row(0, named=True)),
            *notes.note_unmapped_states(slices),
            *notes.note_unscheduled_agents(agent, agents),
            *notes.note_state_evidence(found),
        ),
    )


def _rank_teams(rows: pl.DataFrame, exceptions: pl.DataFrame) -> pl.DataFrame:
    return scores.rank_by_controllable(rows, exceptions, "team", pl.col("team").fill_null("no team"))


def _select_other_definitions(overall: AnyFrame) -> pl.DataFrame:
    """Select the columns of other products' definitions, if the scores have any."""
    rows = scores.collect_frame(overall)
    own = {*scores.SECONDS_COLUMNS, *scores.RATIO_COLUMNS}
    extra = [
        name
        for name, dtype in (rows.schema.items() if rows is not None else ())
        if name not in own and dtype.is_numeric() and not name.endswith("_s")
    ]
    if rows is None or rows.is_empty() or not extra:
        return pl.DataFrame(schema={"name": pl.String, "value": pl.Float64})
    return rows.select(pl.col(extra).cast(pl.Float64)).unpivot(
        extra, variable_name="name", value_name="value"
    )
