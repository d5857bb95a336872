"""The report as a value: every figure a person will see, in frames, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl


@dataclass(frozen=True)
class Report:
    """Hold what the page, the workbook and the terminal show, so that no two of them can disagree.

    title, from_on, to_on (exclusive), timezone, made_at, as_of: what was asked, when. ``as_of`` None: all
    that is known.
    headline: one row with the columns of ``wfm adherence``. by_team, by_agent, by_day, by_agent_day: the
    same columns
    per group; teams and agents also label, explained, top_reason, top_reason_s; in order of controllable_s.
    reasons: class reason n agents seconds share (of scheduled); controllable first, then largest first.
    exceptions: the columns of ``wfm exceptions`` and name, team, zone, start_local, end_local.
    strips: the slices of the days worth drawing, with workday, start_local, end_local.
    intervals: the columns of ``wfm intervals``, with label (the queue's name) and on (local date).
    volume: per queue; volume_by_day: per queue and on, with typical.
    forecast: the columns of ``wfm forecast``; outlook: per queue and on; profile: per queue and slot (minute
    of the
    day), averaged over days. accuracy: queue_id measure model wape bias coverage.
    definitions: name, value, of other products' definitions of adherence.
    sources: figure, source. notes: what one must know before using the numbers.
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
    strips: pl.DataFrame
    intervals: pl.DataFrame
    volume: pl.DataFrame
    volume_by_day: pl.DataFrame
    forecast: pl.DataFrame
    outlook: pl.DataFrame
    profile: pl.DataFrame
    accuracy: pl.DataFrame
    definitions: pl.DataFrame
    sources: pl.DataFrame
    service_level: str
    notes: tuple[str, ...]

    @property
    def total(self) -> dict[str, float | None]:
        """The headline as a mapping."""
        return self.headline.row(0, named=True)

    @property
    def days(self) -> int:
        """How many local days the window has."""
        return (self.to_on - self.from_on).days

    @property
    def last_on(self) -> date:
        """The last local day of the window."""
        return self.to_on - timedelta(days=1)

    @property
    def is_scheduled(self) -> bool:
        """Whether there is any scheduled time to score."""
        return bool(self.total["scheduled_s"])
