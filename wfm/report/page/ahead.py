"""The forecast: per day with its band, the average day, and its measured error beside simple rivals and chance."""

from __future__ import annotations

from typing import Any

import polars as pl

from wfm.report.formats import NOTHING, count, day, moment, percent, spoken
from wfm.report.outlook import FLOOR, MEASURES, RIVALS
from wfm.report.page.markup import Content, Html, figure, lasting, name, section, tag
from wfm.report.page.plot import Scale, area, axis, dashes, picture, ranges, rounded_up
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report

QUEUES = 6
MEASURE = {"volume": "calls", "handle_s": "workload (handle seconds)", "aht_s": "AHT"}


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
        tag("p", f"The {QUEUES} busiest queues; {more:,} more in the spreadsheet (sheet Forecast).", class_="remark") if more else None,
        tag("p", "Left: each day, its band p10–p90 and the expected number (line). A day's band adds up its quarter-hours' "
            "bands: right if a whole day runs high or low together, else too wide. Right: an average day by quarter-hour.", class_="remark"),
        _day_table(report, queues["queue_id"].to_list()),
        error_table(report),
    )  # fmt: skip


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
    return tag("div", _days(label, report.outlook.filter(pl.col("queue_id") == queue_id)),
               _average(label, report.profile.filter(pl.col("queue_id") == queue_id)), class_="pair")  # fmt: skip


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
        f"{day(r['on'])}: {count(round(r['volume'] or 0))} calls, {count(round(r['volume_p10'] or 0))} to {count(round(r['volume_p90'] or 0))}"
        for r in rows.iter_rows(named=True)
    ]
    ticks = [(i + 0.5, f"{on.day}.{on.month}.") for i, on in enumerate(days) if i % every == 0]
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
            f"{label}: {count(round(rows['volume'].sum()))} calls expected in {len(days)} days. The table has each day.",
        ),
    )


def _average(label: str, rows: pl.DataFrame) -> Html:
    """Draw the quarter-hours in which anything is expected."""
    busy = rows.filter(pl.col("volume_p90") > 0) if rows["volume_p90"].is_not_null().any() else rows
    if busy.height < 2:
        return Html("")
    begin, end = int(busy["slot"].min()), int(busy["slot"].max()) + 15  # type: ignore[call-overload]
    rows = rows.filter(pl.col("slot").is_between(begin, end - 15))
    scale = Scale(
        0,
        rounded_up(max(float(busy["volume_p90"].max() or 0), float(busy["volume"].max() or 0))),
        (end - begin) // 15,
    )  # type: ignore[arg-type]
    step = 60 * max(1, -(-(end - begin) // 60 // 6))
    ticks = [((slot - begin) / 15, f"{slot // 60}:00") for slot in range(-(-begin // 60) * 60, end, step)]
    places = [(slot - begin) / 15 + 0.5 for slot in rows["slot"]]
    drawn = [
        *axis(scale, "calls per quarter-hour", ticks),
        area(scale, places, rows["volume_p10"].fill_null(0).to_list(), rows["volume_p90"].fill_null(0).to_list(), rows["volume"].to_list()),
    ]  # fmt: skip
    peak = rows.sort("volume", descending=True).row(0, named=True)
    said = f"{label}, average day: busiest at {peak['slot'] // 60}:{peak['slot'] % 60:02d} with {count(peak['volume'])} calls a quarter-hour."
    return figure(f"{label}: average day", picture(drawn, said))


def _day_table(report: Report, queues: list[str]) -> Html:
    rows = report.outlook.filter(pl.col("queue_id").is_in(queues))
    listed = [
        Column("Queue", lambda r: name(r["label"])),
        Column("Day", lambda r: day(r["on"])),
        Column("Expected", lambda r: count(round(r["volume"])), lambda r: r["volume"]),
        Column("p10", lambda r: count(round(r["volume_p10"] or 0)), lambda r: r["volume_p10"]),
        Column("p90", lambda r: count(round(r["volume_p90"] or 0)), lambda r: r["volume_p90"]),
        Column("AHT", lambda r: lasting(round(r["aht_s"])) if r["aht_s"] else NOTHING, lambda r: r["aht_s"]),
    ]
    made = table("Forecast per queue and day", listed, rows.iter_rows(named=True), anchor="outlook-table")
    return tag("details", tag("summary", "Table of the days"), made)


def error_table(report: Report) -> Content:
    """List the measured error per queue and measure: ours first, then the rivals and what chance alone leaves."""
    rows = report.accuracy
    if rows.is_empty():
        return tag("p", "The forecast's error has not been measured: run wfm accuracy.", class_="remark")
    found = rows["model"].unique(maintain_order=True).to_list()
    stored = set(report.forecast["model"].to_list())
    ours = [m for m in found if m in stored] or [m for m in found if m not in RIVALS]
    models = [*ours, *sorted({*found} - {*ours, FLOOR}), *(m for m in found if m == FLOOR)]
    wide = rows.pivot("model", index=["queue_id", "measure"], values="wape", aggregate_function="first")
    rank = pl.col("measure").replace_strict(
        dict(zip(MEASURES, range(3), strict=True)), default=3, return_dtype=pl.Int32
    )
    wide = wide.sort(rank, "queue_id", nulls_last=False, maintain_order=True)
    names = dict(report.outlook.select("queue_id", "label").unique().iter_rows())

    def who(row: Row) -> Content:
        return name(names.get(row["queue_id"], row["queue_id"]) if row["queue_id"] else "all queues")

    listed = [
        Column("Queue", who),
        Column("Of", lambda r: MEASURE.get(r["measure"], spoken(r["measure"]))),
        *(_error(model, model in ours) for model in models),
    ]
    told = _coverage(rows, ours)
    made = table(
        "Error (WAPE) of quarter-hours, by forecasting past weeks; smaller is better",
        listed,
        wide.iter_rows(named=True),
        anchor="accuracy-table",
    )
    return [tag("h3", "How far off it was"), made, tag("p", told, class_="remark")]


def _error(model: str, ours: bool) -> Column:
    word = {
        FLOOR: "Noise floor",
        "last_week": "Last week again",
        "median_6": "Median of 6 weeks",
        "mean_8": "Mean of 8 weeks",
    }
    head = word.get(model, f"This model ({spoken(model)})" if ours else spoken(model))
    return Column(head, lambda r: percent(r[model]), lambda r: r[model])


def _coverage(rows: pl.DataFrame, ours: list[str]) -> str:
    told = "The noise floor is what chance alone leaves to a perfect forecast; nothing can be below it."
    band = rows.filter(pl.col("model").is_in(ours), pl.col("measure") == "volume").drop_nulls("coverage")
    if band.is_empty():
        return told
    low, high = band["coverage"].min(), band["coverage"].max()
    span = percent(low) if low == high else f"{percent(low)} to {percent(high)}"  # type: ignore[arg-type]
    return f"{told} Of past quarter-hours, {span} fell into the band p10–p90 (meant: 80 %)."
