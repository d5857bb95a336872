"""Figures of the forecast: per day, as an average day, and its measured error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wfm.report.formats import format_count, format_date, format_short_date, format_whole_count
from wfm.report.html.charts import (
    Chart,
    ChartScale,
    build_area,
    build_axis,
    build_bands,
    build_dashes,
    round_up,
    space_ticks,
)
from wfm.report.html.sections.accuracy import AccuracyFigures, build_accuracy
from wfm.report.model import Report

MAX_QUEUES: Final = 6
SLOT_MIN: Final = 15
MAX_HOUR_TICKS: Final = 6


@dataclass(frozen=True)
class ForecastFigures:
    """What ``sections/forecast.html`` shows.

    ``charts``: of each queue the days, and the average day if there is one. ``days``: rows of
    `Report.forecast_by_day` of these queues, with volumes rounded.
    """

    models: list[str]
    origin: Any
    made_at: Any
    charts: list[tuple[Chart, Chart | None]]
    n_queues_shown: int
    n_more: int
    days: list[dict[str, Any]]
    accuracy: AccuracyFigures | None


def build_forecast(report: Report) -> ForecastFigures:
    """Draw the busiest queues' forecast and gather its days and its error."""
    totals = (
        report.forecast_by_day.group_by("queue_id", "label")
        .agg(pl.col("volume").sum())
        .sort("volume", "queue_id", descending=[True, False])
    )
    queues = totals.head(MAX_QUEUES)
    shown = report.forecast_by_day.filter(pl.col("queue_id").is_in(queues["queue_id"].to_list()))
    return ForecastFigures(
        models=sorted({model for model in report.forecast["model"].to_list() if model}),
        origin=report.forecast["origin"].max(),
        made_at=report.forecast["made_at"].max(),
        charts=[_build_charts(report, queue_id, label) for queue_id, label, _ in queues.iter_rows()],
        n_queues_shown=MAX_QUEUES,
        n_more=max(0, totals.height - MAX_QUEUES),
        days=shown.to_dicts(),
        accuracy=build_accuracy(report),
    )


def _build_charts(report: Report, queue_id: str, label: str) -> tuple[Chart, Chart | None]:
    is_mine = pl.col("queue_id") == queue_id
    return (
        _build_day_chart(label, report.forecast_by_day.filter(is_mine)),
        _build_average_day_chart(label, report.forecast_by_slot.filter(is_mine)),
    )


def _build_day_chart(label: str, rows: pl.DataFrame) -> Chart:
    days = rows["on"].to_list()
    highest = max([*rows["volume_p90"].drop_nulls(), *rows["volume"].drop_nulls(), 1.0])
    scale = ChartScale(0, round_up(highest), max(len(days), 1))
    titles = [
        f"{format_date(on)}: {format_whole_count(volume)} calls, {format_whole_count(low)} to "
        f"{format_whole_count(high)}"
        for on, volume, low, high in rows.select("on", "volume", "volume_p10", "volume_p90").iter_rows()
    ]
    return Chart(
        caption=f"{label}: per day",
        label=(
            f"{label}: {format_count(round(rows['volume'].sum()))} calls expected in {len(days)} days. "
            "The table has each day."
        ),
        axis=build_axis(scale, "calls", space_ticks([format_short_date(on) for on in days])),
        bands=build_bands(scale, list(rows.select("volume_p10", "volume_p90").iter_rows()), titles),
        dashes=build_dashes(scale, rows["volume"].to_list()),
        dash_class="expected",
    )


def _build_average_day_chart(label: str, rows: pl.DataFrame) -> Chart | None:
    """Draw the quarter-hours from the first to the last in which anything is expected."""
    high = pl.max_horizontal("volume", "volume_p90")
    busy = rows.filter(high > 0)
    if busy.height < 2:
        return None
    slots: list[int] = busy["slot"].to_list()
    begin, end = min(slots), max(slots) + SLOT_MIN
    rows = rows.filter(pl.col("slot").is_between(begin, end - SLOT_MIN))
    highest: float = rows.select(high.max()).item()
    scale = ChartScale(0, round_up(highest), (end - begin) // SLOT_MIN)
    # Rounded up twice: whole hours only, and never more labels than have room.
    hour_step = 60 * max(1, -(-(end - begin) // 60 // MAX_HOUR_TICKS))
    hours = range(-(-begin // 60) * 60, end, hour_step)
    # A queue with too few calls for a band is drawn as its line alone.
    band = rows.with_columns(pl.col("volume_p10", "volume_p90").fill_null(pl.col("volume")))
    peak = rows.sort("volume", descending=True, maintain_order=True).row(0, named=True)
    return Chart(
        caption=f"{label}: average day",
        label=(
            f"{label}, average day: busiest at {peak['slot'] // 60}:{peak['slot'] % 60:02d} "
            f"with {format_count(peak['volume'])} calls a quarter-hour."
        ),
        axis=build_axis(
            scale,
            "calls per quarter-hour",
            [((slot - begin) / SLOT_MIN, f"{slot // 60}:00") for slot in hours],
        ),
        area=build_area(
            scale,
            [(slot - begin) / SLOT_MIN + 0.5 for slot in rows["slot"]],
            band["volume_p10"].to_list(),
            band["volume_p90"].to_list(),
            band["volume"].to_list(),
        ),
    )
