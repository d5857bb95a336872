"""A chapter of `Centre`: volume and forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from wfm import schema
from wfm.core.time import INSTANT
from wfm.engine import volume
from wfm.engine.clocks import put_right
from wfm.engine.forecast import accuracy as measure
from wfm.engine.forecast import backtest
from wfm.engine.forecast import forecast as forecast_volume
from wfm.errors import NoDataError
from wfm.jobs import ahead, when
from wfm.jobs.centre.place import Place
from wfm.jobs.scoring import check_names, names
from wfm.jobs.when import DAY, When, Window


class Volumes(Place):
    """Volume and forecast."""

    def intervals(
        self,
        from_: When,
        to: When,
        *,
        queues: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Return volume, handle time, abandonment, service level and occupancy per queue and 15 minutes.

        Columns as in `wfm.engine.volume.intervals`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known of it, or of the queue.
        """
        window = self.window(from_, to)
        try:
            state = self.score(*self.bounds(window), as_of=as_of).slices()
        except NoDataError:  # calls without states: then nobody knows how occupied agents were
            state = None
        return self._intervals(window, names(queues), as_of, state)

    def _intervals(
        self, window: Window, chosen: Sequence[str] | None, as_of: When | None, state: pl.DataFrame | None
    ) -> pl.DataFrame:
        span = self.bounds(window)
        wide = (span[0] - DAY, span[1] + DAY)  # who staffed a queue is decided by whole local days
        with self.store.reading(self._instant(as_of)) as known:
            check_names(known, "queue", chosen or ())
            buckets, legs = known.table("interval_volume", span=wide), known.table("call_leg", span=wide)
            login, queue = known.table("login"), known.table("queue")
            legs = put_right(legs, known.table("clock"), ["started_at", "answered_at", "ended_at"])
        found = volume.intervals(
            call_leg=legs,
            interval_volume=buckets,
            state=state,
            login=login,
            queue=queue,
            window=span,
            service_level=volume.ServiceLevel(target_s=self.settings.service_level_s),
            timezone=self.settings.timezone,
        )
        found = found if chosen is None else found.filter(pl.col("queue_id").is_in(chosen))
        if found.is_empty():
            of = f" of {', '.join(chosen)}" if chosen else ""
            raise NoDataError(
                f"No interval volume and no calls{of} are known from {window[0]} to {window[1]}."
            )
        return found

    def forecast(
        self,
        *,
        queues: str | Sequence[str] | None = None,
        horizon: timedelta = timedelta(days=14),
        origin: When | None = None,
        as_of: When | None = None,
        keep: bool = True,
    ) -> pl.DataFrame:
        """Forecast volume and handle time from the origin on and keep the snapshot.

        Args:
            queues: which; None: all.
            horizon: how far.
            origin: only intervals that ended by it are used; None: the last interval there is.
            as_of: learn only from what was known then.
            keep: store the snapshot in table forecast.

        Returns:
            queue_id interval_start volume volume_p10 volume_p50 volume_p90 aht_s aht_p10 aht_p90 model origin
            made_at.

        Raises:
            UsageError: the horizon is wrong.
            NoDataError: there is no volume to learn from.
        """
        ahead.check_horizon(horizon)
        start = when.instant(origin, self.settings.timezone, "--origin")
        with self.store.reading(self._instant(as_of)) as known:
            history = ahead.history(known, names(queues))
            first, end = ahead.extent(history)
            start = start or end
            special = ahead.special_days(known, self.settings, first, start + horizon)
        if first + ahead.INTERVAL > start:
            raise NoDataError(f"No interval ended by {start.isoformat()}; the first is {first.isoformat()}.")
        snapshot = self._forecast(history, start, horizon, special)
        if keep:
            self.store.append("forecast", snapshot)
        return snapshot

    def _forecast(
        self, past: pl.DataFrame, origin: datetime, horizon: timedelta, special: pl.DataFrame | None
    ) -> pl.DataFrame:
        made = forecast_volume(
            past, origin=origin, horizon=horizon, timezone=self.settings.timezone, holiday=special
        )
        now = pl.lit(datetime.now(UTC), INSTANT)
        return made.with_columns(made_at=now).select(list(schema.table("forecast").columns))

    def accuracy(
        self,
        *,
        queues: str | Sequence[str] | None = None,
        weeks: int = 8,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Measure the forecast over the last weeks, beside simple rivals and the noise floor.

        Columns as in `wfm.engine.forecast.accuracy`, per queue.

        Raises:
            NoDataError: there is no volume.
            UsageError, InputError: there is too little of it.
        """
        with self.store.reading(self._instant(as_of)) as known:
            history = ahead.history(known, names(queues))
            special = ahead.special_days(known, self.settings, *ahead.extent(history))
        return self._accuracy(history, weeks, special)

    def _accuracy(self, past: pl.DataFrame, weeks: int, special: pl.DataFrame | None) -> pl.DataFrame:
        tested = backtest(past, timezone=self.settings.timezone, weeks=weeks, holiday=special)
        return measure(tested, by=["queue_id"])
