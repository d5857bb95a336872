"""Figures of the call volume: each queue, and each day against what such a day usually brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wfm.report.formats import format_count, format_date, format_short_date
from wfm.report.html.charts import (
    Chart,
    ChartScale,
    build_axis,
    build_columns,
    build_dashes,
    round_up,
    space_ticks,
)
from wfm.report.model import Report

MAX_CHARTS: Final = 12


@dataclass(frozen=True)
class VolumeFigures:
    """What ``sections/volume.html`` shows.

    ``has_typical``: whether any day has earlier days to compare with. ``furthest``: the day furthest from typical
    over all queues (on, ratio: entered ÷ typical − 1).
    """

    queues: list[dict[str, Any]]
    has_service_level: bool
    charts: list[Chart]
    n_more: int
    has_typical: bool
    furthest: dict[str, Any] | None


def build_volume(report: Report) -> VolumeFigures:
    """Gather the queues' sums and draw the busiest queues' days."""
    queues = report.volume_by_queue
    charts = [
        _build_chart(label, report.volume_by_day.filter(pl.col("queue_id") == queue_id))
        for queue_id, label in queues.head(MAX_CHARTS).select("queue_id", "label").iter_rows()
    ]
    return VolumeFigures(
        queues=queues.to_dicts(),
        has_service_level=bool(queues["service_level"].is_not_null().any()),
        charts=charts,
        n_more=queues.height - len(charts),
        has_typical=not report.volume_by_day["typical"].is_null().all(),
        furthest=_find_furthest_day(report),
    )


def _build_chart(label: str, rows: pl.DataFrame) -> Chart:
    entered, typical = rows["entered"].to_list(), rows["typical"].to_list()
    days = rows["on"].to_list()
    typical_known = [value for value in typical if value is not None]
    scale = ChartScale(0, round_up(max([*entered, *typical_known, 1])), max(len(entered), 1))
    titles = [
        f"{format_date(on)}: {format_count(came)} entered, typical {format_count(usual)}"
        for on, came, usual in zip(days, entered, typical, strict=True)
    ]
    text = f"{label}: {format_count(sum(entered))} calls entered in {len(entered)} days"
    if sum(typical_known):
        text += f"; {format_count(sum(typical_known))} would be typical"
    return Chart(
        caption=label,
        label=f"{text}.",
        axis=build_axis(scale, "calls", space_ticks([format_short_date(on) for on in days])),
        columns=build_columns(scale, entered, titles),
        dashes=build_dashes(scale, typical),
    )


def _find_furthest_day(report: Report) -> dict[str, Any] | None:
    days = (
        report.volume_by_day.drop_nulls("typical")
        .group_by("on")
        .agg(pl.col("entered", "typical").sum())
        .filter(pl.col("typical") > 0)
        .with_columns(ratio=pl.col("entered") / pl.col("typical") - 1)
        .sort(pl.col("ratio").abs(), "on", descending=[True, False])
    )
    return None if days.is_empty() else days.row(0, named=True)
