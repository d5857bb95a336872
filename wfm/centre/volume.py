"""The methods of `Centre` on volume: intervals, forecasts and their accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from wfm.analysis import forecast, time_args
from wfm.analysis.load import check_names_exist, list_names
from wfm.analysis.time_args import ONE_DAY, TimeArgument, TimeWindow
from wfm.centre.base import CentreBase
from wfm.core import schema
from wfm.core.errors import NoDataError
from wfm.core.time import INSTANT
from wfm.engine.forecast import forecast_intervals, run_backtest, summarise_accuracy
from wfm.engine.inputs.clock_offsets import correct_clock_offsets
from wfm.engine.volume import intervals
from wfm.engine.volume.service_level import ServiceLevel


class CentreVolume(CentreBase):
    """Interval volume, forecasts and their accuracy."""

    def intervals(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        queues: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Return volume, handle time, abandonment, service level and occupancy per queue and 15 minutes.

        Args:
            from_, to: two days (workdays), or two instants with an offset; ``to`` is not included.
            queues: one or several queue_ids; None: all.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            source queue_id interval_start; entered handled abandoned (calls) sum_handle_time_s handle_unknown (handled
            calls without a handle time) aht_s abandonment (abandoned / entered, 0..1) origin (vendor or calls). From
            the call log, null without one: calls calls_answered calls_abandoned answered_within abandoned_within
            abandoned_short (calls) wait_s asa_s service_level (0..1) service_level_variant service_level_target_s
            service_level_origin. From the states, null without them: handling_s staffed_s occupancy (0..1).

        Raises:
            UsageError: the window is wrong.
            NoDataError: there is no volume in it, or a queue does not exist.
        """
        window = self.parse_window(from_, to)
        try:
            state = self.score(*self.compute_bounds(window), as_of=as_of).slices()
        except NoDataError:  # calls without states: occupancy is unknown then
            state = None
        return self._compute_intervals(window, list_names(queues), as_of, state)

    def _compute_intervals(
        self,
        window: TimeWindow,
        chosen: Sequence[str] | None,
        as_of: TimeArgument | None,
        state: pl.DataFrame | None,
    ) -> pl.DataFrame:
        span = self.compute_bounds(window)
        wide = (span[0] - ONE_DAY, span[1] + ONE_DAY)  # an agent's queue is decided per whole local day
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            check_names_exist(reader, "queue", chosen or ())
            volume = reader.read_table("interval_volume", span=wide)
            legs = reader.read_table("call_leg", span=wide)
            login, queue = reader.read_table("login"), reader.read_table("queue")
            legs = correct_clock_offsets(
                legs, reader.read_table("clock"), ["started_at", "answered_at", "ended_at"]
            )
        found = intervals.measure_intervals(
            call_leg=legs,
            interval_volume=volume,
            state=state,
            login=login,
            queue=queue,
            window=span,
            service_level=ServiceLevel(target_s=self.settings.service_level_s),
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
        origin: TimeArgument | None = None,
        as_of: TimeArgument | None = None,
        keep: bool = True,
    ) -> pl.DataFrame:
        """Forecast volume and handle time from the origin on, and store the snapshot.

        Args:
            queues: one or several queue_ids; None: all.
            horizon: how far ahead, up to 366 days.
            origin: a day or instant; only intervals that ended by it are used; None: the end of the last interval.
            as_of: learn only from what was known at this instant; None: everything.
            keep: store the snapshot in table forecast.

        Returns:
            queue_id interval_start volume volume_p10 volume_p50 volume_p90 aht_s aht_p10 aht_p90 model origin
            made_at: volume in calls per 15 minutes with 10 %, 50 % and 90 % quantiles; aht_s in seconds likewise.

        Raises:
            UsageError: the horizon is wrong.
            InputError: the history is too short.
            NoDataError: there is no volume before the origin, or a queue does not exist.
        """
        forecast.check_horizon(horizon)
        start = time_args.parse_instant(origin, self.settings.timezone, "--origin")
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            history = forecast.read_interval_history(reader, list_names(queues))
            first, end = forecast.find_history_extent(history)
            start = start or end
            special = forecast.read_special_days(reader, self.settings, first, start + horizon)
        if first + forecast.INTERVAL_LENGTH > start:
            raise NoDataError(f"No interval ended by {start.isoformat()}; the first is {first.isoformat()}.")
        snapshot = self._build_snapshot(history, start, horizon, special)
        if keep:
            self.database.append_rows("forecast", snapshot)
        return snapshot

    def _build_snapshot(
        self, history: pl.DataFrame, origin: datetime, horizon: timedelta, special: pl.DataFrame | None
    ) -> pl.DataFrame:
        predicted = forecast_intervals(
            history, origin=origin, horizon=horizon, timezone=self.settings.timezone, holiday=special
        )
        now = pl.lit(datetime.now(UTC), INSTANT)
        return predicted.with_columns(made_at=now).select(list(schema.get_table("forecast").columns))

    def accuracy(
        self,
        *,
        queues: str | Sequence[str] | None = None,
        weeks: int = 8,
        as_of: TimeArgument | None = None,
    ) -> pl.DataFrame:
        """Backtest the forecast over the last weeks, against simple baselines and the noise floor.

        Args:
            queues: one or several queue_ids; None: all.
            weeks: how many weekly origins to forecast from.
            as_of: use only what was known at this instant; None: everything.

        Returns:
            One row per queue_id, model and measure (volume, handle_s, aht_s): wape15 (weighted absolute percentage
            error per 15 minutes, 0..) bias (relative) pinball (calls or seconds) coverage (0..1, of the 10 % to 90 %
            prediction interval) noise_floor (of wape15, for volume) intervals (how many were measured).

        Raises:
            NoDataError: there is no volume, or a queue does not exist.
            UsageError, InputError: the history is too short.
        """
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            history = forecast.read_interval_history(reader, list_names(queues))
            special = forecast.read_special_days(
                reader, self.settings, *forecast.find_history_extent(history)
            )
        return self._measure_accuracy(history, weeks, special)

    def _measure_accuracy(
        self, history: pl.DataFrame, weeks: int, special: pl.DataFrame | None
    ) -> pl.DataFrame:
        backtest = run_backtest(history, timezone=self.settings.timezone, weeks=weeks, holiday=special)
        return summarise_accuracy(backtest, by=["queue_id"])
