"""The method of `Centre` that computes a report: every figure of a window of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from wfm.analysis import data_sources, forecast
from wfm.analysis.load import read_agents
from wfm.analysis.time_args import TimeArgument
from wfm.centre.volume import CentreVolume
from wfm.core.errors import InputError, NoDataError, UsageError

if TYPE_CHECKING:
    from wfm.report import Report


class CentreReports(CentreVolume):
    """The report: every figure of a window of days."""

    def report(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        as_of: TimeArgument | None = None,
        horizon: timedelta = timedelta(days=14),
        definitions: str | Sequence[str] = (),
    ) -> Report:
        """Compute every figure of a report: scores, exceptions, volume and, with enough history, the forecast.

        Nothing is stored, not even the forecast.

        Args:
            from_, to: two days; ``to`` is not included.
            as_of: use only what was known at this instant; None: everything.
            horizon: how far the forecast reaches after the last interval.
            definitions: other products' definitions to show as well, by name, or ``all``.

        Returns:
            The report's figures, for `wfm.report` to write as html, xlsx or csv.

        Raises:
            UsageError: the window is not two days, or a definition does not exist.
            NoDataError: nothing is known about the window.
        """
        from wfm.report import build_report

        start, end = self.parse_window(from_, to)
        if isinstance(start, datetime) or isinstance(end, datetime):
            raise UsageError("A report covers whole days: give dates like 2026-03-02.")
        scored = self.score(start, end, as_of=as_of)
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            agent, queue = read_agents(reader), reader.read_table("queue")
        state = replace(scored, window=self.compute_bounds((start, end))).slices()
        call_figures, notes = self._build_call_figures(start, end, as_of, horizon, state)
        accounts = {name: str(of.get("vendor", "")) for name, of in self.settings.sources.items()}
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            figures = data_sources.describe_figure_sources(
                reader, self.compute_bounds((start, end)), call_figures.get("interval"), accounts
            )
        return build_report(
            sources=figures,
            overall=scored.adherence([], definitions),
            by_team=scored.adherence(["team"]),
            by_agent=scored.adherence(["agent_id", "name", "team"]),
            by_day=scored.adherence(["workday"]),
            by_agent_day=scored.adherence(["agent_id", "workday"]),
            exceptions=scored.exceptions(),
            slices=scored.slices(),
            agent=agent,
            queue=queue,
            from_on=start,
            to_on=end,
            made_at=datetime.now(UTC),
            timezone=self.settings.timezone,
            as_of=self._parse_as_of(as_of),
            notes_before=notes,
            **call_figures,
        )

    def _build_call_figures(
        self, start: date, end: date, as_of: TimeArgument | None, horizon: timedelta, state: pl.DataFrame
    ) -> tuple[dict[str, Any], list[str]]:
        """Return a report's frames about calls (interval history forecast accuracy), and notes on what is missing."""
        found: dict[str, Any] = {}
        try:
            found["interval"] = self._compute_intervals((start, end), None, as_of, state)
            with self.database.open_reader(self._parse_as_of(as_of)) as reader:
                found["history"] = history = forecast.read_interval_history(reader, None)
                first, last = forecast.find_history_extent(history)
                special = forecast.read_special_days(reader, self.settings, first, last + horizon)
            found["forecast"] = self._build_snapshot(history, last, horizon, special)
            found["accuracy"] = self._measure_accuracy(
                history, forecast.count_backtest_origins(first, last), special
            )
        except NoDataError:
            return found, []
        except (UsageError, InputError) as error:  # too little history
            what = "The forecast's accuracy is unknown" if "forecast" in found else "There is no forecast"
            return found, [f"{what}: {error}"]
        return found, []
