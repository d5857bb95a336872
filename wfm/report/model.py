"""The report as a value: every figure that is shown, in frames, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl


@dataclass(frozen=True)
class Report:
    """What the page, the workbook and the terminal show, so that no two of them can disagree.

    Attributes:
        title: its heading.
        from_on, to_on: the window in local workdays; to_on is not in it.
        timezone: of the window and of every local time without an agent.
        made_at: when it was computed.
        as_of: the knowledge time; None: everything known.
        headline: one row with the columns of ``wfm adherence``.
        by_team, by_agent: the same columns per team and per agent_id, name, team, and label, explained, top_reason,
            top_reason_s; most controllable time first.
        by_day, by_agent_day: the same columns per workday, and per agent_id, workday.
        reasons: class reason n agents seconds share (of scheduled); controllable first, then largest first.
        exceptions: the columns of ``wfm exceptions``, and name, team, zone, start_local, end_local.
        day_slices: the slices of the days worth drawing, with workday, start_local, end_local.
        intervals: the columns of ``wfm intervals``, with label (the queue's name) and on (local date).
        volume_by_queue: entered handled abandoned aht_s abandonment service_level per queue.
        volume_by_day: the same per queue and on, with typical (what such a day usually brings).
        forecast: the columns of ``wfm forecast``, with label, on and slot (minute of the local day).
        forecast_by_day: summed per queue and on.
        forecast_by_slot: averaged per queue and slot over the days.
        accuracy: queue_id measure model wape bias coverage.
        other_definitions: name, value of other products' definitions of adherence.
        sources: figure, source.
        service_level: the variant of service level shown, in words.
        notes: what one must know before using the numbers.
    """

    title: str
    from_on: date
    to_on: date
    timezone: str
    made_at: datetime
    as_of: datetime | None
    headline: pl.DataFrame
    by_team: pl.DataFrame
    by_agent: pl.DataFrame
    by_day: pl.DataFrame
    by_agent_day: pl.DataFrame
    reasons: pl.DataFrame
    exceptions: pl.DataFrame
    day_slices: pl.DataFrame
    intervals: pl.DataFrame
    volume_by_queue: pl.DataFrame
    volume_by_day: pl.DataFrame
    forecast: pl.DataFrame
    forecast_by_day: pl.DataFrame
    forecast_by_slot: pl.DataFrame
    accuracy: pl.DataFrame
    other_definitions: pl.DataFrame
    sources: pl.DataFrame
    service_level: str
    notes: tuple[str, ...]

    @property
    def total(self) -> dict[str, float | None]:
        """Return the headline as a mapping of column to value."""
        return self.headline.row(0, named=True)

    @property
    def day_count(self) -> int:
        """Return how many local days the window has."""
        return (self.to_on - self.from_on).days

    @property
    def last_day(self) -> date:
        """Return the last local day of the window."""
        return self.to_on - timedelta(days=1)

    @property
    def has_schedule(self) -> bool:
        """Return whether there is any scheduled time to score."""
        return bool(self.total["scheduled_s"])
