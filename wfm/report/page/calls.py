"""Volume: what each queue got, and each day beside what such a day usually brings."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import NOTHING, count, day, percent, short_day
from wfm.report.page.markup import Content, Html, figure, lasting, name, section, tag
from wfm.report.page.plot import Scale, axis, columns, dashes, picture, rounded_up
from wfm.report.page.table import Column, table
from wfm.report.report import Report

QUEUES = 12


def calls(report: Report) -> Html:
    """Make the section."""
    if report.volume.is_empty():
        return section("volume", "Volume", tag("p", "No interval volume is known for this window."))
    queues = report.volume.head(QUEUES)
    more = report.volume.height - queues.height
    pictures = [
        _queue(label, report.volume_by_day.filter(pl.col("queue_id") == queue_id))
        for queue_id, label in queues.select("queue_id", "label").iter_rows()
    ]
    return section(
        "volume",
        "Volume",
        queue_table(report),
        tag("h3", "Entered per day, against a typical day"),
        tag("div", pictures, class_="panels"),
        tag("p", f"The {queues.height} busiest queues; {more:,} more in the table above.", class_="remark")
        if more
        else None,
        _untypical(report),
    )


def queue_table(report: Report) -> Html:
    """List queues with their sums; a figure nobody measured is a dash, never a zero."""
    judged = bool(report.volume["service_level"].is_not_null().any())
    listed = [
        Column(
            "Queue",
            lambda r: (
                name(r["label"]),
                tag("small", r["queue_id"]) if r["label"] != r["queue_id"] else None,
            ),
        ),
        Column("Entered", lambda r: count(r["entered"]), lambda r: r["entered"]),
        Column("Handled", lambda r: count(r["handled"]), lambda r: r["handled"]),
        Column("AHT", lambda r: lasting(r["aht_s"]), lambda r: r["aht_s"], "average handle time"),
        Column("Abandoned", lambda r: count(r["abandoned"]), lambda r: r["abandoned"]),
        Column("Abandoned ÷ entered", lambda r: percent(r["abandonment"]), lambda r: r["abandonment"]),
        Column(
            "Service level",
            lambda r: percent(r["service_level"]),
            lambda r: r["service_level"],
            report.service_level,
        ),
        Column("Source", lambda r: r["source"] or NOTHING),
    ]
    made = table(
        "Queues, busiest first",
        listed,
        report.volume.iter_rows(named=True),
        anchor="volume-table",
        sortable=True,
    )
    said = (
        f"Service level here is: {report.service_level}."
        if judged
        else "Service level needs a call log with waiting times; none is known here."
    )
    return Html(made + tag("p", said, class_="remark"))


def _queue(label: str, rows: pl.DataFrame) -> Html:
    entered, usual = rows["entered"].to_list(), rows["typical"].to_list()
    scale = Scale(
        0, rounded_up(max([*entered, *(v for v in usual if v is not None), 1])), max(len(entered), 1)
    )
    every = max(1, -(-rows.height // 7))
    days = rows["on"].to_list()
    ticks = [(i + 0.5, short_day(on)) for i, on in enumerate(days) if i % every == 0]
    titles = [
        f"{day(on)}: {count(came)} entered, typical {count(typical)}"
        for on, came, typical in zip(days, entered, usual, strict=True)
    ]
    drawn = [*axis(scale, "calls", ticks), *columns(scale, entered, titles), *dashes(scale, usual)]
    total, expected = sum(entered), sum(v for v in usual if v is not None)
    label_said = f"{label}: {count(total)} calls entered in {len(entered)} days"
    if expected:
        label_said += f"; {count(expected)} would be typical"
    return figure(label, picture(drawn, label_said + "."))


def _untypical(report: Report) -> Content:
    """Say how columns and dashes read, or why there are no dashes."""
    if report.volume_by_day["typical"].is_null().all():
        return tag(
            "p",
            "Columns: calls that entered. No dashes: fewer than two earlier days of the same weekday "
            "are known.",
            class_="remark",
        )
    off = (
        report.volume_by_day.drop_nulls("typical")
        .group_by("on")
        .agg(pl.col("entered", "typical").sum())
        .filter(pl.col("typical") > 0)
        .with_columns(ratio=pl.col("entered") / pl.col("typical") - 1)
        .sort(pl.col("ratio").abs(), "on", descending=[True, False])
    )
    told = ""
    if not off.is_empty():
        row = off.row(0, named=True)
        more = "more" if row["ratio"] > 0 else "fewer"
        told = (
            f" Furthest from typical: {day(row['on'])}, {percent(abs(row['ratio']))} {more} calls "
            "than usual over all queues."
        )
    return tag(
        "p",
        "Columns: calls that entered. Dashes: the median of the same weekday in up to six weeks "
        f"before.{told}",
        class_="remark",
    )
