"""The part of `Centre` on the report: every figure of a window of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from wfm.errors import InputError, NoDataError, UsageError
from wfm.jobs import ahead, provenance
from wfm.jobs.centre.volumes import Volumes
from wfm.jobs.scoring import people
from wfm.jobs.when import When

if TYPE_CHECKING:
    from wfm.report import Report


class Reports(Volumes):
    """The report: every figure of a window of days."""

    def report(
        self,
        from_: When,
        to: When,
        *,
        as_of: When | None = None,
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

        start, end = self.window(from_, to)
        if isinstance(start, datetime) or isinstance(end, datetime):
            raise UsageError("A report covers whole days: give dates like 2026-03-02.")
        scored = self.score(start, end, as_of=as_of)
        with self.store.reading(self._instant(as_of)) as reader:
            agent, queue = people(reader), reader.table("queue")
        state = replace(scored, window=self.bounds((start, end))).slices()
        outlook, notes = self._outlook(start, end, as_of, horizon, state)
        accounts = {name: str(of.get("vendor", "")) for name, of in self.settings.sources.items()}
        with self.store.reading(self._instant(as_of)) as reader:
            figures = provenance.figures(reader, self.bounds((start, end)), outlook.get("interval"), accounts)
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
            as_of=self._instant(as_of),
            notes_before=notes,
            **outlook,
        )

    def _outlook(
        self, start: date, end: date, as_of: When | None, horizon: timedelta, state: pl.DataFrame
    ) -> tuple[dict[str, Any], list[str]]:
        """Return a report's frames about calls (interval history forecast accuracy), and notes on what is missing."""
        found: dict[str, Any] = {}
        try:
            found["interval"] = self._intervals((start, end), None, as_of, state)
            with self.store.reading(self._instant(as_of)) as reader:
                found["history"] = past = ahead.history(reader, None)
                first, last = ahead.extent(past)
                special = ahead.special_days(reader, self.settings, first, last + horizon)
            found["forecast"] = self._forecast(past, last, horizon, special)
            found["accuracy"] = self._accuracy(past, ahead.origins(first, last), special)
        except NoDataError:
            return found, []
        except (UsageError, InputError) as short:
            what = "The forecast's accuracy is unknown" if "forecast" in found else "There is no forecast"
            return found, [f"{what}: {short}"]
        return found, []
