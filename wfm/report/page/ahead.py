"""The forecast: per day, as an average day, and its measured error beside simple rivals and chance."""

from __future__ import annotations

from typing import Any

import polars as pl

from wfm.report.formats import NOTHING, count, day, moment, short_day
from wfm.report.page.accuracy import error_table
from wfm.report.page.markup import Html, figure, lasting, name, section, tag
from wfm.report.page.plot import Scale, area, axis, dashes, picture, ranges, rounded_up
from wfm.report.page.table import Column, table
from wfm.report.report import Report

QUEUES = 6


def ahead(report: Report) -> Html:
    """Make the section."""
    if report.forecast.is_empty():
        return section("forecast", "Forecast", tag("p", "No forecast is stored for this report."))
    totals = (
        report.outlook.group_by("queue_id", "label")
        .agg(pl.col("volume").sum())
        .sort("volume", "queue_id", descending=[True, False])
    )
    queues, more = totals.head(QUEUES), max(0, totals.height - QUEUES)
    pictures = [_queue(report, queue_id, label) for queue_id, label, _ in queues.iter_rows()]
    return section(
        "forecast",
        "Forecast",
        _origin(report),
        tag("div", pictures, class_="panels"),
        tag(
            "p",
            f"The {QUEUES} busiest queues; {more:,} more in the spreadsheet (sheet Forecast).",
            class_="remark",
        )
        if more
        else None,
        tag(
            "p",
            "Left: each day, its band p10–p90 and the expected number (line). A day's band adds up "
            "its quarter-hours' "
            "bands: right if a whole day runs high or low together, else too wide; queues with few "
            "calls have none. Right: an average day by quarter-hour.",
            class_="remark",
        ),
        _day_table(report, queues["queue_id"].to_list()),
        error_table(report),
    )


def _origin(report: Report) -> Html:
    models = ", ".join(sorted({m for m in report.forecast["model"].to_list() if m}))
    origin: Any = report.forecast["origin"].max()
    made: Any = report.forecast["made_at"].max()
    told = f"Model: {models or NOTHING}."
    if origin is not None:
        told += f" Knows everything before {moment(origin, report.timezone)} and nothing after."
    if made is not None:
        told += f" Computed {moment(made, report.timezone)}."
    return tag("p", told)


def _queue(report: Report, queue_id: str, label: str) -> Html:
    mine = pl.col("queue_id") == queue_id
    days, average = report.outlook.filter(mine), report.profile.filter(mine)
    return tag("div", _days(label, days), _average(label, average), class_="pair")


def _whole(expected: float | None) -> str:
    return count(None if expected is None else round(expected))


def _days(label: str, rows: pl.DataFrame) -> Html:
    days = rows["on"].to_list()
    scale = Scale(
        0,
        rounded_up(max([*rows["volume_p90"].drop_nulls(), *rows["volume"].drop_nulls(), 1.0])),
        max(len(days), 1),
    )
    every = max(1, -(-len(days) // 7))
    spans = list(rows.select("volume_p10", "volume_p90").iter_rows())
    titles = [
        f"{day(on)}: {_whole(volume)} calls, {_whole(low)} to {_whole(high)}"
        for on, volume, low, high in rows.select("on", "volume", "volume_p10", "volume_p90").iter_rows()
    ]
    ticks = [(i + 0.5, short_day(on)) for i, on in enumerate(days) if i % every == 0]
    known = [span if None not in span else None for span in spans]
    drawn = [
        *axis(scale, "calls", ticks),
        *ranges(scale, known, titles),
        *dashes(scale, rows["volume"].to_list(), "expected"),
    ]
    return figure(
        f"{label}: per day",
        picture(
            drawn,
            f"{label}: {count(round(rows['volume'].sum()))} calls expected in {len(days)} days. The "
            "table has each day.",
        ),
    )


def _average(label: str, rows: pl.DataFrame) -> Html:
    """Draw the quarter-hours from the first to the last in which anything is expected."""
    high = pl.max_horizontal("volume", "volume_p90")
    busy = rows.filter(high > 0)
    if busy.height < 2:
        return Html("")
    slots: list[int] = busy["slot"].to_list()
    begin, end = min(slots), max(slots) + 15
    rows = rows.filter(pl.col("slot").is_between(begin, end - 15))
    most: float = rows.select(high.max()).item()
    scale = Scale(0, rounded_up(most), (end - begin) // 15)
    step = 60 * max(1, -(-(end - begin) // 60 // 6))
    hours = range(-(-begin // 60) * 60, end, step)
    ticks = [((slot - begin) / 15, f"{slot // 60}:00") for slot in hours]
    places = [(slot - begin) / 15 + 0.5 for slot in rows["slot"]]
    band = rows.with_columns(pl.col("volume_p10", "volume_p90").fill_null(pl.col("volume")))
    lines = (band[name].to_list() for name in ("volume_p10", "volume_p90", "volume"))
    peak = rows.sort("volume", descending=True).row(0, named=True)
    said = (
        f"{label}, average day: busiest at {peak['slot'] // 60}:{peak['slot'] % 60:02d} "
        f"with {count(peak['volume'])} calls a quarter-hour."
    )
    drawn = [*axis(scale, "calls per quarter-hour", ticks), area(scale, places, *lines)]
    return figure(f"{label}: average day", picture(drawn, said))


def _day_table(report: Report, queues: list[str]) -> Html:
    rows = report.outlook.filter(pl.col("queue_id").is_in(queues))
    listed = [
        Column("Queue", lambda r: name(r["label"])),
        Column("Day", lambda r: day(r["on"])),
        Column("Expected", lambda r: _whole(r["volume"]), lambda r: r["volume"]),
        Column("p10", lambda r: _whole(r["volume_p10"]), lambda r: r["volume_p10"]),
        Column("p90", lambda r: _whole(r["volume_p90"]), lambda r: r["volume_p90"]),
        Column("AHT", lambda r: lasting(round(r["aht_s"])) if r["aht_s"] else NOTHING, lambda r: r["aht_s"]),
    ]
    made = table("Forecast per queue and day", listed, rows.iter_rows(named=True), anchor="outlook-table")
    return tag("details", tag("summary", "Table of the days"), made)
